// SPDX-License-Identifier: MIT
/*
 * One process of the ioctl fuzz: threads that make calls, and a thread that
 * frees and maps the calls' memory. The process opens the nodes with test_hmm's
 * ioctls as root, becomes uid 65534, and opens the render nodes. 32-bit
 * programs enter the kernel by int 0x80. A 64-bit program can use int 0x80 too,
 * and all pointers are below 4 GiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drm/ferry_drm.h>

#include "ioctl.h"

#define NOBODY 65534
#define CALLS 250
#define CANARY 0xa5
#define IA32_IOCTL 54
#define FIRST_NODE 128
#define LAST_NODE 144
#define OPEN_TRIES 1000

static struct watched *watched;
static struct places places;
static int nodes[NODES];
static _Atomic bool stop;

static int open_render_node(unsigned int index)
{
	struct drm_ferry_query query;
	char path[64];
	int node, fd;

	for (node = FIRST_NODE; node < LAST_NODE; node++) {
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", node);
		fd = open(path, O_RDWR | O_CLOEXEC);
		memset(&query, 0, sizeof(query));
		if (fd >= 0 && !ioctl(fd, DRM_IOCTL_FERRY_QUERY, &query) &&
		    query.index == index)
			return fd;
		close(fd);
	}
	return -1;
}

/* Soon after the module's load every user may open the node: vm/init. */
static int wait_for_node(unsigned int index)
{
	int tries, fd = -1;

	for (tries = 0; tries < OPEN_TRIES && fd < 0; tries++) {
		if (tries)
			usleep(10000);
		fd = open_render_node(index);
	}
	return fd;
}

static void open_nodes(void)
{
	int i;

	nodes[2] = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	nodes[3] = open("/dev/hmm_dmirror2", O_RDWR | O_CLOEXEC);
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		exit(3);
	nodes[0] = wait_for_node(0);
	nodes[1] = wait_for_node(2);
	for (i = 0; i < NODES; i++)
		if (nodes[i] < 0)
			exit(3);
}

/* Enters the kernel like a 32-bit program. */
static long ioctl_32(int fd, uint32_t number, uint32_t arg)
{
	long ret = IA32_IOCTL;

	__asm__ volatile("int $0x80" : "+a" (ret)
			 : "b" ((long)fd), "c" ((long)number), "d" ((long)arg)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static long do_call(const struct call *call)
{
	int fd = nodes[call->node];

	if (call->compat)
		return ioctl_32(fd, call->number, call->arg);
	return ioctl(fd, call->number, call->arg) ? -errno : 0;
}

static bool is_documented(long result)
{
	static const int errors[] = {
		0, EINVAL, EFAULT, ENOSPC, ENOMEM, EINTR, EOPNOTSUPP, EPERM, EBUSY, EACCES,
		ENOTTY, E2BIG, ENOENT, EBADF, ENODEV,
	};
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (result == -errors[i])
			return true;
	return false;
}

static void complain(const char *what, const struct call *call, long result)
{
	char text[MAX_TEXT];

	if (watched->found++)
		return;
	describe_call(call, result, text);
	snprintf(watched->text, sizeof(watched->text), "%s: %.400s", what, text);
}

/* Returns whether a byte outside the struct was written in the page. */
static bool is_changed(const uint8_t *page, const struct call *call)
{
	uint64_t at = (uintptr_t)page, i;

	for (i = 0; i < PAGE; i++, at++)
		if ((at < call->arg || at - call->arg >= call->size) && page[i] != CANARY)
			return true;
	return false;
}

static long watched_call(int caller, const struct call *call)
{
	long result;

	describe_call(call, 0, watched->callers[caller].text);
	watched->callers[caller].since = now_ns();
	result = do_call(call);
	watched->callers[caller].since = 0;
	watched->callers[caller].calls++;
	watched->callers[caller].done += !result;
	return result;
}

struct caller {
	pthread_t thread;
	struct chance chance;
	struct call call;
	int number;
};

static void one_call(struct caller *caller, int file)
{
	uint8_t *page = places.args + caller->number * (PAGE + GAP), ops[OPERATIONS_SIZE];
	struct call *call = &caller->call;
	long result;

	make_call(call, &places, caller->number, &caller->chance);
	make_operations(ops, &places, &caller->chance);
	put_bytes(file, operations_at(&places, caller->number), ops, sizeof(ops));
	memset(page, CANARY, PAGE);
	if (call->arg < UINT32_MAX)
		put_bytes(file, pointer(call->arg), call->bytes, call->size);
	result = watched_call(caller->number, call);
	if (!is_documented(result))
		complain("not a documented error", call, result);
	if (is_changed(page, call))
		complain("written beside the struct", call, result);
}

static void *make_calls(void *arg)
{
	struct caller *caller = arg;
	int file = memfd_create("bytes", MFD_CLOEXEC), i;

	for (i = 0; i < CALLS && !watched->found; i++)
		one_call(caller, file);
	return NULL;
}

/* Frees, maps, protects or shares memory while calls use the memory. */
static void change_memory(uint8_t *at, size_t n, uint32_t how)
{
	static const int rights[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	pid_t pid;

	switch (how) {
	case 0:
		munmap(at, n);
		break;
	case 1:
	case 2:
		mprotect(at, n, rights[how]);
		break;
	case 3:
		madvise(at, n, MADV_DONTNEED);
		break;
	case 4:
		pid = fork();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
		break;
	default:
		mmap(at, n, rights[2], MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
}

static void *change_memory_on(void *arg)
{
	struct caller *self = arg;
	struct chance *chance = &self->chance;
	uint32_t first, n;
	bool data;

	while (!stop) {
		data = below(chance, 2);
		first = below(chance, data ? DATA_PAGES : MOVED_PAGES);
		n = 1 + below(chance, (data ? DATA_PAGES : MOVED_PAGES) - first);
		change_memory((data ? places.data : places.moved) + first * PAGE, n * PAGE,
			      below(chance, 12));
		usleep(below(chance, 500));
	}
	return NULL;
}

/* Does not return. */
void run_callers(struct watched *the_watched, uint64_t seed)
{
	struct caller callers[CALLERS + 1];
	int i;

	watched = the_watched;
	open_nodes();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_places(&places);
	for (i = 0; i <= CALLERS; i++) {
		callers[i].number = i;
		callers[i].chance.state = seed * (CALLERS + 1) + i;
		if (pthread_create(&callers[i].thread, NULL,
				   i < CALLERS ? make_calls : change_memory_on, &callers[i]))
			exit(3);
	}
	for (i = 0; i < CALLERS; i++)
		pthread_join(callers[i].thread, NULL);
	stop = true;
	pthread_join(callers[CALLERS].thread, NULL);
	exit(0);
}
