// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's copy engine: whole pages, in runs of consecutive pfns on both
 * sides. The caller holds what keeps the pages still: both locked, the source
 * unmapped and the TLB flushed, as between migrate_vma_setup() and
 * migrate_vma_pages().
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "copy.h"
#include "memory.h"

/**
 * ferry_copy_to_device() - copy system pages into device pages
 * @dpage: first device page
 * @spage: first system page
 * @n: pages
 */
void ferry_copy_to_device(struct page *dpage, struct page *spage, unsigned long n)
{
	for (; n--; dpage++, spage++)
		memcpy_from_page(ferry_memory_address(dpage), spage, 0, PAGE_SIZE);
}

/**
 * ferry_copy_from_device() - copy device pages into system pages
 * @spage: first system page
 * @dpage: first device page
 * @n: pages
 */
void ferry_copy_from_device(struct page *spage, struct page *dpage, unsigned long n)
{
	for (; n--; dpage++, spage++)
		memcpy_to_page(spage, 0, ferry_memory_address(dpage), PAGE_SIZE);
}

/**
 * ferry_copy_clear() - zero device pages
 * @dpage: first device page
 * @n: pages
 */
void ferry_copy_clear(struct page *dpage, unsigned long n)
{
	for (; n--; dpage++)
		clear_page(ferry_memory_address(dpage));
}
