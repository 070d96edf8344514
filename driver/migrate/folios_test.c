// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of folios to a node. A guest with one node is enough: a list goes to the
 * node that the caller names.
 *
 * The suite also measures: "list.KIND.ENGINE N" in the kernel's log is N cycles
 * per page, by migrate_pages() (core) and by ferry_migrate_folios() (own), on the
 * same pages in turn. With an instruction clock (vm/guest --icount) a cycle is an
 * instruction; tests/bench/run reads the lines.
 */
#include <linux/file.h>
#include <linux/migrate.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/timex.h>
#include <linux/vmstat.h>

#include "folios.h"
#include "kunit.h"
#include "mm_internal.h"

#define NPAGES	64
#define COST_PAGES	512
#define COST_ROUNDS	3

/* The caller's reference of the list is the isolation's. */
static void isolate_folio(struct kunit *test, struct folio *folio, struct list_head *list)
{
	KUNIT_ASSERT_TRUE(test, folio_isolate_lru(folio));
	node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
			    folio_nr_pages(folio));
	list_add_tail(&folio->lru, list);
}

static void isolate_range(struct ferry_kunit *t, struct list_head *list)
{
	unsigned long slot;

	lru_add_drain_all();
	for (slot = 0; slot < t->npages; slot++)
		isolate_folio(t->test, page_folio(ferry_kunit_page(t, slot)), list);
}

static void put_list_back(struct list_head *list)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, list, lru) {
		list_del(&folio->lru);
		node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
				    -folio_nr_pages(folio));
		folio_putback_lru(folio);
	}
}

static struct ferry_folios to_node_of(struct ferry_kunit *t)
{
	return (struct ferry_folios) {
		.node = page_to_nid(ferry_kunit_page(t, 0)),
		.gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN,
	};
}

static void list_moves(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NPAGES);
	struct ferry_kunit_memory before, after;
	struct page *former[NPAGES];
	struct ferry_folios move;
	unsigned long slot;
	LIST_HEAD(list);

	ferry_kunit_write(t, 0, NPAGES);
	for (slot = 0; slot < NPAGES; slot++)
		former[slot] = ferry_kunit_page(t, slot);
	ferry_kunit_memory(t, &before);
	move = to_node_of(t);
	isolate_range(t, &list);
	KUNIT_EXPECT_EQ(test, ferry_migrate_folios(&list, &move), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&list));
	KUNIT_EXPECT_EQ(test, move.moved, NPAGES);
	KUNIT_EXPECT_EQ(test, move.passes, 1);
	KUNIT_EXPECT_EQ(test, move.flushes, 1);
	lru_add_drain_all();
	ferry_kunit_memory(t, &after);
	KUNIT_EXPECT_EQ(test, after.rss, before.rss);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(after.mapped, before.mapped));
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(after.isolated, before.isolated));
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(after.lru, before.lru));
	for (slot = 0; slot < NPAGES; slot++) {
		KUNIT_EXPECT_PTR_NE(test, ferry_kunit_page(t, slot), former[slot]);
		KUNIT_EXPECT_TRUE(test, PageAnonExclusive(ferry_kunit_page(t, slot)));
		KUNIT_EXPECT_EQ(test, page_ref_count(ferry_kunit_page(t, slot)), 1);
	}
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, NPAGES), 0);
}

/* A folio that a test keeps in place stays on the list, and mapped as before. */
static void expect_stays(struct ferry_kunit *t, struct page *page, struct list_head *list,
			 const struct ferry_folios *move, u8 why)
{
	KUNIT_EXPECT_EQ(t->test, move->moved, t->npages - 1);
	KUNIT_EXPECT_EQ(t->test, move->why, why);
	KUNIT_EXPECT_TRUE(t->test, list_is_singular(list));
	KUNIT_EXPECT_PTR_EQ(t->test, list_first_entry(list, struct folio, lru), page_folio(page));
	KUNIT_EXPECT_PTR_EQ(t->test, ferry_kunit_page(t, 1), page);
}

