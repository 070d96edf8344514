// SPDX-License-Identifier: MIT
/*
 * KSM's zero pages. With use_zero_pages ksmd maps the zero page in place of a
 * cleared page, and counts the mappings, for the process and for the system.
 * Code that maps another page at the address subtracts from the counts
 * (ksm_might_unmap_zero_page()). An engine that fills the address and forgets
 * the counts leaves zero pages without an owner, in the process's count and
 * later in the system's.
 *
 * Shows: KSM
 * Guest: engine
 */
#include "ksm.h"
#include "migrate.h"

#define PAGES 64

FIXTURE(ksm_zero) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_SETUP(ksm_zero)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	ASSERT_EQ(ksm_prepare(), 0);
	ASSERT_EQ(write_file(KSM "use_zero_pages", "1"), 0);
}

FIXTURE_TEARDOWN(ksm_zero)
{
	ksm_unmerge_and_stop();
	write_file(KSM "use_zero_pages", "0");
	ferry_close(self->ferry);
}

static long zero_pages(void)
{
	return read_counter("/proc/self/ksm_stat", "ksm_zero_pages");
}

TEST_F_TIMEOUT(ksm_zero, uncounted_when_filled, 60)
{
	double end = seconds() + 20;
	uint8_t outcomes[PAGES];
	long before, after;

	ASSERT_EQ(read_number(KSM "ksm_zero_pages", &before), 0);
	memset(self->memory, 0, self->n);
	ASSERT_EQ(madvise(self->memory, self->n, MADV_MERGEABLE), 0);
	ASSERT_EQ(ksm_run(KSM_START), 0);
	while (zero_pages() < PAGES && seconds() < end)
		usleep(1000);
	ASSERT_EQ(ksm_run(KSM_STOP), 0);
	ASSERT_EQ(zero_pages(), PAGES);

	test_engine(self->ferry, OWN, self->memory, self->n, TO_DEVICE, outcomes);
	ASSERT_EQ(count_outcome(outcomes, PAGES, DRM_FERRY_ZERO_FILLED), PAGES);
	ASSERT_EQ(zero_pages(), 0);
	ASSERT_EQ(read_number(KSM "ksm_zero_pages", &after), 0);
	ASSERT_EQ(after, before);
	ASSERT_EQ(find_nonzero(self->memory, self->n), self->n);
}

TEST_HARNESS_MAIN
