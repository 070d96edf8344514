// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user of the test_hmm ABI asks for, translated: one function for each ioctl,
 * on a mirror. Nothing here knows of files; the mirror does the work.
 *
 * What is kept of the ABI beyond the structs: nothing is written back on an error;
 * READ, MIGRATE_TO_DEV and EXCLUSIVE return data for all pages or for none; a count
 * of faults is one of passes, each of which faults in all that is left; a file works
 * for the address space that opened it whoever calls; whatever is wrong with a
 * mapping that is to migrate is -EINVAL, and a page that did not get to the device
 * -ENOENT, a full device included.
 *
 * What is not: a call that makes no progress for FERRY_DMIRROR_TRIES passes ends in
 * -EBUSY rather than never; RELEASE with a page that cannot come home is -EBUSY
 * rather than a wait without end; a page that the device has merely read, and that
 * did not migrate, is -ENOENT, where test_hmm returns its data. docs/compat.md has
 * the whole list.
 *
 * A buffer as large as the request is allocated, as test_hmm does, for data must be
 * whole before a byte is returned; it is charged to the caller.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <drm/ferry_drm.h>

#include "dmirror_abi.h"
#include "dmirror_request.h"
#include "migrate/backend.h"
#include "mirror/mirror.h"
#include "mirror/page_table.h"

/* Passes without progress: the address space changed under each. */
#define FERRY_DMIRROR_TRIES		1000

/* What one pass faults in; half of what the device's page table holds. */
#define FERRY_DMIRROR_PASS_SIZE		(FERRY_MAX_WINDOWS / 2 * FERRY_WINDOW_SIZE)

/* Bytes of SNAPSHOT that are made at a time. */
#define FERRY_DMIRROR_LOOK_PAGES	128

/* Data through the device --------------------------------------------------- */

static u64 cmd_len(const struct ferry_dmirror_cmd *cmd)
{
	return cmd->npages << PAGE_SHIFT;
}

