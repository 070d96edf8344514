// SPDX-License-Identifier: GPL-2.0-only
/*
 * The caller of the phases in a test fixture. Between the phases the caller
 * does the work of a driver, with system pages or device pages as destinations.
 * After each migration the caller checks the rules for all destinations (I5): a
 * used destination is never put; an unused destination is put once, and looks
 * as it did when it was offered.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/memremap.h>
#include <linux/pagemap.h>

#include "kunit.h"
#include "rmap.h"

static u64 *word_of(struct page *page)
{
	return is_device_private_page(page) ? ferry_kunit_device_word(page) :
					      page_address(page);
}

/* The put_dst member of struct ferry_migrate. */
static void take_back(struct ferry_migrate *migrate, struct page *page)
{
	struct ferry_kunit *t = container_of(migrate, struct ferry_kunit, migrate);
	struct folio *folio = page_folio(page);
	unsigned long slot = 0;

	while (slot < t->npages && t->offered[slot] != page)
		slot++;
	KUNIT_EXPECT_LT(t->test, slot, t->npages);
	if (slot == t->npages)
		return;
	t->puts[slot]++;
	KUNIT_EXPECT_PTR_EQ(t->test, folio->mapping, NULL);
	KUNIT_EXPECT_EQ(t->test, folio->index, FERRY_KUNIT_INDEX);
	KUNIT_EXPECT_FALSE(t->test, folio_test_swapbacked(folio));
	KUNIT_EXPECT_FALSE(t->test, folio_test_dirty(folio));
	KUNIT_EXPECT_FALSE(t->test, folio_mapped(folio));
	KUNIT_EXPECT_EQ(t->test, ferry_folio_memcg(folio), 0);
	if (t->others_hold)
		return;
	KUNIT_EXPECT_FALSE(t->test, folio_test_locked(folio));
	KUNIT_EXPECT_EQ(t->test, folio_ref_count(folio), 1);
}

/**
 * ferry_kunit_setup() - run the first phase over all slots
 * @t: the fixture
 * @select: MIGRATE_VMA_SELECT_* flags
 *
 * Context: takes mmap_lock for read; ferry_kunit_finalize() drops the lock.
 * Return: the result of ferry_migrate_setup() or ferry_migrate_setup_ext().
 */
int ferry_kunit_setup(struct ferry_kunit *t, unsigned long select)
{
	unsigned long slot;

	mmap_read_lock(t->mm);
	t->vma = vma_lookup(t->mm, t->start);
	t->migrate = (struct ferry_migrate) {
		.vma = {
			.vma = t->vma,
			.src = t->src,
			.dst = t->dst,
			.start = t->start,
			.end = ferry_kunit_addr(t, t->npages),
			.pgmap_owner = t->device,
			.flags = select,
			.fault_page = t->fault_page,
		},
		.outcome = t->outcome,
		.flush = t->migrate.flush,
		.put_dst = take_back,
	};
	for (slot = 0; slot < t->npages; slot++) {
		/* Values of an earlier use; setup overwrites them. */
		t->src[slot] = MIGRATE_PFN_MIGRATE | MIGRATE_PFN_WRITE;
		t->dst[slot] = MIGRATE_PFN_WRITE;
		t->outcome[slot] = FERRY_NOT_ATTEMPTED;
		t->offered[slot] = NULL;
		t->puts[slot] = 0;
	}
	if (t->drop_in)
		return ferry_migrate_setup(&t->migrate.vma);
	return ferry_migrate_setup_ext(&t->migrate);
}

/**
 * ferry_kunit_fault_begin() - make a page the page of a CPU fault
 * @t: the fixture, before ferry_kunit_setup()
 * @page: device page with a reference of the caller
 *
 * Locks the page where do_swap_page() calls migrate_to_ram with the page locked.
 *
 * Context: sleeps; ferry_kunit_fault_end() drops the lock.
 */
void ferry_kunit_fault_begin(struct ferry_kunit *t, struct page *page)
{
	t->fault_page = page;
	if (FERRY_FAULT_PAGE_LOCKED)
		lock_page(page);
}

/**
 * ferry_kunit_fault_end() - end the CPU fault
 * @t: the fixture, after ferry_kunit_finalize(); the caller still holds its
 *	reference, or the page is still mapped
 *
 * The engine took the page with the caller's lock, and must have kept the lock:
 * nobody else could have locked the page since. Without the caller's lock the
 * engine must have dropped its own.
 *
 * Context: any.
 */
void ferry_kunit_fault_end(struct ferry_kunit *t)
{
	KUNIT_EXPECT_EQ(t->test, PageLocked(t->fault_page), FERRY_FAULT_PAGE_LOCKED);
	if (PageLocked(t->fault_page))
		unlock_page(t->fault_page);
	t->fault_page = NULL;
}

/**
 * ferry_kunit_offer() - offer a locked destination with the data of its source
 * @t: the fixture, after ferry_kunit_setup()
 * @slot: slot of the destination
 *
 * Context: mmap_lock held for read; sleeps.
 * Return: the destination, or NULL, with a failed expectation, without memory.
 */
