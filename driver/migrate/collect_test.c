// SPDX-License-Identifier: GPL-2.0-only
/*
 * Outcomes of collect.c for each kind of entry and of mapping, and one slot per
 * address. refusal_test.c tests the reasons for which a wanted page stays.
 */
#include <linux/mman.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>

#include "compat.h"
#include "mm_internal.h"
#include "kunit.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM
#define PRIVATE	MIGRATE_VMA_SELECT_DEVICE_PRIVATE

/* Slots -------------------------------------------------------------------- */

/* The range begins 20 pages before the end of a page table. */
#define FIRST	20
#define THIRD	(FIRST + MAX_PTRS_PER_PTE)	/* one page table, or several */
#define NSLOTS	(THIRD + 11)

enum kind { A_HOLE, A_ZERO, A_PAGE };

static const struct stretch {
	unsigned long first, end;
	enum kind kind;
} stretches[] = {
	{ 0, 3, A_PAGE },
	{ 3, 6, A_HOLE },
	{ 6, 9, A_ZERO },
	{ 9, 10, A_HOLE },
	{ 10, 20, A_PAGE },
	{ FIRST, THIRD, A_HOLE },	/* no page table */
	{ THIRD, THIRD + 1, A_HOLE },
	{ THIRD + 1, THIRD + 2, A_PAGE },
	{ THIRD + 2, THIRD + 3, A_ZERO },
	{ THIRD + 3, THIRD + 9, A_HOLE },
	{ THIRD + 9, THIRD + 11, A_PAGE },
};

static const struct slots_case {
	const char *name;
	unsigned long select;
	u8 zero, page;	/* expected outcomes */
	unsigned long cpages;
} slots_cases[] = {
	{ "system pages", SYSTEM, FERRY_HOLE, FERRY_NO_DESTINATION, NSLOTS },
	{ "device pages", PRIVATE, FERRY_ALREADY_THERE, FERRY_ALREADY_THERE,
	  NSLOTS - 16 - 4 },
};

KUNIT_ARRAY_PARAM_DESC(slots, slots_cases, name);

static void expect_slot(struct ferry_kunit *t, unsigned long slot, enum kind kind,
			struct page *page)
{
	bool system = t->migrate.vma.flags & SYSTEM;
	unsigned long src = 0;

	if (kind == A_PAGE && system)
		src = migrate_pfn(page_to_pfn(page)) | MIGRATE_PFN_MIGRATE |
		      MIGRATE_PFN_WRITE;
	else if (kind == A_HOLE || system)
		src = MIGRATE_PFN_MIGRATE;
	KUNIT_EXPECT_EQ_MSG(t->test, t->src[slot] & ~FERRY_PFN_NOTES, src, "slot %lu", slot);
	KUNIT_EXPECT_EQ_MSG(t->test, t->dst[slot], 0, "slot %lu", slot);
}

/* I20: each address has one slot, for every kind of entry and neighbour. */
static void slots(struct kunit *test)
{
	const struct slots_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, PTRS_PER_PTE - FIRST, NSLOTS);
	u8 outcome[] = { [A_HOLE] = FERRY_HOLE, [A_ZERO] = c->zero, [A_PAGE] = c->page };
	const struct stretch *stretch;
	struct page **pages;
	unsigned long slot;
	pmd_t *pmdp;

	pages = kunit_kcalloc(test, NSLOTS, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (stretch = stretches; stretch < stretches + ARRAY_SIZE(stretches); stretch++) {
		if (stretch->kind == A_PAGE)
			ferry_kunit_write(t, stretch->first, stretch->end - stretch->first);
		if (stretch->kind == A_ZERO)
			ferry_kunit_read(t, stretch->first, stretch->end - stretch->first);
		for (slot = stretch->first; slot < stretch->end; slot++)
			pages[slot] = ferry_kunit_page(t, slot);
	}
	pmdp = mm_find_pmd(t->mm, ferry_kunit_addr(t, FIRST));
	KUNIT_ASSERT_TRUE(test, pmdp && pmd_none(*pmdp));

	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, c->select), 0);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.cpages, c->cpages);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.npages, NSLOTS);
	for (stretch = stretches; stretch < stretches + ARRAY_SIZE(stretches); stretch++)
		for (slot = stretch->first; slot < stretch->end; slot++)
			expect_slot(t, slot, stretch->kind, pages[slot]);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	for (stretch = stretches; stretch < stretches + ARRAY_SIZE(stretches); stretch++)
		for (slot = stretch->first; slot < stretch->end; slot++) {
			KUNIT_EXPECT_EQ_MSG(test, t->outcome[slot], outcome[stretch->kind],
					    "slot %lu", slot);
			KUNIT_EXPECT_PTR_EQ_MSG(test, ferry_kunit_page(t, slot), pages[slot],
						"slot %lu", slot);
		}
}

