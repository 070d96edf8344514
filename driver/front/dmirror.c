// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test_hmm front end: each device as /dev/hmm_dmirrorN, with the ioctls of
 * the kernel's HMM test module. Programs for test_hmm run on Ferry. The mirror
 * is the same as behind the render node; dmirror_request.c has the differences
 * of the two ABIs.
 *
 * Numbers of the nodes: private devices from 0, coherent devices from 2, or
 * behind the private devices if more than two private devices exist. hmm-tests
 * expects the numbers 0 and 2.
 *
 * An open file is a mirror, as for the render node. Closing a file moves the
 * pages of that file to system memory, and no other pages; test_hmm empties the
 * device.
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

#include "device/device.h"
#include "dmirror.h"
#include "dmirror_abi.h"
#include "dmirror_request.h"
#include "mirror/mirror.h"

/* Number that hmm-tests expects for the first coherent device. */
#define FERRY_DMIRROR_FIRST_COHERENT	2
#define FERRY_DMIRROR_MINORS		(FERRY_DMIRROR_FIRST_COHERENT + FERRY_MAX_DEVICES)

/* Most characters of a node's name, without the number. */
#define FERRY_DMIRROR_NAME_MAX		32

/**
 * struct ferry_dmirror - the test_hmm node of one device
 * @device: the device
 * @dev: the node in sysfs and devtmpfs
 * @cdev: the character device, found by open()
 */
struct ferry_dmirror {
	struct ferry_device *device;
	struct device dev;
	struct cdev cdev;
};

static const char *node_prefix;
static dev_t first_dev;

/* Files -------------------------------------------------------------------- */

static long dmirror_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct ferry_dmirror_cmd cmd;
	int ret;

	if (copy_from_user(&cmd, user, sizeof(cmd)))
		return -EFAULT;
	ret = ferry_dmirror_request(file->private_data, number, &cmd);
	if (ret)
		return ret;
	return copy_to_user(user, &cmd, sizeof(cmd)) ? -EFAULT : 0;
}

/*
 * Maps pages that are neither anonymous nor of a file, for tests of such
 * mappings.
 */
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

	/* No fault-around, as in test_hmm. */
	mirror = ferry_mirror_create(front->device, FERRY_MIRROR_ALONE);
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

/* Nodes -------------------------------------------------------------------- */

static bool is_good_name(const char *name)
{
	size_t n = 0;

	while (isalnum(name[n]) || name[n] == '_' || name[n] == '-')
		n++;
	return n && !name[n] && n <= FERRY_DMIRROR_NAME_MAX;
}

/**
 * ferry_dmirror_init() - prepare for ferry_dmirror_create()
 * @name: name of the nodes, without the number; must stay valid until
 *	ferry_dmirror_fini()
 *
 * Context: sleeps.
 * Return: 0, or
 * * -EINVAL, with a line in the kernel log: @name is empty or too long, or has
 *   a character other than letters, digits, '_' and '-'
 * * the error of alloc_chrdev_region() if no device numbers are free
 */
int ferry_dmirror_init(const char *name)
{
	if (!is_good_name(name)) {
		pr_err("dmirror_name=%s must be 1 to %d letters, digits, '_' or '-'\n", name,
		       FERRY_DMIRROR_NAME_MAX);
		return -EINVAL;
	}
	node_prefix = name;
	return alloc_chrdev_region(&first_dev, 0, FERRY_DMIRROR_MINORS, "ferry");
}

/**
 * ferry_dmirror_fini() - undo ferry_dmirror_init()
 *
 * All nodes are destroyed before the call.
 *
 * Context: sleeps.
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
 * ferry_dmirror_create() - make a device's test_hmm node
 * @device: the device; the node can be opened before the return
 * @nprivate: number of private devices
 *
 * The device has no parent and no class in sysfs, as in test_hmm. A name that
 * is already used is thus an error, and the node of the other module stays
 * unchanged.
 *
 * Context: sleeps.
 * Return: the node, or
 * * ERR_PTR(-EEXIST), with a line in the kernel log: the name is used
 * * ERR_PTR(-ENOMEM), or another error of cdev_device_add()
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

	ret = dev_set_name(&front->dev, "%s%u", node_prefix, number);
	if (!ret)
		ret = cdev_device_add(&front->cdev, &front->dev);
	if (ret) {
		if (ret == -EEXIST)
			pr_err("%s%u is taken (is test_hmm loaded?): choose another dmirror_name=\n",
			       node_prefix, number);
		put_device(&front->dev);
		return ERR_PTR(ret);
	}
	return front;
}

/**
 * ferry_dmirror_destroy() - undo ferry_dmirror_create()
 * @front: the node, without open files
 *
 * Context: sleeps.
 */
void ferry_dmirror_destroy(struct ferry_dmirror *front)
{
	cdev_device_del(&front->cdev, &front->dev);
	put_device(&front->dev);
}
