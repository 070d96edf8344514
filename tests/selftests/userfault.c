// SPDX-License-Identifier: MIT
/*
 * userfaultfd and migration: the monitor of a range must receive each missing
 * page, also if a device is involved. (Write protection: userfault_wp.c.
 * Accesses by the device: userfault_device.c.)
 *
 * - An engine that fills a hole or a zero page of a registered range hides the
 *   page from the monitor, which then never provides the contents. The same
 *   holds for a range that is registered between two batches of one call.
 * - In minor mode the page is in the file's page cache already, and belongs to
 *   the file.
 *
 * Shows: I11, userfaultfd
 * Guest: engine, debug-engine
 */
#include "migrate.h"
#include "pagemap.h"
#include "uffd.h"

#define PAGES 16

FIXTURE(userfault) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	uint8_t outcomes[PAGES];
	size_t n;
	int fd;
};

FIXTURE_VARIANT(userfault) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(userfault, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(userfault, core) { .engine = CORE };

FIXTURE_SETUP(userfault)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->data = test_map_pattern(self->n, 2);
	self->fd = uffd_open(UFFD_FEATURE_POISON);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(userfault)
{
	close(self->fd);
	ferry_close(self->ferry);
}

TEST_F(userfault, missing_pages_are_not_filled)
{
	size_t page = page_size(), half = self->n / 2;
	uint8_t *hole = self->memory + half;
	struct accessor accessor = { .at = hole };

	fill_pattern(self->memory, half, 1);
	ASSERT_EQ(*(volatile uint8_t *)(self->memory + self->n - page), 0);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
		    self->outcomes);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES / 2, DRM_FERRY_MOVED), PAGES / 2);
	/* Holes, and the zero page at the end. */
	ASSERT_EQ(count_outcome(self->outcomes + PAGES / 2, PAGES / 2, DRM_FERRY_UFFD),
		  PAGES / 2);
	test_used(self->ferry, PAGES / 2);
	ASSERT_EQ(pagemap(hole) & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED), 0);
	ASSERT_TRUE(uffd_quiet(self->fd));

	test_start_access(&accessor);
	ASSERT_EQ(uffd_wait(self->fd, hole), 0);
	ASSERT_EQ(uffd_copy(self->fd, hole, self->data), 0);
	test_end_access(&accessor);
	ASSERT_EQ(accessor.value, pattern(0, 2));
	test_engine_moves(self->ferry, variant->engine, hole, page, TO_DEVICE);
	/* A device page is not missing. */
	ASSERT_EQ(uffd_copy(self->fd, hole, self->memory), -EEXIST);
	test_pattern(self->memory, half, 1);
	test_pattern(hole, page, 2);
	ASSERT_EQ(find_nonzero(self->memory + self->n - page, page), page);
	ASSERT_TRUE(uffd_quiet(self->fd));
}

/*
 * The call drops mmap_lock between two batches and then writes the outcomes.
 * The outcomes are in a registered range: the call waits for the test at a
 * known place.
 */
TEST_F_TIMEOUT(userfault, registered_between_two_batches, 60)
{
	size_t n = 16 * MIB, pages = n / page_size(), filled;
	uint8_t *memory = test_map(n), *outcomes = test_map(pages);
	struct background background = {
		.ferry = self->ferry,
		.request = { .addr = ptr(memory), .len = n, .outcomes = ptr(outcomes),
			     .backend = variant->engine },
	};

	ASSERT_EQ(uffd_register(self->fd, outcomes, pages, UFFDIO_REGISTER_MODE_MISSING), 0);
	ASSERT_EQ(background_start(&background), 0);
	ASSERT_GE(uffd_wait(self->fd, outcomes), 0);
	ASSERT_EQ(uffd_register(self->fd, memory, n, UFFDIO_REGISTER_MODE_MISSING), 0);
	ASSERT_EQ(uffd_copy(self->fd, outcomes, self->data), 0);
	ASSERT_EQ(background_join(&background), 0);
	ASSERT_EQ(background.request.done, n);

	filled = count_outcome(outcomes, pages, DRM_FERRY_ZERO_FILLED);
	ASSERT_EQ(outcomes[0], DRM_FERRY_ZERO_FILLED);
	ASSERT_EQ(background.request.moved, filled);
	ASSERT_EQ(count_outcome(outcomes + filled, pages - filled, DRM_FERRY_UFFD),
		  pages - filled);
	ASSERT_GT(pages - filled, 0);
	test_used(self->ferry, filled);
}

/*
 * A page in the page cache, not mapped, belongs to the file until a write makes
 * a private copy.
 */
TEST_F(userfault, minor_faults_are_the_files)
{
	struct accessor accessor = { 0 };
	uint8_t *memory;
	int file, i;

	file = memfd_create("ferry", MFD_CLOEXEC);
	ASSERT_EQ(write(file, self->data, self->n), (ssize_t)self->n);
	for (i = 0; i < 2; i++) {
		memory = mmap(NULL, self->n, PROT_READ | PROT_WRITE,
			      i ? MAP_PRIVATE : MAP_SHARED, file, 0);
		ASSERT_NE(memory, MAP_FAILED);
		ASSERT_EQ(uffd_register(self->fd, memory, self->n,
					UFFDIO_REGISTER_MODE_MINOR), 0);
		test_engine(self->ferry, variant->engine, memory, self->n, TO_DEVICE,
			    self->outcomes);
		ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_FILE), PAGES);

		accessor.at = memory;
		test_start_access(&accessor);
		ASSERT_EQ(uffd_wait(self->fd, memory), UFFD_PAGEFAULT_FLAG_MINOR);
		ASSERT_EQ(uffd_continue(self->fd, memory), 0);
		test_end_access(&accessor);
		test_pattern(memory, page_size(), 2);
		test_engine(self->ferry, variant->engine, memory, self->n, TO_DEVICE,
			    self->outcomes);
		ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_FILE), PAGES);
		test_pattern(memory, page_size(), 2);
	}
	memory[0] ^= 1;
	test_engine_moves(self->ferry, variant->engine, memory, page_size(), TO_DEVICE);
	ASSERT_EQ(memory[0], pattern(0, 2) ^ 1);
	close(file);
}

/*
 * A poisoned page is broken memory for a CPU, not a hole: in both directions,
 * with both engines.
 */
TEST_F(userfault, poisoned_pages_are_broken)
{
	struct drm_ferry_migrate counts;

	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	ASSERT_EQ(uffd_poison(self->fd, self->memory, self->n), 0);
	counts = test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
			     self->outcomes);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_HWPOISON), PAGES);
	ASSERT_EQ(counts.failed, PAGES);
	counts = test_engine(self->ferry, variant->engine, self->memory, self->n, TO_SYSTEM,
			     self->outcomes);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_HWPOISON), PAGES);
	ASSERT_EQ(counts.failed, PAGES);
	test_used(self->ferry, 0);
}

TEST_HARNESS_MAIN
