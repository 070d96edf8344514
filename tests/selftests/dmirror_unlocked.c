// SPDX-License-Identifier: MIT
/*
 * READ_UNLOCKED of the test_hmm ABI: a device fault that waits, for a monitor of
 * userfaultfd or for a disk, holds no lock. The result is the result of READ.
 *
 * Shows: test_hmm ABI, READ_UNLOCKED, userfaultfd
 * Guest: dmirror, debug-dmirror
 */
#include "dmirror.h"
#include "slow_disk.h"
#include "uffd.h"

#define PAGES 24	/* more than a step of 64 KiB */

FIXTURE(dmirror_unlocked) {
	uint8_t *memory;
	uint8_t *data;
	size_t page;
	size_t n;
	int fd;
};

FIXTURE_VARIANT(dmirror_unlocked) {
	int number;
	int other;
};

FIXTURE_VARIANT_ADD(dmirror_unlocked, private) {
	.number = 0,
	.other = 1,
};

FIXTURE_VARIANT_ADD(dmirror_unlocked, coherent) {
	.number = FIRST_COHERENT,
	.other = FIRST_COHERENT + 1,
};

FIXTURE_SETUP(dmirror_unlocked)
{
	self->page = page_size();
	self->n = PAGES * self->page;
	self->fd = test_dmirror_open(variant->number);
	self->memory = test_map(self->n);
	self->data = test_map(PMD_SIZE);
}

FIXTURE_TEARDOWN(dmirror_unlocked)
{
	slow_disk_destroy();
	close(self->fd);
}

/* READ_UNLOCKED in its own thread. */
struct reader {
	int fd;
	const uint8_t *at;
	uint8_t *data;
	size_t npages;
	struct hmm_dmirror_cmd cmd;
	int ret;
	pthread_t thread;
};

static void *run_reader(void *arg)
{
	struct reader *reader = arg;

	reader->ret = _test_cmd(reader->fd, FERRY_DMIRROR_READ_UNLOCKED, reader->at,
				reader->data, reader->npages, &reader->cmd);
	return NULL;
}

#define test_reader(reader)						\
	ASSERT_EQ(pthread_create(&(reader)->thread, NULL, run_reader, reader), 0)
#define test_has_read(reader)						\
	do {								\
		ASSERT_EQ(pthread_join((reader)->thread, NULL), 0);	\
		ASSERT_EQ((reader)->ret, 0);				\
		ASSERT_EQ((reader)->cmd.cpages, (reader)->npages);	\
	} while (0)

static struct reader make_reader(struct _test_data_dmirror_unlocked *self)
{
	return (struct reader) { .fd = self->fd, .at = self->memory, .data = self->data,
				 .npages = PAGES };
}

TEST_F_TIMEOUT(dmirror_unlocked, waits_for_the_monitor, 60)
{
	struct reader reader = make_reader(self);
	uint8_t *from = test_map_pattern(self->n, 3);
	int monitor = uffd_open_for(0, self->memory, self->n, UFFDIO_REGISTER_MODE_MISSING);
	size_t i;

	ASSERT_GE(monitor, 0);
	test_reader(&reader);
	for (i = 0; i < self->n; i += self->page) {
		ASSERT_EQ(uffd_wait(monitor, self->memory + i), 0);
		ASSERT_EQ(uffd_copy(monitor, self->memory + i, from + i), 0);
	}
	test_has_read(&reader);
	test_pattern(self->data, self->n, 3);
	ASSERT_EQ(reader.cmd.faults, 1);
	close(monitor);
}

/* The monitor needs mmap_lock, also for writing, before the answer. */
TEST_F_TIMEOUT(dmirror_unlocked, monitor_changes_mappings, 60)
{
	int monitor = uffd_open_for(0, self->memory, self->n, UFFDIO_REGISTER_MODE_MISSING);
	struct reader reader = make_reader(self);
	double start;

	ASSERT_GE(monitor, 0);
	reader.npages = 1;
	test_reader(&reader);
	ASSERT_EQ(uffd_wait(monitor, self->memory), 0);
	start = seconds();
	ASSERT_EQ(munmap(self->memory + self->page, self->n - self->page), 0);
	munmap(test_map_pattern(self->n, 1), self->n);
	ASSERT_LT(seconds() - start, 5);
	ASSERT_EQ(uffd_copy(monitor, self->memory, self->data + self->page), 0);
	test_has_read(&reader);
	close(monitor);
}

