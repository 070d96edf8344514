/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_PAGE_TABLE_H
#define FERRY_MIRROR_PAGE_TABLE_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>

#include "mirror.h"

/*
 * An entry of the device's page table: a pfn and three bits. Zero means not
 * mapped. EXCLUSIVE keeps the CPUs off the page as long as the entry exists.
 * EXCLUSIVE comes without WRITE: a write that is not atomic faults first, and
 * the fault ends the exclusive access.
 */
typedef unsigned long ferry_entry_t;

#define FERRY_ENTRY_VALID	BIT(0)
#define FERRY_ENTRY_WRITE	BIT(1)
#define FERRY_ENTRY_EXCLUSIVE	BIT(2)
#define FERRY_ENTRY_PFN_SHIFT	3

static inline ferry_entry_t ferry_entry_make(unsigned long pfn, bool write)
{
	return pfn << FERRY_ENTRY_PFN_SHIFT | FERRY_ENTRY_VALID |
	       (write ? FERRY_ENTRY_WRITE : 0);
}

static inline ferry_entry_t ferry_entry_make_exclusive(unsigned long pfn)
{
	return ferry_entry_make(pfn, false) | FERRY_ENTRY_EXCLUSIVE;
}

static inline unsigned long ferry_entry_pfn(ferry_entry_t entry)
{
	return entry >> FERRY_ENTRY_PFN_SHIFT;
}

static inline bool ferry_entry_allows(ferry_entry_t entry, bool write)
{
	ferry_entry_t need = FERRY_ENTRY_VALID | (write ? FERRY_ENTRY_WRITE : 0);

	return (entry & need) == need;
}

/**
 * struct ferry_window - one aligned piece of the device's page table
 * @notifier: reports changes of the CPU's page table in the piece
 * @mirror: mirror that contains the window
 * @start: first byte
 * @refs: one reference for the place in mirror->windows, one for each user
 * @lock: guards @entries. The device accesses memory with the lock held: the
 *	notifier waits for the lock, and the page stays mapped during the
 *	access. The notifier takes the lock in reclaim, and nothing is allocated
 *	under the lock
 * @entries: one entry for each page of the window
 */
struct ferry_window {
	struct mmu_interval_notifier notifier;
	struct ferry_mirror *mirror;
	unsigned long start;
	refcount_t refs;
	struct mutex lock;	/* guards @entries */
	ferry_entry_t *entries;
};

struct ferry_window *ferry_window_get(struct ferry_mirror *mirror,
				      unsigned long addr);
struct ferry_window *ferry_window_find(struct ferry_mirror *mirror,
				       unsigned long addr);
struct ferry_window *ferry_window_next(struct ferry_mirror *mirror,
				       unsigned long *addr, unsigned long last);
void ferry_window_put(struct ferry_window *window);
void ferry_windows_destroy(struct ferry_mirror *mirror);

unsigned long ferry_window_count(struct ferry_window *window, unsigned long first,
				 unsigned long n, bool write);
void ferry_window_clear(struct ferry_window *window, unsigned long start,
			unsigned long end);

#endif
