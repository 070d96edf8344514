// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose a device's pages are: disowning, eviction, faults. How the holder of a page
 * changes hands is argued in memory.c.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "chunk.h"
#include "memory.h"

static struct ferry_owner *page_owner(const struct ferry_page *meta)
{
	return ferry_holder_owner(atomic_long_read(&meta->holder));
}

/**
 * ferry_owner_create() - make an owner
 * @memory: of which device
 * @uid: whose it is, for the quota of users
 *
 * Return: the owner, which ends with ferry_memory_disown(), or NULL without memory.
 */
struct ferry_owner *ferry_owner_create(struct ferry_memory *memory, kuid_t uid)
{
	struct ferry_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);

	if (owner && ferry_quota_join(memory, owner, uid)) {
		kfree(owner);
		return NULL;
	}
	if (owner)
		atomic_long_set(&owner->held, 1);
	return owner;
}

static void free_owner(struct ferry_memory *memory, struct ferry_owner *owner)
{
	ferry_quota_leave(memory, owner);
	kfree_rcu(owner, rcu);
}

/**
 * ferry_owner_held() - how many pages an owner has
 * @owner: from ferry_owner_create(), and not disowned
 */
unsigned long ferry_owner_held(const struct ferry_owner *owner)
{
	return atomic_long_read(&owner->held) - 1;
}

/**
 * ferry_owner_has_none() - nothing counts on an owner any more
 * @memory: of which device
 * @owner: its last page was given back
 *
 * Context: any.
 */
void ferry_owner_has_none(struct ferry_memory *memory, struct ferry_owner *owner)
{
	if (!owner->orphaned)
		return;
	atomic_long_dec(&memory->norphaned);
	free_owner(memory, owner);
	/* Taken by ferry_memory_disown(). */
	module_put(THIS_MODULE);
}

/**
 * ferry_memory_disown() - let go of an owner
 * @memory: of which device
 * @owner: from ferry_owner_create(); nothing is handed out to it any more. It is not
 *	to be used after this; pages that it still has are orphans
 *
 * The module stays loaded as long as there are orphans. The caller's own count keeps
 * the owner from being freed while it is told that it is orphaned.
 *
 * Context: any; takes no lock.
 */
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner)
{
	if (!ferry_owner_held(owner)) {
		/* Nothing is handed out any more, so none will come. */
		free_owner(memory, owner);
		return;
	}
	__module_get(THIS_MODULE);
	atomic_long_inc(&memory->norphaned);
	WRITE_ONCE(owner->orphaned, true);
	/* The last page may have gone just now. */
	if (atomic_long_dec_and_test(&owner->held))
		ferry_owner_has_none(memory, owner);
}

/* Eviction ------------------------------------------------------------------ */

typedef bool (*owner_wanted_fn)(const struct ferry_owner *owner,
				const struct ferry_owner *wanted);

static bool is_anybody(const struct ferry_owner *owner, const struct ferry_owner *wanted)
{
	return owner;
}

static bool is_this_one(const struct ferry_owner *owner, const struct ferry_owner *wanted)
{
	return owner == wanted;
}

/* The owner may have been freed; in the RCU read section it still has its bytes. */
static bool is_orphaned(const struct ferry_owner *owner, const struct ferry_owner *unused)
{
	return owner && READ_ONCE(owner->orphaned);
}

/**
 * struct search - pages that are to be evicted
 * @is_wanted: whether an owner's are, called with NULL for a page that has none
 * @wanted: for that
 * @first: the first of the device's pages that is looked at
 * @end: the one before which the search ends
 * @max: pages of a run, at the most
 */
struct search {
	owner_wanted_fn is_wanted;
	const struct ferry_owner *wanted;
	unsigned long first;
	unsigned long end;
	unsigned long max;
};

/*
 * False for a page of somebody else, or of nobody (it may be freed at any moment), and
 * for one that another eviction has.
 */
static bool begin_evicting(struct ferry_page *meta, const struct search *search)
{
	long holder = atomic_long_read(&meta->holder);

	do {
		if (holder & FERRY_PAGE_EVICTING ||
		    !search->is_wanted(ferry_holder_owner(holder), search->wanted))
			return false;
	} while (!atomic_long_try_cmpxchg(&meta->holder, &holder,
					  holder | FERRY_PAGE_EVICTING));
	return true;
}

