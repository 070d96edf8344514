// SPDX-License-Identifier: GPL-2.0-only
/* Compares the coding that Kbuild chose with the kernel's helpers. */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/swap.h>

#include "compat.h"
#include "entry.h"

#define SOFT_DIRTY	1
#define UFFD_WP		2
#define EXCLUSIVE	4
#define NFLAGS		8

#define NTYPES	BIT(MAX_SWAPFILES_SHIFT)

static pte_t with_flags(pte_t pte, unsigned int flags)
{
	if (flags & SOFT_DIRTY)
		pte = pte_swp_mksoft_dirty(pte);
	if (flags & UFFD_WP)
		pte = pte_swp_mkuffd(pte);
	if (flags & EXCLUSIVE)
		pte = pte_swp_mkexclusive(pte);
	return pte;
}

static void check_entry(struct kunit *test, unsigned long type, unsigned long offset,
			unsigned int flags)
{
	pte_t plain = swp_entry_to_pte(swp_entry(type, offset));
	pte_t pte = with_flags(plain, flags), new;

	KUNIT_EXPECT_TRUE(test, pte_same(ferry_coding_make(type, offset), plain));
	KUNIT_EXPECT_TRUE(test, ferry_coding_is_swap(pte) ==
				(!pte_none(pte) && !pte_present(pte)));
	KUNIT_EXPECT_EQ(test, ferry_coding_type(pte), type);
	KUNIT_EXPECT_EQ(test, ferry_coding_offset(pte), offset);

	/* The replacement has another type and another offset. */
	new = with_flags(swp_entry_to_pte(swp_entry(NTYPES - 1 - type, offset ^ 0x5a5a)),
			 flags & ~EXCLUSIVE);
	KUNIT_EXPECT_TRUE(test, pte_same(ferry_coding_replace(pte, NTYPES - 1 - type,
							      offset ^ 0x5a5a), new));
}

static void each_entry(struct kunit *test)
{
	/*
	 * All bits of a pfn, and the young and dirty bits where the entry has
	 * them.
	 */
	const unsigned long room = migration_entry_supports_ad() ? ~0UL : SWP_PFN_MASK;
	const unsigned long offsets[] = {
		0, 1, 0xfff, 0x123456, 0x89abcdef, SWP_PFN_MASK, SWP_MIG_YOUNG,
		SWP_MIG_DIRTY, SWP_MIG_DIRTY | SWP_MIG_YOUNG | SWP_PFN_MASK,
	};
	unsigned int flags, i;
	unsigned long type;

	for (type = 0; type < NTYPES; type++)
		for (i = 0; i < ARRAY_SIZE(offsets); i++)
			for (flags = 0; flags < NFLAGS; flags++)
				check_entry(test, type, offsets[i] & room, flags);
}

static void what_is_no_entry(struct kunit *test)
{
	pte_t pte = pfn_pte(1, PAGE_READONLY);

	KUNIT_EXPECT_FALSE(test, ferry_coding_is_swap(__pte(0)));
	KUNIT_EXPECT_FALSE(test, ferry_coding_is_swap(pte));
	KUNIT_EXPECT_FALSE(test, ferry_coding_is_swap(pte_modify(pte, PAGE_NONE)));
}

static void types(struct kunit *test)
{
	unsigned long type;
	swp_entry_t entry;

	for (type = 0; type < NTYPES; type++) {
		entry = swp_entry(type, 1);
		KUNIT_EXPECT_EQ(test, ferry_type_is_migration(type), softleaf_is_migration(entry));
		KUNIT_EXPECT_EQ(test, ferry_type_is_device(type),
				softleaf_is_device_private(entry));
	}
}

static struct kunit_case coding_cases[] = {
	KUNIT_CASE(each_entry),
	KUNIT_CASE(what_is_no_entry),
	KUNIT_CASE(types),
	{}
};

static struct kunit_suite coding_suite = {
	.name = "ferry_coding",
	.test_cases = coding_cases,
};

kunit_test_suite(coding_suite);
