// SPDX-License-Identifier: MIT
/*
 * FLAGS of the test_hmm ABI: with FAIL_ALLOC the next allocation for a page of
 * the file fails, once. The page stays, intact, and the next try moves the page.
 * Other files are not affected.
 *
 * Shows: test_hmm ABI, FAIL_ALLOC
 * Guest: dmirror, debug-dmirror
 */
#include "dmirror.h"

#define PAGES 16
#define TABLE (PMD_SIZE / page_size())

FIXTURE(dmirror_fail_alloc) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t page;
	size_t n;
	int fd;
};

FIXTURE_VARIANT(dmirror_fail_alloc) {
	int number;
};

FIXTURE_VARIANT_ADD(dmirror_fail_alloc, private) {
	.number = 0,
};

FIXTURE_VARIANT_ADD(dmirror_fail_alloc, coherent) {
	.number = FIRST_COHERENT,
};

FIXTURE_SETUP(dmirror_fail_alloc)
{
	self->page = page_size();
	self->n = PAGES * self->page;
	self->ferry = test_open(variant->number);
	self->fd = test_dmirror_open(variant->number);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map(PMD_SIZE);
}

FIXTURE_TEARDOWN(dmirror_fail_alloc)
{
	close(self->fd);
	ferry_close(self->ferry);
}

static int _test_flags(int fd, const void *addr, uint64_t flags)
{
	struct hmm_dmirror_cmd cmd;
	int ret = _test_cmd(fd, FERRY_DMIRROR_FLAGS, addr, NULL, flags, &cmd);

	return ret ?: cmd.cpages || cmd.faults ? -EIO : 0;
}

#define test_fail_alloc(fd, addr)					\
	ASSERT_EQ(_test_flags(fd, addr, FERRY_DMIRROR_FLAG_FAIL_ALLOC), 0)

#define test_error(fd, request, addr, data, npages, error)		\
	do {								\
		struct hmm_dmirror_cmd __cmd;				\
		ASSERT_EQ(_test_cmd(fd, request, addr, data, npages, &__cmd), error); \
	} while (0)

/* The first page finds no device page. All other pages move. No data returns. */
TEST_F(dmirror_fail_alloc, to_device)
{
	test_fail_alloc(self->fd, self->memory);
	test_error(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES,
		   -ENOENT);
	test_byte(self->fd, self->memory, HMM_DMIRROR_PROT_WRITE);
	test_byte(self->fd, self->memory + self->page,
		  local_byte(variant->number) | HMM_DMIRROR_PROT_WRITE);
	test_used(self->ferry, PAGES - 1);
	test_zero(self->data, self->n);

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_used(self->ferry, PAGES);
	test_pattern(self->data, self->n, 1);
	test_pattern(self->memory, self->n, 1);
}

/* The first page finds no system page. All other pages move. */
TEST_F(dmirror_fail_alloc, to_system)
{
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_fail_alloc(self->fd, self->memory);
	test_error(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, self->memory, NULL, PAGES, -ENOMEM);
	test_byte(self->fd, self->memory,
		  local_byte(variant->number) | HMM_DMIRROR_PROT_WRITE);
	test_used(self->ferry, 1);

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, self->memory, NULL, 1);
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 1);
}

/*
 * The kernel's own access to a page on the device is the visible CPU fault: the
 * access gets EFAULT. A coherent page has no CPU fault.
 */
TEST_F(dmirror_fail_alloc, cpu_fault_of_the_kernel)
{
	bool coherent = variant->number >= FIRST_COHERENT;
	uint8_t byte;
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_fail_alloc(self->fd, self->memory);
	if (coherent) {
		ASSERT_EQ(write(pipes[1], self->memory, 1), 1);
		return;
	}
	ASSERT_EQ(write(pipes[1], self->memory, 1), -1);
	ASSERT_EQ(errno, EFAULT);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(write(pipes[1], self->memory, 1), 1);
	test_used(self->ferry, PAGES - 1);
	ASSERT_EQ(read(pipes[0], &byte, 1), 1);
	ASSERT_EQ(byte, pattern(0, 1));
}

/* A program's access repeats the CPU fault, and sees the data. */
TEST_F(dmirror_fail_alloc, cpu_fault)
{
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_fail_alloc(self->fd, self->memory);
	test_pattern(self->memory, self->n, 1);
	if (variant->number < FIRST_COHERENT) {
		test_used(self->ferry, 0);
	} else {
		test_error(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, self->memory, NULL, PAGES,
			   -ENOMEM);
	}
	/* The failure is used up. */
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
}

