/* SPDX-License-Identifier: MIT */
/*
 * Operations of a device on a process's memory. Without a device each operation
 * does the equivalent: nothing for a migration or an observation, the CPU's
 * access for a device access.
 */
#ifndef FERRY_FUZZ_OPS_DEVICE_H
#define FERRY_FUZZ_OPS_DEVICE_H

#include "ops_cpu.h"

#define FIRST_PRIVATE 0
#define FIRST_COHERENT 2
#define FIRST_NODE 128
#define LAST_NODE 144

/*
 * The process's files, opened again after fork: a file works for the memory of
 * the process that opened it.
 */
static int device = -1, dmirror = -1;
static uint64_t features;

static bool is_device(int fd, unsigned int index)
{
	struct drm_ferry_query query = { 0 };

	if (ioctl(fd, DRM_IOCTL_FERRY_QUERY, &query))
		return false;
	features = query.features;
	return query.index == index;
}

static long open_devices(void)
{
	int index = backend == COHERENT ? FIRST_COHERENT : FIRST_PRIVATE, node;
	char path[64];

	if (backend == NO_DEVICE)
		return 0;
	for (node = FIRST_NODE; node < LAST_NODE; node++) {
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", node);
		device = open(path, O_RDWR | O_CLOEXEC);
		if (device >= 0 && is_device(device, index))
			break;
		close(device);
		device = -1;
	}
	snprintf(path, sizeof(path), "/dev/hmm_dmirror%d", index);
	dmirror = open(path, O_RDWR | O_CLOEXEC);
	return device < 0 || dmirror < 0 ? -ENODEV : 0;
}

static void close_devices(void)
{
	if (backend == NO_DEVICE)
		return;
	close(device);
	close(dmirror);
	device = -1;
	dmirror = -1;
}

/* Closes the file, which moves its pages to system memory, and reopens it. */
static long op_reopen(uint8_t *at, int n, uint32_t unused)
{
	(void)at;
	(void)n;
	(void)unused;
	close_devices();
	return open_devices();
}

/* Bits of @how, of op_migrate(). */
#define TO_SYSTEM 1u
#define BY_CORE 2u	/* coherent devices: the core engine */
#define FLUSH_SHIFT 4
#define FLUSH_MASK 7u
#define FLAGS_SHIFT 8
#define WITH_SKIP_HOLES (2u << FLAGS_SHIFT)

#define FLUSH_AUTO 4u
#define FEATURE_FLUSH_AUTO (1ull << 1)
#define FEATURE_SKIP_HOLES (1ull << 2)
#define FEATURE_NODE (1ull << 4)

/* Errors in which a best-effort migration may end, however few pages moved. */
static bool is_best_effort(int error)
{
	return error == EFAULT || error == EINVAL || error == ENOSPC || error == ENOMEM;
}

static bool is_by_core(uint32_t how)
{
	return backend == CORE || (backend == COHERENT && how & BY_CORE);
}

static void fill_migrate(struct drm_ferry_migrate *request, uint32_t how)
{
	bool core = is_by_core(how);
	uint32_t flush = how >> FLUSH_SHIFT & FLUSH_MASK;

	if (flush > FLUSH_AUTO || (flush == FLUSH_AUTO && !(features & FEATURE_FLUSH_AUTO)))
		flush = DRM_FERRY_FLUSH_DEFAULT;
	request->target = how & TO_SYSTEM ? DRM_FERRY_TARGET_SYSTEM : DRM_FERRY_TARGET_DEVICE;
	request->backend = core ? DRM_FERRY_BACKEND_CORE : DRM_FERRY_BACKEND_OWN;
	request->flush = core ? DRM_FERRY_FLUSH_DEFAULT : flush;
	if (features & FEATURE_SKIP_HOLES && !(how & TO_SYSTEM))
		request->flags = how >> FLAGS_SHIFT & 2;
}

static long op_migrate(uint8_t *at, int n, uint32_t how)
{
	struct drm_ferry_migrate request = { .addr = (uintptr_t)at, .len = n * PAGE };

	if (backend == NO_DEVICE)
		return 0;
	fill_migrate(&request, how);
	if (!ioctl(device, DRM_IOCTL_FERRY_MIGRATE, &request) || is_best_effort(errno))
		return 0;
	return -errno;
}

