// SPDX-License-Identifier: MIT
/*
 * One process closes its file of a device while another process closes its own.
 *
 * The heavy process has pages that need long to return to system memory,
 * because many processes share each page. In the middle of its close the
 * process gets almost no CPU time (SCHED_IDLE). The other close is timed alone
 * and beside the heavy close, with the same load on the CPUs. A close that
 * waits for the heavy close would wait for minutes and could not be killed. So
 * a child does the timed closes, and the heavy process may run again after
 * PATIENCE_S seconds. FERRY_CLOSING_SHARERS: number of processes that share the
 * pages (default 300); a slow kernel needs fewer.
 *
 * Shows: close
 * Guest: dmirror, debug-dmirror
 */
#include <sched.h>
#include <sys/resource.h>

#include "page_refs.h"
#include "threads.h"

#define HEAVY_PAGES 4096
#define LIGHT_PAGES 8
#define CLOSES 20
#define MAX_LOOPS 8
#define PATIENCE_S 20

/* Allowed growth of a close beside the heavy close: below one second. */
#define FACTOR 4
#define ALLOWANCE_S 0.5

static pid_t fork_idle_loop(void)
{
	pid_t pid = _test_fork();

	while (!pid)
		;
	return pid;
}

/* Seconds of one close of a file with @npages pages, or -errno. */
static double time_close(unsigned int device, size_t npages)
{
	size_t n = npages * page_size();
	uint8_t *memory = _test_map(n + page_size());
	struct ferry *ferry;
	double start;
	int ret;

	ret = ferry_open_index(device, &ferry);
	if (ret)
		return ret;
	memset(memory, 1, n + page_size());
	if (n)
		ret = ferry_migrate(ferry, memory, n, DRM_FERRY_TARGET_DEVICE, NULL, NULL);
	start = seconds();
	ferry_close(ferry);
	munmap(memory, n + page_size());
	return ret ? ret : seconds() - start;
}

struct closes {
	double worst;
	unsigned int n;
	int ret;
};

/* The longest of some closes in a child; PATIENCE_S if the child hangs. */
static struct closes time_closes(unsigned int device, size_t npages)
{
	struct closes closes = { .worst = PATIENCE_S };
	double end = seconds() + PATIENCE_S, took;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_NONBLOCK))
		return closes;
	pid = _test_fork();
	if (!pid) {
		closes.worst = 0;
		for (; closes.n < CLOSES && !closes.ret; closes.n++) {
			took = time_close(device, npages);
			closes.ret = took < 0 ? (int)took : 0;
			closes.worst = took > closes.worst ? took : closes.worst;
		}
		_exit(write(fds[1], &closes, sizeof(closes)) != sizeof(closes));
	}
	while (read(fds[0], &closes, sizeof(closes)) != sizeof(closes) && seconds() < end)
		usleep(10000);
	kill(pid, SIGKILL);
	close(fds[0]);
	close(fds[1]);
	return closes;
}

FIXTURE(closing) {
	struct ferry *ferry;
	pid_t loops[MAX_LOOPS];
	pid_t heavy;
};

FIXTURE_VARIANT(closing) {
	size_t pages;
};

FIXTURE_VARIANT_ADD(closing, nothing) { .pages = 0 };
FIXTURE_VARIANT_ADD(closing, few_pages) { .pages = LIGHT_PAGES };

FIXTURE_SETUP(closing)
{
	self->ferry = test_open(0);
}

static void end_all(struct _test_data_closing *self)
{
	struct sched_param none = { 0 };
	unsigned int i;

	for (i = 0; i < MAX_LOOPS; i++)
		if (self->loops[i] > 0)
			kill(self->loops[i], SIGKILL);
	if (self->heavy > 0) {
		sched_setscheduler(self->heavy, SCHED_OTHER, &none);
		kill(-self->heavy, SIGKILL);
	}
	while (wait(NULL) > 0)
		;
}

FIXTURE_TEARDOWN(closing)
{
	end_all(self);
	ferry_close(self->ferry);
}

/* The sharers keep the shared pages until their process group is killed. */
static void fork_sharers(struct ferry *ferry)
{
	unsigned long i, n = setting("FERRY_CLOSING_SHARERS", 300);
	pid_t pid;

	for (i = 0; i < n; i++) {
		pid = _test_fork();
		child_check(pid >= 0);
		if (!pid) {
			ferry_close(ferry);
			pause();
			_exit(0);
		}
	}
}

/* Signals @ready before the close and after the close. */
static void close_heavy_file(int ready)
{
	size_t n = HEAVY_PAGES * page_size();
	struct ferry_counts counts;
	uint8_t *memory = _test_map(n);
	struct ferry *ferry;

	child_check(!setpgid(0, 0));
	child_check(!ferry_open_index(0, &ferry));
	memset(memory, 1, n);
	fork_sharers(ferry);
	child_check(!ferry_migrate(ferry, memory, n, DRM_FERRY_TARGET_DEVICE, NULL, &counts));
	child_check(counts.moved == HEAVY_PAGES);
	child_check(!send_byte(ready));
	ferry_close(ferry);
	child_check(!send_byte(ready));
	pause();
	_exit(1);
}

