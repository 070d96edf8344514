// SPDX-License-Identifier: MIT
/*
 * MIGRATE to a NUMA node: pages of files. The filesystem moves them with its own
 * operation. Afterwards the file has the same contents for every reader, later
 * writes reach the file, moving is not dirtying, and the counters of both nodes
 * are exact.
 *
 * - shmem: a file in memory (memfd), with dirty pages
 * - clean: a program on the guest's root file system, mapped for reading
 *
 * The test needs two nodes: vm/guest --numa 2.
 *
 * Shows: I3, I6, I8, I10, NUMA
 * Guest: numa, debug-numa
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "files.h"
#include "migrate.h"
#include "numa_nodes.h"
#include "page_refs.h"
#include "page_users.h"
#include "pagemap.h"

#define PAGES 64
#define ROUNDS 100

FIXTURE(node_file) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[PAGES];
	struct ferry_counts counts;
	size_t n;
	int file;
};

FIXTURE_SETUP(node_file)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "one node");
	self->ferry = test_open(0);
	self->n = PAGES * page_size();
	ASSERT_EQ(run_on_cpu(0), 0);
	self->file = memfd_create("ferry", MFD_CLOEXEC);
	ASSERT_GE(self->file, 0);
	ASSERT_EQ(ftruncate(self->file, self->n), 0);
	self->memory = mmap(NULL, self->n, PROT_READ | PROT_WRITE, MAP_SHARED, self->file, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill_pattern(self->memory, self->n, 1);
	ASSERT_EQ(count_on_node(self->memory, self->n, 0), PAGES);
}

FIXTURE_TEARDOWN(node_file)
{
	munmap(self->memory, self->n);
	close(self->file);
	ferry_close(self->ferry);
}

static int _test_to_node(struct _test_data_node_file *self, size_t npages, unsigned int node)
{
	return ferry_migrate_node(self->ferry, self->memory, npages * page_size(), node, 0,
				  self->outcomes, &self->counts);
}

#define test_to_node(node)						\
	do {								\
		ASSERT_EQ(_test_to_node(self, PAGES, node), 0);		\
		ASSERT_EQ(self->counts.done, self->n);			\
	} while (0)

#define test_all_to_node(node)						\
	do {								\
		test_to_node(node);					\
		ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_MOVED), PAGES); \
		ASSERT_EQ(self->counts.moved, PAGES);			\
		ASSERT_EQ(count_on_node(self->memory, self->n, node), PAGES); \
	} while (0)

#define test_none_to_node(node, outcome)				\
	do {								\
		test_to_node(node);					\
		ASSERT_EQ(count_outcome(self->outcomes, PAGES, outcome), PAGES); \
		ASSERT_EQ(count_on_node(self->memory, self->n, 1 - (node)), PAGES); \
	} while (0)

/* The contents of the file, by read(2). */
#define test_file(seed)							\
	do {								\
		uint8_t *__bytes = malloc(self->n);			\
									\
		ASSERT_EQ(pread(self->file, __bytes, self->n, 0), (ssize_t)self->n); \
		test_pattern(__bytes, self->n, seed);			\
		free(__bytes);						\
	} while (0)

static size_t count_flag(const uint8_t *memory, size_t n, uint64_t flag)
{
	size_t i, count = 0;

	for (i = 0; i < n; i += page_size())
		count += !!(kpageflags(memory + i) & flag);
	return count;
}

TEST_F(node_file, there_and_back)
{
	size_t dirty = count_flag(self->memory, self->n, KPF_DIRTY);

	test_all_to_node(1);
	test_pattern(self->memory, self->n, 1);
	test_file(1);
	ASSERT_EQ(count_flag(self->memory, self->n, KPF_DIRTY), dirty);
	ASSERT_EQ(count_flag(self->memory, self->n, KPF_SWAPBACKED), PAGES);
	fill_pattern(self->memory, self->n, 2);
	test_file(2);
	test_all_to_node(0);
	test_file(2);
	ASSERT_EQ(test_stats(self->ferry).to_node, 2 * PAGES);
}