TEST_F_TIMEOUT(dmirror_unlocked, killed_while_it_waits, 60)
{
	int ready[2];
	double start;
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	pid = test_fork();
	if (!pid) {
		struct reader reader = make_reader(self);
		int monitor = uffd_open_for(0, self->memory, self->n,
					    UFFDIO_REGISTER_MODE_MISSING);

		reader.fd = _test_dmirror_open("hmm_dmirror", variant->number);
		child_check(monitor >= 0 && reader.fd >= 0);
		child_check(!pthread_create(&reader.thread, NULL, run_reader, &reader));
		child_check(uffd_wait(monitor, self->memory) >= 0);
		child_check(!send_byte(ready[1]));
		pthread_join(reader.thread, NULL);
		_exit(0);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	start = seconds();
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	ASSERT_LT(seconds() - start, 5);
}

/*
 * A page of a disk whose requests take 1 s. A thread that maps memory meanwhile
 * waits for nothing; with READ the thread waits for the disk.
 */
TEST_F_TIMEOUT(dmirror_unlocked, disk_holds_nobody_up, 60)
{
	struct reader reader = make_reader(self);
	double start, mapped;
	int disk;

	ASSERT_EQ(slow_disk_create(), 0);
	disk = open(SLOW_DISK, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(disk, 0);
	reader.at = mmap(NULL, self->page, PROT_READ, MAP_PRIVATE, disk, 0);
	ASSERT_NE((void *)reader.at, MAP_FAILED);
	reader.npages = 1;
	/* Pages that the opening of the disk has read. */
	ASSERT_EQ(posix_fadvise(disk, 0, 0, POSIX_FADV_DONTNEED), 0);
	fill_pattern(self->data, self->page, 1);

	start = seconds();
	test_reader(&reader);
	usleep(300000);
	mapped = seconds();
	munmap(test_map(self->page), self->page);
	mapped = seconds() - mapped;
	test_has_read(&reader);
	TH_LOG("read in %.1f s, mapped in %.2f s", seconds() - start, mapped);
	ASSERT_GT(seconds() - start, 0.9);
	ASSERT_LT(mapped, 0.3);
	test_zero(self->data, self->page);
	munmap((void *)reader.at, self->page);
	close(disk);
}

/* The same data, counts and errors as READ, over one kind of memory. */
static void test_same(struct __test_metadata *_metadata,
		      const struct _test_data_dmirror_unlocked *self, uint8_t *memory,
		      size_t npages, int expected)
{
	uint8_t *data = test_map(npages * self->page);
	struct hmm_dmirror_cmd cmd, locked;

	memset(self->data, 0x5a, npages * self->page);
	memset(data, 0x5a, npages * self->page);
	ASSERT_EQ(_test_cmd(self->fd, FERRY_DMIRROR_READ_UNLOCKED, memory, self->data, npages,
			    &cmd), expected);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_READ, memory, data, npages, &locked),
		  expected);
	ASSERT_EQ(memcmp(data, self->data, npages * self->page), 0);
	ASSERT_EQ(cmd.cpages, locked.cpages);
	/* The first request left entries in the device's page table. */
	ASSERT_EQ(locked.faults, 0);
	munmap(data, npages * self->page);
}

TEST_F(dmirror_unlocked, as_read)
{
	int other = test_dmirror_open(variant->other);
	uint8_t *huge = _test_map_huge(PMD_SIZE);
	int fd = memfd_create("pages", MFD_CLOEXEC);
	uint8_t *shared;

	ASSERT_NE(huge, MAP_FAILED);
	ASSERT_EQ(ftruncate(fd, self->n), 0);
	shared = mmap(NULL, self->n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(shared, MAP_FAILED);

	/* Holes; pages; pages on the device; pages of another device. */
	test_same(_metadata, self, self->memory, PAGES, 0);
	fill_pattern(self->memory, self->n, 1);
	test_same(_metadata, self, self->memory, PAGES, 0);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_same(_metadata, self, self->memory, PAGES, 0);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, self->memory, NULL, PAGES);
	test_cmd(other, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_same(_metadata, self, self->memory, PAGES, 0);
	test_pattern(self->memory, self->n, 1);

	fill_pattern(huge, PMD_SIZE, 2);
	test_same(_metadata, self, huge, PMD_SIZE / self->page, 0);
	fill_pattern(shared, self->n, 3);
	test_same(_metadata, self, shared, PAGES, 0);
	close(fd);
	close(other);
}

/* The kernel's data page of the vDSO; NULL if the kernel has none. */
static uint8_t *find_vvar(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, at = 0;
	char line[256];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[vvar]") && sscanf(line, "%lx-", &start) == 1)
			at = start;
	if (maps)
		fclose(maps);
	return (uint8_t *)at;
}

TEST_F(dmirror_unlocked, bad_input)
{
	uint8_t *vvar = find_vvar();
	struct hmm_dmirror_cmd cmd;
	double start = seconds();

	fill_pattern(self->memory, self->n, 1);
	ASSERT_EQ(_test_cmd(self->fd, FERRY_DMIRROR_READ_UNLOCKED, self->memory, self->data, 0,
			    &cmd), -EINVAL);
	ASSERT_EQ(_test_cmd(self->fd, FERRY_DMIRROR_READ_UNLOCKED, self->memory + 1,
			    self->data, 1, &cmd), -EINVAL);
	ASSERT_EQ(_test_cmd(self->fd, FERRY_DMIRROR_READ_UNLOCKED, self->memory, self->data,
			    UINT64_MAX, &cmd), -EINVAL);
	ASSERT_EQ(_test_cmd(self->fd, FERRY_DMIRROR_READ_UNLOCKED, (void *)-8192ul,
			    self->data, 1, &cmd), -EFAULT);
	ASSERT_EQ(_test_cmd(self->fd, FERRY_DMIRROR_READ_UNLOCKED, self->memory,
			    (void *)-8192ul, 1, &cmd), -EFAULT);
	ASSERT_EQ(_test_cmd(self->fd, _IOWR('H', 0x0a, struct hmm_dmirror_cmd), self->memory,
			    self->data, 1, &cmd), -EINVAL);

	ASSERT_EQ(munmap(self->memory + self->page, self->page), 0);
	test_same(_metadata, self, self->memory, PAGES, -EFAULT);
	ASSERT_EQ(mprotect(self->memory, self->page, PROT_NONE), 0);
	test_same(_metadata, self, self->memory, 1, -EFAULT);
	/* On 7.x the page is normal memory, and its data changes. */
	if (vvar && !kernel_at_least(7, 0))
		test_same(_metadata, self, vvar, 1, -EFAULT);
	/* No fault was repeated in vain. */
	ASSERT_LT(seconds() - start, 2);
}

TEST_HARNESS_MAIN
