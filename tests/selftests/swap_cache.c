// SPDX-License-Identifier: MIT
/*
 * Pages in the swap cache (I21, I11): mapped, and also found by their swap
 * entry.
 *
 * A device page must not be in the swap cache: a swap-in by the entry would map
 * the device page like system memory. The page leaves the cache before the move
 * to the device. Afterwards the engine must read the page's mapping again: with
 * the old mapping an engine expects one reference too many, and the page stays
 * without a reason.
 *
 * Three cases:
 * - No other process has the swap entry: the page leaves the cache and moves.
 * - A child still has the swap entry: the page cannot leave the cache and
 *   stays.
 * - The page is under writeback: the disk reads the page, and the page stays.
 *   (The core engine has a BUG_ON() in its second phase, and does not run in
 *   this case.)
 *
 * Shows: I11, I21, swap
 * Guest: engine, debug-engine
 */
#include "migrate.h"
#include "slow_disk.h"
#include "swap.h"

#define PAGES 4

FIXTURE(swap_cache) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[PAGES];
	size_t n;
};

FIXTURE_VARIANT(swap_cache) {
	uint32_t engine;
	uint8_t shared;
};

FIXTURE_VARIANT_ADD(swap_cache, own) {
	.engine = OWN,
	.shared = DRM_FERRY_SHARED_BUSY,
};

FIXTURE_VARIANT_ADD(swap_cache, core) {
	.engine = CORE,
	.shared = DRM_FERRY_NOT_MOVED,
};

FIXTURE_SETUP(swap_cache)
{
	ASSERT_EQ(swap_on(), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(swap_cache)
{
	ferry_close(self->ferry);
}

static bool all_have(const uint8_t *memory, uint64_t (*read)(const void *), uint64_t flag)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (!(read(memory + i * page_size()) & flag))
			return false;
	return true;
}

static int all_out(uint8_t *memory)
{
	double end = seconds() + 20;

	while (!all_have(memory, pagemap, PAGEMAP_SWAPPED) && seconds() < end) {
		drain_lru();
		madvise(memory, PAGES * page_size(), MADV_PAGEOUT);
		usleep(1000);
	}
	return all_have(memory, pagemap, PAGEMAP_SWAPPED) ? 0 : -1;
}

/* The reads map the pages. */
static bool is_right(const uint8_t *memory, unsigned int seed)
{
	return find_difference(memory, PAGES * page_size(), seed) == PAGES * page_size();
}

static long swap_cached(void)
{
	return settle_counters() ? -1 : read_counter("/proc/meminfo", "SwapCached");
}

TEST_F_TIMEOUT(swap_cache, left_for_the_device, 60)
{
	long kib = PAGES * page_size() / 1024, left;
	unsigned int seed = 1;

	for (; seed < 4; seed++) {
		fill_pattern(self->memory, self->n, seed);
		ASSERT_EQ(all_out(self->memory), 0);
		ASSERT_TRUE(is_right(self->memory, seed));
		ASSERT_TRUE(all_have(self->memory, kpageflags, KPF_SWAPCACHE));
		left = swap_cached();
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
				  TO_DEVICE);
		left -= swap_cached();
		if (seed == 2) {
			test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
					  TO_SYSTEM);
		}
		/*
		 * To system memory first: a close must not meet a device page
		 * in the swap cache.
		 */
		ASSERT_TRUE(is_right(self->memory, seed));
		ASSERT_EQ(left, kib);
		/* The only copy of the data: dirty, not in the swap cache. */
		ASSERT_FALSE(all_have(self->memory, kpageflags, KPF_SWAPCACHE));
		ASSERT_TRUE(all_have(self->memory, kpageflags, KPF_DIRTY));
	}
	ASSERT_EQ(all_out(self->memory), 0);
	ASSERT_TRUE(is_right(self->memory, seed - 1));
}

