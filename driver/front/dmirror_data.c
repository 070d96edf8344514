// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the test_hmm ABI that copy data, for dmirror_request.c.
 *
 * Data goes through a bounce buffer of one step (FERRY_DMIRROR_STEP_SIZE).
 * test_hmm allocates a buffer as large as the request, and the caller chooses
 * the size. No process accounts for that memory: the OOM killer may kill other
 * processes, and the loops check no signal. Here a step ends early for a process
 * that is being killed, and each step reschedules.
 *
 * READ, MIGRATE_TO_DEV and EXCLUSIVE return data for all pages or for none, as
 * in test_hmm: before the first copy the whole range was accessible. A page
 * that becomes inaccessible after the check ends the call in the middle, with
 * the same error and with a part of the data copied.
 *
 * WRITE is as in test_hmm: mapped pages are written, up to the first page that
 * is not mapped, and one fault covers the whole rest. Before the first write
 * the whole buffer was readable.
 *
 * READ_UNLOCKED is READ with another kind of fault: no lock is held while the
 * fault waits, for a disk or for a monitor of userfaultfd. READ waits with
 * mmap_lock held, except for a monitor.
 *
 * If the buffer overlaps the range, the order of the steps keeps the result of
 * memmove(). A WRITE in backward order checks the whole range first.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmirror_abi.h"
#include "dmirror_data.h"
#include "mirror/access.h"
#include "mirror/device_fault.h"
#include "mirror/mirror.h"

/* Tries without progress: the address space changed under each try. */
#define FERRY_DMIRROR_TRIES		1000

/* Bytes for one pass of faults: half of the device's page table. */
#define FERRY_DMIRROR_PASS_SIZE		(FERRY_MAX_WINDOWS / 2 * FERRY_WINDOW_SIZE)

/* Bytes of one copy step. */
#define FERRY_DMIRROR_STEP_SIZE		SZ_64K

/**
 * struct bounce - bounce buffer of one step
 * @bytes: the buffer
 * @size: bytes of the buffer, whole pages
 */
struct bounce {
	void *bytes;
	size_t size;
};

/*
 * A buffer of one page is enough, and the OOM killer must not run. The first
 * allocation has an order for which the OOM killer never runs; the flags of the
 * second allocation forbid the OOM killer.
 */
static int alloc_bounce(struct bounce *bounce)
{
	bounce->size = FERRY_DMIRROR_STEP_SIZE;
	bounce->bytes = kmalloc(bounce->size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN |
				__GFP_NORETRY);
	if (bounce->bytes)
		return 0;
	bounce->size = PAGE_SIZE;
	bounce->bytes = kmalloc(bounce->size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN |
				__GFP_RETRY_MAYFAIL);
	return bounce->bytes ? 0 : -ENOMEM;
}

/**
 * struct transfer - parameters of an ioctl that copies data
 * @access: access for the device faults
 * @writes: the device writes
 * @unlocked: no lock is held while a fault waits
 * @tries: tries without progress that may fault, before the call ends
 * @stuck: result of the call after those tries
 */
struct transfer {
	enum ferry_access access;
	bool writes;
	bool unlocked;
	int tries;
	int stuck;
};

static const struct transfer read_transfer = {
	.access = FERRY_ACCESS_READ,
	.tries = FERRY_DMIRROR_TRIES,
	.stuck = -EBUSY,
};

static const struct transfer read_unlocked_transfer = {
	.access = FERRY_ACCESS_READ,
	.unlocked = true,
	.tries = FERRY_DMIRROR_TRIES,
	.stuck = -EBUSY,
};

static const struct transfer write_transfer = {
	.access = FERRY_ACCESS_WRITE,
	.writes = true,
	.tries = FERRY_DMIRROR_TRIES,
	.stuck = -EBUSY,
};

/*
 * Pages on the device, without a fault: the device's page table may have lost
 * entries.
 */
static const struct transfer look_transfer = {
	.access = FERRY_ACCESS_PEEK,
	.tries = 1,
	.stuck = -ENOENT,
};

/* Pages in the device's page table only: a fault would end exclusive access. */
static const struct transfer exclusive_transfer = {
	.stuck = -ENOENT,
};

