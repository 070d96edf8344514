// SPDX-License-Identifier: MIT
/*
 * Locked memory (I22). mlock() does not reach device memory: locked pages may
 * move to the device. The counters and the state of a page in system memory
 * stay right: locked pages are unevictable, other pages are not, and Mlocked
 * counts each locked page once.
 *
 * Two broken engines fail here:
 * - An engine forgets the mlock side of the rmap. Mlocked stays too high
 *   because the source is never unlocked, or reclaim may take locked pages.
 * - An engine leaves its pages in the CPU's mlock batch, with a reference on
 *   each page. Another CPU can then move the pages neither to the device nor
 *   back.
 *
 * Shows: I22, mlock
 * Guest: engine
 */
#include "lru.h"
#include "migrate.h"
#include "page_refs.h"
#include "pagemap.h"
#include "threads.h"

/* More pages than a batch holds. */
#define PAGES 64
#define ONFAULT 1

#define LOCKED (KPF_MLOCKED | KPF_UNEVICTABLE)

struct locked {
	long mlocked;
	long unevictable;
	long own;
};

/* In KiB, after all batches are drained. */
static struct locked locked(void)
{
	struct locked now = { -1, -1, -1 };

	if (settle_counters())
		return now;
	now.mlocked = read_counter("/proc/meminfo", "Mlocked");
	now.unevictable = read_counter("/proc/meminfo", "Unevictable");
	now.own = read_counter("/proc/self/status", "VmLck");
	return now;
}

FIXTURE(mlock) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
	struct locked before;
};

FIXTURE_VARIANT(mlock) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(mlock, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(mlock, core) { .engine = CORE };

FIXTURE_SETUP(mlock)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->before = locked();
	ASSERT_GE(self->before.mlocked, 0);
}

FIXTURE_TEARDOWN(mlock)
{
	ferry_close(self->ferry);
}

/*
 * @own: pages in locked mappings of this process. @pages: how many of @own
 * exist. @away: how many of @pages are on the device, which has no LRU list.
 */
static void test_locked(struct __test_metadata *_metadata,
			const struct _test_data_mlock *self, long own, long pages,
			long away)
{
	long kib = page_size() / 1024;
	struct locked now = locked();

	ASSERT_EQ(now.own - self->before.own, own * kib);
	ASSERT_EQ(now.mlocked - self->before.mlocked, pages * kib);
	ASSERT_EQ(now.unevictable - self->before.unevictable, (pages - away) * kib);
}

/* Each page is locked and unevictable, or neither. */
static void test_pages(struct __test_metadata *_metadata,
		       const struct _test_data_mlock *self, uint64_t flags)
{
	size_t i;

	for (i = 0; i < PAGES; i++) {
		uint64_t page = kpageflags(self->memory + i * page_size());

		ASSERT_EQ(page & (LOCKED | KPF_LRU), flags | KPF_LRU)
			TH_LOG("page %zu: %llx", i, (unsigned long long)page);
	}
}

static void test_home_and_locked(struct __test_metadata *_metadata,
				 const struct _test_data_mlock *self)
{
	test_pattern(self->memory, self->n, 1);
	test_locked(_metadata, self, PAGES, PAGES, 0);
	test_pages(_metadata, self, LOCKED);
}

static void lock_all(struct __test_metadata *_metadata, const struct _test_data_mlock *self)
{
	fill_pattern(self->memory, self->n, 1);
	ASSERT_EQ(mlock(self->memory, self->n), 0);
	test_locked(_metadata, self, PAGES, PAGES, 0);
	test_pages(_metadata, self, LOCKED);
}

TEST_F(mlock, round_trips)
{
	int round;

	lock_all(_metadata, self);
	for (round = 0; round < 2; round++) {
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
				  TO_DEVICE);
		ASSERT_EQ(read_counter("/proc/self/status", "VmLck") - self->before.own,
			  (long)self->n / 1024);
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
				  TO_SYSTEM);
		test_home_and_locked(_metadata, self);
	}
	/* By CPU faults: test_pattern() reads the pages. */
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	test_home_and_locked(_metadata, self);
	/* By pfn. */
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ferry_close(self->ferry);
	self->ferry = test_open(0);
	test_used(self->ferry, 0);
	test_home_and_locked(_metadata, self);

	ASSERT_EQ(munlock(self->memory, self->n), 0);
	test_locked(_metadata, self, 0, 0, 0);
	test_pages(_metadata, self, 0);
}

/*
 * A pipe holds references, and a full device has no room: the engine restores
 * the refused pages as they were.
 */
