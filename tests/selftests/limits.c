// SPDX-License-Identifier: MIT
/*
 * Limits: a full device, killed processes, mergeable memory, mlock, signals, an
 * extra reference, more windows than the device's page table keeps.
 *
 * Shows: I11, I22, capacity, close, signals, KSM
 * Guest: selftests, selftests-core, fault-around-off, debug
 */
#include <sys/time.h>

#include "ksm.h"
#include "migrate.h"
#include "page_refs.h"
#include "pagemap.h"

FIXTURE(limits) {
	struct ferry *ferry;
	uint64_t capacity;
};

FIXTURE_SETUP(limits)
{
	struct drm_ferry_query query;

	self->ferry = test_open(0);
	ASSERT_EQ(ferry_query(self->ferry, &query, sizeof(query)), 0);
	ASSERT_EQ(query.memory_used, 0);
	self->capacity = query.memory_size;
}

FIXTURE_TEARDOWN(limits)
{
	ferry_close(self->ferry);
}

TEST_F_TIMEOUT(limits, device_full, 120)
{
	size_t page = page_size(), n = self->capacity + 16 * MIB + page, done;
	struct drm_ferry_migrate request = { 0 };
	uint8_t *memory = test_map(n), *outcomes = test_map(n / page), byte;

	fill_pattern(memory, n, 1);
	request.addr = ptr(memory);
	request.len = n;
	request.outcomes = ptr(outcomes);
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_MIGRATE, &request), 0);
	ASSERT_EQ(request.moved, self->capacity / page);
	ASSERT_LT(request.done, n);
	ASSERT_EQ(request.done / page, request.moved + request.failed);
	ASSERT_GT(request.failed, 0);
	ASSERT_EQ(outcomes[request.done / page - 1], DRM_FERRY_NO_MEMORY);
	ASSERT_EQ(outcomes[request.done / page], DRM_FERRY_NOT_ATTEMPTED);
	ASSERT_EQ(_test_used(self->ferry), self->capacity);

	done = request.done;
	request = (struct drm_ferry_migrate) {
		.addr = ptr(memory + done), .len = n - done };
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_MIGRATE, &request), -ENOSPC);
	ASSERT_EQ(request.moved, 0);
	ASSERT_GT(request.failed, 0);

	/* A full device works. A leaving fault-around range makes room. */
	ASSERT_EQ(ferry_read(self->ferry, memory + 7, 1, &byte, NULL), 0);
	ASSERT_EQ(byte, pattern(7, 1));
	test_pattern(memory, page, 1);
	ASSERT_GE(_test_moved_by_faults(self->ferry), 1);
	ASSERT_EQ(_test_used(self->ferry),
		  self->capacity - _test_moved_by_faults(self->ferry) * page);
	test_to_device(self->ferry, memory + done, page);
	test_pattern(memory, n, 1);
	test_used(self->ferry, 0);
}

