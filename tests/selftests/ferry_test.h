/* SPDX-License-Identifier: MIT */
/*
 * Helpers of the selftests. Each helper comes twice: _test_x() returns the
 * result of the call, test_x() asserts that the call succeeded. An asserting
 * helper works only in a TEST() or TEST_F(), because the harness keeps its
 * state in _metadata.
 */
#ifndef FERRY_TEST_H
#define FERRY_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drm.h>

#include "ferry.h"
#include "kselftest_harness.h"

#define MIB (1ull << 20)
/* Bytes that a page table maps, and bytes of a huge page. */
#define PMD_SIZE (2 * MIB)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25	/* not in older C libraries */
#endif

/* The user without rights. */
#define NOBODY 65534

/* Devices 0 and 1 are private. */
#define FIRST_COHERENT 2

/* For behaviour of the kernel that changed, named in docs/findings.md. */
static inline bool kernel_at_least(int major, int minor)
{
	struct utsname names;
	int has_major = 0, has_minor = 0;

	if (uname(&names) || sscanf(names.release, "%d.%d", &has_major, &has_minor) != 2)
		return false;
	return has_major > major || (has_major == major && has_minor >= minor);
}

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline uint64_t ptr(const void *pointer)
{
	return (uintptr_t)pointer;
}

/* A byte that depends on its index and on the seed. */
static inline uint8_t pattern(size_t i, unsigned int seed)
{
	return (i * 2654435761u + seed * 40503u) >> 13;
}

static inline void fill_pattern(void *memory, size_t n, unsigned int seed)
{
	uint8_t *bytes = memory;
	size_t i;

	for (i = 0; i < n; i++)
		bytes[i] = pattern(i, seed);
}

/* Index of the first different byte, or @n. */
static inline size_t find_difference(const void *memory, size_t n, unsigned int seed)
{
	const uint8_t *bytes = memory;
	size_t i;

	for (i = 0; i < n && bytes[i] == pattern(i, seed); i++)
		;
	return i;
}

#define test_pattern(memory, n, seed)					\
	ASSERT_EQ(find_difference(memory, n, seed), (size_t)(n))

static inline size_t find_nonzero(const void *memory, size_t n)
{
	const uint8_t *bytes = memory;
	size_t i;

	for (i = 0; i < n && !bytes[i]; i++)
		;
	return i;
}

#define test_zero(memory, n)						\
	ASSERT_EQ(find_nonzero(memory, n), (size_t)(n))

