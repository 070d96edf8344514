/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ferry's migration engine.
 *
 * The drop-in calls take and return what the kernel's calls of the same name without
 * "ferry" do, include/linux/migrate.h; a driver is moved over by renaming them. Flags
 * and pfn encodings are the kernel's. A driver tests the bits that it knows in src[]
 * and dst[] and leaves the others alone: the engine keeps notes in bits 2, 4 and 5
 * between setup and finalize.
 *
 * The extended calls, on struct ferry_migrate, add the reason why each page did not
 * move, the choice of flush strategy, counters, and a way to get unused destinations
 * back. The two kinds are not mixed within one migration, nor with the kernel's.
 *
 * Terms: addr is in bytes, npages a count, end is exclusive, a slot is the index of
 * a page in src[], dst[] and outcome[].
 */
#ifndef FERRY_MIGRATE_MIGRATE_H
#define FERRY_MIGRATE_MIGRATE_H

#include <linux/migrate.h>
#include <linux/types.h>

#include "outcome.h"

/**
 * enum ferry_flush - when the TLB is flushed for present entries that were cleared
 * @FERRY_FLUSH_DEFAULT: %FERRY_FLUSH_AUTO
 * @FERRY_FLUSH_PER_PAGE: for each exclusive page and each page table, as the kernel's
 *	migrate_vma_collect_pmd() does
 * @FERRY_FLUSH_PER_TABLE: once for each page table, before its lock drops
 * @FERRY_FLUSH_PER_CALL: once for each call, as reclaim does; where the architecture
 *	cannot defer a flush it is %FERRY_FLUSH_PER_TABLE. x86 keeps no range with a
 *	deferred flush: the whole TLB of each CPU of the process is flushed
 * @FERRY_FLUSH_AUTO: as wide as what moved: the range, before the lock of a page table
 *	drops, where the call lies in one table or few pages of a table move (their span
 *	is not above the architecture's limit for single-page flushes, 33 on x86; at most
 *	4 times a call); otherwise %FERRY_FLUSH_PER_CALL
 *
 * The values are those of enum drm_ferry_flush.
 */
enum ferry_flush {
	FERRY_FLUSH_DEFAULT,
	FERRY_FLUSH_PER_PAGE,
	FERRY_FLUSH_PER_TABLE,
	FERRY_FLUSH_PER_CALL,
	FERRY_FLUSH_AUTO,
	FERRY_NFLUSHES,
};

/**
 * struct ferry_migrate_counts - what one migration cost
 * @passes: times the range was collected, at least 1
 * @drains: times the LRU batches of all CPUs were drained, at most 2: once for a page
 *	with one reference too many, and after it once for a page on no LRU list
 * @splits: large folios that were split
 * @flushes: TLB flushes asked for by address; those of rmap walks in other address
 *	spaces share one
 * @known: pages whose only page-table entry was written where it was found
 * @walked: pages for which the rmap was walked to install them
 */
struct ferry_migrate_counts {
	unsigned int passes;
	unsigned int drains;
	unsigned long splits;
	unsigned long flushes;
	unsigned long known;
	unsigned long walked;
};

/**
 * struct ferry_migrate - one migration of a range, extended
 * @vma: as for migrate_vma_setup(), filled by the caller
 * @outcome: optional: a byte for each page, enum ferry_outcome, cleared by setup.
 *	The caller may store why it offers no destination (FERRY_NO_MEMORY, say)
 *	between setup and pages; each slot has its final value after finalize
 * @flush: when to flush
 * @put_dst: optional: takes over the reference on a destination page that was not
 *	used. The page is unlocked and as it was offered: no mapping, index, swapbacked
 *	flag or memcg charge of this call. Called exactly once for each page in dst[]
 *	that did not take the place of its source, from finalize, with mmap_lock held;
 *	may sleep. Without it the page is put
 * @counts: out: added to by each phase
 * @cleared: the engine's, from setup on: to the device, and clear_refs was called for the
 *	address space
 */
struct ferry_migrate {
	struct migrate_vma vma;
	u8 *outcome;
	enum ferry_flush flush;
	void (*put_dst)(struct ferry_migrate *migrate, struct page *page);
	struct ferry_migrate_counts counts;
	bool cleared;
};

int ferry_migrate_setup(struct migrate_vma *args);
void ferry_migrate_pages(struct migrate_vma *args);
void ferry_migrate_finalize(struct migrate_vma *args);

int ferry_migrate_device_range(unsigned long *src_pfns, unsigned long start,
			       unsigned long npages);
int ferry_migrate_device_pfns(unsigned long *src_pfns, unsigned long npages);
void ferry_migrate_device_pages(unsigned long *src_pfns, unsigned long *dst_pfns,
				unsigned long npages);
void ferry_migrate_device_finalize(unsigned long *src_pfns, unsigned long *dst_pfns,
				   unsigned long npages);

int ferry_migrate_setup_ext(struct ferry_migrate *migrate);
void ferry_migrate_pages_ext(struct ferry_migrate *migrate);
void ferry_migrate_finalize_ext(struct ferry_migrate *migrate);

#endif
