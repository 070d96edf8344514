// SPDX-License-Identifier: MIT
/*
 * A thread takes references on pages (by GUP-fast: a pipe, a long-term pin)
 * while the pages' migration is held. The thread waits for the migration and
 * then gets the mapped page: later CPU writes are visible through the
 * reference.
 *
 * Broken engines that fail here:
 * - An entry is not cleared, and GUP-fast finds a page during its copy (I2).
 * - A page moves despite a reference that was taken during the hold (I17).
 *
 * Shows: I2, I13, I17, pins
 * Guest: races
 */

#include "page_refs.h"
#include "race.h"
#include "threads.h"

FIXTURE(gup) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	struct held held;
	size_t n;
	int pipe[2];
	int gup;
};

FIXTURE_VARIANT(gup) {
	struct race race;
};

RACE_VARIANT(gup, private_out_before_flush, 0, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(gup, private_out_after_setup, 0, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(gup, private_out_after_copy, 0, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(gup, private_out_before_finalize, 0, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(gup, private_home_after_setup, 0, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(gup, private_home_after_copy, 0, TO_SYSTEM, AFTER_COPY);
RACE_VARIANT(gup, private_home_before_finalize, 0, TO_SYSTEM, BEFORE_FINALIZE);
RACE_VARIANT(gup, touch_cpu_fault, 0, TOUCH, CPU_FAULT);
RACE_VARIANT(gup, touch_after_setup, 0, TOUCH, AFTER_SETUP);
RACE_VARIANT(gup, touch_after_copy, 0, TOUCH, AFTER_COPY);
RACE_VARIANT(gup, touch_before_finalize, 0, TOUCH, BEFORE_FINALIZE);
RACE_VARIANT(gup, coherent_out_before_flush, 2, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(gup, coherent_out_after_setup, 2, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(gup, coherent_out_after_copy, 2, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(gup, coherent_out_before_finalize, 2, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(gup, coherent_home_before_flush, 2, TO_SYSTEM, BEFORE_FLUSH);
RACE_VARIANT(gup, coherent_home_after_setup, 2, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(gup, coherent_home_after_copy, 2, TO_SYSTEM, AFTER_COPY);
RACE_VARIANT(gup, coherent_home_before_finalize, 2, TO_SYSTEM, BEFORE_FINALIZE);

FIXTURE_SETUP(gup)
{
	if (!can_be_held(&variant->race))
		SKIP(return, "backend=core cannot be held");
	self->n = PAGES * page_size();
	ASSERT_EQ(control_on(), 0);
	ASSERT_EQ(pipe(self->pipe), 0);
	self->gup = gup_open();
	if (self->gup < 0 && errno == ENOENT)
		SKIP(return, NO_GUP_TEST);
	ASSERT_GE(self->gup, 0);
	self->ferry = test_open(variant->race.device);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
	if (variant->race.how != TO_DEVICE)
		test_to_device(self->ferry, self->memory, self->n);
}

FIXTURE_TEARDOWN(gup)
{
	control_off();
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->gup);
	ferry_close(self->ferry);
}

static int into_pipe(void *arg)
{
	struct _test_data_gup *self = arg;

	return put_in_pipe(self->pipe[1], self->memory, self->n);
}

static int pin(void *arg)
{
	struct _test_data_gup *self = arg;

	return gup_pin(self->gup, self->memory, self->n,
		       PIN_LONGTERM_TEST_FLAG_USE_WRITE | PIN_LONGTERM_TEST_FLAG_USE_FAST);
}

/*
 * The references are taken during the hold. After the references exist, no page
 * moves.
 */
#define test_take(take)							\
	do {								\
		struct helper helper;					\
		struct ferry_counts counts;				\
									\
		test_helper(&helper, take, self);			\
		test_hold_memory(); \
		helper_go(&helper);					\
		ASSERT_FALSE(helper_done(&helper));			\
		test_let_go(&self->held);				\
		ASSERT_EQ(helper_join(&helper), 0);			\
		test_all_moved(&self->held);				\
									\
		test_pattern(self->memory, self->n, 1);			\
		ASSERT_EQ(_test_migrate(self->ferry, self->memory, self->n, \
					self->held.request.target, NULL, &counts), 0); \
		ASSERT_EQ(counts.moved, 0);				\
		fill_pattern(self->memory, self->n, 2);			\
	} while (0)

TEST_F(gup, pipe)
{
	uint8_t *seen = test_map(self->n);

	test_take(into_pipe);
	ASSERT_EQ(read(self->pipe[0], seen, self->n), (ssize_t)self->n);
	test_pattern(seen, self->n, 2);
	test_pattern(self->memory, self->n, 2);
}

TEST_F(gup, longterm_pin)
{
	uint8_t *seen = test_map(self->n);

	test_take(pin);
	test_used(self->ferry, 0);
	ASSERT_EQ(gup_read(self->gup, seen), 0);
	test_pattern(seen, self->n, 2);
	ASSERT_EQ(gup_unpin(self->gup), 0);
	test_pattern(self->memory, self->n, 2);
	test_to_device(self->ferry, self->memory, self->n);
	test_pattern(self->memory, self->n, 2);
}

TEST_HARNESS_MAIN
