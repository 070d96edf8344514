// SPDX-License-Identifier: MIT
/*
 * A device write to a clean page survives reclaim.
 *
 * A page that is swapped out and returns by a read is mapped writable and
 * clean, and its copy on the swap device stays valid. The device may write the
 * page without a fault. If the write does not mark the folio dirty, reclaim
 * drops the page in favour of the old copy (I14). The test needs swap on a
 * device that uses the swap cache (zram does not): the test sets up null_blk.
 *
 * Shows: I14, swap
 * Guest: selftests, selftests-core, debug
 */
#include "swap.h"

#define PAGES 16
FIXTURE(swap) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
};

FIXTURE_SETUP(swap)
{
	ASSERT_EQ(swap_on(), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
}

FIXTURE_TEARDOWN(swap)
{
	ferry_close(self->ferry);
}

TEST_F_TIMEOUT(swap, device_write_to_a_clean_page, 60)
{
	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	/* Swapped in by a read: writable, clean, and the copy is kept. */
	ASSERT_EQ(*(volatile uint8_t *)self->memory, pattern(0, 1));
	ASSERT_TRUE(pagemap(self->memory) & PAGEMAP_PRESENT);
	ASSERT_EQ(wait_clean_in_swap_cache(self->memory), 0);

	ASSERT_EQ(ferry_write(self->ferry, self->memory, page_size(), self->data, NULL), 0);
	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	test_pattern(self->memory, page_size(), 2);
}

TEST_F_TIMEOUT(swap, swapped_pages_stay_and_are_told, 60)
{
	struct ferry_counts counts;
	uint8_t outcomes[PAGES];

	ASSERT_EQ(page_out(self->memory, self->n), 0);
	test_where(self->ferry, self->memory, DRM_FERRY_PAGE_SWAPPED);
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, self->n,
				DRM_FERRY_TARGET_DEVICE, outcomes, &counts), 0);
	ASSERT_EQ(outcomes[0], DRM_FERRY_SWAPPED);
	ASSERT_GT(counts.failed, 0);
	test_pattern(self->memory, self->n, 1);
}

/* Pages that were on the device can be swapped out, with the device's data. */
TEST_F_TIMEOUT(swap, device_pages_home_and_out, 60)
{
	test_to_device(self->ferry, self->memory, self->n);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_to_system(self->ferry, self->memory, self->n);
	ASSERT_EQ(page_out(self->memory, self->n), 0);
	test_pattern(self->memory, self->n, 2);
}

/* A page with a copy on the swap device moves, and the copy is dropped. */
TEST_F_TIMEOUT(swap, swap_cache_page_moves, 60)
{
	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	ASSERT_EQ(*(volatile uint8_t *)self->memory, pattern(0, 1));
	test_to_device(self->ferry, self->memory, page_size());
	ASSERT_EQ(ferry_write(self->ferry, self->memory, page_size(), self->data, NULL), 0);
	test_pattern(self->memory, page_size(), 2);
	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	test_pattern(self->memory, page_size(), 2);
}

TEST_HARNESS_MAIN