TEST_F_TIMEOUT(limits, sigkill, 120)
{
	int ready[2];
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	pid = test_fork();
	if (!pid) {
		struct ferry_counts counts;
		struct ferry *own;
		uint8_t *memory = _test_map(16 * MIB);

		memset(memory, 1, 16 * MIB);
		child_check(!ferry_open_index(0, &own));
		child_check(!ferry_migrate(own, memory, 16 * MIB, DRM_FERRY_TARGET_DEVICE,
					   NULL, &counts));
		child_check(!send_byte(ready[1]));
		pause();
		_exit(1);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	ASSERT_EQ(_test_used(self->ferry), 16 * MIB);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	test_wait_unused(self->ferry, 2);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

/* The dead process's child still maps the pages, and gets them back. */
TEST_F(limits, sigkill_of_a_parent)
{
	size_t n = 64 * page_size();
	int ready[2], go[2], answer[2], result = 0;
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(go), 0);
	ASSERT_EQ(pipe(answer), 0);
	pid = test_fork();
	if (!pid) {
		uint8_t *memory = _test_map(n);
		struct ferry_counts counts;
		struct ferry *own;

		fill_pattern(memory, n, 1);
		child_check(!ferry_open_index(0, &own));
		child_check(!ferry_migrate(own, memory, n, DRM_FERRY_TARGET_DEVICE, NULL,
					   &counts));
		if (!fork()) {
			ferry_close(own);
			child_check(!send_byte(ready[1]) && !wait_byte(go[0]));
			result = find_difference(memory, n, 1) == n ? 1 : 2;
			child_check(write(answer[1], &result, sizeof(result)) ==
				    sizeof(result));
			_exit(0);
		}
		pause();
		_exit(1);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	test_used(self->ferry, 64);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	test_wait_unused(self->ferry, 2);
	ASSERT_EQ(send_byte(go[1]), 0);
	ASSERT_EQ(read(answer[0], &result, sizeof(result)), sizeof(result));
	ASSERT_EQ(result, 1);
}

/*
 * Parent and child die at once. The last close of the file moves pages by pfn
 * while the child that maps the pages exits. The debug kernel reports damage.
 */
TEST_F_TIMEOUT(limits, sigkill_of_parent_and_child, 120)
{
	size_t n = 512 * page_size();
	int round, ready[2];
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	for (round = 0; round < 20; round++) {
		pid = test_fork();
		if (!pid) {
			uint8_t *memory = _test_map(n);
			struct ferry_counts counts;
			struct ferry *own;

			child_check(!setpgid(0, 0));
			fill_pattern(memory, n, 1);
			child_check(!ferry_open_index(0, &own));
			child_check(!ferry_migrate(own, memory, n, DRM_FERRY_TARGET_DEVICE,
						   NULL, &counts));
			if (!fork()) {
				ferry_close(own);
				child_check(!send_byte(ready[1]));
			}
			pause();
			_exit(1);
		}
		ASSERT_EQ(wait_byte(ready[0]), 0);
		ASSERT_EQ(_test_used(self->ferry), n);
		usleep(round * 100);
		ASSERT_EQ(kill(-pid, SIGKILL), 0);
		test_wait_unused(self->ferry, 2);
		ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	}
}

TEST_F(limits, mergeable_with_core)
{
	size_t n = 64 * page_size();
	struct drm_ferry_migrate request = { 0 };
	uint8_t *memory = test_map(n), *copy = test_map(n), outcomes[64];
	int i;

	memset(memory, 7, n);
	ASSERT_EQ(madvise(memory, n, MADV_MERGEABLE), 0);
	ASSERT_EQ(ksm_run(KSM_START), 0);
	usleep(300000);
	request = (struct drm_ferry_migrate) {
		.addr = ptr(memory), .len = n, .outcomes = ptr(outcomes),
		.backend = DRM_FERRY_BACKEND_CORE };
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_MIGRATE, &request), 0);
	ASSERT_EQ(request.failed, 64);
	ASSERT_EQ(request.moved, 0);
	for (i = 0; i < 64; i++)
		ASSERT_EQ(outcomes[i], DRM_FERRY_KSM);
	/* The device may access the pages in place. */
	ASSERT_EQ(ferry_read(self->ferry, memory, n, copy, NULL), 0);
	ASSERT_EQ(memcmp(memory, copy, n), 0);
	memset(copy, 9, n);
	ASSERT_EQ(ferry_write(self->ferry, memory, n, copy, NULL), 0);
	ASSERT_EQ(memcmp(memory, copy, n), 0);
	ASSERT_EQ(ksm_run(KSM_STOP), 0);
}

#define MERGED_PAGES 64

/*
 * Counts the pages of a process at the pfn of the first page. More than one page
 * is a merge. KPF_KSM does not help: ksm.c.
 */
static int count_merged(pid_t pid, const uint8_t *memory)
{
	uint64_t entries[MERGED_PAGES];
	int i, n = 0;

	if (read_pagemap(pid, memory, MERGED_PAGES, entries))
		return 0;
	for (i = 0; i < MERGED_PAGES; i++)
		n += (entries[i] & PAGEMAP_PFN) &&
		     (entries[i] & PAGEMAP_PFN) == (entries[0] & PAGEMAP_PFN);
	return n;
}

/* A child has the pages merged. The parent's mapping is not mergeable. */
TEST_F(limits, merged_by_a_child)
{
	size_t page = page_size(), n = MERGED_PAGES * page;
	uint8_t *memory = test_map(n), outcomes[MERGED_PAGES];
	struct ferry_counts counts;
	int ready[2], go[2], tries, ksm = 0, merged = 0, round, i;
	pid_t pid;

	memset(memory, 7, n);
	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!madvise(memory, n, MADV_MERGEABLE));
		child_check(!send_byte(ready[1]) && !wait_byte(go[0]));
		_exit(0);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	ASSERT_EQ(ksm_run(KSM_START), 0);
	for (tries = 0; tries < 200 && merged < MERGED_PAGES; tries++) {
		usleep(50000);
		merged = count_merged(pid, memory);
	}
	ASSERT_EQ(merged, MERGED_PAGES);
	/* With the child, then without: no rmap finds the parent. */
	for (round = 0; round < 2; round++) {
		ksm = 0;
		ASSERT_EQ(_test_migrate(self->ferry, memory, n, DRM_FERRY_TARGET_DEVICE,
					outcomes, &counts), 0);
		for (i = 0; i < MERGED_PAGES; i++)
			ksm += outcomes[i] == DRM_FERRY_KSM;
		ASSERT_GT(ksm, 0);
		if (!round) {
			ASSERT_EQ(send_byte(go[1]), 0);
			test_wait(pid);
		}
	}
	ASSERT_EQ(ksm_run(KSM_STOP), 0);
	for (i = 0; i < n; i++)
		ASSERT_EQ(memory[i], 7);
}

