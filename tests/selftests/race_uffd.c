// SPDX-License-Identifier: MIT
/*
 * Write protection is set or removed while a migration is held:
 * - By UFFDIO_WRITEPROTECT: userfaultfd must report each write to a protected
 *   page.
 * - By PAGEMAP_SCAN: a later scan must find every page that the CPU or the
 *   device writes after the first scan protects the page.
 *
 * Broken engines that fail here:
 * - An entry is built from the state at setup, not from the current migration
 *   entry (I8): a write is not reported, or a reported write hangs without a
 *   reader.
 * - A device entry is writable but counts as protected: device writes are never
 *   reported (I24).
 *
 * Shows: I2, I8, I24, userfaultfd, PAGEMAP_SCAN
 * Guest: races, debug-races
 */
#include "pagemap.h"
#include "pagemap_scan.h"
#include "race.h"
#include "threads.h"
#include "uffd.h"

FIXTURE(protect) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	struct held held;
	size_t half;
	size_t n;
	int uffd;
};

FIXTURE_VARIANT(protect) {
	struct race race;
};

RACE_VARIANT(protect, private_out_before_flush, 0, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(protect, private_out_after_setup, 0, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(protect, private_out_after_copy, 0, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(protect, private_out_before_finalize, 0, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(protect, private_home_after_setup, 0, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(protect, private_home_before_finalize, 0, TO_SYSTEM, BEFORE_FINALIZE);
RACE_VARIANT(protect, touch_cpu_fault, 0, TOUCH, CPU_FAULT);
RACE_VARIANT(protect, touch_after_setup, 0, TOUCH, AFTER_SETUP);
RACE_VARIANT(protect, touch_before_finalize, 0, TOUCH, BEFORE_FINALIZE);
RACE_VARIANT(protect, coherent_out_before_flush, 2, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(protect, coherent_out_after_setup, 2, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(protect, coherent_out_before_finalize, 2, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(protect, coherent_home_before_flush, 2, TO_SYSTEM, BEFORE_FLUSH);
RACE_VARIANT(protect, coherent_home_after_setup, 2, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(protect, coherent_home_before_finalize, 2, TO_SYSTEM, BEFORE_FINALIZE);

FIXTURE_SETUP(protect)
{
	if (!can_be_held(&variant->race))
		SKIP(return, "backend=core cannot be held");
	self->n = PAGES * page_size();
	self->half = self->n / 2;
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 3);
}

FIXTURE_TEARDOWN(protect)
{
	control_off();
	close(self->uffd);
	ferry_close(self->ferry);
}

static int write_byte(void *arg)
{
	*(volatile uint8_t *)arg = 0xa5;
	return 0;
}

TEST_F(protect, by_userfaultfd)
{
	uint8_t *first = self->memory, *second = self->memory + self->half;
	struct helper told, untold;
	size_t i;

	self->uffd = uffd_open_wp(UFFD_FEATURE_PAGEFAULT_FLAG_WP, first, self->n);
	ASSERT_GE(self->uffd, 0);
	if (variant->race.how != TO_DEVICE)
		test_to_device(self->ferry, self->memory, self->n);
	test_helper(&told, write_byte, first);
	test_helper(&untold, write_byte, second);
	ASSERT_EQ(uffd_protect(self->uffd, second, self->half, true), 0);

	test_hold_memory();
	ASSERT_EQ(uffd_protect(self->uffd, first, self->half, true), 0);
	ASSERT_EQ(uffd_protect(self->uffd, second, self->half, false), 0);
	test_let_go(&self->held);
	test_all_moved(&self->held);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(!!(pagemap(first + i * page_size()) & PAGEMAP_UFFD_WP),
			  i < PAGES / 2);
	}

	/*
	 * A write to the first half is reported and waits; a write to the
	 * second half is neither reported nor delayed.
	 */
	sem_post(&told.go);
	ASSERT_EQ(uffd_wait_wp(self->uffd), ptr(first));
	ASSERT_FALSE(helper_done(&told));
	ASSERT_EQ(find_difference(first, self->half, 1), self->half);
	ASSERT_EQ(uffd_protect(self->uffd, first, page_size(), false), 0);
	ASSERT_EQ(helper_join(&told), 0);
	sem_post(&untold.go);
	ASSERT_EQ(helper_join(&untold), 0);

	ASSERT_EQ(first[0], 0xa5);
	ASSERT_EQ(second[0], 0xa5);
	ASSERT_TRUE(holds(self->memory, 1, self->half, 1));
	ASSERT_TRUE(holds(self->memory, self->half + 1, self->n, 1));
}

/* Parts of the range, as bits of a scan. */
#define BY_CPU 0x000fu
#define BY_DEVICE 0x00f0u
#define BY_BOTH 0x0f00u

/*
 * PAGEMAP_SCAN marks a writable entry of a private device as protected and
 * leaves the entry writable. The test protects pages by scan in system memory
 * and during the hold, not on the device.
 */
TEST_F(protect, by_pagemap_scan)
{
	size_t at = 8 * page_size(), n = 4 * page_size();
	uint64_t written;
	size_t i;

	self->uffd = uffd_open_wp(UFFD_FEATURE_WP_ASYNC, self->memory, self->n);
	ASSERT_GE(self->uffd, 0);
	ASSERT_GE(pagemap_scan(self->memory, self->n, true, &written), 0);
	ASSERT_EQ(written, (1u << PAGES) - 1);
	fill_part(self->memory, at, at + n, 2);
	if (variant->race.how != TO_DEVICE)
		test_to_device(self->ferry, self->memory, self->n);

	/* The scan reports earlier writes and protects the pages in flight. */
	test_hold_memory();
	ASSERT_GE(pagemap_scan(self->memory, self->n, true, &written), 0);
	test_let_go(&self->held);
	test_all_moved(&self->held);
	ASSERT_EQ(written, BY_BOTH);

	/*
	 * The device writes first: a CPU fault moves neighbours to system
	 * memory, and the neighbours then count as written.
	 */
	ASSERT_EQ(ferry_write(self->ferry, self->memory + at - n, n, self->data + at - n, NULL), 0);
	ASSERT_GE(pagemap_scan(self->memory, self->n, false, &written), 0);
	ASSERT_EQ(written & BY_DEVICE, BY_DEVICE);
	for (i = 0; i < 4; i++)
		self->memory[i * page_size()] ^= 0xff;
	if (variant->race.how == TOUCH)
		fill_part(self->memory, at, at + n, 3);
	ASSERT_EQ(ferry_write(self->ferry, self->memory + at, n, self->data + at, NULL), 0);
	ASSERT_GE(pagemap_scan(self->memory, self->n, true, &written), 0);
	ASSERT_EQ(written & (BY_CPU | BY_DEVICE | BY_BOTH), BY_CPU | BY_DEVICE | BY_BOTH);
	ASSERT_TRUE(holds(self->memory, at - n, at + n, 3));
	ASSERT_TRUE(holds(self->memory, at + n, self->n, 1));
}

/*
 * The zero page can be protected like any page, before and during its
 * replacement by a device page.
 */
FIXTURE(zero_page) {
	struct ferry *ferry;
	uint8_t *memory;
	struct held held;
	size_t half;
	size_t n;
	int uffd;
};

FIXTURE_VARIANT(zero_page) {
	struct race race;
};

RACE_VARIANT(zero_page, private, 0, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(zero_page, coherent, 2, TO_DEVICE, AFTER_SETUP);

FIXTURE_SETUP(zero_page)
{
	self->n = PAGES * page_size();
	self->half = self->n / 2;
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	self->memory = test_map(self->n);
	self->uffd = uffd_open_wp(UFFD_FEATURE_PAGEFAULT_FLAG_WP, self->memory, self->n);
	ASSERT_GE(self->uffd, 0);
	test_zero(self->memory, self->n);
	ASSERT_EQ(uffd_protect(self->uffd, self->memory, self->half, true), 0);
}

FIXTURE_TEARDOWN(zero_page)
{
	control_off();
	close(self->uffd);
	ferry_close(self->ferry);
}

TEST_F(zero_page, stays_protected)
{
	uint8_t *second = self->memory + self->half;
	struct helper first_writer, second_writer;

	test_helper(&first_writer, write_byte, self->memory);
	test_helper(&second_writer, write_byte, second);
	test_hold_memory();
	ASSERT_EQ(uffd_protect(self->uffd, second, self->half, true), 0);
	test_let_go(&self->held);
	ASSERT_EQ(count_in_pagemap(self->memory, self->n, PAGEMAP_UFFD_WP), PAGES);

	sem_post(&first_writer.go);
	ASSERT_EQ(uffd_wait_wp(self->uffd), ptr(self->memory));
	ASSERT_EQ(uffd_protect(self->uffd, self->memory, page_size(), false), 0);
	ASSERT_EQ(helper_join(&first_writer), 0);
	sem_post(&second_writer.go);
	ASSERT_EQ(uffd_wait_wp(self->uffd), ptr(second));
	ASSERT_EQ(uffd_protect(self->uffd, second, page_size(), false), 0);
	ASSERT_EQ(helper_join(&second_writer), 0);
	ASSERT_EQ(self->memory[0], 0xa5);
	ASSERT_EQ(second[0], 0xa5);
}

TEST_HARNESS_MAIN