/*
 * To the node of the lowest bit. The core engine moves to no node: with any
 * backend the own engine does it.
 */
static long op_to_node(uint8_t *at, int n, uint32_t how)
{
	struct drm_ferry_migrate request = {
		.addr = (uintptr_t)at,
		.len = n * PAGE,
		.target = DRM_FERRY_TARGET_NODE,
		.target_id = how & 1,
		.backend = DRM_FERRY_BACKEND_OWN,
		.flush = (how >> FLUSH_SHIFT & FLUSH_MASK) % (FLUSH_AUTO + 1),
	};

	if (backend == NO_DEVICE || !(features & FEATURE_NODE))
		return 0;
	if (!ioctl(device, DRM_IOCTL_FERRY_MIGRATE, &request) || is_best_effort(errno))
		return 0;
	return -errno;
}

static long device_error(void)
{
	return errno == EPERM || errno == EFAULT ? FAULT : -errno;
}

/*
 * A call that makes progress succeeds; the next call reports the reason for the
 * end.
 */
static long device_write(uint8_t *at, const void *data, size_t n)
{
	struct drm_ferry_write request;
	size_t done = 0;

	if (backend == NO_DEVICE)
		return copy_guarded(at, data, n);
	for (; done < n; done += request.done) {
		request = (struct drm_ferry_write){ .addr = (uintptr_t)at + done,
			.len = n - done, .buffer = (uintptr_t)data + done };
		if (ioctl(device, DRM_IOCTL_FERRY_WRITE, &request))
			return device_error();
	}
	return 0;
}

static long device_read(uint8_t *at, void *data, size_t n)
{
	struct drm_ferry_read request;
	size_t done = 0;

	if (backend == NO_DEVICE)
		return copy_guarded(data, at, n);
	for (; done < n; done += request.done) {
		request = (struct drm_ferry_read){ .addr = (uintptr_t)at + done,
			.len = n - done, .buffer = (uintptr_t)data + done };
		if (ioctl(device, DRM_IOCTL_FERRY_READ, &request))
			return device_error();
	}
	return 0;
}

static long op_device_write(uint8_t *at, int n, uint32_t value)
{
	long ret;

	make_data(at, n, value);
	ret = device_write(at, buffer, n * PAGE);
	set_undefined(at, n, ret != 0);
	return ret;
}

static long op_device_poke(uint8_t *at, int n, uint32_t value)
{
	uint64_t word = value;
	long ret = 0;
	int i;

	for (i = 0; i < n && !ret; i++)
		ret = device_write(at + i * PAGE + value % PAGE_WORDS * sizeof(word), &word,
				   sizeof(word));
	return ret;
}

static long op_device_read(uint8_t *at, int n, uint32_t unused)
{
	(void)unused;
	return device_read(at, buffer, n * PAGE) ?: hash_defined(at, n);
}

static long op_snapshot(uint8_t *at, int n, uint32_t unused)
{
	uint32_t pages[AREA_PAGES];
	struct drm_ferry_snapshot request = {
		.addr = (uintptr_t)at, .len = n * PAGE, .pages = (uintptr_t)pages };

	(void)unused;
	if (backend == NO_DEVICE)
		return 0;
	return ioctl(device, DRM_IOCTL_FERRY_SNAPSHOT, &request) ? -errno : 0;
}

/* Runs one operation of EXEC. Returns 0 or an error. */
static long run_op(struct drm_ferry_exec_op *op)
{
	struct drm_ferry_exec request = {
		.ops = (uintptr_t)op, .nops = 1, .stride = sizeof(*op) };

	return ioctl(device, DRM_IOCTL_FERRY_EXEC, &request) ? device_error() : 0;
}

