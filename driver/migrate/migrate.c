// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ferry's migration engine: the phases, as a table of contents. Each file argues its
 * own order of steps; docs/engine.md lists the invariants I1 to I25, which test shows
 * each, and which mutant breaks it.
 *
 *	setup		ferry_collect()		collect.c	page table, locks
 *			ferry_isolate()		isolate.c	LRU lists
 *			ferry_unmap()		unmap.c		rmap, references, flush
 *	(the caller allocates and copies)	tlb_batch.c	when to flush
 *	pages		ferry_metadata_move()	metadata.c	old page to new page
 *			ferry_insert_pages()	insert.c		where there was none
 *	finalize	ferry_install()		install.c	page table, locks
 *
 * Who owns what: from setup to finalize the engine holds, for each page in src[], its
 * lock and one reference, and its place on the LRU list; the caller holds the same of
 * each page in dst[], which finalize takes over. mmap_lock is the caller's and is
 * held for reading all the way, in the forms by address. In the forms by pfn the
 * engine holds a reference on each page's anon_vma instead (I18).
 *
 * Lock order: mmap_lock, MMU notifier section, page-table lock, page locks by
 * trylock only; then, with page locks held, anon_vma (rmap walks, splits), page-
 * table locks, lruvec lock. The engine waits for no page lock, for no writeback and
 * for no other CPU's LRU batch while it holds a page lock (I16): when a page is met
 * that a drain of those batches may help, everything collected so far is put back,
 * the batches are drained once, and the range is collected anew. A drain waits for work
 * on each CPU, so a call makes one for a page on no list, whatever it finds afterwards.
 * It may make one before for a reference. Who has one reference too many is often no
 * batch but a user (KSM that compares pages): the drain for it must not use up the other,
 * for pages enter batches all the time, and a page that is refused for that reason could
 * have moved. CPU faults make one in FERRY_DRAIN_PAUSE together: N threads that fault on
 * one page would make N. (Filling holes allocates and charges memory with page locks
 * held, as a fault does for a page that it has locked.) Splits of large folios are between
 * passes as well, with page locks of others held, as mm/huge_memory.c takes them.
 *
 * Callers choose how many pages there are, so each loop over slots looks once a page table
 * whether another task wants the CPU (ferry_job_resched()), with no spinlock held.
 *
 * A state of its own between the calls there is none: what is noted of a page is in
 * spare bits of its slot (engine.h), so the drop-in calls need nothing but the
 * caller's arrays.
 *
 * Rejected: one pass over all page tables with a lock each page (core); keeping the
 * pages of a failed drain locked meanwhile (a CPU whose drain work needs one of those
 * locks would wait for us).
 */
#include <linux/dax.h>
#include <linux/export.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/memremap.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#include "engine.h"
#include "mm_internal.h"
#include "split.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

void ferry_job_trace(const struct ferry_job *job, unsigned long slot, u8 outcome)
{
	trace_ferry_outcome(job->vma ? ferry_job_addr(job, slot) : 0, slot, outcome);
}

/* Phase: setup -------------------------------------------------------------- */

/* As the kernel's, so that drop-in callers meet the same -EINVAL (I11). */
static int check_args(const struct migrate_vma *args)
{
	const struct vm_area_struct *vma = args->vma;

	if (!vma || is_vm_hugetlb_page(args->vma) || vma->vm_flags & VM_SPECIAL ||
	    vma_is_dax(vma))
		return -EINVAL;
	if (args->start >= args->end || args->start < vma->vm_start ||
	    args->end > vma->vm_end)
		return -EINVAL;
	if (!args->src || !args->dst)
		return -EINVAL;
	if (args->fault_page && !is_device_private_page(args->fault_page))
		return -EINVAL;
	return 0;
}

/* What the offset of a migration entry holds. */
static void init_offset(struct ferry_job *job)
{
	job->pfn_mask = ~0UL;
	if (migration_entry_supports_ad()) {
		job->young = SWP_MIG_YOUNG;
		job->dirty = SWP_MIG_DIRTY;
		job->pfn_mask = ~(SWP_MIG_YOUNG | SWP_MIG_DIRTY);
	}
}

