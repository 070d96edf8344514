/* SPDX-License-Identifier: MIT */
/*
 * Operations on processes (fork, kill), references that hold pages, write
 * protection by userfaultfd, and limits of the memory cgroup.
 */
#ifndef FERRY_FUZZ_OPS_PROCESS_H
#define FERRY_FUZZ_OPS_PROCESS_H

#include "ops_device.h"

/* The loop of a program's thread: the executor's, or a printed program's. */
static void *run_thread(void *thread);

/* A process's open files besides its devices. */
static int uffd = -1, gup = -1, spliced[2] = { -1, -1 };
static uint8_t *spliced_at;
static int spliced_pages;

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Begins a process: opens its devices and starts its second thread. */
static void begin_process(int slot)
{
	pthread_t thread;
	long id;

	my_process = slot;
	my_thread = 0;
	close_one(&uffd);
	close_one(&spliced[0]);
	close_one(&spliced[1]);
	close_devices();
	if (open_devices())
		_exit(3);
	for (id = 1; id < THREADS; id++)
		if (pthread_create(&thread, NULL, run_thread, (void *)id))
			_exit(3);
	memcpy(shared->processes[slot].undefined, undefined, sizeof(undefined));
	shared->processes[slot].pid = getpid();
}

/* Begins the first process, alone in its group: maps and writes all areas. */
static void begin_program(void)
{
	char path[128];
	int area;

	snprintf(path, sizeof(path), "%s/cgroup.procs", shared->group);
	if (put_text(path, "0"))
		_exit(3);
	signal(SIGCHLD, SIG_IGN);
	catch_faults();
	gup = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	for (area = 0; area < AREAS; area++)
		if (op_map(area_at(area), AREA_PAGES, area) ||
		    op_write(area_at(area), AREA_PAGES, area))
			_exit(3);
	begin_process(0);
}

static long op_fork(uint8_t *at, int n, uint32_t slot)
{
	pid_t pid;

	(void)at;
	(void)n;
	if (shared->processes[slot].pid)
		return -EBUSY;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		begin_process(slot);
		return 0;
	}
	while (!shared->processes[slot].pid && !kill(pid, 0))
		usleep(200);
	return 0;
}

static long op_kill(uint8_t *at, int n, uint32_t slot)
{
	pid_t pid = shared->processes[slot].pid;

	(void)at;
	(void)n;
	if (!pid || pid == getpid())
		return -ESRCH;
	kill(pid, SIGKILL);
	while (!kill(pid, 0))
		usleep(200);
	shared->processes[slot].pid = 0;
	return 0;
}

/*
 * One long-term pin in the whole machine, by the kernel's test device. All
 * processes of a program share one open file: gup_test_release() takes no lock,
 * and two closes at the same time put the pages twice.
 */
struct pin_request {
	uint64_t addr;
	uint64_t size;
	uint32_t flags;
};

#define PIN_START _IOW('g', 7, struct pin_request)
#define PIN_STOP _IO('g', 8)

static long op_pin(uint8_t *at, int n, uint32_t write)
{
	struct pin_request request = { (uintptr_t)at, n * PAGE, write & 1 };

	if (ioctl(gup, PIN_START, &request))
		return -errno;
	shared->pinned = true;
	return 0;
}

static long op_unpin(uint8_t *at, int n, uint32_t unused)
{
	(void)at;
	(void)n;
	(void)unused;
	return ioctl(gup, PIN_STOP) ? -errno : 0;
}

/* A pipe references the pages themselves until the pipe is read. */
static long op_splice(uint8_t *at, int n, uint32_t unused)
{
	struct iovec range = { at, n * PAGE };
	long ret;

	(void)unused;
	if (spliced_pages)
		return -EBUSY;
	if (spliced[0] < 0 && pipe2(spliced, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	ret = vmsplice(spliced[1], &range, 1, 0);
	if (ret < 0)
		return -errno;
	shared->spliced = true;
	spliced_at = at;
	spliced_pages = ret / PAGE;
	return ret;
}

static long op_unsplice(uint8_t *at, int n, uint32_t unused)
{
	long i, got, hash = 0;

	(void)at;
	(void)n;
	(void)unused;
	for (i = 0; i < spliced_pages; i++) {
		got = read(spliced[0], buffer, PAGE);
		if (got != (long)PAGE)
			return -EIO;
		if (!undefined[page_of(spliced_at) + i])
			hash = mix(hash + hash_page(buffer)) >> 2;
	}
	spliced_pages = 0;
	return hash;
}

#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* Asynchronous protection: a write removes the protection without a monitor. */
static int open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features =
		UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED };

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	return uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ? -errno : 0;
}

static long op_uffd_protect(uint8_t *at, int n, uint32_t protect)
{
	struct uffdio_register range = { .range = { (uintptr_t)at, n * PAGE },
					 .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect request = {
		.range = { (uintptr_t)at, n * PAGE },
		.mode = protect & 1 ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

	if (uffd < 0 && open_uffd())
		return -errno;
	if (ioctl(uffd, UFFDIO_REGISTER, &range))
		return -errno;
	return ioctl(uffd, UFFDIO_WRITEPROTECT, &request) ? -errno : 0;
}

/* A limit and holes --------------------------------------------------------------- */

#define HOLES 2048ul
#define SLACK 128ul
#define HOLES_AT fixed_at(AREA_BASE - 64 * AREA_STRIDE)

static long set_limit(const char *limit)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.max", shared->group);
	return put_text(path, limit);
}

/*
 * MIGRATE fills many holes with device pages while the group may get only a few
 * more pages. No data depends on the holes: the OOM killer must not run. The
 * limit is removed before the next step: device pages cannot be reclaimed, and
 * under a limit other operations would have less memory with a device than
 * without.
 *
 * Not with core: the core engine charges a hole with GFP_KERNEL, after Ferry's
 * trial charge, and other tasks of the group may take the room between the two
 * charges (docs/memory.md).
 */
static long op_limited_holes(uint8_t *at, int n, uint32_t how)
{
	char path[128], limit[24];
	void *holes;
	long ret;

	(void)at;
	(void)n;
	holes = mmap(HOLES_AT, HOLES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (holes == MAP_FAILED)
		return -errno;
	snprintf(path, sizeof(path), "%s/memory.current", shared->group);
	snprintf(limit, sizeof(limit), "%lu", read_long(path) + SLACK * PAGE);
	ret = is_by_core(how) ? 0 : set_limit(limit);
	ret = ret ?: op_migrate(holes, HOLES, how & ~TO_SYSTEM);
	munmap(holes, HOLES * PAGE);
	return set_limit("max") ?: ret;
}

#endif
