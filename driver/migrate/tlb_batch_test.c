// SPDX-License-Identifier: GPL-2.0-only
/* Number of TLB flushes, and pending flushes as mm/ reads them. */
#include <linux/sched.h>

#include <asm/tlbflush.h>

#include "mm_internal.h"
#include "kunit.h"

#define NPAGES	16
#define NCEILING 33	/* x86's default */
#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM

/* Flushes of an address space, as the architecture counts. */
static u64 count_flushes(struct mm_struct *mm)
{
#ifdef CONFIG_X86
	return atomic64_read(&mm->context.tlb_gen);
#else
	return 0;
#endif
}

/* Clears entries, and restores the entries before the lock drops. */
static void clear_table(struct ferry_kunit *t, struct ferry_tlb *tlb, unsigned long n,
			bool exclusive)
{
	unsigned long slot, addr = t->start;
	struct vm_area_struct *vma;
	spinlock_t *ptl;	/* page-table lock of ptep */
	pte_t *ptep, pte;

	mmap_read_lock(t->mm);
	vma = vma_lookup(t->mm, addr);
	ptep = pte_offset_map_lock(t->mm, mm_find_pmd(t->mm, addr), addr, &ptl);
	KUNIT_EXPECT_NOT_NULL(t->test, ptep);
	for (slot = 0; ptep && slot < n; slot++, addr += PAGE_SIZE) {
		pte = ferry_tlb_clear(tlb, vma, addr, ptep + slot, exclusive);
		KUNIT_EXPECT_TRUE(t->test, pte_none(ptep_get(ptep + slot)));
		set_pte_at(t->mm, addr, ptep + slot, pte);
	}
	if (ptep) {
		ferry_tlb_end_table(tlb, vma);
		pte_unmap_unlock(ptep, ptl);
	}
	mmap_read_unlock(t->mm);
}

static const struct strategy_case {
	const char *name;
	enum ferry_flush asked, used;
	bool exclusive, one_table;
	unsigned long present;
	unsigned long counted;	/* after one table and the end of the call */
} strategy_cases[] = {
	{ "default", FERRY_FLUSH_DEFAULT, FERRY_FLUSH_AUTO, true, false, NPAGES, 1 },
	{ "default, one table", FERRY_FLUSH_DEFAULT, FERRY_FLUSH_PER_TABLE, true, true,
	  NPAGES, 1 },
	{ "per page", FERRY_FLUSH_PER_PAGE, FERRY_FLUSH_PER_PAGE, true, true, NPAGES,
	  NPAGES + 1 },
	{ "per page, shared", FERRY_FLUSH_PER_PAGE, FERRY_FLUSH_PER_PAGE, false, false,
	  NPAGES, 1 },
	{ "per table", FERRY_FLUSH_PER_TABLE, FERRY_FLUSH_PER_TABLE, true, false, NPAGES, 1 },
	{ "per call", FERRY_FLUSH_PER_CALL, FERRY_FLUSH_PER_CALL, true, true, NPAGES, 1 },
	{ "auto", FERRY_FLUSH_AUTO, FERRY_FLUSH_AUTO, true, false, NPAGES, 1 },
	{ "auto, one table", FERRY_FLUSH_AUTO, FERRY_FLUSH_PER_TABLE, true, true, NPAGES, 1 },
	{ "per page, nothing there", FERRY_FLUSH_PER_PAGE, FERRY_FLUSH_PER_PAGE, true },
	{ "per table, nothing there", FERRY_FLUSH_PER_TABLE, FERRY_FLUSH_PER_TABLE, true },
	{ "per call, nothing there", FERRY_FLUSH_PER_CALL, FERRY_FLUSH_PER_CALL, true },
	{ "auto, nothing there", FERRY_FLUSH_AUTO, FERRY_FLUSH_AUTO, true },
};

KUNIT_ARRAY_PARAM_DESC(strategy, strategy_cases, name);

