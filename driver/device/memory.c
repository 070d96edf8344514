// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's memory: the pool of pages. chunk.c makes the pages, plug.c adds
 * and removes chunks, owner.c has the operations on owners.
 *
 * A page from the pool holds the data of its last user. The new user overwrites
 * the whole page with ferry_copy_to_device() before the page is installed
 * anywhere. A page that is not installed goes back unread, by the last put.
 *
 * States of a page:
 *   - free: no reference; belongs to the pool
 *   - handed out by ferry_memory_alloc(): no reference; belongs to the caller
 *   - live after zone_device_page_init(): one reference, locked; from now on
 *     the kernel counts references, and the last put, from any place, calls
 *     ferry_memory_page_free()
 *
 * A live page holds its pgmap, and memunmap_pages() waits for the page.
 *
 * The holder of a page is the ferry_owner to which the pool handed out the
 * page. Through the holder a mirror finds its pages by pfn, wherever mremap()
 * and fork() moved the mappings. An owner lives as long as the file or one of
 * its pages. close() drops the file's count (ferry_memory_disown()). Pages that
 * could not move to system memory before are orphans. The last orphan of an
 * owner frees the owner. No page changes its owner, and disowning therefore
 * looks at no page. The module stays loaded while orphans exist.
 *
 * close() searches for pages only between the first and the last page that the
 * owner received since it last held none. Pages of other owners outside these
 * bounds cost the close nothing: a user cannot slow down every close by filling
 * the device. While an owner has pages, the bounds only widen, under
 * memory->lock. An eviction reads the bounds when no more pages are handed out
 * to the owner: after the last caller of its file, or after unplug_begin.
 *
 * Hand-out runs under memory->lock. Freeing a live page does not: last puts
 * come page by page, under page-table locks, from all CPUs at once
 * (exit_mmap()), and for pages pinned by I/O perhaps in interrupt context.
 * Eviction does not either: any number of evictions run on one device at the
 * same time, and each may last as long as its rmap walks. Each of the three
 * takes, frees or leaves a page in one atomic step on the holder. The step
 * decides each race:
 *   - eviction and eviction: evict_begin sets FERRY_PAGE_EVICTING only where
 *     the bit is clear. A page therefore has one eviction at a time, and only
 *     this eviction drops the bit (evict_end).
 *   - freeing and eviction: freeing clears the owner. If FERRY_PAGE_EVICTING is
 *     set at that moment, freeing does not clear the bit in chunk->used;
 *     evict_end clears the bit. evict_end drops FERRY_PAGE_EVICTING and looks
 *     for an owner, also in one step. Exactly one of the two clears the bit in
 *     chunk->used.
 *   - freeing or eviction, and hand-out: freeing and evict_end clear the bit in
 *     chunk->used (release) after their last look at the holder. Hand-out finds
 *     the bit clear (acquire) before the write of the holder. Only hand-out
 *     sets bits; a bit that hand-out found clear stays clear. Hand-out writes a
 *     holder only while the holder is 0, and no eviction takes a page with
 *     holder 0.
 *   - eviction and unplugging: see plug.c.
 *
 * The counts go down last: where owner->held and chunk->nheld are 0, the bits
 * in chunk->used are clear, except bits left to an eviction. The kernel drops
 * the page's reference on the pgmap after page_free returns. Until then the
 * reference keeps the chunk and the memory.
 *
 * Rejected: a list of pages in each owner. The list costs two more pointers per
 * page, and the scan of the metadata finds the pages in the same order.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/vmstat.h>

#include "chunk.h"
#include "memory.h"
#include "owner.h"
#include "quota.h"

static_assert(__alignof__(struct ferry_owner) > FERRY_PAGE_EVICTING);

/* The pool --------------------------------------------------------------- */

/*
 * Begins where the last search ended, then wraps to the start of the chunk. The
 * search finds pages that were freed since, and runs are long.
 */
static unsigned long find_free(struct ferry_chunk *chunk)
{
	unsigned long first;

	if (atomic_long_read(&chunk->nheld) >= (long)chunk->npages)
		return chunk->npages;
	first = find_next_zero_bit(chunk->used, chunk->npages, chunk->next);
	if (first == chunk->npages && chunk->next)
		first = find_first_zero_bit(chunk->used, chunk->npages);
	return first;
}

/* Widens the bounds between which evictions search for the owner's pages. */
static void note_place(struct ferry_owner *owner, unsigned long first, unsigned long end)
{
	if (!owner->end || first < owner->first)
		WRITE_ONCE(owner->first, first);
	if (end > owner->end)
		WRITE_ONCE(owner->end, end);
}

