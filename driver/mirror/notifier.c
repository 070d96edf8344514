// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU's page table changes, and the device drops the entries of the range.
 *
 * The sequence number and the entries change together under window->lock. A
 * device fault writes entries under the same lock, after a check of the number
 * (mmu_interval_read_begin(), mmu_interval_read_retry()). Two orders are
 * possible:
 *
 * - The fault sees the new number and starts again.
 * - The callback runs after the fault and clears the entries of the fault.
 *
 * The device accesses memory under window->lock too: no access is under way
 * when the callback returns.
 *
 * The invalidations of Ferry's own migrations (MMU_NOTIFY_MIGRATE with Ferry's
 * owner) are not exempt. A page that stays in place costs one device fault. No
 * stale entry survives in any case.
 *
 * One event is exempt: the same mirror takes pages for exclusive access
 * (exclusive.c). The pages stay in place; the CPUs lose access, the mirror does
 * not. If the event counted, the sequence number could never be stable over the
 * taking. An end of exclusive access, by any path, has another owner and is not
 * exempt.
 *
 * In a context that must not block (OOM reaper) the callback returns false for
 * a window in use, as the interface allows.
 */
#include "mirror.h"
#include "notifier.h"
#include "page_table.h"

static bool window_invalidate(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range,
			      unsigned long seq)
{
	struct ferry_window *window =
		container_of(notifier, struct ferry_window, notifier);

	if (range->event == MMU_NOTIFY_EXCLUSIVE && range->owner == window->mirror)
		return true;

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&window->lock);
	else if (!mutex_trylock(&window->lock))
		return false;

	mmu_interval_set_seq(notifier, seq);
	ferry_window_clear(window, range->start, range->end);
	mutex_unlock(&window->lock);
	ferry_stats_count(&window->mirror->stats, FERRY_STAT_INVALIDATIONS, 1);
	return true;
}

const struct mmu_interval_notifier_ops ferry_window_notifier_ops = {
	.invalidate = window_invalidate,
};