static long op_fill(uint8_t *at, int n, uint32_t value)
{
	struct drm_ferry_exec_op op = { .op = DRM_FERRY_OP_FILL, .addr = (uintptr_t)at,
					.len = n * PAGE, .value = value };
	long ret;
	size_t i;

	if (backend == NO_DEVICE) {
		for (i = 0; i < n * PAGE_WORDS; i++)
			buffer[i] = (uint64_t)value << 32 | value;
		ret = copy_guarded(at, buffer, n * PAGE);
	} else {
		ret = run_op(&op);
	}
	set_undefined(at, n, ret != 0);
	return ret;
}

static long op_add(uint8_t *at, int n, uint32_t value)
{
	struct drm_ferry_exec_op op = { .op = DRM_FERRY_OP_ADD, .addr = (uintptr_t)at,
					.len = n * PAGE, .value = value };
	uint32_t *words = (uint32_t *)buffer;
	size_t i;
	long ret;

	if (backend == NO_DEVICE) {
		ret = copy_guarded(buffer, at, n * PAGE);
		for (i = 0; i < n * PAGE / sizeof(*words); i++)
			words[i] += value;
		ret = ret ?: copy_guarded(at, buffer, n * PAGE);
	} else {
		ret = run_op(&op);
	}
	if (ret)
		set_undefined(at, n, true);
	return ret;
}

/* Copies the range to page @to. */
static long op_copy(uint8_t *at, int n, uint32_t to)
{
	struct drm_ferry_exec_op op = {
		.op = DRM_FERRY_OP_COPY, .src = (uintptr_t)at,
		.addr = (uintptr_t)page_at(to), .len = n * PAGE };
	int distance = abs((int)to - page_of(at));
	long ret;

	if (distance < n)
		return -EINVAL;
	if (backend == NO_DEVICE)
		ret = copy_guarded(buffer, at, n * PAGE) ?:
		      copy_guarded(page_at(to), buffer, n * PAGE);
	else
		ret = run_op(&op);
	if (ret)
		set_undefined(page_at(to), n, true);
	else
		memcpy(undefined + to, undefined + page_of(at), n);
	return ret;
}

/* EXEC's own tests check the checksum; here the operation is another read. */
static long op_checksum(uint8_t *at, int n, uint32_t unused)
{
	struct drm_ferry_exec_op op = { .op = DRM_FERRY_OP_CHECKSUM,
					.addr = (uintptr_t)at, .len = n * PAGE };

	(void)unused;
	if (backend == NO_DEVICE)
		return copy_guarded(buffer, at, n * PAGE);
	return run_op(&op);
}

/* The argument of test_hmm's ioctls, lib/test_hmm_uapi.h. */
struct dmirror_cmd {
	uint64_t addr;
	uint64_t ptr;
	uint64_t npages;
	uint64_t cpages;
	uint64_t faults;
};

#define DMIRROR_EXCLUSIVE _IOWR('H', 5, struct dmirror_cmd)

/*
 * Takes pages for exclusive access by the device, until the CPU accesses the
 * pages. The equivalent is a CPU write to writable memory that changes no byte.
 * An address without write permission fails, and how many pages before the
 * address were taken is not defined: the operation goes page by page. No page
 * is taken while a pin exists: clear_refs leaves a pinned page soft-dirty, but
 * not the page's exclusive entry (docs/findings.md). A page of a coherent device
 * that a pipe holds cannot move to system memory: EBUSY.
 */
static long op_exclusive(uint8_t *at, int n, uint32_t unused)
{
	struct dmirror_cmd cmd;
	long ret = 0;
	int i;

	(void)unused;
	for (i = 0; i < n && !ret; i++, at += PAGE) {
		cmd = (struct dmirror_cmd){ .addr = (uintptr_t)at, .npages = 1,
					    .ptr = (uintptr_t)buffer };
		if (backend == NO_DEVICE || shared->pinned)
			ret = rewrite_guarded(at);
		else if (!ioctl(dmirror, DMIRROR_EXCLUSIVE, &cmd))
			ret = 0;
		else if ((errno == EBUSY && shared->spliced) || errno == ENOENT)
			/* ENOENT: a fork beside took the access back before the read. */
			ret = rewrite_guarded(at);
		else
			ret = FAULT;
	}
	return ret;
}

#endif
