// SPDX-License-Identifier: MIT
/*
 * The engine fills a hole, or replaces the zero page, with a device page, and a
 * CPU fault comes first.
 *
 * Broken engines that fail here:
 * - The fill does not check the entry again under its lock: a cleared device
 *   page replaces the CPU's write (I19).
 * - The fill takes a huge page, mapped during the hold, for a page table (I9).
 * - The fill leaves the zero page in a TLB, or in the device page table of
 *   another device: the CPU or the device goes on reading zeroes (I15).
 *
 * Shows: I9, I15, I19, holes, THP
 * Guest: fault-around-off, races
 */
#include <sched.h>

#include "race.h"
#include "thp.h"
#include "threads.h"

FIXTURE(hole) {
	struct ferry *ferry;
	struct held held;
	uint8_t *memory;
	uint8_t *data;
	size_t quarter;
	size_t n;
};

FIXTURE_VARIANT(hole) {
	struct race race;
};

RACE_VARIANT(hole, private_after_setup, 0, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(hole, private_after_copy, 0, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(hole, private_before_finalize, 0, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(hole, coherent_after_setup, 2, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(hole, coherent_after_copy, 2, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(hole, coherent_before_finalize, 2, TO_DEVICE, BEFORE_FINALIZE);

FIXTURE_SETUP(hole)
{
	self->n = PAGES * page_size();
	self->quarter = self->n / 4;
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	self->memory = test_map(self->n);
	self->data = test_map_pattern(self->n, 3);
}

FIXTURE_TEARDOWN(hole)
{
	control_off();
	ferry_close(self->ferry);
}

/* The holes are filled and mapped; the pages are still locked. */
static bool is_filled(const struct race *race)
{
	return !strcmp(race->point, BEFORE_FINALIZE);
}

/*
 * Writes the first half (the second quarter maps the zero page), reads the
 * third quarter and leaves the fourth quarter alone.
 */
static int write_and_read(void *arg)
{
	struct _test_data_hole *self = arg;
	size_t quarter = self->quarter;

	fill_part(self->memory, 0, 2 * quarter, 2);
	return find_nonzero(self->memory + 2 * quarter, quarter) == quarter ? 0 : -EIO;
}

TEST_F(hole, cpu_is_faster)
{
	uint8_t *memory = self->memory, told;
	size_t i, quarter = self->quarter, left = PAGES / 2;
	struct helper helper;

	test_zero(memory + quarter, quarter);
	test_helper(&helper, write_and_read, self);
	test_hold_memory();
	helper_go(&helper);
	/* A private page, mapped and locked: the CPU has to wait. */
	ASSERT_EQ(helper_done(&helper),
		  !is_filled(&variant->race) || !is_private(&variant->race));
	test_let_go(&self->held);
	ASSERT_EQ(helper_join(&helper), 0);

	told = is_filled(&variant->race) ? DRM_FERRY_ZERO_FILLED : DRM_FERRY_RACED;
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(self->held.outcomes[i],
			  i < PAGES / 2 ? told : DRM_FERRY_ZERO_FILLED);
	}
	if (is_filled(&variant->race))
		left = is_private(&variant->race) ? PAGES / 4 : PAGES;
	/* Fault-around may also move pages that no CPU accesses. */
	ASSERT_LE(_test_used(self->ferry), left * page_size());
	if (!is_filled(&variant->race) || !is_private(&variant->race) || fault_around_pages() == 1)
		test_used(self->ferry, left);
	ASSERT_TRUE(holds(memory, 0, 2 * quarter, 2));
	test_zero(memory + 2 * quarter, 2 * quarter);
	ASSERT_EQ(munmap(memory, self->n), 0);
	test_used(self->ferry, 0);
}

/*
 * Another device reads the zero page during the hold. After the fill the device
 * must look the page up again.
 */
TEST_F(hole, another_device_reads)
{
	struct ferry *other = test_open(variant->race.device + 1);
	uint8_t *seen = test_map(self->n);

	/* The first device access of a process takes mmap_lock for writing. */
	ASSERT_EQ(ferry_read(other, self->data, self->n, seen, NULL), 0);
	test_hold_memory();
	if (!is_filled(&variant->race)) {
		ASSERT_EQ(ferry_read(other, self->memory, self->n, seen, NULL), 0);
		test_zero(seen, self->n);
	}
	test_let_go(&self->held);
	ASSERT_EQ(self->held.request.moved, PAGES);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(ferry_read(other, self->memory, self->n, seen, NULL), 0);
	test_pattern(seen, self->n, 3);
	ferry_close(other);
}

/* A CPU that reads the first byte in a loop. */
struct reader {
	volatile uint8_t *memory;
	volatile bool go_on;
	volatile bool written;
	volatile bool zero_seen;
	unsigned long stale;
};

static int read_on(void *arg)
{
	struct reader *reader = arg;
	bool written;

	run_on_last_cpu();
	while (reader->go_on) {
		/* Every read after the load of @written must be new. */
		written = __atomic_load_n(&reader->written, __ATOMIC_SEQ_CST);
		if (!*reader->memory) {
			reader->zero_seen = true;
			reader->stale += written;
		}
	}
	return 0;
}

TEST_F(hole, zero_page_leaves_the_tlb)
{
	struct reader reader = { .memory = self->memory, .go_on = true };
	struct helper helper;

	self->data[0] = 0x5a;
	test_zero(self->memory, 1);
	test_helper(&helper, read_on, &reader);
	helper_go(&helper);
	test_hold_memory();
	reader.zero_seen = false;
	while (!reader.zero_seen && !is_filled(&variant->race))
		usleep(100);
	test_let_go(&self->held);
	ASSERT_EQ(self->held.outcomes[0], DRM_FERRY_ZERO_FILLED);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, page_size(), self->data, NULL), 0);
	__atomic_store_n(&reader.written, true, __ATOMIC_SEQ_CST);
	usleep(20000);
	reader.go_on = false;
	ASSERT_EQ(helper_join(&helper), 0);
	ASSERT_EQ(reader.stale, 0);
	ASSERT_EQ(self->memory[0], 0x5a);
}

/* The first half of the range becomes one huge page, or the huge zero page. */
FIXTURE(huge_hole) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *outcomes;
	size_t npages;
	struct background background;
};

FIXTURE_VARIANT(huge_hole) {
	struct race race;
	bool write;
};

#define HUGE_VARIANT(name, device_, point_, write_)			\
	FIXTURE_VARIANT_ADD(huge_hole, name) {				\
		.race = { device_, TO_DEVICE, point_ }, .write = write_	\
	}

HUGE_VARIANT(private_after_setup, 0, AFTER_SETUP, true);
HUGE_VARIANT(private_after_copy, 0, AFTER_COPY, true);
HUGE_VARIANT(private_zero_page, 0, AFTER_SETUP, false);
HUGE_VARIANT(coherent_after_setup, 2, AFTER_SETUP, true);
HUGE_VARIANT(coherent_after_copy, 2, AFTER_COPY, true);
HUGE_VARIANT(coherent_zero_page, 2, AFTER_COPY, false);

FIXTURE_SETUP(huge_hole)
{
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	/* Two page tables; only the first table may get a huge page. */
	self->memory = _test_map_huge(2 * PMD_SIZE);
	ASSERT_NE(self->memory, MAP_FAILED);
	ASSERT_EQ(madvise(self->memory + PMD_SIZE, PMD_SIZE, MADV_NOHUGEPAGE), 0);
	self->npages = PMD_SIZE / page_size();
	self->outcomes = test_map(2 * self->npages);
}

FIXTURE_TEARDOWN(huge_hole)
{
	control_off();
	ferry_close(self->ferry);
}

TEST_F(huge_hole, cpu_is_faster)
{
	volatile uint8_t *memory = self->memory;
	size_t i, at = 5 * page_size();

	/* A call of the engine ends at the end of a mapping. */
	self->background = (struct background) {
		.ferry = self->ferry,
		.request = {
			.addr = ptr(self->memory),
			.len = 2 * PMD_SIZE,
			.backend = DRM_FERRY_BACKEND_OWN,
			.outcomes = ptr(self->outcomes),
		},
	};
	ASSERT_EQ(control_arm(variant->race.point), 0);
	ASSERT_EQ(background_start(&self->background), 0);
	ASSERT_EQ(control_wait(variant->race.point), 0);
	if (variant->write) {
		memory[at] = 7;
		ASSERT_TRUE(is_in_thp(self->memory));
	} else {
		ASSERT_EQ(memory[at], 0);
	}
	ASSERT_EQ(control_release(variant->race.point), 0);
	ASSERT_EQ(background_join(&self->background), 0);

	ASSERT_EQ(self->background.request.done, 2 * PMD_SIZE);
	for (i = 0; i < 2 * self->npages; i++) {
		ASSERT_EQ(self->outcomes[i],
			  i < self->npages ? DRM_FERRY_RACED : DRM_FERRY_ZERO_FILLED);
	}
	test_used(self->ferry, self->npages);
	ASSERT_EQ(memory[at], variant->write ? 7 : 0);
	memory[at] = 0;
	test_zero(self->memory, 2 * PMD_SIZE);
	ASSERT_EQ(munmap(self->memory, 2 * PMD_SIZE), 0);
	test_used(self->ferry, 0);
}

TEST_HARNESS_MAIN
