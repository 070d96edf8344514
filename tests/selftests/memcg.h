/* SPDX-License-Identifier: MIT */
/*
 * A memory cgroup (v2) for one test. Only this process is charged to the group.
 * The group cannot go away completely while one page is charged to the group.
 */
#ifndef FERRY_MEMCG_H
#define FERRY_MEMCG_H

#include <sys/stat.h>

#include "lru.h"
#include "threads.h"

#define MEMCG_ROOT "/sys/fs/cgroup"
#define MEMCG MEMCG_ROOT "/ferry_test"
#define MEMCG_MOST_CPUS 64

/**
 * struct memcg - the memory cgroup of the test
 * @former: path of cgroup.procs of the process's former group
 * @dying: number of dying groups at memcg_enter()
 */
struct memcg {
	char former[64];
	long dying;
};

/* Before a process enters: its stack is charged to the former group. */
static inline void memcg_touch_stack(void)
{
	volatile uint8_t stack[64 * 1024];
	size_t i;

	for (i = 0; i < sizeof(stack); i += page_size())
		stack[i] = 1;
}

/* Creates the group, without a process. Returns 0 or -errno. */
static inline int memcg_create(void)
{
	int ret = write_file(MEMCG_ROOT "/cgroup.subtree_control", "+memory");

	return ret ?: mkdir(MEMCG, 0700) ? -errno : 0;
}

/* Moves a process into the group; pid 0: this process. Returns 0 or -errno. */
static inline int memcg_add(pid_t pid)
{
	return write_number(MEMCG "/cgroup.procs", pid);
}

/* Creates the group and enters it. Returns 0 or -errno. */
static inline int memcg_enter(struct memcg *group)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char name[32];
	int ret = -EIO;

	if (file && fscanf(file, "0::%31s", name) == 1)
		ret = 0;
	if (file)
		fclose(file);
	snprintf(group->former, sizeof(group->former), MEMCG_ROOT "%s/cgroup.procs", name);
	ret = ret ?: memcg_create();
	if (ret)
		return ret;
	group->dying = read_counter(MEMCG_ROOT "/cgroup.stat", "nr_dying_descendants");
	if (mlockall(MCL_CURRENT) || munlockall())
		return -errno;
	memcg_touch_stack();
	return memcg_add(0);
}

/*
 * Leaves the group, and leaves a charge in the stock of each CPU. The kernel
 * drains the stocks of a group that goes away, but only stocks with charges
 * (drain_all_stock()). An empty stock, as a full group leaves one on its CPU,
 * would keep the group until another group is charged on that CPU. A page that
 * is freed gives its charge to the stock of the CPU. 0 or -errno.
 */
static inline int memcg_leave(const struct memcg *group)
{
	int pipes[MEMCG_MOST_CPUS][2], cpu, n = cpus_online(), ret;
	cpu_set_t before;

	if (n > MEMCG_MOST_CPUS)
		return -E2BIG;
	if (sched_getaffinity(0, sizeof(before), &before))
		return -errno;
	for (cpu = 0; cpu < n; cpu++)
		if (pipe(pipes[cpu]) || write(pipes[cpu][1], "", 1) != 1)
			return -errno;
	ret = write_file(group->former, "0");
	for (cpu = 0; cpu < n; cpu++) {
		ret = ret ?: run_on_cpu(cpu);
		close(pipes[cpu][0]);
		close(pipes[cpu][1]);
	}
	if (sched_setaffinity(0, sizeof(before), &before))
		return -errno;
	return ret;
}

/* Returns 0 or -errno. */
static inline int memcg_set_max(long bytes)
{
	return write_number(MEMCG "/memory.max", bytes);
}

static inline int memcg_forbid_swap(void)
{
	return write_file(MEMCG "/memory.swap.max", "0");
}

/* Charged bytes, or -1. */
static inline long memcg_charged(void)
{
	long bytes = -1;

	return read_number(MEMCG "/memory.current", &bytes) ? -1 : bytes;
}

static inline long memcg_event(const char *name)
{
	return read_counter(MEMCG "/memory.events", name);
}

static inline long memcg_stat(const char *name)
{
	return read_counter(MEMCG "/memory.stat", name);
}

/* The kernel sums counts up every two seconds, and after large changes. */
static inline long memcg_stat_after(const char *name, long wanted)
{
	double end = seconds() + 8;

	while (memcg_stat(name) != wanted && seconds() < end)
		usleep(100000);
	return memcg_stat(name);
}

/* Waits until the count is stable. */
static inline long memcg_stat_settled(const char *name)
{
	long value;

	do {
		value = memcg_stat(name);
		usleep(2500000);
	} while (value != memcg_stat(name));
	return value;
}

/* For a group that is left and has no pages: no charge remains. 0 or -1. */
static inline int memcg_wait_gone(const struct memcg *group)
{
	double end = seconds() + 20;
	long dying;

	if (settle_counters())
		return -1;
	/* The page cache of files that the test read. */
	write_file(MEMCG "/memory.reclaim", "1G");
	if (rmdir(MEMCG))
		return -1;
	do {
		/* Caches of files that were read in the group. */
		write_file("/proc/sys/vm/drop_caches", "3");
		usleep(100000);
		dying = read_counter(MEMCG_ROOT "/cgroup.stat", "nr_dying_descendants");
	} while (dying > group->dying && seconds() < end);
	return dying > group->dying ? -1 : 0;
}

#endif
