/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the KUnit suites of the engine: an address space with real page tables, and a
 * caller of the three phases who sees to it that each destination comes back as often
 * as it must. Between setup and finalize mmap_lock and page locks are held: expect,
 * do not assert.
 */
#ifndef FERRY_MIGRATE_KUNIT_H
#define FERRY_MIGRATE_KUNIT_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "engine.h"

/* Of the pages that are offered; the engine must not leave another one behind. */
#define FERRY_KUNIT_INDEX	0x0ffe12ed

struct ferry_kunit_device;

/**
 * struct ferry_kunit - a range, and what the caller of the phases knows of it
 * @test: whose
 * @mm: current->mm as well
 * @start: first byte of slot 0
 * @npages: slots
 * @vma: from setup on
 * @migrate: arguments; a test may set flush before setup, and ext features to taste
 * @src: a slot for each page
 * @dst: the same
 * @outcome: the same
 * @offered: the destination of each slot
 * @puts: how often it came back
 * @device: NULL: destinations are system pages
 * @fault_page: as of struct migrate_vma
 * @drop_in: the phases without _ext; destinations have one more reference, the fixture's
 * @others_hold: others have references on destinations, or wait for their locks
 * @notifier: of ferry_kunit_watch() or ferry_kunit_watch_secondary()
 * @events: invalidations that began, by enum mmu_notifier_event
 * @secondary: invalidations of secondary MMUs' TLBs: how many, and the last range
 * @on_collected: optional: called when a MIGRATE section ends
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
 * @mm: its address space, until ferry_kunit_child_end()
 * @ready: it has come to live
 * @end: it is to exit
 */
struct ferry_kunit_child {
	struct mm_struct *mm;
	struct completion ready;
	struct completion end;
};

/**
 * struct ferry_kunit_memory - what a migration must leave as it was
 * @rss: anonymous pages of the address space
 * @swap: swap entries of it
 * @lru: pages on the anonymous lists
 * @mapped: mapped anonymous pages
 * @isolated: anonymous pages off their lists
 * @mlocked: locked pages
 */
struct ferry_kunit_memory {
	long rss;
	long swap;
	long lru;
	long mapped;
	long isolated;
	long mlocked;
};

/* Counts of the whole machine: a boot has other things to do beside. */
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
