// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pfn-based calls hold no mmap_lock. A reference keeps the anon_vma from
 * before a page is unmapped until after the page is mapped again (I18).
 */
#include <linux/memremap.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

#include "anon_vma.h"
#include "mm_internal.h"
#include "kunit.h"

#define NPAGES	4
#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM

static int count(const struct anon_vma *anon_vma)
{
	return atomic_read(&anon_vma->refcount);
}

/* Moves pages to the device. The slots are the first pfns of the device. */
static struct ferry_kunit *make_device_pages(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NPAGES);

	t->device = ferry_kunit_device_create(test);
	ferry_kunit_write(t, 0, NPAGES);
	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_ASSERT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), NPAGES);
	return t;
}

static void begin_by_pfn(struct ferry_kunit *t)
{
	memset(t->dst, 0, NPAGES * sizeof(*t->dst));
	memset(t->offered, 0, NPAGES * sizeof(*t->offered));
	KUNIT_EXPECT_EQ(t->test, ferry_migrate_device_range(t->src,
							    ferry_kunit_device_pfn(t->device),
							    NPAGES), 0);
}

static void offer(struct ferry_kunit *t, unsigned long slot)
{
	struct ferry_kunit_device *device = t->device;

	/* The destination is system memory. */
	t->device = NULL;
	ferry_kunit_offer(t, slot);
	t->device = device;
}

static void end_by_pfn(struct ferry_kunit *t)
{
	ferry_migrate_device_finalize(t->src, t->dst, NPAGES);
}

static void ref_is_taken_and_put(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 1);
	struct anon_vma *anon_vma;
	struct folio *folio;
	int before;

	ferry_kunit_write(t, 0, 1);
	folio = page_folio(ferry_kunit_page(t, 0));
	before = count(folio_anon_vma(folio));
	folio_lock(folio);
	anon_vma = ferry_anon_vma_get(folio);
	folio_unlock(folio);
	KUNIT_EXPECT_PTR_EQ(test, anon_vma, folio_anon_vma(folio));
	KUNIT_ASSERT_NOT_NULL(test, anon_vma);
	KUNIT_EXPECT_EQ(test, count(anon_vma), before + 1);
	ferry_anon_vma_put(anon_vma);
	KUNIT_EXPECT_EQ(test, count(anon_vma), before);
}

static void none_for_what_is_not_mapped(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	lock_page(page);
	KUNIT_EXPECT_NULL(test, ferry_anon_vma_get(page_folio(page)));
	unlock_page(page);
	put_page(page);
}

static const struct held_case {
	const char *name;
	int before, between;	/* extra references on page 0 */
	bool offered;
	int held;		/* pages with an anon_vma reference after setup */
	int moved;
} held_cases[] = {
	{ "all move", .offered = true, .held = NPAGES, .moved = NPAGES },
	{ "nothing is offered", .held = NPAGES },
	{ "one is refused by setup", .before = 1, .offered = true, .held = NPAGES - 1,
	  .moved = NPAGES - 1 },
	{ "one fails in pages", .between = 1, .offered = true, .held = NPAGES,
	  .moved = NPAGES - 1 },
};

KUNIT_ARRAY_PARAM_DESC(held, held_cases, name);

/*
 * The engine holds one reference for each page under migration, and leaves
 * none.
 */
static void held_meanwhile(struct kunit *test)
{
	const struct held_case *c = test->param_value;
	struct ferry_kunit *t = make_device_pages(test);
	struct page *page = ferry_kunit_page(t, 0);
	struct anon_vma *anon_vma = folio_anon_vma(page_folio(page));
	unsigned long slot;
	int before = count(anon_vma);

	page_ref_add(page, c->before);
	begin_by_pfn(t);
	KUNIT_EXPECT_EQ(test, count(anon_vma), before + c->held);
	for (slot = 0; c->offered && slot < NPAGES; slot++)
		if (t->src[slot] & MIGRATE_PFN_MIGRATE)
			offer(t, slot);
	page_ref_add(page, c->between);
	ferry_migrate_device_pages(t->src, t->dst, NPAGES);
	KUNIT_EXPECT_EQ(test, count(anon_vma), before + c->held);
	end_by_pfn(t);
	KUNIT_EXPECT_EQ(test, count(anon_vma), before);
	if (c->before + c->between)
		put_page(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_device_used(t->device), NPAGES - c->moved);
	slot = c->moved == NPAGES ? 0 : 1;
	if (c->moved)
		KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, slot, NPAGES - slot), 0);
	else
		KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 0), page);
}

