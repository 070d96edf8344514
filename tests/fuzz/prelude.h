/* SPDX-License-Identifier: MIT */
/*
 * The base of every program of the fuzz: the addresses of memory, the identity
 * of a thread, and the defined contents. prelude.h and ops_*.h are compiled
 * into the fuzz and printed unchanged in front of each program that the fuzz
 * prints as C. The headers therefore include no file of the fuzz except each
 * other, and a printed program calls the functions op_*().
 *
 * Memory: AREAS areas of AREA_PAGES pages each, at fixed addresses, each in the
 * middle of its own 2 MiB; the odd areas lie across the end of a page table.
 * Every area begins written. Every mapping thus has an anon_vma with every
 * backend, and mappings merge alike with and without a device.
 *
 * Contents depend on the address and on the step only. The result of a read is
 * not always defined: after MADV_FREE a read returns the old data or zero. The
 * shadow records undefined pages for each process. The shadow is private
 * memory: fork copies the shadow with the pages. Results leave out undefined
 * pages.
 *
 * A result is 0 or more (a count, a hash) or a negative errno. FAULT stands for
 * a CPU access that ends in a signal and for a device access that ends in
 * EFAULT or EPERM.
 */
#ifndef FERRY_FUZZ_PRELUDE_H
#define FERRY_FUZZ_PRELUDE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drm/ferry_drm.h>

#include "layout.h"

static const char *const backend_names[BACKENDS] = { "none", "own", "core", "coherent" };

/* The backend of this run; set once, before the first process. */
static enum backend backend;

/* The identity of a thread: one of the threads of a program's process. */
static int my_process;
static __thread int my_thread;

static struct shared *shared;

/* The shadow: pages with undefined contents. */
static uint8_t undefined[PAGES];

static inline void set_undefined(const void *at, int n, bool value)
{
	memset(undefined + page_of(at), value, n);
}

/* CPU accesses that may fault ------------------------------------------------- */

static __thread sigjmp_buf fault_return;
static __thread volatile sig_atomic_t fault_expected;

static void on_fault(int sig)
{
	if (!fault_expected) {
		signal(sig, SIG_DFL);
		return;
	}
	fault_expected = 0;
	siglongjmp(fault_return, 1);
}

static void catch_faults(void)
{
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* Copies by the CPU. Returns 0 or FAULT. */
static long copy_guarded(void *to, const void *from, size_t n)
{
	volatile const uint64_t *in = from;
	volatile uint64_t *out = to;
	size_t i;

	if (sigsetjmp(fault_return, 0))
		return FAULT;
	fault_expected = 1;
	for (i = 0; i < n / sizeof(*in); i++)
		out[i] = in[i];
	fault_expected = 0;
	return 0;
}

/*
 * The CPU writes what is there, in one access: 0 or FAULT. A read before the write would
 * bring the zero page to a hole that cannot be written to.
 */
static long rewrite_guarded(uint8_t *at)
{
	volatile uint64_t zero = 0;

	if (sigsetjmp(fault_return, 0))
		return FAULT;
	fault_expected = 1;
	__atomic_fetch_add((uint64_t *)at, zero, __ATOMIC_RELAXED);
	fault_expected = 0;
	return 0;
}

/* Data ------------------------------------------------------------------------ */

/* A buffer for each thread, as large as the longest range. */
static __thread uint64_t buffer[AREA_PAGES * PAGE_WORDS];

static inline uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ull;
	return x ^ x >> 29;
}

/* Makes the data of a write of @value to @n pages at @at. */
static void make_data(const void *at, int n, uint32_t value)
{
	uint64_t word;
	int page;
	size_t i;

	for (page = 0; page < n; page++) {
		word = mix((uintptr_t)at + page * PAGE) + value;
		for (i = 0; i < PAGE_WORDS; i++)
			buffer[page * PAGE_WORDS + i] = word += 0x1000000010001ull;
	}
}

static uint64_t hash_page(const uint64_t *words)
{
	uint64_t hash = 1;
	size_t i;

	for (i = 0; i < PAGE_WORDS; i++)
		hash = (hash ^ words[i]) * 0x100000001b3ull;
	return mix(hash);
}

/* A result: the hash of the defined pages among the pages read. */
static long hash_defined(const void *at, int n)
{
	uint64_t hash = 0;
	int i;

	for (i = 0; i < n; i++)
		if (!undefined[page_of(at) + i])
			hash = mix(hash + hash_page(buffer + i * PAGE_WORDS));
	return hash >> 2;
}

/* Files that hold a word ------------------------------------------------------ */

static long put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static long read_long(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtol(text, NULL, 10);
}

/*
 * Pages wait in a batch of the faulting CPU until the batch is full.
 * drain_batches() moves the pages of all batches to their LRU lists: a
 * migrate_pages() from node 0 to node 0 begins with a drain. Without the drain,
 * reclaim and the engines would depend on the batches.
 */
static void drain_batches(void)
{
	unsigned long node = 1;

	syscall(SYS_migrate_pages, 0, 8 * sizeof(node), &node, &node);
}

#endif
