// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU's page table changes: the device forgets what it knew there.
 *
 * The sequence number and the entries change together under window->lock, and a
 * device fault fills entries under the same lock after it has checked the number
 * (mmu_interval_read_begin()/read_retry()): either the fault sees the new number
 * and starts again, or the callback comes after it and clears what it wrote. As
 * the device accesses memory under that lock too, no access is under way when the
 * callback returns.
 *
 * The invalidations of our own migrations (MMU_NOTIFY_MIGRATE with our owner) are
 * not exempt: the pages they leave in place cost one fault that finds them, and
 * there is no case in which a stale entry survives.
 *
 * One event is: when this very mirror takes pages for exclusive access
 * (exclusive.c). It keeps the pages where they are and takes them from the CPUs, not
 * from us, and were it counted, the sequence number could never stand still over
 * the taking. An end of exclusive access, by whatever way, has another owner.
 *
 * In a context that must not block (the OOM reaper) a window that is in use is
 * reported busy, as the interface allows.
 */
#include "mirror.h"
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
	atomic64_inc(&window->mirror->stats.invalidations);
	return true;
}

const struct mmu_interval_notifier_ops ferry_window_notifier_ops = {
	.invalidate = window_invalidate,
};
