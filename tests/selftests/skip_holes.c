// SPDX-License-Identifier: MIT
/*
 * DRM_FERRY_MIGRATE_SKIP_HOLES: ranges that are mostly empty. Without the flag
 * a call fills the device with zero pages and ends before the call reaches the
 * range's data.
 *
 * Broken drivers that fail here:
 * - A page is skipped with the holes around the page.
 * - A hole is filled.
 * - An outcome is at the wrong index.
 * - The time of a call grows with the size of the range.
 *
 * Shows: I20, SKIP_HOLES
 * Guest: engine, debug-engine
 */
#include "migrate.h"

#define GIB (1024 * MIB)

FIXTURE(skip) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_VARIANT(skip) {
	uint32_t engine;
	int device;
};

FIXTURE_VARIANT_ADD(skip, own) { .engine = OWN, .device = 0 };
FIXTURE_VARIANT_ADD(skip, core) { .engine = CORE, .device = 0 };
FIXTURE_VARIANT_ADD(skip, own_coherent) { .engine = OWN, .device = 2 };
FIXTURE_VARIANT_ADD(skip, core_coherent) { .engine = CORE, .device = 2 };

/* Aligned like page tables. */
static uint8_t *map_sparse(size_t n)
{
	uint8_t *area = mmap(NULL, n + GIB, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return area;
	area = (uint8_t *)((ptr(area) + GIB - 1) & ~(GIB - 1));
	return madvise(area, n, MADV_NOHUGEPAGE) ? MAP_FAILED : area;
}

FIXTURE_SETUP(skip)
{
	self->ferry = test_open(variant->device);
}

FIXTURE_TEARDOWN(skip)
{
	ferry_close(self->ferry);
}

#define test_skip(n_, where, outcomes_)					\
	({								\
		struct drm_ferry_migrate __request =			\
			make_request(variant->engine, self->memory, n_, where, outcomes_); \
									\
		__request.flags = DRM_FERRY_MIGRATE_SKIP_HOLES;		\
		ASSERT_EQ(_test_request(self->ferry, &__request), 0); \
		ASSERT_EQ(__request.done, (uint64_t)(n_));		\
		ASSERT_EQ(__request.moved + __request.already + __request.failed, \
			  (n_) / page_size());				\
		__request;						\
	})

#define test_skip_moves(n_, where, outcomes_, pages)			\
	do {								\
		struct drm_ferry_migrate __moved = test_skip(n_, where, outcomes_); \
		ASSERT_EQ(__moved.moved, (uint64_t)(pages));		\
		ASSERT_EQ(__moved.failed, 0);				\
	} while (0)

TEST_F(skip, three_pages_in_32_gib)
{
	size_t at[] = { 0, 17 * GIB + 5 * PMD_SIZE + 300 * page_size(), 32 * GIB - page_size() };
	double start;
	int i, way;

	self->memory = map_sparse(32 * GIB);
	ASSERT_NE(self->memory, MAP_FAILED);
	for (i = 0; i < 3; i++)
		fill_pattern(self->memory + at[i], page_size(), i);
	for (way = 0; way < 2; way++) {
		start = seconds();
		test_skip_moves(32 * GIB, way ? TO_SYSTEM : TO_DEVICE, NULL, 3);
		/*
		 * Without page tables to scan, 5 seconds suffice on any
		 * machine.
		 */
		ASSERT_LT(seconds() - start, 5);
		test_used(self->ferry, way ? 0 : 3);
	}
	for (i = 0; i < 3; i++)
		test_pattern(self->memory + at[i], page_size(), i);
}

/*
 * Each outcome is at its page's index: beside pages, in an empty page table,
 * and without a page table.
 */
TEST_F_TIMEOUT(skip, outcomes, 60)
{
	size_t n = GIB / 4, npages = n / page_size(), i;
	uint8_t *outcomes = test_map(npages + 1), wanted;

	self->memory = map_sparse(n);
	ASSERT_NE(self->memory, MAP_FAILED);
	/* Every third page of two page tables, a zero page, the last page. */
	for (i = 300; i < 1000; i += 3)
		fill_pattern(self->memory + i * page_size(), page_size(), i);
	ASSERT_EQ(*(volatile uint8_t *)(self->memory + 301 * page_size()), 0);
	fill_pattern(self->memory + n - page_size(), page_size(), npages - 1);
	outcomes[npages] = 0xee;
	test_skip_moves(n, TO_DEVICE, outcomes, 235);
	test_used(self->ferry, 235);
	for (i = 0; i < npages; i++) {
		wanted = (i >= 300 && i < 1000 && i % 3 == 0) || i == npages - 1 ?
			 DRM_FERRY_MOVED : DRM_FERRY_HOLE;
		ASSERT_EQ(outcomes[i], wanted) TH_LOG("page %zu", i);
	}
	ASSERT_EQ(outcomes[npages], 0xee);
	/* The second call has no work left. */
	test_skip_moves(n, TO_DEVICE, outcomes, 0);
	ASSERT_EQ(count_outcome(outcomes, npages, DRM_FERRY_ALREADY_THERE), 235);
	ASSERT_EQ(count_outcome(outcomes, npages, DRM_FERRY_HOLE), npages - 235);
	test_zero(self->memory + 301 * page_size(), page_size());
	for (i = 300; i < 1000; i += 3)
		test_pattern(self->memory + i * page_size(), page_size(), i);
}

/*
 * Gaps between mappings are holes; without the flag the first gap ends the
 * call.
 */
TEST_F(skip, gaps)
{
	size_t n = 8 * PMD_SIZE, npages = n / page_size();
	struct drm_ferry_migrate moved;
	uint8_t outcomes[8 * 512];

	self->memory = map_sparse(n);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill_pattern(self->memory + PMD_SIZE, page_size(), 1);
	fill_pattern(self->memory + n - page_size(), page_size(), 2);
	ASSERT_EQ(munmap(self->memory, PMD_SIZE), 0);
	ASSERT_EQ(munmap(self->memory + PMD_SIZE + 5 * page_size(), 3 * PMD_SIZE), 0);
	test_skip_moves(n, TO_DEVICE, outcomes, 2);
	ASSERT_EQ(count_outcome(outcomes, npages, DRM_FERRY_HOLE), npages - 2);
	ASSERT_EQ(outcomes[512], DRM_FERRY_MOVED);
	ASSERT_EQ(outcomes[npages - 1], DRM_FERRY_MOVED);
	moved = (struct drm_ferry_migrate) { .addr = ptr(self->memory), .len = n };
	ASSERT_EQ(_test_request(self->ferry, &moved), -EFAULT);
	test_skip_moves(n, TO_SYSTEM, NULL, 2);
	test_used(self->ferry, 0);
	test_pattern(self->memory + PMD_SIZE, page_size(), 1);
	test_pattern(self->memory + n - page_size(), page_size(), 2);
}

/* A range without any mapping is all holes. */
TEST_F(skip, nothing)
{
	self->memory = map_sparse(64 * MIB);
	ASSERT_NE(self->memory, MAP_FAILED);
	ASSERT_EQ(munmap(self->memory, 64 * MIB), 0);
	test_skip_moves(64 * MIB, TO_DEVICE, NULL, 0);
	test_skip_moves(64 * MIB, TO_SYSTEM, NULL, 0);
	test_used(self->ferry, 0);
}

/* A page that is not a hole keeps its outcome. */
TEST_F(skip, files)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct drm_ferry_migrate moved;
	uint8_t outcomes[16];

	ASSERT_GE(fd, 0);
	ASSERT_EQ(ftruncate(fd, sizeof(outcomes) * page_size()), 0);
	self->memory = mmap(NULL, sizeof(outcomes) * page_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE, fd, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	memset(self->memory + page_size(), 1, page_size());
	moved = test_skip(sizeof(outcomes) * page_size(), TO_DEVICE, outcomes);
	ASSERT_EQ(moved.moved, 1);
	ASSERT_EQ(moved.failed, sizeof(outcomes) - 1);
	ASSERT_EQ(count_outcome(outcomes, sizeof(outcomes), DRM_FERRY_FILE),
		  sizeof(outcomes) - 1);
	close(fd);
}

TEST_HARNESS_MAIN
