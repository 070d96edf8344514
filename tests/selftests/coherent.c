// SPDX-License-Identifier: MIT
/*
 * Properties of coherent memory. The CPU accesses coherent pages in place, so
 * pins and copy-on-write meet device pages. A long-term pin first migrates the
 * pages to system memory.
 *
 * Shows: coherent device, exclusive access, RELEASE
 * Guest: dmirror, debug-dmirror
 */

#include "dmirror.h"
#include "page_refs.h"

#define PAGES 16

FIXTURE(coherent) {
	uint8_t *memory;
	uint8_t *data;
	size_t n;
	int fd;
	int gup;
};

FIXTURE_SETUP(coherent)
{
	self->n = PAGES * page_size();
	self->fd = test_dmirror_open(FIRST_COHERENT);
	self->gup = gup_open();
	if (self->gup < 0 && errno == ENOENT)
		SKIP(return, NO_GUP_TEST);
	ASSERT_GE(self->gup, 0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map(self->n);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
}

FIXTURE_TEARDOWN(coherent)
{
	close(self->gup);
	close(self->fd);
}

#define ON_DEVICE (HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL | HMM_DMIRROR_PROT_WRITE)

static size_t count_on_device(int fd, const uint8_t *memory)
{
	size_t i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += _test_byte(fd, memory + i * page_size()) == ON_DEVICE;
	return n;
}

/* Pinned pages leave the device and stay away; the pin sees later writes. */
static void pin_longterm(struct __test_metadata *_metadata,
			 struct _test_data_coherent *self, uint32_t flags)
{
	struct hmm_dmirror_cmd cmd;

	ASSERT_EQ(count_on_device(self->fd, self->memory), PAGES);
	ASSERT_EQ(gup_pin(self->gup, self->memory, self->n / 2,
			  PIN_LONGTERM_TEST_FLAG_USE_WRITE | flags), 0);
	ASSERT_EQ(count_on_device(self->fd, self->memory), PAGES / 2);
	test_byte(self->fd, self->memory, HMM_DMIRROR_PROT_WRITE);

	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data,
			    PAGES / 2, &cmd), -ENOENT);
	fill_pattern(self->memory, self->n, 2);
	memset(self->data, 0, self->n);
	ASSERT_EQ(gup_read(self->gup, self->data), 0);
	test_pattern(self->data, self->n / 2, 2);

	ASSERT_EQ(gup_unpin(self->gup), 0);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_pattern(self->data, self->n, 2);
	ASSERT_EQ(count_on_device(self->fd, self->memory), PAGES);
}

TEST_F(coherent, longterm_pin)
{
	pin_longterm(_metadata, self, 0);
}

TEST_F(coherent, longterm_pin_fast)
{
	pin_longterm(_metadata, self, PIN_LONGTERM_TEST_FLAG_USE_FAST);
}

/* A page in a pipe has a reference and cannot move; devices use it in place. */
TEST_F(coherent, another_device_touches_a_held_page)
{
	struct hmm_dmirror_cmd cmd;
	int in_pipe[2], fd, number;

	ASSERT_EQ(hold_in_pipe(self->memory, page_size(), in_pipe), 0);
	for (number = 0; number < FIRST_COHERENT + 2; number++) {
		fd = test_dmirror_open(number);
		memset(self->data, 0, page_size());
		test_cmd(fd, HMM_DMIRROR_READ, self->memory, self->data, 1);
		test_pattern(self->data, page_size(), 1 + number);
		fill_pattern(self->data, page_size(), 2 + number);
		test_cmd(fd, HMM_DMIRROR_WRITE, self->memory, self->data, 1);
		test_pattern(self->memory, page_size(), 2 + number);
		test_byte(self->fd, self->memory, ON_DEVICE);
		close(fd);
	}
	/* RELEASE cannot move the page either. */
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_RELEASE, self->memory, NULL, 1, &cmd), -EBUSY);
	test_byte(self->fd, self->memory, ON_DEVICE);
	test_byte(self->fd, self->memory + page_size(), HMM_DMIRROR_PROT_WRITE);
	let_go(in_pipe);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_RELEASE, self->memory, NULL, 1, &cmd), 0);
	test_byte(self->fd, self->memory, HMM_DMIRROR_PROT_WRITE);
}

