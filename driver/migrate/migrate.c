// SPDX-License-Identifier: GPL-2.0-only
/*
 * The phases of the engine, as a table of contents. Each file argues its own
 * order of steps. docs/engine.md lists the invariants I1 to I25, the test for
 * each, and the mutants that break each. engine.h describes ownership and lock
 * order.
 *
 *   setup     ferry_collect()        collect.c    page table, locks
 *             ferry_isolate()        isolate.c    LRU lists
 *             ferry_unmap()          unmap.c      rmap, references, flush
 *                                    tlb_batch.c  when to flush
 *   (the caller allocates destinations and copies)
 *   pages     ferry_metadata_move()  metadata.c   old page to new page
 *             ferry_insert_pages()   insert.c     new page for a hole
 *   finalize  ferry_install()        install.c    page table, locks
 *
 * A page in use is refused at three places, with the outcome PINNED:
 *
 *   collect.c   a pin; the entry is restored under the lock
 *   unmap.c     any other unexpected reference, after one drain at most
 *   metadata.c  a reference that comes during the copy
 *
 * SHARED_BUSY stands for a page that stays mapped by another process although
 * nothing pins the page.
 *
 * Drains. A page in a CPU's LRU batch is on no LRU list, or has one extra
 * reference. A drain of the batches waits for work on each CPU, and the engine
 * waits for no CPU with a page lock held (I16). So the engine puts all
 * collected pages back, drains once, and collects the range again. Three bounds
 * hold:
 *
 *   page on no list	one drain for each call, whatever the call finds
 *			afterwards.
 *   extra reference	one drain for each call, and only before any other
 *			drain. The holder of the reference is often a user and
 *			no batch (KSM compares pages). The drain for a reference
 *			does not replace the drain for a list: pages enter
 *			batches all the time, and a page refused for its list
 *			could have moved.
 *   CPU fault		all CPU faults share one drain in FERRY_DRAIN_PAUSE.
 *			Without the bound, N threads that fault on one page make
 *			N drains.
 *
 * The caller chooses the number of pages. Each loop over slots therefore calls
 * cond_resched() once for each page table, with no spinlock held.
 *
 * The engine keeps no state between calls. Notes live in spare bits of src[]
 * and dst[] (engine.h), and drop-in calls need no more than the caller's
 * arrays.
 *
 * Rejected: one pass over all page tables that takes a lock for each page
 * (core).
 * Rejected: page locks held during a drain. A CPU whose drain work needs one of
 * the page locks would wait for the engine.
 */
#include <linux/dax.h>
#include <linux/export.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/memremap.h>
#include <linux/swap.h>

#include "engine.h"
#include "mm_internal.h"
#include "split.h"
#include "trace.h"

/* Phase: setup ------------------------------------------------------------- */

/* The kernel's checks: drop-in callers meet the same -EINVAL (I11). */
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
	if (FERRY_FAULT_PAGE_LOCKED && args->fault_page && !PageLocked(args->fault_page))
		return -EINVAL;
	return 0;
}

/**
 * ferry_job_init_offset() - set the layout of a migration entry's offset
 * @job: the migration; @job->young, @job->dirty and @job->pfn_mask are set
 *
 * Context: any.
 */
void ferry_job_init_offset(struct ferry_job *job)
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
	ferry_job_init_offset(job);
	job->to_node = ext && ext->to_node;
	job->node = job->to_node ? ext->node : NUMA_NO_NODE;
	job->tracked = ferry_writes_tracked_now(args->vma) || (ext && ext->cleared);
	/* Only a device writes through an entry without a fault of mm's. */
	job->readable = job->tracked && ext && !job->to_node;
}

/* Reset: no page is collected, no outcome is reported. */
static void begin_anew(struct ferry_job *job)
{
	job->moving = 0;
	memset_l(job->src, FERRY_PFN_AGAIN, job->npages);
	if (job->outcome)
		memset(job->outcome, FERRY_NOT_ATTEMPTED, job->npages);
}

/* Pause between two drains for CPU faults, in jiffies. */
#define FERRY_DRAIN_PAUSE	DIV_ROUND_UP(HZ, 50)

