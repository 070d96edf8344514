// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much of a device's memory one open file, and one user with all files, may hold: the
 * module's parameter quota=. Without it whoever asks first can have all, as on most
 * devices.
 *
 * A user is the uid that opened the file, in the kernel's own numbering, so that it is the
 * same one in every user namespace; somebody who has many uids (/etc/subuid) has as many
 * quotas. Nobody is exempt. What a closed file left behind counts until it is gone.
 *
 * Pages are counted when they are handed out, under memory->lock, so that nobody gets
 * more than the quota, and taken off when they come back, without. A user is found by
 * its uid where a file is opened, and goes with its last owner, which may be in any
 * context (the last page of an orphan): so users_lock is taken with interrupts off, for
 * one bucket of the hash.
 *
 * Where users have no quota an owner has no user, and pages cost nothing for it.
 */
#include <linux/minmax.h>
#include <linux/slab.h>

#include "memory.h"

static unsigned long percent_of(unsigned long npages, unsigned int percent)
{
	if (!percent || percent == FERRY_WHOLE_QUOTA)
		return npages;
	return max(npages * percent / 100, 1UL);
}

/**
 * ferry_quota_init() - from the configuration to numbers of pages
 * @memory: its config and npages are set
 */
void ferry_quota_init(struct ferry_memory *memory)
{
	spin_lock_init(&memory->users_lock);
	hash_init(memory->users);
	memory->user_quota = percent_of(memory->npages, memory->config.user_quota);
	memory->file_quota = percent_of(memory->npages, memory->config.file_quota);
}

static struct ferry_user *find_user(struct ferry_memory *memory, kuid_t uid)
{
	struct ferry_user *user;

	lockdep_assert_held(&memory->users_lock);

	hash_for_each_possible(memory->users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/**
 * ferry_quota_join() - an owner is a user's
 * @memory: of which device
 * @owner: new
 * @uid: the user
 *
 * Return: 0 or -ENOMEM.
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
	user = find_user(memory, uid);
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
 * ferry_quota_leave() - the reverse
 * @memory: of which device
 * @owner: it holds no page
 *
 * Context: any.
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
 * ferry_owner_quota() - what one owner may hold
 * @memory: of which device
 *
 * Return: pages.
 */
unsigned long ferry_owner_quota(const struct ferry_memory *memory)
{
	return memory->file_quota;
}

/* A quota of all is none: the device itself is the limit then. */
static unsigned long left(const struct ferry_memory *memory, unsigned long quota, long held)
{
	if (quota == memory->npages)
		return ULONG_MAX;
	return held < (long)quota ? quota - max(held, 0L) : 0;
}

/**
 * ferry_owner_quota_left() - what an owner may get beside what it holds
 * @memory: of which device
 * @owner: whose
 *
 * Return: pages, ULONG_MAX without any quota; under memory->lock it can only become more.
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