struct page *ferry_kunit_offer(struct ferry_kunit *t, unsigned long slot)
{
	struct page *src = migrate_pfn_to_page(t->src[slot]), *page;

	if (t->device) {
		page = ferry_kunit_device_alloc(t->device);
	} else {
		page = alloc_page(GFP_KERNEL);
		if (page)
			lock_page(page);
	}
	KUNIT_EXPECT_NOT_NULL(t->test, page);
	if (!page)
		return NULL;
	if (src)
		*word_of(page) = *word_of(src);
	else if (t->device)
		*word_of(page) = 0;
	else
		clear_page(page_address(page));
	page_folio(page)->index = FERRY_KUNIT_INDEX;
	if (t->drop_in)
		get_page(page);
	t->offered[slot] = page;
	t->dst[slot] = migrate_pfn(page_to_pfn(page));
	return page;
}

/**
 * ferry_kunit_offer_all() - offer a destination for each slot that migrates
 * @t: the fixture, after ferry_kunit_setup()
 *
 * Context: mmap_lock held for read; sleeps.
 */
void ferry_kunit_offer_all(struct ferry_kunit *t)
{
	unsigned long slot;

	for (slot = 0; slot < t->npages; slot++)
		if (t->src[slot] & MIGRATE_PFN_MIGRATE)
			ferry_kunit_offer(t, slot);
}

/**
 * ferry_kunit_pages() - run the second phase
 * @t: the fixture, after ferry_kunit_setup()
 *
 * Context: mmap_lock held for read; sleeps.
 */
void ferry_kunit_pages(struct ferry_kunit *t)
{
	if (t->drop_in)
		ferry_migrate_pages(&t->migrate.vma);
	else
		ferry_migrate_pages_ext(&t->migrate);
}

static void settle_drop_in(struct ferry_kunit *t, unsigned long slot, bool used)
{
	if (!used && !t->others_hold)
		KUNIT_EXPECT_EQ_MSG(t->test, page_ref_count(t->offered[slot]), 1,
				    "slot %lu", slot);
	if (used)
		KUNIT_EXPECT_GT_MSG(t->test, page_ref_count(t->offered[slot]), 1,
				    "slot %lu", slot);
	put_page(t->offered[slot]);
}

static void settle(struct ferry_kunit *t)
{
	unsigned long slot;
	bool used;

	for (slot = 0; slot < t->npages; slot++) {
		if (!t->offered[slot])
			continue;
		used = t->src[slot] & MIGRATE_PFN_MIGRATE;
		if (t->drop_in) {
			settle_drop_in(t, slot, used);
			continue;
		}
		KUNIT_EXPECT_EQ_MSG(t->test, t->puts[slot], !used, "slot %lu", slot);
		if (t->puts[slot])
			put_page(t->offered[slot]);
	}
}

/**
 * ferry_kunit_finalize() - run the last phase, check and free destinations
 * @t: the fixture, after ferry_kunit_pages()
 *
 * Context: mmap_lock held for read; drops mmap_lock.
 */
void ferry_kunit_finalize(struct ferry_kunit *t)
{
	if (t->drop_in)
		ferry_migrate_finalize(&t->migrate.vma);
	else
		ferry_migrate_finalize_ext(&t->migrate);
	mmap_read_unlock(t->mm);
	settle(t);
}

/**
 * ferry_kunit_migrate() - run all phases, with destinations for all slots
 * @t: the fixture
 * @select: MIGRATE_VMA_SELECT_* flags
 *
 * Context: takes and drops mmap_lock for read; sleeps.
 * Return: 0, or the error of setup.
 */
int ferry_kunit_migrate(struct ferry_kunit *t, unsigned long select)
{
	int ret = ferry_kunit_setup(t, select);

	if (ret) {
		mmap_read_unlock(t->mm);
		return ret;
	}
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	return 0;
}

/**
 * ferry_kunit_fault() - let the CPU write to a hole between the phases
 * @t: the fixture, between setup and finalize
 * @slot: slot of the hole; the fault maps a zeroed page
 *
 * Context: mmap_lock held for read; sleeps.
 * Return: true if the fault succeeded.
 */
bool ferry_kunit_fault(struct ferry_kunit *t, unsigned long slot)
{
	return !(handle_mm_fault(t->vma, ferry_kunit_addr(t, slot), FAULT_FLAG_WRITE,
				 NULL) & VM_FAULT_ERROR);
}

/**
 * ferry_kunit_count() - count the slots with an outcome
 * @t: the fixture, after ferry_kunit_finalize()
 * @outcome: value of enum ferry_outcome
 *
 * Context: any.
 * Return: number of slots.
 */
unsigned long ferry_kunit_count(const struct ferry_kunit *t, u8 outcome)
{
	unsigned long slot, n = 0;

	for (slot = 0; slot < t->npages; slot++)
		n += t->outcome[slot] == outcome;
	return n;
}
