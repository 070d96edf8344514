/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ferry's migration engine: the interface for callers.
 *
 * Drop-in calls take and return what the kernel's calls do
 * (include/linux/migrate.h): ferry_migrate_setup() stands for
 * migrate_vma_setup(), ferry_migrate_device_range() for migrate_device_range(),
 * and likewise for the others. A driver changes the names of its calls and
 * nothing else. Flags and pfn encodings are the kernel's. Between setup and
 * finalize the engine keeps notes in bits 2 and 5 of src[], and in bits 1, 2
 * and 5 of dst[]; a driver tests the known bits and leaves the other bits alone.
 *
 * Extended calls, on struct ferry_migrate, add:
 *
 * - the reason why each page did not move
 * - the choice of flush strategy
 * - counters
 * - a callback that gets the unused destinations back
 *
 * One migration uses calls of one kind, and no call of the kernel's engine.
 *
 * Terms: addr is in bytes, npages is a count, end is exclusive, a slot is the
 * index of a page in src[], dst[] and outcome[]. A call, in bounds and flush
 * strategies, is one setup with its pages and finalize phases: one batch of
 * Ferry's driver, at most 2,048 pages. engine.h describes ownership and lock
 * order.
 */
#ifndef FERRY_MIGRATE_MIGRATE_H
#define FERRY_MIGRATE_MIGRATE_H

#include <linux/migrate.h>
#include <linux/types.h>

#include "outcome.h"

/**
 * enum ferry_flush - when the TLB is flushed for cleared present entries
 * @FERRY_FLUSH_DEFAULT: %FERRY_FLUSH_AUTO
 * @FERRY_FLUSH_PER_PAGE: one flush for each exclusive page and each page table,
 *	as in the kernel's migrate_vma_collect_pmd()
 * @FERRY_FLUSH_PER_TABLE: one flush for each page table, before the table's
 *	lock drops
 * @FERRY_FLUSH_PER_CALL: one flush for each call, as in reclaim; becomes
 *	%FERRY_FLUSH_PER_TABLE where the architecture cannot defer a flush. x86
 *	keeps no range with a deferred flush: the flush empties the whole TLB of
 *	each CPU of the process
 * @FERRY_FLUSH_AUTO: the range is flushed before the lock of a page table
 *	drops, where the call lies in one table or few pages of a table move:
 *	their span is not above the architecture's limit for single-page flushes
 *	(33 on x86), and the call did so at most 4 times. Otherwise
 *	%FERRY_FLUSH_PER_CALL, of the whole TLB
 * @FERRY_NFLUSHES: number of values
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
 * struct ferry_migrate_counts - cost of one migration
 * @passes: how often the range was collected, at least 1
 * @drains: how often the LRU batches of all CPUs were drained, at most 2: once
 *	for a page with one extra reference, and after it once for a page on no
 *	LRU list
 * @splits: number of large folios that were split
 * @flushes: number of TLB flushes that were requested by address, without the
 *	flush of each replaced zero page (insert.c); the rmap walks in other
 *	address spaces share one flush
 * @known: number of pages whose only page-table entry was written at the noted
 *	address (fast path)
 * @walked: number of pages that were installed by an rmap walk (rmap path)
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
 * struct ferry_migrate - one extended migration of a range
 * @vma: as for migrate_vma_setup(), set by the caller
 * @outcome: optional: one byte for each page, enum ferry_outcome, cleared by
 *	setup. Between setup and pages the caller may store why a page gets no
 *	destination (for example FERRY_NO_MEMORY). Each slot has its final value
 *	after finalize
 * @flush: when the TLB is flushed
 * @put_dst: optional: takes over the reference on an unused destination page.
 *	The page is unlocked and as offered: no mapping, index, swapbacked flag
 *	or memcg charge of the migration. Finalize calls @put_dst exactly once
 *	for each page in dst[] that did not take the place of its source, with
 *	mmap_lock held; may sleep. Without @put_dst the engine puts the page
 * @counts: out: each phase adds to the counters
 * @cleared: written and read by the engine from setup on: the pages move to the
 *	device, and clear_refs was called for the address space
 * @to_node: pages of other nodes, and pages of the selected devices, move to
 *	system memory of @node; flags has MIGRATE_VMA_SELECT_SYSTEM. A hole and
 *	the zero page stay (%FERRY_HOLE)
 * @shared: with @to_node: pages that are mapped more than once move too; false:
 *	such a page stays (%FERRY_SHARED)
 * @node: with @to_node: the node. The caller allocates destinations there
 */
struct ferry_migrate {
	struct migrate_vma vma;
	u8 *outcome;
	enum ferry_flush flush;
	void (*put_dst)(struct ferry_migrate *migrate, struct page *page);
	struct ferry_migrate_counts counts;
	bool cleared;
	bool to_node;
	bool shared;
	int node;
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

#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
bool ferry_migrate_wants_copy(struct folio *folio);
#else
static inline bool ferry_migrate_wants_copy(struct folio *folio)
{
	return true;
}
#endif

int ferry_migrate_setup_ext(struct ferry_migrate *migrate);
void ferry_migrate_pages_ext(struct ferry_migrate *migrate);
void ferry_migrate_finalize_ext(struct ferry_migrate *migrate);

#endif
