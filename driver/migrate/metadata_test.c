// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data and state that move to a destination, and conditions that prevent the
 * move.
 */
#include <linux/memcontrol.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/swap.h>

#include "mm_internal.h"
#include "kunit.h"
#include "rmap.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM

/*
 * The caller may set an outcome for a page without a destination. The engine
 * keeps the outcome.
 */
static void reasons(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 5);

	ferry_kunit_write(t, 0, 3);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	t->outcome[0] = FERRY_NO_MEMORY;
	t->outcome[1] = FERRY_COPY_FAILED;
	t->outcome[3] = FERRY_NO_MEMORY;
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, t->outcome[0], FERRY_NO_MEMORY);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_COPY_FAILED);
	KUNIT_EXPECT_EQ(test, t->outcome[2], FERRY_NO_DESTINATION);
	KUNIT_EXPECT_EQ(test, t->outcome[3], FERRY_NO_MEMORY);
	KUNIT_EXPECT_EQ(test, t->outcome[4], FERRY_HOLE);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

/* References --------------------------------------------------------------- */

/*
 * I17, after the copy: a reference that came between setup and pages (a
 * speculative reference, by pfn). The page does not move. The page is mapped
 * again with the old data, charge and flags, and the destination keeps no state
 * of the page.
 */
static void reference_from_between(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	unsigned long memcg;
	struct page *page;

	ferry_kunit_write(t, 0, 3);
	page = ferry_kunit_page(t, 1);
	memcg = ferry_folio_memcg(page_folio(page));
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	ferry_kunit_offer_all(t);
	get_page(page);
	ferry_kunit_pages(t);
	KUNIT_EXPECT_FALSE(test, t->src[1] & MIGRATE_PFN_MIGRATE);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_PINNED);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 1), page);
	KUNIT_EXPECT_EQ(test, ferry_folio_memcg(page_folio(page)), memcg);
	lru_add_drain_all();
	KUNIT_EXPECT_TRUE(test, folio_test_lru(page_folio(page)));
	KUNIT_EXPECT_TRUE(test, folio_test_swapbacked(page_folio(page)));
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 2);
	put_page(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

/* State that moves with the data ------------------------------------------- */

static const struct flag_case {
	const char *name;
	enum pageflags flag;
} flag_cases[] = {
	{ "referenced", PG_referenced },
	{ "active", PG_active },
	{ "workingset", PG_workingset },
	{ "dirty", PG_dirty },
};

/*
 * Each flag on one page; the last page has no flag. No page counts as dirtied
 * (I3).
 */
static void flags(struct kunit *test)
{
	const unsigned long n = ARRAY_SIZE(flag_cases), none = 1UL << PG_dirty |
		1UL << PG_referenced | 1UL << PG_active | 1UL << PG_workingset;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, n + 1);
	unsigned long slot, dirtied, flag, before[ARRAY_SIZE(flag_cases) + 1];
	struct page *page;

	ferry_kunit_write(t, 0, n + 1);
	for (slot = 0; slot <= n; slot++) {
		page = ferry_kunit_page(t, slot);
		ferry_kunit_set_pte(t, slot, pte_mkclean(ferry_kunit_pte(t, slot)));
		/* Off the LRU list: PG_active decides between two lists. */
		KUNIT_ASSERT_TRUE(test, folio_isolate_lru(page_folio(page)));
		*ferry_flags(page) &= ~none;
		if (slot < n)
			set_bit(flag_cases[slot].flag, ferry_flags(page));
		folio_putback_lru(page_folio(page));
	}
	lru_add_drain_all();
	for (slot = 0; slot <= n; slot++)
		before[slot] = *ferry_flags(ferry_kunit_page(t, slot)) & none;
	dirtied = global_node_page_state(NR_DIRTIED);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), n + 1);
	for (slot = 0; slot <= n; slot++) {
		page = ferry_kunit_page(t, slot);
		/* MGLRU may take flags off when it puts a page on a list. */
		flag = slot < n ? 1UL << flag_cases[slot].flag : 0;
		if (lru_gen_enabled())
			flag = before[slot];
		KUNIT_EXPECT_EQ_MSG(test, *ferry_flags(page) & none, flag, "%s",
				    slot < n ? flag_cases[slot].name : "none");
	}
	KUNIT_EXPECT_EQ(test, global_node_page_state(NR_DIRTIED), dirtied);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, n + 1), 0);
}

/* From 7.x on folio_migrate_flags() moves MGLRU's count of references. */
#if defined(CONFIG_LRU_GEN) && defined(FERRY_HAS_MIGRATE_REFS)
static void generation_references(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2);
	const unsigned long refs = 2UL << LRU_REFS_PGOFF;
	struct page *page;

	ferry_kunit_write(t, 0, 2);
	page = ferry_kunit_page(t, 0);
	KUNIT_ASSERT_TRUE(test, folio_isolate_lru(page_folio(page)));
	set_mask_bits(ferry_flags(page), LRU_REFS_MASK, refs);
	folio_putback_lru(page_folio(page));
	lru_add_drain_all();
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	KUNIT_EXPECT_EQ(test, *ferry_flags(ferry_kunit_page(t, 0)) & LRU_REFS_MASK, refs);
	KUNIT_EXPECT_EQ(test, *ferry_flags(ferry_kunit_page(t, 1)) & LRU_REFS_MASK, 0);
}
#endif

/*
 * I10: identity and charge move in the pages phase, before the new page is
 * visible.
 */
static void identity(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 1);
	struct address_space *mapping;
	unsigned long memcg;
	struct folio *src, *dst;
	pgoff_t index;

	ferry_kunit_write(t, 0, 1);
	src = page_folio(ferry_kunit_page(t, 0));
	mapping = src->mapping;
	index = src->index;
	memcg = ferry_folio_memcg(src);
	KUNIT_EXPECT_TRUE(test, memcg || mem_cgroup_disabled());
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	dst = page_folio(t->offered[0]);
	KUNIT_EXPECT_PTR_EQ(test, dst->mapping, mapping);
	KUNIT_EXPECT_EQ(test, dst->index, index);
	KUNIT_EXPECT_TRUE(test, folio_test_swapbacked(dst));
	KUNIT_EXPECT_TRUE(test, folio_test_uptodate(dst));
	KUNIT_EXPECT_EQ(test, ferry_folio_memcg(dst), memcg);
	KUNIT_EXPECT_EQ(test, ferry_folio_memcg(src), 0);
	KUNIT_EXPECT_FALSE(test, folio_mapped(dst));
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, t->outcome[0], FERRY_MOVED);
	KUNIT_EXPECT_EQ(test, folio_mapcount(dst), 1);
	/* The fixture's reference became the reference of the entry. */
	KUNIT_EXPECT_EQ(test, folio_ref_count(dst), 1);
	KUNIT_EXPECT_FALSE(test, folio_test_locked(dst));
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 1), 0);
}

static struct kunit_case metadata_cases[] = {
	KUNIT_CASE(reasons),
	KUNIT_CASE(reference_from_between),
	KUNIT_CASE(flags),
#if defined(CONFIG_LRU_GEN) && defined(FERRY_HAS_MIGRATE_REFS)
	KUNIT_CASE(generation_references),
#endif
	KUNIT_CASE(identity),
	{}
};

static struct kunit_suite metadata_suite = {
	.name = "ferry_metadata",
	.test_cases = metadata_cases,
};

kunit_test_suite(metadata_suite);
