/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_BACKEND_H
#define FERRY_MIGRATE_BACKEND_H

#include <linux/types.h>

#include "migrate.h"
#include "stamp.h"

/* Values of enum drm_ferry_backend; the front end checks the equality. */
enum ferry_backend_id {
	FERRY_BACKEND_DEFAULT,
	FERRY_BACKEND_CORE,
	FERRY_BACKEND_OWN,
};

/**
 * struct ferry_backend - an engine
 * @name: name of the engine, as in the parameter backend=
 * @stamp: engine in the timing's sums
 * @survives_ksm: the engine may meet pages merged by KSM
 * @survives_limit: holes at a memory cgroup's limit stay, and no process is
 *	killed
 * @holds_anon_vma: the forms by pfn keep the anon_vmas of their pages;
 *	otherwise the caller must (see anon_vma.h)
 * @anon_only: the pages that the engine collects in a range are anonymous, and
 *	not merged by KSM
 * @tells_outcomes: each page of a range has its outcome after @finalize
 * @flushes: mask of the engine's strategies; bit N is enum ferry_flush N
 * @setup: collects, locks and unmaps a range; see migrate_vma_setup(). The
 *	caller holds mmap_lock from before @setup until after @finalize; sleeps
 * @pages: moves the metadata, after the caller copied the data; sleeps
 * @finalize: maps the new pages, or the old pages again; sleeps
 * @device_range: as @setup, for consecutive pfns of a device; the caller needs
 *	no mmap_lock
 * @device_pages: as @pages, after @device_range
 * @device_finalize: as @finalize, after @device_range
 *
 * All members are required.
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
