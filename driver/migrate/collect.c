// SPDX-License-Identifier: GPL-2.0-only
/*
 * First phase: the pages of a range leave the page table.
 *
 * Each slot of src[] belongs to one address, by arithmetic and not by counting
 * the steps of the walk. A skipped address therefore has its slot all the same
 * (I20). A pass looks at the slots with the mark AGAIN; in the first pass all
 * slots have the mark.
 *
 * Steps for a page that may move, under the lock of its page table, in order:
 *
 *  1. No reference is taken. The entry holds a reference, names the page and
 *     cannot change, so the page cannot be freed. In step 7 the entry's
 *     reference becomes the engine's.
 *  2. The page lock, by trylock. The engine holds other page locks, in the
 *     order of addresses, and the holder of this page lock may wait for one of
 *     them (I16). From here on reclaim, KSM, other migrations and swap-in
 *     through another mm keep off. Checks under the page lock (KSM, writeback,
 *     on an LRU list) stay true, except for isolation by other tasks, which
 *     isolate.c checks again.
 *
 *     Two kinds of pages ask for a drain of the LRU batches, each once for a
 *     call (migrate.c). A page on no list may be in some CPU's batch. A page
 *     with exactly one extra reference, counted after step 7, may be in a batch
 *     for another list (activation, lazy freeing). After a drain, the holder of
 *     a remaining reference uses the page.
 *  3. The entry is read and cleared in one atomic step (I1). A CPU that wrote
 *     through a cached translation has set the dirty bit in the value that is
 *     read. A CPU that writes later finds no entry, and faults and waits for
 *     the lock. Reading first and clearing later would lose a bit that is set
 *     in between. GUP-fast that read the entry before sees the change, and
 *     drops its reference.
 *  4. The pin check, for an exclusive page (I13). Only after step 3: GUP-fast
 *     then either took its pin before, and the check sees the pin, or sees no
 *     entry (the barriers are in folio_try_share_anon_rmap_pte()). A pinned
 *     page gets its entry back unchanged; no other holder of the lock could
 *     look in between. AnonExclusive is cleared before the migration entry can
 *     be seen: AnonExclusive must not stand on an unmapped page.
 *  5. The dirty bit goes to the folio before the lock drops. The next holder of
 *     the lock (zap for DONTNEED, and after it reclaim in another process) takes
 *     no dirty bit from a migration entry, and must find the bit in the folio. The folio's
 *     lock, held, keeps writeback, swap-out and MADV_FREE from cleaning the
 *     folio; a folio that is dirty already stays dirty.
 *  6. The migration entry takes the place of the cleared entry. From now on
 *     faults wait for the page lock, fork shares the entry as readable, zap
 *     drops the entry, and mprotect and uffd write-protect change the entry.
 *     install.c obeys the entry as found at finalize (I8).
 *  7. The rmap drops the mapping, and the entry's reference becomes the
 *     engine's. The rmap count drops last. Until then the count is one too
 *     high, and other tasks refuse the page. The count is never too low.
 *
 *     A page without another mapping is noted as KNOWN (I23): at finalize
 *     the migration entry is at the slot's address, or nowhere. Proof: the page
 *     is locked and in no other page table. Another address space can map the
 *     page through the swap cache (needs the page lock) or by a copy of the
 *     migration entry alone. In the same mm, fork and mremap need mmap_lock for
 *     writing, and UFFDIO_MOVE waits for migration entries.
 *
 * tlb_batch.c argues the TLB flushes. Each pass lies in a section of the MMU
 * notifiers, which ends before any copy (I15). The section names the caller's
 * pgmap owner: a driver's notifier may ignore the driver's own migrations, as
 * with core. Ferry's mirror ignores none (mirror/notifier.c).
 *
 * A PMD is read once (I9). Huge pages are noted, then split after the walk,
 * outside the section and with no page-table lock, then looked at again. A
 * later change (a THP that came or went, a page table freed by a collapse) is
 * simply the input of the next pass; FERRY_MIGRATE_PASSES bounds the passes
 * (I12).
 */
#include <linux/memremap.h>
#include <linux/mmu_notifier.h>
#include <linux/pagewalk.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include "engine.h"
#include "entry.h"
#include "mm_internal.h"