/* An exclusive page is in system memory and does not block an eviction. */
TEST_F(coherent, exclusive_then_release)
{
	struct hmm_dmirror_cmd cmd;
	struct ferry *ferry = test_open(FIRST_COHERENT);

	test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, self->memory, self->data, PAGES / 2);
	test_used(ferry, PAGES / 2);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_RELEASE, self->memory, NULL, 1, &cmd), 0);
	test_used(ferry, 0);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, self->memory, NULL, 1, &cmd),
		  -EPERM);
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, self->memory, NULL, PAGES,
			    &cmd), 0);
	test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, self->data, PAGES);
	test_pattern(self->data, self->n, 2);
	ferry_close(ferry);
}

struct racer {
	pthread_t thread;
	uint8_t *memory;
	uint8_t *data;
	volatile bool stop;
};

static void *take_and_give(void *arg)
{
	struct racer *racer = arg;
	int fd = _test_dmirror_open("hmm_dmirror", FIRST_COHERENT);
	struct hmm_dmirror_cmd cmd;

	while (!racer->stop) {
		_test_cmd(fd, HMM_DMIRROR_MIGRATE_TO_DEV, racer->memory, racer->data, PAGES, &cmd);
		_test_cmd(fd, HMM_DMIRROR_EXCLUSIVE, racer->memory, racer->data, PAGES, &cmd);
	}
	close(fd);
	return NULL;
}

/* MIGRATE_TO_DEV, EXCLUSIVE and RELEASE race. No device page leaks. */
TEST_F_TIMEOUT(coherent, exclusive_races_release, 200)
{
	struct racer racer = { .memory = self->memory, .data = test_map(self->n) };
	struct ferry *ferry = test_open(FIRST_COHERENT);
	struct hmm_dmirror_cmd cmd;
	int i;

	ASSERT_EQ(pthread_create(&racer.thread, NULL, take_and_give, &racer), 0);
	for (i = 0; i < 200; i++)
		_test_cmd(self->fd, HMM_DMIRROR_RELEASE, self->memory, NULL, 1, &cmd);
	racer.stop = true;
	pthread_join(racer.thread, NULL);
	test_pattern(self->memory, self->n, 1);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_RELEASE, self->memory, NULL, 1, &cmd), 0);
	test_used(ferry, 0);
	ferry_close(ferry);
}

/* A child that shares the pages. On a signal it checks for the old contents. */
static pid_t fork_reader(struct _test_data_coherent *self, int go[2])
{
	pid_t pid;

	if (pipe(go))
		return -1;
	pid = _test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		_exit(0);
	}
	return pid;
}

/* The writer gets a copy in system memory. The child keeps the device page. */
TEST_F(coherent, copy_on_write)
{
	int go[2];
	pid_t pid = fork_reader(self, go);

	ASSERT_GT(pid, 0);
	test_byte(self->fd, self->memory,
		  HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL | HMM_DMIRROR_PROT_READ);
	fill_pattern(self->memory, self->n, 2);
	test_byte(self->fd, self->memory, HMM_DMIRROR_PROT_WRITE);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 2);
}

/* The CPU may write only after a copy. A device write makes the copy too. */
TEST_F(coherent, device_copies_on_write)
{
	int go[2];
	pid_t pid = fork_reader(self, go);

	ASSERT_GT(pid, 0);
	fill_pattern(self->data, self->n, 2);
	test_cmd(self->fd, HMM_DMIRROR_WRITE, self->memory, self->data, PAGES);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 2);
}

TEST_HARNESS_MAIN
