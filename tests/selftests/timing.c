// SPDX-License-Identifier: MIT
/*
 * The phase times of driver/migrate/timing.c. A step never takes longer than its
 * phase, the first six steps make up the whole call, and nothing is counted
 * while timing is off.
 *
 * Shows: phase time
 * Guest: engine
 */
#include "files.h"
#include "migrate.h"

#define PAGES 64
#define TIMING "/sys/kernel/debug/ferry_timing"

FIXTURE(timing) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_SETUP(timing)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	ASSERT_EQ(write_file(TIMING, "1"), 0);
}

FIXTURE_TEARDOWN(timing)
{
	write_file(TIMING, "0");
	ferry_close(self->ferry);
}

/* Returns the cycles of "ENGINE WAY STEP", or -1 without such a line. */
static long long timed(const char *what, unsigned long *pages)
{
	size_t length = strlen(what);
	long long cycles = -1;
	char line[128];
	FILE *file = fopen(TIMING, "re");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, what, length) && line[length] == ' ')
			sscanf(line + length, "%lld %lu", &cycles, pages);
	if (file)
		fclose(file);
	return cycles;
}

#define test_timed(what)						\
	({								\
		unsigned long __pages = 0;				\
		long long __cycles = timed(what, &__pages);		\
		ASSERT_EQ(__pages, PAGES)				\
			TH_LOG("%s: %lu pages", what, __pages);		\
		__cycles;						\
	})

TEST_F(timing, steps_are_in_their_phase)
{
	long long setup, parts;

	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_DEVICE);
	setup = test_timed("own to_device setup");
	parts = test_timed("own to_device collect") + test_timed("own to_device isolate") +
		test_timed("own to_device unmap") + test_timed("own to_device flush");
	ASSERT_GT(test_timed("own to_device flush"), 0);
	ASSERT_GT(test_timed("own to_device unmap"), 0);
	ASSERT_GE(setup, parts);
	ASSERT_GE(test_timed("own to_device pages"), test_timed("own to_device metadata"));
	ASSERT_GE(test_timed("own to_device finalize"),
		  test_timed("own to_device install"));
	ASSERT_GT(test_timed("own to_device install"), 0);
}

TEST_F(timing, each_way_of_each_engine)
{
	static const char *const lines[] = {
		"own to_device copy", "own to_system copy", "core to_device copy",
		"core to_system copy", "own to_device alloc", "core to_system finalize",
		"own to_system driver", "core to_device driver",
	};
	unsigned long pages;
	size_t i;

	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(timed("core to_device setup", &pages), -1);
	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_SYSTEM);
	test_engine_moves(self->ferry, CORE, self->memory, self->n, TO_DEVICE);
	test_engine_moves(self->ferry, CORE, self->memory, self->n, TO_SYSTEM);
	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ASSERT_GT(test_timed(lines[i]), 0)
			TH_LOG("%s", lines[i]);
	/* The core engine's steps are not timed. */
	ASSERT_EQ(timed("core to_device collect", &pages), -1);
}

TEST_F(timing, off_and_on_again)
{
	unsigned long pages;
	long long before;

	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_DEVICE);
	before = test_timed("own to_device setup");
	ASSERT_EQ(write_file(TIMING, "0"), 0);
	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_SYSTEM);
	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(test_timed("own to_device setup"), before);
	ASSERT_EQ(timed("own to_system setup", &pages), -1);
	ASSERT_EQ(write_file(TIMING, "1"), 0);
	ASSERT_EQ(timed("own to_device setup", &pages), -1);
	ASSERT_EQ(write_file(TIMING, "x"), -EINVAL);
}

/* The module's default decides the engine. */
TEST_F(timing, home_by_touch)
{
	unsigned long pages = 0;
	long long own, core;

	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(find_difference(self->memory, self->n, 1), self->n);
	own = timed("own cpu_fault driver", &pages);
	core = timed("core cpu_fault driver", &pages);
	ASSERT_GT(own > core ? own : core, 0);
	ASSERT_GE(pages, PAGES);
}

TEST_HARNESS_MAIN