/*
 * The functions for each page are inline: the fields of struct entry become
 * registers, which saves a tenth of a page's cost in this phase.
 */

/**
 * struct entry - the page-table entry under inspection
 * @src: slot of the address, in src[]
 * @addr: address of the entry, in bytes
 * @ptep: place of the entry, under the lock of its table
 * @pte: value as read
 * @present: @pte is present. Under the lock of the table the processor changes
 *	no more than the bits young and dirty
 * @pfn: pfn of the named page
 * @page: the named page
 * @device: the page is a device's
 */
struct entry {
	unsigned long *src;
	unsigned long addr;
	pte_t *ptep;
	pte_t pte;
	bool present;
	unsigned long pfn;
	struct page *page;
	bool device;
};

static unsigned long slot_of(const struct ferry_job *job, unsigned long addr)
{
	return (addr - job->start) >> PAGE_SHIFT;
}

static void skip_entry(struct ferry_job *job, const struct entry *entry, u8 outcome)
{
	ferry_job_skip(job, entry->src - job->src, outcome);
}

static bool wants_system(const struct ferry_job *job)
{
	return job->select & MIGRATE_VMA_SELECT_SYSTEM;
}

static bool is_at_node(const struct ferry_job *job, const struct page *page)
{
	return job->to_node && page_to_nid(page) == job->node;
}

/* A hole. Any selection offers the slot for filling, as core does. */
static void collect_hole(struct ferry_job *job, unsigned long slot)
{
	if (job->to_node) {
		ferry_job_skip(job, slot, FERRY_HOLE);
	} else if (!vma_is_anonymous(job->vma)) {
		ferry_job_skip(job, slot, wants_system(job) ? FERRY_FILE : FERRY_HOLE);
	} else if (userfaultfd_missing(job->vma)) {
		ferry_job_skip(job, slot, wants_system(job) ? FERRY_UFFD : FERRY_HOLE);
	} else {
		job->src[slot] = MIGRATE_PFN_MIGRATE;
		job->moving++;
	}
}

static void collect_zero(struct ferry_job *job, const struct entry *entry)
{
	if (!wants_system(job))
		skip_entry(job, entry, FERRY_ALREADY_THERE);
	else if (pte_uffd(entry->pte) && !job->to_node)
		skip_entry(job, entry, FERRY_UFFD);
	else
		collect_hole(job, entry->src - job->src);
}

/* The migration entry for a moving page; @write: the page may be written. */
static __always_inline pte_t make_migration_pte(const struct ferry_job *job,
						const struct entry *entry,
						bool write, bool exclusive)
{
	unsigned long offset = entry->pfn, type;
	bool present = entry->present;
	pte_t new;

	/* install.c restores the right to write, unless removed by then. */
	if (write && !job->readable)
		type = SWP_MIGRATION_WRITE;
	else
		type = exclusive ? SWP_MIGRATION_READ_EXCLUSIVE : SWP_MIGRATION_READ;

	/* Only present entries have young and dirty. */
	if (present && pte_young(entry->pte))
		offset |= job->young;
	if (present && pte_dirty(entry->pte))
		offset |= job->dirty;

	new = ferry_coding_make(type, offset);
	if (present ? pte_soft_dirty(entry->pte) : pte_swp_soft_dirty(entry->pte))
		new = pte_swp_mksoft_dirty(new);
	/*
	 * PAGEMAP_SCAN protects a device entry and leaves the entry writable.
	 * The device may have written since, and no mark records the write. So
	 * the page counts as written.
	 */
	if (present ? pte_uffd(entry->pte) : pte_swp_uffd(entry->pte) && !write)
		new = pte_swp_mkuffd(new);
	return new;
}

static __always_inline bool is_writable(const struct entry *entry)
{
	if (entry->present)
		return pte_write(entry->pte);
	return ferry_coding_type(entry->pte) == FERRY_DEVICE_WRITE;
}

/* The last mapping is gone, and the engine's reference is not the only one. */
static noinline void look_at_references(struct ferry_job *job, const struct folio *folio)
{
	int kept = ferry_folio_kept(folio);

	if (ferry_job_references_right(job, folio, kept))
		return;
	job->want_unmap = true;
	job->want_drain |= ferry_job_drain_may_help(job, folio, kept);
}

