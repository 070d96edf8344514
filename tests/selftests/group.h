/* SPDX-License-Identifier: MIT */
/*
 * A memory cgroup (v2) for one test. Only this process is charged to the group.
 * The group cannot go away completely while one page is charged to the group.
 */
#ifndef FERRY_GROUP_H
#define FERRY_GROUP_H

#include "moves.h"

#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/ferry_test"

/**
 * struct group - the memory cgroup of the test
 * @former: path of cgroup.procs of the process's former group
 * @dying: number of dying groups at group_enter()
 */
struct group {
	char former[64];
	long dying;
};

/* Before a process enters: its stack is charged to the former group. */
static inline void group_touch_stack(void)
{
	volatile uint8_t stack[64 * 1024];
	size_t i;

	for (i = 0; i < sizeof(stack); i += page_size())
		stack[i] = 1;
}

/* 0 or -errno. */
static inline int group_enter(struct group *group)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char name[32];
	int ret = -EIO;

	if (file && fscanf(file, "0::%31s", name) == 1)
		ret = 0;
	if (file)
		fclose(file);
	snprintf(group->former, sizeof(group->former), GROUPS "%s/cgroup.procs", name);
	ret = ret ?: write_file(GROUPS "/cgroup.subtree_control", "+memory");
	if (ret || mkdir(GROUP, 0700))
		return ret ?: -errno;
	group->dying = read_counter(GROUPS "/cgroup.stat", "nr_dying_descendants");
	if (mlockall(MCL_CURRENT) || munlockall())
		return -errno;
	group_touch_stack();
	return write_file(GROUP "/cgroup.procs", "0");
}

static inline int group_leave(const struct group *group)
{
	return write_file(group->former, "0");
}

static inline long group_stat(const char *name)
{
	return read_counter(GROUP "/memory.stat", name);
}

/* The kernel sums counts up every two seconds, and after large changes. */
static inline long group_stat_after(const char *name, long wanted)
{
	double end = seconds() + 8;

	while (group_stat(name) != wanted && seconds() < end)
		usleep(100000);
	return group_stat(name);
}

/* Waits until the count is stable. */
static inline long group_stat_settled(const char *name)
{
	long value;

	do {
		value = group_stat(name);
		usleep(2500000);
	} while (value != group_stat(name));
	return value;
}

/* For a group that is left and has no pages: no charge remains. 0 or -1. */
static inline int group_goes_away(const struct group *group)
{
	double end = seconds() + 20;
	long dying;

	if (settle())
		return -1;
	/* The page cache of files that the test read. */
	write_file(GROUP "/memory.reclaim", "1G");
	if (rmdir(GROUP))
		return -1;
	do {
		/* Caches of files that were read in the group. */
		write_file("/proc/sys/vm/drop_caches", "3");
		usleep(100000);
		dying = read_counter(GROUPS "/cgroup.stat", "nr_dying_descendants");
	} while (dying > group->dying && seconds() < end);
	return dying > group->dying ? -1 : 0;
}

#endif
