// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's page table: windows of 512 pages. Each window has an interval
 * notifier and a lock. An xarray finds the window of an address.
 *
 * Why windows: with one notifier for the whole address space, any madvise() of
 * any thread would restart every device fault. One notifier for each page would
 * cost a tree node for each page. On x86 a window covers one page table of the
 * CPU.
 *
 * The entries are only a cache of the CPU's page table. Any entry and any
 * window can be dropped at any time at the price of a device fault. Dropping
 * bounds the memory (FERRY_MAX_WINDOWS). After an entry for exclusive access is
 * dropped, the device has no access to the page; the CPU takes the page back at
 * the next CPU fault, as always.
 *
 * Lifetime: a window has one reference for the place in the xarray and one for
 * each user. The xarray's lock serialises lookup and removal: a window found in
 * the xarray has a reference. The last put removes the notifier, and the
 * removal sleeps until no callback runs. No lock is held over the last put.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "mirror.h"
#include "notifier.h"
#include "page_table.h"

/**
 * ferry_window_find() - find the window of an address
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: any address in the window
 *
 * Context: takes the lock of mirror->windows.
 * Return: the window with a reference, or NULL if the device maps nothing in
 * the window.
 */
struct ferry_window *ferry_window_find(struct ferry_mirror *mirror,
				       unsigned long addr)
{
	struct ferry_window *window;

	xa_lock(&mirror->windows);
	window = xa_load(&mirror->windows, addr / FERRY_WINDOW_SIZE);
	if (window)
		refcount_inc(&window->refs);
	xa_unlock(&mirror->windows);
	return window;
}

/**
 * ferry_window_next() - find the first window of a range
 * @mirror: the mirror; need not be entered
 * @addr: in: first byte of the range, of any alignment; out: first byte of the
 *	found window
 * @last: last byte of the range
 *
 * The cost depends on the number of windows, not on the size of the range.
 *
 * Context: takes the lock of mirror->windows.
 * Return: the window with a reference, or NULL if the range has no more
 * windows.
 */
struct ferry_window *ferry_window_next(struct ferry_mirror *mirror,
				       unsigned long *addr, unsigned long last)
{
	unsigned long index = *addr / FERRY_WINDOW_SIZE;
	struct ferry_window *window;

	xa_lock(&mirror->windows);
	window = xa_find(&mirror->windows, &index, last / FERRY_WINDOW_SIZE, XA_PRESENT);
	if (window)
		refcount_inc(&window->refs);
	xa_unlock(&mirror->windows);
	*addr = index * FERRY_WINDOW_SIZE;
	return window;
}

/* Returns the next window from @index on, other than @keep. */
static struct ferry_window *next_window(struct ferry_mirror *mirror,
					unsigned long *index, unsigned long keep)
{
	struct ferry_window *window;

	window = xa_find(&mirror->windows, index, ULONG_MAX, XA_PRESENT);
	if (window && *index == keep)
		window = xa_find_after(&mirror->windows, index, ULONG_MAX, XA_PRESENT);
	return window;
}

/*
 * Round robin. Returns a window that is no longer in the xarray, or NULL. Every
 * insertion is followed by a call, and a window other than @keep always exists.
 * The number of windows exceeds FERRY_MAX_WINDOWS only between the insertion
 * and the call.
 */
static struct ferry_window *take_surplus(struct ferry_mirror *mirror,
					 unsigned long keep)
{
	struct ferry_window *window;
	unsigned long index;

	lockdep_assert_held(&mirror->windows.xa_lock);

	if (mirror->nwindows <= FERRY_MAX_WINDOWS)
		return NULL;
	index = mirror->evict_hand;
	window = next_window(mirror, &index, keep);
	if (!window) {
		index = 0;
		window = next_window(mirror, &index, keep);
	}
	if (WARN_ON_ONCE(!window))
		return NULL;
	mirror->evict_hand = index + 1;
	__xa_erase(&mirror->windows, index);
	mirror->nwindows--;
	return window;
}

/*
 * Reclaim calls the notifier, and the notifier takes the lock. Lockdep then
 * reports each allocation under the lock, without waiting for a reclaim.
 */
static void teach_lockdep(struct ferry_window *window)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&window->lock);
	fs_reclaim_release(GFP_KERNEL);
}

