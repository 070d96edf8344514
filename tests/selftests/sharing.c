// SPDX-License-Identifier: MIT
/*
 * Several processes, threads, files and devices.
 *
 * Shows: devices, fork, close, CPU fault
 * Guest: selftests, selftests-core, debug
 */
#include "ferry_test.h"

#define PAGES 64

FIXTURE(sharing) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_SETUP(sharing)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(sharing)
{
	ferry_close(self->ferry);
}

static bool intact(const void *memory, size_t n, unsigned int seed)
{
	return find_difference(memory, n, seed) == n;
}

TEST_F(sharing, fork_then_migrate)
{
	int go[2];
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(intact(self->memory, self->n, 1));
		fill_pattern(self->memory, self->n, 2);
		child_check(intact(self->memory, self->n, 2));
		_exit(0);
	}
	test_to_device(self->ferry, self->memory, self->n);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 1);
}

TEST_F(sharing, migrate_then_fork)
{
	pid_t pid;

	test_to_device(self->ferry, self->memory, self->n);
	pid = test_fork();
	if (!pid) {
		child_check(intact(self->memory, self->n, 1));
		fill_pattern(self->memory, self->n, 2);
		child_check(intact(self->memory, self->n, 2));
		_exit(0);
	}
	test_wait(pid);
	test_pattern(self->memory, self->n, 1);
	test_used(self->ferry, 0);
}

TEST_F(sharing, child_exits_with_device_pages)
{
	pid_t pid;

	test_to_device(self->ferry, self->memory, self->n);
	pid = test_fork();
	if (!pid)
		_exit(0);
	test_wait(pid);
	test_used(self->ferry, PAGES);
	test_pattern(self->memory, self->n, 1);
}

TEST_F(sharing, two_processes_one_device)
{
	int ready[2], go[2];
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		struct ferry_counts counts;
		struct ferry *own;

		ferry_close(self->ferry);
		fill_pattern(self->memory, self->n, 2);
		child_check(!ferry_open_index(0, &own));
		child_check(!ferry_migrate(own, self->memory, self->n,
					   DRM_FERRY_TARGET_DEVICE, NULL, &counts));
		child_check(counts.moved == PAGES);
		child_check(!send_byte(ready[1]) && !wait_byte(go[0]));
		/*
		 * The parent's pages have moved; the child's pages must still
		 * be on the device.
		 */
		child_check(_test_where(own, self->memory) == DRM_FERRY_PAGE_THIS_DEVICE);
		child_check(intact(self->memory, self->n, 2));
		_exit(0);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	test_to_device(self->ferry, self->memory, self->n);
	test_used(self->ferry, 2 * PAGES);
	ferry_close(self->ferry);
	self->ferry = test_open(0);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_wait_unused(self->ferry, 2);
	test_pattern(self->memory, self->n, 1);
}

TEST_F(sharing, two_devices)
{
	struct ferry *other = test_open(1);
	uint8_t outcomes[PAGES], *copy = test_map(self->n);
	struct ferry_counts counts;

	test_to_device(self->ferry, self->memory, self->n);
	test_where(other, self->memory, DRM_FERRY_PAGE_OTHER_DEVICE);
	ASSERT_EQ(_test_migrate(other, self->memory, self->n, DRM_FERRY_TARGET_DEVICE,
				outcomes, &counts), 0);
	ASSERT_EQ(counts.failed, PAGES);
	ASSERT_EQ(outcomes[0], DRM_FERRY_FOREIGN_DEVICE);
	test_used(other, 0);
	test_used(self->ferry, PAGES);

	/*
	 * A device access moves pages of another device to system memory, and
	 * only the accessed pages.
	 */
	ASSERT_EQ(ferry_read(other, self->memory, self->n / 2, copy, NULL), 0);
	test_pattern(copy, self->n / 2, 1);
	test_used(self->ferry, PAGES / 2);
	fill_pattern(copy, self->n, 3);
	ASSERT_EQ(ferry_write(other, self->memory, self->n, copy, NULL), 0);
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 3);
	test_to_device(other, self->memory, self->n);
	test_pattern(self->memory, self->n, 3);
	ferry_close(other);
}

TEST_F(sharing, close_leaves_the_other_files_pages)
{
	struct ferry *other = test_open(0);
	size_t half = self->n / 2;

	test_to_device(self->ferry, self->memory, half);
	test_to_device(other, self->memory + half, half);
	ferry_close(self->ferry);
	test_used(other, PAGES / 2);
	test_where(other, self->memory, DRM_FERRY_PAGE_SYSTEM);
	test_where(other, self->memory + half, DRM_FERRY_PAGE_THIS_DEVICE);
	test_pattern(self->memory, self->n, 1);
	self->ferry = other;
}

TEST_F(sharing, close_finds_moved_pages)
{
	struct ferry *other = test_open(0);
	uint8_t *there = test_map(self->n);

	test_to_device(self->ferry, self->memory, self->n);
	there = mremap(self->memory, self->n, self->n, MREMAP_MAYMOVE | MREMAP_FIXED, there);
	ASSERT_NE(there, MAP_FAILED);
	ferry_close(self->ferry);
	self->ferry = other;
	test_used(other, 0);
	test_where(other, there, DRM_FERRY_PAGE_SYSTEM);
	test_pattern(there, self->n, 1);
}

TEST_F(sharing, close_brings_a_childs_pages_home)
{
	struct ferry *other = test_open(0);
	int go[2];
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	test_to_device(self->ferry, self->memory, self->n);
	pid = test_fork();
	if (!pid) {
		ferry_close(self->ferry);
		child_check(!wait_byte(go[0]));
		child_check(intact(self->memory, self->n, 1));
		_exit(0);
	}
	/* From now on only the child maps the pages. */
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	test_used(other, PAGES);
	ferry_close(self->ferry);
	/* The child closes its copy of the file at an unknown time. */
	test_wait_unused(other, 5);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	self->ferry = other;
}

#define NTHREADS 16
#define ROUNDS 50

struct storm {
	pthread_barrier_t barrier;
	volatile uint8_t *page;
	unsigned int wrong;
};

static void *touch(void *arg)
{
	struct storm *storm = arg;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&storm->barrier);
		if (*storm->page != (uint8_t)round)
			__atomic_fetch_add(&storm->wrong, 1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&storm->barrier);
	}
	return NULL;
}

TEST_F_TIMEOUT(sharing, sixteen_threads_one_page, 120)
{
	struct storm storm = { .page = self->memory };
	pthread_t threads[NTHREADS];
	int i, round;

	pthread_barrier_init(&storm.barrier, NULL, NTHREADS + 1);
	for (i = 0; i < NTHREADS; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, touch, &storm), 0);
	for (round = 0; round < ROUNDS; round++) {
		*storm.page = round;
		test_to_device(self->ferry, self->memory, page_size());
		pthread_barrier_wait(&storm.barrier);
		pthread_barrier_wait(&storm.barrier);
	}
	for (i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	ASSERT_EQ(storm.wrong, 0);
	ASSERT_EQ(test_stats(self->ferry).cpu_faults, ROUNDS);
}

TEST_HARNESS_MAIN
