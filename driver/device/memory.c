// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's memory: the pool that hands pages out. What the pages are made of is
 * in chunk.c, how chunks come and go in plug.c.
 *
 * A page that is handed out holds what its last user left there. Whoever asks
 * for one overwrites it whole, by a copy or by ferry_copy_clear(), before the
 * page is installed anywhere; a page that is not installed goes back unread.
 *
 * Who owns what: a free page has no reference and belongs to the pool. A page
 * handed out by ferry_memory_alloc() is the caller's, still without reference;
 * zone_device_page_init() makes it live (one reference, locked), from then on the
 * kernel counts, and the last put, wherever that is, comes back through
 * ferry_memory_page_free(). A live page holds its pgmap, so memunmap_pages() waits for it.
 *
 * Each page remembers the ferry_owner it was handed out to, under the pool's
 * lock. That is how a mirror finds its pages by pfn, wherever mremap() and
 * fork() have taken them. An owner that goes away leaves what it could not bring
 * home to memory->orphans; while there is an orphan the module stays.
 *
 * Rejected: a list of pages in each owner: two more pointers a page, to find in
 * order what a scan of the metadata finds in order too.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmstat.h>

#include "chunk.h"
#include "memory.h"

static struct ferry_chunk *page_chunk(const struct page *page)
{
	return container_of(page->pgmap, struct ferry_chunk, pagemap);
}

static struct ferry_page *page_meta(const struct page *page)
{
	return page->zone_device_data;
}

static unsigned long page_index(const struct ferry_chunk *chunk,
				const struct page *page)
{
	return page_to_pfn(page) - chunk->first_pfn;
}

/* The pool ---------------------------------------------------------------- */

static unsigned long take_run(struct ferry_chunk *chunk, struct ferry_owner *owner,
			      unsigned long n, struct page **pages)
{
	unsigned long first, end, i;

	lockdep_assert_held(&chunk->memory->lock);

	first = find_next_zero_bit(chunk->used, chunk->npages, chunk->next_free);
	if (first == chunk->npages) {
		chunk->next_free = first;
		return 0;
	}
	end = find_next_bit(chunk->used, min(chunk->npages, first + n), first);

	bitmap_set(chunk->used, first, end - first);
	chunk->next_free = end;
	for (i = first; i < end; i++) {
		chunk->pages[i].owner = owner;
		*pages++ = pfn_to_page(chunk->first_pfn + i);
	}
	return end - first;
}

/**
 * ferry_memory_alloc() - hand out device pages
 * @memory: of which device
 * @owner: to whom
 * @n: how many are wanted
 * @pages: room for @n; filled in runs of consecutive pfns
 *
 * The pages have no reference yet and hold stale data: the caller overwrites or
 * clears each, and either passes it through zone_device_page_init() or gives it
 * back with ferry_memory_free().
 *
 * Context: any.
 * Return: how many there were, 0 to @n.
 */
unsigned long ferry_memory_alloc(struct ferry_memory *memory,
				 struct ferry_owner *owner, unsigned long n,
				 struct page **pages)
{
	unsigned long got = 0, run, flags;
	unsigned int i;

	spin_lock_irqsave(&memory->lock, flags);
	for (i = 0; i < memory->nchunks && !memory->unplugging && got < n; i++) {
		if (!memory->chunks[i])
			continue;
		do {
			run = take_run(memory->chunks[i], owner, n - got, pages + got);
			got += run;
		} while (run && got < n);
	}
	memory->nused += got;
	owner->held += got;
	spin_unlock_irqrestore(&memory->lock, flags);
	return got;
}

static void make_free(struct ferry_chunk *chunk, unsigned long i)
{
	lockdep_assert_held(&chunk->memory->lock);

	__clear_bit(i, chunk->used);
	chunk->next_free = min(chunk->next_free, i);
}

static void give_back(struct ferry_memory *memory, struct page *page)
{
	struct ferry_chunk *chunk = page_chunk(page);
	unsigned long i = page_index(chunk, page);
	struct ferry_owner *owner = chunk->pages[i].owner;

	lockdep_assert_held(&memory->lock);

	chunk->pages[i].owner = NULL;
	memory->nused--;
	if (!test_bit(FERRY_PAGE_EVICTING, &chunk->pages[i].flags))
		make_free(chunk, i);
	/* The reference was taken for the first orphan: see disown_chunk(). */
	if (!--owner->held && owner == &memory->orphans)
		module_put(THIS_MODULE);
}

/**
 * ferry_memory_free() - take back pages that were never made live
 * @memory: of which device
 * @pages: from ferry_memory_alloc()
 * @n: how many
 *
 * Context: any.
 */
