// SPDX-License-Identifier: MIT
/*
 * READ and WRITE of the test_hmm ABI work in steps. A call over much memory
 * - ends when its process is killed;
 * - needs no kernel memory of the request's size;
 * - still keeps the promises of the ABI.
 *
 * With a buffer of the whole request, SIGKILL took 10 s, and the OOM killer
 * killed an unrelated process.
 *
 * Shows: test_hmm ABI, memory cgroup
 * Guest: dmirror, debug-dmirror
 */
#include "dmirror.h"
#include "memcg.h"

#define PAGES 100	/* some steps and a rest */
#define MANY (128 * MIB)
#define LIMIT (48 * MIB)
#define WINDOW (1 * MIB)	/* memory behind the buffer of a large READ */

FIXTURE(dmirror_steps) {
	uint8_t *memory;
	uint8_t *data;
	uint8_t *expected;
	size_t n;
	int fd;
};

FIXTURE_SETUP(dmirror_steps)
{
	self->n = PAGES * page_size();
	self->fd = test_dmirror_open(0);
	self->memory = test_map_pattern(2 * self->n, 1);
	self->data = test_map(2 * self->n);
	self->expected = test_map(2 * self->n);
	memcpy(self->expected, self->memory, 2 * self->n);
}

FIXTURE_TEARDOWN(dmirror_steps)
{
	close(self->fd);
}

static uint8_t *map_shared(size_t n)
{
	return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

struct call {
	unsigned long request;
	void *memory;
	void *data;
	size_t n;
};

static pid_t start_call(const struct call *call)
{
	struct hmm_dmirror_cmd cmd;
	pid_t pid = _test_fork();

	if (!pid) {
		int fd = _test_dmirror_open("hmm_dmirror", 0);

		_exit(_test_cmd(fd, call->request, call->memory, call->data,
				call->n / page_size(), &cmd) ? 1 : 0);
	}
	return pid;
}

/* Returns the seconds from the signal to the end of the process. */
static double kill_call(pid_t pid, int *status)
{
	double before = seconds();

	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	return seconds() - before;
}

static size_t count_pages(const uint8_t *memory, size_t n, uint8_t value)
{
	size_t i, count = 0;

	for (i = 0; i < n; i += page_size())
		count += memory[i] == value;
	return count;
}

/* Shared memory shows the read pages. The call stops soon after the signal. */
TEST_F_TIMEOUT(dmirror_steps, read_is_killed, 60)
{
	struct call call = { HMM_DMIRROR_READ, map_shared(MANY), map_shared(MANY), MANY };
	volatile uint8_t *first = call.data;
	size_t before, after;
	int status;
	pid_t pid;

	memset(call.memory, 7, MANY);
	memset(call.data, 1, MANY);
	pid = start_call(&call);
	while (*first != 7)
		usleep(100);
	before = count_pages(call.data, MANY, 7);
	kill_call(pid, &status);
	after = count_pages(call.data, MANY, 7);
	TH_LOG("%zu pages before the signal, %zu of %llu after", before, after,
	       MANY / page_size());
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_LT(after, MANY / page_size() / 2);
	munmap(call.memory, MANY);
	munmap(call.data, MANY);
}

/* The signal comes in each phase of the call. The call always ends soon. */
TEST_F_TIMEOUT(dmirror_steps, write_is_killed, 120)
{
	struct call call = { HMM_DMIRROR_WRITE, map_shared(MANY), map_shared(MANY), MANY };
	double whole = seconds(), took, longest = 0;
	int status, i;
	pid_t pid;

	pid = start_call(&call);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	whole = seconds() - whole;
	for (i = 0; i < 5; i++) {
		/* A call is slower on memory without pages. */
		ASSERT_EQ(madvise(call.memory, MANY, MADV_REMOVE), 0);
		ASSERT_EQ(madvise(call.data, MANY, MADV_REMOVE), 0);
		pid = start_call(&call);
		usleep(whole * 1e6 * (2 * i + 1) / 20);
		took = kill_call(pid, &status);
		longest = took > longest ? took : longest;
	}
	TH_LOG("%.0f ms; killed within %.0f ms", whole * 1e3, longest * 1e3);
	ASSERT_LT(longest, whole / 4 + 0.1);
	munmap(call.memory, MANY);
	munmap(call.data, MANY);
}

/* A large range over little memory: only a kernel buffer could be large. */
static uint8_t *map_window(size_t n)
{
	int fd = memfd_create("window", MFD_CLOEXEC);
	uint8_t *all = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t at;

	if (fd < 0 || all == MAP_FAILED || ftruncate(fd, WINDOW))
		return NULL;
	for (at = 0; at < n; at += WINDOW)
		if (mmap(all + at, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fd, 0) == MAP_FAILED)
			return NULL;
	close(fd);
	return all;
}

static pid_t start_bystander(int ready)
{
	pid_t pid = _test_fork();

	if (!pid) {
		memset(_test_map(16 * MIB), 1, 16 * MIB);
		send_byte(ready);
		pause();
		_exit(0);
	}
	return pid;
}

/* The cgroup is smaller than the request, but large enough for the call. */
TEST_F_TIMEOUT(dmirror_steps, bystander_lives, 120)
{
	uint8_t *memory = test_map(MANY), *data = map_window(MANY);
	struct hmm_dmirror_cmd cmd;
	struct memcg group;
	int ready[2], ret, status;
	pid_t bystander;
	long kills;

	ASSERT_NE(data, NULL);
	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(memcg_enter(&group), 0);
	ASSERT_EQ(memcg_set_max(LIMIT), 0);
	ASSERT_EQ(memcg_forbid_swap(), 0);
	bystander = start_bystander(ready[1]);
	ASSERT_EQ(wait_byte(ready[0]), 0);
	ASSERT_EQ(write_file("/proc/self/oom_score_adj", "-1000"), 0);
	ret = _test_cmd(self->fd, HMM_DMIRROR_READ, memory, data, MANY / page_size(), &cmd);
	kills = memcg_event("oom_kill");
	ASSERT_EQ(waitpid(bystander, &status, WNOHANG), 0);
	kill(bystander, SIGKILL);
	waitpid(bystander, &status, 0);
	munmap(memory, MANY);
	munmap(data, MANY);
	memcg_leave(&group);
	rmdir(MEMCG);
	ASSERT_EQ(kills, 0);
	ASSERT_EQ(ret, 0);
	ASSERT_EQ(cmd.cpages, MANY / page_size());
}

/* The buffer overlaps the range: same result as with one large buffer. */
TEST_F(dmirror_steps, overlaps)
{
	static const size_t offsets[] = { 1, 15, 16, 17, 33, PAGES - 1, PAGES };
	size_t i, at, page = page_size();
	uint8_t *memory = self->memory, *expected = self->expected;

	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		at = offsets[i] * page;
		memmove(expected + at, expected, self->n);
		test_cmd(self->fd, HMM_DMIRROR_READ, memory, memory + at, PAGES);
		ASSERT_EQ(memcmp(memory, expected, 2 * self->n), 0);
		memmove(expected, expected + at, self->n);
		test_cmd(self->fd, HMM_DMIRROR_READ, memory + at, memory, PAGES);
		ASSERT_EQ(memcmp(memory, expected, 2 * self->n), 0);
		memmove(expected + at, expected, self->n);
		test_cmd(self->fd, HMM_DMIRROR_WRITE, memory + at, memory, PAGES);
		ASSERT_EQ(memcmp(memory, expected, 2 * self->n), 0);
		memmove(expected, expected + at, self->n);
		test_cmd(self->fd, HMM_DMIRROR_WRITE, memory, memory + at, PAGES);
		ASSERT_EQ(memcmp(memory, expected, 2 * self->n), 0);
		fill_pattern(memory, 2 * self->n, i + 2);
		memcpy(expected, memory, 2 * self->n);
	}
}

