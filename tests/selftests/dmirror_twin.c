// SPDX-License-Identifier: MIT
/*
 * Comparison of test_hmm and Ferry: arguments, accesses, migration, exclusive
 * access, release.
 *
 * Shows: test_hmm ABI
 * Guest: twin
 */
#include "comparison.h"

static void bad_arguments(struct side *side)
{
	static const struct hmm_dmirror_cmd wrong[] = {
		{ .addr = 1, .npages = 1 },
		{ .addr = 0x10000, .npages = 0 },
		{ .addr = 0xfffffffffffff000, .npages = 1 },
		{ .addr = 0xfffffffffffff000, .npages = 2 },
		{ .addr = 0, .npages = 1 },
		{ .addr = 0x7ffffffff000, .npages = 1 },
		{ .addr = 0x7fffffffe000, .npages = 3 },
		{ .addr = 0xffff888000000000, .npages = 1 },
	};
	struct hmm_dmirror_cmd cmd;
	unsigned int request;
	size_t i;

	for (request = 0; request < 12; request++) {
		/* Not in test_hmm of 6.12. */
		if (request == _IOC_NR(FERRY_DMIRROR_FLAGS) ||
		    request == _IOC_NR(FERRY_DMIRROR_READ_UNLOCKED))
			continue;
		for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
			cmd = wrong[i];
			cmd.ptr = ptr(side->data);
			record(side, "%u.%zu=%d ", request, i,
			       ioctl(side->fd[0], _IOWR('H', request, struct hmm_dmirror_cmd),
				     &cmd) ? -errno : 0);
		}
		record(side, "%d\n", ioctl(side->fd[0],
					   _IOWR('H', request, struct hmm_dmirror_cmd), NULL) ?
		       -errno : 0);
	}
	record(side, "%d\n", ioctl(side->fd[0], _IOWR('G', 0, struct hmm_dmirror_cmd), &cmd) ?
	       -errno : 0);
}

/* The range is good; the buffer is not. */
static void bad_buffer(struct side *side)
{
	unsigned int request;
	struct hmm_dmirror_cmd cmd;

	fill_memory(side);
	for (request = 0; request < 6; request++)
		record(side, "%u=%d\n", request,
		       _test_cmd(side->fd[0], _IOWR('H', request, struct hmm_dmirror_cmd),
				 side->memory, (void *)8, 2, &cmd));
	snapshot_on(side, 0, PAGES);
}

static void access_counts(struct side *side)
{
	call(side, HMM_DMIRROR_READ, 0, PAGES);	/* holes */
	call(side, HMM_DMIRROR_READ, 0, PAGES);
	snapshot_on(side, 0, PAGES);
	write_device(side, PAGES, 2);
	call(side, HMM_DMIRROR_READ, 2, 3);
	snapshot_on(side, 0, PAGES);
}

static void access_touched(struct side *side)
{
	fill_memory(side);
	call(side, HMM_DMIRROR_READ, 0, 4);
	call(side, HMM_DMIRROR_READ, 2, 6);	/* half of the range has entries */
	write_device(side, PAGES, 2);
	write_device(side, PAGES, 3);
	madvise(side->memory + page(3), page(2), MADV_DONTNEED);
	call(side, HMM_DMIRROR_READ, 0, PAGES);
}

static void access_rights(struct side *side)
{
	fill_memory(side);
	protect(side, 2, 2, PROT_READ);
	protect(side, 5, 1, PROT_NONE);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_READ, 0, 5);
	write_device(side, 2, 2);
	write_device(side, 4, 3);	/* the end is read-only */
	call(side, HMM_DMIRROR_READ, 4, 3);	/* the middle is not readable */
	call(side, HMM_DMIRROR_WRITE, 5, 1);
	call(side, HMM_DMIRROR_WRITE, 3, 4);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 5);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 4, 3);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_EXCLUSIVE, 6, 2);
	call(side, HMM_DMIRROR_EXCLUSIVE, 5, 2);
	call(side, HMM_DMIRROR_EXCLUSIVE, 2, 2);
}