static struct ferry_window *create_window(struct ferry_mirror *mirror,
					  unsigned long start)
{
	struct ferry_window *window;
	int ret = -ENOMEM;

	window = kzalloc(sizeof(*window), FERRY_GFP_CALL);
	if (!window)
		return ERR_PTR(-ENOMEM);
	window->entries = kcalloc(FERRY_WINDOW_PAGES, sizeof(*window->entries),
				  FERRY_GFP_CALL);
	if (!window->entries)
		goto err_free_window;
	window->mirror = mirror;
	window->start = start;
	refcount_set(&window->refs, 1);
	mutex_init(&window->lock);
	teach_lockdep(window);
	ret = mmu_interval_notifier_insert(&window->notifier, mirror->mm, start,
					   FERRY_WINDOW_SIZE,
					   &ferry_window_notifier_ops);
	if (ret)
		goto err_free_entries;
	return window;

err_free_entries:
	kfree(window->entries);
err_free_window:
	kfree(window);
	return ERR_PTR(ret);
}

/**
 * ferry_window_get() - find or make the window of an address
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: any address in the window
 *
 * Context: sleeps; no mmap_lock held; takes the lock of mirror->windows.
 * Return: the window with a reference, or
 * * ERR_PTR(-ENOMEM) without memory
 * * ERR_PTR(-EINTR) for a signal while the mm got the first notifier
 *   (mm_take_all_locks())
 */
struct ferry_window *ferry_window_get(struct ferry_mirror *mirror,
				      unsigned long addr)
{
	unsigned long index = addr / FERRY_WINDOW_SIZE;
	struct ferry_window *window, *other, *surplus = NULL;

	window = ferry_window_find(mirror, addr);
	if (window)
		return window;
	window = create_window(mirror, index * FERRY_WINDOW_SIZE);
	if (IS_ERR(window))
		return window;

	refcount_inc(&window->refs);
	xa_lock(&mirror->windows);
	other = __xa_cmpxchg(&mirror->windows, index, NULL, window, FERRY_GFP_CALL);
	if (!other) {
		mirror->nwindows++;
		surplus = take_surplus(mirror, index);
	} else if (!xa_is_err(other)) {
		refcount_inc(&other->refs);
	}
	xa_unlock(&mirror->windows);

	if (surplus)
		ferry_window_put(surplus);
	if (!other)
		return window;
	refcount_dec(&window->refs);
	ferry_window_put(window);
	return xa_is_err(other) ? ERR_PTR(xa_err(other)) : other;
}

/**
 * ferry_window_put() - drop a reference
 * @window: the window, with a reference of the caller
 *
 * Context: may sleep; no lock held.
 */
void ferry_window_put(struct ferry_window *window)
{
	if (!refcount_dec_and_test(&window->refs))
		return;
	mmu_interval_notifier_remove(&window->notifier);
	mutex_destroy(&window->lock);
	kfree(window->entries);
	kfree(window);
}

/**
 * ferry_windows_destroy() - drop the whole page table
 * @mirror: the mirror; no call uses the mirror
 *
 * Context: may sleep; no lock held.
 */
void ferry_windows_destroy(struct ferry_mirror *mirror)
{
	struct ferry_window *window;
	unsigned long index;

	xa_for_each(&mirror->windows, index, window) {
		xa_erase(&mirror->windows, index);
		ferry_window_put(window);
	}
	xa_destroy(&mirror->windows);
}

/**
 * ferry_window_count() - count pages accessible without a device fault
 * @window: the window
 * @first: index of the first page in the window
 * @n: number of pages, all in the window
 * @write: the access is a write
 *
 * Context: window->lock is held.
 * Return: number of consecutive entries from @first on that are valid and allow
 * the access, 0 to @n.
 */
unsigned long ferry_window_count(struct ferry_window *window, unsigned long first,
				 unsigned long n, bool write)
{
	unsigned long i;

	lockdep_assert_held(&window->lock);

	for (i = 0; i < n; i++)
		if (!ferry_entry_allows(window->entries[first + i], write))
			break;
	return i;
}

/**
 * ferry_window_clear() - drop the entries of a range
 * @window: the window
 * @start: first byte; may lie before the window
 * @end: end, exclusive; may lie behind the window
 *
 * Context: window->lock is held.
 */
void ferry_window_clear(struct ferry_window *window, unsigned long start,
			unsigned long end)
{
	unsigned long window_end = window->start + FERRY_WINDOW_SIZE;

	lockdep_assert_held(&window->lock);

	start = max(start, window->start);
	end = min(end, window_end);
	if (start >= end)
		return;
	start = (start - window->start) / PAGE_SIZE;
	end = DIV_ROUND_UP(end - window->start, PAGE_SIZE);
	memset(&window->entries[start], 0, (end - start) * sizeof(ferry_entry_t));
}
