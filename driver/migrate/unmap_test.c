// SPDX-License-Identifier: GPL-2.0-only
/* Pages of several address spaces, and unexplained references. */
#include <linux/memremap.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include "compat.h"
#include "mm_internal.h"
#include "kunit.h"

#define SHARED	16
#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM
#define PRIVATE	MIGRATE_VMA_SELECT_DEVICE_PRIVATE

static void expect_shared(struct ferry_kunit *t, struct ferry_kunit_child *child)
{
	unsigned long slot;
	struct page *page;
	pte_t other;

	for (slot = 0; slot < t->npages; slot++) {
		page = ferry_kunit_page(t, slot);
		other = ferry_kunit_pte_of(child->mm, ferry_kunit_addr(t, slot));
		KUNIT_EXPECT_PTR_EQ_MSG(t->test, page, t->offered[slot], "slot %lu", slot);
		KUNIT_EXPECT_TRUE_MSG(t->test, pte_present(other), "slot %lu", slot);
		KUNIT_EXPECT_FALSE_MSG(t->test, pte_write(other), "slot %lu", slot);
		KUNIT_EXPECT_EQ_MSG(t->test, pte_pfn(other), page_to_pfn(page), "slot %lu",
				    slot);
		KUNIT_EXPECT_EQ(t->test, folio_mapcount(page_folio(page)), 2);
		KUNIT_EXPECT_FALSE(t->test, PageAnonExclusive(page));
	}
}

static void nobody_maps_them(struct ferry_kunit *t)
{
	unsigned long slot;

	for (slot = 0; slot < t->npages; slot++)
		KUNIT_EXPECT_FALSE_MSG(t->test,
				       folio_mapped(page_folio(migrate_pfn_to_page(t->src[slot]))),
				       "slot %lu", slot);
}

/* Pages leave and enter both page tables, with one flush in all. */
static void shared_by_fork(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, SHARED);
	struct ferry_kunit_child *child;

	ferry_kunit_write(t, 0, SHARED);
	child = ferry_kunit_fork(t);
	t->migrate.flush = FERRY_FLUSH_PER_CALL;
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.cpages, SHARED);
	nobody_maps_them(t);
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);

	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), SHARED);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.walked, SHARED);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.known, 0);
	if (FERRY_CAN_DEFER_FLUSH)
		KUNIT_EXPECT_EQ(test, t->migrate.counts.flushes, 1);
	expect_shared(t, child);
	ferry_kunit_child_end(child);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, SHARED), 0);
}

/*
 * The other process is gone: one PTE maps each page, and the fast path is
 * taken.
 */
static void shared_no_more(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, SHARED);

	ferry_kunit_write(t, 0, SHARED);
	ferry_kunit_child_end(ferry_kunit_fork(t));
	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), SHARED);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.known, SHARED);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.walked, 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, SHARED), 0);
}

/*
 * I17, before the copy: a reference from before setup. The page is not
 * selected. Before setup returns, the page is mapped and unlocked again, and
 * back on its LRU list.
 */
static void reference_from_before(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct page *page;

	ferry_kunit_write(t, 0, 3);
	page = ferry_kunit_page(t, 1);
	get_page(page);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_PINNED);
	KUNIT_EXPECT_EQ(test, t->src[1], 0);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.cpages, 2);
	KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 1), page);
	KUNIT_EXPECT_TRUE(test, pte_present(ferry_kunit_pte(t, 1)));
	KUNIT_EXPECT_FALSE(test, PageLocked(page));
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_PINNED);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	lru_add_drain_all();
	/* The test's reference and the entry's. */
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 2);
	put_page(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

/*
 * A CPU fault on a device page: the engine expects one reference of the fault.
 */
static const struct fault_case {
	const char *name;
	bool told;
	int references;
	u8 outcome;
} fault_cases[] = {
	{ "the fault's", true, 1, FERRY_MOVED },
	{ "the fault's, not told", false, 1, FERRY_PINNED },
	{ "the fault's and another", true, 2, FERRY_PINNED },
	{ "none, but told", true, 0, FERRY_PINNED },
};

KUNIT_ARRAY_PARAM_DESC(fault, fault_cases, name);

static void fault_page(struct kunit *test)
{
	const struct fault_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2);
	struct ferry_kunit_device *device = ferry_kunit_device_create(test);
	struct page *page;
	int i;

	t->device = device;
	ferry_kunit_write(t, 0, 2);
	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	page = ferry_kunit_page(t, 0);
	for (i = 0; i < c->references; i++)
		get_page(page);
	if (c->told)
		ferry_kunit_fault_begin(t, page);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, PRIVATE), 0);
	t->device = NULL;
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, t->outcome[0], c->outcome);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_MOVED);
	if (c->told)
		ferry_kunit_fault_end(t);
	for (i = 0; i < c->references; i++)
		put_page(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_device_used(device), c->outcome != FERRY_MOVED);
	if (c->outcome == FERRY_MOVED)
		KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 1), 0);
	else
		KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 0), page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 1, 1), 0);
}

static struct kunit_case unmap_cases[] = {
	KUNIT_CASE(shared_by_fork),
	KUNIT_CASE(shared_no_more),
	KUNIT_CASE(reference_from_before),
	KUNIT_CASE_PARAM(fault_page, fault_gen_params),
	{}
};

static struct kunit_suite unmap_suite = {
	.name = "ferry_unmap",
	.test_cases = unmap_cases,
};

kunit_test_suite(unmap_suite);