TEST_F_TIMEOUT(mlock, failed_migrations, 120)
{
	struct drm_ferry_query query;
	uint8_t *filler;
	int in_pipe[2];

	lock_all(_metadata, self);
	ASSERT_EQ(hold_in_pipe(self->memory, self->n, in_pipe), 0);
	ASSERT_EQ(test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
			      NULL).failed, PAGES);
	test_home_and_locked(_metadata, self);
	let_go(in_pipe);

	ASSERT_EQ(ferry_query(self->ferry, &query, sizeof(query)), 0);
	filler = test_map(query.memory_size);
	test_engine_moves(self->ferry, OWN, filler, query.memory_size, TO_DEVICE);
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, self->n, TO_DEVICE, NULL, NULL),
		  -ENOSPC);
	test_home_and_locked(_metadata, self);
	munmap(filler, query.memory_size);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	test_home_and_locked(_metadata, self);
}

/*
 * Pages are locked when they appear: a page that the device made is locked
 * after it moves to system memory.
 */
TEST_F(mlock, on_fault)
{
	ASSERT_EQ(mlock2(self->memory, self->n, ONFAULT), 0);
	test_locked(_metadata, self, PAGES, 0, 0);
	fill_pattern(self->memory, self->n / 2, 1);
	test_locked(_metadata, self, PAGES, PAGES / 2, 0);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_SYSTEM);
	test_locked(_metadata, self, PAGES, PAGES, 0);
	test_pages(_metadata, self, LOCKED);
	test_pattern(self->memory, self->n / 2, 1);
	ASSERT_EQ(find_nonzero(self->memory + self->n / 2, self->n / 2), self->n / 2);
}

/* munlock() skips pages on the device. */
TEST_F(mlock, munlock_on_the_device)
{
	size_t half = self->n / 2;

	lock_all(_metadata, self);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(munlock(self->memory, self->n), 0);
	test_engine_moves(self->ferry, variant->engine, self->memory, half, TO_SYSTEM);
	test_pattern(self->memory, self->n, 1);
	test_locked(_metadata, self, 0, 0, 0);
	test_pages(_metadata, self, 0);
}

/*
 * mlock2(MLOCK_ONFAULT) skips pages on the device too; mlock() faults the pages
 * in.
 */
TEST_F(mlock, mlock_on_the_device)
{
	size_t half = self->n / 2;

	fill_pattern(self->memory, self->n, 1);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(mlock2(self->memory, half, ONFAULT), 0);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(mlock(self->memory + half, half), 0);
	test_used(self->ferry, PAGES / 2);
	test_engine_moves(self->ferry, variant->engine, self->memory, half, TO_SYSTEM);
	test_home_and_locked(_metadata, self);
}

/*
 * Only the parent's mapping is locked. The count drops to 0 with the parent's
 * mapping, while the child still maps the pages.
 */
TEST_F(mlock, shared_with_a_child)
{
	int go[2], round;
	pid_t pid;

	lock_all(_metadata, self);
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		child_check(read_counter("/proc/self/status", "VmLck") == 0);
		_exit(0);
	}
	for (round = 0; round < 2; round++) {
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
				  TO_DEVICE);
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
				  TO_SYSTEM);
		test_home_and_locked(_metadata, self);
	}
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	ASSERT_EQ(settle_counters(), 0);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_wait_unused(self->ferry, 2);
	test_locked(_metadata, self, 0, 0, 0);
}

/* Pages on the device are dropped, unmapped, or freed at the process's exit. */
TEST_F(mlock, dropped_on_the_device)
{
	size_t half = self->n / 2;
	pid_t pid;

	lock_all(_metadata, self);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(munmap(self->memory, half), 0);
	test_locked(_metadata, self, PAGES / 2, PAGES / 2, PAGES / 2);
	ASSERT_EQ(munmap(self->memory + half, half), 0);
	test_locked(_metadata, self, 0, 0, 0);

	pid = test_fork();
	if (!pid) {
		struct ferry *own;

		child_check((self->memory = _test_map(self->n)) != MAP_FAILED);
		child_check(!mlock(self->memory, self->n));
		child_check(!ferry_open_index(0, &own));
		child_check(!_test_migrate(own, self->memory, self->n, TO_DEVICE, NULL, NULL));
		child_check(_test_used(own) == self->n);
		_exit(0);
	}
	test_wait(pid);
	/*
	 * From 7.x on exit drains no batches: the last unlocked pages wait in a
	 * CPU's batch, which holds a reference (docs/findings.md).
	 */
	if (kernel_at_least(7, 0))
		ASSERT_EQ(drain_lru(), 0);
	test_wait_unused(self->ferry, 2);
	test_locked(_metadata, self, 0, 0, 0);
}

/* No page may wait in another CPU's batch, which holds a reference. */
TEST_F(mlock, from_cpu_to_cpu)
{
	int last = cpus_online() - 1, round;

	lock_all(_metadata, self);
	for (round = 0; round < 4; round++) {
		ASSERT_EQ(run_on_cpu(0), 0);
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
				  TO_DEVICE);
		ASSERT_EQ(run_on_cpu(last), 0);
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
				  TO_SYSTEM);
	}
	test_home_and_locked(_metadata, self);
}

TEST_HARNESS_MAIN
