// SPDX-License-Identifier: MIT
/*
 * Reclaim loses no written data, whatever the outcome of the migration.
 *
 * Reclaim drops a page without writing the page out in two cases: the folio is
 * clean and has a copy (in the swap cache), or the page was freed lazily
 * (MADV_FREE). One bit in a page-table entry is the only record of a write.
 * Each test makes a clean page, checks in /proc/kpageflags that the folio is
 * clean, writes the page, and lets an engine clear the entry.
 *
 * An engine that loses the bit ends with the old data, or with no data. Errors
 * that lose the bit:
 * - collect does not mark the folio dirty;
 * - the flag is not copied to the new page;
 * - a page that the device wrote is not marked dirty.
 *
 * An engine that marks a moved page dirty fails with the lazily freed page that
 * has no write: reclaim must drop that page.
 *
 * Swap is on null_blk, because zram and brd skip the swap cache.
 *
 * Shows: I1, I3, I14
 * Guest: engine, debug-engine
 */
#include "control.h"
#include "migrate.h"
#include "page_refs.h"
#include "swap.h"
#include "threads.h"

#define PAGES 8

FIXTURE(dirty) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
};

FIXTURE_VARIANT(dirty) {
	uint32_t backend;
	uint32_t flush;
};

FIXTURE_VARIANT_ADD(dirty, per_page) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_PAGE,
};

FIXTURE_VARIANT_ADD(dirty, per_table) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_TABLE,
};

FIXTURE_VARIANT_ADD(dirty, per_call) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_CALL,
};

FIXTURE_VARIANT_ADD(dirty, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
	.flush = DRM_FERRY_FLUSH_PER_PAGE,
};

FIXTURE_SETUP(dirty)
{
	ASSERT_EQ(swap_on(), 0);
	/* Pages put back are in this CPU's batch, which MADV_PAGEOUT drains. */
	ASSERT_EQ(run_on_cpu(0), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
	ASSERT_EQ(control_on(), 0);
}

FIXTURE_TEARDOWN(dirty)
{
	control_off();
	ferry_close(self->ferry);
}

/* The CPU writes the pages, and only the page table records the writes. */
static void dirty_by_cpu(struct __test_metadata *_metadata, struct _test_data_dirty *self)
{
	ASSERT_EQ(make_clean(self->memory, self->n), 0);
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(count_clean(self->memory, self->n), PAGES);
}

static void reclaim_and_compare(struct __test_metadata *_metadata,
				struct _test_data_dirty *self)
{
	ASSERT_EQ(swap_out(self->memory, self->n), 0);
	test_pattern(self->memory, self->n, 2);
}

static void fail(struct __test_metadata *_metadata, struct _test_data_dirty *self,
		 const struct _fixture_variant_dirty *variant, int ret, uint8_t outcome)
{
	struct drm_ferry_migrate request = {
		.backend = variant->backend, .flush = variant->flush };
	uint8_t outcomes[PAGES];
	int i;

	ASSERT_EQ(_test_request_for(self->ferry, &request, self->memory, self->n, outcomes), ret);
	ASSERT_EQ(request.moved, 0);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(outcomes[i], outcome);
}

static uint8_t held_outcome(const struct _fixture_variant_dirty *variant)
{
	return variant->backend == DRM_FERRY_BACKEND_OWN ? DRM_FERRY_PINNED :
							   DRM_FERRY_NOT_MOVED;
}

/* Refused in setup: the entries are restored before any copy. */
TEST_F_TIMEOUT(dirty, cpu_write_and_a_reference, 60)
{
	int in_pipe[2];

	dirty_by_cpu(_metadata, self);
	ASSERT_EQ(hold_in_pipe(self->memory, self->n, in_pipe), 0);
	fail(_metadata, self, variant, 0, held_outcome(variant));
	let_go(in_pipe);
	reclaim_and_compare(_metadata, self);
}

/* No destination: finalize restores the entries. */
TEST_F_TIMEOUT(dirty, cpu_write_and_a_full_device, 60)
{
	dirty_by_cpu(_metadata, self);
	ASSERT_NE(_test_fill_device(self->ferry), MAP_FAILED);
	fail(_metadata, self, variant, -ENOSPC, DRM_FERRY_NO_MEMORY);
	reclaim_and_compare(_metadata, self);
}

/* A sharing child migrates the pages, is held with page locks, and fails. */
static pid_t fork_holder(struct _test_data_dirty *self,
			 const struct _fixture_variant_dirty *variant, int go)
{
	struct drm_ferry_migrate request = {
		.backend = DRM_FERRY_BACKEND_OWN, .flush = variant->flush };
	uint8_t outcomes[PAGES];
	pid_t pid = _test_fork();
	struct ferry *own;

	if (pid)
		return pid;
	child_check(!wait_byte(go) && !ferry_open_index(0, &own));
	child_check(!control_set("tgid", getpid()) && !control_arm(AFTER_SETUP));
	child_check(_test_request_for(own, &request, self->memory, self->n, outcomes) == -ENOSPC);
	child_check(outcomes[0] == DRM_FERRY_NO_MEMORY);
	child_check(find_difference(self->memory, self->n, 2) == self->n);
	_exit(0);
}

TEST_F_TIMEOUT(dirty, cpu_write_and_pages_held_by_a_child, 60)
{
	int go[2];
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	dirty_by_cpu(_metadata, self);
	pid = fork_holder(self, variant, go[0]);
	ASSERT_GT(pid, 0);
	ASSERT_NE(_test_fill_device(self->ferry), MAP_FAILED);
	ASSERT_EQ(send_byte(go[1]), 0);
	ASSERT_EQ(control_wait(AFTER_SETUP), 0);
	fail(_metadata, self, variant, 0, DRM_FERRY_MIGRATING);
	ASSERT_EQ(control_release(AFTER_SETUP), 0);
	test_wait(pid);
	reclaim_and_compare(_metadata, self);
}

/* A child that is slow under its page table's lock, again and again. */
static pid_t fork_locker(struct _test_data_dirty *self, volatile int *stop)
{
	struct drm_ferry_migrate request = { .backend = DRM_FERRY_BACKEND_OWN };
	uint8_t outcomes[PAGES];
	pid_t pid = _test_fork();
	struct ferry *own;

	if (pid)
		return pid;
	child_check(!run_on_cpu(1) && !ferry_open_index(0, &own));
	child_check(!control_set("tgid", getpid()) && !control_set(CLEAR_TO_DIRTY, 20000));
	while (!*stop) {
		_test_request_for(own, &request, self->memory, self->n, outcomes);
		child_check(!request.moved);
	}
	child_check(find_difference(self->memory, self->n, 2) == self->n);
	_exit(0);
}

/*
 * The child's locked pages are still mapped by the parent. With one CPU the
 * parent cannot see the lock.
 */
TEST_F_TIMEOUT(dirty, cpu_write_and_pages_locked_by_a_child, 60)
{
	bool must_see = cpus_online() > 1 && variant->backend == DRM_FERRY_BACKEND_OWN;
	volatile int *stop = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double end = seconds() + (must_see ? 10 : 0.5);
	uint8_t outcomes[PAGES] = { 0 };
	bool seen = false;
	pid_t pid;

	ASSERT_NE(stop, MAP_FAILED);
	ASSERT_NE(_test_fill_device(self->ferry), MAP_FAILED);
	dirty_by_cpu(_metadata, self);
	pid = fork_locker(self, stop);
	ASSERT_GT(pid, 0);
	while (!seen && seconds() < end) {
		struct drm_ferry_migrate request = {
			.backend = variant->backend, .flush = variant->flush };

		_test_request_for(self->ferry, &request, self->memory, self->n, outcomes);
		ASSERT_EQ(request.moved, 0);
		seen = memchr(outcomes, DRM_FERRY_LOCKED, PAGES);
		usleep(1000);
	}
	*stop = 1;
	test_wait(pid);
	ASSERT_TRUE(seen || !must_see);
	reclaim_and_compare(_metadata, self);
}

TEST_F_TIMEOUT(dirty, device_write_and_a_reference, 60)
{
	int in_pipe[2];

	ASSERT_EQ(make_clean(self->memory, self->n), 0);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	ASSERT_EQ(count_clean(self->memory, self->n), 0);
	ASSERT_EQ(hold_in_pipe(self->memory, self->n, in_pipe), 0);
	fail(_metadata, self, variant, 0, held_outcome(variant));
	let_go(in_pipe);
	reclaim_and_compare(_metadata, self);
}

TEST_F_TIMEOUT(dirty, cpu_write_and_a_round_trip, 60)
{
	dirty_by_cpu(_metadata, self);
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_DEVICE);
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_SYSTEM);
	reclaim_and_compare(_metadata, self);
}

