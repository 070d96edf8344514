/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations for an engine in a module: the headers of a kernel package have
 * no mm/internal.h, and asm/tlbflush.h hides the flushes from modules. Each
 * function is named in livepatch.symbols. The vermagic and the build-id
 * (livepatch.c) keep the module to the one kernel whose layouts are used here.
 */
#ifndef FERRY_MIGRATE_MM_DECLARED_H
#define FERRY_MIGRATE_MM_DECLARED_H

#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/swap.h>

struct folio_batch;

/* mm/internal.h, mm/page_alloc.h */
pmd_t *mm_find_pmd(struct mm_struct *mm, unsigned long address);
void mlock_drain_local(void);
bool folio_isolate_lru(struct folio *folio);
void try_to_unmap_flush(void);
void free_unref_folios(struct folio_batch *folios);

#ifndef FERRY_HAS_PUBLIC_LRU_ADD
void lru_add_drain(void);
void folio_add_lru_vma(struct folio *folio, struct vm_area_struct *vma);
#endif

#ifndef FERRY_HAS_PUBLIC_ANON_VMA
struct anon_vma *folio_get_anon_vma(const struct folio *folio);
void __put_anon_vma(struct anon_vma *anon_vma);
int __anon_vma_prepare(struct vm_area_struct *vma);

static inline void put_anon_vma(struct anon_vma *anon_vma)
{
	if (atomic_dec_and_test(&anon_vma->refcount))
		__put_anon_vma(anon_vma);
}

static inline int anon_vma_prepare(struct vm_area_struct *vma)
{
	return vma->anon_vma ? 0 : __anon_vma_prepare(vma);
}
#endif

/*
 * __mpol_put() is exported for KVM alone, and modpost refuses the name. The
 * symbols' list gives the function another name.
 */
struct mempolicy;
void ferry_klp_mpol_put(struct mempolicy *policy);
#define ferry_mpol_put(policy)	ferry_klp_mpol_put(policy)

/* asm/tlbflush.h; small pages alone. */
void flush_tlb_mm_range(struct mm_struct *mm, unsigned long start, unsigned long end,
			unsigned int stride_shift, bool freed_tables);
#define flush_tlb_range(vma, start, end)	\
	flush_tlb_mm_range((vma)->vm_mm, start, end, PAGE_SHIFT, false)

static inline u64 inc_mm_tlb_gen(struct mm_struct *mm)
{
	return atomic64_inc_return(&mm->context.tlb_gen);
}

#endif
