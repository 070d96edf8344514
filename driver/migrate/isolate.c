// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second phase: system pages leave their LRU lists, so that reclaim does not look at
 * them and the new page can take the old one's place. And the way back, for what stays
 * and for new pages, which is part of the last phase.
 *
 * PG_lru is cleared by an atomic test-and-clear: whoever clears it owns the page's
 * place on the list (folio_isolate_lru() works alike). It was set when collect.c
 * looked, with the page locked; the page lock does not keep others (compaction,
 * reclaim's scan) from clearing it since, so the result decides, and a page that
 * somebody else has isolated is put back where it was mapped.
 *
 * The lruvec's lock is taken once for a run of pages of the same lruvec, with
 * interrupts off; RUN_PAGES bounds how long. Nothing sleeps, flushes or walks an rmap
 * with it held. It is done before the memcg of any page changes: the lruvec is found through
 * it. A list's size changes once for pages in a row that are on the same list and of the
 * same zone, before the lock drops: nobody reads the one and the other without it.
 *
 * A page that needs no list is noted as LISTED: one that was not isolated, and one whose
 * data has gone to a device. Where all are, the way back is one look at each slot.
 *
 * No reference is taken: that of collect.c becomes the isolator's, and the list has
 * none. Put back, a page is on its list at once and not in a CPU's batch, whose
 * reference would refuse the next migration. PG_lru is set when it is on the list, as
 * lru_add() does. Pages that are, or may be, mlocked and unevictable are left to
 * folio_add_lru(), with no lock held: it takes the lruvec's when the batch is full. Where
 * MGLRU may keep the lists, switched on and off at any time, a page says by itself which
 * it is on; there the kernel's own functions add and take off, page by page.
 */
#include <linux/memcontrol.h>
#include <linux/mm_inline.h>
#include <linux/swap.h>

#include "engine.h"

#include <trace/events/pagemap.h>

#define RUN_PAGES	64

/* Flags that decide on which list of its lruvec a page is, and its zone and node. */
#define KIND	(BIT(PG_unevictable) | BIT(PG_active) | BIT(PG_swapbacked) | ZONE)
#define ZONE	(ZONEID_MASK << ZONEID_PGSHIFT)

/**
 * struct run - pages that are alike, of one lruvec
 * @lruvec: locked, or NULL
 * @memcg: of all of them
 * @kind: of all of them
 * @lru: the list that says
 * @zone: the zone
 * @nr: by how much they change its size
 * @left: pages before the lock, if one is held, is to drop
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
	unlock_page_lruvec_irq(run->lruvec);
	run->lruvec = NULL;
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

/* With the lock of the folio's lruvec held afterwards. */
static __always_inline void go_on(struct run *run, struct folio *folio)
{
	unsigned long kind = READ_ONCE(folio->flags) & KIND;

	if (!run->left || kind != run->kind || ferry_folio_memcg(folio) != run->memcg)
		go_on_with(run, folio, kind);
	run->left--;
}

static __always_inline void take_off(struct run *run, struct folio *folio)
{
	go_on(run, folio);
	if (IS_ENABLED(CONFIG_LRU_GEN)) {
		lruvec_del_folio(run->lruvec, folio);
		return;
	}
	/* What is unevictable is counted, and on no list. */
	if (run->lru != LRU_UNEVICTABLE)
		list_del(&folio->lru);
	run->nr--;
}

static void isolate_slots(struct ferry_job *job, unsigned long slot, unsigned long end_slot)
{
	struct run run = {};
	struct folio *folio;

	for (; slot < end_slot; slot++) {
		if (!(job->src[slot] & MIGRATE_PFN_VALID) ||
		    !(job->src[slot] & FERRY_PFN_LISTED)) {
			end(&run);
			continue;
		}
		folio = ferry_job_source(job, slot);
		if (!folio_test_clear_lru(folio)) {
			end(&run);
			ferry_job_refuse(job, slot, FERRY_NOT_LRU);
			continue;
		}
		job->src[slot] &= ~FERRY_PFN_LISTED;
		take_off(&run, folio);
	}
	end(&run);
}

/**
 * ferry_isolate() - take collected pages off their LRU lists
 * @job: what could not be isolated loses MIGRATE_PFN_MIGRATE
 *
 * Context: interrupts on; sleeps.
 */
void ferry_isolate(struct ferry_job *job)
{
	unsigned long slot, next;

	/* What a device has is on no list. */
	if (!(job->select & MIGRATE_VMA_SELECT_SYSTEM))
		return;
	for (slot = 0; slot < job->npages; slot = next) {
		next = min(job->npages, slot + FERRY_SLOTS_AT_ONCE);
		isolate_slots(job, slot, next);
		ferry_job_resched(job, next);
	}
}

static __always_inline void put_on(struct run *run, struct folio *folio)
{
	go_on(run, folio);
	if (IS_ENABLED(CONFIG_LRU_GEN)) {
		lruvec_add_folio(run->lruvec, folio);
	} else {
		list_add(&folio->lru, &run->lruvec->lists[run->lru]);
		run->nr++;
	}
	trace_mm_lru_insertion(folio);
	folio_set_lru(folio);
}

/* Most often: all went to a device. */
static bool all_listed(const struct ferry_job *job, unsigned long first,
		       unsigned long end_slot)
{
	unsigned long all = FERRY_PFN_LISTED, slot;

	for (slot = first; slot < end_slot; slot++)
		all &= job->src[slot];
	return all;
}

/* What holds the data, if it is a system page that is on no list now. */
static __always_inline struct folio *unlisted(const struct ferry_job *job, unsigned long slot)
{
	struct folio *folio;

	if (job->src[slot] & FERRY_PFN_LISTED)
		return NULL;
	if (job->dst && job->dst[slot] & FERRY_PFN_USED)
		return ferry_slot_folio(job->dst[slot]);
	folio = ferry_job_source(job, slot);
	return folio_is_zone_device(folio) ? NULL : folio;
}

/**
 * ferry_isolate_put() - system pages go to their LRU lists
 * @job: what holds the data of each slot that is due is put
 * @first: slot
 * @end_slot: exclusive
 * @back: as for ferry_job_is_due()
 *
 * Context: interrupts on; before any of the pages is mapped.
 * Return: whether any is in the CPU's batch, because it may be mlocked.
 */
bool ferry_isolate_put(struct ferry_job *job, unsigned long first,
		       unsigned long end_slot, bool back)
{
	bool in_batch = false;
	struct run run = {};
	struct folio *folio;
	unsigned long slot;

	if (all_listed(job, first, end_slot))
		return false;
	for (slot = first; slot < end_slot; slot++) {
		if (!ferry_job_is_due(job, slot, back))
			continue;
		folio = unlisted(job, slot);
		if (!folio)
			continue;
		if (READ_ONCE(folio->flags) & (BIT(PG_unevictable) | BIT(PG_mlocked))) {
			end(&run);
			folio_add_lru(folio);
			in_batch = true;
		} else {
			put_on(&run, folio);
		}
	}
	end(&run);
	return in_batch;
}
