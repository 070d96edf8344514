// SPDX-License-Identifier: MIT
/*
 * Invalid input to each ioctl, and the error that the caller gets.
 *
 * Shows: I11, ioctl errors
 * Guest: selftests, debug
 */
#include "ferry_test.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

#define PAGES 8

FIXTURE(bad_input) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_SETUP(bad_input)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(bad_input)
{
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 1);
	ferry_close(self->ferry);
}

static const struct { uint64_t addr, len; } bad_ranges[] = {
	{ 0x1000, 0 },				/* empty */
	{ UINT64_MAX - 0xfff, 0x2000 },		/* wraps */
	{ 0x1000, UINT64_MAX - 0xfff },		/* wraps */
	{ 0xffff800000000000ull, 0x1000 },	/* kernel addresses */
	{ 0xfffffffffff000ull, 0x2000 },	/* ends above TASK_SIZE, five levels */
	{ 0x7ffffffff000ull, 0x2000 },		/* ends above TASK_SIZE, four levels */
};

/* The last range is user space where page tables have five levels. */
static size_t nbad_ranges(void)
{
	void *high = (void *)(1ull << 48);
	bool five;

	five = mmap(high, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_FIXED_NOREPLACE, -1, 0) == high;
	if (five)
		munmap(high, page_size());
	return sizeof(bad_ranges) / sizeof(*bad_ranges) - five;
}

TEST_F(bad_input, ranges)
{
	uint32_t pages[PAGES];
	uint8_t bytes[16];
	size_t i, n = nbad_ranges();

	for (i = 0; i < n; i++) {
		struct drm_ferry_migrate migrate = {
			.addr = bad_ranges[i].addr, .len = bad_ranges[i].len };
		struct drm_ferry_snapshot snapshot = {
			.addr = bad_ranges[i].addr, .len = bad_ranges[i].len,
			.pages = ptr(pages) };
		struct drm_ferry_read read = {
			.addr = bad_ranges[i].addr, .len = bad_ranges[i].len,
			.buffer = ptr(bytes) };
		struct drm_ferry_write write = {
			.addr = bad_ranges[i].addr, .len = bad_ranges[i].len,
			.buffer = ptr(bytes) };

		ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_MIGRATE, &migrate), -EINVAL);
		ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_SNAPSHOT, &snapshot), -EINVAL);
		ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_READ, &read), -EINVAL);
		ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_WRITE, &write), -EINVAL);
	}
}

static int migrate_with(struct ferry *ferry, void *addr, size_t n,
			void (*spoil)(struct drm_ferry_migrate *))
{
	struct drm_ferry_migrate request = { .addr = ptr(addr), .len = n };

	spoil(&request);
	return _test_ioctl(ferry, DRM_IOCTL_FERRY_MIGRATE, &request);
}

#define CORE DRM_FERRY_BACKEND_CORE
#define SPOIL(name, statement)						\
	static void name(struct drm_ferry_migrate *request)		\
	{								\
		request->statement;					\
	}

SPOIL(unaligned_addr, addr++)
SPOIL(unaligned_len, len--)
SPOIL(unknown_target, target = 99)
SPOIL(core_to_node, backend = CORE; request->target = DRM_FERRY_TARGET_NODE)
SPOIL(strict_to_device, flags = DRM_FERRY_MIGRATE_STRICT)
SPOIL(target_other, target = DRM_FERRY_TARGET_OTHER_DEVICE)
SPOIL(stray_id, target_id = 1)
SPOIL(unknown_backend, backend = 99)
SPOIL(unknown_flush, flush = 99)
SPOIL(core_per_table, backend = CORE; request->flush = DRM_FERRY_FLUSH_PER_TABLE)
SPOIL(core_per_call, backend = CORE; request->flush = DRM_FERRY_FLUSH_PER_CALL)
SPOIL(core_auto, backend = CORE; request->flush = DRM_FERRY_FLUSH_AUTO)
SPOIL(next_flush, flush = DRM_FERRY_FLUSH_AUTO + 1)
SPOIL(unknown_flag, flags = 1u << 31)
SPOIL(next_flag, flags = DRM_FERRY_MIGRATE_STRICT << 1)
SPOIL(fault_in, flags = DRM_FERRY_MIGRATE_FAULT_IN)
SPOIL(fault_in_beside, flags = DRM_FERRY_MIGRATE_FAULT_IN | DRM_FERRY_MIGRATE_SKIP_HOLES)
SPOIL(syncs, num_syncs = 1)
SPOIL(stray_syncs, syncs = 0x1000)
SPOIL(reserved, rsvd[3] = 1)
SPOIL(kernel_outcomes, outcomes = 0xffff800000000000ull)

