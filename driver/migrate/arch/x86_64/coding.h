/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Type and offset of a page-table entry that is neither present nor empty, in
 * x86-64's own layout.
 *
 * The kernel's helpers clear the flags (soft-dirty, uffd write-protect,
 * exclusive) one by one, pack the rest into a form that is the same for all
 * architectures, and take the form apart again. On x86-64 type and offset stand
 * above all flags, and the architecture's macros shift the flags out.
 * docs/engine.md has the gain.
 *
 * Kbuild chooses this file; CONFIG_FERRY_GENERIC chooses ../generic/coding.h,
 * as in the debug kernel. coding_test.c compares both with the kernel's
 * helpers.
 */
#ifndef FERRY_MIGRATE_CODING_H
#define FERRY_MIGRATE_CODING_H

#include <linux/swap.h>

#include "compat.h"

static_assert((_PAGE_SWP_SOFT_DIRTY | _PAGE_SWP_UFFD | _PAGE_SWP_EXCLUSIVE) <
	      BIT(SWP_OFFSET_FIRST_BIT));

static inline bool ferry_coding_is_swap(pte_t pte)
{
	return !pte_none(pte) && !(pte_val(pte) & (_PAGE_PRESENT | _PAGE_PROTNONE));
}

static inline unsigned long ferry_coding_type(pte_t pte)
{
	return __swp_type(__pte_to_swp_entry(pte));
}

static inline unsigned long ferry_coding_offset(pte_t pte)
{
	return __swp_offset(__pte_to_swp_entry(pte));
}

static inline pte_t ferry_coding_make(unsigned long type, unsigned long offset)
{
	return __swp_entry_to_pte(__swp_entry(type, offset));
}

static inline pte_t ferry_coding_replace(pte_t old, unsigned long type,
					 unsigned long offset)
{
	return __pte(pte_val(ferry_coding_make(type, offset)) |
		     (pte_val(old) & (_PAGE_SWP_SOFT_DIRTY | _PAGE_SWP_UFFD)));
}

#endif