static inline void *map_near(uint64_t hint, size_t n)
{
	return mmap((void *)(uintptr_t)hint, n, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/*
 * Maps @n bytes, in the area of one page table if @n permits. A batch of the
 * core engine can end with a page table, and the next batch is not attempted if
 * the device is full. ASLR must not decide whether a small area crosses the end
 * of a page table: a test would then find NOT_ATTEMPTED by chance.
 *
 * An area that crosses an end is mapped again, below that end. If the addresses
 * are in use, the kernel ignores the hint, and the next hint is one page table
 * lower. Returns MAP_FAILED if all hints are ignored.
 */
static inline void *_test_map(size_t n)
{
	size_t length = (n + page_size() - 1) & ~(page_size() - 1);
	void *map = map_near(0, n);
	uint64_t table;
	int tries;

	for (tries = 0; tries < 16 && map != MAP_FAILED; tries++) {
		table = (ptr(map) + length - 1) & ~(PMD_SIZE - 1);
		if (length > PMD_SIZE || ptr(map) >= table)
			return map;
		munmap(map, n);
		map = map_near(table - tries * PMD_SIZE - length, n);
	}
	if (map != MAP_FAILED)
		munmap(map, n);
	return MAP_FAILED;
}

/* @n is a power of two, and the area is aligned to @n. */
static inline void *_test_map_aligned(size_t n)
{
	uint8_t *all = _test_map(2 * n), *aligned;

	if (all == MAP_FAILED)
		return MAP_FAILED;
	aligned = (uint8_t *)((ptr(all) + n - 1) & ~(n - 1));
	munmap(all, aligned - all);
	munmap(aligned + n, all + n - aligned);
	return aligned;
}

#define test_map(n)							\
	({								\
		void *__map = _test_map(n);				\
		ASSERT_NE(__map, MAP_FAILED);				\
		__map;							\
	})

#define test_map_pattern(n, seed)					\
	({								\
		void *__pattern = test_map(n);				\
		fill_pattern(__pattern, n, seed);			\
		__pattern;						\
	})

#define test_open(index)						\
	({								\
		struct ferry *__ferry = NULL;				\
		ASSERT_EQ(ferry_open_index(index, &__ferry), 0);	\
		__ferry;						\
	})

static inline int _test_migrate(struct ferry *ferry, void *addr, size_t n,
				uint32_t target, uint8_t *outcomes,
				struct ferry_counts *counts)
{
	return ferry_migrate(ferry, addr, n, target, outcomes, counts);
}

/* Every page must move. */
#define test_migrate(ferry, addr, n, target)				\
	do {								\
		struct ferry_counts __counts;				\
		ASSERT_EQ(_test_migrate(ferry, addr, n, target, NULL, &__counts), 0); \
		ASSERT_EQ(__counts.done, (uint64_t)(n));		\
		ASSERT_EQ(__counts.moved, (n) / page_size());		\
		ASSERT_EQ(__counts.failed, 0);				\
	} while (0)

#define test_to_device(ferry, addr, n)					\
	test_migrate(ferry, addr, n, DRM_FERRY_TARGET_DEVICE)

#define test_to_system(ferry, addr, n)					\
	test_migrate(ferry, addr, n, DRM_FERRY_TARGET_SYSTEM)

static inline uint32_t _test_where(struct ferry *ferry, const void *addr)
{
	uint32_t page = ~0u;

	if (ferry_snapshot(ferry, addr, page_size(), &page, NULL))
		return ~0u;
	return page & DRM_FERRY_PAGE_WHERE_MASK;
}

#define test_where(ferry, addr, where)					\
	ASSERT_EQ(_test_where(ferry, addr), where)

static inline uint64_t _test_used(struct ferry *ferry)
{
	struct drm_ferry_query query;

	return ferry_query(ferry, &query, sizeof(query)) ? UINT64_MAX : query.memory_used;
}

#define test_used(ferry, pages)						\
	ASSERT_EQ(_test_used(ferry), (uint64_t)(pages) * page_size())

/* A number from the environment, or @fallback. */
static inline unsigned long setting(const char *name, unsigned long fallback)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : fallback;
}

static inline double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Used bytes of device memory: 0, or the value after @limit seconds. */
static inline uint64_t _test_wait_unused(struct ferry *ferry, double limit)
{
	double end = seconds() + limit;
	uint64_t used;

	do {
		used = _test_used(ferry);
		if (used)
			usleep(1000);
	} while (used && seconds() < end);
	return used;
}

#define test_wait_unused(ferry, limit)					\
	ASSERT_EQ(_test_wait_unused(ferry, limit), 0)

#define test_stats(ferry)						\
	({								\
		struct drm_ferry_stats __stats;				\
		ASSERT_EQ(ferry_stats(ferry, &__stats, sizeof(__stats)), 0);		\
		__stats;						\
	})

/* Pages that CPU faults moved, fault-around included. */
static inline uint64_t _test_moved_by_faults(struct ferry *ferry)
{
	struct drm_ferry_stats stats;

	if (ferry_stats(ferry, &stats, sizeof(stats)))
		return UINT64_MAX;
	return stats.cpu_faults + stats.cpu_faults_around;
}

/* A single ioctl: 0 or -errno, no retry. */
static inline int _test_ioctl(struct ferry *ferry, unsigned long request, void *arg)
{
	return ioctl(ferry_fd(ferry), request, arg) ? -errno : 0;
}

/* A child that dies with the test and leaves by _exit(). */
static inline pid_t _test_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

#define test_fork()							\
	({								\
		pid_t __pid = _test_fork();				\
		ASSERT_GE(__pid, 0);					\
		__pid;							\
	})

/* The parent asserts that the child returned 0. */
#define test_wait(pid)							\
	do {								\
		int __status;						\
		ASSERT_EQ(waitpid(pid, &__status, 0), pid);		\
		ASSERT_TRUE(WIFEXITED(__status));			\
		ASSERT_EQ(WEXITSTATUS(__status), 0);			\
	} while (0)

/* In a child: print the failed condition and exit with status 1. */
#define child_check(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "# child, line %d: %s\n", __LINE__, #condition); \
			_exit(1);					\
		}							\
	} while (0)

/* A byte through a pipe: "go on". */
static inline int send_byte(int fd)
{
	return write(fd, "x", 1) == 1 ? 0 : -1;
}

static inline int wait_byte(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1 ? 0 : -1;
}

#endif
