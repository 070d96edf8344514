// SPDX-License-Identifier: MIT
/*
 * A memory cgroup's charges follow the data, once (I10): to the device and home, by
 * every way, also when whoever moves the pages has left the group.
 *
 * An engine that charges the new page too meets the limit where nothing was added; one
 * that forgets the charge lets a process have more than its limit; one that drops it,
 * or charges whoever is current, leaves counts that never come back, and a group that
 * cannot go away: it is counted as dying for as long as one page is charged to it.
 */
#include "group.h"

#define MEMORY (16 * MIB)
/* What CPUs have charged in advance, page tables, the call's own memory. */
#define SLACK (4 * MIB)

FIXTURE(charges) {
	struct ferry *ferry;
	uint8_t *memory;
	struct group group;
};

FIXTURE_VARIANT(charges) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(charges, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(charges, core) { .engine = CORE };

static long current(void)
{
	long value = -1;

	return read_number(GROUP "/memory.current", &value) ? -1 : value;
}

#define test_anon(wanted) ASSERT_EQ(group_stat_after("anon", wanted), wanted)

FIXTURE_SETUP(charges)
{
	self->ferry = test_open(0);
	self->memory = test_map(MEMORY);
	/* What the test itself needs is not to be charged to the group. */
	memset(self->memory, 1, page_size());
	test_engine_moves(self->ferry, variant->engine, self->memory, page_size(), TO_DEVICE);
	test_engine_moves(self->ferry, variant->engine, self->memory, page_size(), TO_SYSTEM);
	munmap(self->memory, MEMORY);
	ASSERT_EQ(group_enter(&self->group), 0);
	self->memory = test_map(MEMORY);
}

FIXTURE_TEARDOWN(charges)
{
	group_leave(&self->group);
	ferry_close(self->ferry);
	munmap(self->memory, MEMORY);
	rmdir(GROUP);
}

static void test_goes_away(struct __test_metadata *_metadata,
			   struct _test_data_charges *self)
{
	munmap(self->memory, MEMORY);
	test_wait_unused(self->ferry, 2);
	ASSERT_EQ(group_leave(&self->group), 0);
	ASSERT_EQ(group_goes_away(&self->group), 0);
}

#define test_near(value, wanted)					\
	do {								\
		long __value = value, __wanted = wanted;		\
		ASSERT_LT(labs(__value - __wanted), (long)SLACK)	\
			TH_LOG("%ld, not %ld", __value, __wanted);	\
	} while (0)

TEST_F_TIMEOUT(charges, follow_the_data, 120)
{
	long before, charged, total;
	int way;

	before = group_stat_settled("anon");
	fill_pattern(self->memory, MEMORY, 1);
	charged = before + MEMORY;
	test_anon(charged);
	total = current();
	for (way = 0; way < 4; way++) {
		/* From now on somebody else's memory is moved. */
		if (way == 3)
			ASSERT_EQ(group_leave(&self->group), 0);
		test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY, TO_DEVICE);
		test_anon(charged);
		test_near(current(), total);
		if (way == 0 || way == 3) {
			test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY,
					  TO_SYSTEM);
		} else if (way == 2) {
			ferry_close(self->ferry);
			self->ferry = test_open(0);
		}
		test_pattern(self->memory, MEMORY, 1);
		test_used(self->ferry, 0);
		test_anon(charged);
		test_near(current(), total);
	}
	munmap(self->memory, MEMORY);
	test_anon(before);
	test_near(current(), total - (long)MEMORY);
	test_goes_away(_metadata, self);
}

TEST_F_TIMEOUT(charges, holes_are_charged, 90)
{
	long before = group_stat_settled("anon"), total = current();

	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY, TO_DEVICE);
	test_anon(before + MEMORY);
	test_near(current(), total + (long)MEMORY);
	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY / 2, TO_SYSTEM);
	test_anon(before + MEMORY);
	test_near(current(), total + (long)MEMORY);
	/* Half of it there, half of it here. */
	munmap(self->memory, MEMORY);
	test_anon(before);
	test_near(current(), total);
	test_goes_away(_metadata, self);
}

static int limit(long bytes)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", bytes);
	return put(GROUP "/memory.max", text) ?: put(GROUP "/memory.swap.max", "0");
}

/* What is charged already needs no room to move. */
TEST_F_TIMEOUT(charges, no_room_is_needed_to_move, 60)
{
	fill_pattern(self->memory, MEMORY, 1);
	ASSERT_EQ(limit(current() + SLACK), 0);
	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY, TO_DEVICE);
	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY / 2, TO_SYSTEM);
	test_pattern(self->memory, MEMORY, 1);
	ASSERT_EQ(counter(GROUP "/memory.events", "oom"), 0);
	ASSERT_LE(current(), MEMORY + 2 * (long)SLACK);
	test_goes_away(_metadata, self);
}

/* Of a file that was read before: nothing is allocated for it any more. */
static long read_again(int fd)
{
	char text[24] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : -1;
}

/*
 * Device pages for holes count like any; nobody is killed for them. At the limit the test
 * itself opens nothing, for that is charged like anybody's.
 */
TEST_F_TIMEOUT(charges, holes_over_the_limit, 90)
{
	long filled = MEMORY / 2, total = current();
	uint8_t outcomes[32];
	struct drm_ferry_migrate moved;
	size_t done = 0, failed = 0;
	int now = open(GROUP "/memory.current", O_RDONLY | O_CLOEXEC);
	int max = open(GROUP "/memory.max", O_WRONLY | O_CLOEXEC);
	long at_most;

	ASSERT_GT(read_again(now), 0);
	ASSERT_GE(max, 0);
	ASSERT_EQ(limit(total + filled), 0);
	while (!failed && done < MEMORY) {
		moved = test_engine(self->ferry, variant->engine, self->memory + done,
				    sizeof(outcomes) * page_size(), TO_DEVICE, outcomes);
		done += sizeof(outcomes) * page_size();
		failed = moved.failed;
	}
	at_most = read_again(now);
	ASSERT_EQ(write(max, "max", 3), 3);
	close(max);
	close(now);
	ASSERT_GT(failed, 0);
	ASSERT_LE(at_most, total + filled);
	test_near((long)done, filled);
	ASSERT_EQ(count_outcome(outcomes, sizeof(outcomes), DRM_FERRY_NO_MEMORY), failed);
	ASSERT_EQ(_test_used(self->ferry), done - failed * page_size());
	ASSERT_GT(counter(GROUP "/memory.events", "max"), 0);
	ASSERT_EQ(counter(GROUP "/memory.events", "oom"), 0);
	ASSERT_EQ(counter(GROUP "/memory.events", "oom_kill"), 0);
	test_goes_away(_metadata, self);
}

TEST_HARNESS_MAIN
