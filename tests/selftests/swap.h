/* SPDX-License-Identifier: MIT */
/* A swap device that uses the swap cache, and pages that leave and return. */
#ifndef FERRY_SWAP_H
#define FERRY_SWAP_H

#include <sys/stat.h>
#include <sys/swap.h>

#include "lru.h"
#include "pagemap.h"

#define NULLB "/sys/kernel/config/nullb/ferry"

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
	/* Modules in a kernel that somebody else built. */
	if (access("/sys/module/null_blk", F_OK))
		system("modprobe -q null_blk nr_devices=0 2>/dev/null");
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

/* Tries until no page of the range is present. Returns 0 or -1. */
static inline int swap_out(uint8_t *memory, size_t n)
{
	size_t page = page_size(), i, left;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (drain_lru())
			return -1;
		madvise(memory, n, MADV_PAGEOUT);
		for (i = left = 0; i < n; i += page)
			left += !!(pagemap(memory + i) & PAGEMAP_PRESENT);
		if (!left)
			return 0;
		usleep(10000);
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

/*
 * Returns true if the page is present, in the swap cache, and unchanged since
 * the page was written to the swap device.
 */
static inline bool is_clean(const uint8_t *addr)
{
	uint64_t flags = kpageflags(addr) & (KPF_SWAPCACHE | KPF_DIRTY | KPF_WRITEBACK);

	return pagemap(addr) & PAGEMAP_PRESENT && flags == KPF_SWAPCACHE;
}

static inline size_t count_clean(const uint8_t *memory, size_t n)
{
	size_t page = page_size(), i, clean = 0;

	for (i = 0; i < n; i += page)
		clean += is_clean(memory + i);
	return clean;
}

/*
 * Swaps the pages out and in again by a read: the pages are mapped writable and
 * clean, and the copies on the swap device stay. Returns 0 when every page is
 * clean, or -1.
 */
static inline int make_clean(uint8_t *memory, size_t n)
{
	size_t page = page_size(), i;
	int tries;

	if (swap_out(memory, n))
		return -1;
	for (i = 0; i < n; i += page)
		*(volatile uint8_t *)(memory + i);
	for (tries = 0; tries < 100; tries++) {
		if (count_clean(memory, n) == n / page)
			return 0;
		usleep(10000);
	}
	return -1;
}

#endif
