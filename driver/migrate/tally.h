/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_TALLY_H
#define FERRY_MIGRATE_TALLY_H

#include <linux/atomic.h>

#include "migrate.h"

/**
 * struct ferry_tally - sums over many calls of an engine
 * @outcomes: pages by enum ferry_outcome
 * @flushes: TLB flushes that the own engine asked for, by strategy; core's are not known
 * @passes: see struct ferry_migrate_counts, as are the others
 * @drains: the same
 * @splits: the same
 * @known: the same
 * @walked: the same
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
 * struct ferry_outcomes - pages of one call by enum ferry_outcome
 * @pages: how many had each
 */
struct ferry_outcomes {
	unsigned long pages[FERRY_NOUTCOMES];
};

void ferry_outcomes_count(struct ferry_outcomes *outcomes, const u8 *outcome,
			  unsigned long npages);
void ferry_tally_add(struct ferry_tally *tally, const struct ferry_migrate *migrate,
		     const struct ferry_outcomes *outcomes);

#endif
