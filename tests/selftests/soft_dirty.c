// SPDX-License-Identifier: MIT
/*
 * Soft-dirty (Documentation/admin-guide/mm/soft-dirty.rst): every page written
 * since clear_refs is reported, for CPU and device writes, wherever the page
 * was at the time of the write and wherever the page is now. An incremental
 * checkpoint that misses a page is lost.
 *
 * Each of three faults would hide a write (I24):
 * - clear_refs leaves a device entry writable.
 * - A page returns to system memory writable.
 * - mm drops an entry's mark together with the write permission (fork,
 *   mprotect).
 *
 * Unwritten pages must not be reported: reads and round trips do not count.
 *
 * Shows: I24, soft-dirty
 * Guest: engine
 */
#include "control.h"
#include "migrate.h"
#include "page_state.h"

#define PAGES 16

FIXTURE(soft_dirty) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t page;
	size_t n;
};

FIXTURE_VARIANT(soft_dirty) {
	unsigned int device;
	uint32_t backend;
	uint32_t flush;
};

FIXTURE_VARIANT_ADD(soft_dirty, own) {
	.backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(soft_dirty, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_VARIANT_ADD(soft_dirty, coherent) {
	.device = 2,
	.backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_SETUP(soft_dirty)
{
	self->page = page_size();
	self->n = PAGES * self->page;
	self->ferry = test_open(variant->device);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
}

FIXTURE_TEARDOWN(soft_dirty)
{
	if (self->ferry)
		ferry_close(self->ferry);
}

#define test_soft_dirty(memory, n, pages)				\
	ASSERT_EQ(count_in_pagemap(memory, n, PAGEMAP_SOFT_DIRTY), (size_t)(pages))

/*
 * The half of the range that was written. On 7.x a merged mapping counts as
 * soft-dirty as a whole (docs/findings.md): @merged bytes of the range.
 */
#define test_merged(memory, n, merged)					\
	test_soft_dirty(memory, n, kernel_at_least(7, 0) ?		\
			(merged) / page_size() : (n) / page_size() / 2)

#define test_clear()							\
	ASSERT_EQ(clear_refs("4"), 0)

static size_t count_on_device(struct ferry *ferry, const uint8_t *memory, size_t n)
{
	size_t page = page_size(), i, count = 0;

	for (i = 0; i < n; i += page)
		count += _test_where(ferry, memory + i) == DRM_FERRY_PAGE_THIS_DEVICE;
	return count;
}

#define test_on_device(memory, n)					\
	ASSERT_EQ(count_on_device(self->ferry, memory, n), (n) / self->page)

static void touch(uint8_t *memory, size_t n)
{
	size_t page = page_size(), i;

	for (i = 0; i < n; i += page)
		((volatile uint8_t *)memory)[i] ^= 0;
}

static void go(struct __test_metadata *_metadata, struct _test_data_soft_dirty *self,
	       const struct _fixture_variant_soft_dirty *variant, uint32_t target)
{
	test_variant_moves(self->ferry, variant, self->memory, self->n, target);
}

#define go_to_device()	go(_metadata, self, variant, DRM_FERRY_TARGET_DEVICE)
#define go_to_system()	go(_metadata, self, variant, DRM_FERRY_TARGET_SYSTEM)

/* Pages are on the device, and no page is soft-dirty. */
static void begin(struct __test_metadata *_metadata, struct _test_data_soft_dirty *self,
		  const struct _fixture_variant_soft_dirty *variant)
{
	go_to_device();
	test_clear();
	test_soft_dirty(self->memory, self->n, 0);
	test_on_device(self->memory, self->n);
}

/*
 * Pages written on the device are reported on the device and after each way
 * back.
 */
TEST_F(soft_dirty, device_writes)
{
	const size_t half = self->n / 2;

	begin(_metadata, self, variant);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, half, self->data, NULL), 0);
	test_soft_dirty(self->memory, half, PAGES / 2);
	test_soft_dirty(self->memory + half, half, 0);
	test_on_device(self->memory, self->n);
	go_to_system();
	test_soft_dirty(self->memory, half, PAGES / 2);
	go_to_device();
	test_soft_dirty(self->memory, half, PAGES / 2);
	test_pattern(self->memory, half, 2);
	test_soft_dirty(self->memory, half, PAGES / 2);
}

/*
 * A read leaves an entry in the device's page table. The entry must not permit
 * a write.
 */
TEST_F(soft_dirty, device_reads_then_writes)
{
	begin(_metadata, self, variant);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_soft_dirty(self->memory, self->n, 0);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_soft_dirty(self->memory, self->n, PAGES);
	test_on_device(self->memory, self->n);
}

/*
 * Each clear_refs starts again, also for pages that the device could already
 * write.
 */
TEST_F(soft_dirty, device_writes_again)
{
	int i;

	begin(_metadata, self, variant);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
		test_soft_dirty(self->memory, self->n, PAGES);
		test_clear();
		test_soft_dirty(self->memory, self->n, 0);
	}
	test_on_device(self->memory, self->n);
}