TEST_F_TIMEOUT(closing, beside_one_that_hardly_runs, 200)
{
	struct sched_param none = { 0 };
	struct closes alone, beside;
	int ready[2], i;

	for (i = 0; i < cpus_online() && i < MAX_LOOPS; i++)
		self->loops[i] = fork_idle_loop();
	alone = time_closes(0, variant->pages);
	ASSERT_EQ(alone.n, CLOSES);
	ASSERT_EQ(alone.ret, 0);

	for (i = 0; i < cpus_online() && i < MAX_LOOPS; i++)
		kill(self->loops[i], SIGSTOP);
	ASSERT_EQ(pipe(ready), 0);
	self->heavy = test_fork();
	if (!self->heavy)
		close_heavy_file(ready[1]);
	ASSERT_EQ(wait_byte(ready[0]), 0);
	/* In the middle of its close the heavy process loses its CPU time. */
	usleep(100000);
	ASSERT_EQ(sched_setscheduler(self->heavy, SCHED_IDLE, &none), 0);
	for (i = 0; i < cpus_online() && i < MAX_LOOPS; i++)
		kill(self->loops[i], SIGCONT);
	beside = time_closes(0, variant->pages);
	TH_LOG("%d closes: the worst %.2f ms, beside the other %.2f ms", CLOSES,
	       alone.worst * 1e3, beside.worst * 1e3);
	end_all(self);
	self->heavy = 0;
	ASSERT_LT(beside.worst, FACTOR * alone.worst + ALLOWANCE_S);
	ASSERT_EQ(beside.ret, 0);
}

/* The heavy close itself takes a bounded time; remaining pages move later. */
FIXTURE(heavy) {
	struct ferry *ferry;
	pid_t pid;
	int ready[2];
};

FIXTURE_SETUP(heavy)
{
	self->ferry = test_open(0);
	ASSERT_EQ(pipe(self->ready), 0);
	self->pid = test_fork();
	if (!self->pid)
		close_heavy_file(self->ready[1]);
	ASSERT_EQ(wait_byte(self->ready[0]), 0);
}

FIXTURE_TEARDOWN(heavy)
{
	kill(-self->pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	ferry_close(self->ferry);
}

TEST_F_TIMEOUT(heavy, close_takes_a_bounded_time, 300)
{
	double start = seconds(), took;
	unsigned long long left;

	ASSERT_EQ(wait_byte(self->ready[0]), 0);
	took = seconds() - start;
	left = _test_used(self->ferry) / page_size();
	TH_LOG("close took %.2f s and left %llu pages", took, left);
	ASSERT_LT(took, 3);
	/* A fast machine may move all pages, but only within the driver's second. */
	ASSERT_TRUE(left || took < 1.5);
	/* The sharers map the pages. A work item moves pages without a file. */
	test_wait_unused(self->ferry, 150);
}

TEST_F_TIMEOUT(heavy, close_ends_with_the_process, 300)
{
	double start, took;

	usleep(200000);
	start = seconds();
	ASSERT_EQ(kill(self->pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(self->pid, NULL, 0), self->pid);
	took = seconds() - start;
	TH_LOG("killed in %.2f s", took);
	ASSERT_LT(took, 2);
	test_wait_unused(self->ferry, 150);
}

/* Pages that stay on the device after their file is closed. */
FIXTURE(left) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
	int (*pipes)[2];
	size_t npipes;
};

FIXTURE_VARIANT(left) {
	unsigned int device;
};

FIXTURE_VARIANT_ADD(left, private) { .device = 0 };
FIXTURE_VARIANT_ADD(left, coherent) { .device = 2 };

#define PIPES 32
#define PIPE_PAGES 256	/* /proc/sys/fs/pipe-max-size */

/* A page in a pipe stays on a coherent device; a private page returns first. */
FIXTURE_SETUP(left)
{
	size_t size = PIPE_PAGES * page_size(), i;
	struct ferry *own;

	self->ferry = test_open(variant->device);
	self->npipes = PIPES;
	self->n = PIPES * size;
	self->memory = test_map(self->n);
	self->pipes = calloc(PIPES, sizeof(*self->pipes));
	fill_pattern(self->memory, self->n, 1);
	own = test_open(variant->device);
	test_to_device(own, self->memory, self->n);
	for (i = 0; i < PIPES; i++)
		ASSERT_EQ(hold_in_pipe(self->memory + i * size, size, self->pipes[i]), 0);
	ferry_close(own);
	test_used(self->ferry, variant->device < 2 ? 0 : self->n / page_size());
}

FIXTURE_TEARDOWN(left)
{
	size_t i;

	for (i = 0; i < self->npipes; i++)
		let_go(self->pipes[i]);
	free(self->pipes);
	ferry_close(self->ferry);
}

/* The pages return without an open or a close. */
TEST_F_TIMEOUT(left, come_home_when_they_can, 60)
{
	for (; self->npipes; self->npipes--)
		let_go(self->pipes[self->npipes - 1]);
	test_wait_unused(self->ferry, 30);
	test_pattern(self->memory, self->n, 1);
}

/* The shortest of some closes: other tasks take time from a single close. */
static double least_close(unsigned int device)
{
	double least = time_close(device, LIGHT_PAGES), next;
	int i;

	for (i = 1; i < CLOSES && least >= 0; i++) {
		next = time_close(device, LIGHT_PAGES);
		if (next < least)
			least = next;
	}
	return least;
}

/* The close of another file does not look at the remaining pages. */
TEST_F_TIMEOUT(left, cost_others_nothing, 60)
{
	double with = least_close(variant->device), without;

	for (; self->npipes; self->npipes--)
		let_go(self->pipes[self->npipes - 1]);
	munmap(self->memory, self->n);
	test_wait_unused(self->ferry, 30);
	without = least_close(variant->device);
	TH_LOG("a close takes %.3f ms, with %zu pages left behind %.3f ms", without * 1e3,
	       self->n / page_size(), with * 1e3);
	ASSERT_GT(with, 0);
	ASSERT_LT(with, 4 * without + 0.002);
}

TEST_HARNESS_MAIN
