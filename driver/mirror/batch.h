/* SPDX-License-Identifier: GPL-2.0-only */
/* A piece of a range that migrates: what the files that handle it share. */
#ifndef FERRY_MIRROR_BATCH_H
#define FERRY_MIRROR_BATCH_H

#include "migrate/migrate.h"
#include "mirror.h"

/* Pages of the smallest batch, whose arrays are on the stack. */
#define FERRY_BATCH_FEW		24

/**
 * struct ferry_batch - one call of the engine
 * @mirror: whose
 * @range: the request
 * @migrate: for the engine
 * @src: its array of sources
 * @dst: its array of destinations
 * @outcome: what became of each page
 * @room: entries of each array
 * @most: pages of the next batch, at the most; @room while nobody waits for mmap_lock
 * @npages: pages of the batch, from @migrate.vma.start
 * @ksm: address of the first KSM page that must be avoided, or beyond the batch
 * @skipped: nothing but holes, which the engine was not shown; @outcome is not used
 * @full: the device had no page for at least one
 * @contended: somebody waited for mmap_lock at the end of the batch
 * @untold: the user's array of outcomes could not be written
 * @few_src: @src without memory, and of small calls
 * @few_dst: the same of @dst
 * @few_outcome: the same of @outcome
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
	bool untold;
	unsigned long few_src[FERRY_BATCH_FEW];
	unsigned long few_dst[FERRY_BATCH_FEW];
	u8 few_outcome[FERRY_BATCH_FEW];
};

/* judge.c */
void ferry_batch_note_moves(struct ferry_batch *batch);
void ferry_batch_judge(struct ferry_batch *batch);

/* holes.c */
void ferry_batch_choose_holes(struct ferry_batch *batch);

#endif
