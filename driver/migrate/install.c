// SPDX-License-Identifier: GPL-2.0-only
/*
 * Last phase: migration entries leave the page tables, on success and on
 * failure alike, in this file and nowhere else (I6). The page with the data
 * takes the place of the migration entry: the destination where the metadata
 * moved, else the source.
 *
 * In this order:
 *
 *  1. A system page goes to its LRU list before the page is mapped (isolate.c).
 *     A page that may be mlocked goes through the CPU's batch, which is then
 *     drained. The rmap step mlocks the page on the way; mlock counts only a
 *     page that is on its list, and a page that two processes have mlocked must
 *     count two (I22).
 *  2. The entries are replaced. The present value of the migration entry
 *     counts, not the value that setup found: mprotect, uffd write-protect and
 *     PAGEMAP_SCAN may have changed the entry since (I8). PAGEMAP_SCAN leaves a
 *     protected entry writable, so protection decides. If the entry is gone
 *     (DONTNEED, munmap of another mm) nothing is mapped.
 *
 *     - Tracked writes (writes.c): a page without soft-dirty comes back
 *       read-only, and the CPU's next write faults. An exclusive soft-dirty
 *       page comes back to system memory writable, although its entry was
 *       readable: device entries of a tracked mapping are readable.
 *     - Young and dirty come back from the entry, dirty only if the folio is
 *       still dirty. Device entries have no room for both bits: the folio's
 *       flag stands for dirty, from collect on.
 *     - AnonExclusive comes back unless the entry is a readable one. A fork
 *       made the entry readable, or the entry was readable before (I13).
 *     - No flush is needed: the entry was not present.
 *
 *  3. The page locks drop, and waiting faults look again. References are put.
 *     The source of a move is freed; system pages are freed in batches, with no
 *     page lock or page-table lock held.
 *
 * Fast path (I23). collect.c noted a page as KNOWN if the replaced entry was
 * the page's only entry. With mmap_lock held ever since, the migration entry is
 * still at its address, or gone. So one lock of each page table serves all
 * entries of the table, without the rmap's lock and walk. If the engine finds
 * no migration entry for the page, the rmap walk decides after all: the walk
 * costs little and asks for no proof.
 *
 * On the fast path the caller's reference on a destination becomes the entry's
 * reference, and the destination is unlocked at once, still under the lock of
 * the table. After the lock drops, MADV_DONTNEED may free the page: from then
 * on nothing looks at the page (GIVEN).
 *
 * Rmap path: an rmap walk, as in remove_migration_ptes(); install_entry()
 * decides what is installed, as on the fast path. The anon_vma must live. By
 * address, mmap_lock keeps the anon_vma of the caller's mapping. By pfn no
 * mmap_lock is held; the engine took a reference while the page was still
 * mapped (I18), and puts the reference here, last.
 */
#include <linux/mmu_notifier.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include "engine.h"
#include "entry.h"
#include "mm_internal.h"

/* @folio: the page with the data. */
static __always_inline pte_t make_present_pte(const struct ferry_job *job,
					      struct vm_area_struct *vma,
					      struct folio *folio, pte_t old, bool write)
{
	unsigned long offset = ferry_coding_offset(old);
	pte_t pte = pfn_pte(folio_pfn(folio), READ_ONCE(vma->vm_page_prot));

	if (!(offset & job->young))
		pte = pte_mkold(pte);
	if (offset & job->dirty && folio_test_dirty(folio))
		pte = pte_mkdirty(pte);
	pte = pte_swp_soft_dirty(old) ? pte_mksoft_dirty(pte) :
					pte_clear_soft_dirty(pte);
	if (write)
		pte = maybe_mkwrite(pte, vma);
	if (unlikely(pte_swp_uffd(old))) {
		pte = pte_mkuffd(pte);
		/* Read-write protection: no access before the monitor allows it. */
		if (userfaultfd_rwp(vma))
			pte = pte_modify(pte, PAGE_NONE);
	}
	return pte;
}

/*
 * The right to write in a tracked mapping, as in can_change_pte_writable(): a
 * first write must fault. A device entry gets no right that the migration entry
 * lacks.
 */
static noinline bool may_write_tracked(unsigned long type, pte_t old,
				       const struct folio *folio)
{
	if (type == SWP_MIGRATION_READ || pte_swp_uffd(old))
		return false;
	if (type != SWP_MIGRATION_WRITE && folio_is_device_private(folio))
		return false;
	return ferry_writes_marked(old);
}

/*
 * clear_refs, too, leaves an entry writable, and a younger mapping may have
 * merged with the entry's mapping since. By pfn no mmap_lock is held to ask.
 */
static noinline bool is_cleared(const struct ferry_job *job)
{
	return job->vma && ferry_writes_cleared(job->vma->vm_mm);
}

