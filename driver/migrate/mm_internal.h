/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of mm/ that the engine uses and that modules cannot use. They are
 * the reason why the engine is built into the kernel, or needs the livepatch
 * symbols of livepatch.c. Private headers of mm/ are included here and nowhere
 * else; mm_declared.h takes their place in a module.
 *
 *   mm/internal.h               try_to_unmap_flush(),
 *                               flush_tlb_batched_pending(), mm_find_pmd(),
 *                               mlock_drain_local(); on 7.x folio_get_anon_vma(),
 *                               put_anon_vma(), folio_add_lru_vma() too
 *   mm/page_alloc.h             free_unref_folios(), on 7.x
 *   not exported                try_to_migrate(), rmap_walk(),
 *                               page_vma_mapped_walk(), folio_get_anon_vma(),
 *                               vm_normal_page(), walk_page_range_vma(),
 *                               pte_offset_map_lock(), lru_add_drain_all(), the
 *                               rmap's functions that add and remove
 *   arch/x86/mm/mm_internal.h   tlb_single_page_flush_ceiling
 *
 * One private layout is copied: mm->tlb_flush_batched, for which mm/rmap.c has
 * no more than a static function. tlb_batch_test.c shows that
 * flush_tlb_batched_pending() reads the value of set_pending().
 */
#ifndef FERRY_MIGRATE_MM_INTERNAL_H
#define FERRY_MIGRATE_MM_INTERNAL_H

#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include <asm/tlbflush.h>

#ifdef FERRY_ENGINE_IN_MODULE
#include "mm_declared.h"
#else
#include <../mm/internal.h>
#ifdef FERRY_HAS_PAGE_ALLOC_H
#include <../mm/page_alloc.h>
#endif
#define ferry_mpol_put(policy)	mpol_put(policy)
#endif

/*
 * A deferred flush stands for the whole mm on x86 alone. arm64 and riscv send
 * one flush per address in arch_tlbbatch_add_pending(), and only wait in the
 * flush.
 */
#if defined(CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH) && defined(CONFIG_X86)
#define FERRY_CAN_DEFER_FLUSH	1
#else
#define FERRY_CAN_DEFER_FLUSH	0
#endif

#if FERRY_CAN_DEFER_FLUSH
/* mm/rmap.c: generations, pending in the low and flushed in the high half. */
#define FERRY_TLB_FLUSHED_SHIFT	16
#define FERRY_TLB_PENDING_MASK	((1 << (FERRY_TLB_FLUSHED_SHIFT - 1)) - 1)
#define FERRY_TLB_PENDING_LARGE	(FERRY_TLB_PENDING_MASK / 2)

static_assert(sizeof(((struct mm_struct *)0)->tlb_flush_batched) == sizeof(u32));

/* Limit up to which x86 flushes a range page by page, in pages. */
extern unsigned long tlb_single_page_flush_ceiling;

/*
 * As arch_tlbbatch_add_pending() of x86, except for secondary MMUs: x86 sends
 * secondary MMUs the whole address space, and the engine sends the range.
 */
static inline void ferry_tlb_batch_add(struct arch_tlbflush_unmap_batch *batch,
				       struct mm_struct *mm, unsigned long start,
				       unsigned long end)
{
	inc_mm_tlb_gen(mm);
	cpumask_or(&batch->cpumask, &batch->cpumask, mm_cpumask(mm));
#ifdef FERRY_HAS_UNMAPPED_PAGES
	batch->unmapped_pages = true;
#endif
	mmu_notifier_arch_invalidate_secondary_tlbs(mm, start, end);
}
#endif

#endif
