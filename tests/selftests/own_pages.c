// SPDX-License-Identifier: MIT
/*
 * The device reads and writes pages in its own memory, also after a change of
 * the CPU's page table that leaves the pages on the device with other
 * permissions. The kernel's test_hmm oopses in several of these cases.
 *
 * Shows: READ, WRITE, SNAPSHOT, mprotect, fork, mremap
 * Guest: selftests, selftests-core, debug
 */
#include "migrate.h"
#include "pagemap.h"

#define PAGES 32

FIXTURE(own_pages) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
};

FIXTURE_SETUP(own_pages)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
	test_to_device(self->ferry, self->memory, self->n);
	test_where(self->ferry, self->memory, DRM_FERRY_PAGE_THIS_DEVICE);
}

FIXTURE_TEARDOWN(own_pages)
{
	ferry_close(self->ferry);
}

#define test_device_reads(ferry, memory, n, seed)			\
	do {								\
		uint8_t *__copy = test_map(n);				\
		ASSERT_EQ(ferry_read(ferry, memory, n, __copy, NULL), 0);	\
		test_pattern(__copy, n, seed);				\
		munmap(__copy, n);					\
	} while (0)

TEST_F(own_pages, in_place)
{
	test_device_reads(self->ferry, self->memory, self->n, 1);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_device_reads(self->ferry, self->memory, self->n, 2);
	test_used(self->ferry, PAGES);
	test_pattern(self->memory, self->n, 2);
}

TEST_F(own_pages, mprotect_to_read_only)
{
	/*
	 * The device has already written: the device's page table must drop its
	 * entries.
	 */
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	test_device_reads(self->ferry, self->memory, self->n, 2);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), -EPERM);
	test_pattern(self->memory, self->n, 2);
}

TEST_F(own_pages, mprotect_and_back)
{
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	test_device_reads(self->ferry, self->memory, self->n, 1);
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ | PROT_WRITE), 0);
	test_device_reads(self->ferry, self->memory, self->n, 1);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_device_reads(self->ferry, self->memory, self->n, 2);
	/*
	 * The write permission is lost, as after NUMA balancing's scan. The
	 * page need not move to get the permission back.
	 */
	test_used(self->ferry, PAGES);
	test_pattern(self->memory, self->n, 2);
}

TEST_F(own_pages, clear_refs)
{
	ASSERT_EQ(clear_refs("1"), 0);
	test_device_reads(self->ferry, self->memory, self->n, 1);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_pattern(self->memory, self->n, 2);
}

/* Only the data. soft_dirty.c tests the soft-dirty bit. */
TEST_F(own_pages, clear_soft_dirty)
{
	ASSERT_EQ(clear_refs("4"), 0);
	test_device_reads(self->ferry, self->memory, self->n, 1);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_pattern(self->memory, self->n, 2);
}

TEST_F(own_pages, fork_keeps_the_childs_copy)
{
	int go[2];
	pid_t pid;

	/* The device's page table has writable entries before the fork. */
	ASSERT_EQ(ferry_write(self->ferry, self->memory, page_size(), self->memory, NULL), 0);
	test_to_device(self->ferry, self->memory, page_size());
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		_exit(0);
	}
	test_device_reads(self->ferry, self->memory, self->n, 1);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_device_reads(self->ferry, self->memory, self->n, 2);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 2);
}

TEST_F(own_pages, mremap)
{
	uint8_t *there = test_map(self->n);
	uint8_t byte;

	test_device_reads(self->ferry, self->memory, self->n, 1);
	there = mremap(self->memory, self->n, self->n, MREMAP_MAYMOVE | MREMAP_FIXED, there);
	ASSERT_NE(there, MAP_FAILED);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, 1, &byte, NULL), -EFAULT);
	test_device_reads(self->ferry, there, self->n, 1);
	ASSERT_EQ(ferry_write(self->ferry, there, self->n, self->data, NULL), 0);
	test_device_reads(self->ferry, there, self->n, 2);
	test_pattern(there, self->n, 2);
}

TEST_F(own_pages, second_file_of_the_process)
{
	struct ferry *second = test_open(0);

	test_where(second, self->memory, DRM_FERRY_PAGE_THIS_DEVICE);
	test_device_reads(second, self->memory, self->n, 1);
	ASSERT_EQ(ferry_write(second, self->memory, self->n, self->data, NULL), 0);
	test_device_reads(self->ferry, self->memory, self->n, 2);
	test_used(second, PAGES);
	test_pattern(self->memory, self->n, 2);
	ferry_close(second);
}

TEST_F(own_pages, unmapped_and_mapped_again)
{
	test_device_reads(self->ferry, self->memory, self->n, 1);
	ASSERT_EQ(mmap(self->memory, self->n, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), self->memory);
	test_used(self->ferry, 0);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_zero(self->data, self->n);
}

/* core fills a hole with an entry that has no soft-dirty mark. */
static void test_filled_hole(struct __test_metadata *_metadata, struct ferry *ferry,
			     uint32_t engine, size_t n)
{
	uint8_t *holes = test_map(n);
	uint32_t pages[PAGES];
	size_t i;

	test_engine(ferry, engine, holes, n, TO_DEVICE, NULL);
	ASSERT_EQ(ferry_snapshot(ferry, holes, n, pages, NULL), 0);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(pages[i] & DRM_FERRY_PAGE_WRITABLE, DRM_FERRY_PAGE_WRITABLE);
	munmap(holes, n);
}

TEST_F(own_pages, filled_holes_are_writable)
{
	test_filled_hole(_metadata, self->ferry, DRM_FERRY_BACKEND_DEFAULT, self->n);
	test_filled_hole(_metadata, self->ferry, CORE, self->n);
}

TEST_HARNESS_MAIN
