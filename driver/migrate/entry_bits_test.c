// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each bit of a page-table entry, in all combinations, after each end of a
 * migration.
 */
#include <linux/memremap.h>
#include <linux/swap.h>

#include "compat.h"
#include "mm_internal.h"
#include "kunit.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM
#define PRIVATE	MIGRATE_VMA_SELECT_DEVICE_PRIVATE

/* One slot per combination; the number of the slot is the combination. */
#define WRITE		1
#define YOUNG		2
#define DIRTY		4
#define SOFT_DIRTY	8
#define UFFD_WP		16
#define EXCLUSIVE	32
#define NCOMBINATIONS	64
#define BITS		(NCOMBINATIONS - 1)

enum fate {
	NO_DESTINATION,	/* no destination offered */
	REFUSED,	/* by setup: extra reference before setup */
	FAILED,		/* by pages: extra reference between setup and pages */
	MOVED,
	ROUND_TRIP,	/* to a device and back */
	FAILED_DEVICE,	/* ROUND_TRIP with failed attempts on the device */
};

static const struct bits_case {
	const char *name;
	enum fate fate;
	bool shared;	/* with another process: the rmap path */
	unsigned long kept;
} bits_cases[] = {
	{ "no destination", NO_DESTINATION, .kept = BITS },
	{ "refused by setup", REFUSED, .kept = BITS },
	{ "failed in pages", FAILED, .kept = BITS },
	{ "moved to system memory", MOVED, .kept = BITS },
	{ "to a device and back", ROUND_TRIP, .kept = BITS & ~(YOUNG | DIRTY) },
	{ "to a device, stuck, and back", FAILED_DEVICE, .kept = BITS & ~(YOUNG | DIRTY) },
	{ "no destination, shared", NO_DESTINATION, true, BITS },
	{ "refused by setup, shared", REFUSED, true, BITS },
	{ "failed in pages, shared", FAILED, true, BITS },
	{ "moved to system memory, shared", MOVED, true, BITS },
	{ "to a device and back, shared", ROUND_TRIP, true, BITS & ~(YOUNG | DIRTY) },
};

KUNIT_ARRAY_PARAM_DESC(bits, bits_cases, name);

static bool is_legal(unsigned long bits, bool shared)
{
	if (bits & WRITE && (bits & UFFD_WP || !(bits & EXCLUSIVE)))
		return false;
	return !shared || !(bits & EXCLUSIVE);
}

static void write_bits(struct ferry_kunit *t, unsigned long slot, unsigned long bits)
{
	struct vm_area_struct *vma = vma_lookup(t->mm, ferry_kunit_addr(t, slot));
	struct page *page = ferry_kunit_page(t, slot);
	pte_t pte = ferry_kunit_pte(t, slot);

	pte = bits & WRITE ? pte_mkwrite(pte, vma) : pte_wrprotect(pte);
	pte = bits & YOUNG ? pte_mkyoung(pte) : pte_mkold(pte);
	pte = bits & DIRTY ? pte_mkdirty(pte) : pte_mkclean(pte);
	pte = bits & SOFT_DIRTY ? pte_mksoft_dirty(pte) : pte_clear_soft_dirty(pte);
	pte = bits & UFFD_WP ? pte_mkuffd(pte) : pte_clear_uffd(pte);
	ferry_kunit_set_pte(t, slot, pte);
	if (!(bits & EXCLUSIVE))
		ClearPageAnonExclusive(page);
	ClearPageDirty(page);
}

static unsigned long read_bits(struct ferry_kunit *t, unsigned long slot)
{
	pte_t pte = ferry_kunit_pte(t, slot);

	if (!pte_present(pte))
		return 0;
	return (pte_write(pte) ? WRITE : 0) | (pte_young(pte) ? YOUNG : 0) |
	       (pte_dirty(pte) ? DIRTY : 0) | (pte_soft_dirty(pte) ? SOFT_DIRTY : 0) |
	       (pte_uffd(pte) ? UFFD_WP : 0) |
	       (PageAnonExclusive(pte_page(pte)) ? EXCLUSIVE : 0);
}

