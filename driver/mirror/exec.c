// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that the device can compute on virtual ranges, by
 * ferry_mirror_access(). Each operation is checked before the first operation
 * of a list runs.
 */
#include <linux/crc32.h>
#include <linux/mm.h>

#include <drm/ferry_drm.h>

#include "access.h"
#include "device_fault.h"
#include "exec.h"
#include "mirror.h"

#define FERRY_WORD	sizeof(u32)

static bool ranges_overlap(u64 a, u64 b, u64 len)
{
	return a < b + len && b < a + len;
}

static bool is_word_op(u32 op)
{
	return op == DRM_FERRY_OP_FILL || op == DRM_FERRY_OP_ADD;
}

/* Fields without a meaning for the operation must be zero. */
static bool has_stray_field(const struct drm_ferry_exec_op *op)
{
	if (op->flags || op->rsvd[0] || op->rsvd[1])
		return true;
	if (op->src && op->op != DRM_FERRY_OP_COPY)
		return true;
	return op->value && !is_word_op(op->op);
}

/**
 * ferry_exec_check() - check one operation
 * @mirror: the mirror whose address space the operation names
 * @op: the operation, as copied from the user
 *
 * Context: any.
 * Return: 0, or -EINVAL for an unknown operation, a wrong range or a field that
 * must be zero.
 */
int ferry_exec_check(const struct ferry_mirror *mirror,
		     const struct drm_ferry_exec_op *op)
{
	if (op->op > DRM_FERRY_OP_CHECKSUM || has_stray_field(op))
		return -EINVAL;
	if (op->len > DRM_FERRY_MAX_OP_LEN || ferry_mirror_check(mirror, op->addr, op->len))
		return -EINVAL;
	if (is_word_op(op->op) && ((op->addr | op->len) % FERRY_WORD || op->value > U32_MAX))
		return -EINVAL;
	if (op->op == DRM_FERRY_OP_COPY &&
	    (ferry_mirror_check(mirror, op->src, op->len) ||
	     ranges_overlap(op->addr, op->src, op->len)))
		return -EINVAL;
	return 0;
}

/* Pages and steps are multiples of a word: no piece cuts a word. */
static void fill_bytes(void *bytes, size_t n, void *arg)
{
	memset32(bytes, *(u32 *)arg, n / FERRY_WORD);
}

static void add(void *bytes, size_t n, void *arg)
{
	u32 value = *(u32 *)arg;
	u32 *word;

	for (word = bytes; n; n -= FERRY_WORD)
		*word++ += value;
}

static void checksum(void *bytes, size_t n, void *arg)
{
	u32 *crc = arg;

	*crc = crc32_le(*crc, bytes, n);
}

/**
 * ferry_exec_run() - run one operation
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @op: in: the operation, checked with ferry_exec_check(); out: @op->value of
 *	CHECKSUM
 *
 * Context: sleeps; takes mmap_lock and window->lock.
 * Return: 0, or an error of ferry_mirror_access() with part of the range
 * changed.
 */
int ferry_exec_run(struct ferry_mirror *mirror, struct drm_ferry_exec_op *op)
{
	struct ferry_mirror_stats *stats = &mirror->stats;
	u32 word = op->value;
	int ret;

	switch (op->op) {
	case DRM_FERRY_OP_FILL:
		ret = ferry_mirror_access(mirror, op->addr, op->len,
					  FERRY_ACCESS_WRITE, fill_bytes, &word);
		break;
	case DRM_FERRY_OP_COPY:
		ret = ferry_mirror_copy(mirror, op->addr, op->src, op->len);
		break;
	case DRM_FERRY_OP_ADD:
		ret = ferry_mirror_access(mirror, op->addr, op->len,
					  FERRY_ACCESS_WRITE, add, &word);
		break;
	default:
		word = ~0;
		ret = ferry_mirror_access(mirror, op->addr, op->len,
					  FERRY_ACCESS_READ, checksum, &word);
		op->value = ~word;
	}
	if (ret)
		return ret;

	ferry_stats_count(stats, FERRY_STAT_OPS, 1);
	if (is_word_op(op->op))
		ferry_stats_count(stats, FERRY_STAT_BYTES_WRITTEN, op->len);
	if (op->op == DRM_FERRY_OP_ADD || op->op == DRM_FERRY_OP_CHECKSUM)
		ferry_stats_count(stats, FERRY_STAT_BYTES_READ, op->len);
	return 0;
}