/**
 * struct part - a part of a range that is accessed
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @transfer: parameters of the ioctl
 * @addr: next byte to access
 * @len: remaining bytes
 * @ahead: bytes behind the part that a fault covers too
 * @faults: number of passes with device faults
 * @bytes: buffer of the data; NULL: check the access only
 */
struct part {
	struct ferry_mirror *mirror;
	const struct transfer *transfer;
	u64 addr;
	u64 len;
	u64 ahead;
	u64 faults;
	void *bytes;
};

static ferry_access_fn access_fn(const struct part *part)
{
	if (!part->bytes)
		return NULL;
	return part->transfer->writes ? ferry_access_copy_in : ferry_access_copy_out;
}

static void advance(struct part *part, u64 n)
{
	part->addr += n;
	part->len -= n;
}

/* One pass: accesses pages with an entry, then faults in the next pages. */
static int access_pass(struct part *part, bool fault)
{
	enum ferry_access access = part->transfer->access;
	u64 done;
	int ret;

	ret = ferry_mirror_access_mapped(part->mirror, part->addr, part->len,
					 part->transfer->writes ? FERRY_ACCESS_WRITE :
								  FERRY_ACCESS_READ,
					 access_fn(part), &part->bytes, &done);
	advance(part, done);
	if (ret != -ENOENT || !fault)
		return ret;
	ret = ferry_mirror_map(part->mirror, part->addr,
			       min_t(u64, part->len + part->ahead, FERRY_DMIRROR_PASS_SIZE),
			       access, part->transfer->unlocked ? FERRY_UNLOCKED :
								  FERRY_KILLABLE);
	if (ret)
		return ret;
	part->faults += access != FERRY_ACCESS_PEEK;
	return -ENOENT;
}

static int access_part(struct part *part)
{
	int tries = 0, ret;
	u64 before;

	do {
		before = part->len;
		ret = access_pass(part, tries < part->transfer->tries);
		tries = part->len != before ? 0 : tries + 1;
	} while (ret == -ENOENT && tries <= part->transfer->tries);
	return ret == -ENOENT ? part->transfer->stuck : ret;
}

static int copy_step(struct ferry_dmirror_cmd *cmd, struct part *part,
		     const struct bounce *bounce, u64 at)
{
	void __user *user = u64_to_user_ptr(cmd->ptr + at);
	size_t n = part->len;
	int ret;

	if (part->transfer->writes && copy_from_user(bounce->bytes, user, n))
		return -EFAULT;
	ret = access_part(part);
	if (ret)
		return ret;
	if (!part->transfer->writes && copy_to_user(user, bounce->bytes, n))
		return -EFAULT;
	return 0;
}

/*
 * The destination begins within the source: copy from the last step to the
 * first.
 */
static bool goes_backwards(const struct ferry_dmirror_cmd *cmd,
			   const struct transfer *transfer)
{
	u64 ahead = transfer->writes ? cmd->addr - cmd->ptr : cmd->ptr - cmd->addr;

	return ahead < ferry_dmirror_len(cmd);
}

/* If the range is not checked yet, a fault covers the whole rest. */
static int copy_steps(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd,
		      const struct transfer *transfer, const struct bounce *bounce)
{
	bool backwards = goes_backwards(cmd, transfer);
	bool looked = !transfer->writes || backwards;
	u64 done, at, n;
	int ret = 0;

	for (done = 0; done < ferry_dmirror_len(cmd) && !ret; done += n) {
		n = min_t(u64, ferry_dmirror_len(cmd) - done, bounce->size);
		at = backwards ? ferry_dmirror_len(cmd) - done - n : done;
		struct part part = {
			.mirror = mirror,
			.transfer = transfer,
			.addr = cmd->addr + at,
			.len = n,
			.ahead = looked ? 0 : ferry_dmirror_len(cmd) - done - n,
			.bytes = bounce->bytes,
		};

		ret = copy_step(cmd, &part, bounce, at);
		cmd->faults += part.faults;
		cond_resched();
	}
	if (!ret)
		cmd->cpages = cmd->npages;
	return ret;
}

static int copy_all(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd,
		    const struct transfer *transfer)
{
	struct bounce bounce;
	int ret;

	if (!access_ok(u64_to_user_ptr(cmd->ptr), ferry_dmirror_len(cmd)))
		return -EFAULT;
	ret = alloc_bounce(&bounce);
	if (ret)
		return ret;
	ret = copy_steps(mirror, cmd, transfer, &bounce);
	kfree(bounce.bytes);
	return ret;
}

