/* SPDX-License-Identifier: MIT */
/*
 * The ioctls of userfaultfd, each 0 or -errno, and a thread that waits for the
 * monitor.
 */
#ifndef FERRY_UFFD_H
#define FERRY_UFFD_H

#include <poll.h>
#include <sys/syscall.h>

/* The C library's copy can be too old. */
#include <include/uapi/linux/userfaultfd.h>

#include "ferry_test.h"

/* Returns the file descriptor or -errno. */
static inline int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -EIO;
}

static inline int uffd_register(int fd, const void *memory, size_t n, uint64_t mode)
{
	struct uffdio_register range = {
		.range = { ptr(memory), n }, .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

/* Opens a userfaultfd for one range. Returns the file descriptor or -errno. */
static inline int uffd_open_for(uint64_t features, const void *memory, size_t n, uint64_t mode)
{
	int fd = uffd_open(features), ret = fd;

	if (fd >= 0)
		ret = uffd_register(fd, memory, n, mode);
	if (!ret)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

static inline int uffd_open_wp(uint64_t features, const void *memory, size_t n)
{
	return uffd_open_for(features, memory, n, UFFDIO_REGISTER_MODE_WP);
}

/*
 * Protects a range, or removes the protection and wakes the waiting threads.
 * Returns 0 or -errno.
 */
static inline int uffd_protect(int fd, const void *memory, size_t n, bool protect)
{
	struct uffdio_writeprotect range = {
		.range = { ptr(memory), n },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &range) ? -errno : 0;
}

static inline int uffd_copy(int fd, const void *to, const void *from)
{
	struct uffdio_copy copy = {
		.dst = ptr(to), .src = ptr(from), .len = page_size() };

	return ioctl(fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

/*
 * Waits for the next reported page fault, which must be at @at. Returns the
 * fault's flags or -errno.
 */
static inline int uffd_wait(int fd, const void *at)
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

/*
 * Waits for the next reported write to a protected page. Returns the page's
 * address, or 0 after 5 idle seconds.
 */
static inline uint64_t uffd_wait_wp(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct uffd_msg message;

	if (poll(&wait, 1, 5000) != 1 ||
	    read(fd, &message, sizeof(message)) != sizeof(message) ||
	    message.event != UFFD_EVENT_PAGEFAULT ||
	    !(message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP))
		return 0;
	return message.arg.pagefault.address & ~(page_size() - 1);
}

/* Returns true if no fault waits for the monitor. */
static inline bool uffd_quiet(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 0) == 0;
}

static inline int uffd_continue(int fd, const void *at)
{
	struct uffdio_continue range = { .range = { ptr(at), page_size() } };

	return ioctl(fd, UFFDIO_CONTINUE, &range) ? -errno : 0;
}

static inline int uffd_poison(int fd, const void *at, size_t n)
{
	struct uffdio_poison range = { .range = { ptr(at), n } };

	return ioctl(fd, UFFDIO_POISON, &range) ? -errno : 0;
}

/* A thread that accesses one byte, and may wait for the monitor. */
struct accessor {
	volatile uint8_t *at;
	bool write;
	uint8_t value;
	pthread_t thread;
};

static inline void *access_byte(void *arg)
{
	struct accessor *accessor = arg;

	if (accessor->write)
		*accessor->at = accessor->value;
	else
		accessor->value = *accessor->at;
	return NULL;
}

#define test_start_access(accessor)					\
	ASSERT_EQ(pthread_create(&(accessor)->thread, NULL, access_byte, accessor), 0)
#define test_end_access(accessor)					\
	ASSERT_EQ(pthread_join((accessor)->thread, NULL), 0)

#endif