/*
 * The last process with a mapping unmaps the pages during the migration. From
 * then on only the engine's references keep the anon_vma.
 */
static const struct unmap_case {
	const char *name;
	bool offered;
} unmap_shapes[] = {
	{ "with destinations", true },
	{ "without", false },
};

KUNIT_ARRAY_PARAM_DESC(unmap, unmap_shapes, name);

static void survives_munmap(struct kunit *test)
{
	const struct unmap_case *c = test->param_value;
	struct ferry_kunit *t = make_device_pages(test);
	struct anon_vma *anon_vma = folio_anon_vma(page_folio(ferry_kunit_page(t, 0)));
	unsigned long slot;

	begin_by_pfn(t);
	KUNIT_EXPECT_EQ(test, count(anon_vma), 1 + NPAGES);
	if (count(anon_vma) != 1 + NPAGES)
		return end_by_pfn(t);
	for (slot = 0; c->offered && slot < NPAGES; slot++)
		offer(t, slot);
	KUNIT_EXPECT_EQ(test, vm_munmap(t->start - PMD_SIZE, 4 * PMD_SIZE), 0);
	KUNIT_EXPECT_EQ(test, count(anon_vma), NPAGES);
	ferry_migrate_device_pages(t->src, t->dst, NPAGES);
	end_by_pfn(t);
	KUNIT_EXPECT_EQ(test, ferry_kunit_device_used(t->device), 0);
}

/*
 * The engine takes mapped, unlocked device pages only, and leaves other pages
 * unchanged.
 */
static void others_are_left_alone(struct kunit *test)
{
	struct ferry_kunit *t = make_device_pages(test);
	struct page *system = alloc_page(GFP_KERNEL), *locked = ferry_kunit_page(t, 0);
	struct page *unmapped = ferry_kunit_device_alloc(t->device);
	unsigned long src[5] = {
		page_to_pfn(locked), page_to_pfn(system), page_to_pfn(unmapped),
		/* Free: not handed out yet. */
		page_to_pfn(unmapped) + 1, page_to_pfn(ferry_kunit_page(t, 1)),
	};
	unsigned long dst[5] = {};
	int i;

	KUNIT_ASSERT_NOT_NULL(test, system);
	lock_page(locked);
	unlock_page(unmapped);
	KUNIT_EXPECT_EQ(test, ferry_migrate_device_pfns(src, 5), 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ_MSG(test, src[i], 0, "%d", i);
	KUNIT_EXPECT_EQ(test, src[4] & ~FERRY_PFN_NOTES, MIGRATE_PFN_MIGRATE |
			migrate_pfn(page_to_pfn(ferry_kunit_page(t, 1))));
	KUNIT_EXPECT_EQ(test, page_ref_count(system), 1);
	KUNIT_EXPECT_EQ(test, page_ref_count(unmapped), 1);
	ferry_migrate_device_pages(src, dst, 5);
	ferry_migrate_device_finalize(src, dst, 5);
	unlock_page(locked);
	put_page(unmapped);
	put_page(system);
	KUNIT_EXPECT_EQ(test, ferry_kunit_device_used(t->device), NPAGES);
}

static struct kunit_case anon_vma_cases[] = {
	KUNIT_CASE(ref_is_taken_and_put),
	KUNIT_CASE(none_for_what_is_not_mapped),
	KUNIT_CASE_PARAM(held_meanwhile, held_gen_params),
	KUNIT_CASE_PARAM(survives_munmap, unmap_gen_params),
	KUNIT_CASE(others_are_left_alone),
	{}
};

static struct kunit_suite anon_vma_suite = {
	.name = "ferry_anon_vma",
	.test_cases = anon_vma_cases,
};

kunit_test_suite(anon_vma_suite);
