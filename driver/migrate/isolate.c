// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second phase: system pages leave their LRU lists. Reclaim then does not look
 * at the pages, and the new page can take the old page's place. The file also
 * puts pages on their lists, as a part of the last phase: the pages that stay,
 * and the new pages.
 *
 * An atomic test-and-clear takes PG_lru off. The task that clears PG_lru owns
 * the page's place on the list (folio_isolate_lru() works alike). PG_lru was
 * set when collect.c looked, with the page locked. The page lock does not keep
 * other tasks (compaction, reclaim's scan) from clearing PG_lru later, so the
 * result of the test-and-clear decides. A page that another task has isolated
 * is put back where the page was mapped.
 *
 * The lruvec lock is taken once for a run of pages of the same lruvec, with
 * interrupts off; RUN_PAGES bounds the run. Nothing sleeps, flushes or walks an
 * rmap with the lruvec lock held. Isolation comes before the memcg of any page
 * changes: the memcg leads to the lruvec. The size of a list changes once for
 * consecutive pages of the same list and zone, before the lock drops: a task
 * that reads both the list and its size holds the lock.
 *
 * The note LISTED says that no page of the slot has to be put on a list: the
 * page was not isolated, or the data is on a device now. Where all slots are
 * LISTED, putting back is one look at each slot.
 *
 * No reference is taken: the reference of collect.c becomes the isolator's, and
 * the list has no reference. A page goes back to its list at once, and not
 * through a CPU's batch, whose reference would refuse the next migration.
 * PG_lru is set once the page is on the list, as in lru_add().
 *
 * Two kinds of pages go through the kernel's functions:
 *
 * - Pages that are, or may be, mlocked and unevictable are left to
 *   folio_add_lru(), with no lock held: folio_add_lru() takes the lruvec lock
 *   when the batch is full.
 * - Where MGLRU may keep the lists, switched on and off at any time, the page's
 *   flags say which list holds the page. The kernel adds and takes off page by
 *   page.
 */
#include <linux/memcontrol.h>
#include <linux/mm_inline.h>
#include <linux/swap.h>

#include "engine.h"

#include <trace/events/pagemap.h>

#define RUN_PAGES	64

/* Flags that decide a page's list in the lruvec, and the zone and node. */
#define KIND	(BIT(PG_unevictable) | BIT(PG_active) | BIT(PG_swapbacked) | ZONE)
#define ZONE	(ZONEID_MASK << ZONEID_PGSHIFT)

/*
 * The kind of no page. A run has it while no lock is held, and when the lock must
 * drop before the next page.
 */
#define NO_KIND	(~0UL)

/**
 * struct run - consecutive pages of one kind and one lruvec
 * @lruvec: the lruvec, locked; NULL between runs
 * @memcg: memcg of all pages, as in folio->memcg_data
 * @kind: KIND flags of all pages, or NO_KIND
 * @lru: the list of @kind
 * @zone: the zone of @kind
 * @nr: change of the list's size that is due, in pages
 * @left: pages before a held lock must drop; 0 without a lock
 */
struct run {
	struct lruvec *lruvec;
	unsigned long memcg;
	unsigned long kind;
	enum lru_list lru;
	enum zone_type zone;
	long nr;
	unsigned int left;
};

static void pay(struct run *run)
{
	if (run->nr)
		update_lru_size(run->lruvec, run->lru, run->zone, run->nr);
	run->nr = 0;
}

static void end(struct run *run)
{
	if (!run->lruvec)
		return;
	pay(run);
	lruvec_unlock_irq(run->lruvec);
	run->lruvec = NULL;
	run->kind = NO_KIND;
	run->left = 0;
}

static noinline void go_on_with(struct run *run, struct folio *folio, unsigned long kind)
{
	unsigned long memcg = ferry_folio_memcg(folio);

	if (run->left && memcg == run->memcg && !((kind ^ run->kind) & ZONE)) {
		pay(run);
	} else {
		end(run);
		run->lruvec = folio_lruvec_lock_irq(folio);
		run->left = RUN_PAGES;
	}
	run->memcg = memcg;
	run->kind = kind;
	run->lru = folio_lru_list(folio);
	run->zone = folio_zonenum(folio);
}

/* The lock of the folio's lruvec is held afterwards. @flags: the folio's flags. */
static __always_inline void go_on(struct run *run, struct folio *folio, unsigned long flags)
{
	unsigned long kind = flags & KIND;

	if (kind != run->kind || ferry_folio_memcg(folio) != run->memcg)
		go_on_with(run, folio, kind);
	if (!--run->left)
		run->kind = NO_KIND;
}

static __always_inline void take_off(struct run *run, struct folio *folio)
{
	go_on(run, folio, READ_ONCE(*ferry_flags(folio)));
	if (IS_ENABLED(CONFIG_LRU_GEN)) {
		lruvec_del_folio(run->lruvec, folio);
		return;
	}
	/* Unevictable pages are counted, and are on no list. */
	if (run->lru != LRU_UNEVICTABLE)
		list_del(&folio->lru);
	run->nr--;
}

static void isolate_slots(struct ferry_job *job, unsigned long slot, unsigned long end_slot)
{
	unsigned long *src = job->src + slot, *end_src = job->src + end_slot;
	struct run run = { .kind = NO_KIND };
	struct folio *folio;

	for (; src < end_src; src++) {
		if (!(*src & MIGRATE_PFN_VALID) || !(*src & FERRY_PFN_LISTED)) {
			end(&run);
			continue;
		}
		folio = ferry_slot_folio(*src);
		if (!folio_test_clear_lru(folio)) {
			end(&run);
			ferry_job_refuse(job, src - job->src, FERRY_NOT_LRU);
			continue;
		}
		*src &= ~FERRY_PFN_LISTED;
		take_off(&run, folio);
	}
	end(&run);
}

/**
 * ferry_isolate() - take collected pages off their LRU lists
 * @job: the migration, after ferry_collect(); a page that another task has
 *	isolated loses MIGRATE_PFN_MIGRATE
 *
 * Context: page locks held, interrupts on; takes lruvec locks; sleeps.
 */
void ferry_isolate(struct ferry_job *job)
{
	unsigned long slot, next;

	/* Device pages are on no list. */
	if (!(job->select & MIGRATE_VMA_SELECT_SYSTEM))
		return;
	for (slot = 0; slot < job->npages; slot = next) {
		next = min(job->npages, slot + FERRY_SLOTS_AT_ONCE);
		isolate_slots(job, slot, next);
		ferry_job_resched(job, next);
	}
}

static __always_inline void put_on(struct run *run, struct folio *folio, unsigned long flags)
{
	go_on(run, folio, flags);
	if (IS_ENABLED(CONFIG_LRU_GEN)) {
		lruvec_add_folio(run->lruvec, folio);
	} else {
		list_add(&folio->lru, &run->lruvec->lists[run->lru]);
		run->nr++;
	}
#ifndef FERRY_ENGINE_IN_MODULE
	/* The event's keys are patched by the kernel, and not reachable by name. */
	trace_mm_lru_insertion(folio);
#endif
	folio_set_lru(folio);
}

/* The common case: all data went to a device, and none came from a device. */
static bool all_listed(const struct ferry_job *job, unsigned long first,
		       unsigned long end_slot)
{
	unsigned long all = FERRY_PFN_LISTED, slot;

	if (!(job->select & MIGRATE_VMA_SELECT_SYSTEM))
		return false;
	for (slot = first; slot < end_slot; slot++)
		all &= job->src[slot];
	return all;
}

/*
 * Whether the folio with the data of a slot that is not LISTED is a system
 * folio. A device destination that took over has made its slot LISTED.
 */
static __always_inline bool is_system(const struct folio *folio, unsigned long dst)
{
	return dst & FERRY_PFN_USED || !folio_is_zone_device(folio);
}

/**
 * ferry_isolate_put() - put system pages on their LRU lists
 * @job: the migration; the folio with the data of each due slot is put on its
 *	list
 * @first: first slot
 * @end_slot: end of the slots, exclusive
 * @back: as for ferry_job_is_due()
 *
 * Context: page locks held, interrupts on, before any of the pages is mapped;
 * takes lruvec locks.
 * Return: true if a page is in this CPU's batch, because the page may be
 * mlocked.
 */
bool ferry_isolate_put(struct ferry_job *job, unsigned long first,
		       unsigned long end_slot, bool back)
{
	unsigned long slot, src, dst, flags;
	struct run run = { .kind = NO_KIND };
	bool in_batch = false;
	struct folio *folio;

	if (all_listed(job, first, end_slot))
		return false;
	for (slot = first; slot < end_slot; slot++) {
		src = job->src[slot];
		if (!ferry_job_is_due(job, slot, back) || src & FERRY_PFN_LISTED)
			continue;
		/* NULL in setup by pfn. */
		dst = job->dst ? job->dst[slot] : 0;
		folio = ferry_slot_folio(dst & FERRY_PFN_USED ? dst : src);
		if (!is_system(folio, dst))
			continue;
		flags = READ_ONCE(*ferry_flags(folio));
		if (flags & (BIT(PG_unevictable) | BIT(PG_mlocked))) {
			end(&run);
			folio_add_lru(folio);
			in_batch = true;
		} else {
			put_on(&run, folio, flags);
		}
	}
	end(&run);
	return in_batch;
}