TEST_F(bad_input, migrate_fields)
{
	static const struct {
		void (*spoil)(struct drm_ferry_migrate *);
		int error;
	} cases[] = {
		{ unaligned_addr, -EINVAL }, { unaligned_len, -EINVAL },
		{ unknown_target, -EINVAL }, { stray_id, -EINVAL },
		{ unknown_backend, -EINVAL }, { unknown_flush, -EINVAL },
		{ unknown_flag, -EINVAL }, { next_flag, -EINVAL },
		{ stray_syncs, -EINVAL }, { strict_to_device, -EINVAL },
		{ reserved, -EINVAL }, { core_to_node, -EOPNOTSUPP },
		{ target_other, -EOPNOTSUPP },
		{ core_per_table, -EOPNOTSUPP }, { core_per_call, -EOPNOTSUPP },
		{ core_auto, -EOPNOTSUPP }, { next_flush, -EINVAL },
		{ fault_in, -EOPNOTSUPP }, { fault_in_beside, -EOPNOTSUPP },
		{ syncs, -EOPNOTSUPP },
		{ kernel_outcomes, -EFAULT },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ASSERT_EQ(migrate_with(self->ferry, self->memory, self->n,
				       cases[i].spoil), cases[i].error) {
			TH_LOG("case %zu", i);
		}
}

TEST_F(bad_input, outcomes_not_writable)
{
	uint8_t *nowhere = test_map(page_size());
	struct ferry_counts counts;

	munmap(nowhere, page_size());
	/* The call fails, but the pages did move. CPU faults return them. */
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, self->n,
				DRM_FERRY_TARGET_DEVICE, nowhere, &counts), -EFAULT);
	test_pattern(self->memory, self->n, 1);
}

TEST_F(bad_input, not_mapped)
{
	uint8_t *gone = test_map(self->n);
	struct drm_ferry_migrate request = { .addr = ptr(gone), .len = self->n };
	uint8_t byte;

	munmap(gone, self->n);
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_MIGRATE, &request), -EFAULT);
	ASSERT_EQ(request.done, 0);
	ASSERT_EQ(ferry_read(self->ferry, gone, 1, &byte, NULL), -EFAULT);
	ASSERT_EQ(ferry_write(self->ferry, gone, 1, &byte, NULL), -EFAULT);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, 1, gone, NULL), -EFAULT);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, 1, gone, NULL), -EFAULT);
	test_where(self->ferry, gone, DRM_FERRY_PAGE_NONE);
}

TEST_F(bad_input, hugetlb)
{
	struct ferry_counts counts;
	uint8_t *huge;
	FILE *file;

	file = fopen("/proc/sys/vm/nr_hugepages", "w");
	ASSERT_NE(file, NULL);
	fprintf(file, "2\n");
	fclose(file);
	huge = mmap(NULL, PMD_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	ASSERT_NE(huge, MAP_FAILED);
	*huge = 1;
	ASSERT_EQ(_test_migrate(self->ferry, huge, PMD_SIZE, DRM_FERRY_TARGET_DEVICE,
				NULL, &counts), -EINVAL);
	munmap(huge, PMD_SIZE);
}

static uint8_t *find_mapping(const char *name)
{
	unsigned long start;
	uint8_t *found = NULL;
	char line[256];
	FILE *file;

	file = fopen("/proc/self/maps", "r");
	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, name) && sscanf(line, "%lx", &start) == 1)
			found = (uint8_t *)start;
	if (file)
		fclose(file);
	return found;
}

TEST_F(bad_input, special_mapping)
{
	uint8_t *vvar = find_mapping("[vvar]");
	struct ferry_counts counts;

	ASSERT_NE(vvar, NULL);
	ASSERT_EQ(_test_migrate(self->ferry, vvar, page_size(), DRM_FERRY_TARGET_DEVICE,
				NULL, &counts), -EINVAL);
}

TEST_F(bad_input, exec_fields)
{
	struct drm_ferry_exec_op good = {
		.op = DRM_FERRY_OP_CHECKSUM, .addr = ptr(self->memory), .len = 4 };
	const struct drm_ferry_exec ok = {
		.ops = ptr(&good), .nops = 1, .stride = sizeof(good) };
	struct drm_ferry_exec bad[] = { ok, ok, ok, ok, ok, ok, ok, ok };
	static const int errors[] = { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL,
				      -EOPNOTSUPP, -EINVAL, -EFAULT };
	size_t i;

	bad[0].nops = 0;
	bad[1].nops = DRM_FERRY_MAX_OPS + 1;
	bad[2].stride = 0;
	bad[3].stride = sizeof(good) + 1;
	bad[4].flags = 1;
	bad[5].num_syncs = 1;
	bad[6].rsvd[0] = 1;
	bad[7].ops = 0xffff800000000000ull;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_EXEC, &bad[i]), errors[i]) {
			TH_LOG("case %zu", i);
		}
}

