// SPDX-License-Identifier: MIT
/*
 * Calls on ranges of memory: move, look, access. A signal makes the kernel
 * return early with partial progress. The functions continue from the progress,
 * up to the deadline.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* A call that covers a range with as many ioctls as necessary. */
struct course {
	struct ferry *ferry;
	uint64_t deadline;
	uint64_t all;	/* bytes or operations */
	uint64_t done;
	int ret;
};

static struct course begin(struct ferry *ferry, uint64_t all)
{
	return (struct course) {
		.ferry = ferry, .deadline = ferry_deadline(ferry), .all = all,
	};
}

/* One ioctl of the call; the caller adds the progress to @course->done. */
static void go_on(struct course *course, unsigned long request, void *part)
{
	course->ret = ferry_ioctl(course->ferry, request, part, course->deadline);
	/* Interrupted at the deadline: the progress so far is the result. */
	if (course->ret == -EINTR && course->done)
		course->ret = 0;
}

static bool is_over(const struct course *course)
{
	return course->ret || course->done >= course->all || ferry_expired(course->deadline);
}

/*
 * A caller that does not ask for the progress would take success for complete.
 */
static int finish(const struct course *course, bool asked)
{
	if (!course->ret && course->done < course->all && !asked)
		return -EINTR;
	return course->ret;
}

static uint64_t to_u64(const void *pointer)
{
	return (uintptr_t)pointer;
}

FERRY_EXPORT int ferry_migrate_raw(struct ferry *ferry, struct drm_ferry_migrate *request,
				   size_t size)
{
	return ferry_ioctl_sized(ferry, DRM_FERRY_MIGRATE, request, size);
}

static void add_counts(struct ferry_counts *sum, const struct drm_ferry_migrate *part)
{
	sum->done += part->done;
	sum->moved += part->moved;
	sum->already += part->already;
	sum->failed += part->failed;
}

