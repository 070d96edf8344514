// SPDX-License-Identifier: MIT
/*
 * The deadline of libferry's calls, with a signal about every millisecond. With
 * a deadline in the past, each call over a range ends at the first signal and
 * reports its progress. With a deadline in the future, or without a deadline, a
 * call covers the whole range.
 *
 * Shows: libferry, signals
 * Guest: selftests
 */
#include <sys/time.h>

#include "ferry_test.h"

#define SIZE (16 * MIB)
#define NOPS 1024
#define TRIES 200

FIXTURE(library_deadline) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	uint32_t *pages;
	struct drm_ferry_exec_op *ops;
};

FIXTURE_VARIANT(library_deadline) {
	/* One call over all of the memory; *@done is its progress. */
	int (*call)(struct _test_data_library_deadline *self, size_t *done);
	size_t all;
};

static int call_read(struct _test_data_library_deadline *self, size_t *done)
{
	return ferry_read(self->ferry, self->memory, SIZE, self->data, done);
}

static int call_write(struct _test_data_library_deadline *self, size_t *done)
{
	return ferry_write(self->ferry, self->memory, SIZE, self->data, done);
}

static int call_snapshot(struct _test_data_library_deadline *self, size_t *done)
{
	return ferry_snapshot(self->ferry, self->memory, SIZE, self->pages, done);
}

static int call_exec(struct _test_data_library_deadline *self, size_t *done)
{
	uint32_t ops = 0, failed;
	int ret;

	ret = ferry_exec(self->ferry, self->ops, sizeof(*self->ops), NOPS, done ? &ops : NULL,
			 &failed);
	if (done)
		*done = ops;
	return ret;
}

/* To system memory, from wherever the last call ended, then to the device. */
static int call_migrate(struct _test_data_library_deadline *self, size_t *done)
{
	struct ferry_counts counts;
	int ret;

	ret = ferry_migrate(self->ferry, self->memory, SIZE, DRM_FERRY_TARGET_SYSTEM, NULL, NULL);
	if (ret)
		return ret;
	ret = ferry_migrate(self->ferry, self->memory, SIZE, DRM_FERRY_TARGET_DEVICE, NULL,
			    done ? &counts : NULL);
	if (done)
		*done = counts.done;
	return ret;
}

FIXTURE_VARIANT_ADD(library_deadline, read) { .call = call_read, .all = SIZE };
FIXTURE_VARIANT_ADD(library_deadline, write) { .call = call_write, .all = SIZE };
FIXTURE_VARIANT_ADD(library_deadline, snapshot) { .call = call_snapshot, .all = SIZE };
FIXTURE_VARIANT_ADD(library_deadline, exec) { .call = call_exec, .all = NOPS };
FIXTURE_VARIANT_ADD(library_deadline, migrate) { .call = call_migrate, .all = SIZE };

static void on_alarm(int signal)
{
	(void)signal;
}

static void ring(unsigned int microseconds)
{
	const struct timeval interval = {
		.tv_sec = microseconds / 1000000, .tv_usec = microseconds % 1000000 };
	const struct itimerval often = { .it_interval = interval, .it_value = interval };

	setitimer(ITIMER_REAL, &often, NULL);
}

FIXTURE_SETUP(library_deadline)
{
	struct sigaction action = { .sa_handler = on_alarm };
	size_t i;

	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	self->ferry = test_open(0);
	self->memory = test_map_pattern(SIZE, 1);
	self->data = test_map_pattern(SIZE, 1);
	self->pages = test_map(SIZE / page_size() * sizeof(*self->pages));
	self->ops = test_map(NOPS * sizeof(*self->ops));
	for (i = 0; i < NOPS; i++)
		self->ops[i] = (struct drm_ferry_exec_op) {
			.op = DRM_FERRY_OP_COPY, .addr = ptr(self->memory),
			.src = ptr(self->data), .len = 64 * page_size() };
}

FIXTURE_TEARDOWN(library_deadline)
{
	ring(0);
	ferry_close(self->ferry);
}

/*
 * The period of the signal in microseconds, for try @i: 125 to 512,000, again
 * and again. With 1000 a slow machine may not finish one operation between two
 * signals; on a fast machine the signal seldom comes within a short call.
 */
static unsigned int interval(int i)
{
	return 125u << (i / 20 % 13);
}

/* EINTR with nothing done, or success with a part: a part must be seen. */
TEST_F_TIMEOUT(library_deadline, passed, 120)
{
	double end = seconds() + 90;
	bool some = false;
	size_t done;
	int i, ret;

	ferry_set_deadline(self->ferry, 0);
	for (i = 0; seconds() < end && !some; i++) {
		ring(interval(i));
		done = 12345;
		ret = variant->call(self, &done);
		if (ret == -EINTR)
			continue;
		ASSERT_EQ(ret, 0);
		some = done && done < variant->all;
	}
	ring(0);
	ASSERT_TRUE(some);
	test_pattern(self->memory, SIZE, 1);
	test_pattern(self->data, SIZE, 1);
}

/* A caller without @done gets 0 only for the whole range. */
TEST_F_TIMEOUT(library_deadline, passed_and_not_asked, 120)
{
	int i, ret = 0;

	ferry_set_deadline(self->ferry, 0);
	ring(1000);
	for (i = 0; i < TRIES && !ret; i++)
		ret = variant->call(self, NULL);
	ring(0);
	ASSERT_EQ(ret, -EINTR);
}

TEST_F_TIMEOUT(library_deadline, to_come, 120)
{
	struct timespec now;
	size_t done = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ferry_set_deadline(self->ferry, (now.tv_sec + 100) * 1000000000ull);
	ring(1000);
	ASSERT_EQ(variant->call(self, &done), 0);
	ASSERT_EQ(done, variant->all);
	ferry_set_deadline(self->ferry, UINT64_MAX);
	ASSERT_EQ(variant->call(self, &done), 0);
	ASSERT_EQ(done, variant->all);
	ASSERT_EQ(variant->call(self, NULL), 0);
	ring(0);
	test_pattern(self->memory, SIZE, 1);
}

/* A deadline for one call, while the handle has no deadline. */
TEST_F_TIMEOUT(library_deadline, of_one_call, 120)
{
	const struct ferry_migrate_options device = {
		.size = sizeof(device), .target = DRM_FERRY_TARGET_DEVICE, .deadline = 1 };
	const struct ferry_migrate_options system = {
		.size = sizeof(system), .target = DRM_FERRY_TARGET_SYSTEM };
	struct ferry_counts counts;
	bool some = false;
	int i, ret;

	for (i = 0; i < TRIES && !some; i++) {
		ring(interval(i));
		ret = ferry_migrate_with(self->ferry, self->memory, SIZE, &device, &counts);
		ASSERT_TRUE(!ret || ret == -EINTR);
		some = !ret && counts.done < SIZE;
		ASSERT_EQ(ferry_migrate_with(self->ferry, self->memory, SIZE, &system, NULL), 0);
	}
	ring(0);
	ASSERT_TRUE(some);
	test_pattern(self->memory, SIZE, 1);
}

TEST_HARNESS_MAIN
