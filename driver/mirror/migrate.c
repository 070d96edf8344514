// SPDX-License-Identifier: GPL-2.0-only
/*
 * MIGRATE: migration of a range of virtual addresses, to the device, to system
 * memory and to a NUMA node.
 *
 * The range goes to the engine in batches (batch.c). A batch lies within one
 * mapping and has at most FERRY_BATCH_PAGES pages. mmap_lock is held for read
 * over one batch and dropped between batches. Between batches the call writes
 * the user's array of outcomes, because the array may be a part of the range.
 *
 * Other threads wait for mmap_lock no longer than one batch. A reader of an
 * rwsem that comes back at once can overtake a writer that was woken but does
 * not run yet, for RWSEM_WAIT_TIMEOUT (4 ms) and until the writer runs. On a
 * busy machine that may be many batches. If the lock is contended at the end of
 * a batch, the call waits until no thread waits for mmap_lock, for at most
 * FERRY_WAY_TRIES short sleeps. The next batches are then small: a quarter of
 * the size, down to FERRY_BATCH_SHORT pages. Without contention each batch
 * grows by a quarter again, and an uncontended call has no extra flushes. A
 * batch is not cut short between phases: from setup to finalize, mmap_lock
 * protects the entries that the engine knows (I23).
 *
 * Memory of the call itself: the arrays of a batch, charged to the caller, with
 * one try at the allocation and without the OOM killer. Smaller arrays also
 * work, finally those on the stack. A call makes progress at a memory cgroup's
 * limit and without any free memory.
 *
 * Holes: with skip_holes, holes stay. Ranges without page tables and gaps
 * between mappings are skipped without the engine (holes.c).
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "batch.h"
#include "device/device.h"
#include "device/plug.h"
#include "device/turns.h"
#include "migrate.h"
#include "migrate/backend.h"
#include "mirror.h"

/*
 * Lower limit for the pages of a batch under contention, unless the arrays are
 * smaller.
 */
#define FERRY_BATCH_SHORT	128

/* Sleeps between two batches, for threads that wait for mmap_lock. */
#define FERRY_WAY_TRIES		20
#define FERRY_WAY_US		50

static int migrate_batch(struct ferry_batch *batch, unsigned long start)
{
	struct mm_struct *mm = batch->mirror->mm;
	int ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = ferry_batch_migrate(batch, start);
	batch->contended = mmap_lock_is_contended(mm);
	mmap_read_unlock(mm);
	return ret;
}

/* mmap_lock is not held: waiting threads take the lock first. */
static void give_way(struct ferry_batch *batch)
{
	unsigned int tries;

	if (!batch->contended) {
		batch->most = min(batch->most + batch->most / 4, batch->room);
		return;
	}
	batch->most = max(batch->most / 4, min(batch->room, FERRY_BATCH_SHORT));
	for (tries = 0; tries < FERRY_WAY_TRIES; tries++) {
		if (!mmap_lock_is_contended(batch->mirror->mm))
			return;
		usleep_range(FERRY_WAY_US, 2 * FERRY_WAY_US);
	}
}

/* Pages with nothing to do, as defined at struct drm_ferry_migrate. */
static unsigned long count_already(const struct ferry_range *range,
				   const struct ferry_outcomes *outcomes)
{
	unsigned long already = outcomes->pages[FERRY_ALREADY_THERE];

	if (range->target != FERRY_TARGET_DEVICE)
		already += outcomes->pages[FERRY_SWAPPED];
	if (range->target != FERRY_TARGET_DEVICE || range->skip_holes)
		already += outcomes->pages[FERRY_HOLE];
	return already;
}

static const enum ferry_stat counter_of[] = {
	[FERRY_TARGET_DEVICE] = FERRY_STAT_TO_DEVICE,
	[FERRY_TARGET_SYSTEM] = FERRY_STAT_TO_SYSTEM,
	[FERRY_TARGET_NODE] = FERRY_STAT_TO_NODE,
};

static void account(struct ferry_batch *batch)
{
	struct ferry_mirror_stats *stats = &batch->mirror->stats;
	struct ferry_range *range = batch->range;
	unsigned long moved, zeroed, already, failed;
	struct ferry_outcomes outcomes;

	if (batch->skipped)
		outcomes = (struct ferry_outcomes) {
			.pages[FERRY_HOLE] = batch->npages };
	else
		ferry_stats_outcomes(&outcomes, batch->outcome, batch->npages);
	ferry_stats_add(&stats->migrations, &batch->migrate, &outcomes);
	ferry_stats_add(batch->mirror->device->migrations, &batch->migrate, &outcomes);

	moved = outcomes.pages[FERRY_MOVED];
	zeroed = outcomes.pages[FERRY_ZERO_FILLED];
	already = count_already(range, &outcomes);
	failed = batch->npages - moved - zeroed - already;
	range->done += batch->npages * PAGE_SIZE;
	range->moved += moved + zeroed;
	range->already += already;
	range->failed += failed;
	ferry_stats_count(stats, counter_of[range->target], moved);
	ferry_stats_count(stats, FERRY_STAT_FAILED, failed);
}

/* Returns 0, or -EFAULT. */
static int report_outcomes(struct ferry_batch *batch, u8 __user *to)
{
	unsigned long done, n;

	if (batch->skipped)
		memset(batch->outcome, FERRY_HOLE, batch->room);
	for (done = 0; done < batch->npages; done += n) {
		n = min(batch->npages - done, batch->room);
		if (copy_to_user(to + done, batch->outcome, n)) {
			batch->outcomes_fault = true;
			return -EFAULT;
		}
		cond_resched();
	}
	return 0;
}

