// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics of migrations: one set for each open file and one set for each
 * device. Counters are added once a call, not once a page.
 */
#include <linux/string.h>

#include "tally.h"

/**
 * ferry_outcomes_count() - count the outcomes of one call
 * @outcomes: out: number of pages by outcome
 * @outcome: one enum ferry_outcome for each page
 * @npages: number of pages
 *
 * Context: any.
 */
void ferry_outcomes_count(struct ferry_outcomes *outcomes, const u8 *outcome,
			  unsigned long npages)
{
	unsigned long i;

	memset(outcomes, 0, sizeof(*outcomes));
	/* The common case: all pages have the same outcome. */
	if (npages && !memchr_inv(outcome, outcome[0], npages)) {
		outcomes->pages[outcome[0]] = npages;
		return;
	}
	for (i = 0; i < npages; i++)
		outcomes->pages[outcome[i]]++;
}

/**
 * ferry_tally_add() - add one call to the statistics
 * @tally: the statistics, shared by callers without a lock
 * @migrate: the migration, after finalize
 * @outcomes: outcomes of the migration's pages
 *
 * Context: any; the counters are atomic.
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
