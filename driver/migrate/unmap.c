// SPDX-License-Identifier: GPL-2.0-only
/*
 * Third phase: pages that are mapped elsewhere too, or that were found by pfn, leave
 * those page tables; and every page is checked for references that we cannot explain.
 *
 * A page that nobody maps any more needs no rmap walk (I7): most pages, whose only
 * entry collect.c has replaced. For the others the kernel's try_to_migrate() walks
 * the anon_vma. It calls MMU notifiers for each address space (MMU_NOTIFY_CLEAR), so
 * no lock that a driver's notifier takes may be held here (I15): we hold mmap_lock,
 * or for the forms by pfn a reference on the anon_vma, and page locks. It clears each
 * entry as collect.c does, dirty bit and pin check included (a device-private entry it
 * takes for dirty, whatever the page is: docs/findings.md); with a deferred flush
 * all address spaces share the one at the end. One walk for each page: what is still
 * mapped then (a temporary stack of exec(), a pin, an entry that somebody is just
 * taking out) is put back and told. Nothing waits (I12, I16).
 *
 * collect.c has seen already which pages are neither mapped nor referenced any more;
 * where that is so for all of them there is nothing to look at. A reference that comes
 * later than that look is found by metadata.c. A page that was mapped elsewhere too is
 * looked at here; where a drain of the LRU batches may take its reference away, the
 * rest is left undone: everything is put back, and setup begins anew (migrate.c).
 *
 * References: with the page locked, unmapped and off its LRU list, all that may be left
 * are ours, the swap cache's, and the caller's on a page that faulted. Any other
 * (GUP, a pipe, a fault in another thread) may be about to access the page, and the
 * page stays (I17). The same check, once more, is metadata.c's before the page
 * changes its place: a reference can still be taken in between (a speculative one
 * through a pfn, or swap-in's on a page of the swap cache).
 *
 * All flushes are done before this returns, and what is put back is put back after
 * them: nothing was copied.
 */
#include <linux/rmap.h>

#include "engine.h"

static void unmap(struct ferry_job *job, unsigned long slot, enum ttu_flags flags)
{
	struct folio *folio = ferry_job_source(job, slot);
	bool cached;

	if (!ferry_folio_unmapped(folio)) {
		try_to_migrate(folio, flags);
		if (folio_mapped(folio)) {
			ferry_job_refuse(job, slot, folio_maybe_dma_pinned(folio) ?
					 FERRY_PINNED : FERRY_SHARED_BUSY);
			return;
		}
	}
	cached = ferry_folio_in_swap_cache(folio);
	if (ferry_job_references_right(job, folio, cached))
		return;
	if (ferry_job_drain_may_help(job, folio, cached))
		job->want_drain = true;
	else
		ferry_job_refuse(job, slot, FERRY_PINNED);
}

/**
 * ferry_unmap() - make sure that nobody reaches the collected pages
 * @job: what does not work out is put back where it was mapped, and told
 *
 * Afterwards each page in src[] is locked, isolated, mapped nowhere, in no TLB, and
 * has MIGRATE_PFN_MIGRATE; or @job->want_drain is set, and the job is to be put back.
 *
 * Context: sleeps.
 */
void ferry_unmap(struct ferry_job *job)
{
	enum ttu_flags flags = ferry_tlb_ttu_flags(&job->tlb);
	unsigned long slot, wanted = MIGRATE_PFN_VALID | MIGRATE_PFN_MIGRATE;
	cycles_t start;

	for (slot = 0; slot < job->npages && job->want_unmap && !job->want_drain; slot++) {
		if ((job->src[slot] & wanted) == wanted)
			unmap(job, slot, flags);
		if (!((slot + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	start = ferry_stamp_begin();
	ferry_tlb_end_call(&job->tlb);
	ferry_job_stamp(job, FERRY_STAMP_FLUSH, start);
	if (job->refused && !job->want_drain)
		ferry_install_back(job);
}
