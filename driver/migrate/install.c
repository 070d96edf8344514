// SPDX-License-Identifier: GPL-2.0-only
/*
 * Last phase: migration entries come out of the page tables, on success and on failure
 * alike, here and nowhere else (I6). What takes their place is the page that holds the
 * data now: the destination where the metadata moved, else the source.
 *
 * In this order:
 *
 *  1. A system page goes to its LRU list before it is mapped (isolate.c). If it may be
 *     mlocked it goes by way of the CPU's batch, which is drained then: mlock, which the
 *     rmap does on the way, counts only on a page that is on its list, and a page that
 *     two processes have mlocked must count two (I22).
 *  2. The entries. What the migration entry says now is what counts, not what setup
 *     found: mprotect, uffd write-protect and PAGEMAP_SCAN may have changed it since
 *     (I8); the last leaves a protected entry writable, so protection decides. If it
 *     is not there any more (DONTNEED, munmap of another mm) nothing is mapped.
 *       Where writes are tracked a page that is not soft-dirty comes back read-only, so
 *     that the CPU's next write faults, and an exclusive one that is comes back
 *     writable, though its entry was readable, as device entries are there (writes.c).
 *       Young and dirty come back from the entry, dirty only if the folio is dirty
 *     still. Device entries have no room for them: there the folio's flag stands for
 *     dirty, from collect on.
 *       AnonExclusive comes back unless the entry is a readable one, which a fork has
 *     made of it, or which it was (I13).
 *       No flush: the entry was not present.
 *  3. Locks drop, and those who wait for the page (faults) look again; references
 *     are put. The source of a move is freed here; system pages by the batch, with no
 *     page lock or page-table lock held.
 *
 * Known entries (I23). collect.c noted a page KNOWN if its only entry was the one that
 * it replaced. With mmap_lock held ever since it is there still, or gone. So one lock
 * of each page table serves all its entries, without the rmap's lock and its walk.
 * If what is found is not a migration entry for our page, the rmap walk decides after
 * all: that costs little and asks for no proof.
 *   The reference that the caller has on a destination becomes the entry's, and the
 * destination is unlocked at once, still under the lock of its table. When that drops,
 * MADV_DONTNEED may free the page: from then on it is not looked at (GIVEN).
 *
 * The others: a walk of the rmap, as remove_migration_ptes() does it, but that the same
 * function decides what is installed. It needs the anon_vma to live: mmap_lock keeps
 * that of our own mapping; for the forms by pfn, which hold none, a reference was
 * taken while the page was still mapped (I18) and is put here, last.
 */
#include <linux/mmu_notifier.h>
#include <linux/pagevec.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#include "engine.h"
#include "entry.h"
#include "mm_internal.h"

/* @holder: slot of what holds the data */
static __always_inline pte_t make_present_pte(const struct ferry_job *job,
					      struct vm_area_struct *vma,
					      unsigned long holder, pte_t old, bool write)
{
	unsigned long offset = ferry_coding_offset(old);
	pte_t pte = pfn_pte(holder >> MIGRATE_PFN_SHIFT, READ_ONCE(vma->vm_page_prot));

	if (!(offset & job->young))
		pte = pte_mkold(pte);
	if (offset & job->dirty && folio_test_dirty(ferry_slot_folio(holder)))
		pte = pte_mkdirty(pte);
	pte = pte_swp_soft_dirty(old) ? pte_mksoft_dirty(pte) :
					pte_clear_soft_dirty(pte);
	if (write)
		pte = maybe_mkwrite(pte, vma);
	if (pte_swp_uffd_wp(old))
		pte = pte_mkuffd_wp(pte);
	return pte;
}

/*
 * In a mapping whose writes are tracked, as can_change_pte_writable(): a first write is
 * to fault. A device's entry gets no right that the migration entry does not have.
 */
static noinline bool may_write_tracked(unsigned long type, pte_t old,
				       const struct folio *folio)
{
	if (type == SWP_MIGRATION_READ || pte_swp_uffd_wp(old))
		return false;
	if (type != SWP_MIGRATION_WRITE && folio_is_device_private(folio))
		return false;
	return ferry_writes_marked(old);
}

/*
 * clear_refs leaves an entry writable, too, and a younger mapping may have been merged with
 * its own since. By pfn nobody holds mmap_lock to ask.
 */
static noinline bool is_cleared(const struct ferry_job *job)
{
	return job->vma && ferry_writes_cleared(job->vma->vm_mm);
}