/* Checks the entry while the page is on the device. */
static void expect_device_bits(struct ferry_kunit *t, unsigned long slot, bool shared)
{
	pte_t pte = ferry_kunit_pte(t, slot);
	unsigned long bits = 0;

	if (softleaf_is_device_private_write(softleaf_from_pte(pte)))
		bits |= WRITE;
	if (pte_swp_soft_dirty(pte))
		bits |= SOFT_DIRTY;
	if (pte_swp_uffd(pte))
		bits |= UFFD_WP;
	if (PageAnonExclusive(ferry_kunit_page(t, slot)))
		bits |= EXCLUSIVE;
	KUNIT_EXPECT_EQ_MSG(t->test, bits, slot & (WRITE | SOFT_DIRTY | UFFD_WP | EXCLUSIVE),
			    "combination %#lx, on the device", slot);
	if (!shared)
		KUNIT_EXPECT_EQ_MSG(t->test, PageDirty(ferry_kunit_page(t, slot)),
				    !!(slot & DIRTY), "combination %#lx, on the device",
				    slot);
}

static void hold_all(struct ferry_kunit *t, struct page **pages, int by)
{
	unsigned long slot;

	for (slot = 0; slot < t->npages; slot++)
		page_ref_add(pages[slot], by);
}

static void note_pages(struct ferry_kunit *t, struct page **pages)
{
	unsigned long slot;

	for (slot = 0; slot < t->npages; slot++)
		pages[slot] = ferry_kunit_page(t, slot);
}

static void migrate_page(struct ferry_kunit *t, enum fate fate, unsigned long select)
{
	struct page *pages[NCOMBINATIONS];

	note_pages(t, pages);
	if (fate == REFUSED)
		hold_all(t, pages, 1);
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_setup(t, select), 0);
	if (fate != NO_DESTINATION)
		ferry_kunit_offer_all(t);
	if (fate == FAILED)
		hold_all(t, pages, 1);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	if (fate == REFUSED || fate == FAILED)
		hold_all(t, pages, -1);
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_count(t, FERRY_MOVED),
			fate == MOVED ? t->npages : 0);
}

static void migrate_by_device(struct ferry_kunit *t, enum fate fate, bool shared)
{
	struct ferry_kunit_device *device = ferry_kunit_device_create(t->test);
	unsigned long slot;

	t->device = device;
	migrate_page(t, MOVED, SYSTEM);
	if (fate == FAILED_DEVICE) {
		migrate_page(t, NO_DESTINATION, PRIVATE);
		migrate_page(t, FAILED, PRIVATE);
	}
	for (slot = 0; slot < t->npages; slot++)
		if (is_legal(slot, shared))
			expect_device_bits(t, slot, shared);
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_setup(t, PRIVATE), 0);
	t->device = NULL;
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_count(t, FERRY_MOVED), t->npages);
}

/*
 * I1, second half. A failed migration and a migration to system memory keep all
 * bits. A visit to a device clears young and dirty, and the folio's dirty flag
 * stands for dirty. The folio is dirty if the entry was dirty.
 */
static void bits(struct kunit *test)
{
	const struct bits_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NCOMBINATIONS);
	struct ferry_kunit_child *child = NULL;
	unsigned long slot;

	ferry_kunit_write(t, 0, NCOMBINATIONS);
	if (c->shared)
		child = ferry_kunit_fork(t);
	for (slot = 0; slot < NCOMBINATIONS; slot++)
		if (is_legal(slot, c->shared))
			write_bits(t, slot, slot);

	if (c->fate == ROUND_TRIP || c->fate == FAILED_DEVICE)
		migrate_by_device(t, c->fate, c->shared);
	else
		migrate_page(t, c->fate, SYSTEM);
	for (slot = 0; slot < NCOMBINATIONS; slot++) {
		if (!is_legal(slot, c->shared))
			continue;
		KUNIT_EXPECT_EQ_MSG(test, read_bits(t, slot), slot & c->kept,
				    "combination %#lx", slot);
		if (!c->shared)
			KUNIT_EXPECT_EQ_MSG(test, PageDirty(ferry_kunit_page(t, slot)),
					    !!(slot & DIRTY), "combination %#lx", slot);
	}
	if (child)
		ferry_kunit_child_end(child);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, NCOMBINATIONS), 0);
}

static struct kunit_case entry_bits_cases[] = {
	KUNIT_CASE_PARAM(bits, bits_gen_params),
	{}
};

static struct kunit_suite entry_bits_suite = {
	.name = "ferry_entry_bits",
	.test_cases = entry_bits_cases,
};

kunit_test_suite(entry_bits_suite);
