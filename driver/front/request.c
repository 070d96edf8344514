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
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/ferry_drm.h>

#include "device/device.h"
#include "device/owner.h"
#include "device/quota.h"
#include "migrate/backend.h"
#include "mirror/mirror.h"
#include "request.h"

static_assert((int)DRM_FERRY_BACKEND_DEFAULT == (int)FERRY_BACKEND_DEFAULT);
static_assert((int)DRM_FERRY_BACKEND_CORE == (int)FERRY_BACKEND_CORE);
static_assert((int)DRM_FERRY_BACKEND_OWN == (int)FERRY_BACKEND_OWN);
static_assert((int)DRM_FERRY_FLUSH_DEFAULT == (int)FERRY_FLUSH_DEFAULT);
static_assert((int)DRM_FERRY_FLUSH_PER_PAGE == (int)FERRY_FLUSH_PER_PAGE);
static_assert((int)DRM_FERRY_FLUSH_PER_TABLE == (int)FERRY_FLUSH_PER_TABLE);
static_assert((int)DRM_FERRY_FLUSH_PER_CALL == (int)FERRY_FLUSH_PER_CALL);
static_assert((int)DRM_FERRY_FLUSH_AUTO == (int)FERRY_FLUSH_AUTO);
static_assert((int)DRM_FERRY_MEMORY_PRIVATE == (int)FERRY_MEMORY_PRIVATE);
static_assert((int)DRM_FERRY_MEMORY_COHERENT == (int)FERRY_MEMORY_COHERENT);

static_assert(DRM_FERRY_PAGE_WHERE_MASK == FERRY_STATE_WHERE_MASK);
static_assert(DRM_FERRY_PAGE_NONE == FERRY_STATE_NONE);
static_assert(DRM_FERRY_PAGE_SWAPPED == FERRY_STATE_SWAPPED);
static_assert(DRM_FERRY_PAGE_SYSTEM == FERRY_STATE_SYSTEM);
static_assert(DRM_FERRY_PAGE_THIS_DEVICE == FERRY_STATE_THIS_DEVICE);
static_assert(DRM_FERRY_PAGE_OTHER_DEVICE == FERRY_STATE_OTHER_DEVICE);
static_assert(DRM_FERRY_PAGE_MIGRATING == FERRY_STATE_MIGRATING);
static_assert(DRM_FERRY_PAGE_SPECIAL == FERRY_STATE_SPECIAL);
static_assert(DRM_FERRY_PAGE_READABLE == FERRY_STATE_READABLE);
static_assert(DRM_FERRY_PAGE_WRITABLE == FERRY_STATE_WRITABLE);
static_assert(DRM_FERRY_PAGE_EXCLUSIVE == FERRY_STATE_EXCLUSIVE);
static_assert(DRM_FERRY_PAGE_ZERO == FERRY_STATE_ZERO);
static_assert(DRM_FERRY_PAGE_ORDER_SHIFT == FERRY_STATE_ORDER_SHIFT);
static_assert(DRM_FERRY_PAGE_ORDER_MASK == FERRY_STATE_ORDER_MASK);

/* The engine includes no DRM header. */
static_assert((int)DRM_FERRY_NOT_ATTEMPTED == (int)FERRY_NOT_ATTEMPTED);
static_assert((int)DRM_FERRY_MOVED == (int)FERRY_MOVED);
static_assert((int)DRM_FERRY_NOT_MOVED == (int)FERRY_NOT_MOVED);
static_assert((int)DRM_FERRY_ALREADY_THERE == (int)FERRY_ALREADY_THERE);
static_assert((int)DRM_FERRY_HOLE == (int)FERRY_HOLE);
static_assert((int)DRM_FERRY_ZERO_FILLED == (int)FERRY_ZERO_FILLED);
static_assert((int)DRM_FERRY_PINNED == (int)FERRY_PINNED);
static_assert((int)DRM_FERRY_SHARED_BUSY == (int)FERRY_SHARED_BUSY);
static_assert((int)DRM_FERRY_LOCKED == (int)FERRY_LOCKED);
static_assert((int)DRM_FERRY_WRITEBACK == (int)FERRY_WRITEBACK);
static_assert((int)DRM_FERRY_NOT_LRU == (int)FERRY_NOT_LRU);
static_assert((int)DRM_FERRY_KSM == (int)FERRY_KSM);
static_assert((int)DRM_FERRY_FOREIGN_DEVICE == (int)FERRY_FOREIGN_DEVICE);
static_assert((int)DRM_FERRY_NO_MEMORY == (int)FERRY_NO_MEMORY);
static_assert((int)DRM_FERRY_NO_DESTINATION == (int)FERRY_NO_DESTINATION);
static_assert((int)DRM_FERRY_UFFD == (int)FERRY_UFFD);
static_assert((int)DRM_FERRY_FILE == (int)FERRY_FILE);
static_assert((int)DRM_FERRY_SWAPPED == (int)FERRY_SWAPPED);
static_assert((int)DRM_FERRY_MIGRATING == (int)FERRY_MIGRATING);
static_assert((int)DRM_FERRY_EXCLUSIVE == (int)FERRY_EXCLUSIVE);
static_assert((int)DRM_FERRY_SPECIAL == (int)FERRY_SPECIAL);
static_assert((int)DRM_FERRY_HWPOISON == (int)FERRY_HWPOISON);
static_assert((int)DRM_FERRY_LARGE_SPLIT_FAILED == (int)FERRY_LARGE_SPLIT_FAILED);
static_assert((int)DRM_FERRY_RACED == (int)FERRY_RACED);
static_assert((int)DRM_FERRY_COPY_FAILED == (int)FERRY_COPY_FAILED);
static_assert((int)DRM_FERRY_QUOTA == (int)FERRY_QUOTA);

