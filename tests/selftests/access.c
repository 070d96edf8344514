// SPDX-License-Identifier: MIT
/*
 * The device reads, writes and computes on virtual memory of every kind:
 * anonymous, tmpfs, shared and private file mappings, secret memory.
 *
 * Shows: READ, WRITE, EXEC
 * Guest: selftests, selftests-core, debug
 */
#include <sys/syscall.h>
#include <zlib.h>

#include "ferry_test.h"

#define WINDOW PMD_SIZE

FIXTURE(access) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
};

FIXTURE_SETUP(access)
{
	self->n = 2 * WINDOW;
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->data = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(access)
{
	ferry_close(self->ferry);
}

TEST_F(access, holes)
{
	ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_zero(self->data, self->n);
	fill_pattern(self->data, self->n, 2);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_pattern(self->memory, self->n, 2);
	test_used(self->ferry, 0);
}

TEST_F(access, any_alignment)
{
	static const struct { size_t offset, n; } cases[] = {
		{ 0, 1 }, { 17, 17 }, { 4095, 2 }, { WINDOW - 3, 7 },
		{ WINDOW - 4096 - 1, 8195 }, { 65535, 65538 }, { 1, 2 * WINDOW - 2 },
	};
	uint8_t *copy = test_map(self->n);
	size_t i, j;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(self->memory, 0x55, self->n);
		ASSERT_EQ(ferry_write(self->ferry, self->memory + cases[i].offset,
				      cases[i].n, self->data, NULL), 0);
		test_pattern(self->memory + cases[i].offset, cases[i].n, 1);
		for (j = 0; j < cases[i].offset; j++)
			ASSERT_EQ(self->memory[j], 0x55);
		for (j = cases[i].offset + cases[i].n; j < self->n; j++)
			ASSERT_EQ(self->memory[j], 0x55);
		ASSERT_EQ(ferry_read(self->ferry, self->memory + cases[i].offset,
				     cases[i].n, copy, NULL), 0);
		test_pattern(copy, cases[i].n, 1);
	}
}

TEST_F(access, cpu_writes_are_seen)
{
	uint8_t byte;
	int i;

	for (i = 0; i < 10; i++) {
		self->memory[0] = i;
		ASSERT_EQ(ferry_read(self->ferry, self->memory, 1, &byte, NULL), 0);
		ASSERT_EQ(byte, i);
	}
	/* The first access faults; the others use the device's entry. */
	ASSERT_EQ(test_stats(self->ferry).device_faults, 1);
}

static int make_file(struct __test_metadata *_metadata, const char *path, size_t n)
{
	uint8_t *contents = test_map(n);
	int fd;

	fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0600) :
		    memfd_create("ferry", 0);
	ASSERT_GE(fd, 0);
	fill_pattern(contents, n, 7);
	ASSERT_EQ(write(fd, contents, n), n);
	munmap(contents, n);
	return fd;
}

static void write_shared(struct __test_metadata *_metadata, struct ferry *ferry, int fd)
{
	size_t n = 4 * page_size();
	uint8_t *memory, *copy = test_map(n);
	struct ferry_counts counts;
	uint8_t outcomes[4];

	memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(memory, MAP_FAILED);
	ASSERT_EQ(ferry_read(ferry, memory, n, copy, NULL), 0);
	test_pattern(copy, n, 7);
	fill_pattern(copy, n, 8);
	ASSERT_EQ(ferry_write(ferry, memory, n, copy, NULL), 0);
	test_pattern(memory, n, 8);
	memset(copy, 0, n);
	ASSERT_EQ(pread(fd, copy, n, 0), n);
	test_pattern(copy, n, 8);

	ASSERT_EQ(_test_migrate(ferry, memory, n, DRM_FERRY_TARGET_DEVICE, outcomes,
				&counts), 0);
	ASSERT_EQ(counts.failed, 4);
	ASSERT_EQ(outcomes[2], DRM_FERRY_FILE);
	munmap(memory, n);
}

TEST_F(access, write_to_tmpfs_reaches_the_file)
{
	int fd = make_file(_metadata, NULL, 4 * page_size());

	write_shared(_metadata, self->ferry, fd);
	close(fd);
}

