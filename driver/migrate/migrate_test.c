// SPDX-License-Identifier: GPL-2.0-only
/* The phases as a whole: arguments and round trips. */
#include <linux/memremap.h>

#include "kunit.h"

/* The range reaches into a second page table. */
#define MANY	(PTRS_PER_PTE + 100)
#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM
#define PRIVATE	MIGRATE_VMA_SELECT_DEVICE_PRIVATE

/* I11: own and core refuse the same arguments. The mapping has ten pages. */
static const struct args_case {
	const char *name;
	unsigned long vm_flags;
	long start, end;
	bool no_vma, no_src, no_dst, bad_fault_page, core_dies;
	int ret;
} args_cases[] = {
	{ .name = "fine", .end = 10 },
	{ .name = "no vma", .end = 10, .no_vma = true, .ret = -EINVAL },
	{ .name = "no src", .end = 10, .no_src = true, .ret = -EINVAL },
	{ .name = "no dst", .end = 10, .no_dst = true, .ret = -EINVAL },
	{ .name = "empty", .start = 3, .end = 3, .ret = -EINVAL },
	/*
	 * core takes the difference for a positive number, and clears as many
	 * slots.
	 */
	{ .name = "backwards", .start = 4, .end = 3, .core_dies = true, .ret = -EINVAL },
	{ .name = "begins before", .start = -1, .end = 3, .ret = -EINVAL },
	{ .name = "ends behind", .start = 9, .end = 11, .ret = -EINVAL },
	{ .name = "begins behind", .start = 10, .end = 11, .ret = -EINVAL },
	{ .name = "ends before", .start = -2, .end = 0, .ret = -EINVAL },
	{ .name = "a system page that faults", .end = 10, .bad_fault_page = true,
	  .ret = -EINVAL },
	{ .name = "hugetlb", .end = 10, .vm_flags = VM_HUGETLB, .ret = -EINVAL },
	{ .name = "I/O", .end = 10, .vm_flags = VM_IO, .ret = -EINVAL },
	{ .name = "no expanding", .end = 10, .vm_flags = VM_DONTEXPAND, .ret = -EINVAL },
	{ .name = "pfns", .end = 10, .vm_flags = VM_PFNMAP, .ret = -EINVAL },
	{ .name = "mixed", .end = 10, .vm_flags = VM_MIXEDMAP, .ret = -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(args, args_cases, name);

/* The engines get a copy of the VMA with the flags of the case, and no page. */
static void args(struct kunit *test)
{
	const struct args_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 10);
	struct vm_area_struct *vma;
	struct migrate_vma args;
	int own, core;

	vma = kunit_kzalloc(test, sizeof(*vma), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vma);
	mmap_read_lock(t->mm);
	/* The test does not use the lock and the counters of the copy. */
	data_race(memcpy(vma, vma_lookup(t->mm, t->start), sizeof(*vma)));
	vma->vm_start = t->start;
	vma->vm_end = ferry_kunit_addr(t, 10);
	vm_flags_init(vma, vma->vm_flags | c->vm_flags);
	args = (struct migrate_vma) {
		.vma = c->no_vma ? NULL : vma,
		.src = c->no_src ? NULL : t->src,
		.dst = c->no_dst ? NULL : t->dst,
		.start = ferry_kunit_addr(t, c->start),
		.end = ferry_kunit_addr(t, c->end),
		.flags = SYSTEM,
		.fault_page = c->bad_fault_page ? ZERO_PAGE(0) : NULL,
	};
	own = ferry_migrate_setup(&args);
	KUNIT_EXPECT_EQ(test, own, c->ret);
	if (!own)
		ferry_migrate_finalize(&args);
	core = c->core_dies ? own : migrate_vma_setup(&args);
	KUNIT_EXPECT_EQ(test, core, own);
	if (!core)
		migrate_vma_finalize(&args);
	mmap_read_unlock(t->mm);
}

static void unknown_flush(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 1);

	t->migrate.flush = FERRY_NFLUSHES;
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), -EINVAL);
	t->migrate.flush = -1;
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), -EINVAL);
	t->migrate.flush = FERRY_FLUSH_DEFAULT;
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
}

static const struct trip_case {
	const char *name;
	bool device, drop_in;
	enum ferry_flush flush;
} trip_cases[] = {
	{ "to system memory" },
	{ "to system memory, drop-in", .drop_in = true },
	{ "to a device", .device = true },
	{ "to a device, drop-in", .device = true, .drop_in = true },
	{ "to a device, a flush per page", .device = true, .flush = FERRY_FLUSH_PER_PAGE },
	{ "to a device, per table", .device = true, .flush = FERRY_FLUSH_PER_TABLE },
	{ "to a device, per call", .device = true, .flush = FERRY_FLUSH_PER_CALL },
};

KUNIT_ARRAY_PARAM_DESC(trip, trip_cases, name);

