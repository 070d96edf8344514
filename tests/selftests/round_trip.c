// SPDX-License-Identifier: MIT
/*
 * To the device and back: sizes, partial ranges, holes, rights, files.
 *
 * Shows: MIGRATE, READ, WRITE, CPU fault, holes
 * Guest: selftests, selftests-core, fault-around-off, fault-around-most, debug
 */
#include "ferry_test.h"

FIXTURE(round_trip) {
	struct ferry *ferry;
};

FIXTURE_SETUP(round_trip)
{
	self->ferry = test_open(0);
}

FIXTURE_TEARDOWN(round_trip)
{
	ferry_close(self->ferry);
}

FIXTURE_VARIANT(round_trip) {
	size_t pages;
};

FIXTURE_VARIANT_ADD(round_trip, one_page) { .pages = 1 };
FIXTURE_VARIANT_ADD(round_trip, seventeen) { .pages = 17 };
FIXTURE_VARIANT_ADD(round_trip, batch_and_one) { .pages = 513 };
FIXTURE_VARIANT_ADD(round_trip, mib_64) { .pages = 16384 };

TEST_F_TIMEOUT(round_trip, by_cpu_touch, 120)
{
	size_t n = variant->pages * page_size(), i;
	uint8_t *memory = test_map(n), *copy = test_map(n);

	fill_pattern(memory, n, 1);
	test_to_device(self->ferry, memory, n);
	test_used(self->ferry, variant->pages);
	for (i = 0; i < n; i += page_size())
		test_where(self->ferry, memory + i, DRM_FERRY_PAGE_THIS_DEVICE);
	ASSERT_EQ(ferry_read(self->ferry, memory, n, copy, NULL), 0);
	test_pattern(copy, n, 1);
	test_used(self->ferry, variant->pages);

	test_pattern(memory, n, 1);
	test_where(self->ferry, memory, DRM_FERRY_PAGE_SYSTEM);
	test_used(self->ferry, 0);
	ASSERT_EQ(_test_moved_by_faults(self->ferry), variant->pages);
}

TEST_F_TIMEOUT(round_trip, by_ioctl, 120)
{
	size_t n = variant->pages * page_size();
	uint8_t *memory = test_map(n);

	fill_pattern(memory, n, 2);
	test_to_device(self->ferry, memory, n);
	test_to_system(self->ferry, memory, n);
	test_used(self->ferry, 0);
	ASSERT_EQ(test_stats(self->ferry).to_system, variant->pages);
	test_pattern(memory, n, 2);
	ASSERT_EQ(_test_moved_by_faults(self->ferry), 0);
}

TEST_F_TIMEOUT(round_trip, device_changes_come_home, 120)
{
	size_t n = variant->pages * page_size();
	uint8_t *memory = test_map(n), *data = test_map(n);

	fill_pattern(memory, n, 3);
	fill_pattern(data, n, 4);
	test_to_device(self->ferry, memory, n);
	ASSERT_EQ(ferry_write(self->ferry, memory, n, data, NULL), 0);
	test_used(self->ferry, variant->pages);
	test_pattern(memory, n, 4);
}

FIXTURE(part) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[16];
};

#define PART_PAGES 16

FIXTURE_SETUP(part)
{
	self->ferry = test_open(0);
	self->memory = test_map(PART_PAGES * page_size());
	memset(self->outcomes, 0xff, sizeof(self->outcomes));
}

FIXTURE_TEARDOWN(part)
{
	ferry_close(self->ferry);
}

/*
 * Leaves 0xaa in all of the device's memory: a page's next user must not see
 * the old bytes. All of the memory, because the device decides which page comes
 * next.
 */
static void soil_device(struct __test_metadata *_metadata, struct ferry *ferry)
{
	struct drm_ferry_query query;
	size_t n;
	void *dirt;

	ASSERT_EQ(ferry_query(ferry, &query, sizeof(query)), 0);
	n = query.memory_size;
	dirt = test_map(n);
	memset(dirt, 0xaa, n);
	test_to_device(ferry, dirt, n);
	munmap(dirt, n);
	test_used(ferry, 0);
}

TEST_F(part, partial_range)
{
	size_t page = page_size(), i;

	fill_pattern(self->memory, PART_PAGES * page, 5);
	test_to_device(self->ferry, self->memory + 3 * page, 5 * page);
	for (i = 0; i < PART_PAGES; i++)
		test_where(self->ferry, self->memory + i * page,
			   i >= 3 && i < 8 ? DRM_FERRY_PAGE_THIS_DEVICE :
					     DRM_FERRY_PAGE_SYSTEM);
	test_to_system(self->ferry, self->memory + 4 * page, page);
	test_used(self->ferry, 4);
	test_pattern(self->memory, PART_PAGES * page, 5);
}

TEST_F(part, second_call_finds_them_there)
{
	size_t n = PART_PAGES * page_size();
	struct ferry_counts counts;

	fill_pattern(self->memory, n, 6);
	test_to_device(self->ferry, self->memory, n);
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, n, DRM_FERRY_TARGET_DEVICE,
				self->outcomes, &counts), 0);
	ASSERT_EQ(counts.already, PART_PAGES);
	ASSERT_EQ(counts.moved + counts.failed, 0);
	ASSERT_EQ(self->outcomes[7], DRM_FERRY_ALREADY_THERE);
	test_pattern(self->memory, n, 6);
}

