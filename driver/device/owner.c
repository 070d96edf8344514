// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners of device pages: creation, disowning, eviction, CPU faults. memory.c
 * argues each change of a page's holder.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "chunk.h"
#include "memory.h"
#include "owner.h"
#include "quota.h"

static struct ferry_owner *page_owner(const struct ferry_page *meta)
{
	return ferry_holder_owner(atomic_long_read(&meta->holder));
}

/**
 * ferry_owner_create() - make an owner
 * @memory: memory of the device
 * @uid: the user of the owner, for the quota of users
 *
 * Context: process context; sleeps; takes memory->users_lock.
 * Return: the owner, to be ended with ferry_memory_disown(), or NULL without
 * memory.
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
 * ferry_owner_held() - number of pages of an owner
 * @owner: owner from ferry_owner_create(), not disowned
 *
 * Context: any.
 * Return: pages that are handed out to @owner.
 */
unsigned long ferry_owner_held(const struct ferry_owner *owner)
{
	return atomic_long_read(&owner->held) - 1;
}

/**
 * ferry_owner_has_none() - free an orphaned owner without pages
 * @memory: memory of the device
 * @owner: owner whose count reached 0
 *
 * Context: any; takes memory->users_lock for an orphaned owner.
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
 * ferry_memory_disown() - drop the file's count of an owner
 * @memory: memory of the device
 * @owner: owner from ferry_owner_create(); no more pages are handed out to the
 *	owner, and the caller does not use the owner afterwards; its remaining
 *	pages become orphans
 *
 * The module stays loaded while orphans exist. The file's own count keeps the
 * owner alive until @owner->orphaned is set.
 *
 * Context: any; takes memory->users_lock when the owner is freed.
 */
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner)
{
	if (!ferry_owner_held(owner)) {
		/* No page is handed out any more: the count stays 0. */
		free_owner(memory, owner);
		return;
	}
	__module_get(THIS_MODULE);
	atomic_long_inc(&memory->norphaned);
	WRITE_ONCE(owner->orphaned, true);
	/* The last page may be gone since the check above. */
	if (atomic_long_dec_and_test(&owner->held))
		ferry_owner_has_none(memory, owner);
}

/* Eviction ----------------------------------------------------------------- */

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

/* The owner may have been freed. In the RCU read section its memory stays. */
static bool is_orphaned(const struct ferry_owner *owner, const struct ferry_owner *unused)
{
	return owner && READ_ONCE(owner->orphaned);
}

/**
 * struct search - a search for pages to evict
 * @is_wanted: returns whether the owner's pages are wanted; called with NULL
 *	for a page without an owner
 * @wanted: second argument of @is_wanted
 * @first: index of the first page of the search, among all pages of the device
 * @end: index at which the search ends
 * @max: longest run, in pages
 */
struct search {
	owner_wanted_fn is_wanted;
	const struct ferry_owner *wanted;
	unsigned long first;
	unsigned long end;
	unsigned long max;
};

/*
 * Returns false in three cases: the owner's pages are not wanted, the page has
 * no owner (a page may be freed at any moment), or another eviction has the
 * page.
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

static unsigned long evict_owned_run(struct ferry_chunk *chunk, const struct search *search,
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

/* Visits one chunk per RCU read section. */
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
			n = evict_owned_run(chunk, search, &at);
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
 * ferry_memory_evict_begin() - find a run of pages for a migration by pfn
 * @memory: memory of the device
 * @owner: owner of the pages, kept alive by the caller; NULL: pages of any
 *	owner
 * @cursor: index at which the search begins, 0 on the first call; set to the
 *	index at which the next search begins
 * @max: longest run, in pages
 * @pfn: set to the pfn of the first page of the run
 *
 * Until ferry_memory_evict_end():
 *   - a page of the run keeps its owner and data, or is freed; the pool does
 *     not hand out a freed page
 *   - no other eviction gets the pages
 *   - the chunk of the pages is not unplugged (plug.c)
 *
 * No lock is held on return.
 *
 * Context: sleeps; takes no lock.
 * Return: length of the run of consecutive pfns; 0 when no page is left.
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
 * ferry_memory_evict_orphans_begin() - find a run of pages of disowned owners
 * @memory: memory of the device
 * @cursor: see ferry_memory_evict_begin()
 * @max: longest run, in pages
 * @pfn: set to the pfn of the first page of the run
 *
 * The guarantees are those of ferry_memory_evict_begin().
 *
 * Context: sleeps; takes no lock.
 * Return: length of the run of consecutive pfns; 0 when no page is left.
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
 * ferry_memory_evict_end() - end the eviction of a run
 * @memory: memory of the device
 * @pfn: first page of the run, from ferry_memory_evict_begin()
 * @n: length of the run, from ferry_memory_evict_begin()
 *
 * The pool may hand out the freed pages of the run again. As soon as the last
 * page of the run is dropped, the chunk may be unplugged.
 *
 * Context: any; takes no lock.
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

