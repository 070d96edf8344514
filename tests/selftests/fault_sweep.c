// SPDX-License-Identifier: MIT
/*
 * Migrations in both directions: each allocation of a chain fails in turn
 * (fail_nth.h).
 *
 * Two errors of an engine fail here, or leave a trace for KASAN, kmemleak or
 * the page-table check:
 * - a change is published before the last allocation;
 * - a page is forgotten when a failed call is undone.
 *
 * Shows: MIGRATE, fault-around, close, allocation failure
 * Guest: debug-engine
 */
#include <numaif.h>

#include "pagemap.h"
#include "fail_nth.h"

/* Pages, the default of fault_around=. */
#define WINDOW 16

/* To the device ------------------------------------------------------------ */

static void prepare_there(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	prepare_memory(_metadata, self);
	self->request = (struct drm_ferry_migrate) {
		.addr = ptr(self->memory), .len = self->n, .backend = self->engine };
	ASSERT_EQ(mmap(FAR, HOLES * page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), FAR);
	self->far = (struct drm_ferry_migrate) {
		.addr = ptr(FAR), .len = HOLES * page_size(), .backend = self->engine };
}

static int run_request(struct _test_data_sweep *self)
{
	return _test_request(self->ferry, &self->request);
}

/* The reported counts are true. */
static void check_request(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			  int ret, bool whole)
{
	const struct drm_ferry_migrate *request = &self->request;

	ASSERT_TRUE(!ret || (!whole && ret == -ENOMEM)) TH_LOG("%s", strerror(-ret));
	ASSERT_EQ(request->moved + request->already + request->failed,
		  request->done / page_size());
	if (whole)
		ASSERT_EQ(request->moved, self->n / page_size());
}

static int run_there(struct _test_data_sweep *self)
{
	int ret = run_request(self);

	return ret ?: _test_request(self->ferry, &self->far);
}

static void check_there(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			int ret, bool whole)
{
	check_request(_metadata, self, ret, whole);
	test_used(self->watch, self->request.moved + self->far.moved);
	if (whole)
		ASSERT_EQ(self->far.moved, HOLES);
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

	self->n = PMD_SIZE;
	self->memory = test_map(2 * PMD_SIZE);
	self->memory += PMD_SIZE - ptr(self->memory) % PMD_SIZE;
	ASSERT_EQ(madvise(self->memory, PMD_SIZE, MADV_HUGEPAGE), 0);
	for (i = 0; i < PMD_SIZE / page_size(); i++)
		*word_of(self->memory, i) = i + 1;
	ASSERT_TRUE(kpageflags(self->memory) & KPF_THP);
	self->ferry = test_open(0);
	self->request = (struct drm_ferry_migrate) {
		.addr = ptr(self->memory), .len = PMD_SIZE, .backend = self->engine };
}

