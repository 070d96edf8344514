// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the TLB is flushed for page-table entries that a migration cleared.
 *
 * Two rules hold for every strategy:
 *
 * - No byte of a page is copied, and no page is freed or mapped elsewhere,
 *   while a CPU may still read or write the page through a stale translation.
 * - If a task takes the page-table lock after the engine, finds no present
 *   entry, and relies on the absence for a protection, a free or a reuse, then
 *   the task must not return to user mode before the flush. (mincore() and pagemap see the
 *   absence too, and only report.)
 *
 * The engine's callers copy after setup, so the last flush comes before setup
 * returns.
 *
 *   per_page   ptep_clear_flush() for each exclusive page, and a flush of the
 *              range for the other pages under the same lock, as in
 *              mm/migrate_device.c: one interrupt to each other CPU for each
 *              page. The baseline.
 *   per_table  Entries are cleared one by one under the lock of their table.
 *              The range from the first to the last entry is flushed once
 *              before the lock drops. No other task can have seen a cleared
 *              entry without a flush.
 *   per_call   Entries are cleared under the lock. The flush is recorded in the
 *              mm and in current->tlb_ubc before the lock drops. One flush for
 *              all tables and all address spaces follows in
 *              ferry_tlb_end_call(), at the end of unmap.c, as in reclaim:
 *              try_to_unmap_one() with TTU_BATCH_FLUSH.
 *   auto       The default: per_table or per_call, whichever costs the other
 *              CPUs less.
 *
 * Width of a flush. The record of per_call stands for a whole address space:
 * x86's struct arch_tlbflush_unmap_batch has a CPU mask and no range. The flush
 * empties the TLB of each CPU of the process, also for one page. A flush of a
 * range leaves the rest of the TLB alone, but only up to
 * tlb_single_page_flush_ceiling pages (33): beyond, x86 empties the whole TLB
 * for a range too. So auto decides for each table:
 *
 *   the call lies in one table      flush the range under the lock. Both ways
 *                                   cost one interrupt; the flush of a range
 *                                   removes fewer translations
 *   the span from the first to the  flush the range under the lock, at most
 *   last cleared entry is not       FERRY_TLB_NARROW_FLUSHES times a call
 *   above the ceiling
 *   otherwise                       defer the flush, and share it with other
 *                                   tables
 *
 * The bound keeps a sparse range from one interrupt for each of its tables.
 * Pages that other address spaces map share the deferred flush in any case.
 *
 * Zero pages are outside the strategies and the counters: insert.c replaces
 * each zero page with ptep_clear_flush(), one flush for each zero page.
 *
 * Secondary MMUs (IOMMUs with shared page tables) have no record: a deferred
 * flush would not reach them. The range is therefore always passed to the
 * secondary MMUs before the lock drops (ferry_tlb_batch_add()).
 *
 * With per_call a lock may drop over an entry that is still in some CPU's TLB.
 * Until the flush the page stays locked and referenced, and is not copied;
 * reclaim, if it finds the page on its list, leaves the page alone. The entry
 * is a migration entry. Who can meet the entry, and why each reader is right
 * (6.12):
 *
 *   zap_pte_range (munmap, exit, DONTNEED)
 *       Calls flush_tlb_batched_pending() under the lock, before it looks. The
 *       recorded flush is done, so nothing of the old page is seen after the
 *       return. Drops the migration entry; the page is the engine's.
 *   change_pte_range (mprotect, UFFDIO_WRITEPROTECT, NUMA hints)
 *       The same: a write after write protection faults.
 *   move_ptes (mremap)
 *       The same.
 *   madvise_cold_or_pageout, madvise_free_pte_range (COLD, PAGEOUT, FREE)
 *       The same, and both pass over migration entries.
 *   pagemap_scan_pmd_entry
 *       Does not look at the pending flush, but flushes the range under the
 *       lock if it changed any entry, migration entries included. An entry that
 *       was write-protected before had no writable translation.
 *   clear_refs_pte_range
 *       Calls flush_tlb_mm() before the return, if it changed entries.
 *   copy_present_ptes, copy_nonpresent_pte (fork of another mm with the page)
 *       Share the found entry, and fork flushes the parent's mm at the end.
 *   move_pages_pte (UFFDIO_MOVE)
 *       Waits for a migration entry.
 *   do_swap_page
 *       Waits for the page lock, which is dropped after the copy.
 *   GUP-fast
 *       Reads the page table, never a TLB; finds no present entry.
 *   rmap walks (reclaim, other migrations, KSM)
 *       Need the page lock.
 *   khugepaged
 *       Needs mmap_lock for writing, and flushes.
 *
 * Order within the record. The entry is cleared (an atomic exchange, so a full
 * barrier) before the mm's generation is raised and the mm's CPU mask is read
 * (arch_tlbbatch_add_pending()). A CPU that begins to use the mm after the
 * read of the mask sees the new generation in switch_mm() and flushes; a CPU
 * that used the mm before is in the mask. One record for each table is enough:
 * the record stands for the whole mm (x86 alone, see mm_internal.h).
 * tlb_flush_batched is raised under the lock, so the next holder of the lock
 * sees the new value.
 *
 * The dirty bit. A CPU with a clean writable translation must walk the table to
 * set the bit, finds no entry, and faults. A CPU with a dirty translation has
 * put the bit into the entry that the engine read. So writes up to the flush
 * land in the old page before the copy, and the exchange saw all of them as
 * dirty.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>

