// SPDX-License-Identifier: MIT
/*
 * userfaultfd and migration. Whoever registered a range is to hear of each missing
 * page and each write to a protected one; a device is no way around that.
 *
 * missing: an engine that fills a hole, or a zero page, of a registered range hides it
 * from the monitor, which then never provides the page's contents; also if the range
 * was registered between two batches of one call. wp: an engine that loses the
 * uffd-wp bit, on the way there or home, lets a write pass that was to be told. minor:
 * the page is in the file's cache already, and it is the file's.
 */
#include <linux/userfaultfd.h>
#include <poll.h>

#include "moves.h"

#define PAGES 16

/* Younger than some systems' headers. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif

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

static int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return ioctl(fd, UFFDIO_API, &api) ? -errno : fd;
}

static int uffd_register(int fd, const void *memory, size_t n, uint64_t mode)
{
	struct uffdio_register range = {
		.range = { ptr(memory), n }, .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

static int uffd_protect(int fd, const void *memory, size_t n, bool protect)
{
	struct uffdio_writeprotect range = {
		.range = { ptr(memory), n },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &range) ? -errno : 0;
}

static int uffd_copy(int fd, const void *to, const void *from)
{
	struct uffdio_copy copy = {
		.dst = ptr(to), .src = ptr(from), .len = page_size() };

	return ioctl(fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

/* The flags of the next page fault that is told, which must be at @at; or -errno. */
static int uffd_wait(int fd, const void *at)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct uffd_msg message;

	if (poll(&wait, 1, 20000) != 1)
		return -ETIMEDOUT;
	if (read(fd, &message, sizeof(message)) != sizeof(message))
		return -errno;
	if (message.event != UFFD_EVENT_PAGEFAULT || message.arg.pagefault.address != ptr(at))
		return -EINVAL;
	return message.arg.pagefault.flags;
}

/* Nobody waits for the monitor. */
static bool uffd_quiet(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 0) == 0;
}

FIXTURE_SETUP(userfault)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->data = test_map(self->n);
	fill_pattern(self->data, self->n, 2);
	self->fd = uffd_open(0);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(userfault)
{
	close(self->fd);
	ferry_close(self->ferry);
}

/* A thread that touches one byte, and so may have to wait for the monitor. */
struct toucher {
	volatile uint8_t *at;
	bool write;
	uint8_t value;
	pthread_t thread;
};

static void *touch(void *arg)
{
	struct toucher *toucher = arg;

	if (toucher->write)
		*toucher->at = toucher->value;
	else
		toucher->value = *toucher->at;
	return NULL;
}

#define test_touch(toucher)						\
	ASSERT_EQ(pthread_create(&(toucher)->thread, NULL, touch, toucher), 0)
#define test_touched(toucher)						\
	ASSERT_EQ(pthread_join((toucher)->thread, NULL), 0)

TEST_F(userfault, missing_pages_are_not_filled)
{
	size_t page = page_size(), half = self->n / 2;
	uint8_t *hole = self->memory + half;
	struct toucher toucher = { .at = hole };

	fill_pattern(self->memory, half, 1);
	ASSERT_EQ(*(volatile uint8_t *)(self->memory + self->n - page), 0);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
		    self->outcomes);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES / 2, DRM_FERRY_MOVED), PAGES / 2);
	/* Holes, and at the end the zero page. */
	ASSERT_EQ(count_outcome(self->outcomes + PAGES / 2, PAGES / 2, DRM_FERRY_UFFD),
		  PAGES / 2);
	test_used(self->ferry, PAGES / 2);
	ASSERT_EQ(pagemap(hole) & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED), 0);
	/* The device cannot wait for the monitor; hmm_range_fault() says so. */
	ASSERT_EQ(ferry_write(self->ferry, hole, page, self->data), -EFAULT);
	ASSERT_EQ(pagemap(hole) & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED), 0);
	ASSERT_TRUE(uffd_quiet(self->fd));

	test_touch(&toucher);
	ASSERT_EQ(uffd_wait(self->fd, hole), 0);
	ASSERT_EQ(uffd_copy(self->fd, hole, self->data), 0);
	test_touched(&toucher);
	ASSERT_EQ(toucher.value, pattern(0, 2));
	test_engine_moves(self->ferry, variant->engine, hole, page, TO_DEVICE);
	/* A device page is not missing. */
	ASSERT_EQ(uffd_copy(self->fd, hole, self->memory), -EEXIST);
	test_pattern(self->memory, half, 1);
	test_pattern(hole, page, 2);
	ASSERT_EQ(find_nonzero(self->memory + self->n - page, page), page);
	ASSERT_TRUE(uffd_quiet(self->fd));
}

