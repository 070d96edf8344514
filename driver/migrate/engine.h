/* SPDX-License-Identifier: GPL-2.0-only */
/* Interface between the engine's files. Callers use migrate.h. */

/**
 * DOC: Ownership and lock order of the engine
 *
 * Ownership, from setup to finalize:
 *
 *   page in src[]	the engine holds the page lock, one reference and the
 *			page's place on the LRU list
 *   page in dst[]	the caller holds the page lock and one reference; the
 *			page is on no LRU list; finalize takes the page over
 *   mmap_lock		by address: the caller holds mmap_lock for reading all
 *			the way
 *   anon_vma		by pfn: the engine holds a reference on each page's
 *			anon_vma instead of mmap_lock (I18)
 *
 * Lock order, outermost first:
 *
 *   1. mmap_lock
 *   2. MMU notifier section
 *   3. page-table lock
 *   4. page locks, by trylock only
 *
 * Then, with page locks held:
 *
 *   - anon_vma (rmap walks, splits)
 *   - MMU notifier section: insert.c, and try_to_migrate() with the anon_vma
 *     locked
 *   - page-table locks
 *   - lruvec lock
 *
 * A section may begin before the page locks are taken, or with page locks held.
 * Both orders are safe, as in reclaim: a notifier waits for no page lock.
 *
 * While the engine holds a page lock, the engine waits for no page lock, no
 * writeback and no other CPU's LRU batch (I16). migrate.c argues the drains of
 * the batches. Filling a hole allocates and charges memory with page locks
 * held, as a CPU fault does for its locked page. Large folios are split between
 * two passes, with other page locks held, in the lock order of
 * mm/huge_memory.c.
 */
#ifndef FERRY_MIGRATE_ENGINE_H
#define FERRY_MIGRATE_ENGINE_H

#include <linux/mm.h>
#include <linux/tracepoint-defs.h>

#include "compat.h"
#include "control.h"
#include "migrate.h"
#include "rmap.h"
#include "timing.h"
#include "tlb_batch.h"
#include "writes.h"

/*
 * Notes in src[], in bits that the kernel's encoding leaves free (bit 4 is
 * MIGRATE_PFN_COMPOUND on 7.x). By pfn no slot has a note, and folio->private of
 * each page holds a reference on the page's anon_vma.
 *
 *   AGAIN	alone in a slot: the next pass looks at the slot
 *   LISTED	the bit AGAIN in a slot with a page: install puts no folio on a
 *		list. Either the source is not isolated, or the data has moved
 *		to a device
 *   KNOWN	the page's only migration entry is at the slot's address
 */
#define FERRY_PFN_AGAIN	(1UL << 2)
#define FERRY_PFN_LISTED	FERRY_PFN_AGAIN
#define FERRY_PFN_KNOWN	(1UL << 5)
#define FERRY_PFN_NOTES	(FERRY_PFN_AGAIN | FERRY_PFN_KNOWN)
/*
 * Notes in dst[]. The kernel has no meaning for MIGRATE_PFN_MIGRATE in dst[]:
 *
 *   UNLOCKED	the page came unlocked; finalize drops no lock
 *   USED	the page took the place of its source, or filled a hole
 *   GIVEN	the page is unlocked and its reference is a page table's. The
 *		page table may have dropped the reference since: nothing looks
 *		at the page any more
 */
#define FERRY_PFN_UNLOCKED	(1UL << 2)
#define FERRY_PFN_USED		MIGRATE_PFN_MIGRATE
#define FERRY_PFN_GIVEN		(1UL << 5)

static_assert(!(FERRY_PFN_NOTES & FERRY_PFN_KERNELS));
static_assert(!((FERRY_PFN_UNLOCKED | FERRY_PFN_USED | FERRY_PFN_GIVEN) &
		(FERRY_PFN_KERNELS & ~MIGRATE_PFN_MIGRATE)));
static_assert(FERRY_PFN_NOTES < 1UL << MIGRATE_PFN_SHIFT);
static_assert(FERRY_PFN_GIVEN < 1UL << MIGRATE_PFN_SHIFT);

/* Slots between two calls of cond_resched(). */
#define FERRY_SLOTS_AT_ONCE	512

/* Limit of passes over a range whose page table changes during setup. */
#define FERRY_MIGRATE_PASSES	10

