/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A batch: one piece of a range that migrates. The files that handle a batch
 * share this header.
 */
#ifndef FERRY_MIRROR_BATCH_H
#define FERRY_MIRROR_BATCH_H

#include "migrate.h"
#include "migrate/migrate.h"
#include "migrate/timing.h"
#include "mirror.h"

/* Room in the arrays on the stack, in pages. */
#define FERRY_BATCH_FEW		24

/**
 * struct ferry_batch - one call of the engine
 * @mirror: mirror of the call
 * @range: request that the batch is a part of
 * @migrate: the engine's arguments
 * @src: the engine's array of sources
 * @dst: the engine's array of destinations
 * @outcome: outcome of each page
 * @room: entries of each array
 * @most: limit for the pages of the next batch; equals @room while no thread
 *	waits for mmap_lock
 * @npages: pages of this batch, from @migrate.vma.start on
 * @ksm: address of the first KSM page that the engine must not meet, or an
 *	address beyond the batch
 * @skipped: the batch has only holes, and the engine did not run; @outcome is
 *	not set
 * @full: at least one page found no device page
 * @contended: a thread waited for mmap_lock at the end of the batch
 * @outcomes_fault: copy_to_user() of the outcomes failed
 * @few_src: array for @src if the range is small or memory is short
 * @few_dst: array for @dst in the same case
 * @few_outcome: array for @outcome in the same case
 */
struct ferry_batch {
	struct ferry_mirror *mirror;
	struct ferry_range *range;
	struct ferry_migrate migrate;
	unsigned long *src;
	unsigned long *dst;
	u8 *outcome;
	unsigned long room;
	unsigned long most;
	unsigned long npages;
	unsigned long ksm;
	bool skipped;
	bool full;
	bool contended;
	bool outcomes_fault;
	unsigned long few_src[FERRY_BATCH_FEW];
	unsigned long few_dst[FERRY_BATCH_FEW];
	u8 few_outcome[FERRY_BATCH_FEW];
};

static inline enum ferry_timing_way ferry_batch_way(const struct ferry_batch *batch)
{
	switch (batch->range->target) {
	case FERRY_TARGET_DEVICE:
		return FERRY_TIMING_TO_DEVICE;
	case FERRY_TARGET_NODE:
		return FERRY_TIMING_TO_NODE;
	default:
		return FERRY_TIMING_TO_SYSTEM;
	}
}

int ferry_batch_migrate(struct ferry_batch *batch, unsigned long start);

/* judge.c */
void ferry_batch_note_moves(struct ferry_batch *batch);
void ferry_batch_judge(struct ferry_batch *batch);

/* holes.c */
void ferry_batch_choose_holes(struct ferry_batch *batch);

#endif