/* Entries that are not present --------------------------------------------- */

static pte_t swap_entry(struct page *page)
{
	return swp_entry_to_pte(swp_entry(0, 1));
}

static pte_t migration_entry(struct page *page)
{
	return swp_entry_to_pte(make_readable_migration_entry(page_to_pfn(page)));
}

static pte_t exclusive_entry(struct page *page)
{
	return swp_entry_to_pte(make_device_exclusive_entry(page_to_pfn(page)));
}

static pte_t poison_marker(struct page *page)
{
	return swp_entry_to_pte(make_poisoned_swp_entry());
}

static pte_t uffd_wp_marker(struct page *page)
{
	return make_pte_marker(PTE_MARKER_UFFD_WP);
}

#ifdef CONFIG_MEMORY_FAILURE
static pte_t hwpoison_entry(struct page *page)
{
	return swp_entry_to_pte(swp_entry(SWP_HWPOISON, page_to_pfn(page)));
}
#endif

static const struct entry_case {
	const char *name;
	pte_t (*make)(struct page *page);
	u8 outcome;
} entry_cases[] = {
	{ "swapped", swap_entry, FERRY_SWAPPED },
	{ "migrating", migration_entry, FERRY_MIGRATING },
	{ "exclusive to a device", exclusive_entry, FERRY_EXCLUSIVE },
	{ "lost to a memory error", poison_marker, FERRY_HWPOISON },
	{ "write-protected for userfaultfd", uffd_wp_marker, FERRY_UFFD },
#ifdef CONFIG_MEMORY_FAILURE
	{ "poisoned", hwpoison_entry, FERRY_HWPOISON },
#endif
};

KUNIT_ARRAY_PARAM_DESC(entry, entry_cases, name);

/*
 * The slot gets the outcome of the entry, and the entry stays unchanged. The
 * neighbours move.
 */
static void entry(struct kunit *test)
{
	const struct entry_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	pte_t pte = c->make(ZERO_PAGE(0));

	ferry_kunit_write(t, 0, 1);
	ferry_kunit_write(t, 2, 1);
	ferry_kunit_set_pte(t, 1, pte);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[1], c->outcome);
	KUNIT_EXPECT_EQ(test, t->src[1], 0);
	KUNIT_EXPECT_TRUE(test, pte_same(ferry_kunit_pte(t, 1), pte));
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	ferry_kunit_set_pte(t, 1, __pte(0));
}

/* Huge entries that are not present ---------------------------------------- */

#ifdef FERRY_HAS_HUGE_ENTRIES
static void set_huge_entry(struct ferry_kunit *t, pmd_t pmd)
{
	p4d_t *p4dp = p4d_alloc(t->mm, pgd_offset(t->mm, t->start), t->start);
	pud_t *pudp = p4dp ? pud_alloc(t->mm, p4dp, t->start) : NULL;
	pmd_t *pmdp = pudp ? pmd_alloc(t->mm, pudp, t->start) : NULL;
	spinlock_t *ptl;	/* lock of pmdp */

	KUNIT_ASSERT_NOT_NULL(t->test, pmdp);
	ptl = pmd_lock(t->mm, pmdp);
	set_pmd_at(t->mm, t->start, pmdp, pmd);
	spin_unlock(ptl);
}

/* The first page table of the range is a huge entry. A page follows. */
static struct ferry_kunit *create_huge(struct kunit *test, pmd_t pmd)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, PTRS_PER_PTE + 1);

	ferry_kunit_write(t, PTRS_PER_PTE, 1);
	set_huge_entry(t, pmd);
	return t;
}

/*
 * The whole entry gets one outcome, in the first pass, and stays unchanged. The
 * next page moves.
 */