/**
 * struct ferry_job - one migration, as the phases see it
 * @src: one slot for each page, encoded as in migrate_vma.src, with notes
 * @dst: one slot for each page, the same; NULL in setup by pfn
 * @npages: number of slots
 * @vma: mapping of the range, whose mm's mmap_lock the caller holds; NULL by
 *	pfn
 * @start: address of slot 0; 0 by pfn
 * @select: MIGRATE_VMA_SELECT_* flags of the caller; 0 by pfn
 * @owner: pgmap owner of the selected device pages
 * @fault_page: a page on which the caller has one more reference, or NULL; see
 *	ferry_job_caller_locked()
 * @outcome: one byte for each slot, enum ferry_outcome, or NULL
 * @counts: cost of the migration; each phase adds to the counters
 * @ext: the extended call; NULL for drop-in calls
 * @tlb: TLB flushes that are due
 * @mapped: change of NR_ANON_MAPPED that is due, under a page table's lock
 * @young: bit in the offset of a migration entry: the entry was young; 0 where
 *	the offset has no room
 * @dirty: bit in the offset of a migration entry: the entry was dirty; 0 where
 *	the offset has no room
 * @pfn_mask: bits of the offset that hold the pfn
 * @moving: number of slots with MIGRATE_PFN_MIGRATE; kept up in setup only
 * @tracked: by address: writes to the mapping are tracked (writes.c)
 * @readable: non-present entries are readable, also of pages that may be
 *	written: @tracked, and the caller uses the extended form
 * @to_node: pages move to system memory of @node (struct ferry_migrate)
 * @node: node of the destinations, with @to_node; otherwise NUMA_NO_NODE
 * @want_unmap: collect met a page with another mapping or another reference
 * @holes: the caller offered destinations for slots without a page
 * @refused: in setup: a page lost MIGRATE_PFN_MIGRATE and must be put back
 * @drained: the LRU batches of all CPUs were drained; the holder of a remaining
 *	reference uses the page
 * @drained_for_list: a drain followed a page on no LRU list; a page on no list
 *	after the drain is refused
 * @want_drain: a drain may put a page on its list, or drop a page's reference
 * @want_list: a drain may put a page on its list
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
	bool to_node;
	int node;
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

/* trace.c */
void ferry_trace_outcome(const struct ferry_job *job, unsigned long slot, u8 outcome);

static inline unsigned long ferry_job_addr(const struct ferry_job *job,
					   unsigned long slot)
{
	return job->start + slot * PAGE_SIZE;
}

static inline void ferry_job_report(struct ferry_job *job, unsigned long slot, u8 outcome)
{
	if (job->outcome)
		job->outcome[slot] = outcome;
	if (outcome && tracepoint_enabled(ferry_outcome))
		ferry_trace_outcome(job, slot, outcome);
}

/* Leave the page of a slot alone, with the reason in @outcome. */
static inline void ferry_job_skip(struct ferry_job *job, unsigned long slot, u8 outcome)
{
	job->src[slot] = 0;
	ferry_job_report(job, slot, outcome);
}

static inline unsigned long ferry_job_count_moving(const struct ferry_job *job)
{
	unsigned long slot, count = 0;

	for (slot = 0; slot < job->npages; slot++)
		count += !!(job->src[slot] & MIGRATE_PFN_MIGRATE);
	return count;
}

/* A collected page stays after all. */
static inline void ferry_job_refuse(struct ferry_job *job, unsigned long slot, u8 outcome)
{
	job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
	job->moving--;
	job->refused = true;
	ferry_job_report(job, slot, outcome);
}

/* A collected page is a small folio, and the used destination is another. */
static inline struct folio *ferry_slot_folio(unsigned long slot)
{
	return (struct folio *)pfn_to_page(slot >> MIGRATE_PFN_SHIFT);
}

/* For slots with MIGRATE_PFN_VALID. */
static inline struct folio *ferry_job_source(const struct ferry_job *job,
					     unsigned long slot)
{
	return ferry_slot_folio(job->src[slot]);
}

/* As folio_test_swapcache(). The bit has other meanings on other pages. */
static inline bool ferry_folio_in_swap_cache(const struct folio *folio)
{
	return READ_ONCE(*ferry_flags(folio)) & BIT(PG_swapcache) && folio_test_swapcache(folio);
}

