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
 * interrupts off; RUN_PAGES bounds how long. Nothing in here can sleep, flush or walk
 * an rmap. It is done before the memcg of any page changes: the lruvec is found through
 * it. A list's size changes once for the pages of a run that are on the same list and
 * of the same zone, before the lock drops: nobody reads the one and the other without it.
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

/**
 * struct run - pages on the lists of one lruvec
 * @lruvec: locked, or NULL
 * @last: the last of them
 * @lru: the list that the last of them were on
 * @zone: their zone
 * @nr: by how much they change its size
 * @left: pages before the lock is to drop
 */
struct run {
	struct lruvec *lruvec;
	struct folio *last;
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
}

/* With the lock of the folio's lruvec held afterwards. */
static __always_inline void go_on(struct run *run, struct folio *folio)
{
	if (run->lruvec && (!run->left || !ferry_same_counters(folio, run->last)))
		end(run);
	if (!run->lruvec) {
		run->lruvec = folio_lruvec_lock_irq(folio);
		run->left = RUN_PAGES;
	}
	run->left--;
	run->last = folio;
}

static __always_inline void count(struct run *run, struct folio *folio, enum lru_list lru, long nr)
{
	enum zone_type zone = folio_zonenum(folio);

	if (lru != run->lru || zone != run->zone)
		pay(run);
	run->lru = lru;
	run->zone = zone;
	run->nr += nr;
}

static __always_inline void take_off(struct run *run, struct folio *folio)
{
	enum lru_list lru = folio_lru_list(folio);

	go_on(run, folio);
	if (IS_ENABLED(CONFIG_LRU_GEN)) {
		lruvec_del_folio(run->lruvec, folio);
		return;
	}
	/* What is unevictable is counted, and on no list. */
	if (lru != LRU_UNEVICTABLE)
		list_del(&folio->lru);
	count(run, folio, lru, -1);
}

/**
 * ferry_isolate() - take collected pages off their LRU lists
 * @job: what could not be isolated loses MIGRATE_PFN_MIGRATE
 *
 * Context: interrupts on.
 */
void ferry_isolate(struct ferry_job *job)
{
	struct run run = {};
	struct folio *folio;
	unsigned long slot;

	/* What a device has is on no list. */
	if (!(job->select & MIGRATE_VMA_SELECT_SYSTEM))
		return;
	for (slot = 0; slot < job->npages; slot++) {
		if (!(job->src[slot] & MIGRATE_PFN_VALID) ||
		    !(job->src[slot] & FERRY_PFN_ON_LRU)) {
			end(&run);
			continue;
		}
		folio = ferry_job_source(job, slot);
		if (!folio_test_clear_lru(folio)) {
			ferry_job_refuse(job, slot, FERRY_NOT_LRU);
			continue;
		}
		job->src[slot] &= ~FERRY_PFN_ON_LRU;
		take_off(&run, folio);
	}
	end(&run);
}

static __always_inline void put_on(struct run *run, struct folio *folio)
{
	enum lru_list lru = folio_lru_list(folio);

	go_on(run, folio);
	if (IS_ENABLED(CONFIG_LRU_GEN)) {
		lruvec_add_folio(run->lruvec, folio);
	} else {
		list_add(&folio->lru, &run->lruvec->lists[lru]);
		count(run, folio, lru, 1);
	}
	trace_mm_lru_insertion(folio);
	folio_set_lru(folio);
}

/* What holds the data, if it is a system page that is on no list now. */
static struct folio *unlisted(const struct ferry_job *job, unsigned long slot)
{
	struct folio *folio = ferry_job_holder(job, slot);

	if (folio_is_zone_device(folio))
		return NULL;
	if (job->src[slot] & FERRY_PFN_ON_LRU && folio == ferry_job_source(job, slot))
		return NULL;
	return folio;
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
