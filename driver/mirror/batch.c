// SPDX-License-Identifier: GPL-2.0-only
/*
 * One batch of MIGRATE: one call of the engine, within one mapping, under one
 * hold of mmap_lock. migrate.c divides the range into batches.
 *
 * The steps, in the order required by the engine:
 *
 * setup     collects, locks, unmaps and isolates pages; leaves pages that
 *           cannot migrate
 * holes     clears the slots of holes that must stay, or that core must not see
 *           (holes.c)
 * populate  allocates destination pages and copies the data (populate.c); no
 *           CPU can access either page: both pages are locked, and the TLB is
 *           flushed
 * pages     moves the metadata; finalize restores a page that this phase
 *           refuses
 * finalize  writes the new pages to the page table, and unlocks pages
 * judge     with core: finds out, as far as visible, why a page did not move;
 *           the own engine has set each outcome
 *
 * finalize unlocks and puts unused destinations, and the put returns a page to
 * the pool or to the page allocator.
 *
 * KSM: the own engine refuses merged pages one by one. core's
 * migrate_vma_collect() sets a migration entry for a merged page, and removes
 * the entry by an rmap walk. The walk does not reach every mapping of a KSM
 * page: not before ksmd has put the page into the stable tree, nor after the
 * exit of the process in which ksmd merged the page. The migration entry then
 * outlives the page lock, and the next reader of the entry meets a BUG. core
 * therefore never sees mergeable mappings. A range for core ends before a KSM
 * page in a mapping that is not mergeable; merging in another process may have
 * left the page. One race remains: after this file has looked and before core
 * looks, ksmd may merge a page in a process that shares the page.
 */
#include <linux/dax.h>
#include <linux/hugetlb.h>
#include <linux/migrate.h>
#include <linux/mm.h>

#include "batch.h"
#include "device/device.h"
#include "device/owner.h"
#include "holes.h"
#include "migrate.h"
#include "migrate/backend.h"
#include "mirror.h"
#include "populate.h"
#include "snapshot.h"

/*
 * Returns whether the request has the whole range that one PMD maps around a
 * slot: the range is a single allocation where huge device pages exist.
 */
static bool can_be_huge(const struct ferry_batch *batch, unsigned long slot)
{
	unsigned long start = ALIGN_DOWN(batch->migrate.vma.start + slot * PAGE_SIZE, PMD_SIZE);
	const struct vm_area_struct *vma = batch->migrate.vma.vma;
	const struct ferry_range *range = batch->range;

	return start >= max(range->start, vma->vm_start) &&
	       start + PMD_SIZE <= min(range->end, vma->vm_end);
}

/*
 * FAIL_ALLOC of the test_hmm ABI: the allocation for the first page fails. Small
 * pages replace a huge page, and the slots already have small pages. A small page
 * stays.
 */
static void fail_one(struct ferry_batch *batch)
{
	unsigned long slot = 0;

	while (slot < batch->npages && !batch->dst[slot])
		slot++;
	if (slot == batch->npages || !ferry_owner_take_failure(batch->mirror->owner) ||
	    can_be_huge(batch, slot))
		return;
	ferry_populate_give_back(&batch->dst[slot]);
	batch->outcome[slot] = FERRY_NO_MEMORY;
	batch->range->no_memory = true;
}

/*
 * Without @strict nothing is reclaimed for a page that has memory already, on
 * another node.
 */
static gfp_t destination_gfp(const struct ferry_range *range)
{
	const gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN;

	if (range->target != FERRY_TARGET_NODE)
		return gfp | __GFP_RETRY_MAYFAIL;
	return range->strict ? gfp | __GFP_RETRY_MAYFAIL | __GFP_THISNODE :
			       gfp & ~__GFP_RECLAIM;
}

static void populate_batch(struct ferry_batch *batch)
{
	const struct ferry_populate wanted = {
		.src = batch->src,
		.dst = batch->dst,
		.outcome = batch->outcome,
		.npages = batch->npages,
		.memory = batch->mirror->device->memory,
		.owner = batch->mirror->owner,
		.vma = batch->migrate.vma.vma,
		.start = batch->migrate.vma.start,
		.gfp = destination_gfp(batch->range),
		.node = batch->range->node,
		.backend = batch->range->backend,
		.way = ferry_batch_way(batch),
	};

	if (batch->range->target == FERRY_TARGET_DEVICE)
		batch->full = ferry_populate_device(&wanted);
	else if (batch->range->target == FERRY_TARGET_SYSTEM)
		batch->range->no_memory |= ferry_populate_system(&wanted) != 0;
	else
		batch->range->no_memory |= ferry_populate_node(&wanted) != 0;
	fail_one(batch);
}

static int run_engine(struct ferry_batch *batch)
{
	const struct ferry_backend *backend = batch->range->backend;
	int ret;

	ret = ferry_backend_setup(backend, &batch->migrate);
	if (ret)
		return ret;
	ferry_batch_choose_holes(batch);
	populate_batch(batch);
	ferry_backend_pages(backend, &batch->migrate);
	if (!(backend->can & FERRY_CAN_REPORT_OUTCOMES))
		ferry_batch_note_moves(batch);
	ferry_backend_finalize(backend, &batch->migrate);
	return 0;
}