/* The buffer is the range: the copy goes into the pages that return. */
TEST_F(dmirror_steps, onto_itself)
{
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->memory, PAGES);
	test_pattern(self->memory, self->n, 1);
	test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, self->memory, self->memory, PAGES);
	test_pattern(self->memory, self->n, 1);
	test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, self->memory, PAGES);
	test_cmd(self->fd, HMM_DMIRROR_WRITE, self->memory, self->memory, PAGES);
	test_pattern(self->memory, self->n, 1);
}

/* The range's last page is not mapped: no data is returned, no page written. */
TEST_F(dmirror_steps, all_or_none)
{
	/*
	 * WRITE first: as in test_hmm, WRITE changes each page that the
	 * device's page table already has.
	 */
	static const unsigned long requests[] = {
		HMM_DMIRROR_WRITE, HMM_DMIRROR_READ, HMM_DMIRROR_MIGRATE_TO_DEV,
		HMM_DMIRROR_EXCLUSIVE,
	};
	struct hmm_dmirror_cmd cmd;
	size_t i;

	munmap(self->memory + self->n - page_size(), page_size());
	fill_pattern(self->data, self->n, 5);
	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		ASSERT_LT(_test_cmd(self->fd, requests[i], self->memory, self->data, PAGES,
				    &cmd), 0);
		ASSERT_EQ(cmd.cpages, 0);
		test_pattern(self->data, self->n, 5);
		test_pattern(self->memory, self->n - page_size(), 1);
	}
}

/* The last page of WRITE's data is not readable: no page is written. */
TEST_F(dmirror_steps, write_of_what_cannot_be_read)
{
	struct hmm_dmirror_cmd cmd;

	fill_pattern(self->data, self->n, 5);
	mprotect(self->data + self->n - page_size(), page_size(), PROT_NONE);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_WRITE, self->memory, self->data, PAGES, &cmd),
		  -EFAULT);
	test_pattern(self->memory, 2 * self->n, 1);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_WRITE, self->memory, (void *)-4096ul, PAGES,
			    &cmd), -EFAULT);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, (void *)-4096ul, PAGES,
			    &cmd), -EFAULT);
	test_pattern(self->memory, 2 * self->n, 1);
}

TEST_HARNESS_MAIN