static unsigned long take_run(struct ferry_chunk *chunk, struct ferry_owner *owner,
			      unsigned long n, struct page **pages)
{
	unsigned long alone = owner->alone ? BIT(FERRY_PAGE_ALONE) : 0;
	unsigned long first, end, i;
	struct ferry_page *meta;
	struct page *page;

	lockdep_assert_held(&chunk->memory->lock);

	first = find_free(chunk);
	if (first == chunk->npages)
		return 0;
	end = find_next_bit(chunk->used, min(chunk->npages, first + n), first);

	page = pfn_to_page(chunk->first_pfn + first);
	meta = &chunk->pages[first];
	for (i = first; i < end; i++, meta++) {
		WARN_ON_ONCE(test_and_set_bit_lock(i, chunk->used));
		atomic_long_set(&meta->holder, (unsigned long)owner);
		meta->flags = alone;
		*pages++ = page++;
	}
	note_place(owner, chunk->first + first, chunk->first + end);
	chunk->next = end;
	atomic_long_add(end - first, &chunk->nheld);
	return end - first;
}

/**
 * ferry_memory_alloc() - hand out device pages
 * @memory: memory of the device
 * @owner: owner of the new pages, not disowned
 * @n: number of pages wanted
 * @pages: array of @n entries; the first entries are set, in runs of
 *	consecutive pfns
 *
 * The pages have no reference and hold stale data. The driver passes each page
 * to zone_device_page_init(), and overwrites or clears the page before the page
 * is mapped. The last put gives the page back (ferry_memory_page_free()). Only
 * tests give pages back with ferry_memory_free().
 *
 * Context: process context; takes memory->lock, does not sleep.
 * Return: number of pages handed out, 0 to @n. Less than @n: the device is
 * full, @owner may hold no more (ferry_owner_quota_left()), or an unplug is
 * under way.
 */
unsigned long ferry_memory_alloc(struct ferry_memory *memory,
				 struct ferry_owner *owner, unsigned long n,
				 struct page **pages)
{
	unsigned long got = 0, run;
	unsigned int c, i;

	spin_lock(&memory->lock);
	n = min(n, ferry_owner_quota_left(memory, owner));
	if (!ferry_owner_held(owner))
		WRITE_ONCE(owner->end, 0);
	c = memory->next;
	for (i = 0; i < memory->nchunks && !memory->unplugging && got < n; i++) {
		do {
			run = memory->chunks[c] ? take_run(memory->chunks[c], owner, n - got,
							   pages + got) : 0;
			got += run;
		} while (run && got < n);
		if (got < n && ++c == memory->nchunks)
			c = 0;
	}
	memory->next = c;
	atomic_long_add(got, &owner->held);
	if (owner->user)
		atomic_long_add(got, &owner->user->held);
	spin_unlock(&memory->lock);
	return got;
}

static void give_back_page(struct ferry_chunk *chunk, struct page *page)
{
	struct ferry_page *meta = ferry_page_meta(page);
	unsigned long holder;

	holder = atomic_long_fetch_and(FERRY_PAGE_EVICTING, &meta->holder);
	if (!(holder & FERRY_PAGE_EVICTING))
		clear_bit_unlock(ferry_page_index(chunk, page), chunk->used);
	ferry_owner_drop(chunk->memory, ferry_holder_owner(holder));
	atomic_long_dec(&chunk->nheld);
}

/**
 * ferry_memory_free() - give back pages that never became live
 * @memory: memory of the device
 * @pages: pages from ferry_memory_alloc(), without a reference
 * @n: entries of @pages
 *
 * Only tests call ferry_memory_free(): the driver makes each page live.
 *
 * Context: process context; takes memory->lock and, for the last page of an
 * orphaned owner, memory->users_lock; does not sleep.
 */
void ferry_memory_free(struct ferry_memory *memory, struct page **pages,
		       unsigned long n)
{
	/*
	 * The pages hold no pgmap. The lock keeps the chunk until give_back_page()
	 * ends.
	 */
	spin_lock(&memory->lock);
	for (; n--; pages++)
		give_back_page(ferry_page_chunk(*pages), *pages);
	spin_unlock(&memory->lock);
}

/*
 * Clears the flags that anonymous memory leaves on a page. free_pages_prepare()
 * clears them for system pages; free_zone_device_folio() does not. Otherwise
 * the next user would:
 *   - inherit a dirty bit
 *   - find a lazily freed page swap-backed
 *   - meet a BUG over a page that is active and unevictable
 *
 * munlock() skips device pages, and a freed page may still count as mlocked.
 * The page has no reference, so that no other CPU changes the flags, and one
 * plain store suffices.
 */
