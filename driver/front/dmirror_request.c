// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls of the test_hmm ABI, translated to calls of the mirror: one function
 * for each ioctl. This file knows no files.
 *
 * Kept of test_hmm's behaviour, besides the structs:
 *
 * - After an error no count is written back.
 * - The count of faults counts passes; each pass faults in the whole rest.
 * - Any defect of a mapping that must migrate is -EINVAL.
 * - A page that did not reach the device is -ENOENT, also on a full device.
 * - A page that finds no system memory is -ENOMEM, as in test_hmm of 7.3.
 * - FAIL_ALLOC belongs to the file, and ends with the failure.
 *
 * Different from test_hmm (docs/compat.md has the whole list):
 *
 * - A file works only for the address space that opened the file; another
 *   caller gets -EBADF, as at the render node. Otherwise a receiver of the file
 *   could access the opener's memory without a ptrace check.
 * - A call without progress for FERRY_DMIRROR_TRIES tries is -EBUSY; test_hmm
 *   never ends.
 * - RELEASE with a page that cannot move to system memory is -EBUSY; test_hmm
 *   waits without end.
 * - A page that the device has only read, and that did not migrate, is -ENOENT;
 *   test_hmm returns the data.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include <drm/ferry_drm.h>

#include "device/owner.h"
#include "dmirror_abi.h"
#include "dmirror_data.h"
#include "dmirror_request.h"
#include "migrate/backend.h"
#include "mirror/evict.h"
#include "mirror/exclusive.h"
#include "mirror/migrate.h"
#include "mirror/mirror.h"
#include "mirror/snapshot.h"

/* Bytes of SNAPSHOT for one look. */
#define FERRY_DMIRROR_LOOK_PAGES	128

/* Migration ---------------------------------------------------------------- */

/*
 * A signal ends a call of the mirror after some progress. The test_hmm ABI
 * cannot report partial progress: only a fatal signal ends the ioctl.
 */
static int dmirror_migrate(struct ferry_mirror *mirror, const struct ferry_dmirror_cmd *cmd,
			   enum ferry_target target, u64 *moved)
{
	const struct ferry_backend *backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	struct ferry_range range;
	bool no_memory = false;
	u64 done;
	int ret;

	for (*moved = 0, done = 0; done < ferry_dmirror_len(cmd); done += range.done) {
		if (fatal_signal_pending(current))
			return -EINTR;
		range = (struct ferry_range) {
			.start = cmd->addr + done,
			.end = cmd->addr + ferry_dmirror_len(cmd),
			.target = target,
			.backend = backend,
			.flush = ferry_backend_flush(backend, FERRY_FLUSH_DEFAULT),
			.need_read = true,
		};
		ret = ferry_mirror_migrate(mirror, &range);
		*moved += range.moved;
		no_memory |= range.no_memory;
		if (ret || range.ended_by)
			return ret ?: range.ended_by;
	}
	return no_memory ? -ENOMEM : 0;
}

static int migrate_status(int ret)
{
	switch (ret) {
	case -EFAULT:
		return -EINVAL;
	case -ENOSPC:
	case -ENOMEM:
		return -ENOENT;
	default:
		return ret;
	}
}

static int do_migrate_to_dev(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	u64 moved;
	int ret;

	ret = migrate_status(dmirror_migrate(mirror, cmd, FERRY_TARGET_DEVICE, &moved));
	return ret ?: ferry_dmirror_return_resident(mirror, cmd);
}

static int do_migrate_to_sys(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	int ret = dmirror_migrate(mirror, cmd, FERRY_TARGET_SYSTEM, &cmd->cpages);

	return ret == -ENOMEM ? ret : migrate_status(ret);
}

/* Snapshot ----------------------------------------------------------------- */

