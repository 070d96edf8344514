// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the TLB is flushed for page-table entries that a migration cleared.
 *
 * What must hold, whatever the strategy: no byte of a page is copied, and no page is
 * freed or mapped elsewhere, while a CPU may still read or write it through a stale
 * translation; and nobody who took the page-table lock after us and relies on an
 * entry being gone may return to a user while one exists. The engine's callers copy
 * after setup, so the last flush is before setup returns.
 *
 *   per_page	ptep_clear_flush() for each exclusive page, and a flush of the range
 *		for the others under the same lock: what mm/migrate_device.c does, one
 *		interrupt to each other CPU for each page. The baseline.
 *   per_table	entries are cleared one by one under the lock of their table, and the
 *		range from the first to the last is flushed once before the lock drops.
 *		Nobody else can have seen a cleared entry without a flush.
 *   per_call	entries are cleared under the lock, the flush is recorded in the mm and
 *		in current->tlb_ubc before the lock drops, and done once for all tables
 *		and all address spaces in ferry_tlb_end_call(): as reclaim does,
 *		try_to_unmap_one() with TTU_BATCH_FLUSH.
 *   auto	the default: per_table or per_call, whichever costs the other CPUs less.
 *
 * How wide a flush is. The record of per_call stands for a whole address space: x86's
 * struct arch_tlbflush_unmap_batch has a CPU mask and no range, so the flush empties the
 * TLB of each CPU of the process, also for one page. A flush of a range leaves the rest
 * of the TLB alone, but only up to tlb_single_page_flush_ceiling pages (33): beyond, x86
 * empties the whole TLB for a range too. So auto asks for each table:
 *   the call lies in one table		the range is flushed under the lock: one interrupt
 *					either way, and the narrower flush
 *   few pages were cleared: their span	the range is flushed under the lock, at most
 *   is not above the ceiling		FERRY_TLB_NARROW_FLUSHES times a call
 *   otherwise				the flush is deferred, with those of other tables
 * The bound keeps a sparse range from one interrupt for each of its tables. Pages that
 * other address spaces map share the deferred flush in any case.
 *
 * Secondary MMUs (IOMMUs with shared page tables) always get the range: what x86 records
 * for the CPUs needs no range from them (ferry_tlb_batch_add()).
 *
 * With per_call a lock may drop over an entry that some CPU still has. In between
 * the page stays locked and referenced, and is not copied; so reclaim, should it
 * find it on its list, leaves it alone. The entry is a migration entry. Who can meet
 * it, and why each is right (6.12):
 *
 *   zap_pte_range		(munmap, exit, DONTNEED) flush_tlb_batched_pending()
 *				under the lock, before it looks: what was recorded is
 *				flushed, so nothing of the old page is seen after it
 *				returns. It drops the migration entry; the page is ours.
 *   change_pte_range		(mprotect, UFFDIO_WRITEPROTECT, NUMA hints) the same: a
 *				write after write protection faults
 *   move_ptes			(mremap) the same
 *   madvise_cold_or_pageout,	(COLD, PAGEOUT, FREE) the same, and they pass over
 *   madvise_free_pte_range	migration entries
 *   pagemap_scan_pmd_entry	does not look at what is pending, but flushes the range
 *				under the lock if it changed any entry, migration entries
 *				included; one that was write-protected before it came had
 *				no writable translation
 *   clear_refs_pte_range	flush_tlb_mm() before it returns, if it changed entries
 *   copy_present/nonpresent_pte (fork, of another mm that shares the page) shares what
 *				it finds and flushes the parent's mm at the end
 *   move_pages_pte		(UFFDIO_MOVE) waits for a migration entry
 *   do_swap_page		waits for the page's lock, which is dropped after the copy
 *   GUP-fast			reads the page table, never a TLB; finds no present entry
 *   rmap walks (reclaim, other migrations, KSM) need the page's lock
 *   khugepaged			needs mmap_lock for writing, and flushes
 *
 * The order within the record: the entry is cleared (an atomic exchange, so a full
 * barrier) before the mm's generation is raised and its CPU mask read
 * (arch_tlbbatch_add_pending()): a CPU that begins to use the mm after that sees the
 * new generation in switch_mm() and flushes; one that used it before is in the mask.
 * Once for each table is enough: the record stands for the whole mm (x86 alone, see
 * mm_internal.h). tlb_flush_batched is raised under the lock, so whoever takes the
 * lock next sees it.
 *
 * The dirty bit: a CPU that holds a clean writable translation must walk the table
 * to set the bit, finds the entry gone and faults; one that holds a dirty one has put
 * the bit into the entry that we read. So writes up to the flush land in the old page
 * before it is copied, and all of them were seen as dirty by the exchange.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>

#include <asm/tlbflush.h>

#include "control.h"
#include "mm_internal.h"
#include "tlb_batch.h"

/* Auto: flushes of a range in one call: the tables of one batch of the driver. */
#define FERRY_TLB_NARROW_FLUSHES	4

/**
 * ferry_tlb_init() - begin to collect
 * @tlb: uninitialised
 * @flush: what the caller asked for
 * @one_table: the range of the call lies in one page table
 * @flushes: counter, added to
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

	/* The entries are cleared before the mm says so; both are under the lock. */
	barrier();
	batch = atomic_read(&mm->tlb_flush_batched);
	do {
		/* `pending' must not run into `flushed': start anew, one pending. */
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
 * ferry_tlb_end_table() - the lock of a page table is about to drop
 * @tlb: the batch; entries of this table alone were cleared since the last call
 * @vma: mapping
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
 * ferry_tlb_ttu_flags() - how rmap walks are to flush
 * @tlb: the batch
 *
 * Return: flags for try_to_migrate().
 */
enum ttu_flags ferry_tlb_ttu_flags(const struct ferry_tlb *tlb)
{
	return tlb->strategy == FERRY_FLUSH_PER_PAGE ? 0 : TTU_BATCH_FLUSH;
}

/**
 * ferry_tlb_end_call() - do what was deferred, rmap walks included
 * @tlb: the batch
 *
 * Context: interrupts on, no page-table lock; before any byte is copied.
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
