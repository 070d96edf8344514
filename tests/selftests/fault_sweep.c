// SPDX-License-Identifier: MIT
/*
 * Every allocation of every chain of calls fails once: the first, the second, and so on
 * until the chain needs no more (/proc/thread-self/fail-nth; kernel "debug" only).
 *
 * Whatever fails, the call says so or does without; the data is right; no device page is
 * left behind; LRU lists and counts are as before. An engine that publishes something
 * before its last allocation, or forgets one page of what it undoes, fails here, or
 * leaves something for KASAN, kmemleak or the page-table check to find.
 */
#include "group.h"

#define SLAB "/sys/kernel/debug/failslab/"
#define PAGE_ALLOC "/sys/kernel/debug/fail_page_alloc/"
#define MOST 1000

/* In memory; holes, with the zero page at their end. */
#define FULL 16
#define HOLES 8
#define PAGES (FULL + HOLES)
#define HUGE (2 * MIB)
#define KPF_THP (1ull << 22)

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
	struct group group;
};

static int set_failing(const char *wait, const char *order)
{
	int ret = put(SLAB "ignore-gfp-wait", wait);

	ret = ret ?: put(SLAB "verbose", "0");
	ret = ret ?: put(PAGE_ALLOC "ignore-gfp-wait", wait);
	ret = ret ?: put(PAGE_ALLOC "ignore-gfp-highmem", wait);
	ret = ret ?: put(PAGE_ALLOC "verbose", "0");
	return ret ?: put(PAGE_ALLOC "min-order", order);
}

FIXTURE_SETUP(sweep)
{
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->nth, 0);
	ASSERT_EQ(set_failing("N", "0"), 0);
	self->watch = test_open(0);
	self->engine = OWN;
	self->n = PAGES * page_size();
	self->data = test_map(HUGE);
	memset(self->data, 0, HUGE);
	ASSERT_EQ(group_enter(&self->group), 0);
}

FIXTURE_TEARDOWN(sweep)
{
	ferry_close(self->ferry);
	ferry_close(self->watch);
	set_failing("Y", "1");
	close(self->nth);
	group_leave(&self->group);
	rmdir(GROUP);
}

/**
 * struct chain - calls that are to survive
 * @prepare: nothing fails yet; leaves self->memory of self->n and self->ferry
 * @run: the calls, 0 or -errno
 * @check: what must hold; @whole: nothing failed. All of memory is checked afterwards
 * @at_least: allocations that it is known to make
 */
struct chain {
	void (*prepare)(struct __test_metadata *_metadata, struct _test_data_sweep *self);
	int (*run)(struct _test_data_sweep *self);
	void (*check)(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		      int ret, bool whole);
	unsigned int at_least;
};

static int arm(int fd, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, length, 0) == length ? 0 : -1;
}

/* How many more there would have had to be, 0: one failed. */
static int disarm(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || arm(fd, 0))
		return -1;
	return atoi(text);
}

static bool is_intact(const uint8_t *memory)
{
	size_t full = FULL * page_size(), holes = HOLES * page_size();

	return find_difference(memory, full, 1) == full &&
	       find_nonzero(memory + full, holes) == holes;
}

static void prepare_memory(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	self->memory = test_map(self->n);
	fill_pattern(self->memory, FULL * page_size(), 1);
	ASSERT_EQ(*(volatile uint8_t *)(self->memory + self->n - page_size()), 0);
	self->ferry = test_open(0);
}

/* Pages of anonymous memory, ours alone; a few are the test's own. */
#define FEW 8

static long on_lists(void)
{
	long bytes = group_stat_settled("anon"), lists;

	lists = group_stat("active_anon") + group_stat("inactive_anon") +
		group_stat("unevictable");
	return lists == bytes ? bytes / (long)page_size() : -1000;
}

static void test_chain(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		       const struct chain *chain)
{
	unsigned int nth;
	int ret, left;
	long before;

	before = on_lists();
	for (nth = 1, left = 0; !left; nth++) {
		ASSERT_LT(nth, MOST);
		self->n = PAGES * page_size();
		chain->prepare(_metadata, self);
		ASSERT_EQ(arm(self->nth, nth), 0);
		ret = chain->run(self);
		left = disarm(self->nth);
		ASSERT_GE(left, 0);
		chain->check(_metadata, self, ret, left);
		munmap(self->memory, self->n);
		ferry_close(self->ferry);
		self->ferry = NULL;
		test_used(self->watch, 0);
	}
	TH_LOG("%u allocations failed", nth - 2);
	ASSERT_GE(nth - 2, chain->at_least);
	ASSERT_LE(labs(on_lists() - before), FEW);
	ASSERT_EQ(group_leave(&self->group), 0);
	ASSERT_EQ(group_goes_away(&self->group), 0);
}

