// SPDX-License-Identifier: MIT
/*
 * References from outside the page table: long-term pins as for RDMA, disk
 * reads in flight, pages in a pipe. A referenced page stays in place and its
 * outcome reports the refusal. Writes through the reference are visible to the
 * process. After the reference is dropped, the page moves.
 *
 * An engine that moves a referenced page leaves the holder with the old copy:
 * the disk writes to a page without a reader, and the pipe delivers the old
 * data.
 *
 * Shows: I11, I13, I17, pins, hugetlb
 * Guest: engine, debug-engine
 */
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "migrate.h"
#include "page_refs.h"
#include "slow_disk.h"

#define PAGES 16

FIXTURE(pins) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	uint8_t outcomes[PAGES];
	size_t n;
};

FIXTURE_VARIANT(pins) {
	uint32_t engine;
	uint8_t pinned;
	uint8_t referenced;
};

/*
 * The core engine gives no reason: afterwards a pin is visible, an ordinary
 * reference is not.
 */
FIXTURE_VARIANT_ADD(pins, own) {
	.engine = OWN,
	.pinned = DRM_FERRY_PINNED,
	.referenced = DRM_FERRY_PINNED,
};

FIXTURE_VARIANT_ADD(pins, core) {
	.engine = CORE,
	.pinned = DRM_FERRY_PINNED,
	.referenced = DRM_FERRY_NOT_MOVED,
};

FIXTURE_SETUP(pins)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map(self->n);
}

FIXTURE_TEARDOWN(pins)
{
	slow_disk_destroy();
	ferry_close(self->ferry);
}

/*
 * The first half stays for reason @why. The second half moves to the device and
 * back.
 */
static void test_half_stays(struct __test_metadata *_metadata, struct _test_data_pins *self,
			    uint32_t engine, uint8_t why)
{
	size_t half = self->n / 2;

	test_engine(self->ferry, engine, self->memory, self->n, TO_DEVICE, self->outcomes);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES / 2, why), PAGES / 2)
		TH_LOG("the first is %s", ferry_outcome_name(self->outcomes[0]));
	ASSERT_EQ(count_outcome(self->outcomes + PAGES / 2, PAGES / 2, DRM_FERRY_MOVED),
		  PAGES / 2);
	test_used(self->ferry, PAGES / 2);
	test_engine_moves(self->ferry, engine, self->memory + half, half, TO_SYSTEM);
}

static void test_all_move(struct __test_metadata *_metadata, struct _test_data_pins *self,
			  uint32_t engine, unsigned int seed)
{
	test_engine_moves(self->ferry, engine, self->memory, self->n, TO_DEVICE);
	test_pattern(self->memory, self->n, seed);
	test_used(self->ferry, 0);
}

static void test_longterm(struct __test_metadata *_metadata, struct _test_data_pins *self,
			  const struct _fixture_variant_pins *variant, uint32_t flags)
{
	int gup = gup_open();

	if (gup < 0 && errno == ENOENT)
		SKIP(return, NO_GUP_TEST);
	ASSERT_GE(gup, 0);
	ASSERT_EQ(gup_pin(gup, self->memory, self->n / 2, flags), 0);
	test_half_stays(_metadata, self, variant->engine, variant->pinned);

	/* Writes by the CPU and by the device are visible through the pin. */
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(gup_read(gup, self->data), 0);
	test_pattern(self->data, self->n / 2, 2);
	fill_pattern(self->data, self->n, 3);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	memset(self->data, 0, self->n);
	ASSERT_EQ(gup_read(gup, self->data), 0);
	test_pattern(self->data, self->n / 2, 3);

	test_half_stays(_metadata, self, variant->engine, variant->pinned);
	ASSERT_EQ(gup_unpin(gup), 0);
	test_all_move(_metadata, self, variant->engine, 3);
	close(gup);
}

TEST_F(pins, longterm)
{
	test_longterm(_metadata, self, variant, PIN_LONGTERM_TEST_FLAG_USE_WRITE);
}

TEST_F(pins, longterm_fast)
{
	test_longterm(_metadata, self, variant, PIN_LONGTERM_TEST_FLAG_USE_WRITE |
		      PIN_LONGTERM_TEST_FLAG_USE_FAST);
}

/* A pin for reading only does not make the page exclusive. */
TEST_F(pins, longterm_read_only)
{
	test_longterm(_metadata, self, variant, 0);
}

/*
 * The pipe references the page itself: the pipe delivers data written after
 * vmsplice().
 */
