// SPDX-License-Identifier: GPL-2.0-only
/* Splits of large folios: by address, by range, and during a migration. */
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/swap.h>

#include "mm_internal.h"
#include "split.h"
#include "kunit.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM

static bool is_huge(struct ferry_kunit *t, unsigned long slot)
{
	pmd_t *pmdp = mm_find_pmd(t->mm, ferry_kunit_addr(t, slot));

	return pmdp && pmd_trans_huge(pmdp_get_lockless(pmdp));
}

/*
 * Makes @n huge pages, and two small pages behind. khugepaged must not collapse
 * the small pages: their part of the mapping permits no huge pages.
 */
static struct ferry_kunit *make_huge(struct kunit *test, unsigned long n)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, n * PTRS_PER_PTE + 2);
	unsigned long i;

	KUNIT_ASSERT_EQ(test, do_madvise(t->mm, t->start, (n + 1) * PMD_SIZE,
					 MADV_HUGEPAGE), 0);
	ferry_kunit_write(t, 0, n * PTRS_PER_PTE);
	KUNIT_ASSERT_EQ(test, do_madvise(t->mm, t->start, (n + 1) * PMD_SIZE,
					 MADV_NOHUGEPAGE), 0);
	ferry_kunit_write(t, n * PTRS_PER_PTE, 2);
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_TRUE(test, is_huge(t, i * PTRS_PER_PTE));
	return t;
}

static struct folio *huge_folio(struct ferry_kunit *t, unsigned long slot)
{
	return pmd_folio(*mm_find_pmd(t->mm, ferry_kunit_addr(t, slot)));
}

static void map_by_ptes(struct ferry_kunit *t)
{
	struct vm_area_struct *vma;

	mmap_read_lock(t->mm);
	vma = vma_lookup(t->mm, t->start);
	split_huge_pmd(vma, mm_find_pmd(t->mm, t->start), t->start);
	mmap_read_unlock(t->mm);
	KUNIT_ASSERT_FALSE(t->test, is_huge(t, 0));
	KUNIT_ASSERT_TRUE(t->test, PageCompound(ferry_kunit_page(t, 0)));
}

enum hold { FREE, REFERENCED, LOCKED };

static void hold_folio(struct folio *folio, enum hold hold)
{
	if (hold == REFERENCED)
		folio_get(folio);
	else if (hold == LOCKED)
		folio_lock(folio);
}

static void put_held_folio(struct folio *folio, enum hold hold)
{
	if (hold == REFERENCED)
		folio_put(folio);
	else if (hold == LOCKED)
		folio_unlock(folio);
}

/*
 * PTRS_PER_PTE is not constant on all architectures. at() cuts END down to the
 * last page (slot) and to the end of the folio (next).
 */
#define END	MAX_PTRS_PER_PTE

static const struct at_case {
	const char *name;
	unsigned long slot, next;
	bool ptes;
	enum hold hold;
	int ret;
} at_cases[] = {
	{ "first page", 0, END, .ret = 1 },
	{ "a page in the middle", 10, END, .ret = 1 },
	{ "last page", END, END, .ret = 1 },
	{ "mapped by PTEs", 10, 11, .ptes = true, .ret = 1 },
	{ "referenced", 10, END, .hold = REFERENCED, .ret = -EAGAIN },
	{ "referenced, mapped by PTEs", 10, 11, .ptes = true, .hold = REFERENCED,
	  .ret = -EAGAIN },
	{ "locked", 10, END, .hold = LOCKED, .ret = -EBUSY },
};

KUNIT_ARRAY_PARAM_DESC(at, at_cases, name);

static int split_at(struct ferry_kunit *t, unsigned long slot, unsigned long *next)
{
	unsigned long addr = ferry_kunit_addr(t, slot);
	int ret;

	mmap_read_lock(t->mm);
	ret = ferry_split_at(vma_lookup(t->mm, addr), addr, next);
	mmap_read_unlock(t->mm);
	return ret;
}

static void at(struct kunit *test)
{
	const struct at_case *c = test->param_value;
	struct ferry_kunit *t = make_huge(test, 1);
	unsigned long slot = min(c->slot, PTRS_PER_PTE - 1UL), next = 0;
	struct folio *folio = huge_folio(t, 0);

	if (c->ptes)
		map_by_ptes(t);
	hold_folio(folio, c->hold);
	KUNIT_EXPECT_EQ(test, split_at(t, slot, &next), c->ret);
	KUNIT_EXPECT_EQ(test, next, ferry_kunit_addr(t, min(c->next, PTRS_PER_PTE + 0UL)));
	KUNIT_EXPECT_EQ(test, folio_test_large(folio), c->ret < 0);
	KUNIT_EXPECT_EQ(test, is_huge(t, 0), c->ret < 0 && !c->ptes);
	put_held_folio(folio, c->hold);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, PTRS_PER_PTE), 0);
}

