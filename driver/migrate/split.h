/* SPDX-License-Identifier: GPL-2.0-only */
/* Splits of large folios: see split.c. */
#ifndef FERRY_MIGRATE_SPLIT_H
#define FERRY_MIGRATE_SPLIT_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;

#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
int ferry_split_at(struct vm_area_struct *vma, unsigned long addr, unsigned long *next);
void ferry_split_range(struct mm_struct *mm, unsigned long start, unsigned long end);
#else
static inline void ferry_split_range(struct mm_struct *mm, unsigned long start,
				     unsigned long end)
{
}
#endif

/* Whether ferry_split_range() does anything on this kernel. */
static inline bool ferry_split_can(void)
{
	return IS_ENABLED(CONFIG_FERRY_MIGRATE);
}

#endif
