// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls of uapi/drm/ferry_drm.h, checked and translated to calls of the
 * mirror: one function for each ioctl, on an entered mirror. This file knows
 * neither files nor DRM.
 *
 * All functions check in the same order: wrong values (-EINVAL) before features
 * that are not built (-EOPNOTSUPP), and both before any access to a pointer. A
 * function writes results to the struct only after progress: the DRM core
 * copies the struct to the user after an error too, and -EINTR promises an
 * unchanged struct.
 */
#include <linux/capability.h>
#include <linux/cpuset.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/ferry_drm.h>

#include "device/device.h"
#include "migrate/backend.h"
#include "mirror/access.h"
#include "mirror/device_fault.h"
#include "mirror/exec.h"
#include "mirror/migrate.h"
#include "mirror/mirror.h"
#include "mirror/snapshot.h"
#include "request.h"

static int check_pages(const struct ferry_mirror *mirror, u64 addr, u64 len)
{
	if (!PAGE_ALIGNED(addr) || !PAGE_ALIGNED(len))
		return -EINVAL;
	return ferry_mirror_check(mirror, addr, len);
}

/* 32-bit callers extend pointers with zeroes. */
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

static u64 node_feature(void)
{
	const struct ferry_backend *own = ferry_backend_get(FERRY_BACKEND_OWN);

	return !IS_ERR(own) && own->can & FERRY_CAN_MOVE_TO_NODE ? DRM_FERRY_FEATURE_NODE : 0;
}

/**
 * ferry_request_query() - QUERY: properties of the device
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @data: struct drm_ferry_query, in kernel memory
 *
 * Context: process context.
 * Return: 0; -EINVAL for a reserved field that is not zero.
 */
int ferry_request_query(struct ferry_mirror *mirror, void *data)
{
	struct ferry_device *device = mirror->device;
	struct drm_ferry_query *query = data;

	if (any_set(query->rsvd, ARRAY_SIZE(query->rsvd)))
		return -EINVAL;
	*query = (struct drm_ferry_query) {
		.abi_version = DRM_FERRY_ABI_VERSION,
		.memory_kind = device->config.kind,
		.features = DRM_FERRY_FEATURE_FAULT_AROUND |
			    DRM_FERRY_FEATURE_FLUSH_AUTO |
			    DRM_FERRY_FEATURE_SKIP_HOLES |
			    DRM_FERRY_FEATURE_QUOTA | node_feature(),
		.memory_size = device->config.memory_size,
		.memory_used = (u64)ferry_memory_used(device->memory) << PAGE_SHIFT,
		.page_size = PAGE_SIZE,
		.node = device->config.node,
		.backends = ferry_backend_available(),
		.index = device->index,
	};
	return 0;
}

#define MIGRATE_FLAGS	(DRM_FERRY_MIGRATE_FAULT_IN | DRM_FERRY_MIGRATE_SKIP_HOLES |	\
			 DRM_FERRY_MIGRATE_STRICT)

static int check_values(const struct drm_ferry_migrate *req)
{
	bool node = req->target == DRM_FERRY_TARGET_NODE;
	bool number = node || req->target == DRM_FERRY_TARGET_OTHER_DEVICE;

	if (any_set(req->rsvd, ARRAY_SIZE(req->rsvd)) || req->flags & ~MIGRATE_FLAGS ||
	    (req->syncs && !req->num_syncs) || req->flush >= FERRY_NFLUSHES ||
	    req->target > DRM_FERRY_TARGET_OTHER_DEVICE)
		return -EINVAL;
	return (req->target_id && !number) || (req->flags & DRM_FERRY_MIGRATE_STRICT && !node) ?
	       -EINVAL : 0;
}

/* The rules of move_pages(2). */
static int may_use_node(u32 node)
{
	if (node >= MAX_NUMNODES || !node_state(array_index_nospec(node, MAX_NUMNODES), N_MEMORY))
		return -ENODEV;
	return node_isset(node, cpuset_current_mems_allowed) ? 0 : -EACCES;
}

/* core flushes for each exclusively mapped page; other strategies fail. */
static int check_features(const struct drm_ferry_migrate *req,
			  const struct ferry_backend *backend)
{
	if (req->target == DRM_FERRY_TARGET_OTHER_DEVICE ||
	    (req->target == DRM_FERRY_TARGET_NODE && !(backend->can & FERRY_CAN_MOVE_TO_NODE)) ||
	    !(backend->flushes & BIT(req->flush)) ||
	    req->flags & DRM_FERRY_MIGRATE_FAULT_IN || req->num_syncs)
		return -EOPNOTSUPP;
	return req->target == DRM_FERRY_TARGET_NODE ? may_use_node(req->target_id) : 0;
}