/*
 * No large folio: a page, a hole, and the huge zero page, of which only the
 * mapping is split.
 */
static void at_others(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2 * PTRS_PER_PTE);
	unsigned long next;

	ferry_kunit_write(t, 0, 1);
	KUNIT_EXPECT_EQ(test, split_at(t, 0, &next), 0);
	KUNIT_EXPECT_EQ(test, next, ferry_kunit_addr(t, 1));
	KUNIT_EXPECT_EQ(test, split_at(t, 1, &next), 0);
	KUNIT_EXPECT_EQ(test, next, ferry_kunit_addr(t, 2));

	KUNIT_ASSERT_EQ(test, do_madvise(t->mm, ferry_kunit_addr(t, PTRS_PER_PTE), PMD_SIZE,
					 MADV_HUGEPAGE), 0);
	KUNIT_EXPECT_EQ(test, split_at(t, PTRS_PER_PTE, &next), 0);
	ferry_kunit_read(t, PTRS_PER_PTE, 1);
	KUNIT_ASSERT_TRUE(test, is_huge(t, PTRS_PER_PTE));
	KUNIT_ASSERT_TRUE(test, is_huge_zero_folio(huge_folio(t, PTRS_PER_PTE)));
	KUNIT_EXPECT_EQ(test, split_at(t, PTRS_PER_PTE, &next), 0);
	KUNIT_EXPECT_FALSE(test, is_huge(t, PTRS_PER_PTE));
	KUNIT_EXPECT_TRUE(test, is_zero_pfn(pte_pfn(ferry_kunit_pte(t, PTRS_PER_PTE))));
}

/*
 * From the last page of the first folio to the first page of the second. The
 * third stays.
 */
static void range(struct kunit *test)
{
	struct ferry_kunit *t = make_huge(test, 3);
	struct folio *folios[3];
	int i;

	for (i = 0; i < 3; i++)
		folios[i] = huge_folio(t, i * PTRS_PER_PTE);
	mmap_read_lock(t->mm);
	ferry_split_range(t->mm, ferry_kunit_addr(t, PTRS_PER_PTE - 1),
			  ferry_kunit_addr(t, PTRS_PER_PTE + 1));
	mmap_read_unlock(t->mm);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, folio_test_large(folios[i]), i == 2);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3 * PTRS_PER_PTE), 0);
}

static const struct migrate_case {
	const char *name;
	bool ptes;
	enum hold hold;
	u8 outcome;
	unsigned long splits;
} migrate_shapes[] = {
	{ "mapped by a PMD", false, FREE, FERRY_MOVED, 1 },
	{ "mapped by PTEs", true, FREE, FERRY_MOVED, 1 },
	{ "referenced", false, REFERENCED, FERRY_LARGE_SPLIT_FAILED },
	{ "referenced, mapped by PTEs", true, REFERENCED, FERRY_LARGE_SPLIT_FAILED },
	{ "locked", false, LOCKED, FERRY_LOCKED },
	{ "locked, mapped by PTEs", true, LOCKED, FERRY_LOCKED },
};

KUNIT_ARRAY_PARAM_DESC(migrate, migrate_shapes, name);

/*
 * I12: one look, one try to split, and another look. The engine then refuses a
 * folio that is still large, and maps the folio as before. Small pages behind
 * the folio move in each case.
 */
static void migrate(struct kunit *test)
{
	const struct migrate_case *c = test->param_value;
	struct ferry_kunit *t = make_huge(test, 1);
	struct folio *folio = huge_folio(t, 0);

	if (c->ptes)
		map_by_ptes(t);
	t->start += (PTRS_PER_PTE - 10) * PAGE_SIZE;
	t->npages = 12;
	hold_folio(folio, c->hold);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, c->outcome),
			c->outcome == FERRY_MOVED ? 12 : 10);
	KUNIT_EXPECT_EQ(test, t->outcome[10], FERRY_MOVED);
	KUNIT_EXPECT_EQ(test, t->outcome[11], FERRY_MOVED);
	KUNIT_EXPECT_LE(test, t->migrate.counts.passes, 2);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.drains, 0);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.splits, c->splits);
	KUNIT_EXPECT_EQ(test, folio_test_large(folio), c->hold != FREE);
	KUNIT_EXPECT_EQ(test, is_huge(t, 0), c->hold != FREE && !c->ptes);
	put_held_folio(folio, c->hold);
	t->start -= (PTRS_PER_PTE - 10) * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, PTRS_PER_PTE + 2), 0);
}

static struct kunit_case split_cases[] = {
	KUNIT_CASE_PARAM(at, at_gen_params),
	KUNIT_CASE(at_others),
	KUNIT_CASE(range),
	KUNIT_CASE_PARAM(migrate, migrate_gen_params),
	{}
};

static struct kunit_suite split_suite = {
	.name = "ferry_split",
	.test_cases = split_cases,
};

kunit_test_suite(split_suite);