/* Returns whether HMM would report a page. */
static bool is_there(const struct ferry_page_state *state)
{
	switch (state->flags & FERRY_STATE_WHERE_MASK) {
	case FERRY_STATE_SYSTEM:
		return !(state->flags & FERRY_STATE_EXCLUSIVE);
	case FERRY_STATE_THIS_DEVICE:
		return true;
	case FERRY_STATE_OTHER_DEVICE:
		return state->coherent;
	default:
		return false;
	}
}

static bool is_error(const struct ferry_page_state *state)
{
	if (!(state->flags & FERRY_STATE_READABLE))
		return true;
	return (state->flags & FERRY_STATE_WHERE_MASK) == FERRY_STATE_SPECIAL &&
	       state->outcome != DRM_FERRY_HWPOISON;
}

static unsigned int page_order(const struct ferry_page_state *state)
{
	return (state->flags & FERRY_STATE_ORDER_MASK) >> FERRY_STATE_ORDER_SHIFT;
}

static u8 place_byte(const struct ferry_page_state *state)
{
	switch (state->flags & FERRY_STATE_WHERE_MASK) {
	case FERRY_STATE_THIS_DEVICE:
		return state->coherent ? FERRY_DMIRROR_PROT_COHERENT_LOCAL :
					 FERRY_DMIRROR_PROT_PRIVATE_LOCAL;
	case FERRY_STATE_OTHER_DEVICE:
		return FERRY_DMIRROR_PROT_COHERENT_REMOTE;
	default:
		/* The huge zero page is reported as a normal page. */
		return state->flags & FERRY_STATE_ZERO && !page_order(state) ?
		       FERRY_DMIRROR_PROT_ZERO : 0;
	}
}

static u8 order_byte(unsigned int order)
{
	if (order + PAGE_SHIFT == PMD_SHIFT)
		return FERRY_DMIRROR_PROT_PMD;
	if (order + PAGE_SHIFT == PUD_SHIFT)
		return FERRY_DMIRROR_PROT_PUD;
	return 0;
}

static void keep_byte(unsigned long i, const struct ferry_page_state *state, void *arg)
{
	u8 *bytes = arg;

	if (is_error(state))
		bytes[i] = FERRY_DMIRROR_PROT_ERROR;
	else if (!is_there(state))
		bytes[i] = FERRY_DMIRROR_PROT_NONE;
	else
		bytes[i] = place_byte(state) | order_byte(page_order(state)) |
			   (state->flags & FERRY_STATE_WRITABLE ?
			    FERRY_DMIRROR_PROT_WRITE : FERRY_DMIRROR_PROT_READ);
}