/* Steps 3 to 7 of the file header, with the folio locked. */
static __always_inline u8 take(struct ferry_job *job, struct entry *entry, struct folio *folio)
{
	bool exclusive = ferry_folio_exclusive(folio), write;
	struct vm_area_struct *vma = job->vma;
	unsigned long src;

	if (entry->present)
		flush_cache_page(vma, entry->addr, pte_pfn(entry->pte));
	entry->pte = ferry_tlb_clear(&job->tlb, vma, entry->addr, entry->ptep, exclusive);

	if (exclusive && folio_try_share_anon_rmap_pte(folio, entry->page)) {
		set_pte_at(vma->vm_mm, entry->addr, entry->ptep, entry->pte);
		return FERRY_PINNED;
	}
	ferry_control_delay(FERRY_DELAY_CLEAR_TO_DIRTY);
	if (entry->present && pte_dirty(entry->pte) && !folio_test_dirty(folio))
		folio_mark_dirty(folio);

	write = is_writable(entry);
	set_pte_at(vma->vm_mm, entry->addr, entry->ptep,
		   make_migration_pte(job, entry, write, exclusive));
	src = migrate_pfn(entry->pfn) | MIGRATE_PFN_MIGRATE;
	if (likely(write))
		src |= MIGRATE_PFN_WRITE;
	if (likely(ferry_rmap_remove(&job->mapped, folio, vma))) {
		src |= FERRY_PFN_KNOWN;
		/* A single reference is the engine's; metadata.c checks again. */
		if (unlikely(folio_ref_count(folio) != 1))
			look_at_references(job, folio);
	} else {
		job->want_unmap = true;
	}
	if (!entry->device)
		src |= FERRY_PFN_LISTED;
	*entry->src = src;
	job->moving++;
	return FERRY_NOT_ATTEMPTED;
}

/*
 * Steps 3 to 7 for a page of a file, on the way to a node. No pin check: a page
 * of a file is never exclusive, and metadata.c finds a pin by its reference.
 */
static noinline u8 take_file(struct ferry_job *job, struct entry *entry, struct folio *folio)
{
	struct vm_area_struct *vma = job->vma;
	unsigned long src = migrate_pfn(entry->pfn) | MIGRATE_PFN_MIGRATE | FERRY_PFN_LISTED;

	flush_cache_page(vma, entry->addr, entry->pfn);
	entry->pte = ferry_tlb_clear(&job->tlb, vma, entry->addr, entry->ptep, false);
	ferry_control_delay(FERRY_DELAY_CLEAR_TO_DIRTY);
	if (pte_dirty(entry->pte))
		folio_mark_dirty(folio);
	set_pte_at(vma->vm_mm, entry->addr, entry->ptep,
		   make_migration_pte(job, entry, pte_write(entry->pte), false));
	folio_remove_rmap_pte(folio, entry->page, vma);
	if (folio_mapped(folio)) {
		job->want_unmap = true;
	} else {
		src |= FERRY_PFN_KNOWN;
		look_at_references(job, folio);
	}
	*entry->src = src;
	job->moving++;
	return FERRY_NOT_ATTEMPTED;
}

/*
 * mlock and munlock put device pages, too, into a CPU's batch, with a
 * reference. A CPU access to the page would fault until the CPU of the batch
 * has more to do. Other threads that fault on the page hold references as well,
 * and each of their faults would drain all CPUs. So a CPU fault drains for its
 * own page alone, and not again soon (ferry_drain_is_due()). Until then the CPU
 * fault is retried.
 */
static bool is_in_mlock_batch(const struct ferry_job *job, const struct folio *folio)
{
	bool faulted = job->fault_page == &folio->page;

	if (job->fault_page && !faulted)
		return false;
	return folio_ref_count(folio) == folio_expected_ref_count(folio) + faulted + 1 &&
	       (!faulted || ferry_drain_is_due());
}

/* Anonymous, and not merged by KSM. */
static __always_inline bool is_anon(const struct folio *folio)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	return (mapping & FOLIO_MAPPING_FLAGS) == FOLIO_MAPPING_ANON;
}

