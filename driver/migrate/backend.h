/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_BACKEND_H
#define FERRY_MIGRATE_BACKEND_H

#include <linux/migrate.h>
#include <linux/types.h>

struct vm_area_struct;

/* Values of enum drm_ferry_backend; checked in the front end. */
enum ferry_backend_id {
	FERRY_BACKEND_DEFAULT,
	FERRY_BACKEND_CORE,
	FERRY_BACKEND_OWN,
};

/**
 * struct ferry_backend - an engine
 * @name: as the parameter backend= spells it
 * @survives_ksm: whether it may meet KSM-merged pages
 * @setup: collect, lock and unmap a range; see migrate_vma_setup(). The caller
 *	holds mmap_lock; sleeps
 * @pages: move the metadata, after the data was copied
 * @finalize: put the new pages into the page table, or the old ones back
 * @device_range: as @setup, for consecutive device pfns; without mmap_lock the
 *	caller holds the anon_vmas (see anon_vma.h)
 * @device_pages: as @pages
 * @device_finalize: as @finalize
 *
 * All are required.
 */
struct ferry_backend {
	const char *name;
	bool survives_ksm;
	int (*setup)(struct migrate_vma *args);
	void (*pages)(struct migrate_vma *args);
	void (*finalize)(struct migrate_vma *args);
	int (*device_range)(unsigned long *src, unsigned long start,
			    unsigned long npages);
	void (*device_pages)(unsigned long *src, unsigned long *dst,
			     unsigned long npages);
	void (*device_finalize)(unsigned long *src, unsigned long *dst,
				unsigned long npages);
};

int ferry_backend_init(const char *name);
const struct ferry_backend *ferry_backend_get(unsigned int id);
unsigned int ferry_backend_available(void);

#endif
