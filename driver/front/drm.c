// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DRM front end: each device as a render node. uapi/drm/ferry_drm.h defines
 * the ioctls; request.c checks and translates the ioctls.
 *
 * An open file is a mirror. DRM destroys the mirror after the last reference to
 * the file is put, with no ioctl under way. DRM holds the module as long as a
 * file is open.
 *
 * The parent is a platform device. libdrm identifies platform devices by name
 * without the number: each device has a distinct name.
 *
 * Sizes: the DRM core extends a short struct with zeroes and ignores the tail
 * of a long struct. A tail that is not zero asks for something unknown to this
 * driver. The driver therefore checks the tail before the driver calls the
 * core.
 *
 * Ioctls of the core: the core offers its own ioctls on every driver, and some
 * rely on state that only a driver with the feature initialises. Without
 * DRIVER_GEM the core does not initialise the locks of PRIME
 * (drm_file.prime.lock, drm_device.object_name_lock), but PRIME_FD_TO_HANDLE
 * and PRIME_HANDLE_TO_FD take the locks: two threads of any user cause a NULL
 * dereference. This file has a list of permitted ioctls. Rejected: a list of
 * known bad ioctls, because the next kernel may add more.
 *
 * VERSION  the core answers from ferry_driver
 * GET_CAP  the core answers; the value of "PRIME" is a constant of the core,
 *          and this file corrects the value
 *
 * Any other ioctl that the core would run for a render client is -EOPNOTSUPP:
 * GEM_CLOSE, PRIME, SYNCOBJ. The core's table refuses the rest before a handler
 * runs: -EACCES for ioctls forbidden for render clients (libdrm takes another
 * error of AUTH_MAGIC for "is master"), -EINVAL for unknown ioctls.
 * drm_ioctl_flags() distinguishes the kinds.
 *
 * 32-bit callers: the core's compat handlers run before the core checks rights,
 * and even before the core checks the type; GET_STATS and UPDATE_DRAW
 * "succeed". Only VERSION needs the compat handler, for the pointers in the
 * struct. All other ioctls take the path of 64-bit callers.
 */
#include <linux/nospec.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>
#include <drm/ferry_drm.h>

#include "compat.h"
#include "device/device.h"
#include "drm.h"
#include "mirror/mirror.h"
#include "request.h"
#include "debugfs.h"

/**
 * struct ferry_drm - the render node of one device
 * @drm: the DRM device
 * @device: the Ferry device
 * @platform: the parent
 */
struct ferry_drm {
	struct drm_device drm;
	struct ferry_device *device;
	struct platform_device *platform;
};

static int enter(struct drm_file *file, void *data,
		 int (*request)(struct ferry_mirror *mirror, void *data))
{
	struct ferry_mirror *mirror = file->driver_priv;
	int ret;

	ret = ferry_mirror_enter_own(mirror);
	if (ret)
		return ret;
	ret = request(mirror, data);
	ferry_mirror_leave(mirror);
	return ret;
}