static u8 refuse_other(const struct folio *folio)
{
	if (folio_test_ksm(folio))
		return FERRY_KSM;
	return folio->mapping ? FERRY_FILE : FERRY_SPECIAL;
}

/*
 * A page of a file, on the way to a node. A filesystem moves its private data in
 * its own migrate_folio operation, or not at all.
 */
static u8 refuse_file(const struct folio *folio)
{
	struct address_space *mapping = folio->mapping;

	if (folio_test_ksm(folio))
		return FERRY_KSM;
	/* Truncated, or on the way to swap (shmem). */
	if (!mapping || folio_test_swapcache(folio))
		return FERRY_RACED;
	/* Memory that is not to be read: secretmem, guest_memfd. */
	if (mapping_inaccessible(mapping))
		return FERRY_SPECIAL;
	if (!mapping->a_ops->migrate_folio && (folio_has_private(folio) || folio_test_dirty(folio)))
		return FERRY_PRIVATE_DATA;
	return FERRY_NOT_ATTEMPTED;
}

/* Checks that stay true while the folio is locked. */
static __always_inline u8 refuse_locked(struct ferry_job *job,
					const struct entry *entry,
					struct folio *folio)
{
	const unsigned long busy = __PG_HWPOISON | BIT(PG_writeback);
	unsigned long flags = READ_ONCE(*ferry_flags(folio));
	u8 why = FERRY_NOT_ATTEMPTED;

	if (unlikely(!is_anon(folio)))
		why = job->to_node ? refuse_file(folio) : refuse_other(folio);
	if (unlikely(why))
		return why;
	if (!entry->device && (flags & (busy | BIT(PG_lru))) == BIT(PG_lru))
		return FERRY_NOT_ATTEMPTED;
	if (flags & __PG_HWPOISON)
		return FERRY_HWPOISON;
	if (flags & BIT(PG_writeback))
		return FERRY_WRITEBACK;
	if (entry->device) {
		if (job->drained || likely(!(flags & __PG_MLOCKED)) ||
		    !is_in_mlock_batch(job, folio))
			return FERRY_NOT_ATTEMPTED;
		job->want_drain = true;
		return FERRY_NOT_LRU;
	}
	job->want_list |= !job->drained_for_list;
	return FERRY_NOT_LRU;
}

/* Check by the kind of the page alone: does the caller select the page? */
static __always_inline u8 refuse_kind(const struct ferry_job *job, const struct entry *entry)
{
	const struct page *page = entry->page;
	unsigned long wanted;

	if (!entry->device) {
		if (!wants_system(job) || is_at_node(job, page))
			return FERRY_ALREADY_THERE;
		return FERRY_NOT_ATTEMPTED;
	}
	if (is_device_private_page(page))
		wanted = MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
	else if (is_device_coherent_page(page))
		wanted = MIGRATE_VMA_SELECT_DEVICE_COHERENT;
	else
		return FERRY_SPECIAL;

	if (page_pgmap(page)->owner != job->owner)
		return FERRY_FOREIGN_DEVICE;
	return job->select & wanted ? FERRY_NOT_ATTEMPTED : FERRY_ALREADY_THERE;
}

static u8 refuse_large(struct ferry_job *job, const struct folio *folio)
{
	if (!is_anon(folio) && !job->to_node)
		return refuse_other(folio);
	job->want_split = true;
	return FERRY_LARGE_SPLIT_FAILED;
}

/* Another task holds the page lock. */
static u8 refuse_unlocked(const struct ferry_job *job, const struct folio *folio)
{
	u8 why = is_anon(folio) ? FERRY_LOCKED : refuse_other(folio);

	return job->to_node && why == FERRY_FILE ? FERRY_LOCKED : why;
}

/*
 * Other users of the page would pay for the move (MPOL_MF_MOVE_ALL). The count
 * may change until the entry is cleared: a task that maps the page now has the
 * right to move the page, or forked from a task with the right.
 */
static bool is_shared(const struct ferry_job *job, const struct folio *folio)
{
	return job->to_node && !job->ext->shared && atomic_read(&folio->_mapcount) > 0;
}