/* To the device -------------------------------------------------------------- */

/* Far away: not even the upper page tables are there. */
#define FAR ((uint8_t *)0x100000000000)

static void prepare_there(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	prepare_memory(_metadata, self);
	self->request = (struct drm_ferry_migrate) {
		.addr = ptr(self->memory), .len = self->n, .backend = self->engine };
	munmap(FAR, HOLES * page_size());
	ASSERT_EQ(mmap(FAR, HOLES * page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), FAR);
	self->far = (struct drm_ferry_migrate) {
		.addr = ptr(FAR), .len = HOLES * page_size(), .backend = self->engine };
}

static int run_request(struct _test_data_sweep *self)
{
	return ferry_migrate_raw(self->ferry, &self->request);
}

/* What was done is told, and is so. */
static void check_request(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			  int ret, bool whole)
{
	const struct drm_ferry_migrate *request = &self->request;

	ASSERT_TRUE(!ret || (!whole && ret == -ENOMEM)) TH_LOG("%s", strerror(-ret));
	ASSERT_EQ(request->moved + request->already + request->failed,
		  request->done / page_size());
	if (whole) {
		ASSERT_EQ(request->moved, self->n / page_size());
	}
}

static int run_there(struct _test_data_sweep *self)
{
	int ret = run_request(self);

	return ret ?: ferry_migrate_raw(self->ferry, &self->far);
}

static void check_there(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			int ret, bool whole)
{
	check_request(_metadata, self, ret, whole);
	test_used(self->watch, self->request.moved + self->far.moved);
	if (whole) {
		ASSERT_EQ(self->far.moved, HOLES);
	}
	ASSERT_TRUE(is_intact(self->memory));
	ASSERT_EQ(find_nonzero(FAR, HOLES * page_size()), HOLES * page_size());
	test_used(self->watch, 0);
}

static const struct chain there = { prepare_there, run_there, check_there, 6 };

TEST_F_TIMEOUT(sweep, there, 200)
{
	test_chain(_metadata, self, &there);
}

TEST_F_TIMEOUT(sweep, there_by_core, 200)
{
	self->engine = CORE;
	test_chain(_metadata, self, &there);
}

static size_t *word_of(uint8_t *memory, size_t i)
{
	return (size_t *)(memory + i * page_size());
}

static void prepare_huge(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	size_t i;

	self->n = HUGE;
	self->memory = test_map(2 * HUGE);
	self->memory += HUGE - ptr(self->memory) % HUGE;
	ASSERT_EQ(madvise(self->memory, HUGE, MADV_HUGEPAGE), 0);
	for (i = 0; i < HUGE / page_size(); i++)
		*word_of(self->memory, i) = i + 1;
	ASSERT_TRUE(kpageflags(self->memory) & KPF_THP);
	self->ferry = test_open(0);
	self->request = (struct drm_ferry_migrate) {
		.addr = ptr(self->memory), .len = HUGE, .backend = self->engine };
}

static void check_huge(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		       int ret, bool whole)
{
	size_t i;

	check_request(_metadata, self, ret, whole);
	test_used(self->watch, self->request.moved);
	for (i = 0; i < HUGE / page_size() && *word_of(self->memory, i) == i + 1; i++)
		;
	ASSERT_EQ(i, HUGE / page_size());
	test_used(self->watch, 0);
}

static const struct chain huge = { prepare_huge, run_request, check_huge, 2 };

TEST_F_TIMEOUT(sweep, huge_page_there, 200)
{
	test_chain(_metadata, self, &huge);
}

TEST_F_TIMEOUT(sweep, huge_page_there_by_core, 200)
{
	self->engine = CORE;
	test_chain(_metadata, self, &huge);
}

/* Home ------------------------------------------------------------------------ */