TEST_F(access, write_to_file_reaches_the_file)
{
	int fd = make_file(_metadata, "/tmp/ferry-access", 4 * page_size());
	uint8_t *copy = test_map(4 * page_size());

	write_shared(_metadata, self->ferry, fd);
	ASSERT_EQ(fsync(fd), 0);
	close(fd);
	fd = open("/tmp/ferry-access", O_RDONLY);
	ASSERT_EQ(read(fd, copy, 4 * page_size()), 4 * page_size());
	test_pattern(copy, 4 * page_size(), 8);
	close(fd);
	unlink("/tmp/ferry-access");
}

TEST_F(access, write_to_private_file_makes_a_copy_that_moves)
{
	size_t page = page_size(), n = 4 * page;
	int fd = make_file(_metadata, "/tmp/ferry-private", n);
	struct ferry_counts counts;
	uint8_t outcomes[4], *memory;

	memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(memory, MAP_FAILED);
	ASSERT_EQ(ferry_write(self->ferry, memory + page, page, self->data, NULL), 0);
	test_pattern(memory + page, page, 1);
	ASSERT_EQ(pread(fd, self->memory, n, 0), n);
	test_pattern(self->memory, n, 7);

	(void)*(volatile uint8_t *)memory;
	ASSERT_EQ(_test_migrate(self->ferry, memory, n, DRM_FERRY_TARGET_DEVICE,
				outcomes, &counts), 0);
	ASSERT_EQ(counts.moved, 1);
	ASSERT_EQ(outcomes[0], DRM_FERRY_FILE);
	ASSERT_EQ(outcomes[1], DRM_FERRY_MOVED);
	ASSERT_EQ(outcomes[3], DRM_FERRY_FILE);
	test_pattern(memory + page, page, 1);
	close(fd);
	unlink("/tmp/ferry-private");
}

/*
 * The kernel's direct map does not contain secret memory. A device that
 * accesses such a page oopses with its locks held.
 */
TEST_F(access, secret_memory_is_refused)
{
	int fd = syscall(SYS_memfd_secret, 0);
	uint8_t *memory;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(ftruncate(fd, page_size()), 0);
	memory = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(memory, MAP_FAILED);
	*memory = 1;
	ASSERT_EQ(ferry_read(self->ferry, memory, 1, self->data, NULL), -EFAULT);
	ASSERT_EQ(ferry_write(self->ferry, memory, 1, self->data, NULL), -EFAULT);
	munmap(memory, page_size());
	close(fd);
}

TEST_F(access, up_to_the_first_unmapped_page)
{
	size_t page = page_size();
	struct drm_ferry_read request = {
		.addr = ptr(self->memory) + 1, .len = 16 * page, .buffer = ptr(self->data) };

	fill_pattern(self->memory, self->n, 4);
	ASSERT_EQ(munmap(self->memory + 9 * page, page), 0);
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_READ, &request), 0);
	ASSERT_EQ(request.done, 9 * page - 1);
	ASSERT_EQ(memcmp(self->data, self->memory + 1, 9 * page - 1), 0);
	request.addr += request.done;
	request.done = 77;
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_READ, &request), -EFAULT);
	ASSERT_EQ(request.done, 77);
}

TEST_F(access, buffer_in_the_range_itself)
{
	size_t half = self->n / 2;

	fill_pattern(self->memory, self->n, 3);
	test_to_device(self->ferry, self->memory, self->n);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, half, self->memory + half, NULL), 0);
	test_pattern(self->memory + half, half, 3);
	test_pattern(self->memory, half, 3);
}

/* Write a pattern; with @device, move the pages to the device. */
static void on_both(struct __test_metadata *_metadata, struct ferry *ferry,
		    uint8_t *memory, size_t n, bool device)
{
	fill_pattern(memory, n, 1);
	if (device)
		test_to_device(ferry, memory, n);
}

FIXTURE(ops) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_VARIANT(ops) {
	bool device;
};

