/* SPDX-License-Identifier: MIT */
/* PAGEMAP_SCAN: pages written since their last write protection. */
#ifndef FERRY_PAGEMAP_SCAN_H
#define FERRY_PAGEMAP_SCAN_H

/* The C library's copy can be too old. */
#include <include/uapi/linux/fs.h>

#include "ferry_test.h"

/*
 * Returns the number of pages written since the last protection, or -errno.
 * With @protect the scan protects the written pages again. @written may be
 * NULL: a bit for each of the first 64 pages. The range is registered with
 * UFFD_FEATURE_WP_ASYNC.
 */
static inline long pagemap_scan(const void *memory, size_t n, bool protect, uint64_t *written)
{
	struct page_region regions[64] = { 0 };
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.flags = PM_SCAN_CHECK_WPASYNC | (protect ? PM_SCAN_WP_MATCHING : 0),
		.start = ptr(memory),
		.end = ptr(memory) + n,
		.vec = ptr(regions),
		.vec_len = 64,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	long i, found, pages = 0;
	uint64_t bits = 0, page;

	found = ioctl(fd, PAGEMAP_SCAN, &scan);
	if (found < 0)
		pages = -errno;
	for (i = 0; i < found; i++) {
		pages += (regions[i].end - regions[i].start) / page_size();
		page = (regions[i].start - ptr(memory)) / page_size();
		for (; page < 64 && ptr(memory) + page * page_size() < regions[i].end; page++)
			bits |= 1ull << page;
	}
	close(fd);
	if (written)
		*written = bits;
	return pages;
}

#endif
