// SPDX-License-Identifier: MIT
/*
 * Observes the processes of a run between two steps, by /proc and the cgroup.
 * The observer never reads a process's memory: a read would move the process's
 * pages back from the device.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_SWAP (1ull << 62)
#define ENTRY_FILE (1ull << 61)
#define ENTRY_UFFD_WP (1ull << 57)
#define ENTRY_EXCLUSIVE (1ull << 56)
#define ENTRY_SOFT_DIRTY (1ull << 55)
#define ENTRY_FRAME ((1ull << 55) - 1)

/*
 * Types of entries that are not present (<linux/swap.h>). The last eight of the
 * 32 types are the same with and without MEMORY_FAILURE.
 */
#define TYPE_MASK 31u
#define TYPE_MIGRATION 24u
#define TYPE_DEVICE 27u
#define TYPE_EXCLUSIVE 29u
#define TYPE_MARKER 31u

#define LINE 256

static int open_of(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The frame of the zero page, which a read of a hole maps. */
static uint64_t zero_frame(void)
{
	static uint64_t frame;
	uint64_t entry = 0;
	volatile char *page;
	int fd;

	if (frame)
		return frame;
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (!*page && pread(fd, &entry, 8, (uintptr_t)page / 4096 * 8) == 8)
		frame = entry & ENTRY_FRAME;
	close(fd);
	munmap((void *)page, 4096);
	return frame;
}

static uint8_t state_of(uint64_t entry)
{
	unsigned int type = entry & TYPE_MASK;
	uint8_t state = 0;

	if (entry & ENTRY_SOFT_DIRTY)
		state |= PAGE_SOFT_DIRTY;
	if (entry & ENTRY_UFFD_WP)
		state |= PAGE_UFFD_WP;
	if (entry & ENTRY_EXCLUSIVE)
		state |= PAGE_EXCLUSIVE;
	if (entry & ENTRY_PRESENT) {
		state |= PAGE_THERE | PAGE_PRESENT;
		if ((entry & ENTRY_FRAME) != zero_frame())
			state |= PAGE_REAL;
	} else if (entry & ENTRY_SWAP) {
		state |= PAGE_THERE;
		if (type < TYPE_MIGRATION)
			state |= PAGE_REAL | PAGE_SWAPPED;
		else if (type < TYPE_DEVICE)
			state |= PAGE_REAL | PAGE_MIGRATING;
		else if (type != TYPE_MARKER)
			state |= PAGE_REAL;
	}
	return state;
}

/* Returns true if a page has a migration entry. */
static bool look_at_pages(pid_t pid, struct process_state *state)
{
	uint64_t entries[AREA_PAGES];
	int fd = open_of(pid, "pagemap"), area, i;
	bool migrating = false;
	uint8_t *pages;

	for (area = 0; area < AREAS; area++) {
		pages = state->pages + area * AREA_PAGES;
		state->areas[area].real = 0;
		memset(entries, 0, sizeof(entries));
		if (pread(fd, entries, sizeof(entries),
			  (uintptr_t)area_at(area) / 4096 * 8) <= 0)
			continue;
		for (i = 0; i < AREA_PAGES; i++) {
			pages[i] = state_of(entries[i]);
			state->areas[area].real += !!(pages[i] & PAGE_REAL);
			migrating |= !!(pages[i] & PAGE_MIGRATING);
		}
	}
	close(fd);
	return migrating;
}

#define LOOKS 400
#define LOOK_EVERY 5000	/* microseconds */

/*
 * No step runs during the observation, but the kernel may compact memory at any
 * time. A migration entry that stays for two seconds was left behind.
 */
static void wait_for_pages(pid_t pid, struct process_state *state)
{
	int looks;

	for (looks = 0; look_at_pages(pid, state) && looks < LOOKS; looks++)
		usleep(LOOK_EVERY);
}

/* Returns the area in which a mapping begins, or -1. */
static int area_of(unsigned long start)
{
	int area;

	for (area = 0; area < AREAS; area++)
		if (start >= (uintptr_t)area_at(area) &&
		    start < (uintptr_t)area_at(area) + AREA_PAGES * 4096)
			return area;
	return -1;
}

static void add_line(struct area_state *area, const char *line)
{
	const char *colon = strchr(line, ':');
	long pages = colon ? strtol(colon + 1, NULL, 10) / 4 : 0;

	if (!strncmp(line, "Rss:", 4))
		area->rss += pages;
	else if (!strncmp(line, "Swap:", 5))
		area->swap += pages;
	else if (!strncmp(line, "Shared_Dirty:", 13) || !strncmp(line, "Private_Dirty:", 14))
		area->dirty += pages;
}

static void look_at_smaps(pid_t pid, struct process_state *state)
{
	int fd = open_of(pid, "smaps"), area = -1;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	unsigned long start, end;
	char line[LINE];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			area = area_of(start);
		else if (area >= 0)
			add_line(&state->areas[area], line);
	}
	if (file)
		fclose(file);
}