/*
 * @vma, @tracked: the mapping, and whether its writes are tracked; @src, @holder: slots, of
 * the page and of what holds its data. Returns whether the entry was ours; it has the
 * caller's reference on @holder then.
 */
static __always_inline bool install_entry(struct ferry_job *job, struct vm_area_struct *vma,
					  bool tracked, unsigned long addr, pte_t *ptep,
					  unsigned long src, unsigned long holder)
{
	struct folio *folio = ferry_slot_folio(holder);
	pte_t old = ptep_get(ptep), new;
	unsigned long type;
	bool write;

	if (!ferry_coding_is_swap(old))
		return false;
	type = ferry_coding_type(old);
	if (!ferry_type_is_migration(type) ||
	    (ferry_coding_offset(old) & job->pfn_mask) != src >> MIGRATE_PFN_SHIFT)
		return false;

	/* PAGEMAP_SCAN protects an entry and leaves it a writable one. */
	write = type == SWP_MIGRATION_WRITE && !pte_swp_uffd_wp(old);
	if (unlikely(tracked))
		write = may_write_tracked(type, old, folio);
	else if (write && unlikely(!ferry_writes_marked(old)))
		write = !is_cleared(job);
	if (folio_is_device_private(folio))
		new = ferry_coding_replace(old, write ? FERRY_DEVICE_WRITE :
					   FERRY_DEVICE_READ, holder >> MIGRATE_PFN_SHIFT);
	else
		new = make_present_pte(job, vma, holder, old, write);
	ferry_rmap_add(&job->mapped, folio, vma, addr, type != SWP_MIGRATION_READ);
	set_pte_at(vma->vm_mm, addr, ptep, new);
	update_mmu_cache(vma, addr, ptep);
	return true;
}

