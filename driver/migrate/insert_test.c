// SPDX-License-Identifier: GPL-2.0-only
/* Filling of holes and zero pages, and all conditions that prevent a fill. */
#include <linux/memcontrol.h>
#include <linux/memremap.h>
#include <linux/mman.h>
#include <linux/sched/coredump.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "mm_internal.h"
#include "kunit.h"
#include "rmap.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM
#define PRIVATE	MIGRATE_VMA_SELECT_DEVICE_PRIVATE

/*
 * A page, a zero page and a hole at the end of a table; a hole without a table.
 */
enum { PAGE, ZERO, HOLE, NO_TABLE, NSLOTS };

static struct ferry_kunit *make_holes(struct kunit *test)
{
	struct ferry_kunit *t;

	t = ferry_kunit_create(test, PTRS_PER_PTE - NO_TABLE, NSLOTS);
	ferry_kunit_write(t, PAGE, 1);
	ferry_kunit_read(t, ZERO, 1);
	return t;
}

static const struct fill_case {
	const char *name;
	bool device, read_only;
} fill_cases[] = {
	{ "with system pages" },
	{ "with device pages", .device = true },
	{ "with system pages, read-only", .read_only = true },
	{ "with device pages, read-only", .device = true, .read_only = true },
};

KUNIT_ARRAY_PARAM_DESC(fill, fill_cases, name);

static void expect_filled(struct ferry_kunit *t, unsigned long slot, bool writable)
{
	struct page *page = ferry_kunit_page(t, slot);
	pte_t pte = ferry_kunit_pte(t, slot);

	KUNIT_EXPECT_EQ_MSG(t->test, t->outcome[slot], FERRY_ZERO_FILLED, "slot %lu", slot);
	KUNIT_EXPECT_PTR_EQ_MSG(t->test, page, t->offered[slot], "slot %lu", slot);
	if (page != t->offered[slot])
		return;
	KUNIT_EXPECT_TRUE(t->test, folio_test_uptodate(page_folio(page)));
	KUNIT_EXPECT_TRUE(t->test, PageAnonExclusive(page));
	KUNIT_EXPECT_TRUE(t->test, ferry_folio_memcg(page_folio(page)) || mem_cgroup_disabled());
	KUNIT_EXPECT_EQ(t->test, folio_mapcount(page_folio(page)), 1);
	if (t->device) {
		KUNIT_EXPECT_TRUE(t->test, pte_swp_soft_dirty(pte));
		KUNIT_EXPECT_EQ(t->test, writable,
				softleaf_is_device_private_write(softleaf_from_pte(pte)));
	} else {
		KUNIT_EXPECT_TRUE(t->test, pte_soft_dirty(pte));
		KUNIT_EXPECT_EQ(t->test, writable, pte_write(pte));
		KUNIT_EXPECT_TRUE(t->test, folio_test_lru(page_folio(page)));
	}
}

static void fill(struct kunit *test)
{
	const struct fill_case *c = test->param_value;
	struct ferry_kunit *t = make_holes(test);
	struct ferry_kunit_memory before, now;
	unsigned long slot;
	u64 word;

	if (c->read_only) {
		mmap_write_lock(t->mm);
		vm_flags_clear(vma_lookup(t->mm, t->start), VM_WRITE);
		mmap_write_unlock(t->mm);
	}
	if (c->device)
		t->device = ferry_kunit_device_create(test);
	ferry_kunit_memory(t, &before);
	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_EQ(test, t->outcome[PAGE], FERRY_MOVED);
	for (slot = ZERO; slot < NSLOTS; slot++)
		expect_filled(t, slot, !c->read_only);
	KUNIT_EXPECT_EQ(test, now.rss, before.rss + NSLOTS - 1);
	KUNIT_EXPECT_EQ(test, now.mapped, before.mapped + NSLOTS - 1);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(now.lru, before.lru +
						 (c->device ? -1 : NSLOTS - 1)));
	if (c->device)
		return;
	for (slot = ZERO; slot < NSLOTS; slot++) {
		KUNIT_EXPECT_EQ(test, 0, get_user(word,
						  (u64 __user *)ferry_kunit_addr(t, slot)));
		KUNIT_EXPECT_EQ(test, word, 0);
	}
}

/* Without destinations holes stay holes, and zero pages stay zero pages. */
static void nothing_offered(struct kunit *test)
{
	struct ferry_kunit *t = make_holes(test);
	unsigned long slot;
	pte_t before[NSLOTS];

	for (slot = 0; slot < NSLOTS; slot++)
		before[slot] = ferry_kunit_pte(t, slot);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	for (slot = ZERO; slot < NSLOTS; slot++) {
		KUNIT_EXPECT_EQ(test, t->outcome[slot], FERRY_HOLE);
		KUNIT_EXPECT_TRUE(test, pte_same(ferry_kunit_pte(t, slot), before[slot]));
	}
}

