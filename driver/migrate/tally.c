// SPDX-License-Identifier: GPL-2.0-only
/*
 * What migrations did, summed up for those who look: one tally for each open file and
 * one for each device. The counters are summed up once a call, not once a page.
 */
#include <linux/string.h>

#include "tally.h"

/**
 * ferry_outcomes_count() - count the outcomes of one call
 * @outcomes: out
 * @outcome: of each page, enum ferry_outcome
 * @npages: how many
 */
void ferry_outcomes_count(struct ferry_outcomes *outcomes, const u8 *outcome,
			  unsigned long npages)
{
	unsigned long i;

	memset(outcomes, 0, sizeof(*outcomes));
	/* Most often all have the same. */
	if (npages && !memchr_inv(outcome, outcome[0], npages)) {
		outcomes->pages[outcome[0]] = npages;
		return;
	}
	for (i = 0; i < npages; i++)
		outcomes->pages[outcome[i]]++;
}

/**
 * ferry_tally_add() - add one call
 * @tally: the sum
 * @migrate: finalized
 * @outcomes: of its pages
 */
void ferry_tally_add(struct ferry_tally *tally, const struct ferry_migrate *migrate,
		     const struct ferry_outcomes *outcomes)
{
	const struct ferry_migrate_counts *counts = &migrate->counts;
	enum ferry_flush flush = migrate->flush ?: FERRY_FLUSH_AUTO;
	unsigned int i;

	for (i = 0; i < FERRY_NOUTCOMES; i++)
		if (outcomes->pages[i])
			atomic64_add(outcomes->pages[i], &tally->outcomes[i]);
	atomic64_add(counts->flushes, &tally->flushes[flush]);
	atomic64_add(counts->passes, &tally->passes);
	atomic64_add(counts->drains, &tally->drains);
	atomic64_add(counts->splits, &tally->splits);
	atomic64_add(counts->known, &tally->known);
	atomic64_add(counts->walked, &tally->walked);
}
