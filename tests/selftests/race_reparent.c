// SPDX-License-Identifier: MIT
/*
 * Pages move to the device and back while the memory cgroup of half of the pages
 * is removed. From 7.x on the removal moves the group's lists and counts to the
 * parent group (reparenting). On 6.12 the group stays as a dying group. Pages of
 * the removed group and pages of another group alternate, so the engine changes
 * the lruvec at each page.
 *
 * Errors that fail here:
 * - the engine puts a page on the list of a removed group, or takes a page off
 *   such a list: wrong data, too few moved pages, or a bad kernel log;
 * - a charge stays: the removed groups remain as dying groups.
 *
 * Shows: I10, memory cgroup
 * Guest: races, debian-7.3-engine
 */
#include "memcg.h"
#include "migrate.h"

#define PAGES 512
#define ROUNDS 30

struct mover {
	struct ferry *ferry;
	uint8_t *memory;
	uint32_t engine;
	bool stop;
	long moved;
};

FIXTURE(race_reparent) {
	struct mover mover;
	struct memcg group;
	size_t n;
};

FIXTURE_VARIANT(race_reparent) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(race_reparent, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(race_reparent, core) { .engine = CORE };

FIXTURE_SETUP(race_reparent)
{
	self->n = PAGES * page_size();
	self->mover.ferry = test_open(0);
	self->mover.engine = variant->engine;
}

FIXTURE_TEARDOWN(race_reparent)
{
	ferry_close(self->mover.ferry);
	rmdir(MEMCG);
}

static int move_until_stopped(void *arg)
{
	struct mover *mover = arg;
	size_t n = PAGES * page_size();
	int ret = 0;

	while (!__atomic_load_n(&mover->stop, __ATOMIC_SEQ_CST) && ret >= 0) {
		ret = _test_moved(mover->ferry, mover->engine, mover->memory, n, TO_DEVICE, NULL);
		mover->moved += ret;
		if (ret >= 0)
			ret = _test_moved(mover->ferry, mover->engine, mover->memory, n,
					  TO_SYSTEM, NULL);
	}
	return ret < 0 ? ret : 0;
}

/* Writes the pattern to every second page, from page @first on. */
static void fill_half(uint8_t *memory, size_t first)
{
	size_t page, i;

	for (page = first; page < PAGES; page += 2)
		for (i = page * page_size(); i < (page + 1) * page_size(); i++)
			memory[i] = pattern(i, 1);
}

TEST_F_TIMEOUT(race_reparent, group_goes_away, 240)
{
	struct mover *mover = &self->mover;
	struct helper helper;
	struct memcg last;
	long before = 0;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		mover->memory = test_map(self->n);
		ASSERT_EQ(madvise(mover->memory, self->n, MADV_NOHUGEPAGE), 0);
		ASSERT_EQ(memcg_enter(&self->group), 0);
		fill_half(mover->memory, 0);
		ASSERT_EQ(memcg_leave(&self->group), 0);
		fill_half(mover->memory, 1);
		ASSERT_EQ(drain_lru(), 0);
		if (!round)
			before = self->group.dying;

		mover->stop = false;
		mover->moved = 0;
		test_helper(&helper, move_until_stopped, mover);
		helper_go(&helper);
		usleep(1000 * (round % 10));
		ASSERT_EQ(rmdir(MEMCG), 0);
		usleep(50000);
		__atomic_store_n(&mover->stop, true, __ATOMIC_SEQ_CST);
		ASSERT_EQ(helper_join(&helper), 0);
		ASSERT_GE(mover->moved, PAGES / 2);
		test_pattern(mover->memory, self->n, 1);
		ASSERT_EQ(munmap(mover->memory, self->n), 0);
	}
	last = (struct memcg) { .dying = before };
	ASSERT_EQ(memcg_create(), 0);
	ASSERT_EQ(memcg_wait_gone(&last), 0);
	test_used(mover->ferry, 0);
}

TEST_HARNESS_MAIN
