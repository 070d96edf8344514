// SPDX-License-Identifier: MIT
/*
 * A memory cgroup's charges follow the data, once (I10): to the device and back
 * to system memory, by every way, also when the task that moves the pages has
 * left the group.
 *
 * Errors that the tests catch:
 * - an engine that charges the new page too: the group meets its limit although
 *   nothing was added;
 * - an engine that forgets the charge: a process gets more than its limit;
 * - an engine that drops the charge, or charges the current task's group: the
 *   counts never return to zero, and the group cannot go away. The group is
 *   counted as dying while one page is charged to the group.
 *
 * Shows: I10, memory cgroup
 * Guest: engine, debug-engine
 */
#include "memcg.h"
#include "migrate.h"

#define MEMORY (16 * MIB)
/* Per-CPU stocks of charges, page tables, the call's own memory. */
#define SLACK (4 * MIB)

FIXTURE(charges) {
	struct ferry *ferry;
	uint8_t *memory;
	struct memcg group;
};

FIXTURE_VARIANT(charges) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(charges, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(charges, core) { .engine = CORE };

#define test_anon(wanted) ASSERT_EQ(memcg_stat_after("anon", wanted), wanted)

FIXTURE_SETUP(charges)
{
	self->ferry = test_open(0);
	self->memory = test_map(MEMORY);
	/* Warm-up outside the group: no charge for the test's own needs. */
	memset(self->memory, 1, page_size());
	test_engine_moves(self->ferry, variant->engine, self->memory, page_size(), TO_DEVICE);
	test_engine_moves(self->ferry, variant->engine, self->memory, page_size(), TO_SYSTEM);
	munmap(self->memory, MEMORY);
	ASSERT_EQ(memcg_enter(&self->group), 0);
	self->memory = test_map(MEMORY);
}

FIXTURE_TEARDOWN(charges)
{
	memcg_leave(&self->group);
	ferry_close(self->ferry);
	munmap(self->memory, MEMORY);
	rmdir(MEMCG);
}

static void test_goes_away(struct __test_metadata *_metadata,
			   struct _test_data_charges *self)
{
	munmap(self->memory, MEMORY);
	test_wait_unused(self->ferry, 2);
	ASSERT_EQ(memcg_leave(&self->group), 0);
	ASSERT_EQ(memcg_wait_gone(&self->group), 0);
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

	before = memcg_stat_settled("anon");
	fill_pattern(self->memory, MEMORY, 1);
	charged = before + MEMORY;
	test_anon(charged);
	total = memcg_charged();
	for (way = 0; way < 4; way++) {
		/* From now on the caller is not in the memory's group. */
		if (way == 3)
			ASSERT_EQ(memcg_leave(&self->group), 0);
		test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY, TO_DEVICE);
		test_anon(charged);
		test_near(memcg_charged(), total);
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
		test_near(memcg_charged(), total);
	}
	munmap(self->memory, MEMORY);
	test_anon(before);
	test_near(memcg_charged(), total - (long)MEMORY);
	test_goes_away(_metadata, self);
}

TEST_F_TIMEOUT(charges, holes_are_charged, 90)
{
	long before = memcg_stat_settled("anon"), total = memcg_charged();

	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY, TO_DEVICE);
	test_anon(before + MEMORY);
	test_near(memcg_charged(), total + (long)MEMORY);
	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY / 2, TO_SYSTEM);
	test_anon(before + MEMORY);
	test_near(memcg_charged(), total + (long)MEMORY);
	/* One half is in system memory, the other half on the device. */
	munmap(self->memory, MEMORY);
	test_anon(before);
	test_near(memcg_charged(), total);
	test_goes_away(_metadata, self);
}

/* A page that is charged already needs no further charge to move. */
TEST_F_TIMEOUT(charges, no_room_is_needed_to_move, 60)
{
	fill_pattern(self->memory, MEMORY, 1);
	ASSERT_EQ(memcg_set_max(memcg_charged() + SLACK) ?: memcg_forbid_swap(), 0);
	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY, TO_DEVICE);
	test_engine_moves(self->ferry, variant->engine, self->memory, MEMORY / 2, TO_SYSTEM);
	test_pattern(self->memory, MEMORY, 1);
	ASSERT_EQ(memcg_event("oom"), 0);
	ASSERT_LE(memcg_charged(), MEMORY + 2 * (long)SLACK);
	test_goes_away(_metadata, self);
}

/* @fd was read before: the kernel allocates nothing for this second read. */
static long read_again(int fd)
{
	char text[24] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : -1;
}

/*
 * Device pages for holes are charged like other pages. No process is killed for
 * the charge. At the limit the test opens no file: an open file is charged too.
 * The test leaves an empty stock of charges on the CPU of the calls (memcg.h).
 */
TEST_F_TIMEOUT(charges, holes_over_the_limit, 90)
{
	long filled = MEMORY / 2, total = memcg_charged();
	uint8_t outcomes[32];
	struct drm_ferry_migrate moved;
	size_t done = 0, failed = 0;
	int now = open(MEMCG "/memory.current", O_RDONLY | O_CLOEXEC);
	int max = open(MEMCG "/memory.max", O_WRONLY | O_CLOEXEC);
	long at_most;

	ASSERT_GT(read_again(now), 0);
	ASSERT_GE(max, 0);
	ASSERT_EQ(memcg_set_max(total + filled) ?: memcg_forbid_swap(), 0);
	ASSERT_EQ(run_on_cpu(0), 0);
	while (!failed && done < MEMORY) {
		moved = test_engine(self->ferry, variant->engine, self->memory + done,
				    sizeof(outcomes) * page_size(), TO_DEVICE, outcomes);
		done += sizeof(outcomes) * page_size();
		failed = moved.failed;
	}
	ASSERT_EQ(run_on_last_cpu(), 0);
	at_most = read_again(now);
	ASSERT_EQ(write(max, "max", 3), 3);
	close(max);
	close(now);
	ASSERT_GT(failed, 0);
	ASSERT_LE(at_most, total + filled);
	test_near((long)done, filled);
	ASSERT_EQ(count_outcome(outcomes, sizeof(outcomes), DRM_FERRY_NO_MEMORY), failed);
	ASSERT_EQ(_test_used(self->ferry), done - failed * page_size());
	ASSERT_GT(memcg_event("max"), 0);
	ASSERT_EQ(memcg_event("oom"), 0);
	ASSERT_EQ(memcg_event("oom_kill"), 0);
	test_goes_away(_metadata, self);
}

TEST_HARNESS_MAIN
