/* SPDX-License-Identifier: MIT */
/*
 * The state of a page-table entry and its page, in system memory or on a
 * device.
 */
#ifndef FERRY_PAGE_STATE_H
#define FERRY_PAGE_STATE_H

#include "pagemap.h"

#define STATE_SOFT_DIRTY	(1u << 0)
#define STATE_UFFD_WP		(1u << 1)
#define STATE_WRITABLE		(1u << 2)	/* without another fault */
#define STATE_EXCLUSIVE		(1u << 3)	/* anon_exclusive; if present */
#define STATE_DIRTY		(1u << 4)	/* the entry or the page */
#define STATE_YOUNG		(1u << 5)	/* the entry or the page */
#define STATE_IN_SYSTEM		(1u << 6)	/* in system memory */
#define STATE_OF_A_DEVICE_PAGE	(STATE_SOFT_DIRTY | STATE_UFFD_WP | STATE_WRITABLE | \
				 STATE_DIRTY)

/* From /proc/self/smaps; the mapping has one page. */
static inline unsigned int young_and_dirty(const void *addr)
{
	unsigned long start = 0, end = 0, kb;
	unsigned int state = 0;
	char line[256];
	FILE *file;

	file = fopen("/proc/self/smaps", "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			continue;
		if (ptr(addr) < start || ptr(addr) >= end)
			continue;
		if (sscanf(line, "Referenced: %lu", &kb) == 1 && kb)
			state |= STATE_YOUNG;
		if ((sscanf(line, "Private_Dirty: %lu", &kb) == 1 ||
		     sscanf(line, "Shared_Dirty: %lu", &kb) == 1) && kb)
			state |= STATE_DIRTY;
	}
	if (file)
		fclose(file);
	return state;
}

static inline unsigned int entry_state(struct ferry *ferry, const void *addr)
{
	uint64_t entry = pagemap(addr);
	unsigned int state = 0;
	uint32_t page = 0;

	if (ferry_snapshot(ferry, addr, page_size(), &page, NULL))
		return ~0u;
	if (entry & PAGEMAP_SOFT_DIRTY)
		state |= STATE_SOFT_DIRTY;
	if (entry & PAGEMAP_UFFD_WP)
		state |= STATE_UFFD_WP;
	if (page & DRM_FERRY_PAGE_WRITABLE)
		state |= STATE_WRITABLE;
	if (entry & PAGEMAP_PRESENT) {
		state |= STATE_IN_SYSTEM;
		if (kpageflags(addr) & KPF_OWNER_2)
			state |= STATE_EXCLUSIVE;
	}
	return state;
}

static inline unsigned int page_state(struct ferry *ferry, const void *addr)
{
	return entry_state(ferry, addr) | young_and_dirty(addr);
}

/* Maps a page between two inaccessible pages: smaps has the page alone. */
static inline uint8_t *_test_map_alone(void)
{
	size_t page = page_size();
	uint8_t *map;

	map = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || mprotect(map + page, page, PROT_READ | PROT_WRITE))
		return MAP_FAILED;
	return map + page;
}

#endif
