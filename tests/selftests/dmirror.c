// SPDX-License-Identifier: MIT
/*
 * The test_hmm ABI beyond hmm-tests: other processes, other devices, full
 * devices, memory that is taken away. Needs two private and two coherent
 * devices.
 *
 * Shows: test_hmm ABI, RELEASE, capacity
 * Guest: dmirror, debug-dmirror
 */
#include <ctype.h>

#include "dmirror.h"

#define PAGES 64

FIXTURE(dmirror) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
	int fd;
	int other;
};

FIXTURE_VARIANT(dmirror) {
	int number;
	int other;
};

FIXTURE_VARIANT_ADD(dmirror, private) {
	.number = 0,
	.other = 1,
};

FIXTURE_VARIANT_ADD(dmirror, coherent) {
	.number = FIRST_COHERENT,
	.other = FIRST_COHERENT + 1,
};

FIXTURE_VARIANT_ADD(dmirror, private_and_coherent) {
	.number = 0,
	.other = FIRST_COHERENT,
};

FIXTURE_VARIANT_ADD(dmirror, coherent_and_private) {
	.number = FIRST_COHERENT,
	.other = 1,
};

FIXTURE_SETUP(dmirror)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(variant->number);
	self->fd = test_dmirror_open(variant->number);
	self->other = test_dmirror_open(variant->other);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map(self->n);
}

FIXTURE_TEARDOWN(dmirror)
{
	close(self->fd);
	close(self->other);
	ferry_close(self->ferry);
}

/* In test_hmm, closing any file returns every page of the device. */
TEST_F(dmirror, anothers_pages_survive_a_close)
{
	struct hmm_dmirror_cmd cmd;
	pid_t pid;
	int fd;

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	pid = test_fork();
	if (!pid) {
		uint8_t *mine = _test_map(self->n);

		fill_pattern(mine, self->n, 2);
		fd = _test_dmirror_open("hmm_dmirror", variant->number);
		child_check(fd >= 0);
		child_check(!_test_cmd(fd, HMM_DMIRROR_MIGRATE_TO_DEV, mine, self->data,
				       PAGES, &cmd));
		child_check(_test_byte(fd, mine) ==
			    (local_byte(variant->number) | HMM_DMIRROR_PROT_WRITE));
		close(fd);
		/* The file's pages are in system memory, and intact. */
		child_check(_test_used(self->ferry) == UINT64_MAX);	/* parent's file */
		child_check(find_difference(mine, self->n, 2) == self->n);
		_exit(0);
	}
	test_wait(pid);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(_test_byte(self->fd, self->memory) & local_byte(variant->number),
		  local_byte(variant->number));
	test_pattern(self->memory, self->n, 1);
}

/* Another device reads and writes: the pages return to system memory first. */
TEST_F(dmirror, other_device_reads_and_writes)
{
	struct hmm_dmirror_cmd cmd;

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_used(self->ferry, PAGES);
	memset(self->data, 0, self->n);

	ASSERT_EQ(_test_cmd(self->other, HMM_DMIRROR_READ, self->memory, self->data, PAGES,
			    &cmd), 0);
	ASSERT_EQ(cmd.cpages, PAGES);
	ASSERT_EQ(cmd.faults, 1);
	test_pattern(self->data, self->n, 1);
	/* The pages returned for the access. */
	test_used(self->ferry, 0);
	test_byte(self->fd, self->memory, HMM_DMIRROR_PROT_WRITE);

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	fill_pattern(self->data, self->n, 2);
	test_cmd(self->other, HMM_DMIRROR_WRITE, self->memory, self->data, PAGES);
	test_used(self->ferry, 0);
	memset(self->data, 0, self->n);
	test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, self->data, PAGES);
	test_pattern(self->data, self->n, 2);
	test_pattern(self->memory, self->n, 2);
}

/* No migration from device to device: an error, and no data is lost. */
TEST_F(dmirror, other_device_does_not_take)
{
	struct hmm_dmirror_cmd cmd;

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	ASSERT_EQ(_test_cmd(self->other, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory,
			    self->data, PAGES, &cmd), -ENOENT);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(_test_cmd(self->other, HMM_DMIRROR_MIGRATE_TO_SYS, self->memory,
			    self->data, PAGES, &cmd), 0);
	ASSERT_EQ(cmd.cpages, 0);
	test_used(self->ferry, PAGES);
	test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, self->data, PAGES);
	test_pattern(self->data, self->n, 1);
	test_pattern(self->memory, self->n, 1);
}

static uint64_t device_size(struct ferry *ferry)
{
	struct drm_ferry_query query;

	return ferry_query(ferry, &query, sizeof(query)) ? 0 : query.memory_size;
}

