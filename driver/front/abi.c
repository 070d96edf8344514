// SPDX-License-Identifier: GPL-2.0-only
/*
 * uapi/drm/ferry_drm.h against the driver's own types. Below the front end only
 * mirror/exec.c knows the ABI. The values in this file reach the layers
 * unchanged. The file has no code, and checks the equality of the values.
 */
#include <linux/build_bug.h>
#include <linux/stddef.h>

#include <drm/ferry_drm.h>

#include "device/config.h"
#include "migrate/backend.h"
#include "mirror/snapshot.h"
#include "mirror/stats.h"

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
static_assert((int)DRM_FERRY_SHARED == (int)FERRY_SHARED);
static_assert((int)DRM_FERRY_PRIVATE_DATA == (int)FERRY_PRIVATE_DATA);

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
static_assert(sizeof(struct drm_ferry_stats) == 160);

/* STATS returns the values of enum ferry_stat in the order of the struct. */
#define CHECK_STAT(member, stat)						\
	static_assert(offsetof(struct drm_ferry_stats, member) == (stat) * sizeof(u64))

CHECK_STAT(to_device, FERRY_STAT_TO_DEVICE);
CHECK_STAT(zero_filled, FERRY_STAT_ZERO_FILLED);
CHECK_STAT(to_system, FERRY_STAT_TO_SYSTEM);
CHECK_STAT(failed, FERRY_STAT_FAILED);
CHECK_STAT(cpu_faults, FERRY_STAT_CPU_FAULTS);
CHECK_STAT(cpu_fault_races, FERRY_STAT_CPU_FAULT_RACES);
CHECK_STAT(device_faults, FERRY_STAT_DEVICE_FAULTS);
CHECK_STAT(device_fault_retries, FERRY_STAT_DEVICE_FAULT_RETRIES);
CHECK_STAT(invalidations, FERRY_STAT_INVALIDATIONS);
CHECK_STAT(bytes_read, FERRY_STAT_BYTES_READ);
CHECK_STAT(bytes_written, FERRY_STAT_BYTES_WRITTEN);
CHECK_STAT(ops, FERRY_STAT_OPS);
CHECK_STAT(pages_held, FERRY_STAT_PAGES_HELD);
CHECK_STAT(windows, FERRY_STAT_WINDOWS);
CHECK_STAT(cpu_faults_around, FERRY_STAT_CPU_FAULTS_AROUND);
CHECK_STAT(quota, FERRY_STAT_QUOTA);
CHECK_STAT(quota_left, FERRY_STAT_QUOTA_LEFT);
CHECK_STAT(to_node, FERRY_STAT_TO_NODE);
CHECK_STAT(rsvd, FERRY_NSTATS);