void ferry_memory_free(struct ferry_memory *memory, struct page **pages,
		       unsigned long n)
{
	unsigned long flags;

	spin_lock_irqsave(&memory->lock, flags);
	while (n--)
		give_back(memory, *pages++);
	spin_unlock_irqrestore(&memory->lock, flags);
}

/*
 * The flags that a life as anonymous memory leaves behind are cleared here, as
 * free_pages_prepare() does for system pages; free_zone_device_folio() does not.
 * The next user would inherit a dirty bit, find a lazily freed page swap-backed,
 * or meet a BUG over a page that is active and unevictable. munlock() passes over
 * device pages, so that one may still count as mlocked.
 */
static void clear_flags(struct folio *folio)
{
	if (folio_test_clear_mlocked(folio))
		zone_stat_mod_folio(folio, NR_MLOCK, -1);
	folio_clear_unevictable(folio);
	folio_clear_dirty(folio);
	folio_clear_uptodate(folio);
	folio_clear_swapbacked(folio);
	folio_clear_referenced(folio);
	folio_clear_workingset(folio);
	folio_clear_active(folio);
	folio_clear_checked(folio);
	folio_clear_mappedtodisk(folio);
}

/**
 * ferry_memory_page_free() - the last reference is gone
 * @page: of a Ferry device
 *
 * The member of struct dev_pagemap_ops. Context: any.
 */
void ferry_memory_page_free(struct page *page)
{
	struct ferry_memory *memory = page_chunk(page)->memory;
	struct folio *folio = page_folio(page);
	unsigned long flags;

	clear_flags(folio);
	spin_lock_irqsave(&memory->lock, flags);
	give_back(memory, page);
	spin_unlock_irqrestore(&memory->lock, flags);
}

/**
 * ferry_memory_used() - how much of a device is taken
 * @memory: of which device
 *
 * Return: pages handed out.
 */
unsigned long ferry_memory_used(struct ferry_memory *memory)
{
	return READ_ONCE(memory->nused);
}

static void disown_chunk(struct ferry_chunk *chunk, struct ferry_owner *owner)
{
	struct ferry_owner *orphans = &chunk->memory->orphans;
	unsigned long i, flags;

	spin_lock_irqsave(&chunk->memory->lock, flags);
	for_each_set_bit(i, chunk->used, owner->held ? chunk->npages : 0) {
		if (chunk->pages[i].owner != owner)
			continue;
		chunk->pages[i].owner = orphans;
		owner->held--;
		if (!orphans->held++)
			__module_get(THIS_MODULE);
	}
	spin_unlock_irqrestore(&chunk->memory->lock, flags);
}

/**
 * ferry_memory_disown() - forget an owner
 * @memory: of which device
 * @owner: to whom nothing is handed out any more, and which is gone when this
 *	returns; pages it still has become orphans
 *
 * The module stays loaded as long as there are orphans.
 *
 * Context: sleeps.
 */
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner)
{
	unsigned int c;

	mutex_lock(&memory->chunks_lock);
	for (c = 0; c < memory->nchunks; c++)
		if (memory->chunks[c])
			disown_chunk(memory->chunks[c], owner);
	mutex_unlock(&memory->chunks_lock);
}

/* Eviction ------------------------------------------------------------------ */

static bool is_of(const struct ferry_page *meta, const struct ferry_owner *owner)
{
	return owner ? meta->owner == owner : !!meta->owner;
}

/* A chunk at a time: interrupts are off meanwhile. */
static unsigned long evict_run(struct ferry_chunk *chunk,
			       const struct ferry_owner *owner,
			       unsigned long *first, unsigned long max)
{
	unsigned long n, flags;

	spin_lock_irqsave(&chunk->memory->lock, flags);
	if (!(owner ? owner->held : chunk->memory->nused))
		*first = chunk->npages;
	for_each_set_bit_from(*first, chunk->used, chunk->npages)
		if (is_of(&chunk->pages[*first], owner))
			break;
	*first = min(*first, chunk->npages);
	for (n = 0; n < max && *first + n < chunk->npages; n++) {
		if (!is_of(&chunk->pages[*first + n], owner))
			break;
		set_bit(FERRY_PAGE_EVICTING, &chunk->pages[*first + n].flags);
	}
	spin_unlock_irqrestore(&chunk->memory->lock, flags);
	return n;
}