static void referenced_stays(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct ferry_folios move;
	struct page *page;
	LIST_HEAD(list);

	ferry_kunit_write(t, 0, 3);
	move = to_node_of(t);
	isolate_range(t, &list);
	page = ferry_kunit_page(t, 1);
	get_page(page);
	KUNIT_EXPECT_EQ(test, ferry_migrate_folios(&list, &move), 1);
	expect_stays(t, page, &list, &move, FERRY_PINNED);
	KUNIT_EXPECT_EQ(test, move.passes, 1);
	KUNIT_EXPECT_FALSE(test, PageLocked(page));
	put_page(page);
	put_list_back(&list);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

/* Tries are bounded and counted, with no lock held in between. */
static void locked_stays(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct ferry_folios move;
	struct page *page;
	LIST_HEAD(list);

	ferry_kunit_write(t, 0, 3);
	move = to_node_of(t);
	isolate_range(t, &list);
	page = ferry_kunit_page(t, 1);
	lock_page(page);
	KUNIT_EXPECT_EQ(test, ferry_migrate_folios(&list, &move), 1);
	expect_stays(t, page, &list, &move, FERRY_LOCKED);
	KUNIT_EXPECT_EQ(test, move.passes, FERRY_MIGRATE_PASSES);
	unlock_page(page);
	put_list_back(&list);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

/**
 * struct offers - destinations of a caller
 * @test: the test
 * @lock: the number of the destination that is offered locked, or -1
 * @got: number of offered destinations
 * @put: number of destinations that came back
 * @locked: the destination that was offered locked
 */
struct offers {
	struct kunit *test;
	int lock;
	int got;
	int put;
	struct folio *locked;
};

static struct folio *offer_folio(struct folio *src, struct ferry_folios *move)
{
	struct offers *offers = move->private;
	struct folio *dst = __folio_alloc_node(move->gfp, folio_order(src), move->node);

	KUNIT_EXPECT_TRUE(offers->test, folio_test_locked(src));
	KUNIT_EXPECT_NOT_NULL(offers->test, dst);
	if (dst && offers->got == offers->lock) {
		__folio_set_locked(dst);
		offers->locked = dst;
	}
	offers->got++;
	return dst;
}

static void take_folio_back(struct folio *dst, struct ferry_folios *move)
{
	struct offers *offers = move->private;

	offers->put++;
	KUNIT_EXPECT_PTR_EQ(offers->test, dst->mapping, NULL);
	KUNIT_EXPECT_FALSE(offers->test, folio_test_swapbacked(dst));
	KUNIT_EXPECT_FALSE(offers->test, folio_mapped(dst));
	KUNIT_EXPECT_EQ(offers->test, ferry_folio_memcg(dst), 0);
	KUNIT_EXPECT_EQ(offers->test, folio_ref_count(dst), 1);
	KUNIT_EXPECT_EQ(offers->test, folio_test_locked(dst), dst == offers->locked);
	if (dst == offers->locked)
		folio_unlock(dst);
	folio_put(dst);
}

/* I4, I5: an unused destination comes back exactly once, a used one never. */
static void destination_stays(struct kunit *test, int lock, bool hold, u8 why)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct offers offers = { .test = test, .lock = lock };
	struct ferry_folios move;
	struct page *page;
	LIST_HEAD(list);

	ferry_kunit_write(t, 0, 3);
	move = to_node_of(t);
	move.get_dst = offer_folio;
	move.put_dst = take_folio_back;
	move.private = &offers;
	isolate_range(t, &list);
	page = ferry_kunit_page(t, 1);
	if (hold)
		get_page(page);
	KUNIT_EXPECT_EQ(test, ferry_migrate_folios(&list, &move), 1);
	expect_stays(t, page, &list, &move, why);
	KUNIT_EXPECT_EQ(test, offers.got, 3);
	KUNIT_EXPECT_EQ(test, offers.put, 1);
	if (hold)
		put_page(page);
	put_list_back(&list);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

static void unused_destination(struct kunit *test)
{
	destination_stays(test, -1, true, FERRY_PINNED);
}

static void locked_destination(struct kunit *test)
{
	destination_stays(test, 1, false, FERRY_NO_DESTINATION);
}

/* Figures ------------------------------------------------------------------ */

static struct folio *new_folio(struct folio *src, unsigned long node)
{
	return __folio_alloc_node(GFP_HIGHUSER_MOVABLE | __GFP_NOWARN, folio_order(src), node);
}

/* Returns cycles per page; asserts that all moved. */
static unsigned long timed_list(struct kunit *test, struct list_head *list, int node, bool own)
{
	struct ferry_folios move = { .node = node, .gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN };
	cycles_t start = get_cycles();
	unsigned long left;

	if (own)
		left = ferry_migrate_folios(list, &move);
	else
		left = migrate_pages(list, new_folio, NULL, node, MIGRATE_ASYNC, MR_SYSCALL, NULL);
	start = get_cycles() - start;
	KUNIT_EXPECT_EQ(test, left, 0);
	put_list_back(list);
	return div_u64(start, COST_PAGES);
}

static void tell_cost(struct kunit *test, const char *kind, const unsigned long took[2])
{
	kunit_info(test, "list.%s.core %lu\n", kind, took[0]);
	kunit_info(test, "list.%s.own %lu\n", kind, took[1]);
}

/* Exclusive anonymous pages, mapped. The other node, where there is one. */
static void cost_of_anonymous(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, COST_PAGES);
	unsigned long took[2];
	unsigned int round;
	int node;
	LIST_HEAD(list);

	ferry_kunit_write(t, 0, COST_PAGES);
	for (round = 0; round < 2 * COST_ROUNDS; round++) {
		node = next_online_node(page_to_nid(ferry_kunit_page(t, 0)));
		isolate_range(t, &list);
		took[round % 2] = timed_list(test, &list, node == MAX_NUMNODES ? first_online_node :
					node, round % 2);
	}
	tell_cost(test, "anonymous", took);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, COST_PAGES), 0);
}

