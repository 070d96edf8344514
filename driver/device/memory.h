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

#include "config.h"
#include "turns.h"

struct ferry_chunk;

/* Users of a device with quotas, by hash of their uid. */
#define FERRY_USER_HASH_BITS	6

/**
 * struct ferry_user - who has owners on a device with a quota for users
 * @uid: the user
 * @node: in ferry_memory.users
 * @owners: how many there are, orphaned ones included
 * @held: pages of them all
 */
struct ferry_user {
	kuid_t uid;
	struct hlist_node node;
	refcount_t owners;
	atomic_long_t held;
};

/**
 * struct ferry_owner - who device pages are handed out to
 * @held: pages handed out and not back yet, and one more from ferry_owner_create() to
 *	ferry_memory_disown()
 * @user: whose it is; NULL where users have no quota
 * @first: its pages lie from this one of the device's on, all that it got since it last
 *	had none; under ferry_memory.lock, read without by who evicts
 * @end: and before this one; 0: it never had any; as @first
 * @orphaned: disowned with pages left: the module stays, and the last page frees it
 * @rcu: the memory is read until the grace period after that, see evict_begin
 * @cpu_faults: pages of this owner that a CPU's touch brought home; under
 *	ferry_memory.lock
 * @cpu_faults_around: pages that came home beside one of those; same lock
 * @cpu_fault_races: touches that found another thread at it; same lock
 * @alone: a CPU's touch of one of its pages brings home no other; set before any is
 *	handed out
 *
 * Made for an open file; it lives as long as the file or any of the pages.
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
};

/**
 * struct ferry_memory - all memory of one device
 * @config: what it was made from
 * @npages: capacity, a hard limit
 * @nchunks: entries of @chunks
 * @ops: what the kernel calls for the pages of all chunks
 * @pgmap_owner: what migrate_vma and HMM know the device by
 * @claim: coherent: the whole range
 * @turns: migrations that use it, and RELEASE
 * @user_quota: pages that one user's owners may hold together
 * @file_quota: pages that one owner may hold
 * @users_lock: guards @users; taken in any context, innermost
 * @users: those that have owners, if @user_quota is less than @npages
 * @norphaned: owners that went away before all their pages could come home
 * @plug_work: brings back chunks that were unplugged
 * @plug_wait: for who waits for that
 * @lock: guards the members below and those that say so in chunk.h. Innermost, and
 *	held for a bounded number of steps; never taken by page_free, which may come in
 *	any context
 * @chunks: NULL where one was unplugged; changed under @lock, read under it or in an
 *	RCU read section
 * @nplugged: how many are not
 * @plugs_begun: how often @plug_work has begun
 * @plugs_ended: how often it came to its end
 * @plug_error: what the last of those ended with
 * @unplugging: callers between unplug_begin and unplug_end; no page is handed out
 * @next: chunk that the last page was handed out of; not all full ones are looked at
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
	spinlock_t users_lock;		/* see above */
	DECLARE_HASHTABLE(users, FERRY_USER_HASH_BITS);

	atomic_long_t norphaned;
	struct work_struct plug_work;
	wait_queue_head_t plug_wait;

	spinlock_t lock;	/* see above */
	struct ferry_chunk **chunks;
	unsigned int nplugged;
	unsigned int plugs_begun;
	unsigned int plugs_ended;
	int plug_error;
	unsigned int unplugging;
	unsigned int next;
};

/* memory.c */
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

void ferry_memory_page_free(struct page *page);

/* quota.c */
void ferry_quota_init(struct ferry_memory *memory);
int ferry_quota_join(struct ferry_memory *memory, struct ferry_owner *owner, kuid_t uid);
void ferry_quota_leave(struct ferry_memory *memory, struct ferry_owner *owner);
unsigned long ferry_owner_quota(const struct ferry_memory *memory);
unsigned long ferry_owner_quota_left(const struct ferry_memory *memory,
				     const struct ferry_owner *owner);

/* owner.c */
struct ferry_owner *ferry_owner_create(struct ferry_memory *memory, kuid_t uid);
unsigned long ferry_owner_held(const struct ferry_owner *owner);
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner);

unsigned long ferry_memory_evict_begin(struct ferry_memory *memory,
				       const struct ferry_owner *owner,
				       unsigned long *cursor, unsigned long max,
				       unsigned long *pfn);
unsigned long ferry_memory_evict_orphans_begin(struct ferry_memory *memory,
					       unsigned long *cursor, unsigned long max,
					       unsigned long *pfn);
void ferry_memory_evict_end(struct ferry_memory *memory, unsigned long pfn,
			    unsigned long n);

bool ferry_memory_fault_begin(struct page *page);
void ferry_memory_fault_end(struct page *page, bool came_home, unsigned long around);
bool ferry_memory_comes_alone(const struct page *page);

/* plug.c */
struct ferry_memory *
ferry_memory_create(const struct ferry_device_config *config, void *pgmap_owner,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf));
void ferry_memory_destroy(struct ferry_memory *memory);

void ferry_memory_unplug_begin(struct ferry_memory *memory);
int ferry_memory_unplug_end(struct ferry_memory *memory);
int ferry_memory_plug(struct ferry_memory *memory);

#endif
