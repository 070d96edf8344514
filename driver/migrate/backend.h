/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_BACKEND_H
#define FERRY_MIGRATE_BACKEND_H

#include <linux/bits.h>
#include <linux/types.h>

#include "migrate.h"
#include "timing.h"

/* Values of enum drm_ferry_backend; the front end checks the equality. */
enum ferry_backend_id {
	FERRY_BACKEND_DEFAULT,
	FERRY_BACKEND_CORE,
	FERRY_BACKEND_OWN,
};

/* What an engine can do, or does by itself. */
enum ferry_can {
	FERRY_CAN_MEET_KSM = BIT(0),	/* refuses pages merged by KSM one by one */
	FERRY_CAN_KEEP_LIMIT = BIT(1),	/* holes at a memory cgroup's limit stay, no kill */
	FERRY_CAN_HOLD_ANON_VMA = BIT(2), /* by pfn: keeps the anon_vmas (anon_vma.h) */
	FERRY_CAN_SELECT_ANON = BIT(3),	/* by address: leaves pages of files and of KSM alone */
	FERRY_CAN_REPORT_OUTCOMES = BIT(4), /* after finalize each page has an outcome */
	FERRY_CAN_MOVE_TO_NODE = BIT(5), /* struct ferry_migrate, to_node */
};

/**
 * struct ferry_backend - an engine
 * @name: name of the engine, as in the parameter backend=
 * @timing: engine in the timing's sums
 * @can: bits of enum ferry_can. Where a bit is missing, the caller must
 *	avoid the case, or do the work
 * @flushes: mask of the engine's strategies; bit N is enum ferry_flush N
 * @setup: phase 1, by address; called through ferry_backend_setup()
 * @pages: phase 2; called through ferry_backend_pages()
 * @finalize: phase 3; called through ferry_backend_finalize()
 * @device_range: phase 1 for consecutive pfns of a device; the caller needs no
 *	mmap_lock
 * @device_pages: phase 2, after @device_range
 * @device_finalize: phase 3, after @device_range
 *
 * All members but @can are required.
 */
struct ferry_backend {
	const char *name;
	enum ferry_timing_engine timing;
	unsigned int can;
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
int ferry_backend_setup(const struct ferry_backend *backend, struct ferry_migrate *migrate);
void ferry_backend_pages(const struct ferry_backend *backend, struct ferry_migrate *migrate);
void ferry_backend_finalize(const struct ferry_backend *backend, struct ferry_migrate *migrate);

#endif
