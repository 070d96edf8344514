// SPDX-License-Identifier: MIT
/*
 * How wide a flush of the TLB is, by the kernel's counters
 * (CONFIG_DEBUG_TLBFLUSH): nr_tlb_local_flush_all counts flushes of a whole
 * TLB, nr_tlb_local_flush_one counts single pages. A migration of few pages
 * must not cost the other TLB entries of every CPU, also with the default
 * strategy.
 *
 * The counters are counters of the whole machine. So a sum is over many calls,
 * and the flushes of an equally long idle time are subtracted.
 *
 * Shows: I2
 * Guest: engine
 */
#include "files.h"
#include "lru.h"
#include "migrate.h"
#include "threads.h"

#define CALLS 100
#define FEW 16
#define MANY 2048

struct flushed {
	long all;
	long one;
};

FIXTURE(flush_width) {
	struct ferry *ferry;
	uint8_t *memory;	/* aligned to a page table */
	double took;
};

FIXTURE_SETUP(flush_width)
{
	size_t n = MANY * page_size() + 2 * PMD_SIZE;
	uint8_t *map = test_map(n);

	if (!has_flush_counters())
		SKIP(return, NO_FLUSH_COUNTERS);
	ASSERT_EQ(run_on_cpu(0), 0);
	self->ferry = test_open(0);
	ASSERT_EQ(madvise(map, n, MADV_NOHUGEPAGE), 0);
	self->memory = (void *)(((uintptr_t)map + PMD_SIZE - 1) & -PMD_SIZE);
}

FIXTURE_TEARDOWN(flush_width)
{
	ferry_close(self->ferry);
}

static struct flushed read_flushed(void)
{
	return (struct flushed){
		.all = read_counter("/proc/vmstat", "nr_tlb_local_flush_all"),
		.one = read_counter("/proc/vmstat", "nr_tlb_local_flush_one"),
	};
}

/*
 * Moves @pages pages to the device and back, @calls times. Returns the flushes
 * of the moves to the device.
 */
static struct flushed move(struct __test_metadata *_metadata,
			   struct _test_data_flush_width *self, uint8_t *memory, size_t pages,
			   uint32_t flush, int calls)
{
	size_t n = pages * page_size();
	struct flushed before, after, sum = { 0 };
	struct drm_ferry_migrate request;
	double start;
	int i;

	self->took = 0;
	for (i = 0; i < calls; i++) {
		memset(memory, i + 1, n);
		request = (struct drm_ferry_migrate){
			.backend = DRM_FERRY_BACKEND_OWN, .flush = flush };
		start = seconds();
		before = read_flushed();
		ASSERT_EQ(_test_request_for(self->ferry, &request, memory, n, NULL), 0);
		after = read_flushed();
		self->took += seconds() - start;
		ASSERT_EQ(request.moved, pages);
		sum.all += after.all - before.all;
		sum.one += after.one - before.one;
		ASSERT_EQ(ferry_migrate(self->ferry, memory, n, DRM_FERRY_TARGET_SYSTEM, NULL,
					NULL), 0);
		ASSERT_EQ(memory[n - 1], (uint8_t)(i + 1));
	}
	before = read_flushed();
	usleep(self->took * 1e6);
	after = read_flushed();
	sum.all -= after.all - before.all;
	sum.one -= after.one - before.one;
	printf("# %zu pages, strategy %u, %d calls: %ld whole TLBs, %ld pages\n", pages, flush,
	       calls, sum.all, sum.one);
	return sum;
}

#define test_move(self, memory, pages, flush, calls)			\
	move(_metadata, self, memory, pages, flush, calls)

/* The baseline: each call flushes one whole TLB, also for one page. */
TEST_F(flush_width, per_call_empties_the_tlb)
{
	struct flushed flushed = test_move(self, self->memory, 1, DRM_FERRY_FLUSH_PER_CALL,
					   CALLS);

	ASSERT_GE(flushed.all, CALLS * 9 / 10);
}

TEST_F(flush_width, one_page)
{
	struct flushed flushed = test_move(self, self->memory, 1, DRM_FERRY_FLUSH_DEFAULT,
					   CALLS);

	ASSERT_LE(flushed.all, CALLS / 10);
	ASSERT_GE(flushed.one, CALLS * 9 / 10);
	ASSERT_LE(flushed.one, 2 * CALLS);
}

TEST_F(flush_width, few_pages_of_a_table)
{
	struct flushed flushed = test_move(self, self->memory, FEW, DRM_FERRY_FLUSH_AUTO, CALLS);

	ASSERT_LE(flushed.all, CALLS / 10);
	ASSERT_GE(flushed.one, FEW * CALLS * 9 / 10);
	ASSERT_LE(flushed.one, 2 * FEW * CALLS);
}

TEST_F(flush_width, few_pages_of_two_tables)
{
	uint8_t *memory = self->memory + PMD_SIZE - FEW / 2 * page_size();
	struct flushed flushed = test_move(self, memory, FEW, DRM_FERRY_FLUSH_AUTO, CALLS);

	ASSERT_LE(flushed.all, CALLS / 10);
	ASSERT_GE(flushed.one, FEW * CALLS * 9 / 10);
}

/* Four page tables share one flush. */
TEST_F(flush_width, many_pages)
{
	int calls = 10;
	struct flushed flushed = test_move(self, self->memory, MANY, DRM_FERRY_FLUSH_AUTO, calls);

	ASSERT_GE(flushed.all, calls * 9 / 10);
	ASSERT_LE(flushed.all, 2 * calls);
}

TEST_HARNESS_MAIN