static void strategy(struct kunit *test)
{
	const struct strategy_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NPAGES);
	unsigned long flushes = 0;
	struct ferry_tlb tlb;
	u64 before;

	ferry_kunit_write(t, 0, NPAGES);
	ferry_tlb_init(&tlb, c->asked, c->one_table, &flushes);
	if (FERRY_CAN_DEFER_FLUSH || c->used == FERRY_FLUSH_PER_PAGE)
		KUNIT_EXPECT_EQ(test, tlb.strategy, c->used);
	else
		KUNIT_EXPECT_EQ(test, tlb.strategy, FERRY_FLUSH_PER_TABLE);
	before = count_flushes(t->mm);
	clear_table(t, &tlb, c->present, c->exclusive);
	ferry_tlb_end_call(&tlb);
	KUNIT_EXPECT_EQ(test, flushes, c->counted);
	if (IS_ENABLED(CONFIG_X86))
		KUNIT_EXPECT_EQ(test, count_flushes(t->mm) - before, c->counted);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, NPAGES), 0);
}

static const struct setup_case {
	const char *name;
	enum ferry_flush flush;
	unsigned long counted;
} setup_cases[] = {
	{ "per page", FERRY_FLUSH_PER_PAGE, 2 * NPAGES + 2 },
	{ "per table", FERRY_FLUSH_PER_TABLE, 2 },
	{ "per call", FERRY_FLUSH_PER_CALL, FERRY_CAN_DEFER_FLUSH ? 1 : 2 },
	{ "auto", FERRY_FLUSH_AUTO, 2 },
};

KUNIT_ARRAY_PARAM_DESC(setup, setup_cases, name);

/* Two tables: setup returns after the last flush. */
static void whole_setup(struct kunit *test)
{
	const struct setup_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, PTRS_PER_PTE - NPAGES, 2 * NPAGES);

	t->migrate.flush = c->flush;
	ferry_kunit_write(t, 0, 2 * NPAGES);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.flushes, c->counted);
#ifdef CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH
	KUNIT_EXPECT_FALSE(test, current->tlb_ubc.flush_required);
#endif
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2 * NPAGES);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.flushes, c->counted);
}

#if FERRY_CAN_DEFER_FLUSH
/*
 * A flush is as wide as the moved pages: up to the ceiling a range, a bounded
 * number of times; beyond, one deferred flush of the whole address space. One
 * table stands for many.
 */
static const struct width_case {
	const char *name;
	unsigned long pages[8];	/* cleared in one table after another */
	unsigned int tables, narrow;
	bool deferred;
} width_cases[] = {
	{ "one page", { 1 }, 1, 1 },
	{ "up to the ceiling", { NCEILING }, 1, 1 },
	{ "above the ceiling", { NCEILING + 1 }, 1, 0, true },
	{ "few, then many", { 1, NCEILING + 1 }, 2, 1, true },
	{ "many, then few", { NCEILING + 1, 1 }, 2, 1, true },
	{ "a page in each of some tables", { 1, 1, 1, 1 }, 4, 4 },
	{ "a page in each of many tables", { 1, 1, 1, 1, 1, 1, 1, 1 }, 8,
	  4, true },
};

KUNIT_ARRAY_PARAM_DESC(width, width_cases, name);

static void as_wide_as_what_moves(struct kunit *test)
{
	const struct width_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NCEILING + 1);
	unsigned long flushes = 0;
	struct ferry_tlb tlb;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, tlb_single_page_flush_ceiling, NCEILING);
	ferry_kunit_write(t, 0, NCEILING + 1);
	ferry_tlb_init(&tlb, FERRY_FLUSH_AUTO, false, &flushes);
	for (i = 0; i < c->tables; i++)
		clear_table(t, &tlb, c->pages[i], true);
	KUNIT_EXPECT_EQ(test, flushes, c->narrow);
	KUNIT_EXPECT_EQ(test, current->tlb_ubc.flush_required, c->deferred);
	ferry_tlb_end_call(&tlb);
	KUNIT_EXPECT_EQ(test, flushes, c->narrow + c->deferred);
	KUNIT_EXPECT_FALSE(test, current->tlb_ubc.flush_required);
}

/* Secondary MMUs get the cleared range, at once or with the deferred flush. */
static const struct secondary_case {
	const char *name;
	enum ferry_flush flush;
} secondary_cases[] = {
	{ "per table", FERRY_FLUSH_PER_TABLE },
	{ "per call", FERRY_FLUSH_PER_CALL },
	{ "auto", FERRY_FLUSH_AUTO },
};

KUNIT_ARRAY_PARAM_DESC(secondary, secondary_cases, name);

