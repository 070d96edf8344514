// SPDX-License-Identifier: GPL-2.0-only
/*
 * I24: device pages of a mapping with tracked writes, to the device and back.
 */
#include <linux/memremap.h>
#include <linux/swap.h>

#include "compat.h"
#include "mm_internal.h"
#include "kunit.h"
#include "writes.h"

#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM
#define PRIVATE	MIGRATE_VMA_SELECT_DEVICE_PRIVATE

#define NPAGES	4

/*
 * Start of the tracking, as by clear_refs: no entry is soft-dirty afterwards.
 */
enum tracked { NEVER, BEFORE, ON_DEVICE };

static const struct tracked_case {
	const char *name;
	enum tracked tracked;
	bool drop_in;		/* calls without _ext */
	bool clean;		/* not written since tracking began */
	bool protected;		/* by userfaultfd, on the device */
	bool shared;		/* with another process */
	bool device_write;	/* the device's entry is writable */
	bool noted;		/* the device may write */
	bool back_write;	/* the returned page is writable without a fault */
} tracked_cases[] = {
	{ "not tracked", NEVER, .device_write = true, .noted = true, .back_write = true },
	{ "not tracked, shared", NEVER, .clean = true, .shared = true },
	{ "written before", BEFORE, .noted = true, .back_write = true },
	{ "written before, shared", BEFORE, .shared = true },
	{ "written before, protected", BEFORE, .protected = true },
	{ "written before, by a drop-in caller", BEFORE, .drop_in = true, .device_write = true,
	  .noted = true, .back_write = true },
	{ "clean", BEFORE, .clean = true, .noted = true },
	{ "clean, by a drop-in caller", BEFORE, .clean = true, .drop_in = true, .noted = true },
	{ "tracked on the device", ON_DEVICE, .clean = true, .device_write = true,
	  .noted = true },
	{ "tracked on the device, shared", ON_DEVICE, .clean = true, .shared = true },
};

KUNIT_ARRAY_PARAM_DESC(tracked, tracked_cases, name);

static void clear_soft_dirty(struct ferry_kunit *t)
{
	struct vm_area_struct *vma;
	unsigned long slot;
	pte_t pte;

	mmap_write_lock(t->mm);
	vma = vma_lookup(t->mm, t->start);
	vm_flags_clear(vma, VM_SOFTDIRTY);
	mmap_write_unlock(t->mm);
	for (slot = 0; slot < t->npages; slot++) {
		pte = ferry_kunit_pte(t, slot);
		if (pte_present(pte))
			pte = pte_clear_soft_dirty(pte_wrprotect(pte));
		else
			pte = pte_swp_clear_soft_dirty(pte);
		ferry_kunit_set_pte(t, slot, pte);
	}
}

static void write_again(struct ferry_kunit *t)
{
	struct vm_area_struct *vma = vma_lookup(t->mm, t->start);
	unsigned long slot;
	pte_t pte;

	for (slot = 0; slot < t->npages; slot++) {
		pte = ferry_kunit_pte(t, slot);
		ferry_kunit_set_pte(t, slot, pte_mksoft_dirty(pte_mkwrite(pte, vma)));
	}
}

/* Moves pages to the device, in the state of the case. */
static struct ferry_kunit *make(struct kunit *test, const struct tracked_case *c,
				struct ferry_kunit_child **child)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, NPAGES);
	unsigned long slot;

	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		kunit_skip(test, "no soft-dirty in this kernel");
	t->device = ferry_kunit_device_create(test);
	t->drop_in = c->drop_in;
	ferry_kunit_write(t, 0, NPAGES);
	if (c->tracked == BEFORE)
		clear_soft_dirty(t);
	if (c->tracked == BEFORE && !c->clean)
		write_again(t);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	*child = c->shared ? ferry_kunit_fork(t) : NULL;
	if (c->tracked == ON_DEVICE)
		clear_soft_dirty(t);
	for (slot = 0; slot < NPAGES && c->protected; slot++)
		ferry_kunit_set_pte(t, slot, pte_swp_mkuffd(ferry_kunit_pte(t, slot)));
	return t;
}

static void unmake(struct ferry_kunit_child *child)
{
	if (child)
		ferry_kunit_child_end(child);
}

static bool is_writable_entry(pte_t pte)
{
	return softleaf_is_device_private_write(softleaf_from_pte(pte));
}

static bool note(struct ferry_kunit *t, unsigned long slot, const void *owner)
{
	bool may;

	mmap_read_lock(t->mm);
	may = ferry_writes_note(vma_lookup(t->mm, t->start), ferry_kunit_addr(t, slot), owner);
	mmap_read_unlock(t->mm);
	return may;
}

static void bring_back(struct ferry_kunit *t)
{
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_setup(t, PRIVATE), 0);
	t->device = NULL;
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
}

