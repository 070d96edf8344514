// SPDX-License-Identifier: MIT
/*
 * Comparison of test_hmm and Ferry: arguments, accesses, migration, exclusive
 * access, release.
 *
 * Shows: test_hmm ABI
 * Guest: twin
 */
#include "twin.h"

static void bad_arguments(struct twin *twin)
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

	for (request = 0; request < 10; request++) {
		for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
			cmd = wrong[i];
			cmd.ptr = ptr(twin->data);
			say(twin, "%u.%zu=%d ", request, i,
			    ioctl(twin->fd[0], _IOWR('H', request, struct hmm_dmirror_cmd),
				  &cmd) ? -errno : 0);
		}
		say(twin, "%d\n", ioctl(twin->fd[0],
					_IOWR('H', request, struct hmm_dmirror_cmd), NULL) ?
		    -errno : 0);
	}
	say(twin, "%d\n", ioctl(twin->fd[0], _IOWR('G', 0, struct hmm_dmirror_cmd), &cmd) ?
	    -errno : 0);
}

/* The range is good; the buffer is not. */
static void bad_buffer(struct twin *twin)
{
	unsigned int request;
	struct hmm_dmirror_cmd cmd;

	fill(twin);
	for (request = 0; request < 6; request++)
		say(twin, "%u=%d\n", request,
		    _test_cmd(twin->fd[0], _IOWR('H', request, struct hmm_dmirror_cmd),
			      twin->memory, (void *)8, 2, &cmd));
	look_on(twin, 0, PAGES);
}

static void access_counts(struct twin *twin)
{
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);	/* holes */
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	look_on(twin, 0, PAGES);
	write_device(twin, PAGES, 2);
	ask(twin, HMM_DMIRROR_READ, 2, 3);
	look_on(twin, 0, PAGES);
}

static void access_touched(struct twin *twin)
{
	fill(twin);
	ask(twin, HMM_DMIRROR_READ, 0, 4);
	ask(twin, HMM_DMIRROR_READ, 2, 6);	/* half of the range has entries */
	write_device(twin, PAGES, 2);
	write_device(twin, PAGES, 3);
	madvise(twin->memory + page(3), page(2), MADV_DONTNEED);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
}

static void access_rights(struct twin *twin)
{
	fill(twin);
	protect(twin, 2, 2, PROT_READ);
	protect(twin, 5, 1, PROT_NONE);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_READ, 0, 5);
	write_device(twin, 2, 2);
	write_device(twin, 4, 3);	/* the end is read-only */
	ask(twin, HMM_DMIRROR_READ, 4, 3);	/* the middle is not readable */
	ask(twin, HMM_DMIRROR_WRITE, 5, 1);
	ask(twin, HMM_DMIRROR_WRITE, 3, 4);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 5);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 4, 3);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 6, 2);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 5, 2);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 2, 2);
}

static void hole_in_the_middle(struct twin *twin)
{
	fill(twin);
	munmap(twin->memory + page(3), page(1));
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	write_device(twin, PAGES, 2);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
}

static void there_and_back_on(struct twin *twin, int device)
{
	volatile uint8_t byte;

	fill_pattern(twin->memory, page(4), 1);
	byte = twin->memory[page(5)];	/* the zero page; 4, 6 and 7 are holes */
	(void)byte;
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, device, PAGES);
	ask_on(twin, device, HMM_DMIRROR_READ, 0, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	fill_pattern(twin->data, page(PAGES), 2);
	ask_on(twin, device, HMM_DMIRROR_WRITE, 0, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, 2, 3);
	look_on(twin, device, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
}

static void there_and_back(struct twin *twin)
{
	there_and_back_on(twin, 0);
}

static void there_and_back_coherent(struct twin *twin)
{
	there_and_back_on(twin, 2);
}

static void read_only_there(struct twin *twin)
{
	fill(twin);
	protect(twin, 0, PAGES, PROT_READ);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
	write_device(twin, PAGES, 2);
	look_on(twin, 0, PAGES);
}

static void other_devices(struct twin *twin)
{
	int device;

	fill(twin);
	for (device = 0; device < 4; device++)
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 2 * device, 2);
	for (device = 0; device < 4; device++)
		look_on(twin, device, PAGES);
	for (device = 0; device < 4; device++)
		ask_on(twin, device, HMM_DMIRROR_READ, 0, PAGES);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
}

static void other_devices_do_not_take(struct twin *twin)
{
	int device;

	fill(twin);
	for (device = 0; device < 4; device++)
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 2 * device, 2);
	for (device = 0; device < 4; device++) {
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, (2 * device + 2) % 8, 2);
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, (2 * device + 2) % 8, 2);
		look_on(twin, device, PAGES);
	}
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
}

static void exclusive(struct twin *twin)
{
	fill_pattern(twin->memory, page(4), 1);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	ask_on(twin, 1, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	twin->memory[page(2)]++;
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 2, 1);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	write_device(twin, 4, 2);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, 4);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 4, 4);
	ask_on(twin, 1, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	ask_on(twin, 1, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 2);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	look_on(twin, 0, PAGES);
}

static void release(struct twin *twin)
{
	int device;

	fill(twin);
	for (device = 0; device < 4; device += 2) {
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 4);
		ask_on(twin, device, HMM_DMIRROR_RELEASE, 0, PAGES);
		look_on(twin, device, PAGES);
		ask_on(twin, device, HMM_DMIRROR_READ, 0, PAGES);
		ask_on(twin, device, HMM_DMIRROR_RELEASE, 0, PAGES);
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