/* Step 2. */
static __always_inline u8 lock_and_take(struct ferry_job *job, struct entry *entry)
{
	struct folio *folio = (struct folio *)entry->page;
	u8 why;

	/* The locked entry maps the folio, so the folio cannot be split. */
	if (PageCompound(entry->page))
		return refuse_large(job, page_folio(entry->page));
	if (!ferry_job_caller_locked(job, entry->page) && !folio_trylock(folio))
		return refuse_unlocked(job, folio);
	why = refuse_locked(job, entry, folio);
	if (!why && unlikely(is_shared(job, folio)))
		why = FERRY_SHARED;
	if (!why && likely(is_anon(folio)))
		why = take(job, entry, folio);
	else if (!why)
		why = take_file(job, entry, folio);
	if (why && !ferry_job_caller_locked(job, entry->page))
		folio_unlock(folio);
	return why;
}

static __always_inline void collect_page(struct ferry_job *job, struct entry *entry)
{
	u8 why;

	entry->device = is_zone_device_page(entry->page);
	why = refuse_kind(job, entry);
	if (!why)
		why = lock_and_take(job, entry);
	if (why == FERRY_LARGE_SPLIT_FAILED || (why == FERRY_NOT_LRU && !job->drained_for_list))
		*entry->src = FERRY_PFN_AGAIN;
	else if (why)
		skip_entry(job, entry, why);
}

/* To system memory: pages in system memory stay, and a marker has no page. */
static u8 nonpresent_outcome(const struct ferry_job *job, pte_t pte)
{
	u8 outcome = ferry_entry_outcome(softleaf_from_pte(pte));

	if (job->to_node)
		return outcome == FERRY_UFFD ? FERRY_HOLE : outcome;
	if (wants_system(job))
		return outcome;
	if (outcome == FERRY_EXCLUSIVE)
		return FERRY_ALREADY_THERE;
	return outcome == FERRY_UFFD ? FERRY_HOLE : outcome;
}

static __always_inline void collect_entry(struct ferry_job *job, struct entry *entry)
{
	entry->pte = ptep_get(entry->ptep);
	if (pte_none(entry->pte)) {
		collect_hole(job, entry->src - job->src);
		return;
	}
	entry->present = pte_present(entry->pte);
	if (!entry->present) {
		if (!ferry_type_is_device(ferry_coding_type(entry->pte))) {
			skip_entry(job, entry, nonpresent_outcome(job, entry->pte));
			return;
		}
		entry->pfn = ferry_coding_offset(entry->pte);
		entry->page = pfn_to_page(entry->pfn);
		collect_page(job, entry);
		return;
	}
	entry->pfn = pte_pfn(entry->pte);
	if (is_zero_pfn(entry->pfn)) {
		collect_zero(job, entry);
		return;
	}
	/* Setup refused VM_SPECIAL mappings. */
	entry->page = pfn_to_page(entry->pfn);
	if (pte_special(entry->pte) && !vm_normal_page(job->vma, entry->addr, entry->pte))
		skip_entry(job, entry, FERRY_SPECIAL);
	else
		collect_page(job, entry);
}

static void collect_table(struct ferry_job *job, pmd_t *pmdp, unsigned long start,
			  unsigned long end)
{
	struct entry entry = { .src = &job->src[slot_of(job, start)], .addr = start };
	struct mm_struct *mm = job->vma->vm_mm;
	spinlock_t *ptl;
	pte_t *table;

	table = pte_offset_map_lock(mm, pmdp, start, &ptl);
	if (!table) {
		job->raced = true;
		return;
	}
	lazy_mmu_mode_enable();
	entry.ptep = table;
	for (; entry.addr < end; entry.addr += PAGE_SIZE, entry.ptep++, entry.src++)
		if (*entry.src == FERRY_PFN_AGAIN)
			collect_entry(job, &entry);
	lazy_mmu_mode_disable();
	ferry_mapped_pay(&job->mapped);
	ferry_tlb_end_table(&job->tlb, job->vma);
	/*
	 * munlock, in the rmap step, put pages into this CPU's batch, with a
	 * reference that would look like a pin (I22). Under the lock the task
	 * stays on this CPU.
	 */
	if (job->vma->vm_flags & VM_LOCKED)
		mlock_drain_local();
	pte_unmap_unlock(table, ptl);
}