static void isolate_file(struct kunit *test, struct address_space *mapping, bool dirty,
			 struct list_head *list)
{
	struct page *page;
	unsigned long i;

	for (i = 0; i < COST_PAGES; i++) {
		page = shmem_read_mapping_page(mapping, i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(page));
		if (dirty)
			set_page_dirty(page);
		put_page(page);
	}
	lru_add_drain_all();
	for (i = 0; i < COST_PAGES; i++) {
		page = shmem_read_mapping_page(mapping, i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(page));
		KUNIT_EXPECT_EQ(test, PageDirty(page), dirty);
		isolate_folio(test, page_folio(page), list);
		put_page(page);
	}
}

/* Unmapped pages of a file in memory. */
static void cost_of_file(struct kunit *test, bool dirty)
{
	struct file *file = ferry_shmem_file("ferry", COST_PAGES * PAGE_SIZE);
	unsigned long took[2];
	unsigned int round;
	int node = 0;
	LIST_HEAD(list);

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	for (round = 0; round < 2 * COST_ROUNDS; round++) {
		isolate_file(test, file->f_mapping, dirty, &list);
		node = folio_nid(list_first_entry(&list, struct folio, lru));
		node = next_online_node(node);
		took[round % 2] = timed_list(test, &list, node == MAX_NUMNODES ? first_online_node :
					node, round % 2);
	}
	tell_cost(test, dirty ? "dirty" : "clean", took);
	fput(file);
}

static void cost_of_dirty_files(struct kunit *test)
{
	cost_of_file(test, true);
}

static void cost_of_clean_files(struct kunit *test)
{
	cost_of_file(test, false);
}

static struct kunit_case folios_cases[] = {
	KUNIT_CASE(list_moves),
	KUNIT_CASE(referenced_stays),
	KUNIT_CASE(locked_stays),
	KUNIT_CASE(unused_destination),
	KUNIT_CASE(locked_destination),
	KUNIT_CASE(cost_of_anonymous),
	KUNIT_CASE(cost_of_dirty_files),
	KUNIT_CASE(cost_of_clean_files),
	{ }
};

static struct kunit_suite folios_suite = {
	.name = "ferry_folios",
	.test_cases = folios_cases,
};

kunit_test_suite(folios_suite);
