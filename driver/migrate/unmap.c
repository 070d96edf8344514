// SPDX-License-Identifier: GPL-2.0-only
/*
 * Third phase: pages with another mapping, and pages found by pfn, leave the
 * other page tables. Every page is checked for unexpected references.
 *
 * A page without a mapping needs no rmap walk (I7). Most pages are unmapped:
 * collect.c replaced their only entry. For the other pages the kernel's
 * try_to_migrate() walks the anon_vma:
 *
 * - try_to_migrate() calls MMU notifiers for each address space
 *   (MMU_NOTIFY_CLEAR). So no lock that a driver's notifier takes may be held
 *   (I15). The engine holds mmap_lock, or by pfn a reference on the anon_vma,
 *   and page locks.
 * - try_to_migrate() clears each entry as collect.c does, dirty bit and pin
 *   check included. A device-private entry counts as dirty in try_to_migrate(),
 *   whatever the page is (docs/findings.md).
 * - With a deferred flush all address spaces share the flush at the end.
 *
 * Each page gets one walk. A page that is still mapped after the walk (a
 * temporary stack of exec(), a pin, an entry that another task is taking out)
 * is put back, with its outcome. Nothing waits (I12, I16).
 *
 * If no page has another mapping, and collect.c accepted the references of
 * every page, only the flush and the refused pages remain; metadata.c finds a
 * reference that comes later. Otherwise unmap() checks every page. If a drain
 * of the LRU batches may drop a page's extra reference, the rest is left
 * undone: all pages are put back, and setup begins again (migrate.c).
 *
 * Expected references of a locked, unmapped and isolated page are the engine's,
 * those of the swap cache or the page cache and of a filesystem's private data
 * and, on the fault page, the caller's. The holder of any
 * other reference (GUP, a pipe, a fault in another thread) may be about to
 * access the page, and the page stays (I17). metadata.c repeats the check
 * before the new page takes the old page's place: a task can still take a
 * reference in between (a speculative reference through a pfn, or swap-in's on
 * a page of the swap cache).
 *
 * All flushes are done before ferry_unmap() returns. Refused pages are put back
 * after the flushes; no page was copied.
 */
#include <linux/rmap.h>

#include "engine.h"

static void unmap(struct ferry_job *job, unsigned long slot, enum ttu_flags flags)
{
	struct folio *folio = ferry_job_source(job, slot);
	int kept;

	if (!ferry_folio_unmapped(folio)) {
		try_to_migrate(folio, flags);
		if (folio_mapped(folio)) {
			ferry_job_refuse(job, slot, folio_maybe_dma_pinned(folio) ?
					 FERRY_PINNED : FERRY_SHARED_BUSY);
			return;
		}
	}
	kept = ferry_folio_kept(folio);
	if (ferry_job_references_right(job, folio, kept))
		return;
	if (ferry_job_drain_may_help(job, folio, kept))
		job->want_drain = true;
	else
		ferry_job_refuse(job, slot, FERRY_PINNED);
}

/**
 * ferry_unmap() - take the collected pages out of all page tables and TLBs
 * @job: the migration, after ferry_isolate(), or by pfn with locked pages; a
 *	refused page is put back where the page was mapped, with its outcome
 *
 * Afterwards each page in src[] is locked, isolated, mapped nowhere, in no TLB,
 * and has MIGRATE_PFN_MIGRATE. Or @job->want_drain is set, and the caller must
 * put the whole job back.
 *
 * Context: page locks held, and mmap_lock or the pages' anon_vmas; takes
 * anon_vma and page-table locks; no lock that an MMU notifier takes is held;
 * sleeps.
 */
void ferry_unmap(struct ferry_job *job)
{
	enum ttu_flags flags = ferry_tlb_ttu_flags(&job->tlb);
	unsigned long slot, wanted = MIGRATE_PFN_VALID | MIGRATE_PFN_MIGRATE;

	for (slot = 0; slot < job->npages && job->want_unmap && !job->want_drain; slot++) {
		if ((job->src[slot] & wanted) == wanted)
			unmap(job, slot, flags);
		if (!((slot + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	ferry_timed(ferry_job_timer(job, FERRY_TIMING_FLUSH))
		ferry_tlb_end_call(&job->tlb);
	if (job->refused && !job->want_drain)
		ferry_install_back(job);
}