static void init_job(struct ferry_job *job, struct migrate_vma *args,
		     struct ferry_migrate_counts *counts, struct ferry_migrate *ext)
{
	*job = (struct ferry_job) {
		.src = args->src,
		.dst = args->dst,
		.npages = (args->end - args->start) >> PAGE_SHIFT,
		.vma = args->vma,
		.start = args->start,
		.select = args->flags,
		.owner = args->pgmap_owner,
		.fault_page = args->fault_page,
		.outcome = ext ? ext->outcome : NULL,
		.counts = counts,
		.ext = ext,
		.mapped.place = FERRY_NO_PLACE,
	};
	ferry_tlb_init(&job->tlb, ext ? ext->flush : FERRY_FLUSH_DEFAULT,
		       !((args->start ^ (args->end - 1)) & PMD_MASK), &counts->flushes);
	init_offset(job);
	job->tracked = ferry_writes_tracked_now(args->vma) || (ext && ext->cleared);
	job->readable = job->tracked && ext;
}

/* Nothing is collected, nothing told. */
static void begin_anew(struct ferry_job *job)
{
	job->moving = 0;
	memset_l(job->src, FERRY_PFN_AGAIN, job->npages);
	if (job->outcome)
		memset(job->outcome, FERRY_NOT_ATTEMPTED, job->npages);
}

/* Between two drains that CPU faults ask for, in jiffies. */
#define FERRY_DRAIN_PAUSE	DIV_ROUND_UP(HZ, 50)

/* When the last drain began, whoever asked. Races are harmless: one drain more or less. */
static unsigned long drained_at = INITIAL_JIFFIES;

/**
 * ferry_drain_is_due() - may a CPU fault drain the LRU batches of all CPUs
 *
 * The last drain has put on their lists all pages, whoever asked for it. A page that got
 * into a batch since then waits for the next one, and its fault is tried again until then.
 *
 * Return: whether the last drain is FERRY_DRAIN_PAUSE ago.
 */
bool ferry_drain_is_due(void)
{
	return time_after_eq(jiffies, READ_ONCE(drained_at) + FERRY_DRAIN_PAUSE);
}

/* Everything back as it was, with no page lock left, to drain and begin anew. */
static void drain(struct ferry_job *job)
{
	unsigned long slot;

	for (slot = 0; slot < job->npages; slot++)
		if (job->src[slot] & MIGRATE_PFN_VALID)
			job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
	ferry_tlb_end_call(&job->tlb);
	ferry_install_back(job);
	job->refused = false;
	job->want_unmap = false;
	job->want_drain = false;
	WRITE_ONCE(drained_at, jiffies);
	lru_add_drain_all();
	job->counts->drains++;
	job->drained = true;
	job->drained_for_list |= job->want_list;
	begin_anew(job);
}

/* One try for each mapping of a large folio; where it stays large it is given up. */
static void split(struct ferry_job *job)
{
	unsigned long slot = 0, next, addr;
	int ret;

	while (slot < job->npages) {
		if (job->src[slot] != FERRY_PFN_AGAIN) {
			slot++;
			continue;
		}
		addr = ferry_job_addr(job, slot);
		ret = ferry_split_at(job->vma, addr, &next);
		next = min((next - job->start) >> PAGE_SHIFT, job->npages);
		job->counts->splits += ret > 0;
		for (; slot < next; slot++)
			if (ret < 0 && job->src[slot] == FERRY_PFN_AGAIN)
				ferry_job_skip(job, slot, ret == -EBUSY ?
					       FERRY_LOCKED : FERRY_LARGE_SPLIT_FAILED);
	}
}

/* What the last pass still found changing. */
static void give_up(struct ferry_job *job)
{
	unsigned long slot;

	for (slot = 0; slot < job->npages; slot++)
		if (job->src[slot] == FERRY_PFN_AGAIN)
			ferry_job_skip(job, slot, FERRY_RACED);
}