static void hole_in_the_middle(struct side *side)
{
	fill_memory(side);
	munmap(side->memory + page(3), page(1));
	call(side, HMM_DMIRROR_READ, 0, PAGES);
	write_device(side, PAGES, 2);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	call(side, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
}

static void there_and_back_on(struct side *side, int device)
{
	volatile uint8_t byte;

	fill_pattern(side->memory, page(4), 1);
	byte = side->memory[page(5)];	/* the zero page; 4, 6 and 7 are holes */
	(void)byte;
	call_on(side, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	snapshot_on(side, device, PAGES);
	call_on(side, device, HMM_DMIRROR_READ, 0, PAGES);
	call_on(side, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	fill_pattern(side->data, page(PAGES), 2);
	call_on(side, device, HMM_DMIRROR_WRITE, 0, PAGES);
	call_on(side, device, HMM_DMIRROR_MIGRATE_TO_SYS, 2, 3);
	snapshot_on(side, device, PAGES);
	call_on(side, device, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	call_on(side, device, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	record(side, "%08x\n", checksum(side->memory, page(PAGES)));
}

static void there_and_back(struct side *side)
{
	there_and_back_on(side, 0);
}

static void there_and_back_coherent(struct side *side)
{
	there_and_back_on(side, 2);
}

static void read_only_there(struct side *side)
{
	fill_memory(side);
	protect(side, 0, PAGES, PROT_READ);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_READ, 0, PAGES);
	record(side, "%08x\n", checksum(side->memory, page(PAGES)));
	write_device(side, PAGES, 2);
	snapshot_on(side, 0, PAGES);
}

static void other_devices(struct side *side)
{
	int device;

	fill_memory(side);
	for (device = 0; device < 4; device++)
		call_on(side, device, HMM_DMIRROR_MIGRATE_TO_DEV, 2 * device, 2);
	for (device = 0; device < 4; device++)
		snapshot_on(side, device, PAGES);
	for (device = 0; device < 4; device++)
		call_on(side, device, HMM_DMIRROR_READ, 0, PAGES);
	record(side, "%08x\n", checksum(side->memory, page(PAGES)));
}

static void other_devices_do_not_take(struct side *side)
{
	int device;

	fill_memory(side);
	for (device = 0; device < 4; device++)
		call_on(side, device, HMM_DMIRROR_MIGRATE_TO_DEV, 2 * device, 2);
	for (device = 0; device < 4; device++) {
		call_on(side, device, HMM_DMIRROR_MIGRATE_TO_DEV, (2 * device + 2) % 8, 2);
		call_on(side, device, HMM_DMIRROR_MIGRATE_TO_SYS, (2 * device + 2) % 8, 2);
		snapshot_on(side, device, PAGES);
	}
	record(side, "%08x\n", checksum(side->memory, page(PAGES)));
}

static void exclusive(struct side *side)
{
	fill_pattern(side->memory, page(4), 1);
	call(side, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	call(side, HMM_DMIRROR_READ, 0, PAGES);
	call_on(side, 1, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	side->memory[page(2)]++;
	call(side, HMM_DMIRROR_CHECK_EXCLUSIVE, 2, 1);
	call(side, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	write_device(side, 4, 2);
	call(side, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, 4);
	call(side, HMM_DMIRROR_CHECK_EXCLUSIVE, 4, 4);
	call_on(side, 1, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	call(side, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	call_on(side, 1, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 2);
	record(side, "%08x\n", checksum(side->memory, page(PAGES)));
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	call(side, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	snapshot_on(side, 0, PAGES);
}

static void release(struct side *side)
{
	int device;

	fill_memory(side);
	for (device = 0; device < 4; device += 2) {
		call_on(side, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 4);
		call_on(side, device, HMM_DMIRROR_RELEASE, 0, PAGES);
		snapshot_on(side, device, PAGES);
		call_on(side, device, HMM_DMIRROR_READ, 0, PAGES);
		call_on(side, device, HMM_DMIRROR_RELEASE, 0, PAGES);
	}
}

TEST(twin_bad_arguments)
{
	compare(_metadata, bad_arguments);
}

TEST(twin_bad_buffer)
{
	compare(_metadata, bad_buffer);
}

TEST(twin_access_counts)
{
	compare(_metadata, access_counts);
}

TEST(twin_access_touched)
{
	compare(_metadata, access_touched);
}

TEST(twin_access_rights)
{
	compare(_metadata, access_rights);
}

TEST(twin_hole_in_the_middle)
{
	compare(_metadata, hole_in_the_middle);
}

TEST(twin_there_and_back)
{
	compare(_metadata, there_and_back);
}

TEST(twin_there_and_back_coherent)
{
	compare(_metadata, there_and_back_coherent);
}

TEST(twin_read_only_there)
{
	compare(_metadata, read_only_there);
}

TEST(twin_other_devices)
{
	compare(_metadata, other_devices);
}

TEST(twin_other_devices_do_not_take)
{
	compare(_metadata, other_devices_do_not_take);
}

TEST(twin_exclusive)
{
	compare(_metadata, exclusive);
}

TEST(twin_release)
{
	compare(_metadata, release);
}

TEST_HARNESS_MAIN