/* The failure waits for an allocation, and survives requests without one. */
TEST_F(dmirror_fail_alloc, nothing_to_allocate)
{
	struct hmm_dmirror_cmd cmd;

	test_fail_alloc(self->fd, self->memory);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, self->memory, NULL, PAGES,
			    &cmd), 0);
	ASSERT_EQ(cmd.cpages, 0);
	test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, self->data, PAGES);
	test_error(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, 1, -ENOENT);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, 1);
}

/* Two FLAGS are one failure. */
TEST_F(dmirror_fail_alloc, twice_is_once)
{
	test_fail_alloc(self->fd, self->memory);
	test_fail_alloc(self->fd, self->memory);
	test_error(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, 1, -ENOENT);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, 1);
}

/* Another file of the same process and device has pages of its own. */
TEST_F(dmirror_fail_alloc, of_the_file_alone)
{
	uint8_t *others = test_map_pattern(self->n, 2);
	int other = test_dmirror_open(variant->number);

	test_fail_alloc(self->fd, self->memory);
	test_cmd(other, HMM_DMIRROR_MIGRATE_TO_DEV, others, self->data, PAGES);
	others[0] = pattern(0, 2);
	test_pattern(others, self->n, 2);
	test_cmd(other, HMM_DMIRROR_MIGRATE_TO_DEV, others + self->page, self->data, 1);
	test_to_device(self->ferry, self->memory + self->page, self->page);

	test_error(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, 1, -ENOENT);
	close(other);
	test_pattern(others, self->n, 2);
}

/* The failed allocation of a huge page is replaced: small pages move. */
static void test_table(struct __test_metadata *_metadata,
		       const struct _test_data_dmirror_fail_alloc *self, uint8_t *table)
{
	test_fail_alloc(self->fd, table);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, table, self->data, TABLE);
	test_used(self->ferry, TABLE);
	test_fail_alloc(self->fd, table);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, table, NULL, TABLE);
	test_used(self->ferry, 0);
	/* Each failure is used up. */
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, table, self->data, 1);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, table, NULL, 1);
}

TEST_F(dmirror_fail_alloc, huge_page)
{
	uint8_t *huge = _test_map_huge(PMD_SIZE);

	ASSERT_NE(huge, MAP_FAILED);
	fill_pattern(huge, PMD_SIZE, 3);
	test_table(_metadata, self, huge);
	test_pattern(huge, PMD_SIZE, 3);
}

TEST_F(dmirror_fail_alloc, whole_table)
{
	uint8_t *table = _test_map_aligned(PMD_SIZE);

	ASSERT_NE(table, MAP_FAILED);
	ASSERT_EQ(madvise(table, PMD_SIZE, MADV_NOHUGEPAGE), 0);
	fill_pattern(table, PMD_SIZE, 3);
	test_table(_metadata, self, table);
	test_pattern(table, PMD_SIZE, 3);
}

TEST_F(dmirror_fail_alloc, empty_table)
{
	uint8_t *table = _test_map_aligned(PMD_SIZE);

	ASSERT_NE(table, MAP_FAILED);
	test_table(_metadata, self, table);
	test_zero(table, PMD_SIZE);
}

/* All of the table but one page is no huge page. */
TEST_F(dmirror_fail_alloc, most_of_a_table)
{
	uint8_t *table = _test_map_aligned(PMD_SIZE);

	ASSERT_NE(table, MAP_FAILED);
	ASSERT_EQ(madvise(table, PMD_SIZE, MADV_NOHUGEPAGE), 0);
	fill_pattern(table, PMD_SIZE, 3);
	test_fail_alloc(self->fd, table);
	test_error(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, table, self->data, TABLE - 1, -ENOENT);
	test_used(self->ferry, TABLE - 2);
	test_pattern(table, PMD_SIZE, 3);
}

/* A refused request changes nothing. */
TEST_F(dmirror_fail_alloc, bad_input)
{
	static const uint64_t bad[] = { 0, 2, 3, 1ull << 32 | 1, 1ull << 51, UINT64_MAX };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ASSERT_EQ(_test_flags(self->fd, self->memory, bad[i]), -EINVAL);
	ASSERT_EQ(_test_flags(self->fd, self->memory + 1, FERRY_DMIRROR_FLAG_FAIL_ALLOC),
		  -EINVAL);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	/* No page is looked at. */
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	test_fail_alloc(self->fd, self->memory);
}

TEST_HARNESS_MAIN
