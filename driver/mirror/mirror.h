/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_MIRROR_H
#define FERRY_MIRROR_MIRROR_H

#include <linux/atomic.h>
#include <linux/gfp_types.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "device/memory.h"
#include "stats.h"

/**
 * DOC: Ownership and lock order of the mirror layer
 *
 * A mirror joins one address space and one device. The front end creates one
 * mirror for each open file. The mirror calls the engine (migrate/) and the
 * device (device/), never the reverse. The kernel calls the mirror in two
 * places: the interval notifier (notifier.c) and migrate_to_ram (cpu_fault.c).
 *
 * Owner and owned object:
 *
 * mirror   the mm's struct (mmgrab()), the windows, the statistics, and one
 *          struct ferry_owner until ferry_mirror_disown()
 * window   one interval notifier and the entries of the device's page table
 * device   the memory, and for each page the owner to which the page is handed
 *          out; orphans belong to the device alone
 * engine   no state between calls; the notes are in src[] and dst[]
 *
 * Lock order, outermost first:
 *
 * 1. mmap_lock, for read.
 * 2. Page locks, by trylock only.
 * 3. ferry_window.lock. The notifier takes this lock, also in reclaim. Under
 *    the lock nothing is allocated, faulted in, or locked.
 * 4. ferry_memory.lock and the lock of ferry_mirror.windows. No lock of the
 *    mirror nests inside. device/memory.h nests ferry_memory.users_lock inside
 *    ferry_memory.lock.
 *
 * struct ferry_mirror has no lock besides the lock of @windows. No lock of the
 * driver is held over an engine call: the engine's own invalidations call the
 * notifier (I15).
 */

struct ferry_device;

/*
 * Allocations without which a call cannot run. The allocator tries hard; a
 * failure is -ENOMEM. The OOM killer kills no process (docs/memory.md).
 */
#define FERRY_GFP_CALL	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * A migration goes to the engine in batches of at most FERRY_BATCH_TABLES page
 * tables, for 4 KiB pages. Page counts that bound memory are constants, not
 * derived from the page table: a table of 64 KiB pages may map 512 MiB, and on
 * powerpc the size of a table is known at boot only.
 */
#define FERRY_BATCH_TABLES	4
#define FERRY_TABLE_PAGES	512
#define FERRY_BATCH_PAGES	(FERRY_BATCH_TABLES * FERRY_TABLE_PAGES)

/*
 * Pages of one window, aligned to the size of the window. The entries take 4
 * KiB.
 */
#define FERRY_WINDOW_PAGES	512
#define FERRY_WINDOW_SIZE	(FERRY_WINDOW_PAGES * PAGE_SIZE)

/*
 * Most windows of one mirror: entries for 2,097,152 pages (8 GiB of 4 KiB
 * pages) in about 17 MiB of kernel memory, charged to the caller. Windows are a
 * cache. A device fault brings back a window that was given up.
 */
#define FERRY_MAX_WINDOWS	4096

/**
 * struct ferry_mirror - one address space on one device
 * @device: the device; outlives the mirror
 * @mm: the address space; the mirror holds a reference to the struct
 *	(mmgrab()), not to the users
 * @owner: the owner by which @device counts the pages of this mirror; NULL
 *	after ferry_mirror_disown()
 * @windows: the device's page table: struct ferry_window by address /
 *	FERRY_WINDOW_SIZE
 * @nwindows: number of windows in @windows; under the lock of @windows
 * @evict_hand: index where the search for a surplus window begins; under the
 *	lock of @windows
 * @stats: statistics of this mirror
 */
struct ferry_mirror {
	struct ferry_device *device;
	struct mm_struct *mm;
	struct ferry_owner *owner;
	struct xarray windows;
	unsigned long nwindows;
	unsigned long evict_hand;
	struct ferry_mirror_stats stats;
};

void ferry_mirrors_enable(void);
enum ferry_mirror_flags {
	FERRY_MIRROR_ALONE = 1,	/* no fault-around for its pages */
};

struct ferry_mirror *ferry_mirror_create(struct ferry_device *device,
					 enum ferry_mirror_flags flags);
void ferry_mirror_destroy(struct ferry_mirror *mirror);
int ferry_mirror_enter_own(struct ferry_mirror *mirror);
void ferry_mirror_leave(struct ferry_mirror *mirror);
int ferry_mirror_check(const struct ferry_mirror *mirror, u64 addr, u64 len);

#endif
