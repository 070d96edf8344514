/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_TURNS_H
#define FERRY_DEVICE_TURNS_H

#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

/**
 * struct ferry_turns - orders the users of a device's memory and RELEASE
 * @wait: both sides wait on it
 * @lock: guards the members below
 * @users: MIGRATE calls to the device that have moved no page yet
 * @releasing: a RELEASE is under way
 * @ended: end of the last RELEASE, in jiffies
 */
struct ferry_turns {
	wait_queue_head_t wait;
	spinlock_t lock;	/* guards what follows */
	unsigned int users;
	bool releasing;
	unsigned long ended;
};

void ferry_turns_init(struct ferry_turns *turns);
int ferry_turns_use_begin(struct ferry_turns *turns);
void ferry_turns_use_end(struct ferry_turns *turns);
int ferry_turns_release_begin(struct ferry_turns *turns);
void ferry_turns_release_end(struct ferry_turns *turns);

#endif