/* Faults ------------------------------------------------------------------- */

/**
 * ferry_memory_fault_begin() - compete to move a page to system memory
 * @page: device page with a reference of the caller
 *
 * Context: process context; a loser takes ferry_memory.lock.
 * Return: true for the single winner, to be ended with
 * ferry_memory_fault_end(); false while a CPU fault of another thread moves the
 * page.
 */
bool ferry_memory_fault_begin(struct page *page)
{
	struct ferry_memory *memory = ferry_page_chunk(page)->memory;
	struct ferry_page *meta = ferry_page_meta(page);

	if (!test_and_set_bit_lock(FERRY_PAGE_FAULTING, &meta->flags))
		return true;

	/* The reference keeps the page, and the page keeps its owner. */
	spin_lock(&memory->lock);
	page_owner(meta)->cpu_fault_races++;
	spin_unlock(&memory->lock);
	return false;
}

/**
 * ferry_memory_fault_end() - end the winner's fault, and count the pages
 * @page: device page with a reference of the winner
 * @moved: whether the data of @page is in system memory
 * @around: number of neighbours that moved in the same fault, of any owner
 *
 * Context: process context; takes ferry_memory.lock.
 */
void ferry_memory_fault_end(struct page *page, bool moved, unsigned long around)
{
	struct ferry_memory *memory = ferry_page_chunk(page)->memory;
	struct ferry_page *meta = ferry_page_meta(page);

	if (moved || around) {
		spin_lock(&memory->lock);
		page_owner(meta)->cpu_faults += moved;
		page_owner(meta)->cpu_faults_around += around;
		spin_unlock(&memory->lock);
	}
	clear_bit_unlock(FERRY_PAGE_FAULTING, &meta->flags);
}

/**
 * ferry_memory_comes_alone() - check whether fault-around is off for a page
 * @page: device page with a reference
 *
 * Context: any.
 * Return: true if the owner of @page was @alone when the page was handed out.
 */
bool ferry_memory_comes_alone(const struct page *page)
{
	return test_bit(FERRY_PAGE_ALONE, &ferry_page_meta(page)->flags);
}

/* Failures ----------------------------------------------------------------- */

/**
 * ferry_owner_fail_next() - let the next allocation for an owner fail
 * @owner: owner from ferry_owner_create(), not disowned
 *
 * The allocation is of a device page for @owner, or of a system page for a
 * device page of @owner.
 *
 * Context: any.
 */
void ferry_owner_fail_next(struct ferry_owner *owner)
{
	atomic_set(&owner->failures, 1);
}

/**
 * ferry_owner_take_failure() - check whether an allocation must fail
 * @owner: the owner
 *
 * Context: any.
 * Return: true once after ferry_owner_fail_next().
 */
bool ferry_owner_take_failure(struct ferry_owner *owner)
{
	/* Nearly every call ends with the read, without a write. */
	return atomic_read(&owner->failures) && atomic_xchg(&owner->failures, 0);
}

/**
 * ferry_memory_take_failure() - ferry_owner_take_failure() for a page's owner
 * @page: device page with a reference
 *
 * Context: any.
 * Return: true once after ferry_owner_fail_next() for the owner of @page.
 */
bool ferry_memory_take_failure(const struct page *page)
{
	/* The reference keeps the page, and the page keeps its owner. */
	return ferry_owner_take_failure(page_owner(ferry_page_meta(page)));
}
