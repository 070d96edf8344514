// SPDX-License-Identifier: MIT
/*
 * The test drops half of a migration's pages (MADV_DONTNEED) during a hold, in
 * many rounds. A broken engine leaks a source or destination page: the
 * migration entry is gone when the page should be mapped, and the page keeps a
 * reference. The test finds leaks in system memory, where no counter shows
 * them, and on the device.
 *
 * Shows: MIGRATE, MADV_DONTNEED, page leaks
 * Guest: races
 */
#include "race.h"

#define LEAK_PAGES 512
#define ROUNDS 16
/* The rest of the system needs memory too. */
#define TOLERANCE (LEAK_PAGES / 2 * ROUNDS / 4)

FIXTURE(leak) {
	struct ferry *ferry;
	uint8_t *memory;
	struct background background;
	size_t n;
};

FIXTURE_VARIANT(leak) {
	struct race race;
};

RACE_VARIANT(leak, private_out_before_flush, 0, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(leak, private_out_before_finalize, 0, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(leak, private_home_after_setup, 0, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(leak, private_home_before_finalize, 0, TO_SYSTEM, BEFORE_FINALIZE);
RACE_VARIANT(leak, coherent_out_before_finalize, 2, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(leak, coherent_home_before_finalize, 2, TO_SYSTEM, BEFORE_FINALIZE);

FIXTURE_SETUP(leak)
{
	self->n = LEAK_PAGES * page_size();
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	self->memory = test_map(self->n);
	self->background = (struct background) {
		.ferry = self->ferry,
		.request = {
			.addr = ptr(self->memory),
			.len = self->n,
			.target = variant->race.how == TO_DEVICE ?
				  DRM_FERRY_TARGET_DEVICE : DRM_FERRY_TARGET_SYSTEM,
			.backend = DRM_FERRY_BACKEND_OWN,
			.flush = DRM_FERRY_FLUSH_PER_CALL,
		},
	};
}

FIXTURE_TEARDOWN(leak)
{
	control_off();
	ferry_close(self->ferry);
}

/* Free pages of all zones, including the per-CPU lists, which may be long. */
static long free_pages(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	long n, sum = 0;
	char line[128];

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %ld", &n) == 1 ||
		    sscanf(line, " count: %ld", &n) == 1)
			sum += n;
	fclose(file);
	return sum;
}

/* Faults in every page; the data does not matter. */
static void touch_all(uint8_t *memory)
{
	size_t i;

	for (i = 0; i < LEAK_PAGES; i++)
		memory[i * page_size()] = 1;
}

TEST_F_TIMEOUT(leak, dropped_while_held, 120)
{
	long before, after;
	int round;

	for (round = -1; round < ROUNDS; round++) {
		/*
		 * The first round does not count: it allocates page tables and
		 * warms caches.
		 */
		if (!round)
			before = free_pages();
		touch_all(self->memory);
		if (variant->race.how != TO_DEVICE)
			test_to_device(self->ferry, self->memory, self->n);
		ASSERT_EQ(drain_lru(), 0);
		ASSERT_EQ(control_arm(variant->race.point), 0);
		ASSERT_EQ(background_start(&self->background), 0);
		ASSERT_EQ(control_wait(variant->race.point), 0);
		ASSERT_EQ(madvise(self->memory, self->n / 2, MADV_DONTNEED), 0);
		ASSERT_EQ(control_release(variant->race.point), 0);
		ASSERT_EQ(background_join(&self->background), 0);
		ASSERT_EQ(self->background.request.moved, LEAK_PAGES);
		ASSERT_EQ(madvise(self->memory, self->n, MADV_DONTNEED), 0);
		test_used(self->ferry, 0);
	}
	ASSERT_EQ(drain_lru(), 0);
	after = free_pages();
	ASSERT_GT(before, 0);
	TH_LOG("%ld free before, %ld after", before, after);
	ASSERT_LT(before - after, TOLERANCE);
}

TEST_HARNESS_MAIN