/* munlock() skips device pages. The count must still be right. */
TEST_F(limits, mlock)
{
	size_t n = 64 * page_size();
	long before = read_counter("/proc/meminfo", "Mlocked");
	uint8_t *memory = test_map(n);

	fill_pattern(memory, n, 1);
	ASSERT_EQ(mlock(memory, n), 0);
	test_to_device(self->ferry, memory, n);
	ASSERT_EQ(munlock(memory, n), 0);
	ASSERT_EQ(munmap(memory, n / 2), 0);
	ASSERT_EQ(memory[n / 2], pattern(n / 2, 1));
	munmap(memory + n / 2, n / 2);
	test_used(self->ferry, 0);
	ASSERT_LE(read_counter("/proc/meminfo", "Mlocked"), before);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* A signal every millisecond: a call makes progress or changes nothing. */
TEST_F_TIMEOUT(limits, signals, 120)
{
	struct itimerval often = { .it_interval.tv_usec = 1000, .it_value.tv_usec = 1000 };
	struct itimerval never = { 0 };
	struct sigaction action = { .sa_handler = on_alarm };
	size_t n = 32 * MIB, done = 0;
	uint8_t *memory = test_map(n), *copy = test_map(n);
	int calls = 0, ret;

	fill_pattern(memory, n, 1);
	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (done < n) {
		struct drm_ferry_migrate request = {
			.addr = ptr(memory + done), .len = n - done, .done = 12345 };

		ret = _test_ioctl(self->ferry, DRM_IOCTL_FERRY_MIGRATE, &request);
		calls++;
		if (ret == -EINTR) {
			ASSERT_EQ(request.done, 12345);
			continue;
		}
		ASSERT_EQ(ret, 0);
		ASSERT_GT(request.done, 0);
		done += request.done;
	}
	ASSERT_GT(calls, 1);
	ASSERT_EQ(ferry_read(self->ferry, memory, n, copy, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	test_pattern(copy, n, 1);
	test_pattern(memory, n, 1);
}

/* vmsplice() keeps a reference in a pipe: the page stays and is reported. */
TEST_F(limits, extra_reference)
{
	static const struct {
		uint32_t backend;
		uint8_t outcome;
	} cases[] = {
		{ DRM_FERRY_BACKEND_CORE, DRM_FERRY_NOT_MOVED },
		{ DRM_FERRY_BACKEND_OWN, DRM_FERRY_PINNED },
	};
	uint8_t *memory = test_map(page_size()), outcome;
	struct drm_ferry_migrate request;
	int in_pipe[2], i;

	memset(memory, 5, page_size());
	ASSERT_EQ(hold_in_pipe(memory, page_size(), in_pipe), 0);
	for (i = 0; i < 2; i++) {
		request = (struct drm_ferry_migrate) {
			.addr = ptr(memory), .len = page_size(), .outcomes = ptr(&outcome),
			.backend = cases[i].backend };
		ASSERT_EQ(_test_request(self->ferry, &request), 0);
		ASSERT_EQ(request.failed, 1);
		ASSERT_EQ(outcome, cases[i].outcome);
	}
	let_go(in_pipe);
	test_to_device(self->ferry, memory, page_size());
	ASSERT_EQ(memory[5], 5);
}

#define WINDOW PMD_SIZE
#define MAX_WINDOWS 4096

static void touch_windows(struct __test_metadata *_metadata, struct ferry *ferry,
			  uint8_t *memory, size_t first, size_t n)
{
	uint8_t byte;
	size_t i;

	for (i = first; i < first + n; i++)
		ASSERT_EQ(ferry_read(ferry, memory + i * WINDOW, 1, &byte, NULL), 0);
	ASSERT_LE(test_stats(ferry).windows, MAX_WINDOWS);
}

/* More windows than the device's page table keeps: old windows are dropped. */
TEST_F_TIMEOUT(limits, sparse_access, 120)
{
	size_t n = 10000, i;
	uint8_t *memory, byte = 3;

	memory = mmap(NULL, n * WINDOW, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(memory, MAP_FAILED);
	touch_windows(_metadata, self->ferry, memory, 5000, MAX_WINDOWS);
	/* All old windows go; new windows lie below the last of them. */
	touch_windows(_metadata, self->ferry, memory, 0, MAX_WINDOWS);
	for (i = 9998; i > 9900; i -= 2) {
		touch_windows(_metadata, self->ferry, memory, i + 1, 1);
		touch_windows(_metadata, self->ferry, memory, i, 1);
	}
	ASSERT_EQ(ferry_write(self->ferry, memory, 1, &byte, NULL), 0);
	ASSERT_EQ(memory[0], 3);
}

TEST_HARNESS_MAIN
