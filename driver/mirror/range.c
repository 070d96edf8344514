// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration of a range of virtual addresses, both ways.
 *
 * The range goes to the engine in batches: within one mapping, at most
 * FERRY_BATCH_PAGES pages. mmap_lock is held for read over one batch and
 * dropped between two, so a large call does not keep mmap() and page faults of
 * other threads waiting for longer than that; the user's outcome array, which may
 * itself be part of the range, is written in between.
 *
 * One batch, in the order that the engine asks for:
 *   setup     collects, locks, unmaps and isolates; what it cannot have it leaves
 *   fill      (fill.c) destination pages for what it has, and the data copied: no CPU can
 *             reach either page, both are locked, the TLB is flushed
 *   pages     moves the metadata; one that it refuses is put back below
 *   finalize  the page table names the new pages, locks are dropped
 *   judge     with core: for each page that did not move, why, as far as it shows;
 *             the own engine has told
 * Unused destinations are unlocked and put by the last step, and so go
 * back to the pool (or the system) by themselves.
 *
 * KSM: the own engine refuses merged pages one by one. core's migrate_vma_collect()
 * puts a migration entry where it finds the page, and takes it out again by a walk of
 * the page's rmap, which does not reach every mapping of a KSM page: not before ksmd
 * has put it into its stable tree, nor once the process that had it merged is gone.
 * The entry then outlives the lock, and the next to look at it meets a BUG. So core is
 * not shown mergeable mappings, and a range ends before a KSM page that another
 * process's merging left in a mapping that is not mergeable. What remains with core is
 * ksmd merging, for a process that shares the page, between our look and core's.
 */
#include <linux/dax.h>
#include <linux/hugetlb.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>

#include <drm/ferry_drm.h>

#include "device/device.h"
#include "migrate/backend.h"
#include "mirror.h"

/**
 * struct batch - one call of the engine
 * @mirror: whose
 * @range: the request
 * @migrate: for the engine
 * @src: its array of sources
 * @dst: its array of destinations
 * @outcome: what became of each page
 * @npages: pages of the batch, from @migrate.vma.start
 * @ksm: address of the first KSM page that must be avoided, or beyond the batch
 * @full: the device had no page for at least one
 * @untold: the user's array of outcomes could not be written
 */
struct batch {
	struct ferry_mirror *mirror;
	struct ferry_range *range;
	struct ferry_migrate migrate;
	unsigned long src[FERRY_BATCH_PAGES];
	unsigned long dst[FERRY_BATCH_PAGES];
	u8 outcome[FERRY_BATCH_PAGES];
	unsigned long npages;
	unsigned long ksm;
	bool full;
	bool untold;
};

static struct ferry_tally device_tallies[FERRY_MAX_DEVICES];

/**
 * ferry_mirror_device_tally() - what all migrations by address of a device did
 * @device: which
 *
 * Return: the sums since the module was loaded.
 */
struct ferry_tally *ferry_mirror_device_tally(const struct ferry_device *device)
{
	return &device_tallies[device->index];
}

static enum ferry_stamp_way way(const struct batch *batch)
{
	return batch->range->target == FERRY_TARGET_DEVICE ? FERRY_STAMP_TO_DEVICE :
							     FERRY_STAMP_TO_SYSTEM;
}

