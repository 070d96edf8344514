// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module parameter quota=: the share of a device's memory that a single
 * open file, and all files of one user, may hold. Without a quota the first
 * caller can take all memory, as on most devices.
 *
 * A user is the uid that opened the file, in the kernel's own numbering: the
 * same user in every user namespace. A person with many uids (/etc/subuid) has
 * as many quotas. No user is exempt. Pages that a closed file left on the
 * device count until they are freed.
 *
 * Pages are counted at hand-out under memory->lock, and no user exceeds the
 * quota. Freed pages are subtracted without the lock. A user is found by uid
 * when a file is opened, and is freed with its last owner. The last owner may
 * go in any context (with the last page of an orphan); users_lock is therefore
 * taken with interrupts off, for one bucket of the hash.
 *
 * Where users have no quota, an owner has no user, and its pages cost no
 * counting.
 */
#include <linux/minmax.h>
#include <linux/slab.h>

#include "memory.h"
#include "owner.h"
#include "quota.h"

static unsigned long percent_of(unsigned long npages, unsigned int percent)
{
	if (!percent || percent == FERRY_WHOLE_QUOTA)
		return npages;
	return max(npages * percent / 100, 1UL);
}

/**
 * ferry_quota_init() - convert the quotas of the configuration to pages
 * @memory: memory of the device, with config and npages set
 *
 * Context: any.
 */
void ferry_quota_init(struct ferry_memory *memory)
{
	spin_lock_init(&memory->users_lock);
	hash_init(memory->users);
	memory->user_quota = percent_of(memory->npages, memory->config.user_quota);
	memory->file_quota = percent_of(memory->npages, memory->config.file_quota);
}

static struct ferry_user *find_quota_user(struct ferry_memory *memory, kuid_t uid)
{
	struct ferry_user *user;

	lockdep_assert_held(&memory->users_lock);

	hash_for_each_possible(memory->users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/**
 * ferry_quota_join() - join an owner to its user
 * @memory: memory of the device
 * @owner: new owner, without pages
 * @uid: the user
 *
 * Context: process context; sleeps; takes memory->users_lock.
 * Return: 0, or -ENOMEM.
 */
int ferry_quota_join(struct ferry_memory *memory, struct ferry_owner *owner, kuid_t uid)
{
	struct ferry_user *user, *mine;

	if (memory->user_quota == memory->npages)
		return 0;
	mine = kzalloc(sizeof(*mine), GFP_KERNEL_ACCOUNT);
	if (!mine)
		return -ENOMEM;
	mine->uid = uid;
	refcount_set(&mine->owners, 1);

	spin_lock_irq(&memory->users_lock);
	user = find_quota_user(memory, uid);
	if (user) {
		refcount_inc(&user->owners);
	} else {
		hash_add(memory->users, &mine->node, __kuid_val(uid));
		swap(user, mine);
	}
	spin_unlock_irq(&memory->users_lock);
	owner->user = user;
	kfree(mine);
	return 0;
}

/**
 * ferry_quota_leave() - undo ferry_quota_join()
 * @memory: memory of the device
 * @owner: owner without pages
 *
 * Context: any; takes memory->users_lock for the last owner of a user.
 */
void ferry_quota_leave(struct ferry_memory *memory, struct ferry_owner *owner)
{
	struct ferry_user *user = owner->user;
	unsigned long flags;

	if (!user || !refcount_dec_and_lock_irqsave(&user->owners, &memory->users_lock, &flags))
		return;
	hash_del(&user->node);
	spin_unlock_irqrestore(&memory->users_lock, flags);
	kfree(user);
}

/**
 * ferry_owner_quota() - quota of a single owner
 * @memory: memory of the device
 *
 * Context: any.
 * Return: pages that an owner may hold.
 */
unsigned long ferry_owner_quota(const struct ferry_memory *memory)
{
	return memory->file_quota;
}

/* A quota of the whole device is no quota: the device itself is the limit. */
static unsigned long left(const struct ferry_memory *memory, unsigned long quota, long held)
{
	if (quota == memory->npages)
		return ULONG_MAX;
	return held < (long)quota ? quota - max(held, 0L) : 0;
}

/**
 * ferry_owner_quota_left() - pages that an owner may get in addition
 * @memory: memory of the device
 * @owner: owner from ferry_owner_create(), not disowned
 *
 * Context: any; while memory->lock is held the value can only grow.
 * Return: number of pages; ULONG_MAX without any quota.
 */
unsigned long ferry_owner_quota_left(const struct ferry_memory *memory,
				     const struct ferry_owner *owner)
{
	unsigned long mine = left(memory, memory->file_quota, ferry_owner_held(owner));

	if (!owner->user)
		return mine;
	return min(mine, left(memory, memory->user_quota,
			      atomic_long_read(&owner->user->held)));
}