/* Lazily freed: clean, without a copy; reclaim drops a page without a write. */
static void free_lazily(struct __test_metadata *_metadata, struct _test_data_dirty *self)
{
	const uint64_t not_lazy = KPF_SWAPBACKED | KPF_DIRTY;
	size_t page = page_size(), i, left = PAGES;
	int tries;

	for (tries = 0; tries < 100 && left; tries++) {
		/* MADV_FREE leaves a batch, which the next call drains. */
		ASSERT_EQ(madvise(self->memory, self->n, MADV_FREE), 0);
		for (i = left = 0; i < self->n; i += page)
			left += !!(kpageflags(self->memory + i) & not_lazy);
	}
	ASSERT_EQ(left, 0);
}

/* Only the last page has no write and must be gone: moving is not writing. */
static void reclaim_lazily_freed(struct __test_metadata *_metadata,
				 struct _test_data_dirty *self)
{
	size_t written = self->n - page_size();

	ASSERT_EQ(swap_out(self->memory, self->n), 0);
	test_pattern(self->memory, written, 2);
	test_zero(self->memory + written, page_size());
}

TEST_F_TIMEOUT(dirty, lazily_freed_and_written_by_cpu, 60)
{
	size_t page = page_size(), written = self->n - page, i;

	free_lazily(_metadata, self);
	fill_pattern(self->memory, written, 2);
	for (i = 0; i < self->n; i += page)
		ASSERT_EQ(kpageflags(self->memory + i) & KPF_DIRTY, 0);
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_DEVICE);
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_SYSTEM);
	for (i = 0; i < written; i += page)
		ASSERT_NE(kpageflags(self->memory + i) & KPF_DIRTY, 0);
	reclaim_lazily_freed(_metadata, self);
}

TEST_F_TIMEOUT(dirty, lazily_freed_and_written_by_the_device, 60)
{
	size_t written = self->n - page_size();

	free_lazily(_metadata, self);
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_DEVICE);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, written, self->data, NULL), 0);
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_SYSTEM);
	reclaim_lazily_freed(_metadata, self);
}

TEST_HARNESS_MAIN