static void skip_range(struct ferry_job *job, unsigned long start, unsigned long end,
		       u8 outcome)
{
	unsigned long addr;

	for (addr = start; addr < end; addr += PAGE_SIZE)
		if (job->src[slot_of(job, addr)] == FERRY_PFN_AGAIN)
			ferry_job_skip(job, slot_of(job, addr), outcome);
}

/* A slot that an earlier pass refused must not ask for another pass. */
static bool any_again(const struct ferry_job *job, unsigned long start, unsigned long end)
{
	unsigned long slot = slot_of(job, start);

	for (; slot < slot_of(job, end); slot++)
		if (job->src[slot] == FERRY_PFN_AGAIN)
			return true;
	return false;
}

/* The pte_hole callback of the walk; @depth: the level without a table. */
static int walk_hole(unsigned long start, unsigned long end, int depth,
		     struct mm_walk *walk)
{
	struct ferry_job *job = walk->private;
	unsigned long addr;

	for (addr = start; addr < end; addr += PAGE_SIZE)
		if (job->src[slot_of(job, addr)] == FERRY_PFN_AGAIN)
			collect_hole(job, slot_of(job, addr));
	return 0;
}

static int walk_pmd(pmd_t *pmdp, unsigned long start, unsigned long end,
		    struct mm_walk *walk)
{
	struct ferry_job *job = walk->private;
	pmd_t pmd = pmdp_get_lockless(pmdp);

	if (!any_again(job, start, end))
		return 0;
	if (pmd_none(pmd))
		return walk_hole(start, end, -1, walk);
	/* Ferry's devices have no huge pages; others have on 7.x. */
	if (pmd_trans_huge(pmd) && job->to_node && is_huge_zero_pmd(pmd))
		skip_range(job, start, end, FERRY_HOLE);
	else if (pmd_trans_huge(pmd) && (!wants_system(job) || is_at_node(job, pmd_page(pmd))))
		skip_range(job, start, end, FERRY_ALREADY_THERE);
	else if (pmd_trans_huge(pmd) && !vma_is_anonymous(job->vma) && !job->to_node)
		skip_range(job, start, end, FERRY_FILE);
	else if (pmd_trans_huge(pmd))
		job->want_split = true;
	else if (pmd_is_migration_entry(pmd))
		skip_range(job, start, end, FERRY_MIGRATING);
	else if (pmd_is_device_private_entry(pmd))
		skip_range(job, start, end, FERRY_FOREIGN_DEVICE);
	else if (pmd_devmap(pmd))
		skip_range(job, start, end, FERRY_SPECIAL);
	else
		collect_table(job, pmdp, start, end);
	cond_resched();
	return 0;
}

static const struct mm_walk_ops walk_ops = {
	.pmd_entry = walk_pmd,
	.pte_hole = walk_hole,
	.walk_lock = PGWALK_RDLOCK,
};

/**
 * ferry_collect() - take the pages of a range out of the page table
 * @job: the migration, by address; slots with FERRY_PFN_AGAIN are looked at
 *
 * Each slot then has one of these values:
 *
 * - a locked page, with one reference
 * - MIGRATE_PFN_MIGRATE alone: a hole that can be filled
 * - 0: the page stays, with its outcome
 * - FERRY_PFN_AGAIN: another pass may see more, if @job->want_drain, want_split
 *   or raced is set
 *
 * Context: mmap_lock held for reading; takes page locks by trylock and holds
 * them afterwards; sleeps.
 */
void ferry_collect(struct ferry_job *job)
{
	unsigned long end = ferry_job_addr(job, job->npages);
	struct mmu_notifier_range range;

	mmap_assert_locked(job->vma->vm_mm);
	job->want_drain = false;
	job->want_list = false;
	job->want_split = false;
	job->raced = false;

	mmu_notifier_range_init_owner(&range, MMU_NOTIFY_MIGRATE, 0, job->vma->vm_mm,
				      job->start, end, job->owner);
	mmu_notifier_invalidate_range_start(&range);
	walk_page_range_vma(job->vma, job->start, end, &walk_ops, job);
	mmu_notifier_invalidate_range_end(&range);
	job->want_drain |= job->want_list;
}