static void collect_in_passes(struct ferry_job *job)
{
	unsigned int pass;
	cycles_t start;

	for (pass = 1; pass <= FERRY_MIGRATE_PASSES; pass++) {
		/* What the last pass collects, nobody would collect again. */
		if (pass == FERRY_MIGRATE_PASSES) {
			job->drained = true;
			job->drained_for_list = true;
		}
		lru_add_drain();
		start = ferry_stamp_begin();
		ferry_collect(job);
		ferry_job_stamp(job, FERRY_STAMP_COLLECT, start);
		job->counts->passes++;
		if (job->want_drain)
			drain(job);
		else if (job->want_split)
			split(job);
		else if (!job->raced)
			return;
	}
	give_up(job);
}

static void collect_and_unmap(struct ferry_job *job)
{
	cycles_t start;

	collect_in_passes(job);
	start = ferry_stamp_begin();
	ferry_isolate(job);
	ferry_job_stamp(job, FERRY_STAMP_ISOLATE, start);
	start = ferry_stamp_begin();
	ferry_unmap(job);
	ferry_job_stamp(job, FERRY_STAMP_UNMAP, start);
}

static int setup(struct migrate_vma *args, struct ferry_migrate_counts *counts,
		 struct ferry_migrate *ext)
{
	struct ferry_job job;
	int ret;

	/* Counted before they are rounded, as the caller counted its arrays. */
	if ((long)(args->end - args->start) >> PAGE_SHIFT <= 0)
		return -EINVAL;
	args->start &= PAGE_MASK;
	args->end &= PAGE_MASK;
	ret = check_args(args);
	if (ret)
		return ret;

	if (ext)
		ext->cleared = args->flags & MIGRATE_VMA_SELECT_SYSTEM &&
			       ferry_writes_cleared(args->vma->vm_mm);
	init_job(&job, args, counts, ext);
	memset(job.dst, 0, job.npages * sizeof(*job.dst));
	begin_anew(&job);
	collect_and_unmap(&job);
	/* For a reference, and only before any drain, so this is the last time. */
	if (job.want_drain) {
		drain(&job);
		collect_and_unmap(&job);
	}
	VM_WARN_ON_ONCE(job.moving != ferry_job_count_moving(&job));
	args->cpages = job.moving;
	args->npages = job.npages;
	trace_ferry_setup(job.start, job.npages, args->cpages, counts->passes,
			  counts->drains, counts->flushes);
	ferry_control_pause(FERRY_PAUSE_AFTER_SETUP);
	return 0;
}

/* Phases: pages, finalize --------------------------------------------------- */

static void pages(struct migrate_vma *args, struct ferry_migrate_counts *counts,
		  struct ferry_migrate *ext)
{
	struct ferry_job job;
	cycles_t start;

	init_job(&job, args, counts, ext);
	ferry_control_pause(FERRY_PAUSE_AFTER_COPY);
	start = ferry_stamp_begin();
	ferry_metadata_move(&job);
	ferry_job_stamp(&job, FERRY_STAMP_METADATA, start);
	start = ferry_stamp_begin();
	ferry_insert_pages(&job);
	ferry_job_stamp(&job, FERRY_STAMP_HOLE, start);
	if (trace_ferry_pages_enabled())
		trace_ferry_pages(job.start, job.npages, ferry_job_count_moving(&job));
}

static void finalize(struct migrate_vma *args, struct ferry_migrate_counts *counts,
		     struct ferry_migrate *ext)
{
	struct ferry_job job;
	cycles_t start;

	mmap_assert_locked(args->vma->vm_mm);
	init_job(&job, args, counts, ext);
	ferry_control_pause(FERRY_PAUSE_BEFORE_FINALIZE);
	start = ferry_stamp_begin();
	ferry_install(&job);
	ferry_job_stamp(&job, FERRY_STAMP_INSTALL, start);
	trace_ferry_finalize(job.start, job.npages, counts->known, counts->walked);
}

/* By address: the kernel's signatures --------------------------------------- */

