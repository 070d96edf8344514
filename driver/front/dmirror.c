// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second door: each device as /dev/hmm_dmirrorN, with the ioctls of the kernel's
 * HMM test module, so that what was written for that runs on Ferry. It is the same
 * mirror as behind the render node; here is only what the two ABIs do differently.
 *
 * Where the nodes are: private devices from 0, coherent ones from 2 (or behind the
 * private ones, if those are more), since that is where hmm-tests looks for them.
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
 * did not migrate, is -ENOENT, where test_hmm returns its data; closing a file brings
 * home this file's pages and no others. docs/compat.md has the whole list.
 *
 * A buffer as large as the request is allocated, as test_hmm does, for data must be
 * whole before a byte is returned; it is charged to the caller.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/cdev.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <drm/ferry_drm.h>

#include "device/device.h"
#include "dmirror.h"
#include "dmirror_abi.h"
#include "migrate/backend.h"
#include "mirror/mirror.h"
#include "mirror/page_table.h"

/* Where hmm-tests looks for the first coherent device. */
#define FERRY_DMIRROR_FIRST_COHERENT	2
#define FERRY_DMIRROR_MINORS		(FERRY_DMIRROR_FIRST_COHERENT + FERRY_MAX_DEVICES)

/* Room for a number behind it in the name of a node. */
#define FERRY_DMIRROR_NAME_MAX		32

/* Passes without progress: the address space changed under each. */
#define FERRY_DMIRROR_TRIES		1000

/* What one pass faults in; half of what the device's page table holds. */
#define FERRY_DMIRROR_PASS_SIZE		(FERRY_MAX_WINDOWS / 2 * FERRY_WINDOW_SIZE)

/* Bytes of SNAPSHOT that are made at a time. */
#define FERRY_DMIRROR_LOOK_PAGES	128

/**
 * struct ferry_dmirror - the node of one device
 * @device: the device
 * @dev: what sysfs and devtmpfs know
 * @cdev: what open() finds
 */
struct ferry_dmirror {
	struct ferry_device *device;
	struct device dev;
	struct cdev cdev;
};

static const char *dmirror_name;
static dev_t first_dev;

/* Data through the device --------------------------------------------------- */

static u64 cmd_len(const struct ferry_dmirror_cmd *cmd)
{
	return cmd->npages << PAGE_SHIFT;
}

static void *alloc_bounce(const struct ferry_dmirror_cmd *cmd)
{
	return __vmalloc(cmd_len(cmd), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}

static void copy_out(void *bytes, size_t n, void *arg)
{
	void **to = arg;

	memcpy(*to, bytes, n);
	*to += n;
}

static void copy_in(void *bytes, size_t n, void *arg)
{
	const void **from = arg;

	memcpy(bytes, *from, n);
	*from += n;
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
	.fn = copy_out,
};

static const struct transfer write_transfer = {
	.flags = FERRY_ACCESS_WRITE,
	.access = FERRY_WRITES,
	.fn = copy_in,
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
							copy_out, &bytes, &done);
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
			.backend = ferry_backend_get(FERRY_BACKEND_DEFAULT),
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

/* Files --------------------------------------------------------------------- */

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

static long dmirror_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct ferry_dmirror_cmd cmd;
	const struct op *op;
	int ret;

	if (copy_from_user(&cmd, user, sizeof(cmd)))
		return -EFAULT;
	op = find_op(number);
	if (is_bad_range(&cmd) || !op)
		return -EINVAL;

	cmd.cpages = 0;
	cmd.faults = 0;
	ret = run_op(file->private_data, op, &cmd);
	if (ret)
		return ret;
	return copy_to_user(user, &cmd, sizeof(cmd)) ? -EFAULT : 0;
}

