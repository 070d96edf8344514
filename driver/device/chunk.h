/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_CHUNK_H
#define FERRY_DEVICE_CHUNK_H

#include <linux/atomic.h>
#include <linux/log2.h>
#include <linux/memremap.h>
#include <linux/sizes.h>
#include <linux/types.h>

#include "memory.h"

/*
 * One memremap_pages() each: a memory section, so that the kernel need not find
 * a single hole for the whole of a large device.
 */
#define FERRY_CHUNK_SIZE	SZ_128M
#define FERRY_CHUNK_PAGES	(FERRY_CHUNK_SIZE >> PAGE_SHIFT)

/* Of this many pages the contents lie in one piece of memory: what sizes are multiples of. */
#define FERRY_BLOCK_ORDER	(ilog2(FERRY_MEMORY_ALIGN) - PAGE_SHIFT)
#define FERRY_BLOCK_PAGES	BIT(FERRY_BLOCK_ORDER)

/* Bits of ferry_page.flags */
enum {
	FERRY_PAGE_COMING_HOME,	/* a CPU fault has it: one winner per page */
	FERRY_PAGE_ALONE,	/* the owner's, when it was handed out */
};

/*
 * In ferry_page.holder, beside the owner: one eviction has the page, and no other takes
 * it; the page is not handed out anew, and its chunk stays.
 */
#define FERRY_PAGE_EVICTING	1UL

/**
 * struct ferry_page - the device's metadata for one of its pages
 * @holder: the owner that it was handed out to, NULL while free, and
 *	FERRY_PAGE_EVICTING; see memory.c
 * @flags: FERRY_PAGE_* bits
 *
 * struct page's zone_device_data points here from creation to destruction, so
 * that what it points to needs no reference.
 */
struct ferry_page {
	atomic_long_t holder;
	unsigned long flags;
};

/**
 * struct ferry_chunk - a contiguous piece of device memory
 * @pagemap: what the kernel knows of it
 * @memory: the whole
 * @resource: private: its place in the physical address space, where no memory
 *	is; coherent: NULL, the claim is the whole device's
 * @first: its first page's place among all of the device's
 * @first_pfn: of its first page
 * @npages: how many
 * @backing: private: the store, npages / FERRY_BLOCK_PAGES blocks; coherent: NULL
 * @pages: metadata, one for each page
 * @used: a bit for each page that is not to be handed out; set under
 *	ferry_memory.lock, cleared without
 * @nheld: pages that have an owner
 * @next: where to look for a free page first; under ferry_memory.lock
 * @next_gone: links chunks that were taken away and are to be destroyed
 */
struct ferry_chunk {
	struct dev_pagemap pagemap;
	struct ferry_memory *memory;
	struct resource *resource;
	unsigned long first;
	unsigned long first_pfn;
	unsigned long npages;
	struct page **backing;
	struct ferry_page *pages;
	unsigned long *used;
	atomic_long_t nheld;
	unsigned long next;
	struct ferry_chunk *next_gone;
};

static inline struct ferry_chunk *ferry_page_chunk(const struct page *page)
{
	return container_of(page->pgmap, struct ferry_chunk, pagemap);
}

static inline struct ferry_page *ferry_page_meta(const struct page *page)
{
	return page->zone_device_data;
}

static inline unsigned long ferry_page_index(const struct ferry_chunk *chunk,
					     const struct page *page)
{
	return ferry_page_meta(page) - chunk->pages;
}

static inline struct ferry_owner *ferry_holder_owner(unsigned long holder)
{
	return (struct ferry_owner *)(holder & ~FERRY_PAGE_EVICTING);
}

/* owner.c */
void ferry_owner_has_none(struct ferry_memory *memory, struct ferry_owner *owner);

/* One page less; an owner that was disowned goes with the last. */
static inline void ferry_owner_drop(struct ferry_memory *memory, struct ferry_owner *owner)
{
	if (unlikely(owner->user))
		atomic_long_dec(&owner->user->held);
	if (atomic_long_dec_and_test(&owner->held))
		ferry_owner_has_none(memory, owner);
}

/* chunk.c */
struct ferry_chunk *ferry_chunk_create(struct ferry_memory *memory,
				       unsigned int index);
void ferry_chunk_destroy(struct ferry_chunk *chunk);
void *ferry_chunk_address(const struct ferry_chunk *chunk, unsigned long i);

#endif