/* Changes between setup and pages ------------------------------------------ */

static void fault_in(struct ferry_kunit *t)
{
	unsigned long slot;

	for (slot = ZERO; slot < NSLOTS; slot++)
		KUNIT_EXPECT_TRUE(t->test, ferry_kunit_fault(t, slot));
}

static void reap(struct ferry_kunit *t)
{
	mm_flags_set(MMF_UNSTABLE, t->mm);
}

static void reap_end(struct ferry_kunit *t)
{
	mm_flags_clear(MMF_UNSTABLE, t->mm);
}

/* A drop-in caller may drop mmap_lock for a while, and permit the change. */
static void set_uffd(struct ferry_kunit *t, bool on)
{
	mmap_read_unlock(t->mm);
	mmap_write_lock(t->mm);
	vm_flags_mod(t->vma, on ? VM_UFFD_MISSING : 0, on ? 0 : VM_UFFD_MISSING);
	mmap_write_downgrade(t->mm);
}

static void uffd(struct ferry_kunit *t)
{
	set_uffd(t, true);
}

static void uffd_end(struct ferry_kunit *t)
{
	set_uffd(t, false);
}

static void none(struct ferry_kunit *t)
{
}

static const struct refuse_case {
	const char *name;
	void (*begin)(struct ferry_kunit *t);
	void (*end)(struct ferry_kunit *t);
	u8 outcome;
	bool drop_in, device;
} refuse_cases[] = {
	{ "a fault", fault_in, none, FERRY_RACED },
	{ "a fault, drop-in", fault_in, none, FERRY_RACED, .drop_in = true },
	{ "a fault, device", fault_in, none, FERRY_RACED, .device = true },
	{ "the OOM reaper", reap, reap_end, FERRY_RACED },
	{ "the OOM reaper, device", reap, reap_end, FERRY_RACED, .device = true },
	{ "userfaultfd", uffd, uffd_end, FERRY_UFFD },
	{ "userfaultfd, drop-in", uffd, uffd_end, FERRY_UFFD, .drop_in = true },
};

KUNIT_ARRAY_PARAM_DESC(refuse, refuse_cases, name);

/*
 * I5: each destination is put once, without a charge (the fixture checks). The
 * page table keeps the entries of the change.
 */
static void refuse(struct kunit *test)
{
	const struct refuse_case *c = test->param_value;
	struct ferry_kunit *t = make_holes(test);
	struct ferry_kunit_memory before, now;
	pte_t between[NSLOTS];
	unsigned long slot;

	t->drop_in = c->drop_in;
	if (c->device)
		t->device = ferry_kunit_device_create(test);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	/* The page of slot PAGE gets no destination. */
	for (slot = ZERO; slot < NSLOTS; slot++)
		ferry_kunit_offer(t, slot);
	c->begin(t);
	ferry_kunit_memory(t, &before);
	for (slot = 0; slot < NSLOTS; slot++)
		between[slot] = ferry_kunit_pte(t, slot);
	ferry_kunit_pages(t);
	for (slot = ZERO; slot < NSLOTS; slot++) {
		KUNIT_EXPECT_FALSE(test, t->src[slot] & MIGRATE_PFN_MIGRATE);
		KUNIT_EXPECT_EQ(test, ferry_folio_memcg(page_folio(t->offered[slot])), 0);
	}
	c->end(t);
	ferry_kunit_finalize(t);
	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_EQ(test, now.rss, before.rss);
	for (slot = ZERO; slot < NSLOTS; slot++) {
		KUNIT_EXPECT_TRUE_MSG(test, pte_same(ferry_kunit_pte(t, slot), between[slot]),
				      "slot %lu", slot);
		if (!c->drop_in)
			KUNIT_EXPECT_EQ(test, t->outcome[slot], c->outcome);
	}
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, PAGE, 1), 0);
}

/* A huge page came into the hole: the PMD maps no page table. */
static void huge_page(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2);
	unsigned long i;

	KUNIT_ASSERT_EQ(test, do_madvise(t->mm, t->start, PMD_SIZE, MADV_HUGEPAGE), 0);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	ferry_kunit_offer_all(t);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_fault(t, 0));
	KUNIT_EXPECT_TRUE(test, pmd_trans_huge(*mm_find_pmd(t->mm, t->start)));
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, t->outcome[i], FERRY_RACED);
	KUNIT_EXPECT_TRUE(test, pmd_trans_huge(*mm_find_pmd(t->mm, t->start)));
}

static struct kunit_case hole_cases[] = {
	KUNIT_CASE_PARAM(fill, fill_gen_params),
	KUNIT_CASE(nothing_offered),
	KUNIT_CASE_PARAM(refuse, refuse_gen_params),
	KUNIT_CASE(huge_page),
	{}
};

static struct kunit_suite hole_suite = {
	.name = "ferry_insert",
	.test_cases = hole_cases,
};

kunit_test_suite(hole_suite);
