// SPDX-License-Identifier: GPL-2.0-only
/*
 * Last phase: migration entries come out of the page tables, on success and on failure
 * alike, here and nowhere else (I6). What takes their place is the page that holds the
 * data now: the destination where the metadata moved, else the source.
 *
 * In this order:
 *
 *  1. A system page goes to its LRU list, by way of the CPU's batch, before it is
 *     mapped. If it may be mlocked the batch is drained first: mlock, which the rmap
 *     does on the way, counts only on a page that is on its list, and a page that two
 *     processes have mlocked must count two (I22).
 *  2. The entries. What the migration entry says now is what counts, not what setup
 *     found: mprotect, uffd write-protect and PAGEMAP_SCAN may have changed it since
 *     (I8); the last leaves a protected entry writable, so protection decides. If it
 *     is not there any more (DONTNEED, munmap of another mm) nothing is mapped.
 *       Young and dirty come back from the entry, dirty only if the folio is dirty
 *     still. Device entries have no room for them: there the folio's flag stands for
 *     dirty, from collect on.
 *       AnonExclusive comes back unless the entry is a readable one, which a fork has
 *     made of it, or which it was (I13).
 *       No flush: the entry was not present.
 *  3. Locks drop, and those who wait for the page (faults) look again; references
 *     are put. The source of a move is freed here.
 *
 * Known entries (I23). collect.c noted a page KNOWN if its only entry was the one that
 * it replaced. With mmap_lock held ever since it is there still, or gone. So one lock
 * of each page table serves all its entries, without the rmap's lock and its walk.
 * If what is found is not a migration entry for our page, the rmap walk decides after
 * all: that costs little and asks for no proof.
 *
 * The others: remove_migration_ptes(). It needs the anon_vma to live: mmap_lock keeps
 * that of our own mapping; for the forms by pfn, which hold none, a reference was
 * taken while the page was still mapped (I18) and is put here, last.
 */
#include <linux/mmu_notifier.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#include "engine.h"
#include "mm_internal.h"

static struct folio *used_destination(const struct ferry_job *job, unsigned long slot)
{
	/* In setup there are none yet. */
	if (!job->dst || !(job->dst[slot] & FERRY_PFN_USED))
		return NULL;
	return ferry_job_offered(job, slot);
}

/* Where the data of a slot's page is now. */
static struct folio *holder(const struct ferry_job *job, unsigned long slot)
{
	return used_destination(job, slot) ?: ferry_job_source(job, slot);
}

static void add_to_lru(const struct ferry_job *job, unsigned long slot)
{
	struct folio *folio = holder(job, slot);

	if (folio_is_zone_device(folio))
		return;
	if (folio == ferry_job_source(job, slot) && job->src[slot] & FERRY_PFN_ON_LRU)
		return;
	folio_add_lru(folio);
}

static pte_t make_device_pte(struct folio *folio, pte_t old, bool write)
{
	pte_t pte = swp_entry_to_pte(write ?
			make_writable_device_private_entry(folio_pfn(folio)) :
			make_readable_device_private_entry(folio_pfn(folio)));

	if (pte_swp_soft_dirty(old))
		pte = pte_swp_mksoft_dirty(pte);
	if (pte_swp_uffd_wp(old))
		pte = pte_swp_mkuffd_wp(pte);
	return pte;
}

static pte_t make_present_pte(struct folio *folio, struct vm_area_struct *vma, pte_t old,
			      bool write)
{
	swp_entry_t entry = pte_to_swp_entry(old);
	pte_t pte = mk_pte(folio_page(folio, 0), READ_ONCE(vma->vm_page_prot));

	if (!is_migration_entry_young(entry))
		pte = pte_mkold(pte);
	if (folio_test_dirty(folio) && is_migration_entry_dirty(entry))
		pte = pte_mkdirty(pte);
	pte = pte_swp_soft_dirty(old) ? pte_mksoft_dirty(pte) :
					pte_clear_soft_dirty(pte);
	if (write)
		pte = maybe_mkwrite(pte, vma);
	if (pte_swp_uffd_wp(old))
		pte = pte_mkuffd_wp(pte);
	return pte;
}

/* Returns whether the entry was ours. */
static bool install_entry(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep,
			  struct folio *src, struct folio *folio)
{
	pte_t old = ptep_get(ptep), new;
	rmap_t flags = RMAP_NONE;
	swp_entry_t entry;
	bool write;

	if (!is_swap_pte(old))
		return false;
	entry = pte_to_swp_entry(old);
	if (!is_migration_entry(entry) || swp_offset_pfn(entry) != folio_pfn(src))
		return false;

	if (!is_readable_migration_entry(entry))
		flags |= RMAP_EXCLUSIVE;
	/* PAGEMAP_SCAN protects an entry and leaves it a writable one. */
	write = is_writable_migration_entry(entry) && !pte_swp_uffd_wp(old);
	if (folio_is_device_private(folio))
		new = make_device_pte(folio, old, write);
	else
		new = make_present_pte(folio, vma, old, write);
	folio_get(folio);
	folio_add_anon_rmap_pte(folio, folio_page(folio, 0), vma, addr, flags);
	set_pte_at(vma->vm_mm, addr, ptep, new);
	update_mmu_cache(vma, addr, ptep);
	return true;
}

/**
 * struct span - slots of one page table that are to be installed
 * @first: slot
 * @end: exclusive
 * @back: only those that were refused in setup
 */
