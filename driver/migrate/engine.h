/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the engine share; migrate.h is for its callers. */
#ifndef FERRY_MIGRATE_ENGINE_H
#define FERRY_MIGRATE_ENGINE_H

#include <linux/mm.h>
#include <linux/tracepoint-defs.h>

#include "control.h"
#include "migrate.h"
#include "rmap.h"
#include "stamp.h"
#include "tlb_batch.h"
#include "writes.h"

/*
 * Notes in src[], in bits that the kernel's encoding leaves free.
 * AGAIN stands alone, in a slot that the next pass is to look at; the same bit beside a
 * page is LISTED: no LRU list waits for what holds its data, for that was not (yet)
 * isolated, or is a device's.
 * KNOWN: the page's only migration entry is the one at the slot's address.
 * HELD: a reference on the page's anon_vma is in folio->private.
 */
#define FERRY_PFN_AGAIN	(1UL << 2)
#define FERRY_PFN_LISTED	FERRY_PFN_AGAIN
#define FERRY_PFN_KNOWN	(1UL << 4)
#define FERRY_PFN_HELD	(1UL << 5)
/*
 * In dst[]: it came unlocked, and there is no lock to drop; it took the place of its
 * source, or of nothing; it is unlocked and its reference is a page table's, which may
 * have dropped it since: it is not looked at any more.
 */
#define FERRY_PFN_UNLOCKED	FERRY_PFN_AGAIN
#define FERRY_PFN_USED		FERRY_PFN_KNOWN
#define FERRY_PFN_GIVEN		FERRY_PFN_HELD
#define FERRY_PFN_NOTES	(FERRY_PFN_AGAIN | FERRY_PFN_KNOWN | FERRY_PFN_HELD)

static_assert(!(FERRY_PFN_NOTES & (MIGRATE_PFN_VALID | MIGRATE_PFN_MIGRATE |
				   MIGRATE_PFN_WRITE)));
static_assert(FERRY_PFN_NOTES < 1UL << MIGRATE_PFN_SHIFT);

/* Slots between two looks whether another task wants the CPU. */
#define FERRY_SLOTS_AT_ONCE	512

/* Passes over a range whose page table changes under us, at the most. */
#define FERRY_MIGRATE_PASSES	10

/**
 * struct ferry_job - one migration, as the phases see it
 * @src: a slot for each page
 * @dst: the same
 * @npages: slots
 * @vma: NULL for the forms by pfn; its mm's mmap_lock is held
 * @start: address of slot 0
 * @select: MIGRATE_VMA_SELECT_*
 * @owner: of the device pages that are wanted
 * @fault_page: NULL, or a page on which the caller has one more reference
 * @outcome: NULL, or a byte for each slot
 * @counts: what it cost
 * @ext: NULL for drop-in calls
 * @tlb: flushes that are due
 * @mapped: NR_ANON_MAPPED that is due, under a page table's lock
 * @young: in the offset of a migration entry, that the entry was young; 0 where there is
 *	no room for it
 * @dirty: the same, that it was dirty
 * @pfn_mask: what of the offset is the pfn
 * @moving: in setup, and not kept up later: slots with MIGRATE_PFN_MIGRATE
 * @tracked: by address: writes to the mapping are tracked, see writes.c
 * @readable: entries that are not present are readable, whatever may be written: @tracked,
 *	and the caller knows of it
 * @want_unmap: a page was collected that is mapped elsewhere too, or referenced
 * @holes: destinations were offered for slots without a page
 * @refused: in setup: a page lost MIGRATE_PFN_MIGRATE and is to be put back
 * @drained: the LRU batches of all CPUs were drained: who has a reference now uses the page
 * @drained_for_list: and a page was on no list before: what is on none now stays off
 * @want_drain: a page was met that a drain may put on its list, or free of a reference
 * @want_list: a page was met that a drain may put on its list
 * @want_split: a large folio was met
 * @raced: a page table went away between two looks
 */
struct ferry_job {
	unsigned long *src;
	unsigned long *dst;
	unsigned long npages;
	struct vm_area_struct *vma;
	unsigned long start;
	unsigned long select;
	void *owner;
	struct page *fault_page;
	u8 *outcome;
	struct ferry_migrate_counts *counts;
	struct ferry_migrate *ext;
	struct ferry_tlb tlb;
	struct ferry_mapped mapped;
	unsigned long young;
	unsigned long dirty;
	unsigned long pfn_mask;
	unsigned long moving;
	bool tracked;
	bool readable;
	bool want_unmap;
	bool holes;
	bool refused;
	bool drained;
	bool drained_for_list;
	bool want_drain;
	bool want_list;
	bool want_split;
	bool raced;
};

DECLARE_TRACEPOINT(ferry_outcome);
void ferry_job_trace(const struct ferry_job *job, unsigned long slot, u8 outcome);