/* A mapping of another process sees the same page, before and after. */
TEST_F(node_file, shared_with_a_child)
{
	pid_t pid;
	int go[2];

	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		child_check(!wait_byte(go[0]));
		child_check(find_difference(self->memory, self->n, 2) == self->n);
		child_check(count_on_node(self->memory, self->n, 1) == PAGES);
		fill_pattern(self->memory, self->n, 3);
		_exit(0);
	}
	usleep(100000);
	ASSERT_EQ(setresuid(-1, NOBODY, -1), 0);
	test_none_to_node(1, DRM_FERRY_SHARED);
	ASSERT_EQ(setresuid(-1, 0, -1), 0);
	test_all_to_node(1);
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 3);
	test_file(3);
}

/* A private mapping: the page of the file moves, and a write makes a copy. */
TEST_F(node_file, private_mapping)
{
	uint8_t *shared = self->memory;

	self->memory = mmap(NULL, self->n, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->file, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	test_pattern(self->memory, self->n, 1);
	fill_pattern(self->memory, self->n / 2, 2);
	test_all_to_node(1);
	test_pattern(self->memory, self->n / 2, 2);
	fill_pattern(self->memory, self->n, 3);
	test_file(1);
	test_pattern(shared, self->n, 1);
	munmap(shared, self->n);
}

/* The right to write does not come back: mprotect() took it. */
TEST_F(node_file, read_only_mapping)
{
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	test_all_to_node(1);
	ASSERT_EQ(pread(self->file, self->memory, 1, 0), -1);
	ASSERT_EQ(errno, EFAULT);
	test_file(1);
}

TEST_F(node_file, referenced_by_a_pipe)
{
	int in_pipe[2];

	ASSERT_EQ(hold_in_pipe(self->memory, self->n, in_pipe), 0);
	test_none_to_node(1, DRM_FERRY_PINNED);
	let_go(in_pipe);
	test_all_to_node(1);
	test_file(1);
}

static long node_counter(int node, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/vmstat", node);
	return read_counter(path, name);
}

/* Counters of the nodes move with the pages, one by one. */
TEST_F(node_file, counters_by_node)
{
	static const char *const names[] = { "nr_shmem", "nr_mapped", "nr_file_pages" };
	long before[2][3], after[2][3];
	size_t i;
	int node;

	/* The CPUs add up counters in batches; reading stat_refresh adds up. */
	ASSERT_GE(read_counter("/proc/vmstat", "nr_mapped"), 0);
	write_file("/proc/sys/vm/stat_refresh", "1");
	for (node = 0; node < 2; node++)
		for (i = 0; i < 3; i++)
			before[node][i] = node_counter(node, names[i]);
	test_all_to_node(1);
	write_file("/proc/sys/vm/stat_refresh", "1");
	for (node = 0; node < 2; node++)
		for (i = 0; i < 3; i++)
			after[node][i] = node_counter(node, names[i]);
	for (i = 0; i < 3; i++) {
		/* Other programs of the guest map and unmap a few pages. */
		EXPECT_LE(labs(before[0][i] - after[0][i] - PAGES), 8)
			TH_LOG("%s: %ld to %ld on node 0", names[i], before[0][i], after[0][i]);
		EXPECT_LE(labs(after[1][i] - before[1][i] - PAGES), 8)
			TH_LOG("%s: %ld to %ld on node 1", names[i], before[1][i], after[1][i]);
	}
}

static long written_pages(void)
{
	return read_counter("/proc/vmstat", "nr_dirtied");
}

/* Pages of a program's file, clean, mapped for reading. */
TEST_F(node_file, clean)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint8_t *bytes = malloc(self->n);
	long dirtied;
	size_t n;
	int to;

	ASSERT_GE(file, 0);
	n = lseek(file, 0, SEEK_END) & -page_size();
	n = n < self->n ? n : self->n;
	ASSERT_EQ(pread(file, bytes, n, 0), (ssize_t)n);
	munmap(self->memory, self->n);
	self->n = n;
	self->memory = mmap(NULL, n, PROT_READ, MAP_SHARED, file, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	ASSERT_EQ(memcmp(bytes, self->memory, n), 0);
	dirtied = written_pages();
	/* Pages that the program runs from may be in use. */
	to = !node_of(self->memory);
	ASSERT_EQ(_test_to_node(self, n / page_size(), to), 0);
	ASSERT_EQ(self->counts.moved, count_outcome(self->outcomes, n / page_size(),
						    DRM_FERRY_MOVED));
	ASSERT_EQ(memcmp(bytes, self->memory, n), 0);
	ASSERT_EQ(count_flag(self->memory, n, KPF_DIRTY), 0);
	ASSERT_EQ(written_pages(), dirtied);
	TH_LOG("%llu of %zu pages moved, the first: %s", (unsigned long long)self->counts.moved,
	       n / page_size(), ferry_outcome_name(self->outcomes[0]));
	ASSERT_GT(self->counts.moved, 0);
	ASSERT_GE(count_on_node(self->memory, n, to), self->counts.moved);
}

struct truncation {
	struct _test_data_node_file *self;
	volatile bool stop;
	unsigned long rounds;
};

static void *truncate_on(void *arg)
{
	struct truncation *truncation = arg;
	size_t n = truncation->self->n;

	run_on_cpu(1);
	while (!truncation->stop) {
		if (ftruncate(truncation->self->file, 0) || ftruncate(truncation->self->file, n) ||
		    fallocate(truncation->self->file, 0, 0, n))
			break;
		truncation->rounds++;
	}
	return NULL;
}

/* Another thread truncates and allocates the file all the time. */
TEST_F_TIMEOUT(node_file, truncated_meanwhile, 120)
{
	struct truncation truncation = { .self = self };
	pthread_t thread;
	int round;

	ASSERT_EQ(pthread_create(&thread, NULL, truncate_on, &truncation), 0);
	for (round = 0; round < ROUNDS; round++) {
		madvise(self->memory, self->n, MADV_POPULATE_READ);
		EXPECT_EQ(_test_to_node(self, PAGES, 1 - round % 2), 0);
	}
	truncation.stop = true;
	pthread_join(thread, NULL);
	ASSERT_GT(truncation.rounds, 0);
	ASSERT_EQ(ftruncate(self->file, 0), 0);
	ASSERT_EQ(ftruncate(self->file, self->n), 0);
	test_zero(self->memory, self->n);
}

static void *count_up(void *arg)
{
	struct user *user = arg;
	int i;

	while (!user->stop) {
		for (i = 0; i < USER_PAGES; i++) {
			*words_of(user, i) += 1;
			user->truth[i]++;
		}
		user->rounds++;
	}
	return NULL;
}

/* Another CPU writes all the time. Each write must be in the file. */
TEST_F_TIMEOUT(node_file, writer, 120)
{
	struct user user = { .use = count_up, .cpu = 1, .memory = self->memory };
	uint64_t moved = 0, word;
	int round, i;

	memset(self->memory, 0, self->n);
	ASSERT_EQ(user_start(&user), 0);
	for (round = 0; round < ROUNDS; round++) {
		EXPECT_EQ(_test_to_node(self, USER_PAGES, 1 - round % 2), 0);
		moved += self->counts.moved;
	}
	user_stop(&user);
	pthread_join(user.thread, NULL);
	EXPECT_GT(moved, ROUNDS);
	for (i = 0; i < USER_PAGES; i++) {
		ASSERT_EQ(pread(self->file, &word, sizeof(word), i * page_size()),
			  (ssize_t)sizeof(word));
		ASSERT_EQ(word, user.truth[i]);
	}
}

TEST_HARNESS_MAIN
