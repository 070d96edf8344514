// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front door: each device as a DRM render node, its ioctls those of
 * uapi/drm/ferry_drm.h. Here a request is checked and translated, and nothing
 * else: the mirror does the work.
 *
 * An open file is a mirror. DRM destroys it when the last reference to the file
 * goes, with no ioctl under way, and holds the module as long as a file is open.
 *
 * The parent is a platform device. libdrm tells platform devices apart by name
 * without the number, so each gets a name of its own.
 *
 * Sizes: the DRM core fills a short struct with zeroes and ignores the tail of a
 * long one. A tail that is not zero asks for something that this driver does not
 * know, so it is looked at before the core is called.
 */
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>
#include <drm/ferry_drm.h>

#include "device/device.h"
#include "drm.h"
#include "migrate/backend.h"
#include "mirror/mirror.h"

static_assert((int)DRM_FERRY_BACKEND_DEFAULT == (int)FERRY_BACKEND_DEFAULT);
static_assert((int)DRM_FERRY_BACKEND_CORE == (int)FERRY_BACKEND_CORE);
static_assert((int)DRM_FERRY_BACKEND_OWN == (int)FERRY_BACKEND_OWN);

/**
 * struct ferry_drm - the render node of one device
 * @drm: what DRM knows
 * @device: the device
 * @platform: the parent
 */
struct ferry_drm {
	struct drm_device drm;
	struct ferry_device *device;
	struct platform_device *platform;
};

/* Requests ------------------------------------------------------------------ */

static int check_pages(const struct ferry_mirror *mirror, u64 addr, u64 len)
{
	if (!PAGE_ALIGNED(addr) || !PAGE_ALIGNED(len))
		return -EINVAL;
	return ferry_mirror_check(mirror, addr, len);
}

/* Pointers of 32-bit callers are zero-extended by them. */
static int check_pointer(u64 pointer, u64 len)
{
	if (pointer != (unsigned long)pointer ||
	    !access_ok(u64_to_user_ptr(pointer), len))
		return -EFAULT;
	return 0;
}

static bool any_set(const u64 *rsvd, size_t n)
{
	return memchr_inv(rsvd, 0, n * sizeof(*rsvd));
}

static int query(struct ferry_mirror *mirror, void *data)
{
	struct ferry_device *device = mirror->device;
	struct drm_ferry_query *query = data;

	if (any_set(query->rsvd, ARRAY_SIZE(query->rsvd)))
		return -EINVAL;
	*query = (struct drm_ferry_query) {
		.abi_version = DRM_FERRY_ABI_VERSION,
		.memory_kind = DRM_FERRY_MEMORY_PRIVATE,
		.memory_size = device->config.memory_size,
		.memory_used = (u64)ferry_memory_used(device->memory) << PAGE_SHIFT,
		.page_size = PAGE_SIZE,
		.node = device->config.node,
		.backends = ferry_backend_available(),
		.index = device->index,
	};
	return 0;
}