/**
 * ferry_migrate_setup() - collect, lock and unmap the pages of a range
 * @args: as for migrate_vma_setup()
 *
 * Drop-in for migrate_vma_setup(). Pages of files are left alone (core unmaps them
 * and maps them again); large folios are split, also when mapped by PTEs.
 *
 * Context: mmap_lock held for reading, until after finalize; sleeps.
 * Return: 0, also when no page could be had; -EINVAL for a bad range, and for hugetlb,
 * VM_SPECIAL and DAX mappings.
 */
int ferry_migrate_setup(struct migrate_vma *args)
{
	struct ferry_migrate_counts counts = {};

	return setup(args, &counts, NULL);
}
EXPORT_SYMBOL_GPL(ferry_migrate_setup);

/**
 * ferry_migrate_pages() - destinations take the place of their sources
 * @args: from ferry_migrate_setup(), with dst[] filled in: locked pages, whose data is
 *	that of their sources
 *
 * Drop-in for migrate_vma_pages(). A page that could not move loses
 * MIGRATE_PFN_MIGRATE in src[].
 *
 * Context: as setup.
 */
void ferry_migrate_pages(struct migrate_vma *args)
{
	struct ferry_migrate_counts counts = {};

	pages(args, &counts, NULL);
}
EXPORT_SYMBOL_GPL(ferry_migrate_pages);

/**
 * ferry_migrate_finalize() - map the new pages, or the old ones again
 * @args: from ferry_migrate_pages()
 *
 * Drop-in for migrate_vma_finalize(). All pages are unlocked and put.
 *
 * Context: as setup.
 */
void ferry_migrate_finalize(struct migrate_vma *args)
{
	struct ferry_migrate_counts counts = {};

	finalize(args, &counts, NULL);
}
EXPORT_SYMBOL_GPL(ferry_migrate_finalize);

/* By address: extended ------------------------------------------------------ */

/**
 * ferry_migrate_setup_ext() - as ferry_migrate_setup(), extended
 * @migrate: see struct ferry_migrate
 *
 * Context: as ferry_migrate_setup().
 * Return: as ferry_migrate_setup(); also -EINVAL for an unknown @migrate->flush.
 */
int ferry_migrate_setup_ext(struct ferry_migrate *migrate)
{
	if ((unsigned int)migrate->flush >= FERRY_NFLUSHES)
		return -EINVAL;
	return setup(&migrate->vma, &migrate->counts, migrate);
}
EXPORT_SYMBOL_GPL(ferry_migrate_setup_ext);

/**
 * ferry_migrate_pages_ext() - as ferry_migrate_pages(), extended
 * @migrate: from ferry_migrate_setup_ext()
 *
 * Context: as ferry_migrate_pages().
 */
void ferry_migrate_pages_ext(struct ferry_migrate *migrate)
{
	pages(&migrate->vma, &migrate->counts, migrate);
}
EXPORT_SYMBOL_GPL(ferry_migrate_pages_ext);

/**
 * ferry_migrate_finalize_ext() - as ferry_migrate_finalize(), extended
 * @migrate: from ferry_migrate_pages_ext()
 *
 * Context: as ferry_migrate_finalize().
 */
void ferry_migrate_finalize_ext(struct ferry_migrate *migrate)
{
	finalize(&migrate->vma, &migrate->counts, migrate);
}
EXPORT_SYMBOL_GPL(ferry_migrate_finalize_ext);

/* By pfn: the kernel's signatures ------------------------------------------- */

/*
 * A page of a device, locked, with a reference, and with its anon_vma held: from
 * before it is unmapped to after it is installed (I18). In between it is mapped
 * nowhere, and the last process that mapped it may exit, and with it the anon_vma
 * that finalize is going to walk. The reference is kept in the page's private field,
 * which is free while nobody but us has the lock: a device page is never in the swap
 * cache. A page that is not mapped is on its way elsewhere and is left alone.
 */
static unsigned long lock_device_page(struct page *page)
{
	struct folio *folio = folio_get_nontail_page(page);
	struct anon_vma *anon_vma;

	if (!folio)
		return 0;
	if ((!folio_is_device_private(folio) && !folio_is_device_coherent(folio)) ||
	    !folio_trylock(folio))
		goto err_put;
	anon_vma = folio_get_anon_vma(folio);
	if (!anon_vma)
		goto err_unlock;
	folio->private = anon_vma;
	return migrate_pfn(folio_pfn(folio)) | MIGRATE_PFN_MIGRATE | FERRY_PFN_HELD;

err_unlock:
	folio_unlock(folio);
err_put:
	folio_put(folio);
	return 0;
}

