/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_TALLY_H
#define FERRY_MIGRATE_TALLY_H

#include <linux/atomic.h>

#include "migrate.h"

/**
 * struct ferry_tally - statistics over many calls of an engine
 * @outcomes: number of pages by enum ferry_outcome
 * @flushes: number of TLB flushes by strategy; the own engine's, for core's
 *	flushes are not known
 * @passes: sum of ferry_migrate_counts.passes
 * @drains: sum of ferry_migrate_counts.drains
 * @splits: sum of ferry_migrate_counts.splits
 * @known: sum of ferry_migrate_counts.known
 * @walked: sum of ferry_migrate_counts.walked
 */
struct ferry_tally {
	atomic64_t outcomes[FERRY_NOUTCOMES];
	atomic64_t flushes[FERRY_NFLUSHES];
	atomic64_t passes;
	atomic64_t drains;
	atomic64_t splits;
	atomic64_t known;
	atomic64_t walked;
};

/**
 * struct ferry_outcomes - outcomes of one call
 * @pages: number of pages by enum ferry_outcome
 */
struct ferry_outcomes {
	unsigned long pages[FERRY_NOUTCOMES];
};

void ferry_outcomes_count(struct ferry_outcomes *outcomes, const u8 *outcome,
			  unsigned long npages);
void ferry_tally_add(struct ferry_tally *tally, const struct ferry_migrate *migrate,
		     const struct ferry_outcomes *outcomes);

#endif
