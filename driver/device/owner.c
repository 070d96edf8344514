// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose a device's pages are: disowning, eviction, faults. How the holder of a page
 * changes hands is argued in memory.c.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "chunk.h"
#include "memory.h"

static struct ferry_owner *page_owner(const struct ferry_page *meta)
{
	return ferry_holder_owner(atomic_long_read(&meta->holder));
}

/**
 * ferry_owner_has_none() - the last page of an owner was given back
 * @memory: of which device
 * @owner: who that was; perhaps no longer there, unless it is the orphans
 */
void ferry_owner_has_none(struct ferry_memory *memory, const struct ferry_owner *owner)
{
	/* Taken for the first orphan: see adopt(). */
	if (owner == &memory->orphans)
		module_put(THIS_MODULE);
}

/* The page may be freed at any moment: it is counted before it is an orphan. */
static void adopt(struct ferry_memory *memory, struct ferry_page *meta,
		  struct ferry_owner *owner)
{
	struct ferry_owner *orphans = &memory->orphans;

	if (atomic_long_inc_return(&orphans->held) == 1)
		__module_get(THIS_MODULE);
	if (atomic_long_cmpxchg(&meta->holder, (unsigned long)owner,
				(unsigned long)orphans) == (unsigned long)owner)
		atomic_long_dec(&owner->held);
	else
		ferry_owner_drop(memory, orphans);
}

/* Nothing is being evicted: chunks_lock is held. */
static void disown_chunk(struct ferry_chunk *chunk, struct ferry_owner *owner)
{
	unsigned long i;

	lockdep_assert_held(&chunk->memory->chunks_lock);

	spin_lock(&chunk->memory->lock);
	if (atomic_long_read(&owner->held))
		for_each_set_bit(i, chunk->used, chunk->npages)
			if (page_owner(&chunk->pages[i]) == owner)
				adopt(chunk->memory, &chunk->pages[i], owner);
	spin_unlock(&chunk->memory->lock);
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
	/* Pages that are being freed just now; not often. */
	if (atomic_long_read(&owner->held))
		synchronize_rcu();
	WARN_ON_ONCE(atomic_long_read(&owner->held));
}

/* Eviction ------------------------------------------------------------------ */

/* False for a page of somebody else, or of nobody: it may be freed at any moment. */
static bool begin_evicting(struct ferry_page *meta, const struct ferry_owner *owner)
{
	long holder = atomic_long_read(&meta->holder);

	do {
		if (owner ? ferry_holder_owner(holder) != owner : !ferry_holder_owner(holder))
			return false;
	} while (!atomic_long_try_cmpxchg(&meta->holder, &holder,
					  holder | FERRY_PAGE_EVICTING));
	return true;
}

/* A chunk at a time: nothing is handed out meanwhile. */
static unsigned long evict_run(struct ferry_chunk *chunk,
			       const struct ferry_owner *owner,
			       unsigned long *first, unsigned long max)
{
	unsigned long n = 0;

	spin_lock(&chunk->memory->lock);
	if (!atomic_long_read(owner ? &owner->held : &chunk->nheld))
		*first = chunk->npages;
	for_each_set_bit_from(*first, chunk->used, chunk->npages) {
		if (begin_evicting(&chunk->pages[*first], owner)) {
			n = 1;
			break;
		}
	}
	*first = min(*first, chunk->npages);
	while (n && n < max && *first + n < chunk->npages &&
	       begin_evicting(&chunk->pages[*first + n], owner))
		n++;
	spin_unlock(&chunk->memory->lock);
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
	struct ferry_chunk *chunk = ferry_page_chunk(pfn_to_page(pfn));
	unsigned long i = pfn - chunk->first_pfn;

	lockdep_assert_held(&memory->chunks_lock);

	for (; n--; i++)
		if (!ferry_holder_owner(atomic_long_fetch_andnot(FERRY_PAGE_EVICTING,
								 &chunk->pages[i].holder)))
			clear_bit_unlock(i, chunk->used);
	mutex_unlock(&memory->chunks_lock);
}

/* Faults -------------------------------------------------------------------- */

/**
 * ferry_memory_fault_begin() - compete for bringing a page home
 * @page: a device page with a reference
 *
 * Return: true for the one winner, which ends with ferry_memory_fault_end().
 */
bool ferry_memory_fault_begin(struct page *page)
{
	struct ferry_memory *memory = ferry_page_chunk(page)->memory;
	struct ferry_page *meta = ferry_page_meta(page);

	if (!test_and_set_bit_lock(FERRY_PAGE_COMING_HOME, &meta->flags))
		return true;

	/* The reference keeps the page from being freed, the lock from being disowned. */
	spin_lock(&memory->lock);
	page_owner(meta)->cpu_fault_races++;
	spin_unlock(&memory->lock);
	return false;
}

/**
 * ferry_memory_fault_end() - the winner is done
 * @page: the page, still with a reference
 * @came_home: whether its data is in system memory now
 * @around: how many others came with it, whoever they were handed out to
 */
void ferry_memory_fault_end(struct page *page, bool came_home, unsigned long around)
{
	struct ferry_memory *memory = ferry_page_chunk(page)->memory;
	struct ferry_page *meta = ferry_page_meta(page);

	if (came_home || around) {
		spin_lock(&memory->lock);
		page_owner(meta)->cpu_faults += came_home;
		page_owner(meta)->cpu_faults_around += around;
		spin_unlock(&memory->lock);
	}
	clear_bit_unlock(FERRY_PAGE_COMING_HOME, &meta->flags);
}

/**
 * ferry_memory_comes_alone() - was the page handed out to an owner that is @alone
 * @page: a device page with a reference
 */
bool ferry_memory_comes_alone(const struct page *page)
{
	return test_bit(FERRY_PAGE_ALONE, &ferry_page_meta(page)->flags);
}