TEST_F(soft_dirty, second_file_writes)
{
	struct ferry *second = test_open(variant->device);

	begin(_metadata, self, variant);
	ASSERT_EQ(ferry_write(second, self->memory, self->n, self->data, NULL), 0);
	test_clear();
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n / 2, self->data, NULL), 0);
	test_soft_dirty(self->memory, self->n, PAGES / 2);
	ASSERT_EQ(ferry_write(second, self->memory, self->n, self->data, NULL), 0);
	test_soft_dirty(self->memory, self->n, PAGES);
	ferry_close(second);
}

/* Back by ioctl. */
TEST_F(soft_dirty, cpu_writes_after_ioctl)
{
	begin(_metadata, self, variant);
	go_to_system();
	test_soft_dirty(self->memory, self->n, 0);
	touch(self->memory, self->n / 2);
	test_soft_dirty(self->memory, self->n, PAGES / 2);
	test_clear();
	touch(self->memory, self->n);
	test_soft_dirty(self->memory, self->n, PAGES);
}

/* Back by a CPU fault, for reading or for writing. */
TEST_F(soft_dirty, cpu_writes)
{
	begin(_metadata, self, variant);
	test_pattern(self->memory, self->n, 1);
	test_soft_dirty(self->memory, self->n, 0);
	touch(self->memory, self->n);
	test_soft_dirty(self->memory, self->n, PAGES);
	/* The CPU accesses coherent pages in place. */
	if (variant->device)
		go_to_system();
	begin(_metadata, self, variant);
	touch(self->memory, self->n);
	test_soft_dirty(self->memory, self->n, PAGES);
}

/*
 * Marks from before the migration survive the round trip, and marked pages
 * return writable, without an extra fault.
 */
TEST_F(soft_dirty, stays_on_a_trip)
{
	const size_t half = self->n / 2;

	test_clear();
	touch(self->memory, half);
	go_to_device();
	test_soft_dirty(self->memory, self->n, PAGES / 2);
	go_to_system();
	test_soft_dirty(self->memory, self->n, PAGES / 2);
	ASSERT_EQ(page_state(self->ferry, self->memory) & STATE_WRITABLE, STATE_WRITABLE);
	ASSERT_EQ(page_state(self->ferry, self->memory + half) & STATE_WRITABLE, 0);
	touch(self->memory + half, half);
	test_soft_dirty(self->memory, self->n, PAGES);
}

/*
 * fork and mprotect remove the write permission from entries; the mark must
 * stay.
 */
TEST_F(soft_dirty, stays_over_fork_and_mprotect)
{
	pid_t pid;

	test_clear();
	touch(self->memory, self->n);
	go_to_device();
	pid = test_fork();
	if (!pid) {
		child_check(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY) == PAGES);
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		_exit(0);
	}
	test_soft_dirty(self->memory, self->n, PAGES);
	test_wait(pid);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ | PROT_WRITE), 0);
	test_soft_dirty(self->memory, self->n, PAGES);
	test_pattern(self->memory, self->n, 1);
	test_soft_dirty(self->memory, self->n, PAGES);
}

/*
 * The mark of a device write stays over mprotect(), and the device may write
 * again.
 */
TEST_F(soft_dirty, device_write_stays_over_mprotect)
{
	begin(_metadata, self, variant);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	test_soft_dirty(self->memory, self->n, PAGES);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), -EPERM);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ | PROT_WRITE), 0);
	test_soft_dirty(self->memory, self->n, PAGES);
	test_clear();
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_soft_dirty(self->memory, self->n, PAGES);
	test_on_device(self->memory, self->n);
	test_pattern(self->memory, self->n, 2);
}

/*
 * A mapping that is younger than clear_refs counts as soft-dirty as a whole,
 * and its pages need no mark. After mm merges the mapping with an older
 * neighbour, only the pages' marks are left.
 */
TEST_F(soft_dirty, merged_with_an_older_mapping)
{
	const size_t half = self->n / 2;
	uint8_t *young = self->memory + half / 2;

	test_clear();
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	ASSERT_EQ(mmap(young, half, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), (void *)young);
	fill_pattern(young, half, 3);
	test_soft_dirty(self->memory, self->n, PAGES / 2);
	go_to_device();
	ASSERT_EQ(ferry_write(self->ferry, young, self->page, self->data, NULL), 0);
	/*
	 * The merged mapping has the flags of the mapping changed last, the
	 * older mapping.
	 */
	ASSERT_EQ(mprotect(self->memory, half / 2, PROT_READ | PROT_WRITE), 0);
	test_merged(self->memory, self->n, half / 2 + half);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	test_merged(self->memory, self->n, self->n);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ | PROT_WRITE), 0);
	test_merged(self->memory, self->n, self->n);
	test_on_device(self->memory, self->n);
	go_to_system();
	test_merged(self->memory, self->n, self->n);
}

