/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_BACKEND_H
#define FERRY_MIGRATE_BACKEND_H

#include <linux/types.h>

#include "migrate.h"
#include "stamp.h"

/* Values of enum drm_ferry_backend; checked in the front end. */
enum ferry_backend_id {
	FERRY_BACKEND_DEFAULT,
	FERRY_BACKEND_CORE,
	FERRY_BACKEND_OWN,
};

/**
 * struct ferry_backend - an engine
 * @name: as the parameter backend= spells it
 * @stamp: whose time its calls take
 * @survives_ksm: whether it may meet KSM-merged pages
 * @survives_limit: whether holes at a memory cgroup's limit stay, with no process killed
 * @holds_anon_vma: whether the forms by pfn keep the anon_vmas of their pages; else
 *	the caller does (see anon_vma.h)
 * @anon_only: whether the pages of a range that it collects are anonymous, and not merged
 * @tells_outcomes: whether each page of a range has its outcome after @finalize
 * @flushes: bit N is set for each enum ferry_flush N that it can
 * @setup: collect, lock and unmap a range; see migrate_vma_setup(). The caller
 *	holds mmap_lock; sleeps
 * @pages: move the metadata, after the data was copied
 * @finalize: put the new pages into the page table, or the old ones back
 * @device_range: as @setup, for consecutive device pfns; without mmap_lock
 * @device_pages: as @pages
 * @device_finalize: as @finalize
 *
 * All are required.
 */
struct ferry_backend {
	const char *name;
	enum ferry_stamp_engine stamp;
	bool survives_ksm;
	bool survives_limit;
	bool holds_anon_vma;
	bool anon_only;
	bool tells_outcomes;
	unsigned int flushes;
	int (*setup)(struct ferry_migrate *migrate);
	void (*pages)(struct ferry_migrate *migrate);
	void (*finalize)(struct ferry_migrate *migrate);
	int (*device_range)(unsigned long *src, unsigned long start,
			    unsigned long npages);
	void (*device_pages)(unsigned long *src, unsigned long *dst,
			     unsigned long npages);
	void (*device_finalize)(unsigned long *src, unsigned long *dst,
				unsigned long npages);
};

int ferry_backend_init(const char *name, const char *flush);
enum ferry_flush ferry_backend_flush(const struct ferry_backend *backend,
				     enum ferry_flush flush);
const struct ferry_backend *ferry_backend_get(unsigned int id);
unsigned int ferry_backend_available(void);

#endif
