/* SPDX-License-Identifier: MIT */
/* The CPUs' batches of pages for LRU lists, and the kernel's counters. */
#ifndef FERRY_LRU_H
#define FERRY_LRU_H

#include <sys/syscall.h>

#include "files.h"

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
 * Before a counter of /proc is read: drains the batches and adds up the CPUs'
 * counts. Returns 0 or -errno.
 */
static inline int settle_counters(void)
{
	return drain_lru() ?: write_file("/proc/sys/vm/stat_refresh", "1");
}

/* For tests that count flushes by /proc/vmstat. */
#define NO_FLUSH_COUNTERS "this kernel does not count TLB flushes (CONFIG_DEBUG_TLBFLUSH)"

static inline bool has_flush_counters(void)
{
	return read_counter("/proc/vmstat", "nr_tlb_remote_flush") >= 0;
}

#endif