static void expect_huge(struct ferry_kunit *t, pmd_t pmd, unsigned long select, u8 outcome)
{
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_migrate(t, select), 0);
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_count(t, outcome), PTRS_PER_PTE);
	KUNIT_EXPECT_EQ(t->test, t->outcome[PTRS_PER_PTE],
			select == SYSTEM ? FERRY_MOVED : FERRY_ALREADY_THERE);
	KUNIT_EXPECT_TRUE(t->test, pmd_same(*mm_find_pmd(t->mm, t->start), pmd));
}

static void huge_migrating(struct kunit *test)
{
	unsigned long pfn = page_to_pfn(ZERO_PAGE(0));
	pmd_t pmd = softleaf_to_pmd(make_readable_migration_entry(pfn));
	struct ferry_kunit *t = create_huge(test, pmd);

	expect_huge(t, pmd, SYSTEM, FERRY_MIGRATING);
	set_huge_entry(t, __pmd(0));
}

#ifndef FERRY_HAS_DEVMAP_PMD
/* Another driver's huge device page. */
static void huge_of_a_device(struct kunit *test)
{
	unsigned long pfn = page_to_pfn(ZERO_PAGE(0));
	pmd_t pmd = softleaf_to_pmd(make_readable_device_private_entry(pfn));
	struct ferry_kunit *t = create_huge(test, pmd);

	expect_huge(t, pmd, SYSTEM, FERRY_FOREIGN_DEVICE);
	expect_huge(t, pmd, PRIVATE, FERRY_FOREIGN_DEVICE);
	set_huge_entry(t, __pmd(0));
}
#endif
#endif

/* Kinds of memory ---------------------------------------------------------- */

/* A private file mapping with a file page, a private copy and a hole. */
static void files(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct file *file = ferry_shmem_file("ferry", 3 * PAGE_SIZE);
	struct page *page;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_EXPECT_EQ(test, t->start,
			vm_mmap(file, t->start, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_FIXED, 0));
	fput(file);
	ferry_kunit_read(t, 0, 1);
	ferry_kunit_write(t, 1, 1);
	page = ferry_kunit_page(t, 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[0], FERRY_FILE);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_MOVED);
	KUNIT_EXPECT_EQ(test, t->outcome[2], FERRY_FILE);
	KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 0), page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 1, 1), 0);
}

static void device_pages(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2);
	struct ferry_kunit_device *device = ferry_kunit_device_create(test);

	t->device = device;
	ferry_kunit_write(t, 0, 2);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_ALREADY_THERE), 2);
	/*
	 * Without a device in the arguments the pages are those of a foreign
	 * device.
	 */
	t->device = NULL;
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, PRIVATE), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_FOREIGN_DEVICE), 2);
	KUNIT_EXPECT_EQ(test, ferry_kunit_device_used(device), 2);
}

/* Holes and zero pages in userfaultfd's missing mode stay for the monitor. */
static void uffd_missing(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct vm_area_struct *vma;

	ferry_kunit_write(t, 0, 1);
	ferry_kunit_read(t, 1, 1);
	mmap_write_lock(t->mm);
	vma = vma_lookup(t->mm, t->start);
	vm_flags_set(vma, VM_UFFD_MISSING);
	mmap_write_unlock(t->mm);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[0], FERRY_MOVED);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_UFFD);
	KUNIT_EXPECT_EQ(test, t->outcome[2], FERRY_UFFD);
	mmap_write_lock(t->mm);
	vm_flags_clear(vma, VM_UFFD_MISSING);
	mmap_write_unlock(t->mm);
}

static struct kunit_case collect_cases[] = {
	KUNIT_CASE_PARAM(slots, slots_gen_params),
	KUNIT_CASE_PARAM(entry, entry_gen_params),
#ifdef FERRY_HAS_HUGE_ENTRIES
	KUNIT_CASE(huge_migrating),
#ifndef FERRY_HAS_DEVMAP_PMD
	KUNIT_CASE(huge_of_a_device),
#endif
#endif
	KUNIT_CASE(files),
	KUNIT_CASE(device_pages),
	KUNIT_CASE(uffd_missing),
	{}
};

static struct kunit_suite collect_suite = {
	.name = "ferry_collect",
	.test_cases = collect_cases,
};

kunit_test_suite(collect_suite);
