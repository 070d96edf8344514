/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Type and offset of a page-table entry that is neither present nor empty, by
 * the kernel's helpers, for any architecture. ../x86_64/coding.h has the
 * argument.
 */
#ifndef FERRY_MIGRATE_CODING_H
#define FERRY_MIGRATE_CODING_H

#include <linux/swap.h>

#include "compat.h"

/* Neither empty nor present. */
static inline bool ferry_coding_is_swap(pte_t pte)
{
	return !pte_none(pte) && !pte_present(pte);
}

static inline unsigned long ferry_coding_type(pte_t pte)
{
	return swp_type(softleaf_from_pte(pte));
}

static inline unsigned long ferry_coding_offset(pte_t pte)
{
	return swp_offset(softleaf_from_pte(pte));
}

static inline pte_t ferry_coding_make(unsigned long type, unsigned long offset)
{
	return swp_entry_to_pte(swp_entry(type, offset));
}

/* Keeps soft-dirty and uffd write-protect of @old. */
static inline pte_t ferry_coding_replace(pte_t old, unsigned long type,
					 unsigned long offset)
{
	pte_t pte = ferry_coding_make(type, offset);

	if (pte_swp_soft_dirty(old))
		pte = pte_swp_mksoft_dirty(pte);
	if (pte_swp_uffd(old))
		pte = pte_swp_mkuffd(pte);
	return pte;
}

#endif
