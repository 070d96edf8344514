/* SPDX-License-Identifier: MIT */
/* Huge folios. */
#ifndef FERRY_THP_H
#define FERRY_THP_H

#include "pagemap.h"

/* Memory aligned to @n, a power of two, with MADV_HUGEPAGE. */
static inline void *_test_map_huge(size_t n)
{
	void *huge = _test_map_aligned(n);

	return huge == MAP_FAILED || madvise(huge, n, MADV_HUGEPAGE) ? MAP_FAILED : huge;
}

/* Is the page part of a huge folio? */
static inline bool is_in_thp(const void *addr)
{
	return kpageflags(addr) & KPF_THP;
}

#endif
