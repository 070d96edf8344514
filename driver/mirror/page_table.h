/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_PAGE_TABLE_H
#define FERRY_MIRROR_PAGE_TABLE_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>

#include "mirror.h"

/* What one window covers, aligned to itself: 4 KiB of entries. */
#define FERRY_WINDOW_PAGES	512
#define FERRY_WINDOW_SIZE	(FERRY_WINDOW_PAGES * PAGE_SIZE)

/*
 * Windows of one mirror at the most: entries for 2,097,152 pages (8 GiB, where a page
 * has 4 KiB) in some 17 MiB of (charged) kernel memory. They are a cache; one that is
 * given up is faulted in again.
 */
#define FERRY_MAX_WINDOWS	4096

/*
 * An entry of the device's page table: a pfn and three bits. Zero is not mapped.
 * EXCLUSIVE: the CPUs are kept away from the page as long as the entry is there. It
 * comes without WRITE: a write that is not atomic gives the page back to all first.
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
 * struct ferry_window - the device's page table for one aligned piece
 * @notifier: tells when the CPU's page table changes there
 * @mirror: whose
 * @start: first byte
 * @refs: one for being in mirror->windows, one for each user
 * @lock: guards @entries. Held while the device accesses memory through an entry:
 *	the notifier waits for that, so the page is still mapped meanwhile. Taken in
 *	reclaim (by the notifier), so nothing is allocated under it
 * @entries: one for each page of the window
 */
struct ferry_window {
	struct mmu_interval_notifier notifier;
	struct ferry_mirror *mirror;
	unsigned long start;
	refcount_t refs;
	struct mutex lock;	/* see above */
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

/* notifier.c */
extern const struct mmu_interval_notifier_ops ferry_window_notifier_ops;

/* device_fault.c */

/* What ends a wait for userfaultfd's monitor. */
enum ferry_wait {
	FERRY_INTERRUPTIBLE,	/* any signal: the access has touched nothing yet */
	FERRY_KILLABLE,		/* SIGKILL */
};

int ferry_window_fault(struct ferry_window *window, unsigned long addr, unsigned long end,
		       enum ferry_access access, enum ferry_wait wait);

#endif