TEST_F(bad_input, exec_ops)
{
	const struct drm_ferry_exec_op fill = {
		.op = DRM_FERRY_OP_FILL, .addr = ptr(self->memory), .len = 4 };
	struct drm_ferry_exec_op bad[] = {
		fill, fill, fill, fill, fill, fill, fill, fill, fill };
	uint32_t at;
	size_t i;

	bad[0].op = 99;
	bad[1].addr++;
	bad[2].len = 3;
	bad[3].len = 0;
	bad[4].value = 1ull << 32;
	bad[5].src = 4;
	bad[6].rsvd[1] = 1;
	bad[7].len = DRM_FERRY_MAX_OP_LEN + 4;
	bad[8].op = DRM_FERRY_OP_COPY;
	bad[8].src = bad[8].addr + 2;	/* overlaps */
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ASSERT_EQ(ferry_exec(self->ferry, &bad[i], sizeof(bad[i]), 1, NULL, &at), -EINVAL) {
			TH_LOG("case %zu", i);
		}
		ASSERT_EQ(at, 0);
	}
}

/* EXEC finds a stride without room for the result before any operation runs. */
TEST_F(bad_input, exec_short_stride)
{
	struct {
		uint32_t op, flags;
		uint64_t addr, len;
	} ops[] = {
		{ DRM_FERRY_OP_FILL, 0, ptr(self->memory), 4 },
		{ DRM_FERRY_OP_CHECKSUM, 0, ptr(self->memory), 4 },
	};
	struct drm_ferry_exec exec = {
		.ops = ptr(ops), .nops = 2, .stride = sizeof(ops[0]) };

	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_EXEC, &exec), -EINVAL);
	ASSERT_EQ(exec.failed, 1);
	ASSERT_EQ(exec.done, 0);
	test_pattern(self->memory, self->n, 1);
}

TEST_F(bad_input, struct_sizes)
{
	struct {
		struct drm_ferry_query query;
		uint64_t tail;
	} longer = { 0 };
	unsigned long request = DRM_IOWR(DRM_COMMAND_BASE + DRM_FERRY_QUERY, longer);
	uint64_t shorter[2] = { 0 };

	ASSERT_EQ(_test_ioctl(self->ferry, request, &longer), 0);
	ASSERT_EQ(longer.query.page_size, page_size());
	memset(&longer, 0, sizeof(longer));
	longer.tail = 1;
	ASSERT_EQ(_test_ioctl(self->ferry, request, &longer), -E2BIG);
	request = DRM_IOWR(DRM_COMMAND_BASE + DRM_FERRY_QUERY, shorter);
	ASSERT_EQ(_test_ioctl(self->ferry, request, shorter), 0);
	ASSERT_EQ((uint32_t)shorter[0], DRM_FERRY_ABI_VERSION);
	request = DRM_IO(DRM_COMMAND_BASE + 0x1f);
	ASSERT_EQ(_test_ioctl(self->ferry, request, NULL), -EINVAL);
}

TEST_F(bad_input, reserved_fields)
{
	struct drm_ferry_query query = { .rsvd = { 0, 1 } };
	struct drm_ferry_stats stats = { .rsvd = { 1 } };
	struct drm_ferry_snapshot snapshot = {
		.addr = ptr(self->memory), .len = page_size(), .pad = 1 };
	struct drm_ferry_read read = {
		.addr = ptr(self->memory), .len = 1, .buffer = ptr(&query), .flags = 1 };

	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_QUERY, &query), -EINVAL);
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_STATS, &stats), -EINVAL);
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_SNAPSHOT, &snapshot), -EINVAL);
	ASSERT_EQ(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_READ, &read), -EINVAL);
}

TEST_F(bad_input, another_address_space)
{
	pid_t pid = test_fork();

	if (!pid) {
		struct drm_ferry_query query = { 0 };
		struct drm_ferry_migrate migrate = {
			.addr = ptr(self->memory), .len = self->n };

		child_check(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_QUERY, &query) == -EBADF);
		child_check(_test_ioctl(self->ferry, DRM_IOCTL_FERRY_MIGRATE, &migrate) ==
			    -EBADF);
		_exit(0);
	}
	test_wait(pid);
}

/* The opener exits. Its child keeps the file. */
TEST_F(bad_input, address_space_has_ended)
{
	int gone[2], answer[2], result = 0;
	pid_t pid;

	ASSERT_EQ(pipe(gone), 0);
	ASSERT_EQ(pipe(answer), 0);
	pid = test_fork();
	if (!pid) {
		struct ferry *own;

		child_check(!ferry_open_index(0, &own));
		if (!fork()) {
			struct drm_ferry_query query = { 0 };
			int ret;

			child_check(!wait_byte(gone[0]));
			ret = _test_ioctl(own, DRM_IOCTL_FERRY_QUERY, &query);
			child_check(write(answer[1], &ret, sizeof(ret)) == sizeof(ret));
			_exit(0);
		}
		_exit(0);
	}
	test_wait(pid);
	ASSERT_EQ(send_byte(gone[1]), 0);
	ASSERT_EQ(read(answer[0], &result, sizeof(result)), sizeof(result));
	ASSERT_EQ(result, -ESRCH);
}

TEST_HARNESS_MAIN