#if defined(CONFIG_PAGE_IDLE_FLAG) && defined(CONFIG_64BIT)
#define FERRY_IDLE_FLAGS	(BIT(PG_young) | BIT(PG_idle))
#else
#define FERRY_IDLE_FLAGS	0
#endif

#define FERRY_LIFE_FLAGS						\
	(__PG_MLOCKED | FERRY_IDLE_FLAGS | BIT(PG_reclaim) |		\
	 BIT(PG_unevictable) | BIT(PG_dirty) |				\
	 BIT(PG_uptodate) | BIT(PG_swapbacked) | BIT(PG_referenced) |	\
	 BIT(PG_workingset) | BIT(PG_active) | BIT(PG_checked) |	\
	 BIT(PG_mappedtodisk))

static void clear_flags(struct folio *folio)
{
	if (unlikely(folio_test_mlocked(folio)))
		zone_stat_mod_folio(folio, NR_MLOCK, -1);
	WRITE_ONCE(*ferry_flags(folio), READ_ONCE(*ferry_flags(folio)) & ~FERRY_LIFE_FLAGS);
}

/**
 * ferry_memory_page_free() - the last reference on a page is gone
 * @freed: page of a Ferry device, without a reference
 *
 * The folio_free member of struct dev_pagemap_ops (6.12: page_free).
 *
 * Context: any; takes no lock, except users_lock for the last page of an
 * orphaned owner.
 */
void ferry_memory_page_free(ferry_freed *freed)
{
	/* Device pages are order 0: page and folio are the same. */
	struct page *page = (struct page *)freed;

	clear_flags((struct folio *)page);
	give_back_page(ferry_page_chunk(page), page);
}

/**
 * ferry_memory_used() - pages in use on a device
 * @memory: memory of the device
 *
 * Context: process context; takes memory->lock.
 * Return: number of pages handed out.
 */
unsigned long ferry_memory_used(struct ferry_memory *memory)
{
	unsigned long used = 0;
	unsigned int c;

	spin_lock(&memory->lock);
	for (c = 0; c < memory->nchunks; c++)
		if (memory->chunks[c])
			used += atomic_long_read(&memory->chunks[c]->nheld);
	spin_unlock(&memory->lock);
	/*
	 * give_back_page() lowers nheld last, and a page may be handed out again
	 * before.
	 */
	return min(used, memory->npages);
}

/**
 * ferry_memory_is_empty() - check whether all chunks can be taken away
 * @memory: memory of the device
 *
 * Unlike ferry_memory_used(), the check counts freed pages that an eviction
 * still has.
 *
 * Context: any; RCU read section inside.
 * Return: true if no chunk has a page that is handed out or in an eviction.
 */
bool ferry_memory_is_empty(struct ferry_memory *memory)
{
	bool empty = true;
	unsigned int c;

	rcu_read_lock();
	for (c = 0; c < memory->nchunks && empty; c++) {
		/* Pairs with set_chunk(). */
		struct ferry_chunk *chunk = smp_load_acquire(&memory->chunks[c]);

		empty = !chunk || bitmap_empty(chunk->used, chunk->npages);
	}
	rcu_read_unlock();
	return empty;
}

/* One page ----------------------------------------------------------------- */

/**
 * ferry_memory_owns() - check for a page of any Ferry device
 * @page: any page, with a reference or named by a locked page table
 *
 * Context: any.
 * Return: true if @page is a page of a Ferry device, and the functions on such
 * pages (ferry_memory_address() and others) may be called.
 */
bool ferry_memory_owns(const struct page *page)
{
	return is_zone_device_page(page) && page_pgmap(page)->ops &&
	       page_pgmap(page)->ops->ferry_free_op == ferry_memory_page_free;
}

/**
 * ferry_memory_address() - address of the contents of a device page
 * @page: page of a Ferry device
 *
 * Context: any.
 * Return: kernel address of PAGE_SIZE bytes, valid while the page is handed
 * out.
 */
void *ferry_memory_address(const struct page *page)
{
	struct ferry_chunk *chunk = ferry_page_chunk(page);

	return ferry_chunk_address(chunk, ferry_page_index(chunk, page));
}

/**
 * ferry_memory_span() - address of the contents of a run of device pages
 * @page: first page, of a Ferry device
 * @address: set to the address of the contents of @page
 *
 * Context: any.
 * Return: number of pages, from @page on, that are consecutive both by pfn and
 * by address of their contents; at least 1.
 */
unsigned long ferry_memory_span(const struct page *page, void **address)
{
	struct ferry_chunk *chunk = ferry_page_chunk(page);
	unsigned long i = ferry_page_index(chunk, page);

	*address = ferry_chunk_address(chunk, i);
	return FERRY_BLOCK_PAGES - i % FERRY_BLOCK_PAGES;
}