static int check_migrate(const struct ferry_mirror *mirror,
			 const struct drm_ferry_migrate *req)
{
	const struct ferry_backend *backend = ferry_backend_get(req->backend);
	int ret;

	/* Wrong values before features that are not built. */
	ret = check_pages(mirror, req->addr, req->len);
	if (ret)
		return ret;
	ret = check_values(req);
	if (ret)
		return ret;
	if (IS_ERR(backend))
		return PTR_ERR(backend);
	ret = check_features(req, backend);
	if (ret)
		return ret;
	return check_pointer(req->outcomes, req->len >> PAGE_SHIFT);
}

/**
 * ferry_request_migrate() - MIGRATE: move pages of a range
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @data: struct drm_ferry_migrate, in kernel memory
 *
 * Context: sleeps; no lock held.
 * Return: 0, or
 * * -EINVAL: a wrong range, value, flag or reserved field
 * * -EOPNOTSUPP: an engine, flush strategy, target or flag that is not
 *   available
 * * -ENODEV: no such node, or a node without memory
 * * -EACCES: the cpuset forbids the node
 * * -EFAULT: @outcomes is not user memory
 * * an error of ferry_mirror_migrate()
 */
int ferry_request_migrate(struct ferry_mirror *mirror, void *data)
{
	static const enum ferry_target targets[] = {
		[DRM_FERRY_TARGET_DEVICE] = FERRY_TARGET_DEVICE,
		[DRM_FERRY_TARGET_SYSTEM] = FERRY_TARGET_SYSTEM,
		[DRM_FERRY_TARGET_NODE] = FERRY_TARGET_NODE,
	};
	struct drm_ferry_migrate *req = data;
	const struct ferry_backend *backend;
	struct ferry_range range;
	int ret;

	ret = check_migrate(mirror, req);
	if (ret)
		return ret;

	backend = ferry_backend_get(req->backend);
	range = (struct ferry_range) {
		.start = req->addr,
		.end = req->addr + req->len,
		.target = targets[array_index_nospec(req->target, ARRAY_SIZE(targets))],
		.node = req->target_id,
		.strict = req->flags & DRM_FERRY_MIGRATE_STRICT,
		.shared = req->target == DRM_FERRY_TARGET_NODE && capable(CAP_SYS_NICE),
		.backend = backend,
		/*
		 * Statistics are an array by strategy: speculation must not
		 * leave the array either.
		 */
		.flush = ferry_backend_flush(backend, array_index_nospec(req->flush,
									 FERRY_NFLUSHES)),
		.outcomes = u64_to_user_ptr(req->outcomes),
		.skip_holes = req->flags & DRM_FERRY_MIGRATE_SKIP_HOLES,
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

/**
 * ferry_request_snapshot() - SNAPSHOT: place of each page of a range
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @data: struct drm_ferry_snapshot, in kernel memory
 *
 * Context: sleeps; no lock held.
 * Return: 0, or
 * * -EINVAL: a wrong range, flag or reserved field
 * * -EFAULT: @pages is not user memory
 * * an error of ferry_mirror_snapshot()
 */
int ferry_request_snapshot(struct ferry_mirror *mirror, void *data)
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

/* READ and WRITE have the same struct, and differ in the direction. */
static_assert(sizeof(struct drm_ferry_read) == sizeof(struct drm_ferry_write));
static_assert(offsetof(struct drm_ferry_read, addr) == offsetof(struct drm_ferry_write, addr));
static_assert(offsetof(struct drm_ferry_read, len) == offsetof(struct drm_ferry_write, len));
static_assert(offsetof(struct drm_ferry_read, buffer) ==
	      offsetof(struct drm_ferry_write, buffer));
static_assert(offsetof(struct drm_ferry_read, flags) == offsetof(struct drm_ferry_write, flags));
static_assert(offsetof(struct drm_ferry_read, pad) == offsetof(struct drm_ferry_write, pad));
static_assert(offsetof(struct drm_ferry_read, done) == offsetof(struct drm_ferry_write, done));
static_assert(offsetof(struct drm_ferry_read, rsvd) == offsetof(struct drm_ferry_write, rsvd));

/* Progress before an error is success; the next call meets the error again. */
static int transfer(struct ferry_mirror *mirror, struct drm_ferry_read *req,
		    enum ferry_access access)
{
	u64 done = 0;
	int ret;

	if (req->flags || req->pad || any_set(req->rsvd, ARRAY_SIZE(req->rsvd)))
		return -EINVAL;
	ret = ferry_mirror_check(mirror, req->addr, req->len) ?:
	      check_pointer(req->buffer, req->len);
	if (ret)
		return ret;
	ret = ferry_mirror_transfer(mirror, req->addr, req->len, access,
				    u64_to_user_ptr(req->buffer), &done);
	if (ret && !done)
		return ret;
	req->done = done;
	return 0;
}

/**
 * ferry_request_read() - READ: the device reads a range into a buffer
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @data: struct drm_ferry_read, in kernel memory
 *
 * Context: sleeps; no lock held.
 * Return: 0, or
 * * -EINVAL: a wrong range, flag or reserved field
 * * -EFAULT: the buffer is not user memory
 * * an error of ferry_mirror_transfer() before any progress
 */
int ferry_request_read(struct ferry_mirror *mirror, void *data)
{
	return transfer(mirror, data, FERRY_ACCESS_READ);
}

/**
 * ferry_request_write() - WRITE: the device writes a range from a buffer
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @data: struct drm_ferry_write, in kernel memory
 *
 * Context: sleeps; no lock held.
 * Return: as ferry_request_read().
 */
int ferry_request_write(struct ferry_mirror *mirror, void *data)
{
	return transfer(mirror, data, FERRY_ACCESS_WRITE);
}

static int check_exec(const struct drm_ferry_exec *req)
{
	if (!req->nops || req->nops > DRM_FERRY_MAX_OPS || req->flags ||
	    any_set(req->rsvd, ARRAY_SIZE(req->rsvd)) ||
	    (req->syncs && !req->num_syncs))
		return -EINVAL;
	/*
	 * No operation will ever be larger than a page; the limit bounds the
	 * checked bytes.
	 */
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

/* Only CHECKSUM has a result; the stride must have room for the result. */
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

/* Most operations of an EXEC whose operations are on the stack. */
#define FEW_OPS		4

/**
 * ferry_request_exec() - EXEC: run operations in order
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @data: struct drm_ferry_exec, in kernel memory
 *
 * Context: sleeps; no lock held.
 * Return: 0, also if a signal ended the call after the first operation;
 * otherwise
 * * -EINVAL, -E2BIG: a wrong field or operation
 * * -EOPNOTSUPP: a feature that is not built
 * * -EFAULT: the operations are not in user memory
 * * -ENOMEM: no memory
 * * an error of ferry_exec_run()
 */
int ferry_request_exec(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_exec req = *(struct drm_ferry_exec *)data;
	struct drm_ferry_exec_op few[FEW_OPS] = {}, *ops = few;
	int ret;

	ret = check_exec(&req);
	if (ret)
		return ret;
	if (req.nops > FEW_OPS)
		ops = kvcalloc(req.nops, sizeof(*ops), FERRY_GFP_CALL);
	if (!ops)
		return -ENOMEM;
	req.failed = DRM_FERRY_NO_OP;
	req.done = 0;
	ret = read_ops(mirror, &req, ops);
	if (!ret)
		ret = run_ops(mirror, &req, ops);
	if (ops != few)
		kvfree(ops);

	/* After a signal in the first operation the struct stays unchanged. */
	if (ret == -EINTR && !req.done)
		return ret;
	*(struct drm_ferry_exec *)data = req;
	return ret == -EINTR ? 0 : ret;
}

/**
 * ferry_request_stats() - STATS: statistics of the open file
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @data: struct drm_ferry_stats, in kernel memory
 *
 * Context: process context.
 * Return: 0; -EINVAL for a reserved field that is not zero.
 */
int ferry_request_stats(struct ferry_mirror *mirror, void *data)
{
	struct drm_ferry_stats *to = data;
	enum ferry_stat stat;
	u64 *values = data;

	if (any_set(to->rsvd, ARRAY_SIZE(to->rsvd)))
		return -EINVAL;
	memset(to, 0, sizeof(*to));
	for (stat = 0; stat < FERRY_NSTATS; stat++)
		values[stat] = ferry_stats_read(mirror, stat);
	return 0;
}