/*
 * Equal for 32-bit and 64-bit callers: no padding, and a multiple of 64 bits.
 */
static_assert(sizeof(struct drm_ferry_query) == 80);
static_assert(sizeof(struct drm_ferry_migrate) == 120);
static_assert(sizeof(struct drm_ferry_snapshot) == 56);
static_assert(sizeof(struct drm_ferry_read) == 56);
static_assert(sizeof(struct drm_ferry_write) == 56);
static_assert(sizeof(struct drm_ferry_exec_op) == 56);
static_assert(sizeof(struct drm_ferry_exec) == 72);
static_assert(sizeof(struct drm_ferry_stats) == 144);

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
			    DRM_FERRY_FEATURE_QUOTA,
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

/* core flushes for each exclusively mapped page; other strategies fail. */
static int check_flush(const struct drm_ferry_migrate *req,
		       const struct ferry_backend *backend)
{
	if (req->flush >= FERRY_NFLUSHES)
		return -EINVAL;
	if (IS_ERR(backend))
		return PTR_ERR(backend);
	return backend->flushes & BIT(req->flush) ? 0 : -EOPNOTSUPP;
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
	if (any_set(req->rsvd, ARRAY_SIZE(req->rsvd)) ||
	    req->flags & ~(DRM_FERRY_MIGRATE_FAULT_IN | DRM_FERRY_MIGRATE_SKIP_HOLES) ||
	    (req->syncs && !req->num_syncs))
		return -EINVAL;
	ret = check_target(req);
	if (ret)
		return ret;
	ret = check_flush(req, backend);
	if (ret)
		return ret;
	if (req->flags & DRM_FERRY_MIGRATE_FAULT_IN || req->num_syncs)
		return -EOPNOTSUPP;
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
 * * -EFAULT: @outcomes is not user memory
 * * an error of ferry_mirror_migrate()
 */
int ferry_request_migrate(struct ferry_mirror *mirror, void *data)
{
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
		.target = req->target == DRM_FERRY_TARGET_DEVICE ?
			  FERRY_TARGET_DEVICE : FERRY_TARGET_SYSTEM,
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

/* Progress before an error is success; the next call meets the error again. */
static int transfer_status(u64 *to, u64 done, int ret)
{
	if (ret && !done)
		return ret;
	*to = done;
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
 * * an error of ferry_mirror_read() before any progress
 */
int ferry_request_read(struct ferry_mirror *mirror, void *data)
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
 * ferry_request_fill_stats() - read a mirror's statistics
 * @mirror: the mirror; need not be entered, but not yet destroyed
 * @to: out: the statistics
 *
 * Context: any; takes no lock.
 */
void ferry_request_fill_stats(struct ferry_mirror *mirror, struct drm_ferry_stats *to)
{
	struct ferry_memory *memory = mirror->device->memory;
	struct ferry_mirror_stats *from = &mirror->stats;

	*to = (struct drm_ferry_stats) {
		.to_device = atomic64_read(&from->to_device),
		.zero_filled = atomic64_read(&from->zero_filled),
		.to_system = atomic64_read(&from->to_system),
		.failed = atomic64_read(&from->failed),
		.cpu_faults = READ_ONCE(mirror->owner->cpu_faults),
		.cpu_fault_races = READ_ONCE(mirror->owner->cpu_fault_races),
		.device_faults = atomic64_read(&from->device_faults),
		.device_fault_retries = atomic64_read(&from->device_fault_retries),
		.invalidations = atomic64_read(&from->invalidations),
		.bytes_read = atomic64_read(&from->bytes_read),
		.bytes_written = atomic64_read(&from->bytes_written),
		.ops = atomic64_read(&from->ops),
		.cpu_faults_around = READ_ONCE(mirror->owner->cpu_faults_around),
		.pages_held = ferry_owner_held(mirror->owner),
		.windows = READ_ONCE(mirror->nwindows),
		.quota = ferry_owner_quota(memory),
		.quota_left = min(ferry_owner_quota_left(memory, mirror->owner),
				  memory->npages),
	};
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

	if (any_set(to->rsvd, ARRAY_SIZE(to->rsvd)))
		return -EINVAL;
	ferry_request_fill_stats(mirror, to);
	return 0;
}
