// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second phase: system pages leave their LRU lists, so that reclaim does not look at
 * them and the new page can take the old one's place.
 *
 * PG_lru is cleared by an atomic test-and-clear: whoever clears it owns the page's
 * place on the list (folio_isolate_lru() works alike). It was set when collect.c
 * looked, with the page locked; the page lock does not keep others (compaction,
 * reclaim's scan) from clearing it since, so the result decides, and a page that
 * somebody else has isolated is put back where it was mapped.
 *
 * The lruvec's lock is taken once for a run of pages of the same lruvec, with
 * interrupts off; ISOLATE_RUN bounds how long. Nothing in here can sleep, flush or
 * walk an rmap. It is done before the memcg of any page changes: the lruvec is found
 * through it.
 *
 * No reference is taken: that of collect.c becomes the isolator's. Putting back is
 * folio_add_lru(), the kernel's own batch, by install.c.
 */
#include <linux/memcontrol.h>
#include <linux/mm_inline.h>
#include <linux/swap.h>

#include "engine.h"

#define ISOLATE_RUN	64

static bool must_isolate(const struct ferry_job *job, unsigned long slot)
{
	return job->src[slot] & MIGRATE_PFN_VALID &&
	       job->src[slot] & FERRY_PFN_ON_LRU;
}

/* Returns the lruvec that is locked now. */
static struct lruvec *isolate(struct ferry_job *job, unsigned long slot,
			      struct lruvec *lruvec)
{
	struct folio *folio = ferry_job_source(job, slot);

	if (!folio_test_clear_lru(folio)) {
		job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
		ferry_job_tell(job, slot, FERRY_NOT_LRU);
		return lruvec;
	}
	lruvec = folio_lruvec_relock_irq(folio, lruvec);
	lruvec_del_folio(lruvec, folio);
	job->src[slot] &= ~FERRY_PFN_ON_LRU;
	return lruvec;
}

/**
 * ferry_isolate() - take collected pages off their LRU lists
 * @job: what could not be isolated loses MIGRATE_PFN_MIGRATE
 *
 * Context: interrupts on.
 */
void ferry_isolate(struct ferry_job *job)
{
	struct lruvec *lruvec = NULL;
	unsigned long slot, run = 0;

	for (slot = 0; slot < job->npages; slot++) {
		if (!must_isolate(job, slot))
			continue;
		lruvec = isolate(job, slot, lruvec);
		if (lruvec && ++run == ISOLATE_RUN) {
			unlock_page_lruvec_irq(lruvec);
			lruvec = NULL;
			run = 0;
		}
	}
	if (lruvec)
		unlock_page_lruvec_irq(lruvec);
}