#include <asm/tlbflush.h>

#include "control.h"
#include "mm_internal.h"
#include "tlb_batch.h"

/*
 * auto: range flushes in one call, as many as tables in one batch of the
 * driver.
 */
#define FERRY_TLB_NARROW_FLUSHES	4

/**
 * ferry_tlb_init() - begin to collect flushes
 * @tlb: out: the empty batch
 * @flush: strategy that the caller asked for
 * @one_table: true if the range of the call lies in one page table
 * @flushes: counter of flushes, added to; must live as long as @tlb
 *
 * Context: any.
 */
void ferry_tlb_init(struct ferry_tlb *tlb, enum ferry_flush flush, bool one_table,
		    unsigned long *flushes)
{
	if (flush == FERRY_FLUSH_DEFAULT)
		flush = FERRY_FLUSH_AUTO;
	if (flush == FERRY_FLUSH_AUTO && one_table)
		flush = FERRY_FLUSH_PER_TABLE;
	if (flush != FERRY_FLUSH_PER_PAGE && !FERRY_CAN_DEFER_FLUSH)
		flush = FERRY_FLUSH_PER_TABLE;
	*tlb = (struct ferry_tlb) {
		.strategy = flush,
		.narrow = FERRY_TLB_NARROW_FLUSHES,
		.flushes = flushes,
	};
}

#if FERRY_CAN_DEFER_FLUSH
/* Follows set_tlb_ubc_flush_pending(). */
static void set_pending(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct tlbflush_unmap_batch *ubc = &current->tlb_ubc;
	int batch;

	ferry_tlb_batch_add(&ubc->arch, mm, start, end);
	ubc->flush_required = true;
	ubc->writable = true;

	/* The entries were cleared before the record; both under the lock. */
	barrier();
	batch = atomic_read(&mm->tlb_flush_batched);
	do {
		/*
		 * `pending' must not run into `flushed': restart with one
		 * pending flush.
		 */
		if ((batch & FERRY_TLB_PENDING_MASK) <= FERRY_TLB_PENDING_LARGE) {
			atomic_inc(&mm->tlb_flush_batched);
			return;
		}
	} while (!atomic_try_cmpxchg(&mm->tlb_flush_batched, &batch, 1));
}

static bool should_defer(struct ferry_tlb *tlb, unsigned long size)
{
	if (tlb->strategy != FERRY_FLUSH_AUTO)
		return tlb->strategy == FERRY_FLUSH_PER_CALL;
	if (size >> PAGE_SHIFT > tlb_single_page_flush_ceiling || !tlb->narrow)
		return true;
	tlb->narrow--;
	return false;
}
#else
static void set_pending(struct mm_struct *mm, unsigned long start, unsigned long end)
{
}

static bool should_defer(struct ferry_tlb *tlb, unsigned long size)
{
	return false;
}
#endif

/**
 * ferry_tlb_end_table() - flush or record before the lock of a page table drops
 * @tlb: the batch; since the last call, entries of the locked table and of no
 *	other table were cleared
 * @vma: mapping of the cleared entries
 *
 * Context: page-table lock held; does not sleep.
 */
void ferry_tlb_end_table(struct ferry_tlb *tlb, struct vm_area_struct *vma)
{
	unsigned long end = tlb->last + PAGE_SIZE;

	if (!tlb->cleared)
		return;
	tlb->cleared = false;
	ferry_control_delay(FERRY_DELAY_CLEAR_TO_FLUSH);
	if (should_defer(tlb, end - tlb->first)) {
		set_pending(vma->vm_mm, tlb->first, end);
		return;
	}
	flush_tlb_range(vma, tlb->first, end);
	++*tlb->flushes;
}

/**
 * ferry_tlb_ttu_flags() - how the rmap walks must flush
 * @tlb: the batch
 *
 * Context: any.
 * Return: flags for try_to_migrate(): TTU_BATCH_FLUSH, or 0 with
 * %FERRY_FLUSH_PER_PAGE.
 */
enum ttu_flags ferry_tlb_ttu_flags(const struct ferry_tlb *tlb)
{
	return tlb->strategy == FERRY_FLUSH_PER_PAGE ? 0 : TTU_BATCH_FLUSH;
}

/**
 * ferry_tlb_end_call() - do the deferred flush, for rmap walks too
 * @tlb: the batch
 *
 * Context: interrupts on, no page-table lock held, before any byte is copied.
 */
void ferry_tlb_end_call(struct ferry_tlb *tlb)
{
#ifdef CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH
	if (!current->tlb_ubc.flush_required)
		return;
	ferry_control_pause(FERRY_PAUSE_BEFORE_FLUSH);
	++*tlb->flushes;
	try_to_unmap_flush();
#endif
}