/* Returns the number after a name, or -1. */
static long number_in(int fd, const char *name)
{
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	size_t length = strlen(name);
	long number = -1;
	char line[LINE];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && strchr(" :\t", line[length]))
			number = strtol(line + length + 1, NULL, 10);
	if (file)
		fclose(file);
	return number;
}

static long number_in_group(const struct run *run, const char *file, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", run->shared.group, file);
	return number_in(open(path, O_RDONLY | O_CLOEXEC), name);
}

/* @closely: smaps too, which takes time. */
void observe(const struct run *run, struct observation *now, bool closely)
{
	struct process_state *state;
	int slot, pid;

	for (slot = 0; slot < PROCESSES; slot++) {
		state = &now->processes[slot];
		pid = run->shared.processes[slot].pid;
		state->alive = pid;
		if (!pid)
			continue;
		memcpy(state->undefined, run->shared.processes[slot].undefined, PAGES);
		wait_for_pages(pid, state);
		if (closely)
			look_at_smaps(pid, state);
		state->locked = number_in(open_of(pid, "status"), "VmLck");
	}
	now->oom_kills = number_in_group(run, "memory.events", "oom_kill");
	now->observed = true;
	now->closely = closely;
}

/*
 * The kernel's counters, at the end
 * --------------------------------------------
 */

#define MAX_FRAMES (PROCESSES * PAGES)

struct frames {
	uint64_t pfn[MAX_FRAMES];
	int count;
};

static int by_pfn(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

/*
 * Returns true if the statistics count the page as mapped: on 6.12 they do not
 * count device-exclusive entries.
 */
static bool is_anonymous(uint64_t entry)
{
	uint8_t state = state_of(entry);

	if (!(entry & ENTRY_PRESENT) && (entry & TYPE_MASK) >= TYPE_EXCLUSIVE)
		return false;
	return state & PAGE_REAL && !(state & PAGE_SWAPPED) && !(entry & ENTRY_FILE);
}

/* In an entry that is not present, the pfn follows the type. */
static uint64_t pfn_of(uint64_t entry)
{
	uint64_t frame = entry & ENTRY_FRAME;

	return entry & ENTRY_PRESENT ? frame : frame / (TYPE_MASK + 1);
}

/* Adds the process's pages in areas, including device pages. */
static void add_areas(pid_t pid, struct frames *frames)
{
	uint64_t entries[AREA_PAGES];
	int pagemap = open_of(pid, "pagemap"), area, i;

	for (area = 0; area < AREAS; area++) {
		if (pread(pagemap, entries, sizeof(entries),
			  (uintptr_t)area_at(area) / 4096 * 8) != sizeof(entries))
			continue;
		for (i = 0; i < AREA_PAGES; i++)
			if (is_anonymous(entries[i]))
				frames->pfn[frames->count++] = pfn_of(entries[i]);
	}
	close(pagemap);
}

static long count_distinct(struct frames *frames)
{
	long count = 0;
	int i;

	qsort(frames->pfn, frames->count, sizeof(*frames->pfn), by_pfn);
	for (i = 0; i < frames->count; i++)
		count += !i || frames->pfn[i] != frames->pfn[i - 1];
	return count;
}

/*
 * Records rss_off of each process, RssAnon against smaps, and stat_off of the
 * group, memory.stat against the pages in areas. stat_off consists of stacks
 * and data, and is the same in each run. The statistics are up to two seconds
 * late, but a read of cpu.stat adds up all of them first.
 */
void observe_ending(struct run *run)
{
	static struct frames frames;
	long anonymous;
	int slot, pid;

	frames.count = 0;
	for (slot = 0; slot < PROCESSES; slot++) {
		pid = run->shared.processes[slot].pid;
		if (!pid)
			continue;
		add_areas(pid, &frames);
		anonymous = number_in(open_of(pid, "smaps_rollup"), "Anonymous");
		run->ending.rss_off[slot] =
			(number_in(open_of(pid, "status"), "RssAnon") - anonymous) / 4;
	}
	number_in_group(run, "cpu.stat", "usage_usec");
	run->ending.stat_off = number_in_group(run, "memory.stat", "anon") / 4096 -
			       count_distinct(&frames);
}