TEST_F(pins, in_a_pipe)
{
	size_t half = self->n / 2;
	int in_pipe[2];

	ASSERT_EQ(hold_in_pipe(self->memory, half, in_pipe), 0);
	test_half_stays(_metadata, self, variant->engine, variant->referenced);
	fill_pattern(self->memory, self->n, 2);
	test_half_stays(_metadata, self, variant->engine, variant->referenced);
	ASSERT_EQ(read(in_pipe[0], self->data, half), (ssize_t)half);
	test_pattern(self->data, half, 2);
	test_all_move(_metadata, self, variant->engine, 2);
	let_go(in_pipe);
}

static int in_flight(aio_context_t context, bool wait)
{
	struct timespec at_once = { 0 };
	struct io_event event;
	int got;

	got = syscall(SYS_io_getevents, context, wait ? 1l : 0l, 1l, &event,
		      wait ? NULL : &at_once);
	if (!got)
		return 1;
	return got == 1 && event.res > 0 ? 0 : -EIO;
}

/*
 * Returns whether the read was still in flight after an attempt to migrate its
 * pages.
 */
static bool read_and_migrate(struct __test_metadata *_metadata, struct _test_data_pins *self,
			     const struct _fixture_variant_pins *variant, int disk)
{
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = disk,
		.aio_buf = ptr(self->memory), .aio_nbytes = self->n / 2 };
	struct iocb *iocbs = &iocb;
	aio_context_t context = 0;
	int after;

	ASSERT_EQ(syscall(SYS_io_setup, 1, &context), 0);
	ASSERT_EQ(syscall(SYS_io_submit, context, 1l, &iocbs), 1);
	test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
		    self->outcomes);
	after = in_flight(context, false);
	ASSERT_GE(after, 0);
	if (after)
		ASSERT_EQ(in_flight(context, true), 0);
	ASSERT_EQ(syscall(SYS_io_destroy, context), 0);
	return after;
}

/* O_DIRECT: the disk writes directly into the page. */
TEST_F_TIMEOUT(pins, read_from_a_disk, 120)
{
	bool met = false;
	int disk, tries;

	ASSERT_EQ(slow_disk_create(), 0);
	disk = open(SLOW_DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_GE(disk, 0);
	fill_pattern(self->data, self->n, 4);
	ASSERT_EQ(pwrite(disk, self->data, self->n, 0), (ssize_t)self->n);

	for (tries = 0; tries < 5 && !met; tries++) {
		fill_pattern(self->memory, self->n, 1);
		met = read_and_migrate(_metadata, self, variant, disk);
		test_pattern(self->memory, self->n / 2, 4);
	}
	ASSERT_TRUE(met);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES / 2, variant->pinned), PAGES / 2);
	ASSERT_EQ(count_outcome(self->outcomes + PAGES / 2, PAGES / 2, DRM_FERRY_MOVED),
		  PAGES / 2);
	test_used(self->ferry, PAGES / 2);
	memcpy(self->memory + self->n / 2, self->data + self->n / 2, self->n / 2);
	test_all_move(_metadata, self, variant->engine, 4);
	close(disk);
}

static void test_refused(struct __test_metadata *_metadata, struct ferry *ferry,
			 uint32_t engine, const void *memory, size_t n)
{
	int target;

	for (target = TO_DEVICE; target <= TO_SYSTEM; target++) {
		struct drm_ferry_migrate request = make_request(engine, memory, n, target, NULL);

		ASSERT_EQ(_test_request(ferry, &request), -EINVAL);
		ASSERT_EQ(request.done, 0);
	}
}

/* hugetlb, and a special mapping with normal pages: the AIO ring. */
TEST_F(pins, refused_mappings)
{
	size_t huge = PMD_SIZE;
	aio_context_t context = 0;
	uint8_t *memory;

	ASSERT_EQ(write_file("/proc/sys/vm/nr_hugepages", "1"), 0);
	memory = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		      MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	ASSERT_NE(memory, MAP_FAILED);
	fill_pattern(memory, huge, 1);
	test_refused(_metadata, self->ferry, variant->engine, memory, huge);
	test_pattern(memory, huge, 1);
	munmap(memory, huge);
	ASSERT_EQ(write_file("/proc/sys/vm/nr_hugepages", "0"), 0);

	ASSERT_EQ(syscall(SYS_io_setup, 1, &context), 0);
	test_refused(_metadata, self->ferry, variant->engine, (void *)context, page_size());
	ASSERT_EQ(syscall(SYS_io_destroy, context), 0);
}

TEST_HARNESS_MAIN
