/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test fixture of the engine's KUnit suites: an address space with real
 * page tables, and a caller of the three phases that checks each destination.
 * Between setup and finalize mmap_lock and page locks are held: tests expect,
 * and do not assert.
 */
#ifndef FERRY_MIGRATE_KUNIT_H
#define FERRY_MIGRATE_KUNIT_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "engine.h"

/*
 * page->index of offered destinations. The engine must leave no other value in
 * an unused destination.
 */
#define FERRY_KUNIT_INDEX	0x0ffe12ed

struct ferry_kunit_device;

/**
 * struct ferry_kunit - the test fixture: a range of pages, and the caller's
 * records
 * @test: the test
 * @mm: address space of the test, equal to current->mm
 * @start: first byte of slot 0, page-aligned
 * @npages: number of slots
 * @vma: the mapping of slot 0, set by ferry_kunit_setup()
 * @migrate: arguments of the engine; a test may set flush before setup, and
 *	more between the phases
 * @src: source slots, @npages entries
 * @dst: destination slots, @npages entries
 * @outcome: outcomes, @npages entries
 * @offered: destinations that the caller offered, one per slot, or NULL
 * @puts: calls of put_dst, one count per slot
 * @device: device of the destinations; NULL: destinations are system pages
 * @fault_page: fault_page of struct migrate_vma; set by ferry_kunit_fault_begin()
 * @drop_in: call the phases without _ext; each destination has one more
 *	reference, which the fixture holds
 * @others_hold: other tasks have references on destinations, or wait for page
 *	locks
 * @notifier: set by ferry_kunit_watch() or ferry_kunit_watch_secondary()
 * @events: invalidations that began, by enum mmu_notifier_event
 * @secondary: invalidations of the TLBs of secondary MMUs: number of calls, and
 *	the last range
 * @on_collected: optional, called at the end of each MMU_NOTIFY_MIGRATE section
 */
struct ferry_kunit {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long npages;
	struct vm_area_struct *vma;
	struct ferry_migrate migrate;
	unsigned long *src;
	unsigned long *dst;
	u8 *outcome;
	struct page **offered;
	unsigned int *puts;
	struct ferry_kunit_device *device;
	struct page *fault_page;
	bool drop_in;
	bool others_hold;
	struct mmu_notifier notifier;
	unsigned int events[MMU_NOTIFY_EXCLUSIVE + 1];
	struct {
		unsigned int calls;
		unsigned long start;
		unsigned long end;
	} secondary;
	void (*on_collected)(struct ferry_kunit *t);
};

/**
 * struct ferry_kunit_child - a process that shares the pages of a fixture
 * @mm: address space of the process; NULL after ferry_kunit_child_end()
 * @ready: completed when the process runs
 * @end: completed when the process is to exit
 */
struct ferry_kunit_child {
	struct mm_struct *mm;
	struct completion ready;
	struct completion end;
};

/**
 * struct ferry_kunit_memory - statistics that a migration leaves unchanged
 * @rss: anonymous pages of the address space
 * @swap: swap entries of the address space
 * @lru: pages on the anonymous and unevictable LRU lists of the machine
 * @mapped: mapped anonymous pages of the machine
 * @isolated: anonymous pages of the machine off their LRU lists
 * @mlocked: mlocked pages of the machine
 */
struct ferry_kunit_memory {
	long rss;
	long swap;
	long lru;
	long mapped;
	long isolated;
	long mlocked;
};

/* Other tasks of a boot change the counts of the whole machine. */
#define FERRY_KUNIT_NOISE	32

static inline bool ferry_kunit_near(long a, long b)
{
	return abs(a - b) <= FERRY_KUNIT_NOISE;
}

static inline unsigned long ferry_kunit_addr(const struct ferry_kunit *t,
					     unsigned long slot)
{
	return t->start + slot * PAGE_SIZE;
}

/* kunit_range.c: the range */
struct ferry_kunit *ferry_kunit_create(struct kunit *test, unsigned long before,
				       unsigned long npages);
void ferry_kunit_write(struct ferry_kunit *t, unsigned long first, unsigned long n);
void ferry_kunit_read(struct ferry_kunit *t, unsigned long first, unsigned long n);
unsigned long ferry_kunit_wrong(struct ferry_kunit *t, unsigned long first,
				unsigned long n);
u64 ferry_kunit_word(unsigned long slot);
pte_t ferry_kunit_pte_of(struct mm_struct *mm, unsigned long addr);
pte_t ferry_kunit_pte(struct ferry_kunit *t, unsigned long slot);
struct page *ferry_kunit_page(struct ferry_kunit *t, unsigned long slot);
void ferry_kunit_set_pte(struct ferry_kunit *t, unsigned long slot, pte_t pte);
void ferry_kunit_unshare(struct ferry_kunit *t, unsigned long slot);
void ferry_kunit_memory(struct ferry_kunit *t, struct ferry_kunit_memory *memory);
void ferry_kunit_watch(struct ferry_kunit *t);
void ferry_kunit_watch_secondary(struct ferry_kunit *t);
struct ferry_kunit_child *ferry_kunit_fork(struct ferry_kunit *t);
void ferry_kunit_child_end(struct ferry_kunit_child *child);

/* kunit_caller.c: the caller */
int ferry_kunit_setup(struct ferry_kunit *t, unsigned long select);
struct page *ferry_kunit_offer(struct ferry_kunit *t, unsigned long slot);
void ferry_kunit_fault_begin(struct ferry_kunit *t, struct page *page);
void ferry_kunit_fault_end(struct ferry_kunit *t);
void ferry_kunit_offer_all(struct ferry_kunit *t);
void ferry_kunit_pages(struct ferry_kunit *t);
void ferry_kunit_finalize(struct ferry_kunit *t);
int ferry_kunit_migrate(struct ferry_kunit *t, unsigned long select);
bool ferry_kunit_fault(struct ferry_kunit *t, unsigned long slot);
unsigned long ferry_kunit_count(const struct ferry_kunit *t, u8 outcome);

/* kunit_device.c: device pages */
struct ferry_kunit_device *ferry_kunit_device_create(struct kunit *test);
struct page *ferry_kunit_device_alloc(struct ferry_kunit_device *device);
unsigned long ferry_kunit_device_used(const struct ferry_kunit_device *device);
unsigned long ferry_kunit_device_pfn(const struct ferry_kunit_device *device);
u64 *ferry_kunit_device_word(const struct page *page);

#endif