/* The child has the swap entry, the parent has the page. */
TEST_F_TIMEOUT(swap_cache, shared_with_a_child, 60)
{
	int go[2];
	pid_t pid;

	ASSERT_EQ(all_out(self->memory), 0);
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(all_have(self->memory, pagemap, PAGEMAP_SWAPPED));
		child_check(is_right(self->memory, 1));
		fill_pattern(self->memory, self->n, 3);
		child_check(is_right(self->memory, 3));
		_exit(0);
	}
	ASSERT_TRUE(is_right(self->memory, 1));
	ASSERT_TRUE(all_have(self->memory, kpageflags, KPF_SWAPCACHE));
	test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
		    self->outcomes);
	ASSERT_TRUE(is_right(self->memory, 1));
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, variant->shared), PAGES)
		TH_LOG("the first is %s", ferry_outcome_name(self->outcomes[0]));
	ASSERT_EQ(test_stats(self->ferry).cpu_faults, 0);
	ASSERT_TRUE(all_have(self->memory, kpageflags, KPF_SWAPCACHE));
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	ASSERT_TRUE(is_right(self->memory, 1));

	/* No process has the swap entry any more. */
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_TRUE(is_right(self->memory, 1));
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(all_out(self->memory), 0);
	ASSERT_TRUE(is_right(self->memory, 2));
}

/*
 * The reverse order: the page is in system memory again before the child uses
 * its swap entry.
 */
TEST_F_TIMEOUT(swap_cache, child_reads_its_entry_later, 60)
{
	int go[2];
	pid_t pid;

	ASSERT_EQ(all_out(self->memory), 0);
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(is_right(self->memory, 1));
		_exit(0);
	}
	/* A write gives the parent a new page; the child's page stays. */
	fill_pattern(self->memory, self->n, 2);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	ASSERT_TRUE(is_right(self->memory, 2));
}

FIXTURE(writeback) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[PAGES];
	size_t n;
};

FIXTURE_SETUP(writeback)
{
	/* The CPUs cache swap slots of the other swap device. */
	swapoff(swap_device());
	ASSERT_EQ(slow_disk_create(), 0);
	ASSERT_EQ(system("/run/busybox mkswap " SLOW_DISK " >/dev/null"), 0);
	ASSERT_EQ(swapon(SLOW_DISK, 0), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
}

FIXTURE_TEARDOWN(writeback)
{
	munmap(self->memory, self->n);
	swapoff(SLOW_DISK);
	slow_disk_destroy();
	swapon(swap_device(), 0);
	ferry_close(self->ferry);
}

static bool all_under_writeback(const uint8_t *memory)
{
	return all_have(memory, pagemap, PAGEMAP_PRESENT) &&
	       all_have(memory, kpageflags, KPF_WRITEBACK);
}

/* The disk is slow, but a slow machine may be slower: the test tries again. */
TEST_F_TIMEOUT(writeback, stays_and_moves_later, 120)
{
	bool met = false;
	unsigned int seed;

	for (seed = 1; seed < 6 && !met; seed++) {
		fill_pattern(self->memory, self->n, seed);
		ASSERT_EQ(all_out(self->memory), 0);
		ASSERT_TRUE(is_right(self->memory, seed));
		met = all_under_writeback(self->memory);
		test_engine(self->ferry, OWN, self->memory, self->n, TO_DEVICE,
			    self->outcomes);
		met = met && all_under_writeback(self->memory);
		ASSERT_TRUE(is_right(self->memory, seed));
	}
	ASSERT_TRUE(met);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_WRITEBACK), PAGES)
		TH_LOG("the first is %s", ferry_outcome_name(self->outcomes[0]));
	test_used(self->ferry, 0);

	ASSERT_EQ(wait_clean_in_swap_cache(self->memory + self->n - page_size()), 0);
	while (kpageflags(self->memory) & KPF_WRITEBACK)
		usleep(1000);
	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_DEVICE);
	ASSERT_TRUE(is_right(self->memory, seed - 1));
}

TEST_HARNESS_MAIN