/*
 * @tracked: writes to @vma are tracked. @src: slot value of the source. @folio:
 * the page with the data. Returns whether the entry was the source's; the entry
 * then has the caller's reference on @folio.
 */
static __always_inline bool install_entry(struct ferry_job *job, struct vm_area_struct *vma,
					  bool tracked, unsigned long addr, pte_t *ptep,
					  unsigned long src, struct folio *folio)
{
	pte_t old = ptep_get(ptep), new;
	unsigned long type;
	bool write;

	if (!ferry_coding_is_swap(old))
		return false;
	type = ferry_coding_type(old);
	if (!ferry_type_is_migration(type) ||
	    (ferry_coding_offset(old) & job->pfn_mask) != src >> MIGRATE_PFN_SHIFT)
		return false;

	/* PAGEMAP_SCAN protects an entry and leaves the entry writable. */
	write = type == SWP_MIGRATION_WRITE && !pte_swp_uffd(old);
	if (unlikely(tracked))
		write = may_write_tracked(type, old, folio);
	else if (write && unlikely(!ferry_writes_marked(old)))
		write = !is_cleared(job);
	if (likely(!job->to_node || folio_test_anon(folio)))
		ferry_rmap_add(&job->mapped, folio, vma, addr, type != SWP_MIGRATION_READ);
	else
		folio_add_file_rmap_pte(folio, folio_page(folio, 0), vma);
	if (folio_is_device_private(folio))
		new = ferry_coding_replace(old, write ? FERRY_DEVICE_WRITE :
					   FERRY_DEVICE_READ, folio_pfn(folio));
	else
		new = make_present_pte(job, vma, folio, old, write);
	set_pte_at(vma->vm_mm, addr, ptep, new);
	update_mmu_cache(vma, addr, ptep);
	return true;
}

/**
 * struct span - slots of one page table, to be installed
 * @first: first slot
 * @end: end of the slots, exclusive
 * @back: install the pages that setup refused, and no others
 */
struct span {
	unsigned long first;
	unsigned long end;
	bool back;
};

/*
 * A page without its migration entry at the noted address loses the note KNOWN.
 * Returns the number of slots that are left for the rmap path.
 */
static unsigned long install_slots(struct ferry_job *job, struct vm_area_struct *vma,
				   const struct span *span, pte_t *ptep)
{
	/* Read once: the compiler must expect that each store changes the job. */
	unsigned long start = job->start, left = 0, due = 0, slot, src, dst;
	bool tracked = job->tracked;
	struct folio *folio;

	for (slot = span->first; slot < span->end; slot++, ptep++) {
		if (!ferry_job_is_due(job, slot, span->back))
			continue;
		due++;
		src = job->src[slot];
		dst = job->dst[slot];
		folio = ferry_slot_folio(dst & FERRY_PFN_USED ? dst : src);
		if (unlikely(!(src & FERRY_PFN_KNOWN) ||
			     !install_entry(job, vma, tracked, start + slot * PAGE_SIZE, ptep,
					    src, folio))) {
			job->src[slot] = src & ~FERRY_PFN_KNOWN;
			left++;
		} else if (likely(dst & FERRY_PFN_USED)) {
			job->dst[slot] = dst | FERRY_PFN_GIVEN;
			folio_unlock(folio);
		} else {
			folio_get(folio);
		}
	}
	job->counts->known += due - left;
	return left;
}

/* Fast path. Returns whether due slots are left for the rmap path. */
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
	lazy_mmu_mode_enable();
	left = install_slots(job, vma, span, table);
	lazy_mmu_mode_disable();
	ferry_mapped_pay(&job->mapped);
	/* Drain mlock's batch while the lock keeps the task on this CPU. */
	if (vma->vm_flags & VM_LOCKED)
		mlock_drain_local();
	pte_unmap_unlock(table, ptl);
	return left;
}

/**
 * struct walk - argument of an rmap walk for one page
 * @job: the migration
 * @slot: slot of the page
 */
struct walk {
	struct ferry_job *job;
	unsigned long slot;
};

