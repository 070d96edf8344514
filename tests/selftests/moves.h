/* SPDX-License-Identifier: MIT */
/*
 * Migrations by a named engine, and the kernel's page counters. A caller reads
 * a counter after settle(), which drains the CPUs' batches and adds up the
 * CPUs' counts.
 */
#ifndef FERRY_MOVES_H
#define FERRY_MOVES_H

#include <sched.h>
#include <sys/syscall.h>

#include "control.h"

#define TO_DEVICE DRM_FERRY_TARGET_DEVICE
#define TO_SYSTEM DRM_FERRY_TARGET_SYSTEM
#define OWN DRM_FERRY_BACKEND_OWN
#define CORE DRM_FERRY_BACKEND_CORE

#define KPF_LRU (1ull << 5)
#define KPF_ACTIVE (1ull << 6)
#define KPF_WRITEBACK (1ull << 8)
#define KPF_UNEVICTABLE (1ull << 18)
#define KPF_MLOCKED (1ull << 33)

/*
 * One ioctl over the whole range; @outcomes may be NULL. Yields the request
 * with its counts.
 */
#define test_engine(ferry, engine, memory, n, where, outcomes_)		\
	({								\
		struct drm_ferry_migrate __request = {			\
			.addr = ptr(memory), .len = n, .target = where,	\
			.backend = engine, .outcomes = ptr(outcomes_) };	\
		ASSERT_EQ(ferry_migrate_raw(ferry, &__request, sizeof(__request)), 0);	\
		ASSERT_EQ(__request.done, (uint64_t)(n));		\
		__request;						\
	})

/* Every page must move. */
#define test_engine_moves(ferry, engine, memory, n, where)		\
	do {								\
		struct drm_ferry_migrate __moved =			\
			test_engine(ferry, engine, memory, n, where, NULL); \
		ASSERT_EQ(__moved.moved, (n) / page_size());		\
		ASSERT_EQ(__moved.failed, 0);				\
	} while (0)

static inline size_t count_outcome(const uint8_t *outcomes, size_t n, uint8_t outcome)
{
	size_t i, count = 0;

	for (i = 0; i < n; i++)
		count += outcomes[i] == outcome;
	return count;
}

/*
 * Drains the pages in all CPUs' batches to their LRU lists (move_pages() begins
 * with a drain) and adds up the per-CPU counts. Returns 0 or -errno.
 */
static inline int settle(void)
{
	void *page = _test_map(page_size());
	int node = 0, status = -1, ret;

	if (page == MAP_FAILED)
		return -ENOMEM;
	*(volatile uint8_t *)page = 1;
	ret = syscall(SYS_move_pages, 0, 1ul, &page, &node, &status, 1 << 1) ? -errno : 0;
	munmap(page, page_size());
	return ret ?: write_file("/proc/sys/vm/stat_refresh", "1");
}

static inline int cpus_online(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* Moves this thread to one CPU. Returns 0 or -errno. */
static inline int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

#endif
