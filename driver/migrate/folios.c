// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole folios to a NUMA node: for callers in the kernel that have a list of
 * isolated folios and no address (tiering, compaction), and for the large folios
 * of a migration by address. Folios of any order, anonymous and of files, mapped
 * or not.
 *
 * A list goes in batches of at most BATCH_PAGES pages. The steps of a batch:
 *
 *  1. lock     Each folio by trylock (I16). A folio that another task has locked
 *              waits for the next pass, with no lock held.
 *  2. allocate All destinations, while the folios are still mapped: an
 *              allocation that reclaims makes no other task wait for a page.
 *              Small destinations come in bulk. No other task knows a new
 *              folio; a destination of the caller's is locked by trylock (I4).
 *  3. unmap    The rmap walks replace the entries by migration entries, with
 *              the pin check and the dirty bits (try_to_migrate()). A folio
 *              that is mapped nowhere is not walked, now and in step 6 (I7).
 *              Before, a reference on the anon_vma is taken: the last process
 *              that maps the folio may exit meanwhile (I18).
 *  4. flush    One flush for the batch. No byte is copied before (I2).
 *  5. move     References are checked, then the data is copied, then the
 *              references are checked again: frozen under the xarray's lock for
 *              a folio with a mapping, or counted for the others. The dirty
 *              flag, the counters of node and zone, and the memcg's charge move
 *              there (folio_migrate_mapping(), folio_migrate_flags(); I3, I10).
 *              A filesystem's own operation is asked where the filesystem has
 *              one, and copies itself.
 *  6. map      The new folio is on its LRU list before it is mapped: the rmap
 *              step mlocks a folio that is on its list (I22). Migration entries
 *              leave the page tables in one place, for a folio that moved and
 *              for a folio that stays (I6): remove_migration_ptes().
 *  7. release  Both folios are unlocked. The old folio is freed. A folio that
 *              stays is locked by nobody, mapped as before, and still on the
 *              caller's list.
 *
 * Bounded: at most FERRY_MIGRATE_PASSES passes, over the folios that another task
 * had locked or that were under writeback. Every other refusal is final (I12).
 *
 * Compared with migrate_pages(): destinations in bulk, the copy by the driver's
 * engine of known size, one flush for each batch also for a caller that may wait,
 * no second try of folios with extra references. The kernel's functions for the
 * rmap and for the metadata are used as they are.
 *
 * Left to the caller: hugetlb folios, pages of drivers (balloon, zsmalloc), and
 * the split of a large folio that the node has no block for. A large folio that
 * moved is on no queue of deferred splits, as with migrate_pages() of 6.12; 7.3
 * queues the new folio.
 */
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "engine.h"
#include "folios.h"
#include "mm_internal.h"

#define BATCH_PAGES	512
/* Without memory for the items of a batch. */
#define BATCH_FEW	8
/* Destinations in one call of the page allocator; the array is on the stack. */
#define BULK_PAGES	32

/**
 * struct item - one folio of a batch
 * @src: the folio: isolated, with the caller's reference, on the caller's list
 * @dst: destination, locked, with one reference; NULL: none
 * @anon_vma: with a reference; NULL for other folios
 * @locked: the batch holds the page lock
 * @mapped: migration entries have replaced the folio's entries
 * @mlocked: the folio was mlocked before
 * @outcome: FERRY_NOT_ATTEMPTED while the folio may move; FERRY_MOVED; else the
 *	reason to stay
 */
struct item {
	struct folio *src;
	struct folio *dst;
	struct anon_vma *anon_vma;
	bool locked;
	bool mapped;
	bool mlocked;
	u8 outcome;
};

static bool may_move(const struct item *item)
{
	return item->outcome == FERRY_NOT_ATTEMPTED;
}

/* Step 1. */