static int do_snapshot(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	u8 __user *to = u64_to_user_ptr(cmd->ptr);
	u8 bytes[FERRY_DMIRROR_LOOK_PAGES];
	unsigned long n;
	int ret;

	for (; cmd->cpages < cmd->npages; cmd->cpages += n) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = min(cmd->npages - cmd->cpages, FERRY_DMIRROR_LOOK_PAGES);
		ret = ferry_mirror_look(mirror, cmd->addr + (cmd->cpages << PAGE_SHIFT), n,
					keep_byte, bytes);
		if (ret)
			return ret;
		if (copy_to_user(to + cmd->cpages, bytes, n))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

/* Exclusive access, release ------------------------------------------------ */

static int exclusive_status(int ret)
{
	switch (ret) {
	case -EFAULT:
	case -EINVAL:
	case -EPERM:
		return -EBUSY;
	default:
		return ret;
	}
}

static int do_exclusive(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	int ret;

	ret = ferry_mirror_check(mirror, cmd->addr, ferry_dmirror_len(cmd));
	ret = ret ?: ferry_mirror_make_exclusive(mirror, cmd->addr, ferry_dmirror_len(cmd));
	ret = exclusive_status(ret);
	return ret ?: ferry_dmirror_return_exclusive(mirror, cmd);
}

static int do_check_exclusive(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	return ferry_mirror_is_exclusive(mirror, cmd->addr, ferry_dmirror_len(cmd)) ? -EPERM : 0;
}

static int do_release(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	return ferry_mirror_release_device(mirror);
}

/*
 * Refuses bits that test_hmm accepts and ignores. The bits are in npages: no bit
 * is -EINVAL, as for each ioctl without pages.
 */
static int do_flags(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	if (cmd->npages & ~FERRY_DMIRROR_FLAG_FAIL_ALLOC)
		return -EINVAL;
	ferry_owner_fail_next(mirror->owner);
	return 0;
}

/* One entry ---------------------------------------------------------------- */

/**
 * struct op - one ioctl
 * @number: FERRY_DMIRROR_*
 * @fn: function of the ioctl; cpages and faults are 0 on entry
 * @unusable: error if the address space has ended, or if the range leaves user
 *	space; 0: @fn needs no address space, and runs after the end of the
 *	address space too
 * @any_range: @fn accepts a range that leaves user space
 */
struct op {
	unsigned int number;
	int (*fn)(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd);
	int unusable;
	bool any_range;
};

static const struct op ops[] = {
	{ FERRY_DMIRROR_READ, ferry_dmirror_read, -EFAULT },
	{ FERRY_DMIRROR_WRITE, ferry_dmirror_write, -EFAULT },
	{ FERRY_DMIRROR_MIGRATE_TO_DEV, do_migrate_to_dev, -EINVAL },
	{ FERRY_DMIRROR_MIGRATE_TO_SYS, do_migrate_to_sys, -EINVAL },
	{ FERRY_DMIRROR_SNAPSHOT, do_snapshot, -EINVAL, true },
	{ FERRY_DMIRROR_EXCLUSIVE, do_exclusive, -EINVAL, true },
	{ FERRY_DMIRROR_CHECK_EXCLUSIVE, do_check_exclusive, 0, true },
	{ FERRY_DMIRROR_RELEASE, do_release, 0, true },
	{ FERRY_DMIRROR_FLAGS, do_flags, 0, true },
	{ FERRY_DMIRROR_READ_UNLOCKED, ferry_dmirror_read_unlocked, -EFAULT },
};

static const struct op *find_op(unsigned int number)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (ops[i].number == number)
			return &ops[i];
	return NULL;
}

static int run_op(struct ferry_mirror *mirror, const struct op *op,
		  struct ferry_dmirror_cmd *cmd)
{
	int ret;

	if (!op->any_range && ferry_mirror_check(mirror, cmd->addr, ferry_dmirror_len(cmd)))
		return op->unusable;
	ret = ferry_mirror_enter_own(mirror);
	if (ret == -EBADF)
		return ret;
	/* The address space has ended: @fn accesses no memory of a process. */
	if (ret)
		return op->unusable ?: op->fn(mirror, cmd);
	ret = op->fn(mirror, cmd);
	ferry_mirror_leave(mirror);
	return ret;
}

/* Returns true for a range that is empty, wraps, or has a part of a page. */
static bool is_bad_range(const struct ferry_dmirror_cmd *cmd)
{
	u64 len;

	return !PAGE_ALIGNED(cmd->addr) || !cmd->npages ||
	       check_shl_overflow(cmd->npages, PAGE_SHIFT, &len) ||
	       cmd->addr + len <= cmd->addr;
}

/**
 * ferry_dmirror_request() - run one ioctl
 * @mirror: the mirror of the file
 * @number: FERRY_DMIRROR_*, not yet checked
 * @cmd: the argument, in kernel memory; the results are valid after a return of
 *	0
 *
 * Context: sleeps; no lock held.
 * Return: 0 or a negative errno as lib/test_hmm.c; -EBADF for a caller with
 * another address space.
 */
int ferry_dmirror_request(struct ferry_mirror *mirror, unsigned int number,
			  struct ferry_dmirror_cmd *cmd)
{
	const struct op *op = find_op(number);

	if (is_bad_range(cmd) || !op)
		return -EINVAL;
	cmd->cpages = 0;
	cmd->faults = 0;
	return run_op(mirror, op, cmd);
}
