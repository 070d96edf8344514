/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a chain of calls fails once: the first, the second, and
 * onwards until the chain needs no more (/proc/thread-self/fail-nth). Kernel
 * "debug" only: CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC.
 *
 * After each failed allocation:
 * - The call reports the failure or succeeds without the memory.
 * - The data is right.
 * - No device page is left.
 * - LRU lists and charges are as before.
 */
#ifndef FERRY_FAIL_NTH_H
#define FERRY_FAIL_NTH_H

#include "memcg.h"
#include "migrate.h"

#define SLAB "/sys/kernel/debug/failslab/"
#define PAGE_ALLOC "/sys/kernel/debug/fail_page_alloc/"
#define MAX_ALLOCATIONS 1000

/*
 * Pages in memory, then holes, then the zero page at the end. Together more
 * pages than a batch holds on the stack (FERRY_BATCH_FEW): the allocation of
 * the batch's arrays can fail too.
 */
#define FULL 17
#define HOLES 8
#define PAGES (FULL + HOLES)
/* Far from other mappings: the upper page tables do not exist either. */
#define FAR ((uint8_t *)0x100000000000)

FIXTURE(sweep) {
	struct ferry *ferry;
	struct ferry *watch;
	uint32_t engine;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
	struct drm_ferry_migrate request;
	struct drm_ferry_migrate far;
	int nth;
	struct memcg group;
};

static inline int set_failing(const char *wait, const char *order)
{
	int ret = write_file(SLAB "ignore-gfp-wait", wait);

	ret = ret ?: write_file(SLAB "verbose", "0");
	ret = ret ?: write_file(PAGE_ALLOC "ignore-gfp-wait", wait);
	ret = ret ?: write_file(PAGE_ALLOC "ignore-gfp-highmem", wait);
	ret = ret ?: write_file(PAGE_ALLOC "verbose", "0");
	return ret ?: write_file(PAGE_ALLOC "min-order", order);
}

FIXTURE_SETUP(sweep)
{
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->nth, 0);
	ASSERT_EQ(set_failing("N", "0"), 0);
	self->watch = test_open(0);
	self->engine = OWN;
	self->n = PAGES * page_size();
	self->data = test_map(PMD_SIZE);
	memset(self->data, 0, PMD_SIZE);
	ASSERT_EQ(memcg_enter(&self->group), 0);
}

FIXTURE_TEARDOWN(sweep)
{
	ferry_close(self->ferry);
	ferry_close(self->watch);
	set_failing("Y", "1");
	close(self->nth);
	memcg_leave(&self->group);
	rmdir(MEMCG);
}

/**
 * struct chain - a chain of calls that must survive failed allocations
 * @prepare: runs before any failure; sets self->memory, self->n and self->ferry
 * @run: the calls; returns 0 or -errno
 * @check: checks the result; @whole: no allocation failed. The caller checks
 *   all of memory afterwards
 * @at_least: the least number of allocations in the chain
 */
struct chain {
	void (*prepare)(struct __test_metadata *_metadata, struct _test_data_sweep *self);
	int (*run)(struct _test_data_sweep *self);
	void (*check)(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		      int ret, bool whole);
	unsigned int at_least;
};

static inline int fail_nth_arm(int fd, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, length, 0) == length ? 0 : -1;
}

/*
 * Returns how many allocations are left until the failure; 0: an allocation
 * failed.
 */
static inline int fail_nth_disarm(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || fail_nth_arm(fd, 0))
		return -1;
	return atoi(text);
}

static inline bool is_intact(const uint8_t *memory)
{
	size_t full = FULL * page_size(), holes = HOLES * page_size();

	return find_difference(memory, full, 1) == full &&
	       find_nonzero(memory + full, holes) == holes;
}

static inline void prepare_memory(struct __test_metadata *_metadata,
				  struct _test_data_sweep *self)
{
	self->memory = test_map(self->n);
	fill_pattern(self->memory, FULL * page_size(), 1);
	ASSERT_EQ(*(volatile uint8_t *)(self->memory + self->n - page_size()), 0);
	self->ferry = test_open(0);
}

/* Tolerance in pages: the test's own anonymous memory varies by a few. */
#define FEW 8

static inline long on_lists(void)
{
	long bytes = memcg_stat_settled("anon"), lists;

	lists = memcg_stat("active_anon") + memcg_stat("inactive_anon") +
		memcg_stat("unevictable");
	return lists == bytes ? bytes / (long)page_size() : -1000;
}

static inline void test_chain(struct __test_metadata *_metadata,
			      struct _test_data_sweep *self,
			      const struct chain *chain)
{
	unsigned int nth;
	int ret, left;
	long before;

	before = on_lists();
	for (nth = 1, left = 0; !left; nth++) {
		ASSERT_LT(nth, MAX_ALLOCATIONS);
		self->n = PAGES * page_size();
		chain->prepare(_metadata, self);
		ASSERT_EQ(fail_nth_arm(self->nth, nth), 0);
		ret = chain->run(self);
		left = fail_nth_disarm(self->nth);
		ASSERT_GE(left, 0);
		chain->check(_metadata, self, ret, left);
		munmap(self->memory, self->n);
		munmap(FAR, HOLES * page_size());
		ferry_close(self->ferry);
		self->ferry = NULL;
		test_used(self->watch, 0);
	}
	TH_LOG("%u allocations failed", nth - 2);
	ASSERT_GE(nth - 2, chain->at_least);
	ASSERT_LE(labs(on_lists() - before), FEW);
	ASSERT_EQ(memcg_leave(&self->group), 0);
	ASSERT_EQ(memcg_wait_gone(&self->group), 0);
}

#endif