static u8 refuse_mapping(struct folio *folio)
{
	struct address_space *mapping;

	if (folio_test_anon(folio))
		return FERRY_NOT_ATTEMPTED;
	mapping = folio_mapping(folio);
	/* Truncated: nobody finds the folio any more. */
	if (!mapping)
		return FERRY_RACED;
	if (mapping_inaccessible(mapping))
		return FERRY_SPECIAL;
	if (!mapping->a_ops->migrate_folio && (folio_has_private(folio) || folio_test_dirty(folio)))
		return FERRY_PRIVATE_DATA;
	return FERRY_NOT_ATTEMPTED;
}

static u8 refuse_locked_folio(struct folio *folio)
{
	if (folio_test_hwpoison(folio))
		return FERRY_HWPOISON;
	if (folio_test_writeback(folio))
		return FERRY_WRITEBACK;
	return refuse_mapping(folio);
}

static void lock_item(struct item *item, struct folio *folio)
{
	*item = (struct item) { .src = folio };
	if (folio_test_hugetlb(folio)) {
		item->outcome = FERRY_SPECIAL;
		return;
	}
	if (!folio_trylock(folio)) {
		item->outcome = FERRY_LOCKED;
		return;
	}
	item->mlocked = folio_test_mlocked(folio);
	item->outcome = refuse_locked_folio(folio);
	item->locked = !item->outcome;
	if (!item->locked)
		folio_unlock(folio);
}

/* Step 2. */

/* As for huge pages of a CPU fault: no reclaim and no compaction for a block. */
static struct folio *alloc_large(const struct ferry_folios *move, const struct folio *src)
{
	gfp_t gfp = (move->gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_NORETRY | __GFP_NOWARN;

	return __folio_alloc_node(gfp, folio_order(src), move->node);
}

static void get_from_caller(struct ferry_folios *move, struct item *item)
{
	item->dst = move->get_dst(item->src, move);
	if (!item->dst) {
		item->outcome = FERRY_NO_MEMORY;
	} else if (!folio_trylock(item->dst)) {
		/* Another task still uses the destination. */
		if (move->put_dst)
			move->put_dst(item->dst, move);
		else
			folio_put(item->dst);
		item->dst = NULL;
		item->outcome = FERRY_NO_DESTINATION;
	}
}

/* Small folios from @item on, at most BULK_PAGES; returns the next item. */
static struct item *alloc_small(struct ferry_folios *move, struct item *item, struct item *end)
{
	struct page *pages[BULK_PAGES] = {};
	struct item *next, *to = item;
	unsigned long wanted = 0, got = 0, before, n;

	for (next = item; next < end && wanted < BULK_PAGES; next++)
		wanted += may_move(next) && !folio_test_large(next->src);
	do {
		before = got;
		got = wanted ? alloc_pages_bulk_node(move->gfp, move->node, wanted, pages) : 0;
	} while (got > before && got < wanted);

