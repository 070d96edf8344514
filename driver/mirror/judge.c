// SPDX-License-Identifier: GPL-2.0-only
/*
 * Outcome of each page of a batch, for an engine that reports no outcomes. The
 * engine's arrays show the moved pages. For a page that stayed, the reason is
 * guessed from the page-table entry of the address.
 */
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

#include "batch.h"
#include "migrate.h"
#include "snapshot.h"

/**
 * ferry_batch_note_moves() - find the moved pages in core's arrays
 * @batch: the batch, after the engine's pages() and before finalize()
 *
 * A page moved if the slot has a destination and still has MIGRATE_PFN_MIGRATE.
 *
 * Context: any.
 */
void ferry_batch_note_moves(struct ferry_batch *batch)
{
	unsigned long i;

	for (i = 0; i < batch->npages; i++) {
		if (batch->outcome[i] != FERRY_NOT_ATTEMPTED || !batch->dst[i] ||
		    !(batch->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		batch->outcome[i] = batch->src[i] & MIGRATE_PFN_VALID ?
				    FERRY_MOVED : FERRY_ZERO_FILLED;
	}
}

static u8 judge_to_device(struct ferry_batch *batch, const struct ferry_page_state *state)
{
	struct vm_area_struct *vma = batch->migrate.vma.vma;
	u32 where = state->flags & FERRY_STATE_WHERE_MASK;

	if (where == FERRY_STATE_THIS_DEVICE)
		return FERRY_ALREADY_THERE;
	if (where == FERRY_STATE_OTHER_DEVICE)
		return FERRY_FOREIGN_DEVICE;
	if (where == FERRY_STATE_NONE || state->flags & FERRY_STATE_ZERO) {
		if (!vma_is_anonymous(vma))
			return FERRY_FILE;
		if (state->outcome == FERRY_UFFD)
			return FERRY_UFFD;
		return userfaultfd_missing(vma) ? FERRY_UFFD : FERRY_NOT_MOVED;
	}
	return state->outcome;
}

static u8 judge_to_system(const struct ferry_page_state *state)
{
	switch (state->flags & FERRY_STATE_WHERE_MASK) {
	case FERRY_STATE_NONE:
		return FERRY_HOLE;
	case FERRY_STATE_SYSTEM:
		return FERRY_ALREADY_THERE;
	case FERRY_STATE_OTHER_DEVICE:
		return FERRY_FOREIGN_DEVICE;
	default:
		return state->outcome;
	}
}

/**
 * ferry_batch_judge() - find out why pages did not move
 * @batch: the batch, after the engine's finalize(); each page without an
 *	outcome gets an outcome
 *
 * Context: mmap_lock held since before the engine's setup().
 */
void ferry_batch_judge(struct ferry_batch *batch)
{
	unsigned long addr = batch->migrate.vma.start, i;
	struct ferry_page_state state;

	for (i = 0; i < batch->npages; i++, addr += PAGE_SIZE) {
		if (batch->outcome[i] != FERRY_NOT_ATTEMPTED)
			continue;
		state = ferry_snapshot_page(batch->mirror->device, batch->migrate.vma.vma, addr);
		ferry_snapshot_judge(&state);
		if (batch->range->target == FERRY_TARGET_DEVICE)
			batch->outcome[i] = judge_to_device(batch, &state);
		else
			batch->outcome[i] = judge_to_system(&state);
	}
}