static int check_target(const struct drm_ferry_migrate *req)
{
	switch (req->target) {
	case DRM_FERRY_TARGET_DEVICE:
	case DRM_FERRY_TARGET_SYSTEM:
		return req->target_id ? -EINVAL : 0;
	case DRM_FERRY_TARGET_NODE:
	case DRM_FERRY_TARGET_OTHER_DEVICE:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

/* The core engine flushes for each exclusive page and cannot be told otherwise. */
static int check_flush(const struct drm_ferry_migrate *req)
{
	switch (req->flush) {
	case DRM_FERRY_FLUSH_DEFAULT:
	case DRM_FERRY_FLUSH_PER_PAGE:
		return 0;
	case DRM_FERRY_FLUSH_PER_TABLE:
	case DRM_FERRY_FLUSH_PER_CALL:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

static int check_migrate(const struct ferry_mirror *mirror,
			 const struct drm_ferry_migrate *req)
{
	const struct ferry_backend *backend = ferry_backend_get(req->backend);
	int ret;

	/* What is wrong is told before what is merely not built. */
	ret = check_pages(mirror, req->addr, req->len);
	if (ret)
		return ret;
	if (any_set(req->rsvd, ARRAY_SIZE(req->rsvd)) ||
	    req->flags & ~DRM_FERRY_MIGRATE_FAULT_IN ||
	    (req->syncs && !req->num_syncs))
		return -EINVAL;
	ret = check_target(req);
	if (ret)
		return ret;
	ret = check_flush(req);
	if (ret)
		return ret;
	if (IS_ERR(backend))
		return PTR_ERR(backend);
	if (req->flags || req->num_syncs)
		return -EOPNOTSUPP;
	return check_pointer(req->outcomes, req->len >> PAGE_SHIFT);
}

static int migrate(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_migrate *req = data;
	struct ferry_range range;
	int ret;

	ret = check_migrate(mirror, req);
	if (ret)
		return ret;

	range = (struct ferry_range) {
		.start = req->addr,
		.end = req->addr + req->len,
		.target = req->target == DRM_FERRY_TARGET_DEVICE ?
			  FERRY_TARGET_DEVICE : FERRY_TARGET_SYSTEM,
		.backend = ferry_backend_get(req->backend),
		.outcomes = u64_to_user_ptr(req->outcomes),
	};
	ret = ferry_mirror_migrate(mirror, &range);
	if (ret == -EINTR)
		return ret;
	req->done = range.done;
	req->moved = range.moved;
	req->already = range.already;
	req->failed = range.failed;
	return ret;
}

static int snapshot(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_snapshot *req = data;
	u64 done = 0;
	int ret;

	ret = check_pages(mirror, req->addr, req->len);
	if (ret)
		return ret;
	if (req->flags || req->pad || any_set(req->rsvd, ARRAY_SIZE(req->rsvd)))
		return -EINVAL;
	ret = check_pointer(req->pages, (req->len >> PAGE_SHIFT) * sizeof(u32));
	if (ret)
		return ret;
	ret = ferry_mirror_snapshot(mirror, req->addr, req->len,
				    u64_to_user_ptr(req->pages), &done);
	if (ret != -EINTR)
		req->done = done;
	return ret;
}

/* Progress before an error is success; the error is met again by going on. */
static int transfer_status(u64 *to, u64 done, int ret)
{
	if (ret && !done)
		return ret;
	*to = done;
	return 0;
}

static int read(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_read *req = data;
	u64 done = 0;
	int ret;

	if (req->flags || req->pad || any_set(req->rsvd, ARRAY_SIZE(req->rsvd)))
		return -EINVAL;
	ret = ferry_mirror_check(mirror, req->addr, req->len) ?:
	      check_pointer(req->buffer, req->len);
	if (ret)
		return ret;
	ret = ferry_mirror_read(mirror, req->addr, req->len,
				u64_to_user_ptr(req->buffer), &done);
	return transfer_status(&req->done, done, ret);
}

static int write(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_write *req = data;
	u64 done = 0;
	int ret;

	if (req->flags || req->pad || any_set(req->rsvd, ARRAY_SIZE(req->rsvd)))
		return -EINVAL;
	ret = ferry_mirror_check(mirror, req->addr, req->len) ?:
	      check_pointer(req->buffer, req->len);
	if (ret)
		return ret;
	ret = ferry_mirror_write(mirror, req->addr, req->len,
				 u64_to_user_ptr(req->buffer), &done);
	return transfer_status(&req->done, done, ret);
}

/* EXEC ---------------------------------------------------------------------- */

static int check_exec(const struct drm_ferry_exec *req)
{
	if (!req->nops || req->nops > DRM_FERRY_MAX_OPS || req->flags ||
	    any_set(req->rsvd, ARRAY_SIZE(req->rsvd)) ||
	    (req->syncs && !req->num_syncs))
		return -EINVAL;
	/* A page is more than any op will ever be; it bounds what is looked at. */
	if (!req->stride || req->stride % sizeof(u64) || req->stride > PAGE_SIZE)
		return -EINVAL;
	if (req->num_syncs)
		return -EOPNOTSUPP;
	return check_pointer(req->ops, (u64)req->nops * req->stride);
}

static void __user *op_pointer(const struct drm_ferry_exec *req, u32 i)
{
	return u64_to_user_ptr(req->ops + (u64)i * req->stride);
}

#define RESULT_OFFSET	offsetof(struct drm_ferry_exec_op, value)

/* Only CHECKSUM has a result; there must be room for it. */
static int check_result(const struct drm_ferry_exec *req,
			const struct drm_ferry_exec_op *op)
{
	if (op->op == DRM_FERRY_OP_CHECKSUM &&
	    req->stride < RESULT_OFFSET + sizeof(op->value))
		return -EINVAL;
	return 0;
}

static int read_ops(struct ferry_mirror *mirror, struct drm_ferry_exec *req,
		    struct drm_ferry_exec_op *ops)
{
	int ret;
	u32 i;

	for (i = 0; i < req->nops; i++) {
		ret = copy_struct_from_user(&ops[i], sizeof(ops[i]),
					    op_pointer(req, i), req->stride);
		ret = ret ?: ferry_exec_check(mirror, &ops[i]);
		ret = ret ?: check_result(req, &ops[i]);
		if (ret) {
			req->failed = i;
			return ret;
		}
	}
	return 0;
}

static int return_result(const struct drm_ferry_exec *req, u32 i,
			 const struct drm_ferry_exec_op *op)
{
	if (op->op != DRM_FERRY_OP_CHECKSUM)
		return 0;
	if (copy_to_user(op_pointer(req, i) + RESULT_OFFSET, &op->value,
			 sizeof(op->value)))
		return -EFAULT;
	return 0;
}

static int run_ops(struct ferry_mirror *mirror, struct drm_ferry_exec *req,
		   struct drm_ferry_exec_op *ops)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < req->nops; i++) {
		if (signal_pending(current) && i)
			break;
		ret = ferry_exec_run(mirror, &ops[i]);
		ret = ret ?: return_result(req, i, &ops[i]);
		if (ret) {
			if (ret != -EINTR)
				req->failed = i;
			break;
		}
	}
	req->done = i;
	return ret;
}

static int exec(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_exec req = *(struct drm_ferry_exec *)data;
	struct drm_ferry_exec_op *ops;
	int ret;

	ret = check_exec(&req);
	if (ret)
		return ret;
	ops = kvcalloc(req.nops, sizeof(*ops), GFP_KERNEL_ACCOUNT);
	if (!ops)
		return -ENOMEM;
	req.failed = DRM_FERRY_NO_OP;
	req.done = 0;
	ret = read_ops(mirror, &req, ops);
	if (!ret)
		ret = run_ops(mirror, &req, ops);
	kvfree(ops);

	/* A signal in the first operation: it is as if the call had not been. */
	if (ret == -EINTR && !req.done)
		return ret;
	*(struct drm_ferry_exec *)data = req;
	return ret == -EINTR ? 0 : ret;
}

static void fill_stats(struct ferry_mirror *mirror, struct drm_ferry_stats *to)
{
	struct ferry_mirror_stats *from = &mirror->stats;

	*to = (struct drm_ferry_stats) {
		.to_device = atomic64_read(&from->to_device),
		.zero_filled = atomic64_read(&from->zero_filled),
		.to_system = atomic64_read(&from->to_system),
		.failed = atomic64_read(&from->failed),
		.cpu_faults = READ_ONCE(mirror->owner.cpu_faults),
		.cpu_fault_races = READ_ONCE(mirror->owner.cpu_fault_races),
		.device_faults = atomic64_read(&from->device_faults),
		.device_fault_retries = atomic64_read(&from->device_fault_retries),
		.invalidations = atomic64_read(&from->invalidations),
		.bytes_read = atomic64_read(&from->bytes_read),
		.bytes_written = atomic64_read(&from->bytes_written),
		.ops = atomic64_read(&from->ops),
		.pages_held = READ_ONCE(mirror->owner.held),
		.windows = READ_ONCE(mirror->nwindows),
	};
}

static int stats(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_stats *to = data;

	if (any_set(to->rsvd, ARRAY_SIZE(to->rsvd)))
		return -EINVAL;
	fill_stats(mirror, to);
	return 0;
}

/* The node ------------------------------------------------------------------ */

static int enter(struct drm_file *file, void *data,
		 int (*request)(struct ferry_mirror *mirror, void *data))
{
	struct ferry_mirror *mirror = file->driver_priv;
	int ret;

	ret = ferry_mirror_enter(mirror);
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
		return enter(file, data, request);				\
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

	mirror = ferry_mirror_create(front->device);
	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	file->driver_priv = mirror;
	return 0;
}

static void ferry_postclose(struct drm_device *drm, struct drm_file *file)
{
	ferry_mirror_destroy(file->driver_priv);
}

/* For whoever looks: /proc/PID/fdinfo, which needs no entry into the mm. */
static void ferry_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct ferry_mirror *mirror = file->driver_priv;
	struct drm_ferry_stats now;

	fill_stats(mirror, &now);
	drm_printf(p, "drm-resident-vram:\t%llu KiB\n", now.pages_held * (PAGE_SIZE / SZ_1K));
	drm_printf(p, "ferry-device:\t%u\n", mirror->device->index);
	drm_printf(p, "ferry-pages-held:\t%llu\n", now.pages_held);
	drm_printf(p, "ferry-to-device:\t%llu\n", now.to_device);
	drm_printf(p, "ferry-zero-filled:\t%llu\n", now.zero_filled);
	drm_printf(p, "ferry-to-system:\t%llu\n", now.to_system);
	drm_printf(p, "ferry-failed:\t%llu\n", now.failed);
	drm_printf(p, "ferry-cpu-faults:\t%llu\n", now.cpu_faults);
	drm_printf(p, "ferry-device-faults:\t%llu\n", now.device_faults);
	drm_printf(p, "ferry-bytes-read:\t%llu\n", now.bytes_read);
	drm_printf(p, "ferry-bytes-written:\t%llu\n", now.bytes_written);
}

/* Is what the caller's struct has more than ours all zero? */
static int check_tail(unsigned int cmd, unsigned long arg)
{
	unsigned int i = DRM_IOCTL_NR(cmd) - DRM_COMMAND_BASE;
	size_t known, size = _IOC_SIZE(cmd);
	int ret;

	if (DRM_IOCTL_TYPE(cmd) != DRM_IOCTL_BASE || i >= ARRAY_SIZE(ferry_ioctls))
		return 0;
	known = _IOC_SIZE(ferry_ioctls[i].cmd);
	if (size <= known)
		return 0;
	ret = check_zeroed_user((void __user *)arg + known, size - known);
	if (ret < 0)
		return ret;
	return ret ? 0 : -E2BIG;
}

static long ferry_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	int ret = check_tail(cmd, arg);

	return ret ?: drm_ioctl(filp, cmd, arg);
}

#ifdef CONFIG_COMPAT
/* Our structs are the same; the core's own are not. */
static long ferry_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	arg = (unsigned long)compat_ptr(arg);
	if (DRM_IOCTL_NR(cmd) >= DRM_COMMAND_BASE && DRM_IOCTL_NR(cmd) < DRM_COMMAND_END)
		return ferry_ioctl(filp, cmd, arg);
	return drm_compat_ioctl(filp, cmd, arg);
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
	.date = "20261121",
	.major = DRM_FERRY_ABI_VERSION,
	.minor = 0,
};

/**
 * ferry_drm_create() - make a device's render node
 * @device: live from when this returns
 *
 * Return: the node or ERR_PTR().
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
 * ferry_drm_destroy() - the reverse of ferry_drm_create()
 * @front: with no file open
 */
void ferry_drm_destroy(struct ferry_drm *front)
{
	struct platform_device *platform = front->platform;

	drm_dev_unregister(&front->drm);
	devres_release_group(&platform->dev, NULL);
	platform_device_unregister(platform);
}
