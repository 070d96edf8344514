// SPDX-License-Identifier: MIT
/*
 * A device access to memory that userfaultfd watches waits for the monitor,
 * like a CPU access: for a missing page, and for a write to a protected page in
 * system memory or on the device. The wait blocks no other thread: the address
 * space can be changed during the wait, also by the monitor. A signal ends the
 * wait.
 *
 * A device that does not wait fails (SIGBUS by handle_userfault(), and a stack
 * trace in the log of a DEBUG_VM kernel), or writes without the monitor's
 * knowledge.
 *
 * Shows: I24, userfaultfd, READ, WRITE
 * Guest: engine
 */
#include "pagemap.h"
#include "uffd.h"

#define PAGES 24	/* more than a step of 64 KiB */

FIXTURE(userfault_device) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t page;
	size_t n;
	int fd;
};

FIXTURE_SETUP(userfault_device)
{
	self->page = page_size();
	self->n = PAGES * self->page;
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->data = test_map_pattern(self->n, 2);
	self->fd = uffd_open(0);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(userfault_device)
{
	if (self->fd >= 0)
		close(self->fd);
	ferry_close(self->ferry);
}

/* A device access in its own thread. */
struct access {
	struct ferry *ferry;
	uint8_t *at;
	uint8_t *data;
	size_t n;
	bool write;
	int ret;
	pthread_t thread;
};

static void *run_access(void *arg)
{
	struct access *access = arg;

	access->ret = access->write ?
		      ferry_write(access->ferry, access->at, access->n, access->data, NULL) :
		      ferry_read(access->ferry, access->at, access->n, access->data, NULL);
	return NULL;
}

#define test_access(access)						\
	ASSERT_EQ(pthread_create(&(access)->thread, NULL, run_access, access), 0)
#define test_accessed(access, expected)					\
	do {								\
		ASSERT_EQ(pthread_join((access)->thread, NULL), 0);	\
		ASSERT_EQ((access)->ret, expected);			\
	} while (0)

static struct access make_access(struct _test_data_userfault_device *self, bool write)
{
	return (struct access) { .ferry = self->ferry, .at = self->memory,
				 .data = self->data, .n = self->n, .write = write };
}

static void provide_all(struct __test_metadata *_metadata,
			struct _test_data_userfault_device *self, const uint8_t *from,
			int flags)
{
	size_t i;

	for (i = 0; i < self->n; i += self->page) {
		ASSERT_EQ(uffd_wait(self->fd, self->memory + i), flags);
		ASSERT_EQ(uffd_copy(self->fd, self->memory + i, from + i), 0);
	}
}

TEST_F_TIMEOUT(userfault_device, reads_missing_pages, 60)
{
	struct access access = make_access(self, false);
	uint8_t *from = test_map(self->n);

	fill_pattern(from, self->n, 3);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	test_access(&access);
	provide_all(_metadata, self, from, 0);
	test_accessed(&access, 0);
	test_pattern(self->data, self->n, 3);
	ASSERT_TRUE(uffd_quiet(self->fd));
}

TEST_F_TIMEOUT(userfault_device, writes_missing_pages, 60)
{
	struct access access = make_access(self, true);
	uint8_t *from = test_map(self->n);

	/* The device does not write the second half of the last page. */
	fill_pattern(from, self->n, 2);
	from[self->n - 1] = 99;
	access.n -= self->page / 2;
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	test_access(&access);
	provide_all(_metadata, self, from, UFFD_PAGEFAULT_FLAG_WRITE);
	test_accessed(&access, 0);
	test_pattern(self->memory, self->n - 1, 2);
	ASSERT_EQ(self->memory[self->n - 1], 99);
}

static void allow_all(struct __test_metadata *_metadata,
		      struct _test_data_userfault_device *self)
{
	size_t i;

	for (i = 0; i < self->n; i += self->page) {
		ASSERT_EQ(uffd_wait(self->fd, self->memory + i),
			  UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE);
		ASSERT_EQ(self->memory[i], pattern(i, 1));
		ASSERT_EQ(uffd_protect(self->fd, self->memory + i, self->page, false), 0);
	}
}

static void protect(struct __test_metadata *_metadata,
		    struct _test_data_userfault_device *self)
{
	fill_pattern(self->memory, self->n, 1);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n, UFFDIO_REGISTER_MODE_WP), 0);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, true), 0);
}

