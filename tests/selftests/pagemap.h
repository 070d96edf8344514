/* SPDX-License-Identifier: MIT */
/* Entries of pages in /proc: pagemap, kpageflags and clear_refs. */
#ifndef FERRY_PAGEMAP_H
#define FERRY_PAGEMAP_H

#include "files.h"

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_EXCLUSIVE (1ull << 56)
#define PAGEMAP_UFFD_WP (1ull << 57)
#define PAGEMAP_SOFT_DIRTY (1ull << 55)
#define PAGEMAP_PFN ((1ull << 55) - 1)

/* Flags of /proc/kpageflags. */
#define KPF_REFERENCED (1ull << 2)
#define KPF_DIRTY (1ull << 4)
#define KPF_LRU (1ull << 5)
#define KPF_ACTIVE (1ull << 6)
#define KPF_WRITEBACK (1ull << 8)
#define KPF_SWAPCACHE (1ull << 13)
#define KPF_SWAPBACKED (1ull << 14)
#define KPF_UNEVICTABLE (1ull << 18)
#define KPF_THP (1ull << 22)
#define KPF_MLOCKED (1ull << 33)
/* The flag's name for PG_anon_exclusive. */
#define KPF_OWNER_2 (1ull << 34)

/* An entry of 8 bytes, or 0. */
static inline uint64_t read_entry(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), index * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}

static inline uint64_t pagemap(const void *addr)
{
	return read_entry("/proc/self/pagemap", ptr(addr) / page_size());
}

/*
 * Reads the entries of @npages pages of another process; pid 0: of this process.
 * Returns 0 or -1.
 */
static inline int read_pagemap(pid_t pid, const void *memory, size_t npages, uint64_t *entries)
{
	size_t n = npages * sizeof(*entries);
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid ?: getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = pread(fd, entries, n, ptr(memory) / page_size() * sizeof(*entries));
	close(fd);
	return got == (ssize_t)n ? 0 : -1;
}

static inline uint64_t kpageflags(const void *addr)
{
	return read_entry("/proc/kpageflags", pagemap(addr) & PAGEMAP_PFN);
}

/* Counts the pages of the range with @flag in their pagemap entries. */
static inline size_t count_in_pagemap(const uint8_t *memory, size_t n, uint64_t flag)
{
	size_t page = page_size(), i, count = 0;

	for (i = 0; i < n; i += page)
		count += !!(pagemap(memory + i) & flag);
	return count;
}

/*
 * "1" clears the young bits. "4" clears the soft-dirty bits and removes the
 * write permission. Returns 0 or -errno.
 */
static inline int clear_refs(const char *what)
{
	return write_file("/proc/self/clear_refs", what);
}

#endif
