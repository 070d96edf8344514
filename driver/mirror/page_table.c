// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's page table: windows of 512 pages, each with its own interval notifier
 * and lock, found through an xarray.
 *
 * Why windows: a notifier for the whole address space would send every device
 * fault back to the start whenever any thread does madvise() anywhere; one for
 * each page would be a tree node a page. On x86 a window is a page table.
 *
 * The entries are a cache of the CPU's page table and nothing else: any of them,
 * and any window, can be dropped at any time at the price of a device fault. That
 * is what bounds the memory (FERRY_MAX_WINDOWS). An entry for exclusive access that
 * is given up is one that the device no longer knows of: the CPU takes the page back
 * at its next touch, as ever.
 *
 * Lifetime: a window is in the xarray with one reference and is used with
 * another. Lookup and removal are serialised by the xarray's lock, so that a
 * window found there has a reference. The last put removes the notifier, which
 * sleeps until no callback runs; it is never done with a lock held.
 */
#include <linux/slab.h>

#include "mirror.h"
#include "page_table.h"

/**
 * ferry_window_find() - find the window of an address
 * @mirror: entered
 * @addr: any address in it
 *
 * Return: the window with a reference, or NULL: nothing is mapped there.
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
 * @mirror: entered
 * @addr: in: any address; out: first byte of the window that was found
 * @last: last byte of the range
 *
 * For ranges of any size: it takes no longer than there are windows.
 *
 * Return: the window with a reference, or NULL: there are no more.
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

/* The next window from @index on that is not @keep. */
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
 * insertion is followed by a call, and there is always another window than @keep
 * to give up, so there are never more than FERRY_MAX_WINDOWS for longer than that.
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
 * @mirror: entered
 * @addr: any address in it
 *
 * Context: sleeps; no mmap_lock held.
 * Return: the window with a reference; ERR_PTR(-ENOMEM), or ERR_PTR(-EINTR) if a
 * signal came while the mm got its first notifier (mm_take_all_locks()).
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
 * @window: from ferry_window_get()
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
 * @mirror: with nobody in it
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
 * ferry_window_count() - how many pages can the device access as it is
 * @window: locked
 * @first: index of the first page in the window
 * @n: pages, all in the window
 * @write: the access is a write
 *
 * Return: how many entries from @first on are there with the right, 0 to @n.
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
 * ferry_window_clear() - drop entries
 * @window: locked
 * @start: first byte; may lie before the window
 * @end: exclusive; may lie behind it
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