TEST_F_TIMEOUT(userfault_device, writes_protected_pages, 60)
{
	struct access access = make_access(self, true);

	protect(_metadata, self);
	test_access(&access);
	allow_all(_metadata, self);
	test_accessed(&access, 0);
	test_pattern(self->memory, self->n, 2);
}

TEST_F_TIMEOUT(userfault_device, writes_protected_pages_of_its_own, 60)
{
	struct access access = make_access(self, true);
	int i;

	for (i = 0; i < 2; i++) {
		protect(_metadata, self);
		test_to_device(self->ferry, self->memory, self->n);
		test_access(&access);
		allow_all(_metadata, self);
		test_accessed(&access, 0);
		test_pattern(self->memory, self->n, 2);
		ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, false), 0);
	}
}

/*
 * A write to an unprotected page on the device waits for no monitor, and the
 * page stays on the device.
 */
TEST_F(userfault_device, writes_other_pages_in_place)
{
	protect(_metadata, self);
	ASSERT_EQ(uffd_protect(self->fd, self->memory, self->n, false), 0);
	test_to_device(self->ferry, self->memory, self->n);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	test_used(self->ferry, PAGES);
	test_pattern(self->memory, self->n, 2);
	ASSERT_TRUE(uffd_quiet(self->fd));
}

/* No other thread waits: the monitor needs mmap_lock, also for writing. */
TEST_F_TIMEOUT(userfault_device, holds_nobody_up, 60)
{
	struct access access = make_access(self, true);
	uint8_t *other = test_map(self->n);
	double start;

	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	access.n = self->page;
	test_access(&access);
	ASSERT_EQ(uffd_wait(self->fd, self->memory), UFFD_PAGEFAULT_FLAG_WRITE);
	start = seconds();
	fill_pattern(other, self->n, 1);
	test_to_device(self->ferry, other, self->n);
	ASSERT_EQ(mprotect(other, self->n, PROT_READ), 0);
	test_pattern(other, self->n, 1);
	ASSERT_EQ(munmap(other, self->n), 0);
	/* In the same window of the device's page table. */
	ASSERT_EQ(munmap(self->memory + self->page, self->n - self->page), 0);
	ASSERT_LT(seconds() - start, 5);
	ASSERT_EQ(uffd_copy(self->fd, self->memory, self->data), 0);
	test_accessed(&access, 0);
	test_pattern(self->memory, self->page, 2);
}

/* The monitor goes away: the page is an ordinary hole. */
TEST_F_TIMEOUT(userfault_device, monitor_closes, 60)
{
	struct access access = make_access(self, true);

	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	test_access(&access);
	ASSERT_EQ(uffd_wait(self->fd, self->memory), UFFD_PAGEFAULT_FLAG_WRITE);
	close(self->fd);
	self->fd = -1;
	test_accessed(&access, 0);
	test_pattern(self->memory, self->n, 2);
}

static void no_more(int signal)
{
}

/* Any signal ends the wait before a byte is written: the caller may go on. */
TEST_F_TIMEOUT(userfault_device, signal_ends_the_wait, 60)
{
	const struct sigaction action = { .sa_handler = no_more };
	struct access access = make_access(self, true);

	ASSERT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	ferry_set_deadline(self->ferry, 0);
	ASSERT_EQ(uffd_register(self->fd, self->memory, self->n,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	test_access(&access);
	ASSERT_EQ(uffd_wait(self->fd, self->memory), UFFD_PAGEFAULT_FLAG_WRITE);
	ASSERT_EQ(pthread_kill(access.thread, SIGUSR1), 0);
	test_accessed(&access, -EINTR);
	ASSERT_EQ(pagemap(self->memory) & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED), 0);
}

TEST_F_TIMEOUT(userfault_device, killed_while_it_waits, 60)
{
	int ready[2];
	double start;
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	pid = test_fork();
	if (!pid) {
		struct access access = make_access(self, true);

		child_check(!ferry_open_index(0, &access.ferry));
		self->fd = uffd_open(0);
		child_check(self->fd >= 0);
		child_check(!uffd_register(self->fd, self->memory, self->n,
					   UFFDIO_REGISTER_MODE_MISSING));
		child_check(!pthread_create(&access.thread, NULL, run_access, &access));
		child_check(uffd_wait(self->fd, self->memory) >= 0);
		child_check(!send_byte(ready[1]));
		pthread_join(access.thread, NULL);
		_exit(0);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	start = seconds();
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	ASSERT_LT(seconds() - start, 5);
}

TEST_HARNESS_MAIN