static inline void ferry_job_tell(struct ferry_job *job, unsigned long slot, u8 outcome)
{
	if (job->outcome)
		job->outcome[slot] = outcome;
	if (outcome && tracepoint_enabled(ferry_outcome))
		ferry_job_trace(job, slot, outcome);
}

/* Leave the page of a slot alone, for a reason. */
static inline void ferry_job_skip(struct ferry_job *job, unsigned long slot, u8 outcome)
{
	job->src[slot] = 0;
	ferry_job_tell(job, slot, outcome);
}

static inline unsigned long ferry_job_count_moving(const struct ferry_job *job)
{
	unsigned long slot, count = 0;

	for (slot = 0; slot < job->npages; slot++)
		count += !!(job->src[slot] & MIGRATE_PFN_MIGRATE);
	return count;
}

/* A page that was collected stays after all. */
static inline void ferry_job_refuse(struct ferry_job *job, unsigned long slot, u8 outcome)
{
	job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
	job->moving--;
	job->refused = true;
	ferry_job_tell(job, slot, outcome);
}

/* A page that was collected, or that took the place of one, is a folio of its own. */
static inline struct folio *ferry_slot_folio(unsigned long slot)
{
	return (struct folio *)pfn_to_page(slot >> MIGRATE_PFN_SHIFT);
}

/* Of a slot with MIGRATE_PFN_VALID. */
static inline struct folio *ferry_job_source(const struct ferry_job *job,
					     unsigned long slot)
{
	return ferry_slot_folio(job->src[slot]);
}

static inline unsigned long ferry_job_addr(const struct ferry_job *job,
					   unsigned long slot)
{
	return job->start + slot * PAGE_SIZE;
}

/* As folio_test_swapcache(); the bit means something else on other pages. */
static inline bool ferry_folio_in_swap_cache(const struct folio *folio)
{
	return READ_ONCE(folio->flags) & BIT(PG_swapcache) && folio_test_swapcache(folio);
}

/*
 * A slot's page is anonymous, small and mapped nowhere: ours is its reference, and the
 * swap cache's (@cached), and the caller's on a page that faulted.
 */
static inline bool ferry_job_references_right(const struct ferry_job *job,
					      const struct folio *folio, bool cached)
{
	bool faulted = job->fault_page == &folio->page;
	int count = folio_ref_count(folio);

	/* Most often; said first, it is half as long. */
	if (likely(count == 1 && !cached && !faulted))
		return true;
	return count == 1 + cached + faulted;
}

/*
 * A system page that is mapped nowhere has one reference too many: another CPU's batch for
 * the LRU lists (activation, deactivation, lazy freeing) may have it, and a drain of the
 * batches would help. A page that is pinned has more than one (GUP_PIN_COUNTING_BIAS).
 */
static inline bool ferry_job_drain_may_help(const struct ferry_job *job,
					    const struct folio *folio, bool cached)
{
	return !job->drained && !folio_is_zone_device(folio) &&
	       folio_ref_count(folio) == 2 + cached;
}

/* The same in few words, of a folio that is small: nobody maps it. */
static inline bool ferry_folio_unmapped(const struct folio *folio)
{
	return atomic_read(&folio->_mapcount) < 0;
}

/*
 * What install.c is to look at: in setup (@back) the pages that were refused, after it
 * all that are left.
 */
static inline bool ferry_job_is_due(const struct ferry_job *job, unsigned long slot,
				    bool back)
{
	unsigned long src = job->src[slot];

	return src & MIGRATE_PFN_VALID && !(back && src & MIGRATE_PFN_MIGRATE);
}

/* Once every FERRY_SLOTS_AT_ONCE slots; @next: the slot that comes next. */
static inline void ferry_job_resched(const struct ferry_job *job, unsigned long next)
{
	if (next < job->npages)
		cond_resched();
}

/* Where the data of a slot's page is: the destination, once it took its place. */
static inline struct folio *ferry_job_holder(const struct ferry_job *job,
					     unsigned long slot)
{
	/* In setup there are no destinations yet. */
	unsigned long dst = job->dst ? job->dst[slot] : 0;

	return ferry_slot_folio(dst & FERRY_PFN_USED ? dst : job->src[slot]);
}

/* A step of a migration by address has ended; those by pfn are not counted. */
static inline void ferry_job_stamp(const struct ferry_job *job, enum ferry_stamp_step step,
				   cycles_t start)
{
	if (job->vma)
		ferry_stamp_end(FERRY_STAMP_OWN,
				ferry_stamp_way(job->select, job->fault_page), step, start);
}

bool ferry_drain_is_due(void);
void ferry_collect(struct ferry_job *job);
void ferry_isolate(struct ferry_job *job);
bool ferry_isolate_put(struct ferry_job *job, unsigned long first, unsigned long end,
		       bool back);
void ferry_unmap(struct ferry_job *job);
void ferry_metadata_move(struct ferry_job *job);
void ferry_insert_pages(struct ferry_job *job);
void ferry_install(struct ferry_job *job);
void ferry_install_back(struct ferry_job *job);

#endif