struct span {
	unsigned long first;
	unsigned long end;
	bool back;
};

static bool is_due(const struct ferry_job *job, const struct span *span,
		   unsigned long slot)
{
	if (!(job->src[slot] & MIGRATE_PFN_VALID))
		return false;
	return !span->back || !(job->src[slot] & MIGRATE_PFN_MIGRATE);
}

/* What was not found where it was noted loses the note. */
static void install_known(struct ferry_job *job, const struct span *span)
{
	unsigned long slot = span->first, addr = ferry_job_addr(job, slot);
	struct vm_area_struct *vma = job->vma;
	pte_t *table = NULL, *ptep;
	spinlock_t *ptl;
	pmd_t *pmdp;

	pmdp = mm_find_pmd(vma->vm_mm, addr);
	if (pmdp)
		table = pte_offset_map_lock(vma->vm_mm, pmdp, addr, &ptl);
	if (table)
		arch_enter_lazy_mmu_mode();
	for (ptep = table; slot < span->end; slot++, addr += PAGE_SIZE) {
		if (is_due(job, span, slot) && job->src[slot] & FERRY_PFN_KNOWN) {
			if (!table ||
			    !install_entry(vma, addr, ptep, ferry_job_source(job, slot),
					   holder(job, slot)))
				job->src[slot] &= ~FERRY_PFN_KNOWN;
			else
				job->counts->known++;
		}
		if (table)
			ptep++;
	}
	if (!table)
		return;
	arch_leave_lazy_mmu_mode();
	/* What mlock has put aside, before this CPU may change. */
	if (vma->vm_flags & VM_LOCKED)
		mlock_drain_local();
	pte_unmap_unlock(table, ptl);
}

static void install_by_rmap(struct ferry_job *job, unsigned long slot)
{
	remove_migration_ptes(ferry_job_source(job, slot), holder(job, slot), 0);
	job->counts->walked++;
}

/* An unused destination goes back to where it came from, exactly once (I5). */
static void give_back(struct ferry_job *job, unsigned long slot, struct page *page)
{
	if (!(job->dst[slot] & FERRY_PFN_UNLOCKED) && PageLocked(page))
		folio_unlock(page_folio(page));
	if (job->ext && job->ext->put_dst)
		job->ext->put_dst(job->ext, page);
	else
		put_page(page);
}

static void release_source(struct ferry_job *job, unsigned long slot)
{
	struct folio *folio = ferry_job_source(job, slot);
	struct anon_vma *anon_vma = NULL;

	if (job->src[slot] & FERRY_PFN_HELD) {
		anon_vma = folio->private;
		folio->private = NULL;
	}
	folio_unlock(folio);
	folio_put(folio);
	if (anon_vma)
		put_anon_vma(anon_vma);
}

static void release_destination(struct ferry_job *job, unsigned long slot)
{
	struct page *page = migrate_pfn_to_page(job->dst[slot]);

	if (!page)
		return;
	if (used_destination(job, slot)) {
		folio_unlock(page_folio(page));
		put_page(page);
	} else {
		give_back(job, slot, page);
	}
}

static void install_span(struct ferry_job *job, const struct span *span)
{
	bool any_known = false, any_mlocked = false;
	unsigned long slot;

	for (slot = span->first; slot < span->end; slot++) {
		if (!is_due(job, span, slot))
			continue;
		add_to_lru(job, slot);
		any_known |= !!(job->src[slot] & FERRY_PFN_KNOWN);
		any_mlocked |= folio_test_unevictable(holder(job, slot));
	}
	if (any_mlocked || (job->vma && job->vma->vm_flags & VM_LOCKED))
		lru_add_drain();
	if (any_known)
		install_known(job, span);
	for (slot = span->first; slot < span->end; slot++)
		if (is_due(job, span, slot) && !(job->src[slot] & FERRY_PFN_KNOWN))
			install_by_rmap(job, slot);
}

/* Slots of one page table; by pfn there is none, and no slot is KNOWN. */
static unsigned long span_end(const struct ferry_job *job, unsigned long first)
{
	unsigned long addr = ferry_job_addr(job, first);

	return min(job->npages, first + (PMD_SIZE - (addr & ~PMD_MASK)) / PAGE_SIZE);
}

/**
 * ferry_install() - map what there is, unlock and put everything
 * @job: all of src[] and dst[]; done with afterwards
 *
 * Context: sleeps.
 */
void ferry_install(struct ferry_job *job)
{
	struct span span = {};
	unsigned long slot;

	for (; span.first < job->npages; span.first = span.end) {
		span.end = span_end(job, span.first);
		install_span(job, &span);
		for (slot = span.first; slot < span.end; slot++) {
			release_destination(job, slot);
			if (job->src[slot] & MIGRATE_PFN_VALID)
				release_source(job, slot);
		}
	}
}

/**
 * ferry_install_back() - put back where they were the pages that lost MIGRATE
 * @job: within setup; their slots are 0 afterwards
 *
 * Context: sleeps.
 */
void ferry_install_back(struct ferry_job *job)
{
	struct span span = { .back = true };
	unsigned long slot;

	for (; span.first < job->npages; span.first = span.end) {
		span.end = span_end(job, span.first);
		install_span(job, &span);
		for (slot = span.first; slot < span.end; slot++) {
			if (!is_due(job, &span, slot))
				continue;
			release_source(job, slot);
			job->src[slot] = 0;
		}
	}
}