/* Copies the caller's options. Fields unknown to this library must be zero. */
static int read_options(struct ferry_migrate_options *to,
			const struct ferry_migrate_options *from)
{
	const uint8_t *bytes = (const uint8_t *)from;
	uint64_t i, size = from->size;

	if (size < sizeof(from->size))
		return -EINVAL;
	for (i = sizeof(*to); i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memset(to, 0, sizeof(*to));
	memcpy(to, from, size < sizeof(*to) ? size : sizeof(*to));
	return to->pad ? -EINVAL : 0;
}

FERRY_EXPORT int ferry_migrate_with(struct ferry *ferry, void *addr, size_t len,
				    const struct ferry_migrate_options *options,
				    struct ferry_counts *counts)
{
	struct course course = begin(ferry, len);
	size_t page_size = sysconf(_SC_PAGESIZE);
	struct ferry_migrate_options with;
	struct ferry_counts sum = { 0 };

	course.ret = read_options(&with, options);
	if (!course.ret && with.deadline)
		course.deadline = with.deadline;
	while (!course.ret) {
		struct drm_ferry_migrate part = {
			.addr = to_u64(addr) + sum.done,
			.len = len - sum.done,
			.target = with.target,
			.target_id = with.target_id,
			.backend = with.backend,
			.flush = with.flush,
			.flags = with.flags,
		};

		if (with.outcomes)
			part.outcomes = to_u64(with.outcomes + sum.done / page_size);
		go_on(&course, DRM_IOCTL_FERRY_MIGRATE, &part);
		add_counts(&sum, &part);
		course.done = sum.done;
		if (is_over(&course))
			break;
	}
	if (counts)
		*counts = sum;
	return finish(&course, counts);
}

FERRY_EXPORT int ferry_migrate(struct ferry *ferry, void *addr, size_t len,
			       uint32_t target, uint8_t *outcomes,
			       struct ferry_counts *counts)
{
	const struct ferry_migrate_options options = {
		.size = sizeof(options), .target = target, .outcomes = outcomes,
	};

	return ferry_migrate_with(ferry, addr, len, &options, counts);
}

FERRY_EXPORT int ferry_migrate_node(struct ferry *ferry, void *addr, size_t len,
				    unsigned int node, uint32_t flags, uint8_t *outcomes,
				    struct ferry_counts *counts)
{
	const struct ferry_migrate_options options = {
		.size = sizeof(options),
		.target = DRM_FERRY_TARGET_NODE,
		.target_id = node,
		.flags = flags,
		.outcomes = outcomes,
	};

	return ferry_migrate_with(ferry, addr, len, &options, counts);
}

FERRY_EXPORT int ferry_snapshot(struct ferry *ferry, const void *addr, size_t len,
				uint32_t *pages, size_t *done)
{
	struct course course = begin(ferry, len);
	size_t page_size = sysconf(_SC_PAGESIZE);

	do {
		struct drm_ferry_snapshot part = {
			.addr = to_u64(addr) + course.done,
			.len = len - course.done,
			.pages = to_u64(pages + course.done / page_size),
		};

		go_on(&course, DRM_IOCTL_FERRY_SNAPSHOT, &part);
		course.done += part.done;
	} while (!is_over(&course));
	if (done)
		*done = course.done;
	return finish(&course, done);
}

/* READ and WRITE have the same struct. */
static_assert(offsetof(struct drm_ferry_read, addr) == offsetof(struct drm_ferry_write, addr),
	      "one struct");
static_assert(offsetof(struct drm_ferry_read, len) == offsetof(struct drm_ferry_write, len),
	      "one struct");
static_assert(sizeof(struct drm_ferry_read) == sizeof(struct drm_ferry_write), "one struct");
static_assert(offsetof(struct drm_ferry_read, buffer) ==
	      offsetof(struct drm_ferry_write, buffer), "one struct");
static_assert(offsetof(struct drm_ferry_read, done) == offsetof(struct drm_ferry_write, done),
	      "one struct");

static int transfer(struct ferry *ferry, unsigned long request, const void *addr,
		    size_t len, const void *buffer, size_t *done)
{
	struct course course = begin(ferry, len);

	do {
		struct drm_ferry_read part = {
			.addr = to_u64(addr) + course.done,
			.len = len - course.done,
			.buffer = to_u64(buffer) + course.done,
		};

		go_on(&course, request, &part);
		course.done += part.done;
	} while (!is_over(&course));
	if (done)
		*done = course.done;
	return finish(&course, done);
}

FERRY_EXPORT int ferry_read(struct ferry *ferry, const void *addr, size_t len,
			    void *buffer, size_t *done)
{
	return transfer(ferry, DRM_IOCTL_FERRY_READ, addr, len, buffer, done);
}

FERRY_EXPORT int ferry_write(struct ferry *ferry, void *addr, size_t len,
			     const void *buffer, size_t *done)
{
	return transfer(ferry, DRM_IOCTL_FERRY_WRITE, addr, len, buffer, done);
}

FERRY_EXPORT int ferry_exec(struct ferry *ferry, struct drm_ferry_exec_op *ops, size_t stride,
			    uint32_t nops, uint32_t *done, uint32_t *failed)
{
	struct course course = begin(ferry, nops);
	uint32_t at = DRM_FERRY_NO_OP;

	/* The field of the ioctl has 32 bits. */
	course.ret = stride > UINT32_MAX ? -EINVAL : 0;
	while (!course.ret) {
		struct drm_ferry_exec part = {
			.ops = to_u64(ops) + course.done * stride,
			.nops = nops - course.done,
			.stride = stride,
			.failed = DRM_FERRY_NO_OP,
		};

		go_on(&course, DRM_IOCTL_FERRY_EXEC, &part);
		if (course.ret && part.failed != DRM_FERRY_NO_OP)
			at = course.done + part.failed;
		course.done += part.done;
		if (is_over(&course))
			break;
	}
	if (failed)
		*failed = at;
	if (done)
		*done = course.done;
	return finish(&course, done);
}
