// SPDX-License-Identifier: MIT
/*
 * Read-write protection by userfaultfd (Linux 7.x): no access to a protected
 * page, read or write, before the monitor allows the access. The page's entry
 * has the uffd bit and no rights (PROT_NONE). The protection stays
 *
 * - after a stay on the device;
 * - after a migration that failed;
 * - for a device that reads the page, in system memory or its own.
 *
 * Errors that fail here:
 * - the installed or restored entry has the rights of the mapping: the access
 *   passes without a report;
 * - the uffd bit is lost;
 * - the device reads its own page without a report.
 *
 * Shows: I8, userfaultfd
 * Guest: debian-7.3-engine
 */
#include "migrate.h"
#include "page_refs.h"
#include "pagemap.h"
#include "uffd.h"

#define PAGES 16

/* The header of 6.12 lacks these. */
#ifndef UFFD_FEATURE_RWP
#define UFFD_FEATURE_RWP (1 << 17)
#define UFFD_PAGEFAULT_FLAG_RWP (1 << 3)
#define UFFDIO_REGISTER_MODE_RWP ((__u64)1 << 3)
#define UFFDIO_RWPROTECT_MODE_RWP ((__u64)1 << 0)
#define UFFDIO_RWPROTECT _IOWR(UFFDIO, 0x09, struct uffdio_rwprotect)

struct uffdio_rwprotect {
	struct uffdio_range range;
	__u64 mode;
};
#endif

FIXTURE(userfault_rwp) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
	int fd;
};

FIXTURE_VARIANT(userfault_rwp) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(userfault_rwp, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(userfault_rwp, core) { .engine = CORE };

static int protect(int fd, const void *memory, size_t n, bool on)
{
	struct uffdio_rwprotect range = {
		.range = { ptr(memory), n },
		.mode = on ? UFFDIO_RWPROTECT_MODE_RWP : 0,
	};

	return ioctl(fd, UFFDIO_RWPROTECT, &range) ? -errno : 0;
}

FIXTURE_SETUP(userfault_rwp)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map(self->n);
	self->fd = uffd_open(UFFD_FEATURE_RWP);
	if (self->fd == -EINVAL)
		SKIP(return, "userfaultfd of this kernel has no read-write protection");
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n, UFFDIO_REGISTER_MODE_RWP), 0);
	ASSERT_EQ(protect(self->fd, self->memory, self->n, true), 0);
}

FIXTURE_TEARDOWN(userfault_rwp)
{
	close(self->fd);
	ferry_close(self->ferry);
}

/* The read waits for the monitor, and finds the data after the permission. */
static void test_read_is_told(struct __test_metadata *_metadata,
			      struct _test_data_userfault_rwp *self, size_t page)
{
	struct accessor accessor = { .at = self->memory + page * page_size() };

	ASSERT_TRUE(pagemap((void *)accessor.at) & PAGEMAP_UFFD_WP);
	test_start_access(&accessor);
	ASSERT_EQ(uffd_wait(self->fd, (void *)accessor.at), UFFD_PAGEFAULT_FLAG_RWP);
	ASSERT_EQ(protect(self->fd, (void *)accessor.at, page_size(), false), 0);
	test_end_access(&accessor);
	ASSERT_EQ(accessor.value, pattern(page * page_size(), 1));
}

static void test_reads_are_told(struct __test_metadata *_metadata,
				struct _test_data_userfault_rwp *self)
{
	ASSERT_TRUE(uffd_quiet(self->fd));
	test_read_is_told(_metadata, self, 0);
	test_read_is_told(_metadata, self, PAGES - 1);
	ASSERT_EQ(protect(self->fd, self->memory, self->n, false), 0);
	test_pattern(self->memory, self->n, 1);
}

TEST_F(userfault_rwp, survives_there_and_home)
{
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_SYSTEM);
	test_reads_are_told(_metadata, self);
}

/* The device has no room: setup has cleared the entries, finalize restores them. */
TEST_F(userfault_rwp, survives_a_failure)
{
	struct drm_ferry_migrate request = { .backend = variant->engine };

	ASSERT_NE(_test_fill_device(self->ferry), MAP_FAILED);
	ASSERT_EQ(_test_request_for(self->ferry, &request, self->memory, self->n, NULL), -ENOSPC);
	ASSERT_EQ(request.moved, 0);
	test_reads_are_told(_metadata, self);
}

struct device_read {
	struct _test_data_userfault_rwp *self;
	int ret;
};

static void *read_by_device(void *arg)
{
	struct device_read *read = arg;

	read->ret = ferry_read(read->self->ferry, read->self->memory, page_size(),
			       read->self->data, NULL);
	return NULL;
}

static void test_device_read_waits(struct __test_metadata *_metadata,
				   struct _test_data_userfault_rwp *self)
{
	struct device_read read = { .self = self };
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, read_by_device, &read), 0);
	ASSERT_EQ(uffd_wait(self->fd, self->memory), UFFD_PAGEFAULT_FLAG_RWP);
	ASSERT_EQ(protect(self->fd, self->memory, page_size(), false), 0);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	ASSERT_EQ(read.ret, 0);
	test_pattern(self->data, page_size(), 1);
}

/* A device that reads the page in system memory waits as a CPU does. */
TEST_F(userfault_rwp, device_read_waits)
{
	test_device_read_waits(_metadata, self);
}

/* The page on the device: the page comes back, and the monitor answers. */
TEST_F(userfault_rwp, device_read_of_own_page_waits)
{
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	test_device_read_waits(_metadata, self);
	test_engine_moves(self->ferry, variant->engine, self->memory, page_size(), TO_DEVICE);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, page_size(), self->data, NULL), 0);
	test_pattern(self->data, page_size(), 1);
}

TEST_HARNESS_MAIN
