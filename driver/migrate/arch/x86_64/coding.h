/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Type and offset of a page-table entry that is neither present nor none, as x86-64
 * has them.
 *
 * The kernel's helpers clear the flags (soft-dirty, uffd write-protect, exclusive) one by
 * one, and pack what is left into a form that is the same everywhere, to take it apart
 * again. Here type and offset stand above all flags, and the architecture's own macros
 * shift those out. What it gains is in docs/engine.md.
 *
 * Chosen in Kbuild; CONFIG_FERRY_GENERIC chooses the twin in ../generic, as the debug
 * kernel has it. coding_test.c holds either against the kernel's helpers.
 */
#ifndef FERRY_MIGRATE_CODING_H
#define FERRY_MIGRATE_CODING_H

#include <linux/swap.h>
#include <linux/swapops.h>

static_assert((_PAGE_SWP_SOFT_DIRTY | _PAGE_SWP_UFFD_WP | _PAGE_SWP_EXCLUSIVE) <
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
		     (pte_val(old) & (_PAGE_SWP_SOFT_DIRTY | _PAGE_SWP_UFFD_WP)));
}

#endif