#define FERRY_IOCTL_FUNC(request)						\
	static int request##_ioctl(struct drm_device *drm, void *data,		\
				   struct drm_file *file)			\
	{									\
		return enter(file, data, ferry_request_##request);		\
	}

FERRY_IOCTL_FUNC(query)
FERRY_IOCTL_FUNC(migrate)
FERRY_IOCTL_FUNC(snapshot)
FERRY_IOCTL_FUNC(read)
FERRY_IOCTL_FUNC(write)
FERRY_IOCTL_FUNC(exec)
FERRY_IOCTL_FUNC(stats)

static const struct drm_ioctl_desc ferry_ioctls[] = {
	DRM_IOCTL_DEF_DRV(FERRY_QUERY, query_ioctl, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(FERRY_MIGRATE, migrate_ioctl, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(FERRY_SNAPSHOT, snapshot_ioctl, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(FERRY_READ, read_ioctl, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(FERRY_WRITE, write_ioctl, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(FERRY_EXEC, exec_ioctl, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(FERRY_STATS, stats_ioctl, DRM_RENDER_ALLOW),
};

static int ferry_open(struct drm_device *drm, struct drm_file *file)
{
	struct ferry_drm *front = container_of(drm, struct ferry_drm, drm);
	struct ferry_mirror *mirror;

	mirror = ferry_mirror_create(front->device, 0);
	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	file->driver_priv = mirror;
	return 0;
}

static void ferry_postclose(struct drm_device *drm, struct drm_file *file)
{
	ferry_mirror_destroy(file->driver_priv);
}

/*
 * For readers of /proc/PID/fdinfo; does not enter the mm. The values are read
 * one after the other, and are no snapshot. The number of zero-filled pages is
 * among the outcomes.
 */
static void ferry_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct ferry_mirror *mirror = file->driver_priv;
	enum ferry_stat stat;

	drm_printf(p, "drm-resident-vram:\t%llu KiB\n",
		   ferry_stats_read(mirror, FERRY_STAT_PAGES_HELD) * (PAGE_SIZE / SZ_1K));
	drm_printf(p, "ferry-device:\t%u\n", mirror->device->index);
	for (stat = 0; stat < FERRY_NSTATS; stat++)
		if (stat != FERRY_STAT_ZERO_FILLED)
			drm_printf(p, "ferry-%s:\t%llu\n", ferry_stats_name(stat),
				   ferry_stats_read(mirror, stat));
	ferry_show_migrations(p, &mirror->stats.migrations);
}

static bool is_ours(unsigned int cmd)
{
	unsigned int nr = DRM_IOCTL_NR(cmd);

	return nr >= DRM_COMMAND_BASE && nr < DRM_COMMAND_END;
}

/*
 * Checks that the part of the caller's struct beyond the known struct is zero.
 */
static int check_tail(unsigned int cmd, unsigned long arg)
{
	unsigned int i = DRM_IOCTL_NR(cmd) - DRM_COMMAND_BASE;
	size_t known, size = _IOC_SIZE(cmd);
	int ret;

	if (i >= ARRAY_SIZE(ferry_ioctls))
		return 0;
	i = array_index_nospec(i, ARRAY_SIZE(ferry_ioctls));
	known = _IOC_SIZE(ferry_ioctls[i].cmd);
	if (size <= known)
		return 0;
	ret = check_zeroed_user((void __user *)arg + known, size - known);
	if (ret < 0)
		return ret;
	return ret ? 0 : -E2BIG;
}

/* Refuses the core's own ioctls of render clients, except two. */
static int check_core(unsigned int cmd)
{
	unsigned int nr = DRM_IOCTL_NR(cmd), flags;

	if (nr == DRM_IOCTL_NR(DRM_IOCTL_VERSION) || nr == DRM_IOCTL_NR(DRM_IOCTL_GET_CAP))
		return 0;
	if (drm_ioctl_flags(nr, &flags) && flags & DRM_RENDER_ALLOW)
		return -EOPNOTSUPP;
	return 0;
}

static int check_ioctl(unsigned int cmd, unsigned long arg)
{
	if (DRM_IOCTL_TYPE(cmd) != DRM_IOCTL_BASE)
		return -ENOTTY;
	return is_ours(cmd) ? check_tail(cmd, arg) : check_core(cmd);
}

/* The core reports PRIME for every driver. */
static int correct_cap(unsigned int cmd, unsigned long arg)
{
	struct drm_get_cap __user *user = (void __user *)arg;
	u64 capability;

	if (DRM_IOCTL_NR(cmd) != DRM_IOCTL_NR(DRM_IOCTL_GET_CAP) || !(cmd & IOC_OUT) ||
	    _IOC_SIZE(cmd) < sizeof(*user))
		return 0;
	if (get_user(capability, &user->capability))
		return -EFAULT;
	return capability == DRM_CAP_PRIME ? put_user(0, &user->value) : 0;
}

static long ferry_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	long ret;

	ret = check_ioctl(cmd, arg);
	ret = ret ?: drm_ioctl(filp, cmd, arg);
	return ret ?: correct_cap(cmd, arg);
}

#ifdef CONFIG_COMPAT
static long ferry_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	arg = (unsigned long)compat_ptr(arg);
	if (DRM_IOCTL_TYPE(cmd) == DRM_IOCTL_BASE &&
	    DRM_IOCTL_NR(cmd) == DRM_IOCTL_NR(DRM_IOCTL_VERSION))
		return drm_compat_ioctl(filp, cmd, arg);
	return ferry_ioctl(filp, cmd, arg);
}
#endif

static const struct file_operations ferry_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drm_release,
	.unlocked_ioctl = ferry_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = ferry_compat_ioctl,
#endif
	.poll = drm_poll,
	.read = drm_read,
	.show_fdinfo = drm_show_fdinfo,
	.llseek = noop_llseek,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

static const struct drm_driver ferry_driver = {
	.driver_features = DRIVER_RENDER,
	.open = ferry_open,
	.postclose = ferry_postclose,
	.show_fdinfo = ferry_show_fdinfo,
	.ioctls = ferry_ioctls,
	.num_ioctls = ARRAY_SIZE(ferry_ioctls),
	.fops = &ferry_fops,
	.name = "ferry",
	.desc = "Simulated device with memory of its own",
	FERRY_DRM_DATE
	.major = 1,
	.minor = DRM_FERRY_ABI_VERSION,
};

/**
 * ferry_drm_create() - make a device's render node
 * @device: the device; the node can be opened before the return
 *
 * Context: sleeps.
 * Return: the node, or ERR_PTR(-ENOMEM), or another error of the platform or
 * DRM core.
 */
struct ferry_drm *ferry_drm_create(struct ferry_device *device)
{
	struct platform_device *platform;
	struct ferry_drm *front;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "ferry%u", device->index);
	platform = platform_device_register_simple(name, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(platform))
		return ERR_CAST(platform);
	if (!devres_open_group(&platform->dev, NULL, GFP_KERNEL)) {
		ret = -ENOMEM;
		goto err_unregister;
	}
	front = devm_drm_dev_alloc(&platform->dev, &ferry_driver, struct ferry_drm, drm);
	if (IS_ERR(front)) {
		ret = PTR_ERR(front);
		goto err_release_group;
	}
	front->device = device;
	front->platform = platform;
	ferry_show_register(&front->drm, device);
	ret = drm_dev_register(&front->drm, 0);
	if (ret)
		goto err_release_group;
	return front;

err_release_group:
	devres_release_group(&platform->dev, NULL);
err_unregister:
	platform_device_unregister(platform);
	return ERR_PTR(ret);
}

/**
 * ferry_drm_destroy() - undo ferry_drm_create()
 * @front: the node, without open files
 *
 * Context: sleeps.
 */
void ferry_drm_destroy(struct ferry_drm *front)
{
	struct platform_device *platform = front->platform;

	drm_dev_unregister(&front->drm);
	devres_release_group(&platform->dev, NULL);
	platform_device_unregister(platform);
}