static int find_accessible(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd,
			   const struct transfer *transfer)
{
	struct part part = {
		.mirror = mirror,
		.transfer = transfer,
		.addr = cmd->addr,
		.len = ferry_dmirror_len(cmd),
	};
	int ret;

	ret = access_part(&part);
	cmd->faults += part.faults;
	return ret;
}

/* Checks that the whole buffer is readable, before the first write. */
static int find_readable(const struct ferry_dmirror_cmd *cmd)
{
	u64 at, n;

	for (at = 0; at < ferry_dmirror_len(cmd); at += n) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = min_t(u64, ferry_dmirror_len(cmd) - at, FERRY_DMIRROR_STEP_SIZE);
		if (fault_in_readable(u64_to_user_ptr(cmd->ptr + at), n))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

/**
 * ferry_dmirror_read() - READ: the device reads into the buffer
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @cmd: the argument, with a checked range; out: @cmd->cpages, @cmd->faults
 *
 * Context: sleeps; no lock held.
 * Return: 0, or
 * * -EFAULT: the buffer or the range is not accessible
 * * -EPERM: the range is not writable (WRITE)
 * * -ENOMEM: no memory
 * * -EBUSY: no progress after FERRY_DMIRROR_TRIES tries
 * * -EINTR: the process is being killed
 */
int ferry_dmirror_read(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	return find_accessible(mirror, cmd, &read_transfer) ?:
	       copy_all(mirror, cmd, &read_transfer);
}

/**
 * ferry_dmirror_read_unlocked() - READ_UNLOCKED: READ that waits without a lock
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @cmd: the argument, with a checked range; out: @cmd->cpages, @cmd->faults
 *
 * Context: sleeps; no lock held.
 * Return: as ferry_dmirror_read().
 */
int ferry_dmirror_read_unlocked(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	return find_accessible(mirror, cmd, &read_unlocked_transfer) ?:
	       copy_all(mirror, cmd, &read_unlocked_transfer);
}

/**
 * ferry_dmirror_write() - WRITE: the device writes from the buffer
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @cmd: the argument, with a checked range; out: @cmd->cpages, @cmd->faults
 *
 * Context: sleeps; no lock held.
 * Return: as ferry_dmirror_read().
 */
int ferry_dmirror_write(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd)
{
	int ret;

	ret = find_readable(cmd);
	if (!ret && goes_backwards(cmd, &write_transfer))
		ret = find_accessible(mirror, cmd, &write_transfer);
	return ret ?: copy_all(mirror, cmd, &write_transfer);
}

/**
 * ferry_dmirror_return_resident() - return the data of a range on the device
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @cmd: the argument, with a checked range; out: @cmd->cpages
 *
 * Context: sleeps; no lock held.
 * Return: 0; -ENOENT if a page is not on the device; otherwise as
 * ferry_dmirror_read().
 */
int ferry_dmirror_return_resident(struct ferry_mirror *mirror,
				  struct ferry_dmirror_cmd *cmd)
{
	u64 at, n;
	int ret;

	/*
	 * An entry alone proves nothing: the device may have read the page in
	 * system memory.
	 */
	for (at = 0; at < ferry_dmirror_len(cmd); at += n) {
		n = min_t(u64, ferry_dmirror_len(cmd) - at, FERRY_DMIRROR_PASS_SIZE);
		ret = ferry_mirror_map(mirror, cmd->addr + at, n, FERRY_ACCESS_PEEK,
				       FERRY_KILLABLE);
		if (ret)
			return ret;
	}
	return copy_all(mirror, cmd, &look_transfer);
}

/**
 * ferry_dmirror_return_exclusive() - return the data of exclusive pages
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @cmd: the argument, with a checked range; out: @cmd->cpages
 *
 * Context: sleeps; no lock held.
 * Return: 0; -ENOENT if a page is no longer exclusive; otherwise as
 * ferry_dmirror_read().
 */
int ferry_dmirror_return_exclusive(struct ferry_mirror *mirror,
				   struct ferry_dmirror_cmd *cmd)
{
	return find_accessible(mirror, cmd, &exclusive_transfer) ?:
	       copy_all(mirror, cmd, &exclusive_transfer);
}