static void check_huge(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		       int ret, bool whole)
{
	size_t i;

	check_request(_metadata, self, ret, whole);
	test_used(self->watch, self->request.moved);
	for (i = 0; i < PMD_SIZE / page_size() && *word_of(self->memory, i) == i + 1; i++)
		;
	ASSERT_EQ(i, PMD_SIZE / page_size());
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

/* To system memory --------------------------------------------------------- */

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

/*
 * With a NUMA policy pages are allocated singly. Without a policy pages are
 * allocated in bulk, and a bulk allocation fails as a whole.
 */
static const struct chain home = { prepare_away, run_request, check_home, PAGES };
static const struct chain home_in_bulk = { prepare_away, run_request, check_home, 2 };

TEST_F_TIMEOUT(sweep, home, 200)
{
	ASSERT_EQ(set_mempolicy(MPOL_LOCAL, NULL, 0), 0);
	test_chain(_metadata, self, &home);
}

TEST_F_TIMEOUT(sweep, home_by_core, 200)
{
	ASSERT_EQ(set_mempolicy(MPOL_LOCAL, NULL, 0), 0);
	self->engine = CORE;
	test_chain(_metadata, self, &home);
}

TEST_F_TIMEOUT(sweep, home_in_bulk, 200)
{
	test_chain(_metadata, self, &home_in_bulk);
}

TEST_F_TIMEOUT(sweep, home_in_bulk_by_core, 200)
{
	self->engine = CORE;
	test_chain(_metadata, self, &home_in_bulk);
}

/* After VM_FAULT_OOM the kernel repeats the CPU fault. */
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

/* For each fault-around range: all pages at once. */
TEST_F_TIMEOUT(sweep, home_by_touch, 200)
{
	static const struct chain chain = { prepare_away, run_touch, check_touched, 1 };

	test_chain(_metadata, self, &chain);
}

/* Each page is a separate mapping and a separate fault-around range. */
static void prepare_apart(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	size_t i;

	prepare_away(_metadata, self);
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(madvise(self->memory + i * page_size(), page_size(),
				  MADV_DONTFORK), 0);
}

TEST_F_TIMEOUT(sweep, home_by_touch_alone, 200)
{
	static const struct chain chain = { prepare_apart, run_touch, check_touched, PAGES };

	test_chain(_metadata, self, &chain);
}

TEST_F_TIMEOUT(sweep, home_by_touch_one_by_one, 200)
{
	static const struct chain chain = { prepare_away, run_touch, check_touched, PAGES };

	ASSERT_EQ(set_mempolicy(MPOL_LOCAL, NULL, 0), 0);
	test_chain(_metadata, self, &chain);
}

/* Page allocations use up the space @first, then @then allocations fail. */
static int fail_later(const char *first, const char *then)
{
	int ret = write_file(PAGE_ALLOC "task-filter", "Y");

	ret = ret ?: write_file(PAGE_ALLOC "probability", "100");
	ret = ret ?: write_file(PAGE_ALLOC "space", first);
	ret = ret ?: write_file(PAGE_ALLOC "times", then);
	return ret ?: write_file("/proc/self/make-it-fail", "1");
}

static int fail_no_more(void)
{
	int ret = write_file("/proc/self/make-it-fail", "0");

	ret = ret ?: write_file(PAGE_ALLOC "probability", "0");
	return ret ?: write_file(PAGE_ALLOC "task-filter", "N");
}

/* Neighbours get destinations. The faulting page gets none, and again none. */
TEST_F(sweep, touched_page_has_none)
{
	size_t n = WINDOW * page_size(), at = n - page_size();
	long left;

	ASSERT_EQ(set_mempolicy(MPOL_LOCAL, NULL, 0), 0);
	self->n = 2 * n;
	self->memory = test_map_pattern(self->n, 1);
	self->ferry = test_open(0);
	test_to_device(self->ferry, self->memory, self->n);
	at += n - ptr(self->memory) % n;

	ASSERT_EQ(fail_later("5", "2"), 0);
	self->memory[at] ^= 0xff;
	ASSERT_EQ(read_number(PAGE_ALLOC "times", &left), 0);
	ASSERT_EQ(fail_no_more(), 0);
	ASSERT_EQ(left, 0);

	self->memory[at] ^= 0xff;
	ASSERT_EQ(find_difference(self->memory, self->n, 1), self->n);
	test_used(self->watch, 0);
	munmap(self->memory, self->n);
}

/* A page without a destination stays without an owner; a CPU fault moves it. */
static int run_close(struct _test_data_sweep *self)
{
	ferry_close(self->ferry);
	self->ferry = NULL;
	return 0;
}

static void check_closed(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			 int ret, bool whole)
{
	if (whole)
		test_used(self->watch, 0);
	ASSERT_TRUE(is_intact(self->memory));
	test_used(self->watch, 0);
}

TEST_F_TIMEOUT(sweep, home_by_close, 200)
{
	static const struct chain chain = { prepare_away, run_close, check_closed, PAGES };

	ASSERT_EQ(set_mempolicy(MPOL_LOCAL, NULL, 0), 0);
	test_chain(_metadata, self, &chain);
}

TEST_HARNESS_MAIN
