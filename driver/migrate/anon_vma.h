/* SPDX-License-Identifier: GPL-2.0-only */
/* References on an anon_vma, for migrations by pfn: see anon_vma.c. */
#ifndef FERRY_MIGRATE_ANON_VMA_H
#define FERRY_MIGRATE_ANON_VMA_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct anon_vma;
struct folio;

#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
struct anon_vma *ferry_anon_vma_get(struct folio *folio);
void ferry_anon_vma_put(struct anon_vma *anon_vma);
#else
static inline struct anon_vma *ferry_anon_vma_get(struct folio *folio)
{
	return NULL;
}

static inline void ferry_anon_vma_put(struct anon_vma *anon_vma)
{
}
#endif

/* Whether ferry_anon_vma_get() works on this kernel. */
static inline bool ferry_anon_vma_can_hold(void)
{
	return IS_ENABLED(CONFIG_FERRY_MIGRATE);
}

#endif
