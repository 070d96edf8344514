/* SPDX-License-Identifier: GPL-2.0-only */
/* The NUMA node for a page that was found by pfn: see placement.c. */
#ifndef FERRY_MIGRATE_PLACEMENT_H
#define FERRY_MIGRATE_PLACEMENT_H

#include <linux/gfp.h>
#include <linux/kconfig.h>

struct folio;
struct mm_struct;

#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
struct folio *ferry_placement_alloc(struct folio *from, struct mm_struct *held, gfp_t gfp);
#else
static inline struct folio *ferry_placement_alloc(struct folio *from, struct mm_struct *held,
						  gfp_t gfp)
{
	return folio_alloc(gfp, 0);
}
#endif

#endif
