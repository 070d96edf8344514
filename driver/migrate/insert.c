// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page for an address that had none: a hole, or the zero page.
 *
 * collect.c left the entry as it was, so between setup and here a CPU may have
 * faulted a page in, which wins. What is needed is prepared without a lock: page
 * tables, the anon_vma, the memcg charge. Then under the page-table lock, as
 * do_anonymous_page() does (I19):
 *
 *  1. the entry is none or the zero page still, and not write-protected by
 *     userfaultfd;
 *  2. the address space is stable: the OOM reaper must not meet new pages in an mm
 *     whose memory it has taken away;
 *  3. nobody waits with userfaultfd for a missing page here (they may have registered
 *     since setup: that needs mmap_lock for writing, but drop-in callers are trusted
 *     less than a check costs);
 *  4. the zero page's entry is cleared and flushed before the new one is there, or
 *     two CPUs could read two pages;
 *  5. the page is uptodate, with a barrier, before its entry can be seen: the caller
 *     has cleared it.
 *
 * The entry is soft-dirty, as after a first touch by the CPU: what the device is going
 * to write would otherwise not be seen by whoever tracks changes. (core leaves the
 * bit clear for private device pages.)
 *
 * If any of it fails the charge is given back before the caller gets the page (I5).
 *
 * Memory (docs/memory.md): filling a hole is best effort, so nothing here calls the OOM
 * killer, neither the system's nor a memory cgroup's. The page stays a hole and is
 * reported NO_MEMORY. Nothing here reclaims either: device pages are on no LRU list, and
 * memory that is pushed out to make room for them would leave the cgroup with nothing
 * that a later reclaim finds; then the next fault of any of its processes kills. So holes
 * take what room there is. The first page that finds none ends it for the rest: a full
 * memory cgroup is met once a call, and memory.events counts it.
 *   Rejected: one try at reclaim (__GFP_NORETRY). At a limit 8 MiB of holes pushed 8 MiB
 * of the cgroup's memory to swap.
 *   Page tables and the anon_vma are allocated by mm, with GFP_KERNEL and a charge, and
 * take no flags from here. So the engine first allocates and frees as many charged pages
 * by itself. Then it lets mm allocate, in a scope (PF_MEMALLOC) in which mm
 * neither reclaims nor kills. The freed pages are what mm takes then: from this CPU's
 * free lists, and from this CPU's stock of charges. If another task took them meanwhile,
 * mm takes SPARE_PAGES of the reserves, and the cgroup exceeds its limit by as many, at
 * most, for each thread that is just here: once for each page table of 512 pages.
 *   Rejected: the scope around the charge of the page itself. It would fill holes beyond
 * any limit.
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
#include <linux/swapops.h>
#include <linux/userfaultfd_k.h>

#include <asm/tlbflush.h>

#include "engine.h"
#include "mm_internal.h"

/* What is not needed for progress takes no memory from anybody. */
#define HOLE_GFP	((GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN)

/* What mm allocates for one address: tables of four levels, an anon_vma and its chain. */
#define SPARE_PAGES	6

/* Returns whether mm finds what it needs; nothing is held. */
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

/* The table of @addr, allocated where there is none; NULL: no memory, or huge. */
static pmd_t *prepare_table(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgdp = pgd_offset(mm, addr);
	p4d_t *p4dp = p4d_alloc(mm, pgdp, addr);
	pud_t *pudp = p4dp ? pud_alloc(mm, p4dp, addr) : NULL;
	pmd_t *pmdp = pudp ? pmd_alloc(mm, pudp, addr) : NULL;

	return pmdp && !pte_alloc(mm, pmdp) ? pmdp : NULL;
}

/* All that an address needs for an anonymous page; NULL: no memory. */
static pmd_t *prepare(struct vm_area_struct *vma, unsigned long addr)
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

/* What keeps the entry from being filled, under its lock. */
static u8 refuse(struct vm_area_struct *vma, pte_t old)
{
	if (!pte_none(old) && !(pte_present(old) && is_zero_pfn(pte_pfn(old))))
		return FERRY_RACED;
	/* A zero page can be write-protected: a first write is to be told. */
	if (pte_present(old) && pte_uffd_wp(old))
		return FERRY_UFFD;
	if (check_stable_address_space(vma->vm_mm))
		return FERRY_RACED;
	if (userfaultfd_missing(vma))
		return FERRY_UFFD;
	return FERRY_NOT_ATTEMPTED;
}

static u8 fill_locked(struct ferry_job *job, unsigned long addr, pte_t *ptep,
		      struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	pte_t old = ptep_get(ptep);
	u8 why = refuse(vma, old);

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

static u8 fill(struct ferry_job *job, unsigned long addr, pmd_t *pmdp,
	       struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	spinlock_t *ptl;
	pte_t *ptep;
	u8 why;

	/* The barrier in it orders the caller's clearing before the entry below. */
	__folio_mark_uptodate(folio);

	ptep = pte_offset_map_lock(vma->vm_mm, pmdp, addr, &ptl);
	if (!ptep)
		return FERRY_RACED;
	why = fill_locked(job, addr, ptep, folio);
	pte_unmap_unlock(ptep, ptl);
	return why;
}

static u8 charge_and_fill(struct ferry_job *job, unsigned long addr, struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	pmd_t *pmdp;
	u8 why;

	if (!vma_is_anonymous(vma))
		return FERRY_FILE;
	pmdp = prepare(vma, addr);
	if (!pmdp || mem_cgroup_charge(folio, vma->vm_mm, HOLE_GFP)) {
		/* A charge that does not reclaim is not counted by mm. */
		memcg_memory_event_mm(vma->vm_mm, MEMCG_MAX);
		return FERRY_NO_MEMORY;
	}
	why = fill(job, addr, pmdp, folio);
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
 * ferry_insert_pages() - map new pages where there were none
 * @job: destinations of slots without a page are cleared, locked and fit; what does
 *	not work out loses MIGRATE_PFN_MIGRATE, and is told
 *
 * Follows do_anonymous_page() and migrate_vma_insert_page().
 *
 * Context: mmap_lock held; sleeps.
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
			why = charge_and_fill(job, ferry_job_addr(job, slot),
					      ferry_slot_folio(job->dst[slot]));
		if (why)
			job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
		else
			job->dst[slot] |= FERRY_PFN_USED;
		ferry_job_tell(job, slot, why ?: FERRY_ZERO_FILLED);
		if (!((slot + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	mmu_notifier_invalidate_range_end(&range);
}
