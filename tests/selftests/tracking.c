// SPDX-License-Identifier: MIT
/*
 * Garbage collectors and checkpoints track writes with PAGEMAP_SCAN and
 * asynchronous write protection. The tracker misses no page because the page
 * was on a device: a scan reports all pages written by CPU or device since the
 * last scan, with both engines. A scan may report a page without a write, for
 * example a page that moved.
 *
 * Writes are missed if an engine loses the protection and keeps the mark, or if
 * a device writes without a check.
 *
 * Shows: I8, I24, PAGEMAP_SCAN
 * Guest: engine, debug-races
 */
#include "migrate.h"
#include "pagemap_scan.h"
#include "uffd.h"

#define PAGES 8

FIXTURE(tracking) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
	int uffd;
};

FIXTURE_VARIANT(tracking) {
	uint32_t backend;
	uint32_t flush;
};

FIXTURE_VARIANT_ADD(tracking, own) {
	.backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(tracking, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_SETUP(tracking)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
	self->uffd = uffd_open_wp(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
				  self->memory, self->n);
	ASSERT_GE(self->uffd, 0);
}

FIXTURE_TEARDOWN(tracking)
{
	close(self->uffd);
	ferry_close(self->ferry);
}

/*
 * The device writes one half of the pages, the CPU writes one page. The scan
 * must report all written pages. Returns the number of reported pages.
 */
static long write_and_scan(struct __test_metadata *_metadata,
			   struct _test_data_tracking *self,
			   const struct _fixture_variant_tracking *variant)
{
	struct drm_ferry_migrate request = {
		.backend = variant->backend, .target = DRM_FERRY_TARGET_SYSTEM };
	const size_t page = page_size();
	size_t i;

	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n / 2, self->data, NULL), 0);
	self->memory[self->n - page] = 7;
	ASSERT_EQ(_test_request_for(self->ferry, &request, self->memory, self->n, NULL), 0);
	ASSERT_EQ(request.failed, 0);
	for (i = 0; i < self->n / 2; i += page)
		EXPECT_EQ(pagemap_scan(self->memory + i, page, false, NULL), 1);
	EXPECT_EQ(pagemap_scan(self->memory + self->n - page, page, false, NULL), 1);
	test_pattern(self->memory, self->n / 2, 2);
	return pagemap_scan(self->memory, self->n, false, NULL);
}

TEST_F(tracking, protected_before_the_device)
{
	ASSERT_EQ(pagemap_scan(self->memory, self->n, true, NULL), PAGES);
	ASSERT_EQ(pagemap_scan(self->memory, self->n, true, NULL), 0);
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_DEVICE);
	ASSERT_EQ(pagemap_scan(self->memory, self->n, false, NULL), 0);
	ASSERT_EQ(write_and_scan(_metadata, self, variant), PAGES / 2 + 1);
}

TEST_F(tracking, protected_on_the_device)
{
	test_variant_moves(self->ferry, variant, self->memory, self->n, DRM_FERRY_TARGET_DEVICE);
	ASSERT_EQ(pagemap_scan(self->memory, self->n, true, NULL), PAGES);
	printf("# of %d pages %ld were told\n", PAGES / 2 + 1,
	       write_and_scan(_metadata, self, variant));
}

TEST_HARNESS_MAIN
