// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns between migrations to a device, which use its memory, and RELEASE,
 * which takes the memory away. A user with access to the test_hmm node can call
 * RELEASE in a loop. A migration plugs the missing chunks. Without turns
 * RELEASE would unplug the chunks before the migration had a page, again and
 * again.
 *
 * A migration counts as a user from before ferry_memory_plug() until the first
 * pages have moved, or until the migration ends. The rules:
 *   - RELEASE waits for the users, for at most FERRY_TURN_MS. The time counts
 *     from the start of the RELEASE or from the end of the previous RELEASE,
 *     whichever is later.
 *   - A user that comes during a RELEASE waits for the end of the RELEASE.
 *
 * A user therefore has pages once between any two RELEASEs, with any number of
 * threads in RELEASE.
 *
 * Both waits are bounded, because the scheduling class and the pages of one
 * side can delay the other. Both waits end early when the waiter is being
 * killed. When a bound is reached:
 *   - a user goes on, and finds the device full, as without turns
 *   - a RELEASE that waited for users takes the memory away
 *   - a RELEASE that waited for another RELEASE fails with -EBUSY
 *
 * Only one RELEASE runs at a time. Several threads could otherwise follow each
 * other without a gap.
 *
 * turns->lock guards the members alone. The lock is innermost, and a call takes
 * it a fixed number of times. No task waits with turns->lock or another lock
 * held. A migration takes no lock of RELEASE, and RELEASE takes no lock of a
 * migration. Neither wait can therefore be part of a cycle. While users wait
 * for RELEASE, RELEASE needs page locks and mmap_locks; a migration holds none
 * of these locks before the migration is a user.
 *
 * Rejected: a mutex or an rw_semaphore around both sides. A sleeper at
 * SCHED_IDLE with the lock held would stop all others for an unbounded time.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "turns.h"

/* As long as RELEASE waits for pages that cannot move to system memory. */
#define FERRY_TURN_MS		1000
#define FERRY_TURN_PAUSE_MS	10

/**
 * ferry_turns_init() - begin without users and without a RELEASE
 * @turns: turns of a device under construction
 *
 * Context: any.
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
 * ferry_turns_use_begin() - become a user when no RELEASE is under way
 * @turns: turns of the device
 *
 * Context: sleeps for a bounded time; the caller holds no lock; takes
 * turns->lock.
 * Return: 0, also when a RELEASE is still under way at the bound, to be
 * followed by ferry_turns_use_end(); -EINTR if the caller is being killed.
 */
int ferry_turns_use_begin(struct ferry_turns *turns)
{
	long left;

	/*
	 * Counted before the wait: the next RELEASE waits for waiting users
	 * too.
	 */
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
 * @turns: turns of the device, after ferry_turns_use_begin() returned 0
 *
 * Context: process context; takes turns->lock.
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

/* Takes the turn for a RELEASE, if the rules allow. */
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
 * ferry_turns_release_begin() - wait for the turn of a RELEASE
 * @turns: turns of the device
 *
 * Context: sleeps for a bounded time; the caller holds no lock; takes
 * turns->lock.
 * Return: 0, to be followed by ferry_turns_release_end(); -EBUSY if other
 * RELEASEs take all turns until the bound; -EINTR if the caller is being
 * killed.
 */
int ferry_turns_release_begin(struct ferry_turns *turns)
{
	unsigned long begun = jiffies, end = begun + msecs_to_jiffies(4 * FERRY_TURN_MS);
	long left = 0;

	/* Waits in slices: no wakeup comes when the users' time is over. */
	while (!left && time_before(jiffies, end))
		left = wait_event_killable_timeout(turns->wait, take_turn(turns, begun),
						   msecs_to_jiffies(FERRY_TURN_PAUSE_MS));
	if (left < 0)
		return -EINTR;
	return left ? 0 : -EBUSY;
}

/**
 * ferry_turns_release_end() - end a RELEASE, and wake the waiters
 * @turns: turns of the device, after ferry_turns_release_begin() returned 0
 *
 * Context: process context; takes turns->lock.
 */
void ferry_turns_release_end(struct ferry_turns *turns)
{
	spin_lock(&turns->lock);
	turns->releasing = false;
	turns->ended = jiffies;
	spin_unlock(&turns->lock);
	wake_up_all(&turns->wait);
}