static void init_device_job(struct ferry_job *job, unsigned long *src,
			    unsigned long *dst, unsigned long npages,
			    struct ferry_migrate_counts *counts)
{
	*job = (struct ferry_job) {
		.src = src,
		.dst = dst,
		.npages = npages,
		.counts = counts,
		.mapped.place = FERRY_NO_PLACE,
		.drained = true,
		.want_unmap = true,
	};
	/* Nothing but rmap walks: they share one deferred flush. */
	ferry_tlb_init(&job->tlb, FERRY_FLUSH_PER_CALL, false, &counts->flushes);
	init_offset(job);
}

static void unmap_device_pages(unsigned long *src, unsigned long npages)
{
	struct ferry_migrate_counts counts = {};
	struct ferry_job job;

	init_device_job(&job, src, NULL, npages, &counts);
	ferry_unmap(&job);
	ferry_control_pause(FERRY_PAUSE_AFTER_SETUP);
}

/**
 * ferry_migrate_device_range() - lock and unmap consecutive pages of a device
 * @src_pfns: out: as src[] of ferry_migrate_setup(), 0 for pages that are free, locked
 *	by somebody else, not mapped, referenced, or not of a device
 * @start: first pfn
 * @npages: how many
 *
 * Drop-in for migrate_device_range(), for memory that is to be freed. No mmap_lock is
 * needed; the engine holds the pages' anon_vmas until finalize.
 *
 * Context: sleeps; takes no mmap_lock and waits for none.
 * Return: 0.
 */
int ferry_migrate_device_range(unsigned long *src_pfns, unsigned long start,
			       unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++) {
		src_pfns[i] = lock_device_page(pfn_to_page(start + i));
		if (!((i + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	unmap_device_pages(src_pfns, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_range);

/**
 * ferry_migrate_device_pfns() - the same, for any pages of a device
 * @src_pfns: in: plain pfns; out: as for ferry_migrate_device_range()
 * @npages: how many
 *
 * Drop-in for migrate_device_pfns() of later kernels.
 *
 * Context: as ferry_migrate_device_range().
 * Return: 0.
 */
int ferry_migrate_device_pfns(unsigned long *src_pfns, unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++) {
		src_pfns[i] = lock_device_page(pfn_to_page(src_pfns[i]));
		if (!((i + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	unmap_device_pages(src_pfns, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_pfns);

/**
 * ferry_migrate_device_pages() - destinations take the place of their sources
 * @src_pfns: from ferry_migrate_device_range() or ferry_migrate_device_pfns()
 * @dst_pfns: locked pages with the data, or 0
 * @npages: how many
 *
 * Drop-in for migrate_device_pages().
 *
 * Context: sleeps.
 */
void ferry_migrate_device_pages(unsigned long *src_pfns, unsigned long *dst_pfns,
				unsigned long npages)
{
	struct ferry_migrate_counts counts = {};
	struct ferry_job job;

	init_device_job(&job, src_pfns, dst_pfns, npages, &counts);
	ferry_control_pause(FERRY_PAUSE_AFTER_COPY);
	ferry_metadata_move(&job);
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_pages);

/**
 * ferry_migrate_device_finalize() - map the new pages, or the old ones again
 * @src_pfns: from ferry_migrate_device_pages()
 * @dst_pfns: the same
 * @npages: how many
 *
 * Drop-in for migrate_device_finalize().
 *
 * Context: sleeps.
 */
void ferry_migrate_device_finalize(unsigned long *src_pfns, unsigned long *dst_pfns,
				   unsigned long npages)
{
	struct ferry_migrate_counts counts = {};
	struct ferry_job job;

	init_device_job(&job, src_pfns, dst_pfns, npages, &counts);
	ferry_control_pause(FERRY_PAUSE_BEFORE_FINALIZE);
	ferry_install(&job);
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_finalize);