/*
 * References that the swap cache, the page cache and a filesystem's private data
 * keep on a small folio that is locked and mapped nowhere.
 */
static inline int ferry_folio_kept(const struct folio *folio)
{
	if (folio_test_anon(folio))
		return ferry_folio_in_swap_cache(folio);
	return folio_expected_ref_count(folio);
}

/*
 * Expected references of a small folio that is mapped nowhere: the engine's
 * reference, the references of caches (@kept) and, on the fault page, the
 * caller's.
 */
static inline bool ferry_job_references_right(const struct ferry_job *job,
					      const struct folio *folio, int kept)
{
	bool faulted = job->fault_page == &folio->page;
	int count = folio_ref_count(folio);

	/* Fast path: halves the generated code. */
	if (likely(count == 1 && !kept && !faulted))
		return true;
	return count == 1 + kept + faulted;
}

/*
 * Whether a drain of the LRU batches may drop the one extra reference of a
 * system page that is mapped nowhere. Another CPU's batch (activation,
 * deactivation, lazy freeing) may hold the reference. A pinned page has more
 * than one extra reference (GUP_PIN_COUNTING_BIAS).
 */
static inline bool ferry_job_drain_may_help(const struct ferry_job *job,
					    const struct folio *folio, int kept)
{
	return !job->drained && !folio_is_zone_device(folio) &&
	       folio_ref_count(folio) == 2 + kept;
}

/* A short !folio_mapped(), for small folios. */
static inline bool ferry_folio_unmapped(const struct folio *folio)
{
	return atomic_read(&folio->_mapcount) < 0;
}

/*
 * Whether install.c handles a slot. In setup (@back): the refused pages. In
 * finalize: all remaining pages.
 */
static inline bool ferry_job_is_due(const struct ferry_job *job, unsigned long slot,
				    bool back)
{
	unsigned long src = job->src[slot];

	return src & MIGRATE_PFN_VALID && !(back && src & MIGRATE_PFN_MIGRATE);
}

/*
 * Whether the caller of setup holds the lock of the page, before setup and after
 * finalize: the page of a CPU fault on kernels whose do_swap_page() locks it.
 * The engine uses that lock, and neither takes nor drops it.
 */
static __always_inline bool ferry_job_caller_locked(const struct ferry_job *job,
						    const struct page *page)
{
	return FERRY_FAULT_PAGE_LOCKED && unlikely(job->fault_page == page);
}

/* Called once every FERRY_SLOTS_AT_ONCE slots; @next: the next slot. */
static inline void ferry_job_resched(const struct ferry_job *job, unsigned long next)
{
	if (next < job->npages)
		cond_resched();
}

/* The folio with a slot's data: the destination once used, else the source. */
static inline struct folio *ferry_job_holder(const struct ferry_job *job,
					     unsigned long slot)
{
	/* NULL in setup by pfn. */
	unsigned long dst = job->dst ? job->dst[slot] : 0;

	return ferry_slot_folio(dst & FERRY_PFN_USED ? dst : job->src[slot]);
}

/* Only migrations by address are timed. */
static inline struct ferry_timer ferry_job_timer(const struct ferry_job *job,
						 enum ferry_timing_step step)
{
	if (!job->vma)
		return (struct ferry_timer) { };
	return ferry_timer(FERRY_TIMING_OWN, job->to_node ? FERRY_TIMING_TO_NODE :
			   ferry_timing_way(job->select, job->fault_page), step);
}

void ferry_job_init_offset(struct ferry_job *job);
bool ferry_drain_is_due(void);
void ferry_collect(struct ferry_job *job);
void ferry_isolate(struct ferry_job *job);
bool ferry_isolate_put(struct ferry_job *job, unsigned long first, unsigned long end,
		       bool back);
void ferry_unmap(struct ferry_job *job);
void ferry_metadata_move(struct ferry_job *job);
u8 ferry_move_file(struct folio *src, struct folio *dst);
unsigned long ferry_whole_at(struct ferry_job *job, unsigned long slot);
void ferry_insert_pages(struct ferry_job *job);
void ferry_install(struct ferry_job *job);
void ferry_install_back(struct ferry_job *job);

#endif
