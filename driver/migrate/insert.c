// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages phase: a new page for an address without a page: a hole, or the zero
 * page. collect.c offers both in the same form: MIGRATE_PFN_MIGRATE alone in
 * src[]. The outcome is ZERO_FILLED. At a memory cgroup's limit the address
 * stays as found, with the outcome NO_MEMORY. (core: mirror/charge.c hides the
 * holes that do not fit.)
 *
 * collect.c left the entry unchanged, so between setup and here a CPU fault may
 * have mapped a page, and the CPU's page wins. Page tables, the anon_vma and
 * the memcg charge are prepared without a lock. Then, under the page-table
 * lock, as in do_anonymous_page() (I19):
 *
 *  1. The entry is still empty or the zero page, and userfaultfd does not
 *     write-protect the entry.
 *  2. The address space is stable: the OOM reaper must not meet new pages in an
 *     mm whose memory the reaper has taken away.
 *  3. No userfaultfd monitor waits for a missing page. A monitor may have
 *     registered since setup. Registration needs mmap_lock for writing, but a
 *     check costs less than trust in drop-in callers.
 *  4. The zero page's entry is cleared and flushed before the new entry is
 *     written. Otherwise two CPUs could read two pages. Each zero page costs
 *     one flush, outside the strategies and the counters (tlb_batch.c).
 *  5. The caller has cleared the page. The page becomes uptodate, with a
 *     barrier, before the entry can be seen.
 *
 * The entry is soft-dirty, as after a CPU's first access: a task that tracks
 * changes would otherwise miss the device's writes. (core leaves the bit clear
 * for private device pages.)
 *
 * On failure the charge is given back before the caller gets the page (I5).
 *
 * Memory (docs/memory.md). Filling a hole is best effort. No OOM killer is
 * called, neither the system's nor a memory cgroup's.
 *
 * The charge does not reclaim. Device pages are on no LRU list, so reclaim
 * cannot reach device pages. Below the limit each filled hole takes the room of
 * a page that reclaim can reach. In the end reclaim finds nothing, and the next
 * CPU fault of the cgroup calls the OOM killer. A hole is therefore filled only
 * if memory.max leaves room. memory.high does not stop a hole: mm reclaims for
 * the excess when the caller returns to user mode.
 *
 * The first page without memory ends the filling of the batch. Each batch thus
 * meets a full memory cgroup once, and memory.events of the address space's
 * cgroup counts the event. (A page table without a free page in the whole system
 * counts too.)
 *
 * Rejected: one try at reclaim (__GFP_NORETRY). With 4 MiB of room, 16 MiB of
 * holes moved, and 12.5 MiB of the cgroup's memory went to swap.
 *
 * mm allocates the page tables and the anon_vma with GFP_KERNEL and a charge,
 * and takes no flags from here. So the engine works in two steps:
 *
 *  1. The engine allocates as many charged pages, without reclaim, and frees the
 *     pages.
 *  2. mm allocates in a scope (PF_MEMALLOC) in which mm neither reclaims nor
 *     kills. mm takes the freed pages: from this CPU's free lists, and from
 *     this CPU's stock of charges.
 *
 * If another task took the freed pages in between, mm takes up to SPARE_PAGES
 * of the reserves, and the cgroup exceeds its limit by as many pages, at most,
 * for each thread in the scope: once for each page table of 512 pages.
 *
 * Rejected: the scope around the charge of the page itself. The charge would
 * fill holes beyond any limit.
 */
#include <linux/ksm.h>
#include <linux/memcontrol.h>
#include <linux/memremap.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/pgalloc.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include <asm/tlbflush.h>

#include "engine.h"
#include "mm_internal.h"

/* For memory that progress does not need: no reclaim. */
#define HOLE_GFP	((GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN)

/* mm's allocations for one address: four table levels, anon_vma and chain. */
#define SPARE_PAGES	6

/* Returns whether mm can allocate for one address; holds no page. */
static bool have_spare_pages(void)
{
	struct page *pages[SPARE_PAGES];
	unsigned int n, got;

	for (got = 0; got < SPARE_PAGES; got++) {
		pages[got] = alloc_page(HOLE_GFP | __GFP_ACCOUNT);
		if (!pages[got])
			break;
	}
	for (n = 0; n < got; n++)
		__free_page(pages[n]);
	return got == SPARE_PAGES;
}

/* Returns the PMD of @addr, with a page table allocated; NULL: no memory. */
static pmd_t *prepare_table(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgdp = pgd_offset(mm, addr);
	p4d_t *p4dp = p4d_alloc(mm, pgdp, addr);
	pud_t *pudp = p4dp ? pud_alloc(mm, p4dp, addr) : NULL;
	pmd_t *pmdp = pudp ? pmd_alloc(mm, pudp, addr) : NULL;

	return pmdp && !pte_alloc(mm, pmdp) ? pmdp : NULL;
}

/* Prepares an address for an anonymous page. Returns NULL without memory. */
static pmd_t *prepare_tables(struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmdp = mm_find_pmd(vma->vm_mm, addr);
	unsigned int flags;

	if (likely(pmdp && !pmd_none(pmdp_get_lockless(pmdp)) && vma->anon_vma))
		return pmdp;
	if (!have_spare_pages())
		return NULL;
	flags = memalloc_noreclaim_save();
	pmdp = anon_vma_prepare(vma) ? NULL : prepare_table(vma->vm_mm, addr);
	memalloc_noreclaim_restore(flags);
	return pmdp;
}

