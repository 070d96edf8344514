// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns: migrations to a device use its memory, RELEASE takes it away. A user who may
 * open the test_hmm node can call RELEASE in a loop. Without turns the memory that a
 * migration brought back is taken away before the migration has had a page of it, again
 * and again.
 *
 * A migration is a user from before it brings memory back until it has had pages, or
 * ends. RELEASE waits for the users, FERRY_TURN_MS at most, counted from its own begin
 * and from the end of the RELEASE before, whichever is later. Users that come while a
 * RELEASE is under way wait for its end. So a user has pages once between any two
 * RELEASEs, whatever number of threads calls RELEASE.
 *
 * Both waits are bounded, and end early for a process that is being killed, for each side
 * can be stretched by the other's scheduling class, or by what the other's pages are
 * doing. A user that waited in vain goes on, and finds the device full, as without turns.
 * A RELEASE that waited in vain for users takes the memory away; one that waited in vain
 * for another RELEASE is -EBUSY. There is one RELEASE at a time, or several threads could
 * follow each other without a gap.
 *
 * The lock guards the members and nothing else. It is innermost, and a call takes it a
 * fixed number of times; nobody waits with it, or with another lock, held. A migration
 * takes no lock of RELEASE and the reverse, so that neither wait can be part of a cycle:
 * RELEASE, while users wait for it, needs page locks and mmap_locks, and a user holds none
 * of those before it has begun.
 *
 * Rejected: a mutex or an rw_semaphore around both sides. A sleeper that holds it, at
 * SCHED_IDLE, stops all others for as long as the sleeper likes.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "turns.h"

/* As long as RELEASE waits for pages that cannot come home. */
#define FERRY_TURN_MS		1000
#define FERRY_TURN_PAUSE_MS	10

/**
 * ferry_turns_init() - nobody is there
 * @turns: of a device that is being made
 */
void ferry_turns_init(struct ferry_turns *turns)
{
	spin_lock_init(&turns->lock);
	init_waitqueue_head(&turns->wait);
	turns->ended = jiffies;
}

static bool is_releasing(struct ferry_turns *turns)
{
	bool releasing;

	spin_lock(&turns->lock);
	releasing = turns->releasing;
	spin_unlock(&turns->lock);
	return releasing;
}

/**
 * ferry_turns_use_begin() - become a user, as soon as no RELEASE is under way
 * @turns: of which device
 *
 * Context: sleeps, a bounded time; no lock held.
 * Return: 0, also where a RELEASE is still under way after that time, to be followed by
 * ferry_turns_use_end(); -EINTR for a process that is being killed.
 */
int ferry_turns_use_begin(struct ferry_turns *turns)
{
	long left;

	/* Counted before the wait: the next RELEASE is to wait for those that wait. */
	spin_lock(&turns->lock);
	turns->users++;
	spin_unlock(&turns->lock);
	left = wait_event_killable_timeout(turns->wait, !is_releasing(turns),
					   msecs_to_jiffies(2 * FERRY_TURN_MS));
	if (left >= 0)
		return 0;
	ferry_turns_use_end(turns);
	return -EINTR;
}

/**
 * ferry_turns_use_end() - the user has had pages, or wants none any more
 * @turns: of which device
 */
void ferry_turns_use_end(struct ferry_turns *turns)
{
	bool last;

	spin_lock(&turns->lock);
	last = !--turns->users;
	spin_unlock(&turns->lock);
	if (last)
		wake_up_all(&turns->wait);
}

/* It is our turn, and we take it. */
static bool take_turn(struct ferry_turns *turns, unsigned long begun)
{
	unsigned long since;
	bool taken = false;

	spin_lock(&turns->lock);
	since = time_after(turns->ended, begun) ? turns->ended : begun;
	if (!turns->releasing &&
	    (!turns->users || time_after(jiffies, since + msecs_to_jiffies(FERRY_TURN_MS)))) {
		turns->releasing = true;
		taken = true;
	}
	spin_unlock(&turns->lock);
	return taken;
}

/**
 * ferry_turns_release_begin() - wait for one's turn to take the memory away
 * @turns: of which device
 *
 * Context: sleeps, a bounded time; no lock held.
 * Return: 0, to be followed by ferry_turns_release_end(); -EBUSY if others are at it all
 * the time; -EINTR for a process that is being killed.
 */
int ferry_turns_release_begin(struct ferry_turns *turns)
{
	unsigned long begun = jiffies, end = begun + msecs_to_jiffies(4 * FERRY_TURN_MS);
	long left = 0;

	/* In slices: that time goes by wakes nobody. */
	while (!left && time_before(jiffies, end))
		left = wait_event_killable_timeout(turns->wait, take_turn(turns, begun),
						   msecs_to_jiffies(FERRY_TURN_PAUSE_MS));
	if (left < 0)
		return -EINTR;
	return left ? 0 : -EBUSY;
}

/**
 * ferry_turns_release_end() - whoever waits may use the memory
 * @turns: of which device
 */
void ferry_turns_release_end(struct ferry_turns *turns)
{
	spin_lock(&turns->lock);
	turns->releasing = false;
	turns->ended = jiffies;
	spin_unlock(&turns->lock);
	wake_up_all(&turns->wait);
}