static unsigned long evict_run(struct ferry_chunk *chunk, const struct search *search,
			       unsigned long *first)
{
	unsigned long end = min(chunk->npages, search->end - chunk->first), n = 0;

	for_each_set_bit_from(*first, chunk->used, end) {
		if (begin_evicting(&chunk->pages[*first], search)) {
			n = 1;
			break;
		}
	}
	*first = min(*first, end);
	while (n && n < search->max && *first + n < end &&
	       begin_evicting(&chunk->pages[*first + n], search))
		n++;
	return n;
}

/* A chunk at a time, each in an RCU read section of its own. */
static unsigned long find_run(struct ferry_memory *memory, const struct search *search,
			      unsigned long *cursor, unsigned long *pfn)
{
	unsigned long at = max(*cursor, search->first), n = 0;
	struct ferry_chunk *chunk;
	unsigned int c;

	for (c = at / FERRY_CHUNK_PAGES; at < search->end && c < memory->nchunks && !n; c++) {
		rcu_read_lock();
		/* Pairs with set_chunk(). */
		chunk = smp_load_acquire(&memory->chunks[c]);
		if (chunk) {
			at -= chunk->first;
			n = evict_run(chunk, search, &at);
			*pfn = chunk->first_pfn + at;
			at += chunk->first + n;
		} else {
			at = (c + 1) * FERRY_CHUNK_PAGES;
		}
		rcu_read_unlock();
		cond_resched();
	}
	*cursor = at;
	return n;
}

/**
 * ferry_memory_evict_begin() - find pages, to migrate them by pfn
 * @memory: of which device
 * @owner: whose, as long as the caller has it; NULL: anybody's
 * @cursor: where to go on; 0 at first
 * @max: pages at most
 * @pfn: the first page of the run that was found
 *
 * The pages may be freed at any time, but are not handed out anew before
 * ferry_memory_evict_end(): a page of the run is what it was, or it is free. No other
 * eviction gets them until then, and their chunk is not unplugged (plug.c). No lock is
 * held.
 *
 * Context: sleeps.
 * Return: length of the run of consecutive pfns, 0 when there are no more.
 */
unsigned long ferry_memory_evict_begin(struct ferry_memory *memory,
				       const struct ferry_owner *owner,
				       unsigned long *cursor, unsigned long max,
				       unsigned long *pfn)
{
	const struct search search = {
		.is_wanted = owner ? is_this_one : is_anybody,
		.wanted = owner,
		.first = owner ? READ_ONCE(owner->first) : 0,
		.end = owner ? READ_ONCE(owner->end) : memory->npages,
		.max = max,
	};

	return find_run(memory, &search, cursor, pfn);
}

/**
 * ferry_memory_evict_orphans_begin() - the same, for pages of owners that were disowned
 * @memory: of which device
 * @cursor: where to go on; 0 at first
 * @max: pages at most
 * @pfn: the first page of the run that was found
 *
 * Context: as ferry_memory_evict_begin().
 * Return: as ferry_memory_evict_begin().
 */
unsigned long ferry_memory_evict_orphans_begin(struct ferry_memory *memory,
					       unsigned long *cursor, unsigned long max,
					       unsigned long *pfn)
{
	const struct search search = {
		.is_wanted = is_orphaned,
		.end = memory->npages,
		.max = max,
	};

	return find_run(memory, &search, cursor, pfn);
}

/**
 * ferry_memory_evict_end() - let a run be handed out again
 * @memory: of which device
 * @pfn: from ferry_memory_evict_begin()
 * @n: what that returned
 *
 * The chunk may be unplugged as soon as the last page is let go.
 */
void ferry_memory_evict_end(struct ferry_memory *memory, unsigned long pfn,
			    unsigned long n)
{
	struct ferry_chunk *chunk = ferry_page_chunk(pfn_to_page(pfn));
	unsigned long i = pfn - chunk->first_pfn;

	for (; n--; i++)
		if (!ferry_holder_owner(atomic_long_fetch_andnot(FERRY_PAGE_EVICTING,
								 &chunk->pages[i].holder)))
			clear_bit_unlock(i, chunk->used);
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

	/* The reference keeps the page from being freed, and the page its owner. */
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