/*
 * mmap_lock is dropped between two batches, and the outcomes are written then. They
 * are in a registered range of their own: so the call waits there for us.
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

/* Write-protected and with the bit, each of them; on the device the entry is a swap one. */
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

/* The write waits for the monitor, and lands once that lets it. */
static void test_write_is_told(struct __test_metadata *_metadata, int fd, uint8_t *at,
			       uint8_t before)
{
	struct toucher toucher = { .at = at, .write = true, .value = before + 1 };

	test_touch(&toucher);
	ASSERT_EQ(uffd_wait(fd, at), UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE);
	ASSERT_EQ(*at, before);
	ASSERT_EQ(uffd_protect(fd, at, page_size(), false), 0);
	test_touched(&toucher);
	ASSERT_EQ(*at, toucher.value);
	*at = before;
}

static void register_wp(struct __test_metadata *_metadata,
			struct _test_data_userfault *self)
{
	fill_pattern(self->memory, self->n, 1);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n, UFFDIO_REGISTER_MODE_WP), 0);
}

TEST_F(userfault, protection_survives_there_and_home)
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

/* What the monitor does while the pages are away counts when they are home. */
TEST_F(userfault, protected_on_the_device)
{
	size_t half = self->n / 2, next = half + page_size();

	register_wp(_metadata, self);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(count_protected(self->memory, ~0ull), 0);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, true), 0);
	ASSERT_EQ(count_protected(self->memory, PAGEMAP_SWAPPED), PAGES);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, half, false), 0);
	ASSERT_EQ(count_protected(self->memory, PAGEMAP_SWAPPED), PAGES / 2);

	/* Home by a read, by a write that is to be told, and by one that is not. */
	ASSERT_EQ(*(volatile uint8_t *)(self->memory + half), pattern(half, 1));
	test_write_is_told(_metadata, self->fd, self->memory + half, pattern(half, 1));
	test_write_is_told(_metadata, self->fd, self->memory + next, pattern(next, 1));
	memcpy(self->memory, self->data, half);
	ASSERT_TRUE(uffd_quiet(self->fd));
	test_pattern(self->memory, half, 2);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES / 2 - 2);
}

/*
 * The device reads in place. For its writes the page comes home by a fault
 * (driver/mirror/fault.c) that cannot wait for the monitor, so the call fails and
 * nothing is written.
 */
TEST_F(userfault, device_writes_are_refused)
{
	size_t page = page_size(), last = self->n - page;

	register_wp(_metadata, self);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, true), 0);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, page, self->data), -EFAULT);
	test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->data), 0);
	test_pattern(self->data, self->n, 1);
	test_used(self->ferry, PAGES);

	fill_pattern(self->data, self->n, 2);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data), -EFAULT);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES);
	ASSERT_TRUE(uffd_quiet(self->fd));
	test_write_is_told(_metadata, self->fd, self->memory + last, pattern(last, 1));
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, false), 0);
	test_pattern(self->memory, self->n, 1);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data), 0);
	test_pattern(self->memory, self->n, 2);
}

/* Protected while there was no page: a marker, which is no hole to fill. */
TEST_F(userfault, protected_holes_stay)
{
	uint8_t told = variant->engine == OWN ? DRM_FERRY_UFFD : DRM_FERRY_NOT_MOVED;
	int fd = uffd_open(UFFD_FEATURE_WP_UNPOPULATED);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(uffd_register(fd, self->memory, self->n, UFFDIO_REGISTER_MODE_WP), 0);
	ASSERT_EQ(uffd_protect(fd, self->memory, self->n, true), 0);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES);
	test_engine(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE,
		    self->outcomes);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, told), PAGES);
	test_used(self->ferry, 0);
	ASSERT_EQ(count_protected(self->memory, ~0ull), PAGES);
	test_write_is_told(_metadata, fd, self->memory, 0);
	close(fd);
}

static int uffd_continue(int fd, const void *at)
{
	struct uffdio_continue range = { .range = { ptr(at), page_size() } };

	return ioctl(fd, UFFDIO_CONTINUE, &range) ? -errno : 0;
}

/* In the file's cache, not mapped: the file's, until a private copy is made. */
TEST_F(userfault, minor_faults_are_the_files)
{
	struct toucher toucher = { 0 };
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

		toucher.at = memory;
		test_touch(&toucher);
		ASSERT_EQ(uffd_wait(self->fd, memory), UFFD_PAGEFAULT_FLAG_MINOR);
		ASSERT_EQ(uffd_continue(self->fd, memory), 0);
		test_touched(&toucher);
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

TEST_HARNESS_MAIN