/* Checks the device's entry, the effect of a note, and the returned entry. */
static void noted(struct kunit *test)
{
	const struct tracked_case *c = test->param_value;
	struct ferry_kunit_child *child;
	struct ferry_kunit *t = make(test, c, &child);
	void *owner = t->device;
	pte_t pte = ferry_kunit_pte(t, 0);

	KUNIT_EXPECT_EQ(test, is_writable_entry(pte), c->device_write);
	KUNIT_EXPECT_EQ(test, !pte_swp_soft_dirty(pte), c->clean);
	KUNIT_EXPECT_FALSE(test, note(t, 0, t));
	KUNIT_EXPECT_EQ(test, pte_val(ferry_kunit_pte(t, 0)), pte_val(pte));
	KUNIT_EXPECT_EQ(test, note(t, 0, owner), c->noted);
	pte = ferry_kunit_pte(t, 0);
	if (c->noted) {
		KUNIT_EXPECT_TRUE(test, pte_swp_soft_dirty(pte));
		KUNIT_EXPECT_EQ(test, is_writable_entry(pte), c->tracked == NEVER);
	}
	KUNIT_EXPECT_EQ(test, is_writable_entry(ferry_kunit_pte(t, 1)), c->device_write);
	bring_back(t);
	KUNIT_EXPECT_EQ(test, pte_write(ferry_kunit_pte(t, 0)), c->noted);
	KUNIT_EXPECT_EQ(test, pte_write(ferry_kunit_pte(t, 1)), c->back_write);
	KUNIT_EXPECT_EQ(test, !!pte_soft_dirty(ferry_kunit_pte(t, 0)), c->noted || !c->clean);
	KUNIT_EXPECT_EQ(test, !!pte_soft_dirty(ferry_kunit_pte(t, 1)), !c->clean);
	KUNIT_EXPECT_EQ(test, PageAnonExclusive(ferry_kunit_page(t, 0)), !c->shared);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, NPAGES), 0);
	unmake(child);
}

/* The same for a return by pfn, through the rmap path. */
static void back_by_pfn(struct kunit *test)
{
	const struct tracked_case *c = test->param_value;
	struct ferry_kunit_child *child;
	struct ferry_kunit *t = make(test, c, &child);
	struct ferry_kunit_device *device = t->device;
	unsigned long slot;

	memset(t->dst, 0, NPAGES * sizeof(*t->dst));
	memset(t->offered, 0, NPAGES * sizeof(*t->offered));
	ferry_migrate_device_range(t->src, ferry_kunit_device_pfn(device), NPAGES);
	t->device = NULL;
	t->drop_in = false;
	/* Slot 0 has no destination, and stays on the device. */
	for (slot = 1; slot < NPAGES; slot++)
		ferry_kunit_offer(t, slot);
	ferry_migrate_device_pages(t->src, t->dst, NPAGES);
	ferry_migrate_device_finalize(t->src, t->dst, NPAGES);
	KUNIT_EXPECT_EQ(test, ferry_kunit_device_used(device), 1);
	KUNIT_EXPECT_EQ(test, is_writable_entry(ferry_kunit_pte(t, 0)),
			c->device_write && c->tracked != ON_DEVICE);
	for (slot = 1; slot < NPAGES; slot++) {
		KUNIT_EXPECT_EQ(test, pte_write(ferry_kunit_pte(t, slot)), c->back_write);
		KUNIT_EXPECT_EQ(test, !!pte_soft_dirty(ferry_kunit_pte(t, slot)), !c->clean);
		KUNIT_EXPECT_EQ(test, PageAnonExclusive(ferry_kunit_page(t, slot)), !c->shared);
	}
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 1, NPAGES - 1), 0);
	t->device = device;
	unmake(child);
}

/*
 * Entries of another engine keep their soft-dirty bit, and lose write
 * permission.
 */
static void protected(struct kunit *test)
{
	static const struct tracked_case on_device = { .tracked = ON_DEVICE };
	struct ferry_kunit_child *child;
	struct ferry_kunit *t = make(test, &on_device, &child);
	unsigned long slot, end = ferry_kunit_addr(t, NPAGES - 1);

	ferry_kunit_set_pte(t, 1, pte_swp_mksoft_dirty(ferry_kunit_pte(t, 1)));
	mmap_read_lock(t->mm);
	ferry_writes_protect(vma_lookup(t->mm, t->start), t->start, end);
	mmap_read_unlock(t->mm);
	for (slot = 0; slot < NPAGES; slot++) {
		KUNIT_EXPECT_EQ(test, is_writable_entry(ferry_kunit_pte(t, slot)),
				slot == NPAGES - 1);
		KUNIT_EXPECT_EQ(test, !!pte_swp_soft_dirty(ferry_kunit_pte(t, slot)), slot == 1);
	}
	mmap_read_lock(t->mm);
	ferry_writes_grant(vma_lookup(t->mm, t->start), t->start, end + PAGE_SIZE);
	mmap_read_unlock(t->mm);
	for (slot = 0; slot < NPAGES; slot++)
		KUNIT_EXPECT_EQ(test, is_writable_entry(ferry_kunit_pte(t, slot)), slot == 1);
	unmake(child);
}

static struct kunit_case writes_cases[] = {
	KUNIT_CASE_PARAM(noted, tracked_gen_params),
	KUNIT_CASE_PARAM(back_by_pfn, tracked_gen_params),
	KUNIT_CASE(protected),
	{}
};

static struct kunit_suite writes_suite = {
	.name = "ferry_writes",
	.test_cases = writes_cases,
};

kunit_test_suite(writes_suite);
