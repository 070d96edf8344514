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
 * Size of one memremap_pages() call. A chunk is one memory section, because the
 * kernel may find no single hole for the whole of a large device.
 */
#define FERRY_CHUNK_SIZE	SZ_128M
#define FERRY_CHUNK_PAGES	(FERRY_CHUNK_SIZE >> PAGE_SHIFT)

/*
 * A block is one contiguous allocation of backing store. The size of a device
 * is a multiple of a block.
 */
#define FERRY_BLOCK_ORDER	(ilog2(FERRY_MEMORY_ALIGN) - PAGE_SHIFT)
#define FERRY_BLOCK_PAGES	BIT(FERRY_BLOCK_ORDER)

/* Bits of ferry_page.flags. */
enum {
	FERRY_PAGE_FAULTING,	/* a CPU fault moves the page; one winner per page */
	FERRY_PAGE_ALONE,	/* ferry_owner.alone at the time of the hand-out */
};

/*
 * The low bit of ferry_page.holder, next to the owner. An eviction has the
 * page. Until the bit is dropped no other eviction takes the page, the pool
 * does not hand the page out, and the chunk stays.
 */
#define FERRY_PAGE_EVICTING	1UL

/**
 * struct ferry_page - the device's metadata for one of its pages
 * @holder: the owner of the page, NULL while the page is free, combined with
 *	FERRY_PAGE_EVICTING; memory.c argues each change
 * @flags: FERRY_PAGE_* bits
 *
 * zone_device_data of the struct page points to the metadata from creation to
 * destruction of the chunk. The pointer therefore needs no reference.
 */
struct ferry_page {
	atomic_long_t holder;
	unsigned long flags;
};

/**
 * struct ferry_chunk - a contiguous piece of device memory
 * @pagemap: the piece, as the kernel knows it
 * @memory: the memory of the device
 * @resource: private: an unused range of the physical address space; coherent:
 *	NULL, because ferry_memory.claim covers the whole device
 * @first: index of the first page among all pages of the device
 * @first_pfn: pfn of the first page
 * @npages: number of pages
 * @backing: private: npages / FERRY_BLOCK_PAGES blocks of backing store;
 *	coherent: NULL
 * @pages: metadata, one entry per page
 * @used: one bit per page; the pool does not hand out a page while its bit is
 *	set; bits are set under ferry_memory.lock and cleared without the lock
 * @nheld: pages that have an owner
 * @next: where the next search for a free page begins; under ferry_memory.lock
 * @next_gone: link in the list of chunks that were taken away and await
 *	destruction
 *
 * ferry_memory.lock guards the hand-out of pages (@used, @next). The free of a
 * page and an eviction take no lock: one atomic step on ferry_page.holder
 * decides (memory.c); @nheld is atomic. @next_gone belongs to the unplug that
 * took the chunk away. All other members are constant from creation to
 * destruction. Lock order: device/memory.h, and above it mirror/mirror.h.
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

/* The chunk of a device page, valid while the caller keeps the page's pgmap. */
static inline struct ferry_chunk *ferry_page_chunk(const struct page *page)
{
	return container_of(page_pgmap(page), struct ferry_chunk, pagemap);
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

struct ferry_chunk *ferry_chunk_create(struct ferry_memory *memory,
				       unsigned int index);
void ferry_chunk_destroy(struct ferry_chunk *chunk);
void *ferry_chunk_address(const struct ferry_chunk *chunk, unsigned long i);

#endif