TEST_F(part, holes_become_cleared_pages)
{
	size_t page = page_size(), n = PART_PAGES * page, i;
	uint8_t *copy = test_map(n);
	struct ferry_counts counts;

	soil_device(_metadata, self->ferry);
	for (i = 0; i < PART_PAGES; i += 2)
		self->memory[i * page] = i + 1;
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, n, DRM_FERRY_TARGET_DEVICE,
				self->outcomes, &counts), 0);
	ASSERT_EQ(counts.moved, PART_PAGES);
	for (i = 0; i < PART_PAGES; i++)
		ASSERT_EQ(self->outcomes[i],
			  i % 2 ? DRM_FERRY_ZERO_FILLED : DRM_FERRY_MOVED);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, n, copy, NULL), 0);
	for (i = 0; i < PART_PAGES; i++) {
		ASSERT_EQ(copy[i * page], i % 2 ? 0 : i + 1);
		test_zero(copy + i * page + 1, page - 1);
		ASSERT_EQ(self->memory[i * page], i % 2 ? 0 : i + 1);
		test_zero(self->memory + i * page + 1, page - 1);
	}
}

TEST_F(part, zero_page_becomes_cleared_page)
{
	size_t page = page_size(), n = PART_PAGES * page;
	struct ferry_counts counts;
	uint32_t flags;

	soil_device(_metadata, self->ferry);
	test_zero(self->memory, n);
	ASSERT_EQ(ferry_snapshot(self->ferry, self->memory, page, &flags, NULL), 0);
	ASSERT_TRUE(flags & DRM_FERRY_PAGE_ZERO);
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, n, DRM_FERRY_TARGET_DEVICE,
				self->outcomes, &counts), 0);
	ASSERT_EQ(counts.moved, PART_PAGES);
	ASSERT_EQ(self->outcomes[0], DRM_FERRY_ZERO_FILLED);
	test_zero(self->memory, n);
}

TEST_F(part, holes_stay_holes_on_the_way_home)
{
	size_t n = PART_PAGES * page_size();
	struct ferry_counts counts;

	ASSERT_EQ(_test_migrate(self->ferry, self->memory, n, DRM_FERRY_TARGET_SYSTEM,
				self->outcomes, &counts), 0);
	ASSERT_EQ(counts.already, PART_PAGES);
	ASSERT_EQ(self->outcomes[3], DRM_FERRY_HOLE);
	test_where(self->ferry, self->memory, DRM_FERRY_PAGE_NONE);
}

TEST_F(part, read_only)
{
	size_t n = PART_PAGES * page_size();
	uint8_t *copy = test_map(n);

	fill_pattern(self->memory, n, 7);
	ASSERT_EQ(mprotect(self->memory, n, PROT_READ), 0);
	test_to_device(self->ferry, self->memory, n);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, n, copy, NULL), 0);
	test_pattern(copy, n, 7);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, 1, copy, NULL), -EPERM);
	test_used(self->ferry, PART_PAGES);
	test_pattern(self->memory, n, 7);
}

TEST_F(part, prot_none)
{
	size_t n = PART_PAGES * page_size();
	uint8_t byte = 1;

	fill_pattern(self->memory, n, 8);
	ASSERT_EQ(mprotect(self->memory, n, PROT_NONE), 0);
	test_to_device(self->ferry, self->memory, n);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, 1, &byte, NULL), -EFAULT);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, 1, &byte, NULL), -EFAULT);
	ASSERT_EQ(mprotect(self->memory, n, PROT_READ | PROT_WRITE), 0);
	test_pattern(self->memory, n, 8);
}

TEST_F(part, spans_mappings_and_ends_at_a_gap)
{
	size_t page = page_size(), n = PART_PAGES * page;
	struct ferry_counts counts;

	fill_pattern(self->memory, n, 9);
	ASSERT_EQ(mprotect(self->memory, 4 * page, PROT_READ), 0);
	ASSERT_EQ(munmap(self->memory + 10 * page, page), 0);
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, n, DRM_FERRY_TARGET_DEVICE,
				NULL, &counts), -EFAULT);
	ASSERT_EQ(counts.done, 10 * page);
	ASSERT_EQ(counts.moved, 10);
	test_pattern(self->memory, 10 * page, 9);
}

TEST_F(part, dropped_pages_free_device_memory)
{
	size_t n = PART_PAGES * page_size();

	fill_pattern(self->memory, n, 10);
	test_to_device(self->ferry, self->memory, n);
	ASSERT_EQ(madvise(self->memory, n, MADV_DONTNEED), 0);
	test_used(self->ferry, 0);
	test_zero(self->memory, n);
}

TEST_F(part, huge_page)
{
	size_t n = 2 * PMD_SIZE;
	uint8_t *memory = test_map(2 * n);

	memory += n - ptr(memory) % n;
	ASSERT_EQ(madvise(memory, n, MADV_HUGEPAGE), 0);
	fill_pattern(memory, n, 11);
	test_to_device(self->ferry, memory, n);
	test_where(self->ferry, memory + n / 2, DRM_FERRY_PAGE_THIS_DEVICE);
	test_pattern(memory, n, 11);
}

TEST_HARNESS_MAIN