static pte_t make_pte(const struct ferry_job *job, struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	unsigned long pfn = folio_pfn(folio);
	pte_t pte;

	if (folio_is_device_private(folio)) {
		pte = swp_entry_to_pte(vma->vm_flags & VM_WRITE && !job->readable ?
				       make_writable_device_private_entry(pfn) :
				       make_readable_device_private_entry(pfn));
		return pte_swp_mksoft_dirty(pte);
	}
	pte = pte_mksoft_dirty(mk_pte(folio_page(folio, 0), vma->vm_page_prot));
	if (vma->vm_flags & VM_WRITE)
		pte = pte_mkwrite(pte_mkdirty(pte), vma);
	return pte;
}

/* Under the entry's lock: why the hole cannot be filled, or 0. */
static u8 insert_refusal(struct vm_area_struct *vma, pte_t old)
{
	if (!pte_none(old) && !(pte_present(old) && is_zero_pfn(pte_pfn(old))))
		return FERRY_RACED;
	/* A write-protected zero page: the first write must be reported. */
	if (pte_present(old) && pte_uffd(old))
		return FERRY_UFFD;
	if (check_stable_address_space(vma->vm_mm))
		return FERRY_RACED;
	if (userfaultfd_missing(vma))
		return FERRY_UFFD;
	return FERRY_NOT_ATTEMPTED;
}

static u8 insert_page_locked(struct ferry_job *job, unsigned long addr, pte_t *ptep,
			     struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	pte_t old = ptep_get(ptep);
	u8 why = insert_refusal(vma, old);

	if (why)
		return why;
	if (!pte_none(old)) {
		flush_cache_page(vma, addr, pte_pfn(old));
		ptep_clear_flush(vma, addr, ptep);
		ksm_might_unmap_zero_page(vma->vm_mm, old);
	}
	inc_mm_counter(vma->vm_mm, MM_ANONPAGES);
	folio_add_new_anon_rmap(folio, vma, addr, RMAP_EXCLUSIVE);
	if (!folio_is_zone_device(folio))
		folio_add_lru_vma(folio, vma);
	folio_get(folio);
	set_pte_at(vma->vm_mm, addr, ptep, make_pte(job, folio));
	update_mmu_cache(vma, addr, ptep);
	return FERRY_NOT_ATTEMPTED;
}

static u8 insert_page(struct ferry_job *job, unsigned long addr, pmd_t *pmdp,
		      struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	spinlock_t *ptl;
	pte_t *ptep;
	u8 why;

	/* The barrier inside orders the caller's clearing before the entry. */
	__folio_mark_uptodate(folio);

	ptep = pte_offset_map_lock(vma->vm_mm, pmdp, addr, &ptl);
	if (!ptep)
		return FERRY_RACED;
	why = insert_page_locked(job, addr, ptep, folio);
	pte_unmap_unlock(ptep, ptl);
	return why;
}

static u8 charge_and_insert(struct ferry_job *job, unsigned long addr, struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	pmd_t *pmdp;
	u8 why;

	if (!vma_is_anonymous(vma))
		return FERRY_FILE;
	pmdp = prepare_tables(vma, addr);
	if (!pmdp || mem_cgroup_charge(folio, vma->vm_mm, HOLE_GFP)) {
		/* A charge that does not reclaim is not counted by mm. */
		memcg_memory_event_mm(vma->vm_mm, MEMCG_MAX);
		return FERRY_NO_MEMORY;
	}
	why = insert_page(job, addr, pmdp, folio);
	if (why) {
		folio_clear_uptodate(folio);
		mem_cgroup_uncharge(folio);
	}
	return why;
}

static bool is_hole_with_page(const struct ferry_job *job, unsigned long slot)
{
	return job->src[slot] == MIGRATE_PFN_MIGRATE &&
	       job->dst[slot] & MIGRATE_PFN_VALID;
}

/**
 * ferry_insert_pages() - map new pages for holes
 * @job: the migration, by address; each destination for a hole is a cleared,
 *	locked page that ferry_metadata_move() accepted; a refused slot loses
 *	MIGRATE_PFN_MIGRATE and gets its outcome
 *
 * Follows do_anonymous_page() and migrate_vma_insert_page().
 *
 * Context: mmap_lock and page locks held; allocates and charges memory, without
 * the OOM killer; takes page-table locks in a section of the MMU notifiers;
 * sleeps.
 */
void ferry_insert_pages(struct ferry_job *job)
{
	unsigned long slot, first = 0;
	struct mmu_notifier_range range;
	u8 why = FERRY_NOT_ATTEMPTED;

	if (!job->holes)
		return;
	while (first < job->npages && !is_hole_with_page(job, first))
		first++;

	mmu_notifier_range_init_owner(&range, MMU_NOTIFY_MIGRATE, 0, job->vma->vm_mm,
				      ferry_job_addr(job, first),
				      ferry_job_addr(job, job->npages), job->owner);
	mmu_notifier_invalidate_range_start(&range);
	for (slot = first; slot < job->npages; slot++) {
		if (!is_hole_with_page(job, slot))
			continue;
		if (why != FERRY_NO_MEMORY)
			why = charge_and_insert(job, ferry_job_addr(job, slot),
						ferry_slot_folio(job->dst[slot]));
		if (why)
			job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
		else
			job->dst[slot] |= FERRY_PFN_USED;
		ferry_job_report(job, slot, why ?: FERRY_ZERO_FILLED);
		if (!((slot + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	mmu_notifier_invalidate_range_end(&range);
}
