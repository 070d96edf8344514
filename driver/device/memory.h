/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_MEMORY_H
#define FERRY_DEVICE_MEMORY_H

#include <linux/atomic.h>
#include <linux/memremap.h>
#include <linux/mm_types.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "config.h"

/*
 * One memremap_pages() each: a memory section, so that the kernel need not find
 * a single hole for the whole of a large device.
 */
#define FERRY_CHUNK_SIZE	SZ_128M

/**
 * struct ferry_owner - who device pages are handed out to
 * @held: pages handed out and not back yet; under ferry_memory.lock
 * @cpu_faults: pages of this owner that a CPU's touch brought home; same lock
 * @cpu_fault_races: touches that found another thread at it; same lock
 *
 * Embedded in whatever asks for pages; it lives until ferry_memory_disown().
 */
struct ferry_owner {
	unsigned long held;
	u64 cpu_faults;
	u64 cpu_fault_races;
};

/* Bits of ferry_page.flags */
enum {
	FERRY_PAGE_COMING_HOME,	/* a CPU fault has it: one winner per page */
	FERRY_PAGE_EVICTING,	/* not to be handed out anew for now */
};

/**
 * struct ferry_page - the device's metadata for one of its pages
 * @owner: who it was handed out to, NULL while free; under ferry_memory.lock
 * @flags: FERRY_PAGE_* bits
 *
 * struct page's zone_device_data points here from creation to destruction, so
 * that what it points to needs no reference.
 */
struct ferry_page {
	struct ferry_owner *owner;
	unsigned long flags;
};

struct ferry_memory;

/**
 * struct ferry_chunk - a contiguous piece of device memory
 * @pagemap: what the kernel knows of it
 * @memory: the whole
 * @resource: its place in the physical address space, where no memory is
 * @first_pfn: of its first page
 * @npages: how many
 * @backing: the store, npages / FERRY_BLOCK_PAGES blocks
 * @pages: metadata, one for each page
 * @used: a bit for each page that is handed out; under ferry_memory.lock
 * @next_free: no page below is free; under ferry_memory.lock
 */
struct ferry_chunk {
	struct dev_pagemap pagemap;
	struct ferry_memory *memory;
	struct resource *resource;
	unsigned long first_pfn;
	unsigned long npages;
	struct page **backing;
	struct ferry_page *pages;
	unsigned long *used;
	unsigned long next_free;
};

/**
 * struct ferry_memory - all memory of one device
 * @npages: capacity, a hard limit
 * @nchunks: entries of @chunks
 * @chunks: in no particular order of addresses
 * @ops: what the kernel calls for the pages of all chunks
 * @lock: guards the members below and those named above. Innermost: page_free
 *	runs under page-table locks, and for pages that I/O pinned perhaps in
 *	interrupt context, so it is taken with interrupts off and nothing is
 *	taken under it
 * @nused: pages handed out
 * @orphans: owner of pages whose owner went away before they could come home
 */
struct ferry_memory {
	unsigned long npages;
	unsigned int nchunks;
	struct ferry_chunk **chunks;
	struct dev_pagemap_ops ops;

	spinlock_t lock;	/* see above */
	unsigned long nused;
	struct ferry_owner orphans;
};

struct ferry_memory *
ferry_memory_create(const struct ferry_device_config *config, void *pgmap_owner,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf));
void ferry_memory_destroy(struct ferry_memory *memory);

unsigned long ferry_memory_alloc(struct ferry_memory *memory,
				 struct ferry_owner *owner, unsigned long n,
				 struct page **pages);
void ferry_memory_free(struct ferry_memory *memory, struct page **pages,
		       unsigned long n);
unsigned long ferry_memory_used(struct ferry_memory *memory);
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner);
unsigned long ferry_memory_evict_begin(struct ferry_memory *memory,
				       const struct ferry_owner *owner,
				       unsigned long *cursor, unsigned long max,
				       unsigned long *pfn);
void ferry_memory_evict_end(struct ferry_memory *memory, unsigned long pfn,
			    unsigned long n);

bool ferry_memory_owns(const struct page *page);
void *ferry_memory_address(const struct page *page);

bool ferry_memory_fault_begin(struct page *page);
void ferry_memory_fault_end(struct page *page, bool came_home);

#endif
