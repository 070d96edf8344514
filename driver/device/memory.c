// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's memory: the pool that hands pages out. What the pages are made of is
 * in chunk.c, how chunks come and go in plug.c, what owners do with theirs in owner.c.
 *
 * A page that is handed out holds what its last user left there. Whoever asks
 * for one overwrites it whole, by ferry_copy_to_device(), before the page
 * is installed anywhere; a page that is not installed goes back unread.
 *
 * Who owns what: a free page has no reference and belongs to the pool. A page
 * handed out by ferry_memory_alloc() is the caller's, still without reference;
 * zone_device_page_init() makes it live (one reference, locked), from then on the
 * kernel counts, and the last put, wherever that is, comes back through
 * ferry_memory_page_free(). A live page holds its pgmap, so memunmap_pages() waits for it.
 *
 * Each page remembers the ferry_owner it was handed out to: its holder. That is how
 * a mirror finds its pages by pfn, wherever mremap() and fork() have taken them. The
 * owner lives as long as the file or one of its pages. A file that is closed drops its
 * own count (ferry_memory_disown()); pages that could not come home until then are
 * orphans, and the last one of them frees the owner. No page changes its owner, so
 * disowning looks at no page. The module stays while there is an orphan.
 *
 * A file that is closed looks for its pages between the first and the last that it was
 * handed out since it last had none. What others hold elsewhere costs it nothing, so
 * nobody makes everybody's close slow by filling a device. The bounds only widen while
 * the owner has pages, under memory->lock; whoever evicts reads them when nothing is
 * handed out to the owner any more: after its file's last caller, or after unplug_begin.
 *
 * Handing out is done under memory->lock. Freeing is not: the last put comes one page
 * at a time, under page-table locks, from all CPUs at once (exit_mmap()), and for pages
 * that I/O pinned perhaps in interrupt context. Eviction is not either: any number of
 * evictions run at the same time on one device, and each may last as long as its rmap
 * walks do. Each takes, frees or leaves a page in one atomic step on the holder, and
 * that step decides:
 *   eviction against eviction: evict_begin sets FERRY_PAGE_EVICTING only where the bit
 *     is clear, so a page has one eviction; only that one drops the bit (evict_end)
 *   freeing against eviction: what has FERRY_PAGE_EVICTING when its owner goes is left
 *     to evict_end, which drops the bit and looks for an owner in one step as well; so
 *     one of the two, and only one, clears the bit in chunk->used
 *   freeing and eviction against handing out: the bit in chunk->used is cleared after
 *     the last look at the holder (release) and is found clear before the holder is
 *     written (acquire). Only handing out sets bits, so what it has found clear stays
 *     clear. A holder is written while it is 0, and no eviction takes such a page
 *   eviction against unplugging: plug.c
 * The counts follow: owner->held and chunk->nheld go down last, so that where they
 * are 0 the bits are clear. The page's reference on its pgmap, which the kernel drops
 * when page_free has returned, keeps the chunk and the memory that long.
 *
 * Rejected: a list of pages in each owner: two more pointers a page, to find in
 * order what a scan of the metadata finds in order too.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/vmstat.h>

#include "chunk.h"
#include "memory.h"

static_assert(__alignof__(struct ferry_owner) > FERRY_PAGE_EVICTING);

/* The pool ---------------------------------------------------------------- */

/*
 * From where the last search ended, then from the start: pages that were freed
 * since are found, and runs are long.
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

/* Where the owner's pages are to be looked for. */
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
 * @memory: of which device
 * @owner: to whom
 * @n: how many are wanted
 * @pages: room for @n; filled in runs of consecutive pfns
 *
 * The pages have no reference yet and hold stale data: the caller overwrites or
 * clears each, and either passes it through zone_device_page_init() or gives it
 * back with ferry_memory_free().
 *
 * Context: process.
 * Return: how many there were, 0 to @n; less where the device is full or @owner may hold
 * no more (ferry_owner_quota_left()).
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

static void give_back(struct ferry_chunk *chunk, struct page *page)
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
 * ferry_memory_free() - take back pages that were never made live
 * @memory: of which device
 * @pages: from ferry_memory_alloc()
 * @n: how many
 *
 * Context: process.
 */
void ferry_memory_free(struct ferry_memory *memory, struct page **pages,
		       unsigned long n)
{
	/* They hold no pgmap: under the lock the chunk cannot be found empty too soon. */
	spin_lock(&memory->lock);
	for (; n--; pages++)
		give_back(ferry_page_chunk(*pages), *pages);
	spin_unlock(&memory->lock);
}

/*
 * The flags that a life as anonymous memory leaves behind are cleared here, as
 * free_pages_prepare() does for system pages; free_zone_device_folio() does not.
 * The next user would inherit a dirty bit, find a lazily freed page swap-backed,
 * or meet a BUG over a page that is active and unevictable. munlock() passes over
 * device pages, so that one may still count as mlocked. Without a reference nobody
 * else touches them, and one plain store does.
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
	WRITE_ONCE(folio->flags, READ_ONCE(folio->flags) & ~FERRY_LIFE_FLAGS);
}

/**
 * ferry_memory_page_free() - the last reference is gone
 * @page: of a Ferry device
 *
 * The member of struct dev_pagemap_ops. Context: any.
 */
void ferry_memory_page_free(struct page *page)
{
	/* There are none but small ones. */
	clear_flags((struct folio *)page);
	give_back(ferry_page_chunk(page), page);
}

/**
 * ferry_memory_used() - how much of a device is taken
 * @memory: of which device
 *
 * Return: pages handed out.
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
	/* One may be handed out again before it has been counted down. */
	return min(used, memory->npages);
}

/**
 * ferry_memory_is_empty() - can all chunks be taken away
 * @memory: of which device
 *
 * Other than ferry_memory_used() it counts pages that were freed while an eviction has
 * them.
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
	struct ferry_chunk *chunk = ferry_page_chunk(page);

	return ferry_chunk_address(chunk, ferry_page_index(chunk, page));
}

/**
 * ferry_memory_span() - the same, for many pages
 * @page: of a Ferry device
 * @address: out: as ferry_memory_address() of @page
 *
 * Return: how many pages, @page the first, follow each other both by pfn and in
 * what their contents are in; at least 1.
 */
unsigned long ferry_memory_span(const struct page *page, void **address)
{
	struct ferry_chunk *chunk = ferry_page_chunk(page);
	unsigned long i = ferry_page_index(chunk, page);

	*address = ferry_chunk_address(chunk, i);
	return FERRY_BLOCK_PAGES - i % FERRY_BLOCK_PAGES;
}