/* Pages that are not anonymous and not of a file, for tests of such mappings. */
static int dmirror_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long addr;
	struct page *page;
	int ret;

	for (addr = vma->vm_start; addr < vma->vm_end; addr += PAGE_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		ret = vm_insert_page(vma, addr, page);
		put_page(page);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int dmirror_open(struct inode *inode, struct file *file)
{
	struct ferry_dmirror *front = container_of(inode->i_cdev, struct ferry_dmirror, cdev);
	struct ferry_mirror *mirror;

	mirror = ferry_mirror_create(front->device);
	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	file->private_data = mirror;
	return 0;
}

static int dmirror_release(struct inode *inode, struct file *file)
{
	ferry_mirror_destroy(file->private_data);
	return 0;
}

static const struct file_operations dmirror_fops = {
	.owner = THIS_MODULE,
	.open = dmirror_open,
	.release = dmirror_release,
	.mmap = dmirror_mmap,
	.unlocked_ioctl = dmirror_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* Nodes --------------------------------------------------------------------- */

static bool is_good_name(const char *name)
{
	size_t n = 0;

	while (isalnum(name[n]) || name[n] == '_' || name[n] == '-')
		n++;
	return n && !name[n] && n <= FERRY_DMIRROR_NAME_MAX;
}

/**
 * ferry_dmirror_init() - get ready for ferry_dmirror_create()
 * @name: of the nodes, without their numbers; stays valid
 *
 * Return: 0; -EINVAL, after a line in the kernel log, for a name that is not one
 * of letters, digits, '_' and '-'; another error if there are no device numbers.
 */
int ferry_dmirror_init(const char *name)
{
	if (!is_good_name(name)) {
		pr_err("dmirror_name=%s must be 1 to %d letters, digits, '_' or '-'\n", name,
		       FERRY_DMIRROR_NAME_MAX);
		return -EINVAL;
	}
	dmirror_name = name;
	return alloc_chrdev_region(&first_dev, 0, FERRY_DMIRROR_MINORS, "ferry");
}

/**
 * ferry_dmirror_fini() - the reverse, with no node left
 */
void ferry_dmirror_fini(void)
{
	unregister_chrdev_region(first_dev, FERRY_DMIRROR_MINORS);
}

static void free_front(struct device *dev)
{
	kfree(container_of(dev, struct ferry_dmirror, dev));
}

static unsigned int node_number(const struct ferry_device *device, unsigned int nprivate)
{
	if (device->config.kind == FERRY_MEMORY_PRIVATE)
		return device->index;
	return max(nprivate, FERRY_DMIRROR_FIRST_COHERENT) + device->index - nprivate;
}

/**
 * ferry_dmirror_create() - make a device's node
 * @device: live from when this returns
 * @nprivate: how many private devices there are
 *
 * As test_hmm's, the device stands by itself in sysfs, so that a name that is taken
 * is found, and not a node of the other module.
 *
 * Return: the node, or ERR_PTR(), after a line in the kernel log for a name that is
 * taken.
 */
struct ferry_dmirror *ferry_dmirror_create(struct ferry_device *device,
					   unsigned int nprivate)
{
	unsigned int number = node_number(device, nprivate);
	struct ferry_dmirror *front;
	int ret;

	front = kzalloc(sizeof(*front), GFP_KERNEL);
	if (!front)
		return ERR_PTR(-ENOMEM);
	front->device = device;
	device_initialize(&front->dev);
	front->dev.release = free_front;
	front->dev.devt = first_dev + number;
	cdev_init(&front->cdev, &dmirror_fops);
	front->cdev.owner = THIS_MODULE;

	ret = dev_set_name(&front->dev, "%s%u", dmirror_name, number);
	if (!ret)
		ret = cdev_device_add(&front->cdev, &front->dev);
	if (ret) {
		if (ret == -EEXIST)
			pr_err("%s%u is taken (is test_hmm loaded?): choose another dmirror_name=\n",
			       dmirror_name, number);
		put_device(&front->dev);
		return ERR_PTR(ret);
	}
	return front;
}

/**
 * ferry_dmirror_destroy() - the reverse of ferry_dmirror_create()
 * @front: with no file open
 */
void ferry_dmirror_destroy(struct ferry_dmirror *front)
{
	cdev_device_del(&front->cdev, &front->dev);
	put_device(&front->dev);
}
