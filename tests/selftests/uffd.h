/* SPDX-License-Identifier: MIT */
/*
 * The ioctls of userfaultfd, each 0 or -errno, and a thread that waits for the
 * monitor.
 */
#ifndef FERRY_UFFD_H
#define FERRY_UFFD_H

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/syscall.h>

#include "ferry_test.h"

/* Newer than some systems' headers. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif

#ifndef UFFDIO_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)

struct uffdio_poison {
	struct uffdio_range range;
	uint64_t mode;
	int64_t updated;
};
#endif

static inline int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return ioctl(fd, UFFDIO_API, &api) ? -errno : fd;
}

static inline int uffd_register(int fd, const void *memory, size_t n, uint64_t mode)
{
	struct uffdio_register range = {
		.range = { ptr(memory), n }, .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

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
struct toucher {
	volatile uint8_t *at;
	bool write;
	uint8_t value;
	pthread_t thread;
};

static inline void *touch(void *arg)
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

#endif