/* Install in one mapping, maybe of another process. */
static bool install_walked(struct folio *holder, struct vm_area_struct *vma,
			   unsigned long addr, void *arg)
{
	const struct walk *walk = arg;
	struct ferry_job *job = walk->job;
	unsigned long src = job->src[walk->slot];
	DEFINE_FOLIO_VMA_WALK(pvmw, ferry_slot_folio(src), vma, addr,
			      PVMW_SYNC | PVMW_MIGRATION);

	while (page_vma_mapped_walk(&pvmw)) {
		/* The walk also finds device-exclusive entries, which stay. */
		if (!pvmw.pte ||
		    !install_entry(job, vma, ferry_writes_tracked_now(vma), pvmw.address,
				   pvmw.pte, src, holder))
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

/* Give an unused destination back, exactly once (I5). */
static void give_back_destination(struct ferry_job *job, unsigned long slot, struct page *page)
{
	if (!(job->dst[slot] & FERRY_PFN_UNLOCKED) && PageLocked(page))
		folio_unlock(page_folio(page));
	if (job->ext && job->ext->put_dst)
		job->ext->put_dst(job->ext, page);
	else
		put_page(page);
}

/*
 * Sources are freed in batches. A moved source is off its LRU list and has no
 * charge. After the last reference nothing is left to do but to free the page.
 */
static void free_batch(struct folio_batch *freed)
{
	if (folio_batch_count(freed))
		free_unref_folios(freed);
	folio_batch_reinit(freed);
}

/* For a device page that was found by pfn. */
static void release_held(struct folio *folio)
{
	struct anon_vma *anon_vma = folio->private;

	folio->private = NULL;
	folio_unlock(folio);
	folio_put(folio);
	put_anon_vma(anon_vma);
}

/* @src: slot value; @moved: a destination took the place of the source. */
static __always_inline void release_source(const struct ferry_job *job, unsigned long src,
					   bool moved, struct folio_batch *freed)
{
	struct folio *folio = ferry_slot_folio(src);

	if (!job->vma) {
		release_held(folio);
		return;
	}
	if (!ferry_job_caller_locked(job, &folio->page))
		folio_unlock(folio);
	if (!moved || folio_is_zone_device(folio))
		folio_put(folio);
	else if (folio_put_testzero(folio) && !folio_batch_add(freed, folio))
		free_batch(freed);
}

/* For a destination without the note GIVEN. */
static void release_destination(struct ferry_job *job, unsigned long slot)
{
	struct page *page = pfn_to_page(job->dst[slot] >> MIGRATE_PFN_SHIFT);

	if (job->dst[slot] & FERRY_PFN_USED) {
		folio_unlock(page_folio(page));
		put_page(page);
	} else {
		give_back_destination(job, slot, page);
	}
}

static void install_span(struct ferry_job *job, const struct span *span)
{
	bool in_batch, left = true;
	unsigned long slot;

	/* Drain the same CPU's batch that was filled. */
	migrate_disable();
	in_batch = ferry_isolate_put(job, span->first, span->end, span->back);
	if (in_batch || (job->vma && job->vma->vm_flags & VM_LOCKED))
		lru_add_drain();
	migrate_enable();
	/* By pfn no slot is KNOWN. */
	if (job->vma)
		left = install_known(job, span);
	for (slot = span->first; slot < span->end && left; slot++)
		if (!(job->src[slot] & FERRY_PFN_KNOWN) &&
		    ferry_job_is_due(job, slot, span->back))
			install_by_rmap(job, slot);
}

/* Slots of one page table. By pfn no table exists, and no slot is KNOWN. */
static unsigned long span_end(const struct ferry_job *job, unsigned long first)
{
	unsigned long addr = ferry_job_addr(job, first);

	return min(job->npages, first + (PMD_SIZE - (addr & ~PMD_MASK)) / PAGE_SIZE);
}

/**
 * ferry_install() - map the new or the old pages, unlock and put all pages
 * @job: the migration, after the pages phase; all slots of src[] and dst[] are
 *	done with afterwards
 *
 * Context: page locks held, and mmap_lock or the pages' anon_vmas; takes
 * lruvec, anon_vma and page-table locks; calls put_dst; sleeps.
 */
void ferry_install(struct ferry_job *job)
{
	const unsigned long *src = job->src, *dst = job->dst, *end;
	struct folio_batch freed;
	struct span span = {};

	folio_batch_init(&freed);
	for (; span.first < job->npages; span.first = span.end) {
		span.end = span_end(job, span.first);
		install_span(job, &span);
		for (end = job->src + span.end; src < end; src++, dst++) {
			if ((*dst & (MIGRATE_PFN_VALID | FERRY_PFN_GIVEN)) == MIGRATE_PFN_VALID)
				release_destination(job, dst - job->dst);
			if (*src & MIGRATE_PFN_VALID)
				release_source(job, *src, *dst & FERRY_PFN_USED, &freed);
		}
		ferry_job_resched(job, span.end);
	}
	free_batch(&freed);
}

/**
 * ferry_install_back() - map the refused pages again where they were
 * @job: the migration, in setup; the slots without MIGRATE_PFN_MIGRATE are 0
 *	afterwards
 *
 * Context: page locks held, and mmap_lock or the pages' anon_vmas; takes
 * lruvec, anon_vma and page-table locks; sleeps.
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
			release_source(job, job->src[slot], false, &freed);
			job->src[slot] = 0;
		}
		ferry_job_resched(job, span.end);
	}
	free_batch(&freed);
}