/*
 * Exclusively mapped pages move in one pass, and need no rmap walk in either
 * direction.
 */
static void expect_one_pass(struct ferry_kunit *t)
{
	const struct ferry_migrate_counts *counts = &t->migrate.counts;

	if (t->drop_in)
		return;
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_count(t, FERRY_MOVED), t->npages);
	KUNIT_EXPECT_EQ(t->test, counts->passes, 1);
	KUNIT_EXPECT_EQ(t->test, counts->drains, 0);
	KUNIT_EXPECT_EQ(t->test, counts->splits, 0);
	KUNIT_EXPECT_EQ(t->test, counts->known, t->npages);
	KUNIT_EXPECT_EQ(t->test, counts->walked, 0);
}

static void expect_memory(struct ferry_kunit *t, const struct ferry_kunit_memory *before)
{
	struct ferry_kunit_memory now;

	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_EQ(t->test, now.rss, before->rss);
	KUNIT_EXPECT_EQ(t->test, now.swap, before->swap);
	KUNIT_EXPECT_TRUE(t->test, ferry_kunit_near(now.lru, before->lru));
	KUNIT_EXPECT_EQ(t->test, now.mapped, before->mapped);
	KUNIT_EXPECT_EQ(t->test, now.isolated, before->isolated);
	KUNIT_EXPECT_EQ(t->test, now.mlocked, before->mlocked);
}

static void move_to_system_memory(struct ferry_kunit *t)
{
	struct ferry_kunit_device *device = t->device;

	KUNIT_EXPECT_EQ(t->test, ferry_kunit_device_used(device), t->npages);
	KUNIT_EXPECT_TRUE(t->test, is_device_private_page(ferry_kunit_page(t, 0)));
	KUNIT_ASSERT_EQ(t->test, ferry_kunit_setup(t, PRIVATE), 0);
	/* pgmap_owner stays in the arguments. */
	t->device = NULL;
	ferry_kunit_offer_all(t);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	expect_one_pass(t);
	KUNIT_EXPECT_EQ(t->test, ferry_kunit_device_used(device), 0);
}

static void round_trip(struct kunit *test)
{
	const struct trip_case *c = test->param_value;
	struct ferry_kunit *t = ferry_kunit_create(test, 7, MANY);
	struct ferry_kunit_memory before;

	if (c->device)
		t->device = ferry_kunit_device_create(test);
	t->drop_in = c->drop_in;
	t->migrate.flush = c->flush;
	if (c->device)
		t->npages = PTRS_PER_PTE;
	ferry_kunit_write(t, 0, t->npages);
	ferry_kunit_memory(t, &before);

	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.cpages, t->npages);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.npages, t->npages);
	expect_one_pass(t);
	if (c->device)
		move_to_system_memory(t);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, t->npages), 0);
	expect_memory(t, &before);
}

/*
 * I7: without an rmap walk no MMU notifier is notified of a page with one
 * mapping.
 */
static void exclusive_pages_are_not_walked(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 64);

	t->device = ferry_kunit_device_create(test);
	ferry_kunit_write(t, 0, 64);
	ferry_kunit_watch(t);
	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	expect_one_pass(t);
	KUNIT_EXPECT_EQ(test, t->events[MMU_NOTIFY_MIGRATE], 1);
	KUNIT_EXPECT_EQ(test, t->events[MMU_NOTIFY_CLEAR], 0);
	move_to_system_memory(t);
	KUNIT_EXPECT_EQ(test, t->events[MMU_NOTIFY_MIGRATE], 2);
	KUNIT_EXPECT_EQ(test, t->events[MMU_NOTIFY_CLEAR], 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 64), 0);
}

/* A migration without a selected page leaves each entry unchanged. */
static void nothing_selected(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 4);
	pte_t before[4];
	int i;

	ferry_kunit_write(t, 0, 4);
	for (i = 0; i < 4; i++)
		before[i] = ferry_kunit_pte(t, i);
	KUNIT_ASSERT_EQ(test, ferry_kunit_migrate(t, PRIVATE), 0);
	KUNIT_EXPECT_EQ(test, t->migrate.vma.cpages, 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_ALREADY_THERE), 4);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.flushes, 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_TRUE(test, pte_same(before[i], ferry_kunit_pte(t, i)));
}

static struct kunit_case migrate_cases[] = {
	KUNIT_CASE_PARAM(args, args_gen_params),
	KUNIT_CASE(unknown_flush),
	KUNIT_CASE_PARAM(round_trip, trip_gen_params),
	KUNIT_CASE(exclusive_pages_are_not_walked),
	KUNIT_CASE(nothing_selected),
	{}
};

static struct kunit_suite migrate_suite = {
	.name = "ferry_migrate",
	.test_cases = migrate_cases,
};

kunit_test_suite(migrate_suite);
