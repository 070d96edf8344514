// SPDX-License-Identifier: MIT
/*
 * Write protection by userfaultfd: the monitor receives each write to a
 * protected page, and the write waits for the monitor, wherever the page has
 * been before.
 *
 * Broken engines that fail here:
 * - The uffd-wp bit is lost in one of the two directions: a write passes
 *   without a report.
 * - The entry at setup is restored: a change by the monitor during the stay on
 *   the device is undone (I8).
 * - A protected hole is filled: the hole's marker is lost.
 *
 * Shows: I8, I24, userfaultfd
 * Guest: engine
 */
#include "migrate.h"
#include "pagemap.h"
#include "uffd.h"

#define PAGES 16

FIXTURE(userfault_wp) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	uint8_t outcomes[PAGES];
	size_t n;
	int fd;
};

FIXTURE_VARIANT(userfault_wp) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(userfault_wp, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(userfault_wp, core) { .engine = CORE };

FIXTURE_SETUP(userfault_wp)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->data = test_map_pattern(self->n, 2);
	self->fd = uffd_open(0);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(userfault_wp)
{
	close(self->fd);
	ferry_close(self->ferry);
}

/*
 * Counts the pages that are write-protected with the uffd-wp bit, at @where. On
 * the device the entry is a swap entry.
 */
static size_t count_protected(const uint8_t *memory, uint64_t where)
{
	size_t i, count = 0;
	uint64_t entry;

	for (i = 0; i < PAGES; i++) {
		entry = pagemap(memory + i * page_size());
		count += entry & PAGEMAP_UFFD_WP && entry & where;
	}
	return count;
}

/*
 * The write waits for the monitor, and reaches the page after the monitor's
 * permission.
 */
static void test_write_is_told(struct __test_metadata *_metadata, int fd, uint8_t *at,
			       uint8_t before)
{
	struct accessor accessor = { .at = at, .write = true, .value = before + 1 };

	test_start_access(&accessor);
	ASSERT_EQ(uffd_wait(fd, at), UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE);
	ASSERT_EQ(*at, before);
	ASSERT_EQ(uffd_protect(fd, at, page_size(), false), 0);
	test_end_access(&accessor);
	ASSERT_EQ(*at, accessor.value);
	*at = before;
}

static void register_wp(struct __test_metadata *_metadata,
			struct _test_data_userfault_wp *self)
{
	fill_pattern(self->memory, self->n, 1);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n, UFFDIO_REGISTER_MODE_WP), 0);
}

TEST_F(userfault_wp, survives_there_and_home)
{
	size_t last = self->n - page_size();

	register_wp(_metadata, self);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, true), 0);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(count_protected(self->memory, PAGEMAP_SWAPPED), PAGES);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_SYSTEM);
	ASSERT_EQ(count_protected(self->memory, PAGEMAP_PRESENT), PAGES);
	test_pattern(self->memory, self->n, 1);
	ASSERT_TRUE(uffd_quiet(self->fd));
	test_write_is_told(_metadata, self->fd, self->memory, pattern(0, 1));
	test_write_is_told(_metadata, self->fd, self->memory + last, pattern(last, 1));
	test_pattern(self->memory, self->n, 1);
}

/*
 * Changes by the monitor while the pages are on the device stay valid in system
 * memory.
 */
TEST_F(userfault_wp, protected_on_the_device)
{
	size_t half = self->n / 2, next = half + page_size();

	register_wp(_metadata, self);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(count_protected(self->memory, ~0ull), 0);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, true), 0);
	ASSERT_EQ(count_protected(self->memory, PAGEMAP_SWAPPED), PAGES);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, half, false), 0);
	ASSERT_EQ(count_protected(self->memory, PAGEMAP_SWAPPED), PAGES / 2);

	/*
	 * To system memory by a read, by a reported write, and by a write
	 * without a report.
	 */
	ASSERT_EQ(*(volatile uint8_t *)(self->memory + half), pattern(half, 1));
	test_write_is_told(_metadata, self->fd, self->memory + half, pattern(half, 1));
	test_write_is_told(_metadata, self->fd, self->memory + next, pattern(next, 1));
	memcpy(self->memory, self->data, half);
	ASSERT_TRUE(uffd_quiet(self->fd));
	test_pattern(self->memory, half, 2);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES / 2 - 2);
}

/*
 * The device reads in place. A device write waits like a CPU write:
 * userfault_device.c.
 */
TEST_F(userfault_wp, device_reads_in_place)
{
	register_wp(_metadata, self);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, true), 0);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_pattern(self->data, self->n, 1);
	test_used(self->ferry, PAGES);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES);
	ASSERT_TRUE(uffd_quiet(self->fd));
}

/*
 * Protection of an address without a page: a marker, which is not a hole to
 * fill.
 */
TEST_F(userfault_wp, protected_holes_stay)
{
	int fd = uffd_open(UFFD_FEATURE_WP_UNPOPULATED);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(uffd_register(fd, self->memory, self->n, UFFDIO_REGISTER_MODE_WP), 0);
	ASSERT_EQ(uffd_protect(fd, self->memory, self->n, true), 0);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES);
	test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
		    self->outcomes);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_UFFD), PAGES);
	test_used(self->ferry, 0);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES);
	test_write_is_told(_metadata, fd, self->memory, 0);
	close(fd);
}

TEST_HARNESS_MAIN
