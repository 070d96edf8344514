/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel interfaces that the driver uses and that differ between Linux 6.12 and
 * 7.3: pages of devices, allocation, DRM. The driver is written for 7.3; this
 * file has the rest for 6.12. driver/probe sets FERRY_HAS_*, one for each
 * symbol, and only the two compat.h test the macros or a version.
 */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/rmap.h>

/* The flags word of a page or folio. On 7.x the word has a type of its own. */
#define ferry_flags(page)						\
	(BUILD_BUG_ON_ZERO(sizeof((page)->flags) != sizeof(unsigned long)) +	\
	 (unsigned long *)&(page)->flags)

#ifndef FERRY_HAS_PAGE_PGMAP
static inline struct dev_pagemap *page_pgmap(const struct page *page)
{
	return page->pgmap;
}
#endif

/* Member of struct dev_pagemap_ops for freed pages, and the callback's argument. */
#ifdef FERRY_HAS_FOLIO_FREE
#define ferry_free_op	folio_free
#define ferry_freed	struct folio
#else
#define ferry_free_op	page_free
#define ferry_freed	struct page
#endif

/* A small page of a device, locked, with one reference. */
static inline void ferry_zone_device_page_init(struct page *page)
{
#ifdef FERRY_HAS_INIT_WITH_PGMAP
	zone_device_page_init(page, page_pgmap(page), 0);
#else
	zone_device_page_init(page);
#endif
}

static inline struct dev_pagemap *ferry_get_dev_pagemap(unsigned long pfn)
{
#ifdef FERRY_HAS_GET_PAGEMAP_OF_PFN
	return get_dev_pagemap(pfn);
#else
	return get_dev_pagemap(pfn, NULL);
#endif
}

#ifndef alloc_pages_bulk
#define alloc_pages_bulk	alloc_pages_bulk_array
#endif
#ifndef alloc_pages_bulk_node
#define alloc_pages_bulk_node	alloc_pages_bulk_array_node
#endif

#ifdef FERRY_HAS_VMA_FOLIO_HUGEPAGE
#define ferry_vma_alloc_folio(gfp, vma, addr)	vma_alloc_folio(gfp, 0, vma, addr, false)
#else
#define ferry_vma_alloc_folio(gfp, vma, addr)	vma_alloc_folio(gfp, 0, vma, addr)
#endif

/*
 * Exclusive access to the pages of a range. mmap_lock is held. Returns the
 * number of looked-at pages, or a negative errno. Each page in @pages is locked
 * and referenced, or NULL.
 */
static inline int ferry_make_device_exclusive(struct mm_struct *mm, unsigned long start,
					      unsigned long end, struct page **pages,
					      void *owner)
{
#ifdef FERRY_HAS_ONE_EXCLUSIVE
	struct folio *folio;
	int n = 0;

	for (; start < end; start += PAGE_SIZE, n++) {
		pages[n] = make_device_exclusive(mm, start, owner, &folio);
		if (IS_ERR(pages[n]))
			pages[n] = NULL;
	}
	return n;
#else
	return make_device_exclusive_range(mm, start, end, pages, owner);
#endif
}

/* 6.12 warns of a driver without a date. */
#ifdef FERRY_HAS_DRM_DATE
#define FERRY_DRM_DATE	.date = "20261121",
#else
#define FERRY_DRM_DATE
#endif

#endif