static bool must_avoid_ksm(const struct ferry_batch *batch)
{
	return IS_ENABLED(CONFIG_KSM) && batch->range->target == FERRY_TARGET_DEVICE &&
	       !(batch->range->backend->can & FERRY_CAN_MEET_KSM);
}

/*
 * Outcome of a whole mapping that the engine must not see: a shared mapping has
 * pages of a file only, a mergeable mapping crashes core.
 */
static u8 whole_mapping_outcome(struct ferry_batch *batch)
{
	struct vm_area_struct *vma = batch->migrate.vma.vma;

	if (batch->range->target != FERRY_TARGET_DEVICE)
		return FERRY_NOT_ATTEMPTED;
	if (vma->vm_flags & VM_SHARED)
		return FERRY_FILE;
	if (must_avoid_ksm(batch) &&
	    (vma->vm_flags & VM_MERGEABLE || batch->ksm == batch->migrate.vma.start))
		return FERRY_KSM;
	return FERRY_NOT_ATTEMPTED;
}

static int check_mapping(const struct ferry_range *range, struct vm_area_struct *vma)
{
	if (range->need_read && !(vma->vm_flags & VM_READ))
		return -EINVAL;
	if (is_vm_hugetlb_page(vma) || vma->vm_flags & VM_SPECIAL || vma_is_dax(vma))
		return -EINVAL;
	/*
	 * arm64: the device has no memory for page tags. On other architectures
	 * VM_MTE is 0.
	 */
	if (range->target == FERRY_TARGET_DEVICE && vma->vm_flags & VM_MTE)
		return -EINVAL;
	return 0;
}

static unsigned long select_device(const struct ferry_device *device)
{
	return device->config.kind == FERRY_MEMORY_COHERENT ?
	       MIGRATE_VMA_SELECT_DEVICE_COHERENT : MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
}

static void prepare_batch(struct ferry_batch *batch, struct vm_area_struct *vma,
			  unsigned long start)
{
	unsigned long table_end = ALIGN_DOWN(start, PMD_SIZE) + PMD_SIZE;
	struct migrate_vma *args = &batch->migrate.vma;

	batch->migrate = (struct ferry_migrate) {
		.outcome = batch->outcome,
		.flush = batch->range->flush,
		.to_node = batch->range->target == FERRY_TARGET_NODE,
		.node = batch->range->node,
		.shared = batch->range->shared,
	};
	args->vma = vma;
	args->start = start;
	args->end = min3(batch->range->end, vma->vm_end,
			 start + batch->most * PAGE_SIZE);
	batch->ksm = ULONG_MAX;
	if (must_avoid_ksm(batch)) {
		args->end = min(args->end, table_end);
		batch->ksm = ferry_snapshot_find_ksm(vma, start, args->end);
		args->end = max(batch->ksm, start + PAGE_SIZE);
	}
	args->src = batch->src;
	args->dst = batch->dst;
	args->pgmap_owner = batch->mirror->device;
	args->flags = 0;
	if (batch->range->target != FERRY_TARGET_SYSTEM)
		args->flags |= MIGRATE_VMA_SELECT_SYSTEM;
	if (batch->range->target != FERRY_TARGET_DEVICE)
		args->flags |= select_device(batch->mirror->device);

	batch->npages = (args->end - start) / PAGE_SIZE;
	batch->full = false;
	memset(batch->dst, 0, batch->npages * sizeof(*batch->dst));
}

static void skip(struct ferry_batch *batch, unsigned long npages)
{
	batch->migrate = (struct ferry_migrate) { .flush = batch->range->flush };
	batch->npages = npages;
	batch->full = false;
}

/**
 * ferry_batch_migrate() - migrate the next batch of a range
 * @batch: the batch, with the arrays, @most and @range; out: the other members
 * @start: first byte of the batch, page-aligned, within the range
 *
 * Context: mmap_lock held for reading; sleeps; takes page locks by trylock, and
 * ferry_memory.lock.
 * Return: 0 with an outcome for each page of the batch; otherwise, without
 * outcomes,
 * * -EFAULT: @start is not mapped, and the range does not skip holes
 * * -EINVAL: the mapping cannot migrate
 */
int ferry_batch_migrate(struct ferry_batch *batch, unsigned long start)
{
	struct ferry_range *range = batch->range;
	struct mm_struct *mm = batch->mirror->mm;
	struct vm_area_struct *vma = vma_lookup(mm, start);
	unsigned long npages;
	int ret = 0;
	u8 all;

	if (vma)
		ret = check_mapping(range, vma);
	else if (!range->skip_holes)
		ret = -EFAULT;
	if (ret)
		return ret;
	npages = range->skip_holes ? ferry_skip_holes(mm, vma, start, range->end) : 0;
	batch->skipped = npages > 0;
	if (npages) {
		skip(batch, npages);
		return 0;
	}

	prepare_batch(batch, vma, start);
	all = whole_mapping_outcome(batch);
	memset(batch->outcome, all, batch->npages);
	if (all == FERRY_NOT_ATTEMPTED)
		ret = run_engine(batch);
	if (!ret && !(range->backend->can & FERRY_CAN_REPORT_OUTCOMES))
		ferry_batch_judge(batch);
	return ret;
}
