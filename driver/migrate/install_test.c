// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries that change during the migration. entry_bits_test.c tests the bits of
 * unchanged entries.
 */
#include <linux/memremap.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "mm_internal.h"
#include "kunit.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM

/* Changes a migration entry as UFFDIO_WRITEPROTECT does. */
static void write_protect(struct ferry_kunit *t, unsigned long slot)
{
	pte_t pte = ferry_kunit_pte(t, slot);
	swp_entry_t entry = softleaf_from_pte(pte);

	KUNIT_EXPECT_TRUE(t->test, softleaf_is_migration_write(entry));
	entry = make_readable_exclusive_migration_entry(swp_offset(entry));
	ferry_kunit_set_pte(t, slot, pte_swp_mkuffd(swp_entry_to_pte(entry)));
}

static const struct change_case {
	const char *name;
	bool device, moves;
} change_cases[] = {
	{ "moved to system memory", .moves = true },
	{ "moved to a device", .device = true, .moves = true },
	{ "not moved" },
};

KUNIT_ARRAY_PARAM_DESC(change, change_cases, name);

/* I8: the entry at the end decides, not the entry that setup found. */
static void write_protected_meanwhile(struct kunit *test)
{
	const struct change_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2);
	pte_t pte;

	if (c->device)
		t->device = ferry_kunit_device_create(test);
	ferry_kunit_write(t, 0, 2);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	KUNIT_EXPECT_TRUE(test, t->src[1] & MIGRATE_PFN_WRITE);
	write_protect(t, 1);
	if (c->moves)
		ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), c->moves ? 2 : 0);
	pte = ferry_kunit_pte(t, 1);
	KUNIT_EXPECT_TRUE(test, PageAnonExclusive(ferry_kunit_page(t, 1)));
	if (c->device) {
		KUNIT_EXPECT_FALSE(test, softleaf_is_device_private_write(softleaf_from_pte(pte)));
		KUNIT_EXPECT_TRUE(test, pte_swp_uffd(pte));
		pte = ferry_kunit_pte(t, 0);
		KUNIT_EXPECT_TRUE(test, softleaf_is_device_private_write(softleaf_from_pte(pte)));
	} else {
		KUNIT_EXPECT_FALSE(test, pte_write(pte));
		KUNIT_EXPECT_TRUE(test, pte_uffd(pte));
		KUNIT_EXPECT_TRUE(test, pte_write(ferry_kunit_pte(t, 0)));
	}
}

/* MADV_DONTNEED during the migration wins, and the page is freed. */
static void zapped_meanwhile(struct kunit *test)
{
	const struct change_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct ferry_kunit_memory before, now;
	u64 word = 1;

	if (c->device)
		t->device = ferry_kunit_device_create(test);
	ferry_kunit_memory(t, &before);
	ferry_kunit_write(t, 0, 3);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	zap_vma_range(t->vma, ferry_kunit_addr(t, 1), PAGE_SIZE);
	if (c->moves)
		ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_TRUE(test, pte_none(ferry_kunit_pte(t, 1)));
	KUNIT_EXPECT_EQ(test, t->migrate.counts.known, 2);
	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_EQ(test, now.rss, before.rss + 2);
	KUNIT_EXPECT_EQ(test, now.mapped, before.mapped + 2);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(now.lru, before.lru + (c->device ? 0 : 2)));
	if (c->device)
		KUNIT_EXPECT_EQ(test, ferry_kunit_device_used(t->device), 2);
	KUNIT_EXPECT_EQ(test, 0, get_user(word, (u64 __user *)ferry_kunit_addr(t, 1)));
	KUNIT_EXPECT_EQ(test, word, 0);
}

static struct kunit_case install_cases[] = {
	KUNIT_CASE_PARAM(write_protected_meanwhile, change_gen_params),
	KUNIT_CASE_PARAM(zapped_meanwhile, change_gen_params),
	{}
};

static struct kunit_suite install_suite = {
	.name = "ferry_install",
	.test_cases = install_cases,
};

kunit_test_suite(install_suite);