static void secondary_gets_the_range(struct kunit *test)
{
	const struct secondary_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NPAGES);
	unsigned long flushes = 0;
	struct ferry_tlb tlb;

	ferry_kunit_write(t, 0, NPAGES);
	ferry_kunit_watch_secondary(t);
	ferry_tlb_init(&tlb, c->flush, false, &flushes);
	clear_table(t, &tlb, NPAGES / 2, true);
	KUNIT_EXPECT_EQ(test, t->secondary.calls, 1);
	KUNIT_EXPECT_EQ(test, t->secondary.start, t->start);
	KUNIT_EXPECT_EQ(test, t->secondary.end, ferry_kunit_addr(t, NPAGES / 2));
	ferry_tlb_end_call(&tlb);
	KUNIT_EXPECT_EQ(test, t->secondary.calls, 1);
}

static int pending(struct mm_struct *mm)
{
	return atomic_read(&mm->tlb_flush_batched) & FERRY_TLB_PENDING_MASK;
}

static int flushed(struct mm_struct *mm)
{
	return atomic_read(&mm->tlb_flush_batched) >> FERRY_TLB_FLUSHED_SHIFT;
}

/*
 * A recorded flush that is not done yet: the next holder of the lock meets it.
 */
static const struct pending_case {
	const char *name;
	int before, pending, flushed;
} pending_cases[] = {
	{ "the first", 0, 1, 0 },
	{ "after others", 5 | 5 << FERRY_TLB_FLUSHED_SHIFT, 6, 5 },
	{ "with others", 7 | 5 << FERRY_TLB_FLUSHED_SHIFT, 8, 5 },
	{ "the last before it starts anew", FERRY_TLB_PENDING_LARGE,
	  FERRY_TLB_PENDING_LARGE + 1, 0 },
	{ "starts anew", (FERRY_TLB_PENDING_LARGE + 1) |
	  (FERRY_TLB_PENDING_LARGE + 1) << FERRY_TLB_FLUSHED_SHIFT, 1, 0 },
};

KUNIT_ARRAY_PARAM_DESC(pending, pending_cases, name);

static void read_by_mm(struct kunit *test)
{
	const struct pending_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NPAGES);
	unsigned long flushes = 0;
	struct ferry_tlb tlb;
	u64 before;

	ferry_kunit_write(t, 0, NPAGES);
	atomic_set(&t->mm->tlb_flush_batched, c->before);
	ferry_tlb_init(&tlb, FERRY_FLUSH_PER_CALL, false, &flushes);
	clear_table(t, &tlb, NPAGES, true);
	KUNIT_EXPECT_EQ(test, pending(t->mm), c->pending);
	KUNIT_EXPECT_EQ(test, flushed(t->mm), c->flushed);
	KUNIT_EXPECT_TRUE(test, current->tlb_ubc.flush_required);
	KUNIT_EXPECT_TRUE(test, current->tlb_ubc.writable);
	KUNIT_EXPECT_EQ(test, flushes, 0);

	before = count_flushes(t->mm);
	flush_tlb_batched_pending(t->mm);
	KUNIT_EXPECT_EQ(test, count_flushes(t->mm) - before, 1);
	KUNIT_EXPECT_EQ(test, pending(t->mm), c->pending);
	KUNIT_EXPECT_EQ(test, flushed(t->mm), c->pending);
	/* The flush is done already. */
	flush_tlb_batched_pending(t->mm);
	KUNIT_EXPECT_EQ(test, count_flushes(t->mm) - before, 1);

	ferry_tlb_end_call(&tlb);
	KUNIT_EXPECT_EQ(test, flushes, 1);
	KUNIT_EXPECT_FALSE(test, current->tlb_ubc.flush_required);
}
#endif

static struct kunit_case tlb_batch_cases[] = {
	KUNIT_CASE_PARAM(strategy, strategy_gen_params),
	KUNIT_CASE_PARAM(whole_setup, setup_gen_params),
#if FERRY_CAN_DEFER_FLUSH
	KUNIT_CASE_PARAM(as_wide_as_what_moves, width_gen_params),
	KUNIT_CASE_PARAM(secondary_gets_the_range, secondary_gen_params),
	KUNIT_CASE_PARAM(read_by_mm, pending_gen_params),
#endif
	{}
};

static struct kunit_suite tlb_batch_suite = {
	.name = "ferry_tlb_batch",
	.test_cases = tlb_batch_cases,
};

kunit_test_suite(tlb_batch_suite);