/*
 * Start of the last drain by any caller, in jiffies. Races are harmless: one
 * drain more or less.
 */
static unsigned long drained_at = INITIAL_JIFFIES;

/**
 * ferry_drain_is_due() - may a CPU fault drain the LRU batches of all CPUs
 *
 * The last drain, by any caller, put all pages of the batches on their lists. A
 * page that entered a batch later waits for the next drain, and the CPU fault
 * on the page is retried until then.
 *
 * Context: any; takes no lock.
 * Return: true if the last drain is FERRY_DRAIN_PAUSE ago.
 */
bool ferry_drain_is_due(void)
{
	return time_after_eq(jiffies, READ_ONCE(drained_at) + FERRY_DRAIN_PAUSE);
}

/*
 * Put every collected page back as before and drop all page locks. Then drain,
 * and reset for a new collection.
 */
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

/*
 * One try for each mapping of a large folio. A folio that stays large is
 * refused. To a node a folio goes whole, if the node has a block of its order.
 */
static void split(struct ferry_job *job)
{
	unsigned long slot = 0, next, addr;
	int ret;

	while (slot < job->npages) {
		if (job->src[slot] != FERRY_PFN_AGAIN) {
			slot++;
			continue;
		}
		next = job->to_node ? ferry_whole_at(job, slot) : 0;
		if (next) {
			slot += next;
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

/* Refuse the slots that changed until the last pass. */
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

	for (pass = 1; pass <= FERRY_MIGRATE_PASSES; pass++) {
		/* No later pass collects a page that the last pass puts off. */
		if (pass == FERRY_MIGRATE_PASSES) {
			job->drained = true;
			job->drained_for_list = true;
		}
		lru_add_drain();
		ferry_timed(ferry_job_timer(job, FERRY_TIMING_COLLECT))
			ferry_collect(job);
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
	collect_in_passes(job);
	ferry_timed(ferry_job_timer(job, FERRY_TIMING_ISOLATE))
		ferry_isolate(job);
	ferry_timed(ferry_job_timer(job, FERRY_TIMING_UNMAP))
		ferry_unmap(job);
}

static int setup(struct migrate_vma *args, struct ferry_migrate_counts *counts,
		 struct ferry_migrate *ext)
{
	struct ferry_job job;
	int ret;

	/* Count pages before rounding, as the caller sized its arrays. */
	if ((long)(args->end - args->start) >> PAGE_SHIFT <= 0)
		return -EINVAL;
	args->start &= PAGE_MASK;
	args->end &= PAGE_MASK;
	ret = check_args(args);
	if (ret)
		return ret;

	if (ext)
		ext->cleared = args->flags & MIGRATE_VMA_SELECT_SYSTEM && !ext->to_node &&
			       ferry_writes_cleared(args->vma->vm_mm);
	init_job(&job, args, counts, ext);
	memset(job.dst, 0, job.npages * sizeof(*job.dst));
	begin_anew(&job);
	collect_and_unmap(&job);
	/* For a reference. Possible only before any drain, so at most once. */
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

/* Phases: pages, finalize -------------------------------------------------- */

static void pages(struct migrate_vma *args, struct ferry_migrate_counts *counts,
		  struct ferry_migrate *ext)
{
	struct ferry_job job;

	init_job(&job, args, counts, ext);
	ferry_control_pause(FERRY_PAUSE_AFTER_COPY);
	ferry_timed(ferry_job_timer(&job, FERRY_TIMING_METADATA))
		ferry_metadata_move(&job);
	ferry_timed(ferry_job_timer(&job, FERRY_TIMING_HOLE))
		ferry_insert_pages(&job);
	if (trace_ferry_pages_enabled())
		trace_ferry_pages(job.start, job.npages, ferry_job_count_moving(&job));
}

static void finalize(struct migrate_vma *args, struct ferry_migrate_counts *counts,
		     struct ferry_migrate *ext)
{
	struct ferry_job job;

	mmap_assert_locked(args->vma->vm_mm);
	init_job(&job, args, counts, ext);
	ferry_control_pause(FERRY_PAUSE_BEFORE_FINALIZE);
	ferry_timed(ferry_job_timer(&job, FERRY_TIMING_INSTALL))
		ferry_install(&job);
	trace_ferry_finalize(job.start, job.npages, counts->known, counts->walked);
}

/* By address: the kernel's signatures -------------------------------------- */

/**
 * ferry_migrate_setup() - collect, lock and unmap the pages of a range
 * @args: the range, set by the caller as for migrate_vma_setup()
 *
 * Drop-in for migrate_vma_setup(). Two differences: pages of files are left
 * alone (core unmaps file pages and maps them again); large folios are split,
 * also when mapped by PTEs.
 *
 * Context: mmap_lock held for reading, from before setup until after finalize;
 * no page lock held; sleeps.
 * Return: 0, also when no page was collected; -EINVAL for an empty range, a
 * range outside the VMA, a missing array, a fault page that is not
 * device-private, and for hugetlb, VM_SPECIAL and DAX mappings.
 */
int ferry_migrate_setup(struct migrate_vma *args)
{
	struct ferry_migrate_counts counts = {};

	return setup(args, &counts, NULL);
}
EXPORT_SYMBOL_GPL(ferry_migrate_setup);

/**
 * ferry_migrate_pages() - destinations take the place of their sources
 * @args: from ferry_migrate_setup(), with dst[] set by the caller: locked pages
 *	with the data of their sources, or 0
 *
 * Drop-in for migrate_vma_pages(). A page that could not move loses
 * MIGRATE_PFN_MIGRATE in src[].
 *
 * Context: mmap_lock held for reading, as for ferry_migrate_setup(); sleeps.
 */
void ferry_migrate_pages(struct migrate_vma *args)
{
	struct ferry_migrate_counts counts = {};

	pages(args, &counts, NULL);
}
EXPORT_SYMBOL_GPL(ferry_migrate_pages);

/**
 * ferry_migrate_finalize() - map the new pages, or the old pages again
 * @args: from ferry_migrate_pages()
 *
 * Drop-in for migrate_vma_finalize(). All pages are unlocked and put.
 *
 * Context: mmap_lock held for reading, as for ferry_migrate_setup(); sleeps.
 */
void ferry_migrate_finalize(struct migrate_vma *args)
{
	struct ferry_migrate_counts counts = {};

	finalize(args, &counts, NULL);
}
EXPORT_SYMBOL_GPL(ferry_migrate_finalize);

/* By address: extended ----------------------------------------------------- */

/**
 * ferry_migrate_setup_ext() - extended form of ferry_migrate_setup()
 * @migrate: the range, outcome array, flush strategy and callback, set by the
 *	caller as struct ferry_migrate describes
 *
 * Context: mmap_lock held for reading, from before setup until after finalize;
 * no page lock held; sleeps.
 * Return: 0, also when no page was collected; -EINVAL as ferry_migrate_setup(),
 * and for an unknown @migrate->flush.
 */
int ferry_migrate_setup_ext(struct ferry_migrate *migrate)
{
	if ((unsigned int)migrate->flush >= FERRY_NFLUSHES)
		return -EINVAL;
	return setup(&migrate->vma, &migrate->counts, migrate);
}
EXPORT_SYMBOL_GPL(ferry_migrate_setup_ext);

/**
 * ferry_migrate_pages_ext() - extended form of ferry_migrate_pages()
 * @migrate: from ferry_migrate_setup_ext(), with dst[] set by the caller
 *
 * Context: mmap_lock held for reading, as for ferry_migrate_setup_ext();
 * sleeps.
 */
void ferry_migrate_pages_ext(struct ferry_migrate *migrate)
{
	pages(&migrate->vma, &migrate->counts, migrate);
}
EXPORT_SYMBOL_GPL(ferry_migrate_pages_ext);

/**
 * ferry_migrate_finalize_ext() - extended form of ferry_migrate_finalize()
 * @migrate: from ferry_migrate_pages_ext()
 *
 * Context: mmap_lock held for reading, as for ferry_migrate_setup_ext();
 * sleeps.
 */
void ferry_migrate_finalize_ext(struct ferry_migrate *migrate)
{
	finalize(&migrate->vma, &migrate->counts, migrate);
}
EXPORT_SYMBOL_GPL(ferry_migrate_finalize_ext);