/* Returns whether the page is mapped where it was; @ptep is under its lock. */
static __always_inline bool install_slot(struct ferry_job *job, unsigned long slot,
					 pte_t *ptep)
{
	unsigned long src = job->src[slot], dst = job->dst[slot];
	bool used = dst & FERRY_PFN_USED;
	unsigned long holder = used ? dst : src;

	if (!install_entry(job, job->vma, job->tracked, ferry_job_addr(job, slot), ptep, src,
			   holder))
		return false;
	if (likely(used)) {
		job->dst[slot] = dst | FERRY_PFN_GIVEN;
		folio_unlock(ferry_slot_folio(dst));
	} else {
		folio_get(ferry_slot_folio(src));
	}
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

/*
 * What is not found where it was noted loses the note. Returns how many slots are left
 * for the rmap.
 */
static unsigned long install_slots(struct ferry_job *job, const struct span *span, pte_t *ptep)
{
	unsigned long left = 0, known = 0, slot;

	for (slot = span->first; slot < span->end; slot++, ptep++) {
		if (!ferry_job_is_due(job, slot, span->back))
			continue;
		if (likely(job->src[slot] & FERRY_PFN_KNOWN && install_slot(job, slot, ptep))) {
			known++;
		} else {
			job->src[slot] &= ~FERRY_PFN_KNOWN;
			left++;
		}
	}
	job->counts->known += known;
	return left;
}

/* Returns whether anything that is due is left to be found by the rmap. */
static bool install_known(struct ferry_job *job, const struct span *span)
{
	unsigned long slot = span->first, addr = ferry_job_addr(job, slot), left;
	struct vm_area_struct *vma = job->vma;
	pte_t *table = NULL;
	spinlock_t *ptl;
	pmd_t *pmdp;

	pmdp = mm_find_pmd(vma->vm_mm, addr);
	if (pmdp)
		table = pte_offset_map_lock(vma->vm_mm, pmdp, addr, &ptl);
	if (!table) {
		for (; slot < span->end; slot++)
			if (ferry_job_is_due(job, slot, span->back))
				job->src[slot] &= ~FERRY_PFN_KNOWN;
		return true;
	}
	arch_enter_lazy_mmu_mode();
	left = install_slots(job, span, table);
	arch_leave_lazy_mmu_mode();
	ferry_mapped_pay(&job->mapped);
	/* What mlock has put aside, before this CPU may change. */
	if (vma->vm_flags & VM_LOCKED)
		mlock_drain_local();
	pte_unmap_unlock(table, ptl);
	return left;
}

/**
 * struct walk - a page that is looked for by the rmap
 * @job: the migration
 * @slot: of the page
 */
struct walk {
	struct ferry_job *job;
	unsigned long slot;
};

/* In one mapping, which may be another process's. */
static bool install_walked(struct folio *holder, struct vm_area_struct *vma,
			   unsigned long addr, void *arg)
{
	const struct walk *walk = arg;
	struct ferry_job *job = walk->job;
	unsigned long src = job->src[walk->slot];
	DEFINE_FOLIO_VMA_WALK(pvmw, ferry_slot_folio(src), vma, addr,
			      PVMW_SYNC | PVMW_MIGRATION);

	while (page_vma_mapped_walk(&pvmw)) {
		/* An entry for exclusive access is not ours. */
		if (!pvmw.pte ||
		    !install_entry(job, vma, ferry_writes_tracked_now(vma), pvmw.address,
				   pvmw.pte, src, migrate_pfn(folio_pfn(holder))))
			continue;
		folio_get(holder);
		ferry_mapped_pay(&job->mapped);
		if (vma->vm_flags & VM_LOCKED)
			mlock_drain_local();
	}
	return true;
}

static void install_by_rmap(struct ferry_job *job, unsigned long slot)
{
	struct walk walk = { .job = job, .slot = slot };
	struct rmap_walk_control control = { .rmap_one = install_walked, .arg = &walk };

	rmap_walk(ferry_job_holder(job, slot), &control);
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

/*
 * Sources are freed in batches. One that has moved is off its list and has no charge
 * any more, so if ours was its last reference nothing is left to do but to free it.
 */
static void free_batch(struct folio_batch *freed)
{
	if (folio_batch_count(freed))
		free_unref_folios(freed);
	folio_batch_reinit(freed);
}

/* A device's, which was found by pfn. */
static void release_held(struct folio *folio)
{
	struct anon_vma *anon_vma = folio->private;

	folio->private = NULL;
	folio_unlock(folio);
	folio_put(folio);
	put_anon_vma(anon_vma);
}

/* @src: the slot; @moved: a destination took its place */
static __always_inline void release_source(unsigned long src, bool moved,
					   struct folio_batch *freed)
{
	struct folio *folio = ferry_slot_folio(src);

	if (src & FERRY_PFN_HELD) {
		release_held(folio);
		return;
	}
	folio_unlock(folio);
	if (!moved || folio_is_zone_device(folio))
		folio_put(folio);
	else if (folio_put_testzero(folio) && !folio_batch_add(freed, folio))
		free_batch(freed);
}

/* One that is still there. */
static void release_destination(struct ferry_job *job, unsigned long slot)
{
	struct page *page = pfn_to_page(job->dst[slot] >> MIGRATE_PFN_SHIFT);

	if (job->dst[slot] & FERRY_PFN_USED) {
		folio_unlock(page_folio(page));
		put_page(page);
	} else {
		give_back(job, slot, page);
	}
}

static void install_span(struct ferry_job *job, const struct span *span)
{
	bool in_batch, left = true;
	unsigned long slot;

	/* The batch that is drained is the one that was filled. */
	migrate_disable();
	in_batch = ferry_isolate_put(job, span->first, span->end, span->back);
	if (in_batch || (job->vma && job->vma->vm_flags & VM_LOCKED))
		lru_add_drain();
	migrate_enable();
	/* By pfn nothing is known. */
	if (job->vma)
		left = install_known(job, span);
	for (slot = span->first; slot < span->end && left; slot++)
		if (!(job->src[slot] & FERRY_PFN_KNOWN) &&
		    ferry_job_is_due(job, slot, span->back))
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
	unsigned long slot, src, dst;
	struct folio_batch freed;
	struct span span = {};

	folio_batch_init(&freed);
	for (; span.first < job->npages; span.first = span.end) {
		span.end = span_end(job, span.first);
		install_span(job, &span);
		for (slot = span.first; slot < span.end; slot++) {
			src = job->src[slot];
			dst = job->dst[slot];
			if ((dst & (MIGRATE_PFN_VALID | FERRY_PFN_GIVEN)) == MIGRATE_PFN_VALID)
				release_destination(job, slot);
			if (src & MIGRATE_PFN_VALID)
				release_source(src, dst & FERRY_PFN_USED, &freed);
		}
		ferry_job_resched(job, span.end);
	}
	free_batch(&freed);
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
	struct folio_batch freed;
	unsigned long slot;

	folio_batch_init(&freed);
	for (; span.first < job->npages; span.first = span.end) {
		span.end = span_end(job, span.first);
		install_span(job, &span);
		for (slot = span.first; slot < span.end; slot++) {
			if (!ferry_job_is_due(job, slot, span.back))
				continue;
			release_source(job->src[slot], false, &freed);
			job->src[slot] = 0;
		}
		ferry_job_resched(job, span.end);
	}
	free_batch(&freed);
}