/* Shared with a child: each write makes a private page, which is soft-dirty. */
TEST_F(soft_dirty, shared_with_a_child)
{
	int alive[2];
	pid_t pid;

	begin(_metadata, self, variant);
	ASSERT_EQ(pipe(alive), 0);
	pid = test_fork();
	if (!pid) {
		close(alive[1]);
		child_check(wait_byte(alive[0]));
		child_check(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY) == 0);
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		touch(self->memory, self->n);
		child_check(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY) == PAGES);
		_exit(0);
	}
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n / 2, self->data, NULL), 0);
	test_soft_dirty(self->memory, self->n, PAGES / 2);
	touch(self->memory, self->n);
	test_soft_dirty(self->memory, self->n, PAGES);
	close(alive[1]);
	test_wait(pid);
}

/* A hole filled with a device page is a new page, and counts as soft-dirty. */
TEST_F(soft_dirty, filled_holes)
{
	uint8_t *holes = test_map(self->n);

	test_clear();
	test_variant_moves(self->ferry, variant, holes, self->n, DRM_FERRY_TARGET_DEVICE);
	if (variant->backend == DRM_FERRY_BACKEND_OWN)
		test_soft_dirty(holes, self->n, PAGES);
	test_clear();
	ASSERT_EQ(ferry_write(self->ferry, holes, self->n, self->data, NULL), 0);
	test_soft_dirty(holes, self->n, PAGES);
	ASSERT_EQ(mprotect(holes, self->n, PROT_READ), 0);
	test_soft_dirty(holes, self->n, PAGES);
}

/*
 * A close of the file moves the pages to system memory by pfn, through the
 * rmap.
 */
TEST_F(soft_dirty, closed)
{
	if (variant->backend == DRM_FERRY_BACKEND_CORE)
		SKIP(return, "core makes them writable: docs/findings.md");
	begin(_metadata, self, variant);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->page, self->data, NULL), 0);
	ferry_close(self->ferry);
	self->ferry = NULL;
	test_soft_dirty(self->memory, self->n, 1);
	touch(self->memory + self->page, self->n - self->page);
	test_soft_dirty(self->memory, self->n, PAGES);
	test_pattern(self->memory, self->page, 2);
}

static void *run_close(void *arg)
{
	ferry_close(arg);
	return NULL;
}

/*
 * clear_refs runs while the pages move: an eviction by pfn has no mmap_lock to
 * stop clear_refs.
 */
TEST_F(soft_dirty, cleared_on_the_way_by_pfn)
{
	pthread_t thread;

	if (variant->backend == DRM_FERRY_BACKEND_CORE)
		SKIP(return, "core has no place to be held at");
	go_to_device();
	ASSERT_EQ(control_on(), 0);
	ASSERT_EQ(control_arm(AFTER_SETUP), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, run_close, self->ferry), 0);
	self->ferry = NULL;
	ASSERT_EQ(control_wait(AFTER_SETUP), 0);
	test_clear();
	test_soft_dirty(self->memory, self->n, 0);
	ASSERT_EQ(control_release(AFTER_SETUP), 0);
	pthread_join(thread, NULL);
	ASSERT_EQ(control_off(), 0);
	test_soft_dirty(self->memory, self->n, 0);
	touch(self->memory, self->n);
	test_soft_dirty(self->memory, self->n, PAGES);
}

static void *run_clear(void *arg)
{
	*(int *)arg = clear_refs("4");
	return NULL;
}

/* By address, clear_refs waits for the migration, in both directions. */
TEST_F(soft_dirty, cleared_on_the_way)
{
	struct background background = {
		.ferry = self->ferry,
		.request = { .addr = ptr(self->memory), .len = self->n,
			     .backend = variant->backend },
	};
	int cleared = -1, i;
	pthread_t thread;

	if (variant->backend == DRM_FERRY_BACKEND_CORE)
		SKIP(return, "core has no place to be held at");
	ASSERT_EQ(control_on(), 0);
	for (i = 0; i < 2; i++) {
		background.request.target = i ? DRM_FERRY_TARGET_SYSTEM :
						DRM_FERRY_TARGET_DEVICE;
		ASSERT_EQ(control_arm(AFTER_SETUP), 0);
		ASSERT_EQ(background_start(&background), 0);
		ASSERT_EQ(control_wait(AFTER_SETUP), 0);
		ASSERT_EQ(pthread_create(&thread, NULL, run_clear, &cleared), 0);
		usleep(100000);
		ASSERT_EQ(control_release(AFTER_SETUP), 0);
		ASSERT_EQ(background_join(&background), 0);
		pthread_join(thread, NULL);
		ASSERT_EQ(cleared, 0);
		ASSERT_EQ(background.request.moved, PAGES);
		test_soft_dirty(self->memory, self->n, 0);
		if (i)
			touch(self->memory, self->n);
		else
			ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n,
					      self->data, NULL), 0);
		test_soft_dirty(self->memory, self->n, PAGES);
	}
	ASSERT_EQ(control_off(), 0);
}

TEST_HARNESS_MAIN
