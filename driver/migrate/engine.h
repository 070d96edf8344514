/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the engine share; migrate.h is for its callers. */
#ifndef FERRY_MIGRATE_ENGINE_H
#define FERRY_MIGRATE_ENGINE_H

#include <linux/mm.h>
#include <linux/tracepoint-defs.h>

#include "control.h"
#include "migrate.h"
#include "tlb_batch.h"

/*
 * Notes in src[], in bits that the kernel's encoding leaves free.
 * AGAIN stands alone, in a slot that the next pass is to look at; the same bit beside a
 * page is ON_LRU: it was not (yet) isolated.
 * KNOWN: the page's only migration entry is the one at the slot's address.
 * HELD: a reference on the page's anon_vma is in folio->private.
 */
#define FERRY_PFN_AGAIN	(1UL << 2)
#define FERRY_PFN_ON_LRU	FERRY_PFN_AGAIN
#define FERRY_PFN_KNOWN	(1UL << 4)
#define FERRY_PFN_HELD	(1UL << 5)
/*
 * In dst[]: it came unlocked, and there is no lock to drop; it took the place of its
 * source, or of nothing.
 */
#define FERRY_PFN_UNLOCKED	FERRY_PFN_AGAIN
#define FERRY_PFN_USED		FERRY_PFN_KNOWN
#define FERRY_PFN_NOTES	(FERRY_PFN_AGAIN | FERRY_PFN_KNOWN | FERRY_PFN_HELD)

static_assert(!(FERRY_PFN_NOTES & (MIGRATE_PFN_VALID | MIGRATE_PFN_MIGRATE |
				   MIGRATE_PFN_WRITE)));
static_assert(FERRY_PFN_NOTES < 1UL << MIGRATE_PFN_SHIFT);

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
 * @drained: the LRU batches of all CPUs were drained: what is not on a list now
 *	will not be
 * @want_drain: a page was met that a drain would put on its list
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
	bool drained;
	bool want_drain;
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

static inline struct folio *ferry_job_source(const struct ferry_job *job,
					     unsigned long slot)
{
	struct page *page = migrate_pfn_to_page(job->src[slot]);

	return page ? page_folio(page) : NULL;
}

static inline struct folio *ferry_job_offered(const struct ferry_job *job,
					      unsigned long slot)
{
	struct page *page = migrate_pfn_to_page(job->dst[slot]);

	return page ? page_folio(page) : NULL;
}

static inline unsigned long ferry_job_addr(const struct ferry_job *job,
					   unsigned long slot)
{
	return job->start + slot * PAGE_SIZE;
}

void ferry_collect(struct ferry_job *job);
void ferry_isolate(struct ferry_job *job);
void ferry_unmap(struct ferry_job *job);
void ferry_metadata_move(struct ferry_job *job);
bool ferry_metadata_references_right(const struct ferry_job *job, struct folio *folio);
void ferry_hole_fill(struct ferry_job *job);
void ferry_install(struct ferry_job *job);
void ferry_install_back(struct ferry_job *job);

#endif