/* Said by core in its arrays: what had a page on offer and kept its flag. */
static void note_moves(struct batch *batch)
{
	unsigned long i;

	for (i = 0; i < batch->npages; i++) {
		if (batch->outcome[i] != DRM_FERRY_NOT_ATTEMPTED || !batch->dst[i] ||
		    !(batch->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		batch->outcome[i] = batch->src[i] & MIGRATE_PFN_VALID ?
				    DRM_FERRY_MOVED : DRM_FERRY_ZERO_FILLED;
	}
}

static u8 judge_to_device(struct batch *batch, const struct ferry_page_state *state)
{
	struct vm_area_struct *vma = batch->migrate.vma.vma;
	u32 where = state->flags & DRM_FERRY_PAGE_WHERE_MASK;

	if (where == DRM_FERRY_PAGE_THIS_DEVICE)
		return DRM_FERRY_ALREADY_THERE;
	if (where == DRM_FERRY_PAGE_OTHER_DEVICE)
		return DRM_FERRY_FOREIGN_DEVICE;
	if (where == DRM_FERRY_PAGE_NONE || state->flags & DRM_FERRY_PAGE_ZERO) {
		if (!vma_is_anonymous(vma))
			return DRM_FERRY_FILE;
		if (state->outcome == DRM_FERRY_UFFD)
			return DRM_FERRY_UFFD;
		return userfaultfd_missing(vma) ? DRM_FERRY_UFFD : DRM_FERRY_NOT_MOVED;
	}
	return state->outcome;
}

static u8 judge_to_system(const struct ferry_page_state *state)
{
	switch (state->flags & DRM_FERRY_PAGE_WHERE_MASK) {
	case DRM_FERRY_PAGE_NONE:
		return DRM_FERRY_HOLE;
	case DRM_FERRY_PAGE_SYSTEM:
		return DRM_FERRY_ALREADY_THERE;
	case DRM_FERRY_PAGE_OTHER_DEVICE:
		return DRM_FERRY_FOREIGN_DEVICE;
	default:
		return state->outcome;
	}
}

static void judge(struct batch *batch)
{
	unsigned long addr = batch->migrate.vma.start, i;
	struct ferry_page_state state;

	for (i = 0; i < batch->npages; i++, addr += PAGE_SIZE) {
		if (batch->outcome[i] != DRM_FERRY_NOT_ATTEMPTED)
			continue;
		state = ferry_snapshot_page(batch->mirror->device, batch->migrate.vma.vma, addr);
		ferry_snapshot_judge(&state);
		if (batch->range->target == FERRY_TARGET_DEVICE)
			batch->outcome[i] = judge_to_device(batch, &state);
		else
			batch->outcome[i] = judge_to_system(&state);
	}
}

static void fill(struct batch *batch)
{
	const struct ferry_fill wanted = {
		.src = batch->src,
		.dst = batch->dst,
		.outcome = batch->outcome,
		.npages = batch->npages,
		.memory = batch->mirror->device->memory,
		.owner = batch->mirror->owner,
		.vma = batch->migrate.vma.vma,
		.start = batch->migrate.vma.start,
		.gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN,
		.backend = batch->range->backend,
		.way = way(batch),
	};

	if (batch->range->target == FERRY_TARGET_DEVICE)
		batch->full = ferry_fill_device(&wanted);
	else
		ferry_fill_home(&wanted);
}

static int run_engine(struct batch *batch)
{
	const struct ferry_backend *backend = batch->range->backend;
	int ret;

	ret = backend->setup(&batch->migrate);
	if (ret)
		return ret;
	fill(batch);
	backend->pages(&batch->migrate);
	if (!backend->tells_outcomes)
		note_moves(batch);
	backend->finalize(&batch->migrate);
	return 0;
}

static bool must_avoid_ksm(const struct batch *batch)
{
	return IS_ENABLED(CONFIG_KSM) && batch->range->target == FERRY_TARGET_DEVICE &&
	       !batch->range->backend->survives_ksm;
}

/*
 * Mappings that the engine must not be shown: shared ones hold a file's pages
 * and nothing else, mergeable ones kill core.
 */
static u8 whole_mapping_outcome(struct batch *batch)
{
	struct vm_area_struct *vma = batch->migrate.vma.vma;

	if (batch->range->target != FERRY_TARGET_DEVICE)
		return DRM_FERRY_NOT_ATTEMPTED;
	if (vma->vm_flags & VM_SHARED)
		return DRM_FERRY_FILE;
	if (must_avoid_ksm(batch) &&
	    (vma->vm_flags & VM_MERGEABLE || batch->ksm == batch->migrate.vma.start))
		return DRM_FERRY_KSM;
	return DRM_FERRY_NOT_ATTEMPTED;
}

static int check_mapping(const struct ferry_range *range, struct vm_area_struct *vma)
{
	if (range->need_read && !(vma->vm_flags & VM_READ))
		return -EINVAL;
	if (is_vm_hugetlb_page(vma) || vma->vm_flags & VM_SPECIAL || vma_is_dax(vma))
		return -EINVAL;
	/* arm64: the device has no memory for the tags of pages. Elsewhere VM_MTE is 0. */
	if (range->target == FERRY_TARGET_DEVICE && vma->vm_flags & VM_MTE)
		return -EINVAL;
	return 0;
}

static unsigned long select_device(const struct ferry_device *device)
{
	return device->config.kind == FERRY_MEMORY_COHERENT ?
	       MIGRATE_VMA_SELECT_DEVICE_COHERENT : MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
}

static void prepare(struct batch *batch, struct vm_area_struct *vma,
		    unsigned long start)
{
	unsigned long table_end = ALIGN_DOWN(start, PMD_SIZE) + PMD_SIZE;
	struct migrate_vma *args = &batch->migrate.vma;

	batch->migrate = (struct ferry_migrate) {
		.outcome = batch->outcome,
		.flush = batch->range->flush,
	};
	args->vma = vma;
	args->start = start;
	args->end = min3(batch->range->end, vma->vm_end,
			 start + FERRY_BATCH_PAGES * PAGE_SIZE);
	batch->ksm = ULONG_MAX;
	if (must_avoid_ksm(batch)) {
		args->end = min(args->end, table_end);
		batch->ksm = ferry_snapshot_find_ksm(vma, start, args->end);
		args->end = max(batch->ksm, start + PAGE_SIZE);
	}
	args->src = batch->src;
	args->dst = batch->dst;
	args->pgmap_owner = batch->mirror->device;
	args->flags = batch->range->target == FERRY_TARGET_DEVICE ?
		      MIGRATE_VMA_SELECT_SYSTEM : select_device(batch->mirror->device);

	batch->npages = (args->end - start) / PAGE_SIZE;
	batch->full = false;
	memset(batch->dst, 0, batch->npages * sizeof(*batch->dst));
}

/* Returns 0 with the outcome of every page of the batch, or an error with none. */
static int migrate_batch(struct batch *batch, unsigned long start)
{
	struct mm_struct *mm = batch->mirror->mm;
	struct vm_area_struct *vma;
	int ret;
	u8 all;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, start);
	ret = vma ? check_mapping(batch->range, vma) : -EFAULT;
	if (ret)
		goto out_unlock;

	prepare(batch, vma, start);
	all = whole_mapping_outcome(batch);
	memset(batch->outcome, all, batch->npages);
	if (all == DRM_FERRY_NOT_ATTEMPTED)
		ret = run_engine(batch);
	if (!ret && !batch->range->backend->tells_outcomes)
		judge(batch);
out_unlock:
	mmap_read_unlock(mm);
	return ret;
}

/* Pages with nothing to do, as struct drm_ferry_migrate defines them. */
static unsigned long count_already(const struct ferry_range *range,
				   const struct ferry_outcomes *outcomes)
{
	unsigned long already = outcomes->pages[DRM_FERRY_ALREADY_THERE];

	if (range->target == FERRY_TARGET_SYSTEM)
		already += outcomes->pages[DRM_FERRY_HOLE] +
			   outcomes->pages[DRM_FERRY_SWAPPED];
	return already;
}

static void account(struct batch *batch)
{
	struct ferry_mirror_stats *stats = &batch->mirror->stats;
	struct ferry_range *range = batch->range;
	unsigned long moved, zeroed, already, failed;
	struct ferry_outcomes outcomes;

	ferry_outcomes_count(&outcomes, batch->outcome, batch->npages);
	ferry_tally_add(&batch->mirror->tally, &batch->migrate, &outcomes);
	ferry_tally_add(ferry_mirror_device_tally(batch->mirror->device), &batch->migrate,
			&outcomes);

	moved = outcomes.pages[DRM_FERRY_MOVED];
	zeroed = outcomes.pages[DRM_FERRY_ZERO_FILLED];
	already = count_already(range, &outcomes);
	failed = batch->npages - moved - zeroed - already;
	range->done += batch->npages * PAGE_SIZE;
	range->moved += moved + zeroed;
	range->already += already;
	range->failed += failed;
	atomic64_add(moved, range->target == FERRY_TARGET_DEVICE ?
		     &stats->to_device : &stats->to_system);
	atomic64_add(zeroed, &stats->zero_filled);
	atomic64_add(failed, &stats->failed);
}

static int migrate_next(struct batch *batch)
{
	struct ferry_range *range = batch->range;
	u64 first = range->done / PAGE_SIZE;
	int ret;

	ret = migrate_batch(batch, range->start + range->done);
	if (ret)
		return ret;
	account(batch);
	if (range->outcomes &&
	    copy_to_user(range->outcomes + first, batch->outcome, batch->npages)) {
		batch->untold = true;
		return -EFAULT;
	}
	if (batch->full)
		return -ENOSPC;
	return 0;
}

/*
 * An error ends the call; it is told if it came first, or if what was done does
 * not make a success: nothing moved, or the caller cannot know what did.
 */
static int final_status(const struct batch *batch, int ret)
{
	const struct ferry_range *range = batch->range;

	if (batch->untold)
		return ret;
	if (ret == -ENOSPC)
		return range->moved ? 0 : ret;
	return range->done ? 0 : ret;
}

/**
 * ferry_mirror_migrate() - move what can be moved
 * @mirror: entered
 * @range: checked with ferry_mirror_check(), page-aligned, counts zero
 *
 * Follows migrate_vma_setup() in what it takes and leaves.
 *
 * Context: sleeps, takes mmap_lock.
 * Return: 0 with counts, also when the range ended early after some progress;
 * -EFAULT for an address that is not mapped or for @range->outcomes, -EINVAL for
 * a mapping that cannot migrate, -ENOSPC for a full device where nothing moved,
 * -ENOMEM, -EINTR.
 */
int ferry_mirror_migrate(struct ferry_mirror *mirror, struct ferry_range *range)
{
	cycles_t start = ferry_stamp_begin();
	struct batch *batch;
	int ret = 0;

	if (range->outcomes &&
	    !access_ok(range->outcomes, (range->end - range->start) / PAGE_SIZE))
		return -EFAULT;
	/* Chunks that were taken away come back here, with no lock held. */
	if (range->target == FERRY_TARGET_DEVICE) {
		ret = ferry_memory_plug(mirror->device->memory);
		if (ret)
			return ret;
	}
	batch = kvmalloc(sizeof(*batch), GFP_KERNEL_ACCOUNT);
	if (!batch)
		return -ENOMEM;
	batch->mirror = mirror;
	batch->range = range;
	batch->untold = false;

	while (!ret && range->start + range->done < range->end) {
		if (range->done && signal_pending(current))
			break;
		ret = migrate_next(batch);
		cond_resched();
	}
	range->ended_by = ret;
	ret = final_status(batch, ret);
	ferry_stamp_end(range->backend->stamp, way(batch), FERRY_STAMP_DRIVER, start);
	kvfree(batch);
	return ret;
}
