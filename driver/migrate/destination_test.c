// SPDX-License-Identifier: GPL-2.0-only
/*
 * Destinations that cannot be used (I4), destinations for refused pages (I5),
 * and destinations that other tasks hold or wait for. The fixture checks the
 * number of puts, as in all suites.
 */
#include <linux/kthread.h>
#include <linux/pagemap.h>
#include <linux/swap.h>

#include "kunit.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM

/* Destinations that cannot be taken ---------------------------------------- */

static void offer_unlocked(struct ferry_kunit *t, unsigned long slot)
{
	struct page *page = ferry_kunit_offer(t, slot);

	if (page)
		unlock_page(page);
}

static void offer_large(struct ferry_kunit *t, unsigned long slot)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, 1);

	KUNIT_EXPECT_NOT_NULL(t->test, page);
	if (!page)
		return;
	lock_page(page);
	page_folio(page)->index = FERRY_KUNIT_INDEX;
	if (t->drop_in)
		get_page(page);
	t->offered[slot] = page;
	t->dst[slot] = migrate_pfn(page_to_pfn(page));
}

static const struct offer_case {
	const char *name;
	void (*offer)(struct ferry_kunit *t, unsigned long slot);
	bool drop_in, hole, device;
} offer_cases[] = {
	{ "unlocked", offer_unlocked },
	{ "unlocked, drop-in", offer_unlocked, .drop_in = true },
	{ "unlocked, for a hole", offer_unlocked, .hole = true },
	{ "unlocked, of a device", offer_unlocked, .device = true },
	{ "large", offer_large },
	{ "large, for a hole", offer_large, .hole = true },
};

KUNIT_ARRAY_PARAM_DESC(offer, offer_cases, name);

/*
 * I4: the engine refuses the destination for one page alone, and puts the
 * destination once (the fixture checks). The page stays in place, and its
 * neighbours move.
 */
static void unfit(struct kunit *test)
{
	const struct offer_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct page *before;

	t->drop_in = c->drop_in;
	if (c->device)
		t->device = ferry_kunit_device_create(test);
	ferry_kunit_write(t, 0, 1);
	if (!c->hole)
		ferry_kunit_write(t, 1, 1);
	ferry_kunit_write(t, 2, 1);
	before = ferry_kunit_page(t, 1);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	ferry_kunit_offer(t, 0);
	c->offer(t, 1);
	ferry_kunit_offer(t, 2);
	ferry_kunit_pages(t);
	KUNIT_EXPECT_TRUE(test, t->src[0] & MIGRATE_PFN_MIGRATE);
	KUNIT_EXPECT_FALSE(test, t->src[1] & MIGRATE_PFN_MIGRATE);
	KUNIT_EXPECT_TRUE(test, t->src[2] & MIGRATE_PFN_MIGRATE);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 1), before);
	if (!c->drop_in) {
		KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_NO_DESTINATION);
		KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	}
	if (!c->hole)
		KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 1, 1), 0);
}

/*
 * The caller offers destinations, locked and unlocked, for pages that setup
 * refused. The engine puts both.
 */
static void unasked(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2);
	struct page *pages[2];
	int i;

	ferry_kunit_write(t, 0, 2);
	for (i = 0; i < 2; i++) {
		pages[i] = ferry_kunit_page(t, i);
		get_page(pages[i]);
	}
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.cpages, 0);
	ferry_kunit_offer(t, 0);
	offer_unlocked(t, 1);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_PINNED), 2);
	for (i = 0; i < 2; i++)
		put_page(pages[i]);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 2), 0);
}

/* Third parties ------------------------------------------------------------ */

/**
 * struct waiter - a task that waits for the lock of a destination page
 * @page: the page, found perhaps by pfn, with a reference of the task
 * @thread: the task
 * @locked: the task had the lock
 */
struct waiter {
	struct page *page;
	struct task_struct *thread;
	bool locked;
};

static int wait_for_lock(void *data)
{
	struct waiter *waiter = data;

	lock_page(waiter->page);
	waiter->locked = true;
	unlock_page(waiter->page);
	put_page(waiter->page);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void begin_to_wait(struct kunit *test, struct waiter *waiter, struct page *page)
{
	waiter->page = page;
	get_page(page);
	waiter->thread = kthread_run(wait_for_lock, waiter, "ferry_waiter");
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, waiter->thread);
	while (!folio_test_waiters(page_folio(page)) && !READ_ONCE(waiter->locked))
		schedule_timeout_uninterruptible(1);
}

static const struct party_case {
	const char *name;
	bool device, drop_in;
} party_cases[] = {
	{ "system pages" },
	{ "system pages, drop-in", .drop_in = true },
	{ "device pages", .device = true },
};

KUNIT_ARRAY_PARAM_DESC(party, party_cases, name);

/*
 * Half of the destinations are used. The other half is not, because the sources
 * have extra references. In each half a task waits for one destination, and
 * another destination is held beyond the end of the migration. The waiters get
 * the lock, and the number of puts is as usual.
 */
static void third_party(struct kunit *test)
{
	const struct party_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 8);
	struct page *sources[4], *used, *unused;
	struct waiter waiters[2] = {};
	unsigned long i;

	t->others_hold = true;
	t->drop_in = c->drop_in;
	if (c->device)
		t->device = ferry_kunit_device_create(test);
	ferry_kunit_write(t, 0, 8);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	ferry_kunit_offer_all(t);
	for (i = 0; i < 4; i++) {
		sources[i] = migrate_pfn_to_page(t->src[4 + i]);
		get_page(sources[i]);
	}
	begin_to_wait(test, &waiters[0], t->offered[0]);
	begin_to_wait(test, &waiters[1], t->offered[4]);
	used = t->offered[1];
	unused = t->offered[5];
	get_page(used);
	get_page(unused);
	ferry_kunit_pages(t);
	KUNIT_EXPECT_FALSE(test, waiters[0].locked || waiters[1].locked);
	ferry_kunit_finalize(t);

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, kthread_stop(waiters[i].thread), 0);
	KUNIT_EXPECT_TRUE(test, waiters[0].locked && waiters[1].locked);
	KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 1), used);
	KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 5), sources[1]);
	lru_add_drain_all();
	KUNIT_EXPECT_EQ(test, page_ref_count(used), 2);
	KUNIT_EXPECT_EQ(test, page_ref_count(unused), 1);
	put_page(used);
	put_page(unused);
	for (i = 0; i < 4; i++)
		put_page(sources[i]);
	if (!c->drop_in)
		KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 4);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, c->device ? 4 : 0, c->device ? 4 : 8), 0);
}

static struct kunit_case destination_cases[] = {
	KUNIT_CASE_PARAM(unfit, offer_gen_params),
	KUNIT_CASE(unasked),
	KUNIT_CASE_PARAM(third_party, party_gen_params),
	{}
};

static struct kunit_suite destination_suite = {
	.name = "ferry_destination",
	.test_cases = destination_cases,
};

kunit_test_suite(destination_suite);
