// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mirror: one process's address space as one device sees it, made for an open
 * file and bound to the mm of whoever opened it.
 *
 * The mirror holds the mm's struct (mmgrab) and not its users: a device must not
 * keep a dead process's memory. So each entry from outside takes a user reference
 * first (enter/leave), and that fails once the process is gone. An open file may
 * travel, by fork() or over a socket; another mm gets -EBADF from both nodes: an
 * address means nothing there, and reading the opener's memory would take the right to
 * ptrace the opener.
 *
 * Lock order, outermost first: mmap_lock (read), page
 * locks (trylock only), window->lock (taken by the notifier, so nothing is
 * allocated, faulted or locked under it), ferry_memory.lock and the xarray's lock
 * (innermost). The mirror has no lock of its own.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "device/device.h"
#include "mirror.h"
#include "page_table.h"

static bool enabled;

/**
 * ferry_mirrors_enable() - let mirrors be made
 *
 * Nodes can be opened from when they are registered, and a load that fails after
 * that frees the module whatever is open. So nothing is given out before the load
 * can no longer fail.
 */
void ferry_mirrors_enable(void)
{
	/* What the module's init made is there for whoever sees it. */
	smp_store_release(&enabled, true);
}

/**
 * ferry_mirror_create() - bind the caller's address space to a device
 * @device: lives longer than the mirror
 * @flags: FERRY_MIRROR_* or 0
 *
 * Return: the mirror, ERR_PTR(-ENOMEM), ERR_PTR(-ESRCH) for a caller without an
 * address space, or ERR_PTR(-ENODEV) while the module is being loaded.
 */
struct ferry_mirror *ferry_mirror_create(struct ferry_device *device,
					 enum ferry_mirror_flags flags)
{
	struct ferry_mirror *mirror;

	/* Pairs with ferry_mirrors_enable(). */
	if (!smp_load_acquire(&enabled))
		return ERR_PTR(-ENODEV);
	if (!current->mm)
		return ERR_PTR(-ESRCH);
	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL_ACCOUNT);
	if (!mirror)
		return ERR_PTR(-ENOMEM);
	mirror->owner = ferry_owner_create(device->memory, current_uid());
	if (!mirror->owner) {
		kfree(mirror);
		return ERR_PTR(-ENOMEM);
	}
	mirror->device = device;
	mirror->owner->alone = flags & FERRY_MIRROR_ALONE;
	mirror->mm = current->mm;
	mmgrab(mirror->mm);
	xa_init(&mirror->windows);
	return mirror;
}

/**
 * ferry_mirror_destroy() - bring this mirror's pages home and forget it
 * @mirror: with nobody in it
 *
 * What cannot come home now stays with the device. It comes home at its next CPU fault
 * (a private page), with the work item for orphans (evict.c), or when the device's
 * memory is taken away; or it is dropped with the last process that maps it. Until then
 * the module stays.
 */
void ferry_mirror_destroy(struct ferry_mirror *mirror)
{
	ferry_mirror_evict(mirror);
	ferry_mirror_disown(mirror);
	ferry_windows_destroy(mirror);
	mmdrop(mirror->mm);
	kfree(mirror);
}

/**
 * ferry_mirror_enter_own() - begin to use the address space that one lives in
 * @mirror: of the file that was called
 *
 * Return: 0, to be followed by ferry_mirror_leave(); -ESRCH when the address
 * space has ended; -EBADF when the caller lives in another one.
 */
int ferry_mirror_enter_own(struct ferry_mirror *mirror)
{
	if (!mmget_not_zero(mirror->mm))
		return -ESRCH;
	if (current->mm != mirror->mm) {
		mmput(mirror->mm);
		return -EBADF;
	}
	return 0;
}

/**
 * ferry_mirror_leave() - the reverse
 * @mirror: entered
 */
void ferry_mirror_leave(struct ferry_mirror *mirror)
{
	mmput(mirror->mm);
}

/**
 * ferry_mirror_check() - is this a range of user space
 * @mirror: whose
 * @addr: first byte
 * @len: bytes
 *
 * Return: 0, or -EINVAL for a range that is empty, wraps or leaves user space.
 */
int ferry_mirror_check(const struct ferry_mirror *mirror, u64 addr, u64 len)
{
	u64 size = mirror->mm->task_size;

	if (!len || len > size || addr > size - len)
		return -EINVAL;
	return 0;
}
