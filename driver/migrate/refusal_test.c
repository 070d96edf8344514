// SPDX-License-Identifier: GPL-2.0-only
/* Reasons for which a wanted page stays: one state of a page per case. */
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include "mm_internal.h"
#include "kunit.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM
#define PRIVATE	MIGRATE_VMA_SELECT_DEVICE_PRIVATE

static void hold_page(struct ferry_kunit *t, struct page *page)
{
	get_page(page);
}

static void put_held_page(struct page *page)
{
	put_page(page);
}

static void hold_twice(struct ferry_kunit *t, struct page *page)
{
	get_page(page);
	get_page(page);
}

static void let_go_twice(struct page *page)
{
	put_page(page);
	put_page(page);
}

static void pin(struct ferry_kunit *t, struct page *page)
{
	struct page *pinned = NULL;

	KUNIT_EXPECT_EQ(t->test, 1, pin_user_pages_fast(page_folio(page)->index << PAGE_SHIFT, 1,
							FOLL_WRITE, &pinned));
	KUNIT_EXPECT_PTR_EQ(t->test, pinned, page);
}

static void lock(struct ferry_kunit *t, struct page *page)
{
	lock_page(page);
}

static void begin_writeback(struct ferry_kunit *t, struct page *page)
{
	set_bit(PG_writeback, ferry_flags(page));
}

static void end_writeback(struct page *page)
{
	clear_bit(PG_writeback, ferry_flags(page));
}

static void merge(struct ferry_kunit *t, struct page *page)
{
	page->mapping = (void *)((unsigned long)page->mapping | FOLIO_MAPPING_KSM);
}

static void unmerge(struct page *page)
{
	page->mapping = (void *)(((unsigned long)page->mapping & ~FOLIO_MAPPING_FLAGS) |
				 FOLIO_MAPPING_ANON);
}

static void isolate(struct ferry_kunit *t, struct page *page)
{
	KUNIT_EXPECT_TRUE(t->test, folio_isolate_lru(page_folio(page)));
}

static void put_back(struct page *page)
{
	folio_putback_lru(page_folio(page));
}

/* Looks like a page that another address space is about to unmap. */
static void map_once_more(struct ferry_kunit *t, struct page *page)
{
	ferry_kunit_unshare(t, 1);
	atomic_inc(&page->_mapcount);
}

static void map_once_less(struct page *page)
{
	atomic_dec(&page->_mapcount);
}

static const struct state_case {
	const char *name;
	void (*begin)(struct ferry_kunit *t, struct page *page);
	void (*end)(struct page *page);
	u8 outcome;
	unsigned int passes, drains;
} state_cases[] = {
	/* An extra reference may be that of an LRU batch. */
	{ "referenced", hold_page, put_held_page, FERRY_PINNED, 2, 1 },
	{ "referenced twice", hold_twice, let_go_twice, FERRY_PINNED, 1 },
	{ "pinned", pin, unpin_user_page, FERRY_PINNED, 1 },
	{ "locked", lock, unlock_page, FERRY_LOCKED, 1 },
	{ "under writeback", begin_writeback, end_writeback, FERRY_WRITEBACK, 1 },
	{ "merged", merge, unmerge, FERRY_KSM, 1 },
	{ "isolated", isolate, put_back, FERRY_NOT_LRU, 2, 1 },
	{ "mapped for ever", map_once_more, map_once_less, FERRY_SHARED_BUSY, 1 },
};

KUNIT_ARRAY_PARAM_DESC(state, state_cases, name);

/*
 * The page is refused with the right outcome, and mapped as before, bit by bit.
 * Both neighbours move. The engine drains at most once (I12).
 */
static void state(struct kunit *test)
{
	const struct state_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct page *page;
	pte_t pte;

	ferry_kunit_write(t, 0, 3);
	page = ferry_kunit_page(t, 1);
	c->begin(t, page);
	pte = ferry_kunit_pte(t, 1);

	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[1], c->outcome);
	KUNIT_EXPECT_EQ(test, t->src[1], 0);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.cpages, 2);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.passes, c->passes);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.drains, c->drains);
	KUNIT_EXPECT_TRUE(test, pte_same(ferry_kunit_pte(t, 1), pte));
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	c->end(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

/*
 * A child maps the page too: the rmap path finds the reference after isolation.
 */
static void shared_and_referenced(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct ferry_kunit_child *child;
	struct page *page;

	ferry_kunit_write(t, 0, 3);
	child = ferry_kunit_fork(t);
	lru_add_drain_all();
	page = ferry_kunit_page(t, 1);
	get_page(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_PINNED);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.drains, 1);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.passes, 2);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	put_page(page);
	ferry_kunit_child_end(child);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

#if IS_ENABLED(CONFIG_DEVICE_PRIVATE)
/*
 * Faults on the same mlocked page drain all CPUs once, and not once per fault.
 */
static void faults_share_a_drain(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 1);
	struct ferry_kunit_device *device = ferry_kunit_device_create(test);
	struct page *page;
	unsigned int drains = 0, i;

	t->device = device;
	ferry_kunit_write(t, 0, 1);
	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	page = ferry_kunit_page(t, 0);
	set_bit(PG_mlocked, ferry_flags(page));
	/* A reference of the fault, and another as if of a batch. */
	get_page(page);
	get_page(page);
	ferry_kunit_fault_begin(t, page);
	while (!ferry_drain_is_due())
		schedule_timeout_uninterruptible(1);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, PRIVATE), 0);
		KUNIT_EXPECT_EQ(test, t->outcome[0], FERRY_PINNED);
		drains += t->migrate.counts.drains;
	}
	KUNIT_EXPECT_EQ(test, drains, 1);
	ferry_kunit_fault_end(t);
	clear_bit(PG_mlocked, ferry_flags(page));
	put_page(page);
	put_page(page);
}
#endif

static struct kunit_case refusal_cases[] = {
	KUNIT_CASE_PARAM(state, state_gen_params),
	KUNIT_CASE(shared_and_referenced),
#if IS_ENABLED(CONFIG_DEVICE_PRIVATE)
	KUNIT_CASE(faults_share_a_drain),
#endif
	{}
};

static struct kunit_suite refusal_suite = {
	.name = "ferry_refusal",
	.test_cases = refusal_cases,
};

kunit_test_suite(refusal_suite);
