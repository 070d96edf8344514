/* SPDX-License-Identifier: MIT */
/* A page's entries in /proc, and a swap device that uses the swap cache. */
#ifndef FERRY_PAGES_H
#define FERRY_PAGES_H

#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>

#include "files.h"

#define NULLB "/sys/kernel/config/nullb/ferry"

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_EXCLUSIVE (1ull << 56)
#define PAGEMAP_UFFD_WP (1ull << 57)
#define PAGEMAP_SOFT_DIRTY (1ull << 55)
#define PAGEMAP_PFN ((1ull << 55) - 1)
#define KPF_DIRTY (1ull << 4)
#define KPF_SWAPCACHE (1ull << 13)

static inline const char *swap_device(void)
{
	return access("/dev/nullb1", F_OK) ? "/dev/ferry" : "/dev/nullb1";
}

/* null_blk, because zram and brd skip the swap cache. Returns 0 or -errno. */
static inline int swap_on(void)
{
	char command[128];
	int ret;

	if (!access(NULLB, F_OK))
		return 0;
	/* configfs may be mounted already. */
	ret = system("mount -t configfs none /sys/kernel/config 2>/dev/null");
	if (mkdir(NULLB, 0700))
		return -errno;
	ret = write_file(NULLB "/size", "64");
	ret = ret ?: write_file(NULLB "/memory_backed", "1");
	ret = ret ?: write_file(NULLB "/power", "1");
	if (ret)
		return ret;
	snprintf(command, sizeof(command), "/run/busybox mkswap %s >/dev/null", swap_device());
	if (system(command))
		return -EIO;
	return swapon(swap_device(), 0) ? -errno : 0;
}

static inline uint64_t entry_of(const char *path, uint64_t index)
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
	return entry_of("/proc/self/pagemap", ptr(addr) / page_size());
}

static inline uint64_t kpageflags(const void *addr)
{
	return entry_of("/proc/kpageflags", pagemap(addr) & PAGEMAP_PFN);
}

/*
 * New pages wait in batches of the faulting CPU. drain_lru() moves the pages to
 * their LRU lists, by migrate_pages() from node 0 to node 0, which begins with
 * a drain. Reclaim then finds the pages, and the engine has no reason to
 * restore pages, drain and collect again.
 */
static inline int drain_lru(void)
{
	unsigned long node = 1;

	return syscall(SYS_migrate_pages, 0, 8 * sizeof(node), &node, &node) < 0 ? -errno : 0;
}

/*
 * Tries until the first page of the range is swapped out. Returns 0 or -1.
 * MADV_PAGEOUT never isolates a page in the batch of a CPU that this thread has
 * left: drain first.
 */
static inline int page_out(uint8_t *memory, size_t n)
{
	int tries;

	for (tries = 0; tries < 50; tries++) {
		if (drain_lru())
			return -1;
		madvise(memory, n, MADV_PAGEOUT);
		if (pagemap(memory) & PAGEMAP_SWAPPED)
			return 0;
		usleep(20000);
	}
	return -1;
}

/* Waits until the page is clean and in the swap cache. Returns 0 or -1. */
static inline int wait_clean_in_swap_cache(const void *addr)
{
	uint64_t flags;
	int tries;

	for (tries = 0; tries < 50; tries++) {
		flags = kpageflags(addr);
		if (flags & KPF_SWAPCACHE && !(flags & KPF_DIRTY))
			return 0;
		usleep(20000);
	}
	return -1;
}

#endif
