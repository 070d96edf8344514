// SPDX-License-Identifier: MIT
/*
 * A CPU writes a page in a loop and counts the writes during the page's
 * migration. A broken engine copies before the TLB flush (I2): the CPU goes on
 * writing the old page during the hold, and the writes are lost.
 *
 * The writer must sleep from before the end of setup until the page is mapped
 * again. Before the flush the writer may go on, and no write may be lost.
 *
 * Shows: I2
 * Guest: races
 */
#include <sched.h>

#include "race.h"
#include "threads.h"

struct writer {
	volatile uint32_t *word;
	volatile uint32_t count;
	volatile bool stop;
};

FIXTURE(writer) {
	struct ferry *ferry;
	uint8_t *memory;
	struct held held;
	struct helper helper;
	struct writer writer;
	size_t n;
};

FIXTURE_VARIANT(writer) {
	struct race race;
};

RACE_VARIANT(writer, private_out_before_flush, 0, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(writer, private_out_after_setup, 0, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(writer, private_out_after_copy, 0, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(writer, private_out_before_finalize, 0, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(writer, coherent_out_before_flush, 2, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(writer, coherent_out_after_setup, 2, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(writer, coherent_out_after_copy, 2, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(writer, coherent_home_before_flush, 2, TO_SYSTEM, BEFORE_FLUSH);
RACE_VARIANT(writer, coherent_home_after_setup, 2, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(writer, coherent_home_after_copy, 2, TO_SYSTEM, AFTER_COPY);

/* Runs on the last CPU; the other CPUs are for the migration. */
static int write_on(void *arg)
{
	struct writer *writer = arg;

	run_on_last_cpu();
	while (!writer->stop) {
		++*writer->word;
		writer->count++;
	}
	return 0;
}

FIXTURE_SETUP(writer)
{
	self->n = PAGES * page_size();
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	self->memory = test_map_pattern(self->n, 1);
	self->writer.word = (uint32_t *)(self->memory + 5 * page_size());
	*self->writer.word = 0;
	if (variant->race.how == TO_SYSTEM)
		test_to_device(self->ferry, self->memory, self->n);
	test_helper(&self->helper, write_on, &self->writer);
	helper_go(&self->helper);
	while (!self->writer.count)
		sched_yield();
}

FIXTURE_TEARDOWN(writer)
{
	control_off();
	ferry_close(self->ferry);
}

/*
 * Waits until the writer sleeps. Returns the number of writes in the meantime,
 * or UINT32_MAX if the writer goes on.
 */
static uint32_t writes_until_asleep(struct helper *helper, struct writer *writer)
{
	uint32_t before = writer->count;
	char path[64];
	int tries;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", helper->tid);
	for (tries = 0; tries < 5000 && writer->count - before <= 1; tries++) {
		if (state_of(path) == 'D')
			return writer->count - before;
		usleep(1000);
	}
	return UINT32_MAX;
}

TEST_F(writer, stops)
{
	uint32_t writes = 0;

	test_hold_memory();
	if (strcmp(variant->race.point, BEFORE_FLUSH))
		writes = writes_until_asleep(&self->helper, &self->writer);
	/* A writer that does not sleep must stop before the release. */
	self->writer.stop = true;
	test_let_go(&self->held);
	ASSERT_EQ(helper_join(&self->helper), 0);
	/* At most one write, which was counted late. */
	ASSERT_LE(writes, 1);
	test_all_moved(&self->held);
	ASSERT_EQ(*self->writer.word, self->writer.count);
	ASSERT_TRUE(holds(self->memory, 5 * page_size() + 4, self->n, 1));
}

TEST_HARNESS_MAIN