static unsigned long find_run(struct ferry_memory *memory,
			      const struct ferry_owner *owner, unsigned long *cursor,
			      unsigned long max, unsigned long *pfn)
{
	unsigned long base = 0, n;
	unsigned int c;

	lockdep_assert_held(&memory->chunks_lock);

	for (c = 0; c < memory->nchunks; c++, base += FERRY_CHUNK_PAGES) {
		struct ferry_chunk *chunk = memory->chunks[c];

		if (!chunk || *cursor >= base + chunk->npages)
			continue;
		*cursor = max(*cursor, base) - base;
		n = evict_run(chunk, owner, cursor, max);
		*pfn = chunk->first_pfn + *cursor;
		*cursor += base + n;
		if (n)
			return n;
	}
	return 0;
}

/**
 * ferry_memory_evict_begin() - find pages, to migrate them by pfn
 * @memory: of which device
 * @owner: whose; NULL: anybody's
 * @cursor: where to go on; 0 at first
 * @max: pages at most
 * @pfn: the first page of the run that was found
 *
 * The pages may be freed at any time, but are not handed out anew before
 * ferry_memory_evict_end(): a page of the run is what it was, or it is free. One
 * run at a time on a device.
 *
 * Context: sleeps; on success chunks_lock is held until ferry_memory_evict_end().
 * Return: length of the run of consecutive pfns, 0 when there are no more.
 */
unsigned long ferry_memory_evict_begin(struct ferry_memory *memory,
				       const struct ferry_owner *owner,
				       unsigned long *cursor, unsigned long max,
				       unsigned long *pfn)
{
	unsigned long n;

	mutex_lock(&memory->chunks_lock);
	n = find_run(memory, owner, cursor, max, pfn);
	if (!n)
		mutex_unlock(&memory->chunks_lock);
	return n;
}

/**
 * ferry_memory_evict_end() - let a run be handed out again
 * @memory: of which device
 * @pfn: from ferry_memory_evict_begin()
 * @n: what that returned
 */
void ferry_memory_evict_end(struct ferry_memory *memory, unsigned long pfn,
			    unsigned long n)
{
	struct ferry_chunk *chunk = page_chunk(pfn_to_page(pfn));
	unsigned long i = pfn - chunk->first_pfn;
	unsigned long flags;

	lockdep_assert_held(&memory->chunks_lock);

	spin_lock_irqsave(&memory->lock, flags);
	for (; n--; i++) {
		clear_bit(FERRY_PAGE_EVICTING, &chunk->pages[i].flags);
		if (!chunk->pages[i].owner)
			make_free(chunk, i);
	}
	spin_unlock_irqrestore(&memory->lock, flags);
	mutex_unlock(&memory->chunks_lock);
}

/* One page ------------------------------------------------------------------ */

/**
 * ferry_memory_owns() - is this a page of some Ferry device
 * @page: any page with a reference, or named by a page table that is held
 *
 * Return: true if ferry_memory_address() may be asked.
 */
bool ferry_memory_owns(const struct page *page)
{
	return is_zone_device_page(page) && page->pgmap->ops &&
	       page->pgmap->ops->page_free == ferry_memory_page_free;
}

/**
 * ferry_memory_address() - where the contents of a device page are
 * @page: of a Ferry device
 *
 * Return: kernel address of PAGE_SIZE bytes, valid as long as the page is handed
 * out.
 */
void *ferry_memory_address(const struct page *page)
{
	struct ferry_chunk *chunk = page_chunk(page);

	return ferry_chunk_address(chunk, page_index(chunk, page));
}

/**
 * ferry_memory_fault_begin() - compete for bringing a page home
 * @page: a device page with a reference
 *
 * Return: true for the one winner, which ends with ferry_memory_fault_end().
 */
bool ferry_memory_fault_begin(struct page *page)
{
	struct ferry_memory *memory = page_chunk(page)->memory;
	struct ferry_page *meta = page_meta(page);
	unsigned long flags;

	if (!test_and_set_bit_lock(FERRY_PAGE_COMING_HOME, &meta->flags))
		return true;

	spin_lock_irqsave(&memory->lock, flags);
	if (meta->owner)
		meta->owner->cpu_fault_races++;
	spin_unlock_irqrestore(&memory->lock, flags);
	return false;
}

/**
 * ferry_memory_fault_end() - the winner is done
 * @page: the page, still with a reference
 * @came_home: whether its data is in system memory now
 */
void ferry_memory_fault_end(struct page *page, bool came_home)
{
	struct ferry_memory *memory = page_chunk(page)->memory;
	struct ferry_page *meta = page_meta(page);
	unsigned long flags;

	spin_lock_irqsave(&memory->lock, flags);
	if (came_home && meta->owner)
		meta->owner->cpu_faults++;
	spin_unlock_irqrestore(&memory->lock, flags);
	clear_bit_unlock(FERRY_PAGE_COMING_HOME, &meta->flags);
}
