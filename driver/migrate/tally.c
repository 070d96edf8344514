// SPDX-License-Identifier: GPL-2.0-only
/*
 * What migrations did, summed up for those who look: one tally for each open file and
 * one for each device. The counters are summed up once a call, not once a page.
 */
#include "tally.h"

/**
 * ferry_tally_add() - add one call
 * @tally: the sum
 * @migrate: finalized, with the outcome of every page
 */
void ferry_tally_add(struct ferry_tally *tally, const struct ferry_migrate *migrate)
{
	const struct ferry_migrate_counts *counts = &migrate->counts;
	unsigned long pages[FERRY_NOUTCOMES] = {};
	unsigned long npages = (migrate->vma.end - migrate->vma.start) >> PAGE_SHIFT, i;
	enum ferry_flush flush = migrate->flush ?: FERRY_FLUSH_PER_CALL;

	for (i = 0; i < npages; i++)
		pages[migrate->outcome[i]]++;
	for (i = 0; i < FERRY_NOUTCOMES; i++)
		if (pages[i])
			atomic64_add(pages[i], &tally->outcomes[i]);
	atomic64_add(counts->flushes, &tally->flushes[flush]);
	atomic64_add(counts->passes, &tally->passes);
	atomic64_add(counts->drains, &tally->drains);
	atomic64_add(counts->splits, &tally->splits);
	atomic64_add(counts->known, &tally->known);
	atomic64_add(counts->walked, &tally->walked);
}
