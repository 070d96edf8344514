/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_MEMORY_H
#define FERRY_DEVICE_MEMORY_H

#include <linux/atomic.h>
#include <linux/hashtable.h>
#include <linux/memremap.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../compat.h"
#include "config.h"
#include "turns.h"

struct ferry_chunk;

/**
 * DOC: The device layer: lock order and ownership
 *
 * The device layer knows memory, pages and owners, but no process, file or page
 * table. The mirror calls the layer; the layer calls no other.
 *
 * Locks of the layer, outermost first:
 *
 *   - ferry_memory.lock: the pool, the array of chunks, the statistics of
 *     owners
 *   - ferry_memory.users_lock: the hash of users; taken with interrupts off
 *
 * ferry_turns.lock nests with no other lock. All three are spinlocks, held for
 * a bounded number of steps. No lock of the layer is held over an allocation, a
 * copy, an rmap walk or a sleep. Callers may hold mmap_lock and page locks.
 *
 * The last put of a page comes under page-table locks and perhaps in interrupt
 * context. ferry_memory_page_free() therefore takes no lock, except users_lock
 * for the last page of an orphaned owner.
 *
 * References:
 *
 *   - ferry_device owns ferry_memory, from creation to destruction
 *   - ferry_memory owns its chunks; a chunk leaves only while none of its pages
 *     is handed out or in an eviction (plug.c)
 *   - a live page holds a reference on its pgmap, and so keeps its chunk
 *   - an open file holds its ferry_owner until ferry_memory_disown(); after
 *     that the pages that are left hold the owner, and the owner holds the
 *     module
 */

/* log2 of the buckets of ferry_memory.users, hashed by uid. */
#define FERRY_USER_HASH_BITS	6

/**
 * struct ferry_user - a user with owners on a device with a quota for users
 * @uid: the user
 * @node: link in ferry_memory.users
 * @owners: number of owners of the user, orphaned owners included
 * @held: pages of all these owners together
 */
struct ferry_user {
	kuid_t uid;
	struct hlist_node node;
	refcount_t owners;
	atomic_long_t held;
};

/**
 * struct ferry_owner - the holder of device pages, made for an open file
 * @held: pages that are handed out, plus 1 from ferry_owner_create() to
 *	ferry_memory_disown()
 * @user: the user of the owner; NULL where users have no quota
 * @first: lowest index, among all pages of the device, of a page that was
 *	handed out since the owner last held none; written under
 *	ferry_memory.lock, read by evictions without the lock
 * @end: the highest of these indices plus 1; 0: no page was handed out since
 *	the owner last held none; locked as @first
 * @orphaned: the file disowned the owner while pages were left; the owner holds
 *	the module, and the last page frees the owner
 * @rcu: frees the owner after a grace period, because evictions read @orphaned
 * @cpu_faults: pages of the owner that CPU faults moved to system memory; under
 *	ferry_memory.lock
 * @cpu_faults_around: pages that moved as neighbours in the same faults; under
 *	ferry_memory.lock
 * @cpu_fault_races: CPU faults that found another thread at the page; under
 *	ferry_memory.lock
 * @alone: a CPU fault on a page of the owner moves no neighbours; set before
 *	the first page is handed out
 * @failures: number of allocations that must fail, 0 or 1 (FAIL_ALLOC)
 *
 * The owner lives as long as the file or any of the pages.
 */
struct ferry_owner {
	atomic_long_t held;
	struct ferry_user *user;
	unsigned long first;
	unsigned long end;
	bool orphaned;
	struct rcu_head rcu;
	u64 cpu_faults;
	u64 cpu_faults_around;
	u64 cpu_fault_races;
	bool alone;
	atomic_t failures;
};

/**
 * struct ferry_memory - all memory of one device
 * @config: the configuration of the device
 * @npages: capacity in pages, a hard limit
 * @nchunks: entries of @chunks
 * @ops: the callbacks of the kernel for the pages of all chunks
 * @pgmap_owner: the owner by which migrate_vma and HMM know the device
 * @claim: coherent: the resource of the whole range; private: NULL
 * @turns: orders migrations to the device and RELEASE
 * @user_quota: pages that all owners of one user may hold together
 * @file_quota: pages that one owner may hold
 * @users_lock: guards @users; taken in any context; innermost
 * @users: hash of the users with owners; empty unless @user_quota is less than
 *	@npages
 * @norphaned: owners that were disowned while they held pages, and still hold
 *	some
 * @plug_work: makes the missing chunks again
 * @plug_wait: waits for @plug_work
 * @lock: guards the members below, and the fields in chunk.h that name it; held
 *	for a bounded number of steps; ferry_memory_page_free() never takes it
 * @chunks: the chunks, NULL where a chunk was unplugged; written under @lock;
 *	read under @lock or in an RCU read section
 * @nplugged: entries of @chunks that are not NULL
 * @plugs_begun: runs of @plug_work that began
 * @plugs_ended: runs of @plug_work that ended
 * @plug_error: result of the last run that ended, 0 or a negative errno
 * @unplugging: callers between unplug_begin and unplug_end; while it is not 0,
 *	no page is handed out
 * @next: index of the chunk of the last page that was handed out; the next
 *	search begins at this chunk and does not rescan full chunks
 */
struct ferry_memory {
	struct ferry_device_config config;
	unsigned long npages;
	unsigned int nchunks;
	struct dev_pagemap_ops ops;
	void *pgmap_owner;
	struct resource *claim;
	struct ferry_turns turns;

	unsigned long user_quota;
	unsigned long file_quota;
	spinlock_t users_lock;		/* see struct ferry_memory */
	DECLARE_HASHTABLE(users, FERRY_USER_HASH_BITS);

	atomic_long_t norphaned;
	struct work_struct plug_work;
	wait_queue_head_t plug_wait;

	spinlock_t lock;	/* guards what follows */
	struct ferry_chunk **chunks;
	unsigned int nplugged;
	unsigned int plugs_begun;
	unsigned int plugs_ended;
	int plug_error;
	unsigned int unplugging;
	unsigned int next;
};

unsigned long ferry_memory_alloc(struct ferry_memory *memory,
				 struct ferry_owner *owner, unsigned long n,
				 struct page **pages);
void ferry_memory_free(struct ferry_memory *memory, struct page **pages,
		       unsigned long n);
unsigned long ferry_memory_used(struct ferry_memory *memory);
bool ferry_memory_is_empty(struct ferry_memory *memory);
bool ferry_memory_owns(const struct page *page);
void *ferry_memory_address(const struct page *page);
unsigned long ferry_memory_span(const struct page *page, void **address);

void ferry_memory_page_free(ferry_freed *freed);

#endif