	for (n = 0; to < next; to++) {
		if (!may_move(to) || folio_test_large(to->src))
			continue;
		if (n == got) {
			to->outcome = FERRY_NO_MEMORY;
			continue;
		}
		to->dst = page_folio(pages[n++]);
		__folio_set_locked(to->dst);
	}
	return next;
}

static void alloc_items(struct ferry_folios *move, struct item *items, struct item *end)
{
	struct item *item;

	for (item = items; item < end; item++) {
		if (!may_move(item))
			continue;
		if (move->get_dst) {
			get_from_caller(move, item);
		} else if (folio_test_large(item->src)) {
			item->dst = alloc_large(move, item->src);
			if (item->dst)
				__folio_set_locked(item->dst);
			else
				item->outcome = FERRY_NO_MEMORY;
		}
	}
	for (item = items; item < end && !move->get_dst;)
		item = alloc_small(move, item, end);
}

/* Step 3. */
static void unmap_item(struct item *item)
{
	struct folio *folio = item->src;

	if (!folio_mapped(folio))
		return;
	if (folio_test_anon(folio) && !folio_test_ksm(folio)) {
		item->anon_vma = folio_get_anon_vma(folio);
		/* The last mapping has just gone. */
		if (!item->anon_vma)
			return;
	}
	item->mapped = true;
	try_to_migrate(folio, TTU_BATCH_FLUSH);
	if (folio_mapped(folio))
		item->outcome = folio_maybe_dma_pinned(folio) ? FERRY_PINNED : FERRY_SHARED_BUSY;
}

/* Step 5. */

/* Types of known size and alignment: the compiler makes a string instruction. */
struct page_contents {
	u64 words[PAGE_SIZE / sizeof(u64)];
} __aligned(PAGE_SIZE);

static void copy_folio(struct folio *dst, struct folio *src)
{
	unsigned long i, nr = folio_nr_pages(src);
	void *to, *from;

	for (i = 0; i < nr; i++) {
		from = kmap_local_folio(src, i * PAGE_SIZE);
		to = kmap_local_folio(dst, i * PAGE_SIZE);
		*(struct page_contents *)to = *(const struct page_contents *)from;
		kunmap_local(to);
		kunmap_local(from);
		if (!((i + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	flush_dcache_folio(dst);
}

static void move_item(struct item *item)
{
	struct folio *src = item->src, *dst = item->dst;

	/* Expected references count mappings too, and there must be none. */
	if (folio_mapped(src)) {
		item->outcome = FERRY_SHARED_BUSY;
		return;
	}
	if (folio_ref_count(src) != 1 + folio_expected_ref_count(src)) {
		item->outcome = FERRY_PINNED;
		return;
	}
	if (ferry_migrate_wants_copy(src))
		copy_folio(dst, src);
	if (!folio_test_anon(src))
		item->outcome = ferry_move_file(src, dst);
	else if (folio_migrate_mapping(folio_mapping(src), dst, src, 0))
		item->outcome = FERRY_PINNED;
	else
		folio_migrate_flags(dst, src);
	if (!item->outcome)
		item->outcome = FERRY_MOVED;
}

/* Steps 6 and 7. */

static void give_back(struct ferry_folios *move, struct folio *dst)
{
	folio_unlock(dst);
	if (move->put_dst)
		move->put_dst(dst, move);
	else
		folio_put(dst);
}

static void map_item(struct item *item)
{
	struct folio *dst = item->dst;

	if (item->outcome != FERRY_MOVED) {
		if (item->mapped)
			remove_migration_ptes(item->src, item->src, 0);
		return;
	}
	folio_add_lru(dst);
	if (item->mlocked)
		lru_add_drain();
	if (item->mapped)
		remove_migration_ptes(item->src, dst, 0);
}

static void release_item(struct ferry_folios *move, struct item *item)
{
	struct folio *src = item->src;
	long nr = folio_nr_pages(src);

	if (item->anon_vma)
		put_anon_vma(item->anon_vma);
	folio_unlock(src);
	if (item->outcome != FERRY_MOVED) {
		if (item->dst)
			give_back(move, item->dst);
		return;
	}
	folio_unlock(item->dst);
	folio_put(item->dst);
	list_del(&src->lru);
	mod_node_page_state(folio_pgdat(src), NR_ISOLATED_ANON + folio_is_file_lru(src), -nr);
	folio_put(src);
	move->moved += nr;
}

/* Batches ------------------------------------------------------------------ */

static void move_locked(struct ferry_folios *move, struct item *items, struct item *end)
{
	struct item *item;

	alloc_items(move, items, end);
	for (item = items; item < end; item++)
		if (may_move(item))
			unmap_item(item);
	try_to_unmap_flush();
	move->flushes++;
	for (item = items; item < end; item++)
		if (may_move(item))
			move_item(item);
	for (item = items; item < end; item++) {
		if (!item->locked)
			continue;
		map_item(item);
		release_item(move, item);
	}
}

static bool is_worth_another_pass(const struct ferry_folios *move, u8 outcome)
{
	return outcome == FERRY_LOCKED || (outcome == FERRY_WRITEBACK && move->wait);
}

/**
 * struct lists - where the folios of a call are
 * @now: folios of this pass
 * @again: folios of the next pass
 * @stay: folios that stay
 */
struct lists {
	struct list_head now;
	struct list_head again;
	struct list_head stay;
};

static void move_batch(struct ferry_folios *move, struct lists *lists, struct item *items,
		       unsigned int room)
{
	struct item *item, *end = items;
	unsigned long npages = 0;
	struct folio *folio;
	LIST_HEAD(taken);

	while (end < items + room && npages < BATCH_PAGES && !list_empty(&lists->now)) {
		folio = list_first_entry(&lists->now, struct folio, lru);
		list_move_tail(&folio->lru, &taken);
		npages += folio_nr_pages(folio);
		lock_item(end++, folio);
	}
	move_locked(move, items, end);
	for (item = items; item < end; item++) {
		if (item->outcome == FERRY_MOVED)
			continue;
		move->why = item->outcome;
		list_move_tail(&item->src->lru, is_worth_another_pass(move, item->outcome) ?
			       &lists->again : &lists->stay);
	}
}

/* No page lock is held. */
static void wait_for_writeback(const struct list_head *folios)
{
	struct folio *folio;

	list_for_each_entry(folio, folios, lru)
		folio_wait_writeback(folio);
}

/**
 * ferry_migrate_folios() - move isolated folios to a NUMA node
 * @folios: the folios, linked by their lru members: isolated from their LRU
 *	lists and counted in NR_ISOLATED_*, each with a reference, as for
 *	migrate_pages(); afterwards the folios that stay
 * @move: node and options; out: the counts
 *
 * A folio that moved is off the list, its count in NR_ISOLATED_* is gone, and its
 * reference is put. The caller puts the other folios back (folio_putback_lru()).
 *
 * Context: no page lock held; takes page locks by trylock, the locks of the rmap
 * and of the page cache; allocates as @move->gfp, with page locks held; sleeps.
 * Return: number of folios that stay.
 */
unsigned long ferry_migrate_folios(struct list_head *folios, struct ferry_folios *move)
{
	struct item few[BATCH_FEW], *items;
	unsigned int room = BATCH_PAGES;
	struct lists lists;

	INIT_LIST_HEAD(&lists.now);
	INIT_LIST_HEAD(&lists.again);
	INIT_LIST_HEAD(&lists.stay);
	list_splice_init(folios, &lists.now);
	items = list_is_singular(&lists.now) ? NULL :
		kmalloc_array(room, sizeof(*items), GFP_NOWAIT | __GFP_NOWARN);
	if (!items)
		room = BATCH_FEW;

	move->moved = 0;
	move->flushes = 0;
	move->why = FERRY_NOT_ATTEMPTED;
	for (move->passes = 0; move->passes < FERRY_MIGRATE_PASSES; move->passes++) {
		if (list_empty(&lists.now))
			break;
		while (!list_empty(&lists.now)) {
			move_batch(move, &lists, items ?: few, room);
			cond_resched();
		}
		list_splice_init(&lists.again, &lists.now);
		if (move->wait)
			wait_for_writeback(&lists.now);
	}
	kfree(items);
	list_splice(&lists.now, folios);
	list_splice(&lists.stay, folios);
	count_vm_events(PGMIGRATE_SUCCESS, move->moved);
	return list_count_nodes(folios);
}
EXPORT_SYMBOL_GPL(ferry_migrate_folios);

/* By address: large folios --------------------------------------------------- */

/* @folio: with a reference, which is put. */
static u8 move_one(struct folio *folio, const struct ferry_job *job)
{
	struct ferry_folios move = {
		.node = job->node,
		.gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN | __GFP_THISNODE,
	};
	long nr = folio_nr_pages(folio);
	unsigned int kind = NR_ISOLATED_ANON + folio_is_file_lru(folio);
	pg_data_t *pgdat = folio_pgdat(folio);
	unsigned long left;
	LIST_HEAD(folios);

	if (!folio_isolate_lru(folio)) {
		folio_put(folio);
		return FERRY_NOT_LRU;
	}
	/* The isolation has a reference of its own. */
	folio_put(folio);
	mod_node_page_state(pgdat, kind, nr);
	list_add(&folio->lru, &folios);
	left = ferry_migrate_folios(&folios, &move);
	job->counts->flushes += move.flushes;
	if (!left)
		return FERRY_MOVED;
	mod_node_page_state(pgdat, kind, -nr);
	folio_add_lru(folio);
	folio_put(folio);
	return move.why;
}

/*
 * Returns the page at an address if it is of a large folio, with a reference.
 * @by_pmd: out: a PMD maps the page
 */
static struct page *get_large_page(struct vm_area_struct *vma, unsigned long addr, bool *by_pmd)
{
	struct folio_walk walk;
	struct page *page = NULL;
	struct folio *folio;

	folio = folio_walk_start(&walk, vma, addr, 0);
	if (!folio)
		return NULL;
	if (folio_test_large(folio)) {
		folio_get(folio);
		page = walk.page;
		*by_pmd = walk.level == FW_LEVEL_PMD;
	}
	folio_walk_end(&walk, vma);
	return page;
}

/* Number of slots from @slot on that map consecutive pages of one folio. */
static unsigned long count_slots(const struct ferry_job *job, unsigned long slot,
				 struct page *page, bool by_pmd)
{
	unsigned long addr = ferry_job_addr(job, slot), left, n;
	struct folio *folio = page_folio(page);
	struct page *other;

	left = folio_nr_pages(folio) - folio_page_idx(folio, page);
	if (by_pmd)
		left = (PMD_SIZE - (addr & ~PMD_MASK)) / PAGE_SIZE;
	left = min(left, job->npages - slot);
	for (n = by_pmd ? left : 1; n < left; n++) {
		other = get_large_page(job->vma, ferry_job_addr(job, slot + n), &by_pmd);
		if (other)
			folio_put(page_folio(other));
		if (other != page + n)
			break;
	}
	return n;
}

/**
 * ferry_whole_at() - move a large folio to the node of a job
 * @job: the migration, by address, to a node
 * @slot: a slot with FERRY_PFN_AGAIN
 *
 * The whole folio moves, also where it exceeds the range. The slots that map the
 * folio get their outcome, with two exceptions: the node has no block of the
 * folio's order, and the folio can be split; or the slot has no large folio.
 *
 * Context: mmap_lock held; other page locks may be held; takes page locks by
 * trylock and the locks of the rmap; does not reclaim; sleeps.
 * Return: number of slots with an outcome; 0: no slot.
 */
unsigned long ferry_whole_at(struct ferry_job *job, unsigned long slot)
{
	struct page *page;
	unsigned long n, i;
	struct folio *folio;
	bool anon, by_pmd;
	u8 outcome;

	page = get_large_page(job->vma, ferry_job_addr(job, slot), &by_pmd);
	if (!page)
		return 0;
	folio = page_folio(page);
	anon = folio_test_anon(folio);
	n = count_slots(job, slot, page, by_pmd);
	if (folio_nid(folio) == job->node) {
		folio_put(folio);
		outcome = FERRY_ALREADY_THERE;
	} else if (!job->ext->shared && ferry_folio_mapped_shared(folio)) {
		folio_put(folio);
		outcome = FERRY_SHARED;
	} else {
		outcome = move_one(folio, job);
	}
	if (outcome == FERRY_NO_MEMORY && anon)
		return 0;
	for (i = slot; i < slot + n; i++)
		ferry_job_skip(job, i, outcome);
	return n;
}