TEST_F(dmirror, capacity)
{
	uint64_t size = device_size(self->ferry), more = size + 8 * MIB;
	size_t npages = more / page_size();
	struct hmm_dmirror_cmd cmd;
	uint8_t *memory = test_map(more), *data = test_map(more);

	fill_pattern(memory, more, 3);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, memory, data, npages,
			    &cmd), -ENOENT);
	/* The device is full, and no more than full. No data was returned. */
	ASSERT_EQ(_test_used(self->ferry), size);
	test_zero(data, page_size());
	test_cmd(self->fd, HMM_DMIRROR_READ, memory, data, npages);
	test_pattern(data, more, 3);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, memory, data, size / page_size());

	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, memory, data, npages,
			    &cmd), 0);
	ASSERT_EQ(cmd.cpages, size / page_size());
	test_used(self->ferry, 0);
	test_pattern(memory, more, 3);
	munmap(memory, more);
	munmap(data, more);
}

/* A forked child gets -EBADF from the parent's file and uses its own file. */
TEST_F(dmirror, file_is_of_the_opener)
{
	struct hmm_dmirror_cmd cmd;
	unsigned int request;
	pid_t pid;
	int own;

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	pid = test_fork();
	if (!pid) {
		fill_pattern(self->data, self->n, 2);
		for (request = 0; request < 10; request++)
			child_check(_test_cmd(self->fd,
					      _IOWR('H', request, struct hmm_dmirror_cmd),
					      self->memory, self->data, PAGES, &cmd) == -EBADF);
		child_check(find_difference(self->data, self->n, 2) == self->n);
		own = _test_dmirror_open("hmm_dmirror", variant->number);
		child_check(!_test_cmd(own, HMM_DMIRROR_READ, self->memory, self->data, PAGES,
				       &cmd));
		child_check(find_difference(self->data, self->n, 1) == self->n);
		_exit(0);
	}
	test_wait(pid);
	test_used(self->ferry, PAGES);
	test_pattern(self->memory, self->n, 1);
}

/* Ferry's parts of the physical address space: claims and private chunks. */
static int count_regions(void)
{
	FILE *file = fopen("/proc/iomem", "r");
	char line[256];
	int n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += !!strstr(line, ": ferry");
	if (file)
		fclose(file);
	return n;
}

/* Both processes have device pages; RELEASE by the parent moves all pages. */
TEST_F(dmirror, release_takes_everybodys_memory)
{
	uint8_t *mine = test_map(page_size()), *data = test_map(page_size());
	struct hmm_dmirror_cmd cmd;
	int go[2], ready[2], before;
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	ASSERT_EQ(pipe(ready), 0);
	pid = test_fork();
	if (!pid) {
		int fd = _test_dmirror_open("hmm_dmirror", variant->number);

		child_check(!_test_cmd(fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory,
				       self->data, PAGES, &cmd));
		child_check(!send_byte(ready[1]) && !wait_byte(go[0]));
		child_check(_test_byte(fd, self->memory) < HMM_DMIRROR_PROT_ZERO);
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		_exit(0);
	}
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, mine, data, 1);
	ASSERT_EQ(wait_byte(ready[0]), 0);
	ASSERT_GT(_test_used(self->ferry), PAGES * page_size());
	before = count_regions();
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_RELEASE, mine, NULL, 1, &cmd), 0);
	test_used(self->ferry, 0);
	/* The chunk of a private device has its own region. */
	ASSERT_EQ(count_regions(), before - (variant->number < FIRST_COHERENT));
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);

	fill_pattern(self->memory, self->n, 4);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	ASSERT_EQ(count_regions(), before);
	test_used(self->ferry, PAGES);
	test_pattern(self->memory, self->n, 4);
}

/* Only a private device gets a CPU fault when the CPU accesses its page. */
TEST_F(dmirror, cpu_touch)
{
	bool coherent = variant->number >= FIRST_COHERENT;

	test_to_device(self->ferry, self->memory, self->n);
	test_pattern(self->memory, self->n, 1);
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(_test_moved_by_faults(self->ferry), coherent ? 0 : PAGES);
	test_used(self->ferry, coherent ? PAGES : 0);
	/*
	 * The device sees the CPU's writes in place; close() returns the data.
	 */
	test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, self->data, PAGES);
	test_pattern(self->data, self->n, 2);
	close(self->fd);
	ferry_close(self->ferry);
	self->ferry = test_open(variant->number);
	self->fd = test_dmirror_open(variant->number);
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 2);
}

/* Pages moved by this ABI return without fault-around, as in test_hmm. */
TEST_F(dmirror, cpu_touch_of_one_page)
{
	bool coherent = variant->number >= FIRST_COHERENT;
	size_t page = page_size(), i;

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	for (i = 0; i < PAGES; i += 3) {
		self->memory[i * page] = pattern(i * page, 1);
		test_used(self->ferry, coherent ? PAGES : PAGES - 1 - i / 3);
	}
	test_pattern(self->memory, self->n, 1);
	test_used(self->ferry, coherent ? PAGES : 0);
}

TEST_HARNESS_MAIN