static int migrate_next(struct ferry_batch *batch)
{
	struct ferry_range *range = batch->range;
	u64 first = range->done / PAGE_SIZE;
	int ret;

	ret = migrate_batch(batch, range->start + range->done);
	if (ret)
		return ret;
	account(batch);
	if (range->outcomes)
		ret = report_outcomes(batch, range->outcomes + first);
	if (!ret && batch->full)
		ret = -ENOSPC;
	return ret;
}

/*
 * An error ends the call. The caller gets the error in two cases: no progress
 * came before the error (for -ENOSPC: no page moved), or the outcomes could not
 * be written.
 */
static int final_status(const struct ferry_batch *batch, int ret)
{
	const struct ferry_range *range = batch->range;

	if (batch->outcomes_fault)
		return ret;
	if (ret == -ENOSPC)
		return range->moved ? 0 : ret;
	return range->done ? 0 : ret;
}

/*
 * Never fails: without memory the arrays are small. Returns the memory to free,
 * or NULL.
 *
 * The first try is for the full size, also for fewer pages. Blocks of up to
 * eight pages come from the per-CPU lists. The free of a small block after the
 * free of many pages gives the lists back to the buddy allocator
 * (free_unref_page_commit()). Each page that moves to system memory next would
 * cost a quarter more.
 */
static void *init_arrays(struct ferry_batch *batch, unsigned long npages)
{
	const size_t size = sizeof(*batch->src) + sizeof(*batch->dst) + sizeof(*batch->outcome);
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN;
	unsigned long room = npages > FERRY_BATCH_FEW ? FERRY_BATCH_PAGES : npages;
	unsigned long *arrays = NULL;

	if (room > FERRY_BATCH_FEW)
		arrays = kmalloc_array(room, size, gfp);
	if (!arrays && room > FERRY_TABLE_PAGES) {
		room = FERRY_TABLE_PAGES;
		arrays = kmalloc_array(room, size, gfp);
	}
	if (arrays) {
		batch->src = arrays;
		batch->dst = arrays + room;
		batch->outcome = (u8 *)(arrays + 2 * room);
	} else {
		room = FERRY_BATCH_FEW;
		batch->src = batch->few_src;
		batch->dst = batch->few_dst;
		batch->outcome = batch->few_outcome;
	}
	batch->room = room;
	batch->most = room;
	return arrays;
}

/*
 * Until the call has moved pages or ends, no RELEASE takes the memory away
 * (turns.c).
 */
static int begin_use(struct ferry_memory *memory, struct ferry_range *range)
{
	int ret;

	ret = ferry_turns_use_begin(&memory->turns);
	if (ret)
		return ret;
	/* Brings back chunks that were taken away; no lock is held. */
	ret = ferry_memory_plug(memory);
	if (ret)
		ferry_turns_use_end(&memory->turns);
	else
		range->uses = true;
	return ret;
}

static void end_use(struct ferry_memory *memory, struct ferry_range *range)
{
	if (range->uses)
		ferry_turns_use_end(&memory->turns);
	range->uses = false;
}

static int migrate_batches(struct ferry_batch *batch)
{
	struct ferry_range *range = batch->range;
	int ret = 0;

	while (!ret && range->start + range->done < range->end) {
		if (range->done && signal_pending(current))
			break;
		ret = migrate_next(batch);
		if (range->moved)
			end_use(batch->mirror->device->memory, range);
		give_way(batch);
		cond_resched();
	}
	return ret;
}

static int migrate_range(struct ferry_mirror *mirror, struct ferry_range *range)
{
	struct ferry_batch batch = { .mirror = mirror, .range = range };
	void *arrays = NULL;
	int ret = 0;

	ferry_timed(ferry_timer(range->backend->timing, ferry_batch_way(&batch),
				FERRY_TIMING_DRIVER)) {
		arrays = init_arrays(&batch, (range->end - range->start) / PAGE_SIZE);
		ret = migrate_batches(&batch);
		range->ended_by = ret;
		ret = final_status(&batch, ret);
	}
	kfree(arrays);
	return ret;
}

/**
 * ferry_mirror_migrate() - move all pages of a range that can move
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @range: the request, checked with ferry_mirror_check(), page-aligned, with
 *	zero counts
 *
 * Accepts and leaves the pages that migrate_vma_setup() accepts and leaves. The
 * OOM killer kills no process for the call, except with core in a race
 * (charge.c).
 *
 * Context: sleeps; no lock held. To the device: waits for the turn
 * (device/turns.c) and for missing chunks (ferry_memory_plug()) first. Then takes
 * mmap_lock, page locks by trylock, and ferry_memory.lock.
 * Return: 0 with counts, also if the range ended early after some progress;
 * otherwise
 * * -EFAULT: an address is not mapped, or @range->outcomes cannot be written
 * * -EINVAL: a mapping cannot migrate
 * * -ENOSPC: the device is full, or a quota is used up, and no page moved
 * * -ENOMEM: memory could not be plugged
 * * -EINTR: a signal came before any progress
 */
int ferry_mirror_migrate(struct ferry_mirror *mirror, struct ferry_range *range)
{
	struct ferry_memory *memory = mirror->device->memory;
	int ret;

	if (range->outcomes &&
	    !access_ok(range->outcomes, (range->end - range->start) / PAGE_SIZE))
		return -EFAULT;
	if (range->target == FERRY_TARGET_DEVICE) {
		ret = begin_use(memory, range);
		if (ret)
			return ret;
	}
	ret = migrate_range(mirror, range);
	end_use(memory, range);
	return ret;
}
