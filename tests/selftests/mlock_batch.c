// SPDX-License-Identifier: MIT
/*
 * A reference that nobody is going to drop. munlock puts pages into a batch of the CPU
 * that it runs on, with a reference on each, and there they wait until that CPU has
 * more of it to do, or for somebody to drain all CPUs' batches. Device pages go there
 * too, when a locked mapping of them is dropped (munmap(), exit). Another process that
 * shares such a page and touches it, on another CPU, faults again and again: an engine
 * that takes that reference for a pin, and drains its own CPU's batches only, never
 * brings the page home (I12, I22).
 */
#include "moves.h"

/* More than a batch has room for: some are left. */
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

/* Locked, on the device, shared with a child that is to read them on the last CPU. */
FIXTURE_SETUP(mlock_batch)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	fill_pattern(self->memory, self->n, 1);
	ASSERT_EQ(mlock(self->memory, self->n), 0);
	ASSERT_EQ(settle(), 0);
	ASSERT_EQ(run_on(0), 0);
	ASSERT_EQ(pipe(self->go), 0);
	self->pid = test_fork();
	if (!self->pid) {
		child_check(!run_on(cpus_online() - 1));
		child_check(!wait_told(self->go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		_exit(0);
	}
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
}

FIXTURE_TEARDOWN(mlock_batch)
{
	ferry_close(self->ferry);
}

/* Whether the child ended well, within some seconds; it is killed if it did not. */
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

/* The CPU fault; by the module's default engine. */
TEST_F_TIMEOUT(mlock_batch, touched_on_another_cpu, 60)
{
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	ASSERT_EQ(tell(self->go[1]), 0);
	ASSERT_TRUE(ends_well(self->pid));
	test_wait_unused(self->ferry, 2);
}

static void move_from_there(struct _test_data_mlock_batch *self, uint32_t engine)
{
	struct drm_ferry_migrate request = {
		.addr = ptr(self->memory), .len = self->n, .target = TO_SYSTEM, .backend = engine,
	};
	struct ferry *ferry;

	child_check(!run_on(cpus_online() - 1));
	child_check(!ferry_open_index(0, &ferry));
	child_check(!wait_told(self->go[0]));
	child_check(!ferry_migrate_raw(ferry, &request, sizeof(request)));
	/* Core does not drain for a device page: docs/findings.md. */
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
	ASSERT_EQ(tell(self->go[1]), 0);
	ASSERT_TRUE(ends_well(pid));
}

TEST_HARNESS_MAIN
