// SPDX-License-Identifier: MIT
/*
 * A reference in another CPU's mlock batch. munlock() puts pages into a batch
 * of the CPU it runs on, with a reference on each page. The pages wait until
 * the same CPU munlocks more pages, or until a drain of all CPUs' batches. A
 * device page also enters a batch when a locked mapping of the page is dropped
 * (munmap(), exit).
 *
 * Another process shares the page and accesses it on another CPU. An engine
 * fails here if it takes the batch's reference for a pin and drains only its
 * own CPU's batches: the process faults again and again, and the page never
 * moves to system memory (I12, I22).
 *
 * Shows: I12, I22, mlock
 * Guest: engine, debug-engine
 */
#include "lru.h"
#include "migrate.h"
#include "threads.h"

/* More pages than a batch holds: some pages stay in the batch. */
#define PAGES 64

FIXTURE(mlock_batch) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
	int go[2];
	pid_t pid;
};

FIXTURE_VARIANT(mlock_batch) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(mlock_batch, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(mlock_batch, core) { .engine = CORE };

/*
 * Pages are locked, on the device, and shared with a child. The child reads the
 * pages on the last CPU.
 */
FIXTURE_SETUP(mlock_batch)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	ASSERT_EQ(mlock(self->memory, self->n), 0);
	ASSERT_EQ(settle_counters(), 0);
	ASSERT_EQ(run_on_cpu(0), 0);
	ASSERT_EQ(pipe(self->go), 0);
	self->pid = test_fork();
	if (!self->pid) {
		child_check(!run_on_last_cpu());
		child_check(!wait_byte(self->go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		_exit(0);
	}
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
}

FIXTURE_TEARDOWN(mlock_batch)
{
	ferry_close(self->ferry);
}

/*
 * Returns true if the child exits with 0 within 10 seconds. A child that is
 * still running is killed.
 */
static bool ends_well(pid_t pid)
{
	double end = seconds() + 10;
	int status = -1;
	pid_t done;

	while (!(done = waitpid(pid, &status, WNOHANG)) && seconds() < end)
		usleep(1000);
	if (!done) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return done == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* CPU fault, by the module's default engine. */
TEST_F_TIMEOUT(mlock_batch, touched_on_another_cpu, 60)
{
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	ASSERT_TRUE(ends_well(self->pid));
	test_wait_unused(self->ferry, 2);
}

static void move_from_there(struct _test_data_mlock_batch *self, uint32_t engine)
{
	struct drm_ferry_migrate request = make_request(engine, self->memory, self->n, TO_SYSTEM,
							NULL);
	struct ferry *ferry;

	child_check(!run_on_last_cpu());
	child_check(!ferry_open_index(0, &ferry));
	child_check(!wait_byte(self->go[0]));
	child_check(!_test_request(ferry, &request));
	/*
	 * The core engine does not drain for a device page: docs/findings.md.
	 */
	child_check(engine == CORE || request.moved == PAGES);
	child_check(find_difference(self->memory, self->n, 1) == self->n);
	_exit(0);
}

/* By ioctl, from another process that maps the pages, on another CPU. */
TEST_F_TIMEOUT(mlock_batch, moved_by_another_process, 60)
{
	pid_t pid;

	/* The other reader of the pipe. */
	kill(self->pid, SIGKILL);
	ASSERT_EQ(waitpid(self->pid, NULL, 0), self->pid);
	pid = test_fork();
	if (!pid)
		move_from_there(self, variant->engine);
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	ASSERT_TRUE(ends_well(pid));
}

TEST_HARNESS_MAIN