FIXTURE_VARIANT_ADD(ops, system) { .device = false };
FIXTURE_VARIANT_ADD(ops, device) { .device = true };

FIXTURE_SETUP(ops)
{
	self->n = WINDOW + 3 * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	on_both(_metadata, self->ferry, self->memory, self->n, variant->device);
}

FIXTURE_TEARDOWN(ops)
{
	ferry_close(self->ferry);
}

TEST_F(ops, checksum_is_zlibs)
{
	static const struct { size_t offset, n; } cases[] = {
		{ 0, 1 }, { 0, 17 }, { 13, 4096 }, { 4095, 2 }, { 7, WINDOW },
	};
	struct drm_ferry_exec_op op;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		op = (struct drm_ferry_exec_op) {
			.op = DRM_FERRY_OP_CHECKSUM,
			.addr = ptr(self->memory + cases[i].offset),
			.len = cases[i].n,
		};
		ASSERT_EQ(ferry_exec(self->ferry, &op, sizeof(op), 1, NULL, NULL), 0);
		ASSERT_EQ(op.value, crc32_z(0, self->memory + cases[i].offset, cases[i].n));
		on_both(_metadata, self->ferry, self->memory, self->n, false);
	}
}

TEST_F(ops, fill_and_add_wrap)
{
	uint32_t *words = (uint32_t *)self->memory;
	size_t first = 1, count = self->n / 4 - 2, i;
	struct drm_ferry_exec_op ops[] = {
		{ .op = DRM_FERRY_OP_FILL, .addr = ptr(words + first), .len = 4 * count,
		  .value = 0xfffffff0 },
		{ .op = DRM_FERRY_OP_ADD, .addr = ptr(words + first), .len = 4 * count,
		  .value = 0x11 },
	};
	uint32_t before = pattern(0, 1) | pattern(1, 1) << 8 | pattern(2, 1) << 16 |
			  (uint32_t)pattern(3, 1) << 24;

	ASSERT_EQ(ferry_exec(self->ferry, ops, sizeof(*ops), 2, NULL, NULL), 0);
	ASSERT_EQ(words[0], before);
	for (i = first; i < first + count; i++)
		ASSERT_EQ(words[i], 1);
}

TEST_F(ops, copy)
{
	size_t half = self->n / 2;
	struct drm_ferry_exec_op op = {
		.op = DRM_FERRY_OP_COPY, .addr = ptr(self->memory + half + 5),
		.src = ptr(self->memory + 3), .len = half - 5,
	};
	uint8_t *expected = test_map(self->n);

	fill_pattern(expected, self->n, 1);
	memmove(expected + half + 5, expected + 3, half - 5);
	ASSERT_EQ(ferry_exec(self->ferry, &op, sizeof(op), 1, NULL, NULL), 0);
	ASSERT_EQ(memcmp(self->memory, expected, self->n), 0);
}

TEST_F(ops, failing_op_is_named)
{
	uint8_t *gone = test_map(page_size());
	struct drm_ferry_exec_op ops[] = {
		{ .op = DRM_FERRY_OP_FILL, .addr = ptr(self->memory), .len = 4, .value = 1 },
		{ .op = DRM_FERRY_OP_FILL, .addr = ptr(gone), .len = 4, .value = 1 },
		{ .op = DRM_FERRY_OP_FILL, .addr = ptr(self->memory), .len = 4, .value = 2 },
	};
	uint32_t at = 0;

	munmap(gone, page_size());
	ASSERT_EQ(ferry_exec(self->ferry, ops, sizeof(*ops), 3, NULL, &at), -EFAULT);
	ASSERT_EQ(at, 1);
	ASSERT_EQ(*(uint32_t *)self->memory, 1);
	/* EXEC checks all operations before the first operation runs. */
	ops[2].flags = 1;
	ops[0].value = 3;
	ASSERT_EQ(ferry_exec(self->ferry, ops, sizeof(*ops), 3, NULL, &at), -EINVAL);
	ASSERT_EQ(at, 2);
	ASSERT_EQ(*(uint32_t *)self->memory, 1);
}

TEST_HARNESS_MAIN
