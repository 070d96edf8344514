// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mirror: the address space of one process, as seen by one device. A mirror is
 * made for an open file and bound to the opener's mm.
 *
 * The mirror holds the mm's struct (mmgrab()) and not the mm's users: a device
 * must not keep the memory of a dead process. Each entry from outside first
 * takes a reference on the users (enter, leave). The reference cannot be taken
 * once the process is gone.
 *
 * An open file may reach another process by fork() or over a socket. A caller
 * with another mm gets -EBADF from both front ends: an address has no meaning
 * in another mm, and access to the opener's memory would need the right to
 * ptrace the opener.
 *
 * The lock order is in mirror.h.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "device/device.h"
#include "device/owner.h"
#include "evict.h"
#include "mirror.h"
#include "page_table.h"

static bool enabled;

/**
 * ferry_mirrors_enable() - allow the creation of mirrors
 *
 * A node can be opened as soon as the node is registered. A load that fails
 * after the registration frees the module even with open files. Mirrors are
 * therefore created only after the last step of the load that can fail.
 */
void ferry_mirrors_enable(void)
{
	/* Publishes the objects that the module's init made. */
	smp_store_release(&enabled, true);
}

/**
 * ferry_mirror_create() - bind the caller's address space to a device
 * @device: the device; must outlive the mirror
 * @flags: FERRY_MIRROR_* bits, or 0
 *
 * Return: the mirror, or
 * * ERR_PTR(-ENOMEM) without memory
 * * ERR_PTR(-ESRCH) for a caller without an address space
 * * ERR_PTR(-ENODEV) while the module is loading
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
 * ferry_mirror_destroy() - evict a mirror's pages and free the mirror
 * @mirror: the mirror; no call uses the mirror
 *
 * A page that cannot move now stays with the device, and the module stays
 * loaded. The page moves to system memory at the first of these events:
 *
 * * the next CPU fault on the page (private page)
 * * a pass of the work item for orphans (evict.c)
 * * a RELEASE of the device's memory
 *
 * A page also leaves the device when the last process that maps the page exits.
 *
 * Context: sleeps for a bounded time (evict.c); no lock held.
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
 * ferry_mirror_enter_own() - begin to use the caller's own address space
 * @mirror: the mirror of the called file
 *
 * Return:
 * * 0: the caller must call ferry_mirror_leave() later
 * * -ESRCH: the address space has ended
 * * -EBADF: the caller has another address space
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
 * ferry_mirror_leave() - end the use of the address space
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 *
 * Context: may sleep: this may be the last user of the address space.
 */
void ferry_mirror_leave(struct ferry_mirror *mirror)
{
	mmput(mirror->mm);
}

/**
 * ferry_mirror_check() - check for a range of user space
 * @mirror: the mirror whose address space is meant
 * @addr: first byte, of any alignment
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