static void prepare_away(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	prepare_there(_metadata, self);
	ASSERT_EQ(run_request(self), 0);
	ASSERT_EQ(self->request.moved, PAGES);
	self->request = (struct drm_ferry_migrate) {
		.addr = ptr(self->memory), .len = self->n, .backend = self->engine,
		.target = TO_SYSTEM };
}

static void check_home(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		       int ret, bool whole)
{
	check_request(_metadata, self, ret, whole);
	test_used(self->watch, PAGES - self->request.moved);
	ASSERT_TRUE(is_intact(self->memory));
	test_used(self->watch, 0);
}

static const struct chain home = { prepare_away, run_request, check_home, PAGES };

TEST_F_TIMEOUT(sweep, home, 200)
{
	test_chain(_metadata, self, &home);
}

TEST_F_TIMEOUT(sweep, home_by_core, 200)
{
	self->engine = CORE;
	test_chain(_metadata, self, &home);
}

/* A fault that finds no memory is tried again by the kernel, once it has asked for some. */
static int run_touch(struct _test_data_sweep *self)
{
	size_t i;

	for (i = 0; i < PAGES; i++) {
		volatile uint8_t *byte = self->memory + i * page_size();

		*byte = *byte;
	}
	return 0;
}

static void check_touched(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			  int ret, bool whole)
{
	ASSERT_EQ(ret, 0);
	test_used(self->watch, 0);
	ASSERT_TRUE(is_intact(self->memory));
}

TEST_F_TIMEOUT(sweep, home_by_touch, 200)
{
	static const struct chain chain = { prepare_away, run_touch, check_touched, PAGES };

	test_chain(_metadata, self, &chain);
}

/* What cannot come home stays, belongs to nobody, and comes when it is touched. */
static int run_close(struct _test_data_sweep *self)
{
	ferry_close(self->ferry);
	self->ferry = NULL;
	return 0;
}

static void check_closed(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			 int ret, bool whole)
{
	if (whole) {
		test_used(self->watch, 0);
	}
	ASSERT_TRUE(is_intact(self->memory));
	test_used(self->watch, 0);
}

TEST_F_TIMEOUT(sweep, home_by_close, 200)
{
	static const struct chain chain = { prepare_away, run_close, check_closed, PAGES };

	test_chain(_metadata, self, &chain);
}

/* Device faults ---------------------------------------------------------------- */

/* In memory, holes, and on the device. */
static void prepare_mixed(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	prepare_memory(_metadata, self);
	test_engine_moves(self->ferry, self->engine, self->memory, 4 * page_size(),
			  TO_DEVICE);
	fill_pattern(self->data, self->n, 2);
}

static bool is_told(int ret, bool whole)
{
	return !ret || (!whole && (ret == -ENOMEM || ret == -EFAULT));
}

static int run_read(struct _test_data_sweep *self)
{
	return ferry_read(self->ferry, self->memory, self->n, self->data);
}

static void check_read(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		       int ret, bool whole)
{
	ASSERT_TRUE(is_told(ret, whole)) TH_LOG("%s", strerror(-ret));
	ASSERT_TRUE(ret || is_intact(self->data));
	ASSERT_EQ(run_read(self), 0);
	ASSERT_TRUE(is_intact(self->data));
	ASSERT_TRUE(is_intact(self->memory));
}

TEST_F_TIMEOUT(sweep, device_reads, 200)
{
	static const struct chain chain = { prepare_mixed, run_read, check_read, 8 };

	test_chain(_metadata, self, &chain);
}

static int run_write(struct _test_data_sweep *self)
{
	return ferry_write(self->ferry, self->memory, self->n, self->data);
}

/* Part of it may be written, none of it wrongly. */
static void check_written(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			  int ret, bool whole)
{
	size_t full = FULL * page_size(), i;

	ASSERT_TRUE(is_told(ret, whole)) TH_LOG("%s", strerror(-ret));
	for (i = 0; i < self->n; i++)
		if (self->memory[i] != pattern(i, 2) &&
		    (!ret || self->memory[i] != (i < full ? pattern(i, 1) : 0)))
			break;
	ASSERT_EQ(i, self->n);
	ASSERT_EQ(run_write(self), 0);
	test_pattern(self->memory, self->n, 2);
}

TEST_F_TIMEOUT(sweep, device_writes, 200)
{
	static const struct chain chain = { prepare_mixed, run_write, check_written, 8 };

	test_chain(_metadata, self, &chain);
}

TEST_HARNESS_MAIN
