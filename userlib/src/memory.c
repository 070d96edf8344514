// SPDX-License-Identifier: MIT
/*
 * Ranges of memory: moved, looked at, accessed. A signal makes the kernel return
 * early with what is done; these go on from there.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static uint64_t to_u64(const void *pointer)
{
	return (uintptr_t)pointer;
}

FERRY_EXPORT int ferry_migrate_raw(struct ferry *ferry,
				   struct drm_ferry_migrate *request)
{
	return ferry_ioctl(ferry, DRM_IOCTL_FERRY_MIGRATE, request);
}

static void add_counts(struct ferry_counts *sum, const struct drm_ferry_migrate *part)
{
	sum->done += part->done;
	sum->moved += part->moved;
	sum->already += part->already;
	sum->failed += part->failed;
}

FERRY_EXPORT int ferry_migrate(struct ferry *ferry, void *addr, size_t len,
			       uint32_t target, uint8_t *outcomes,
			       struct ferry_counts *counts)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	struct ferry_counts sum = { 0 };
	int ret;

	do {
		struct drm_ferry_migrate part = {
			.addr = to_u64(addr) + sum.done,
			.len = len - sum.done,
			.target = target,
		};

		if (outcomes)
			part.outcomes = to_u64(outcomes + sum.done / page_size);
		ret = ferry_migrate_raw(ferry, &part);
		add_counts(&sum, &part);
	} while (!ret && sum.done < len && !ferry_expired(ferry));

	if (counts)
		*counts = sum;
	return ret;
}

FERRY_EXPORT int ferry_snapshot(struct ferry *ferry, const void *addr, size_t len,
				uint32_t *pages)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	uint64_t done = 0;
	int ret;

	do {
		struct drm_ferry_snapshot part = {
			.addr = to_u64(addr) + done,
			.len = len - done,
			.pages = to_u64(pages + done / page_size),
		};

		ret = ferry_ioctl(ferry, DRM_IOCTL_FERRY_SNAPSHOT, &part);
		done += part.done;
	} while (!ret && done < len);
	return ret;
}

FERRY_EXPORT int ferry_read(struct ferry *ferry, const void *addr, size_t len,
			    void *buffer)
{
	uint64_t done = 0;
	int ret;

	do {
		struct drm_ferry_read part = {
			.addr = to_u64(addr) + done,
			.len = len - done,
			.buffer = to_u64(buffer) + done,
		};

		ret = ferry_ioctl(ferry, DRM_IOCTL_FERRY_READ, &part);
		done += part.done;
	} while (!ret && done < len);
	return ret;
}

FERRY_EXPORT int ferry_write(struct ferry *ferry, void *addr, size_t len,
			     const void *buffer)
{
	uint64_t done = 0;
	int ret;

	do {
		struct drm_ferry_write part = {
			.addr = to_u64(addr) + done,
			.len = len - done,
			.buffer = to_u64(buffer) + done,
		};

		ret = ferry_ioctl(ferry, DRM_IOCTL_FERRY_WRITE, &part);
		done += part.done;
	} while (!ret && done < len);
	return ret;
}

FERRY_EXPORT int ferry_exec(struct ferry *ferry, struct drm_ferry_exec_op *ops,
			    uint32_t nops, uint32_t *failed)
{
	uint32_t done = 0;
	int ret;

	if (failed)
		*failed = DRM_FERRY_NO_OP;
	do {
		struct drm_ferry_exec part = {
			.ops = to_u64(ops + done),
			.nops = nops - done,
			.stride = sizeof(*ops),
			.failed = DRM_FERRY_NO_OP,
		};

		ret = ferry_ioctl(ferry, DRM_IOCTL_FERRY_EXEC, &part);
		if (ret && failed && part.failed != DRM_FERRY_NO_OP)
			*failed = done + part.failed;
		done += part.done;
	} while (!ret && done < nops);
	return ret;
}