static void *alloc_bounce(const struct ferry_dmirror_cmd *cmd)
{
	return __vmalloc(cmd_len(cmd), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}

/**
 * struct transfer - what READ and WRITE differ in
 * @flags: for the access
 * @access: for the device faults
 * @fn: for each piece
 */
struct transfer {
	enum ferry_access_flags flags;
	enum ferry_access access;
	ferry_access_fn fn;
};

static const struct transfer read_transfer = {
	.access = FERRY_READS,
	.fn = ferry_access_copy_out,
};

static const struct transfer write_transfer = {
	.flags = FERRY_ACCESS_WRITE,
	.access = FERRY_WRITES,
	.fn = ferry_access_copy_in,
};

/* One pass: what is mapped is accessed; what comes then is faulted in. */
static int transfer_pass(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd,
			 const struct transfer *transfer, void **bytes)
{
	u64 at = cmd->cpages << PAGE_SHIFT, done;
	int ret;

	ret = ferry_mirror_access_mapped(mirror, cmd->addr + at, cmd_len(cmd) - at,
					 transfer->flags, transfer->fn, bytes, &done);
	cmd->cpages += done >> PAGE_SHIFT;
	if (ret != -ENOENT)
		return ret;

	at += done;
	ret = ferry_mirror_map(mirror, cmd->addr + at,
			       min_t(u64, cmd_len(cmd) - at, FERRY_DMIRROR_PASS_SIZE),
			       transfer->access);
	if (ret)
		return ret;
	cmd->faults++;
	return -ENOENT;
}

static int transfer_all(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd,
			const struct transfer *transfer, void *bytes)
{
	int tries, ret = -ENOENT;
	u64 before;

	for (tries = 0; ret == -ENOENT; tries++) {
		if (tries == FERRY_DMIRROR_TRIES)
			return -EBUSY;
		before = cmd->cpages;
		ret = transfer_pass(mirror, cmd, transfer, &bytes);
		if (cmd->cpages != before)
			tries = 0;
	}
	return ret;
}

static int return_data(const struct ferry_dmirror_cmd *cmd, const void *bounce)
{
	if (copy_to_user(u64_to_user_ptr(cmd->ptr), bounce, cmd_len(cmd)))
		return -EFAULT;
	return 0;
}

static int do_read(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	void *bounce = alloc_bounce(cmd);
	int ret;

	if (!bounce)
		return -ENOMEM;
	ret = transfer_all(mirror, cmd, &read_transfer, bounce);
	ret = ret ?: return_data(cmd, bounce);
	vfree(bounce);
	return ret;
}

static int do_write(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	void *bounce = alloc_bounce(cmd);
	int ret = 0;

	if (!bounce)
		return -ENOMEM;
	if (copy_from_user(bounce, u64_to_user_ptr(cmd->ptr), cmd_len(cmd)))
		ret = -EFAULT;
	ret = ret ?: transfer_all(mirror, cmd, &write_transfer, bounce);
	vfree(bounce);
	return ret;
}

/* What the device has, without a fault: -ENOENT if that is not all. */
static int collect(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd,
		   bool look, void *bytes)
{
	u64 at, n, done;
	int ret = 0;

	for (at = 0; at < cmd_len(cmd) && !ret; at += n) {
		n = min_t(u64, cmd_len(cmd) - at, FERRY_DMIRROR_PASS_SIZE);
		if (look)
			ret = ferry_mirror_map(mirror, cmd->addr + at, n, FERRY_LOOKS);
		ret = ret ?: ferry_mirror_access_mapped(mirror, cmd->addr + at, n, 0,
							ferry_access_copy_out, &bytes,
							&done);
	}
	if (!ret)
		cmd->cpages = cmd->npages;
	return ret;
}

static int return_collected(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd,
			    bool look)
{
	void *bounce = alloc_bounce(cmd);
	int ret;

	if (!bounce)
		return -ENOMEM;
	ret = collect(mirror, cmd, look, bounce);
	ret = ret ?: return_data(cmd, bounce);
	vfree(bounce);
	return ret;
}

/* Migration ----------------------------------------------------------------- */

/*
 * A signal ends a call of the mirror after some progress. This ABI has no way to
 * say how much was done, so only a process that is being killed is let go.
 */
static int migrate(struct ferry_mirror *mirror, const struct ferry_dmirror_cmd *cmd,
		   enum ferry_target target, u64 *moved)
{
	const struct ferry_backend *backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	struct ferry_range range;
	u64 done;
	int ret;

	for (*moved = 0, done = 0; done < cmd_len(cmd); done += range.done) {
		if (fatal_signal_pending(current))
			return -EINTR;
		range = (struct ferry_range) {
			.start = cmd->addr + done,
			.end = cmd->addr + cmd_len(cmd),
			.target = target,
			.backend = backend,
			.flush = ferry_backend_flush(backend, FERRY_FLUSH_DEFAULT),
			.need_read = true,
		};
		ret = ferry_mirror_migrate(mirror, &range);
		*moved += range.moved;
		if (ret || range.ended_by)
			return ret ?: range.ended_by;
	}
	return 0;
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

	ret = migrate_status(migrate(mirror, cmd, FERRY_TARGET_DEVICE, &moved));
	return ret ?: return_collected(mirror, cmd, true);
}

static int do_migrate_to_sys(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	return migrate_status(migrate(mirror, cmd, FERRY_TARGET_SYSTEM, &cmd->cpages));
}

/* Snapshot ------------------------------------------------------------------ */

/* Is there a page that HMM would report. */
static bool is_there(const struct ferry_page_state *state)
{
	switch (state->flags & DRM_FERRY_PAGE_WHERE_MASK) {
	case DRM_FERRY_PAGE_SYSTEM:
		return !(state->flags & DRM_FERRY_PAGE_EXCLUSIVE);
	case DRM_FERRY_PAGE_THIS_DEVICE:
		return true;
	case DRM_FERRY_PAGE_OTHER_DEVICE:
		return state->coherent;
	default:
		return false;
	}
}

static bool is_error(const struct ferry_page_state *state)
{
	if (!(state->flags & DRM_FERRY_PAGE_READABLE))
		return true;
	return (state->flags & DRM_FERRY_PAGE_WHERE_MASK) == DRM_FERRY_PAGE_SPECIAL &&
	       state->outcome != DRM_FERRY_HWPOISON;
}

static unsigned int page_order(const struct ferry_page_state *state)
{
	return (state->flags & DRM_FERRY_PAGE_ORDER_MASK) >> DRM_FERRY_PAGE_ORDER_SHIFT;
}

static u8 place_byte(const struct ferry_page_state *state)
{
	switch (state->flags & DRM_FERRY_PAGE_WHERE_MASK) {
	case DRM_FERRY_PAGE_THIS_DEVICE:
		return state->coherent ? FERRY_DMIRROR_PROT_COHERENT_LOCAL :
					 FERRY_DMIRROR_PROT_PRIVATE_LOCAL;
	case DRM_FERRY_PAGE_OTHER_DEVICE:
		return FERRY_DMIRROR_PROT_COHERENT_REMOTE;
	default:
		/* The huge zero page is not told from others. */
		return state->flags & DRM_FERRY_PAGE_ZERO && !page_order(state) ?
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
			   (state->flags & DRM_FERRY_PAGE_WRITABLE ?
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

/* Exclusive access, release ------------------------------------------------- */

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

	ret = ferry_mirror_check(mirror, cmd->addr, cmd_len(cmd));
	ret = ret ?: ferry_mirror_make_exclusive(mirror, cmd->addr, cmd_len(cmd));
	ret = exclusive_status(ret);
	return ret ?: return_collected(mirror, cmd, false);
}

static int do_check_exclusive(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	return ferry_mirror_is_exclusive(mirror, cmd->addr, cmd_len(cmd)) ? -EPERM : 0;
}

static int do_release(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	return ferry_mirror_release_device(mirror);
}

/* One entry ----------------------------------------------------------------- */

/**
 * struct op - one ioctl
 * @number: FERRY_DMIRROR_*
 * @fn: does it; cpages and faults are 0 before
 * @unusable: the error where the address space has ended, or the range leaves it; 0:
 *	@fn does not need the address space
 * @any_range: @fn deals with a range that leaves user space
 */
struct op {
	unsigned int number;
	int (*fn)(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd);
	int unusable;
	bool any_range;
};

static const struct op ops[] = {
	{ FERRY_DMIRROR_READ, do_read, -EFAULT },
	{ FERRY_DMIRROR_WRITE, do_write, -EFAULT },
	{ FERRY_DMIRROR_MIGRATE_TO_DEV, do_migrate_to_dev, -EINVAL },
	{ FERRY_DMIRROR_MIGRATE_TO_SYS, do_migrate_to_sys, -EINVAL },
	{ FERRY_DMIRROR_SNAPSHOT, do_snapshot, -EINVAL, true },
	{ FERRY_DMIRROR_EXCLUSIVE, do_exclusive, -EINVAL, true },
	{ FERRY_DMIRROR_CHECK_EXCLUSIVE, do_check_exclusive, 0, true },
	{ FERRY_DMIRROR_RELEASE, do_release, 0, true },
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

	if (!op->any_range && ferry_mirror_check(mirror, cmd->addr, cmd_len(cmd)))
		return op->unusable;
	if (!op->unusable)
		return op->fn(mirror, cmd);
	if (ferry_mirror_enter(mirror))
		return op->unusable;
	ret = op->fn(mirror, cmd);
	ferry_mirror_leave(mirror);
	return ret;
}

/* Empty, wrapping, or not of whole pages. */
static bool is_bad_range(const struct ferry_dmirror_cmd *cmd)
{
	u64 len;

	return !PAGE_ALIGNED(cmd->addr) || !cmd->npages ||
	       check_shl_overflow(cmd->npages, PAGE_SHIFT, &len) ||
	       cmd->addr + len <= cmd->addr;
}

/**
 * ferry_dmirror_request() - do one ioctl
 * @mirror: of the file
 * @number: FERRY_DMIRROR_*, not yet checked
 * @cmd: its argument, in kernel memory; the results are good where 0 is returned
 *
 * Return: 0 or -errno, as lib/test_hmm.c.
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
