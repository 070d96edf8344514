// SPDX-License-Identifier: MIT
/*
 * A migration or a CPU fault is held at each of its points. Another thread of
 * the process works on the pages with mmap_lock for reading only: DONTNEED,
 * FREE, PAGEOUT, a write, another migration.
 *
 * Broken engines that fail here:
 * - A new entry is installed where the migration's own entry has gone: a
 *   dropped page comes back, or replaces a new page (I23).
 * - A page or a reference leaks because its entry has gone.
 * - An entry is missing: an access does not wait, and its write is lost (I2).
 * - A second migration waits for the page locks of the first (I16), or takes
 *   pages from the first.
 *
 * Shows: I2, I6, I16, I23, CPU fault, MADV_DONTNEED, MADV_PAGEOUT
 * Guest: fault-around-off, races
 */
#include "race.h"
#include "swap.h"
#include "threads.h"

FIXTURE(same_mm) {
	struct ferry *ferry;
	uint8_t *memory;
	struct held held;
	size_t half;
	size_t n;
};

FIXTURE_VARIANT(same_mm) {
	struct race race;
};

RACE_VARIANT(same_mm, private_out_before_flush, 0, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(same_mm, private_out_after_setup, 0, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(same_mm, private_out_after_copy, 0, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(same_mm, private_out_before_finalize, 0, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(same_mm, private_home_after_setup, 0, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(same_mm, private_home_after_copy, 0, TO_SYSTEM, AFTER_COPY);
RACE_VARIANT(same_mm, private_home_before_finalize, 0, TO_SYSTEM, BEFORE_FINALIZE);
RACE_VARIANT(same_mm, touch_cpu_fault, 0, TOUCH, CPU_FAULT);
RACE_VARIANT(same_mm, touch_after_setup, 0, TOUCH, AFTER_SETUP);
RACE_VARIANT(same_mm, touch_after_copy, 0, TOUCH, AFTER_COPY);
RACE_VARIANT(same_mm, touch_before_finalize, 0, TOUCH, BEFORE_FINALIZE);
RACE_VARIANT(same_mm, coherent_out_before_flush, 2, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(same_mm, coherent_out_after_setup, 2, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(same_mm, coherent_out_after_copy, 2, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(same_mm, coherent_out_before_finalize, 2, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(same_mm, coherent_home_before_flush, 2, TO_SYSTEM, BEFORE_FLUSH);
RACE_VARIANT(same_mm, coherent_home_after_setup, 2, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(same_mm, coherent_home_after_copy, 2, TO_SYSTEM, AFTER_COPY);
RACE_VARIANT(same_mm, coherent_home_before_finalize, 2, TO_SYSTEM, BEFORE_FINALIZE);

FIXTURE_SETUP(same_mm)
{
	if (!can_be_held(&variant->race))
		SKIP(return, "backend=core cannot be held");
	self->n = PAGES * page_size();
	self->half = self->n / 2;
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	self->memory = test_map_pattern(self->n, 1);
	if (variant->race.how != TO_DEVICE)
		test_to_device(self->ferry, self->memory, self->n);
}

FIXTURE_TEARDOWN(same_mm)
{
	control_off();
	ferry_close(self->ferry);
}

/* After munmap() no page of the range may be left on the device. */
#define test_end()							\
	do {								\
		ASSERT_EQ(munmap(self->memory, self->n), 0);		\
		test_used(self->ferry, 0);				\
	} while (0)

/* Fault-around may also move pages that no CPU accesses. */
#define test_left(pages)						\
	do {								\
		ASSERT_LE(_test_used(self->ferry), (pages) * page_size()); \
		if (variant->race.how != TOUCH || fault_around_pages() == 1)	\
			test_used(self->ferry, pages);			\
	} while (0)

TEST_F(same_mm, dontneed)
{
	size_t left = variant->race.how == TO_SYSTEM ? 0 : PAGES / 2;

	test_hold_memory();
	ASSERT_EQ(madvise(self->memory, self->half, MADV_DONTNEED), 0);
	test_zero(self->memory, self->half);
	test_let_go(&self->held);
	test_all_moved(&self->held);
	ASSERT_EQ(self->held.seen, 0);

	test_left(left);
	test_zero(self->memory, self->half);
	ASSERT_TRUE(holds(self->memory, self->half, self->n, 1));
	test_end();
}

TEST_F(same_mm, dontneed_and_a_new_page)
{
	size_t left = variant->race.how == TO_SYSTEM ? 0 : PAGES / 2;

	test_hold_memory();
	ASSERT_EQ(madvise(self->memory, self->half, MADV_DONTNEED), 0);
	fill_part(self->memory, 0, self->half, 2);
	test_let_go(&self->held);
	test_all_moved(&self->held);

	test_left(left);
	ASSERT_TRUE(holds(self->memory, 0, self->half, 2));
	ASSERT_TRUE(holds(self->memory, self->half, self->n, 1));
	if (variant->race.how == TOUCH)
		ASSERT_EQ(self->held.seen, pattern(0, 2));
	test_end();
}

/* MADV_FREE skips entries that are not present: the data stays. */
TEST_F(same_mm, free)
{
	test_hold_memory();
	ASSERT_EQ(madvise(self->memory, self->half, MADV_FREE), 0);
	test_let_go(&self->held);
	test_all_moved(&self->held);
	test_pattern(self->memory, self->n, 1);

	/* Pages written later do not count as lazily freed. */
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(swap_on(), 0);
	madvise(self->memory, self->n, MADV_PAGEOUT);
	test_pattern(self->memory, self->n, 2);
	test_end();
}

/* The pages beside the moving pages are really paged out during the hold. */
TEST_F_TIMEOUT(same_mm, pageout, 60)
{
	uint8_t *around = test_map(3 * self->n), *memory = around + self->n;

	ASSERT_EQ(swap_on(), 0);
	fill_pattern(around, 3 * self->n, 1);
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	self->memory = memory;
	if (variant->race.how != TO_DEVICE)
		test_to_device(self->ferry, memory, self->n);
	test_hold_memory();
	ASSERT_EQ(page_out(around, 3 * self->n), 0);
	ASSERT_EQ(page_out(around + 2 * self->n, self->n), 0);
	test_let_go(&self->held);
	test_all_moved(&self->held);
	test_pattern(around, 3 * self->n, 1);
	test_end();
}

/* Writes a byte of each page. */
static int write_each(void *arg)
{
	volatile uint8_t *memory = arg;
	size_t i;

	for (i = 0; i < PAGES; i++)
		memory[i * page_size()] = 0xa0 + i;
	return 0;
}

static void restore_each(uint8_t *memory)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		memory[i * page_size()] = pattern(i * page_size(), 1);
}

/* A writer waits, and the write reaches the page that remains. */
TEST_F(same_mm, write)
{
	bool stays = variant->race.how == TO_DEVICE && !is_private(&variant->race);
	bool before_flush = !strcmp(variant->race.point, BEFORE_FLUSH);
	struct helper helper;
	size_t i;

	test_helper(&helper, write_each, self->memory);
	test_hold_memory();
	helper_go(&helper);
	/*
	 * Before the flush a writer may use stale TLB entries, for some pages
	 * or all.
	 */
	if (!before_flush)
		ASSERT_FALSE(helper_done(&helper));
	stays |= helper_done(&helper) && variant->race.how == TO_DEVICE;
	test_let_go(&self->held);
	ASSERT_EQ(helper_join(&helper), 0);
	test_all_moved(&self->held);

	if (!before_flush || stays || variant->race.how != TO_DEVICE)
		test_used(self->ferry, stays ? PAGES : 0);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(self->memory[i * page_size()], 0xa0 + i);
	restore_each(self->memory);
	test_pattern(self->memory, self->n, 1);
	test_end();
}

/*
 * Another device asks for the pages: the call returns at once and moves no
 * page.
 */
TEST_F(same_mm, another_migration)
{
	struct ferry *other = test_open(variant->race.device + 1);
	size_t i, npages = variant->race.how == TOUCH ? 1 : PAGES;
	bool at_fault = !strcmp(variant->race.point, CPU_FAULT);
	uint8_t outcomes[PAGES];
	struct ferry_counts counts;

	test_hold_memory();
	ASSERT_EQ(_test_migrate(other, self->memory, self->n, DRM_FERRY_TARGET_DEVICE,
				outcomes, &counts), 0);
	test_let_go(&self->held);
	test_all_moved(&self->held);
	ASSERT_EQ(counts.moved, 0);
	for (i = 0; i < npages; i++) {
		ASSERT_EQ(outcomes[i], at_fault ? DRM_FERRY_FOREIGN_DEVICE :
						  DRM_FERRY_MIGRATING);
	}
	test_used(other, 0);
	test_pattern(self->memory, self->n, 1);
	ferry_close(other);
	test_end();
}

/*
 * I23: the pfn decides whether an entry belongs to the migration. Here the page
 * was dropped, a new page was written, and another migration has just replaced
 * the new page's entry with a migration entry.
 */
FIXTURE(refilled) {
	struct ferry *ferry;
	struct ferry *other;
	uint8_t *memory;
	size_t n;
};

FIXTURE_SETUP(refilled)
{
	self->n = PAGES * page_size();
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(0);
	self->other = test_open(1);
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(refilled)
{
	control_off();
	ferry_close(self->other);
	ferry_close(self->ferry);
}

static int migrate_to_other(void *arg)
{
	struct background *background = arg;

	return _test_request(background->ferry, &background->request);
}

TEST_F(refilled, by_another_migration)
{
	struct race first = { 0, TO_DEVICE, BEFORE_FINALIZE };
	struct background newer = {
		.ferry = self->other,
		.request = {
			.addr = ptr(self->memory),
			.len = self->n,
			.backend = DRM_FERRY_BACKEND_OWN,
		},
	};
	struct helper helper;
	struct held held;

	test_helper(&helper, migrate_to_other, &newer);
	test_hold(&held, &first, self->ferry, self->memory, self->n);
	ASSERT_EQ(madvise(self->memory, self->n, MADV_DONTNEED), 0);
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(control_arm(AFTER_SETUP), 0);
	sem_post(&helper.go);
	ASSERT_EQ(control_wait(AFTER_SETUP), 0);
	test_let_go(&held);
	ASSERT_EQ(control_release(AFTER_SETUP), 0);
	ASSERT_EQ(helper_join(&helper), 0);

	test_all_moved(&held);
	ASSERT_EQ(newer.request.moved, PAGES);
	test_used(self->ferry, 0);
	test_used(self->other, PAGES);
	test_pattern(self->memory, self->n, 2);
}

TEST_HARNESS_MAIN
