/* SPDX-License-Identifier: MIT */
/* References and pins that keep pages in place. */
#ifndef FERRY_PAGE_REFS_H
#define FERRY_PAGE_REFS_H

#include <mm/gup_test.h>
#include <sys/uio.h>

#include "ferry_test.h"

#define PIPE_SLOTS 16	/* pages in a new pipe */

/* The pipe references the pages. Returns 0 or -errno. */
static inline int put_in_pipe(int pipe_end, void *memory, size_t n)
{
	struct iovec iov = { memory, n };
	ssize_t got = vmsplice(pipe_end, &iov, 1, 0);

	return got == (ssize_t)n ? 0 : got < 0 ? -errno : -EIO;
}

/* References each page until let_go(). Returns 0 or -errno. */
static inline int hold_in_pipe(void *memory, size_t n, int in_pipe[2])
{
	if (pipe(in_pipe))
		return -errno;
	if (n > PIPE_SLOTS * page_size() && fcntl(in_pipe[1], F_SETPIPE_SZ, n) < (int)n)
		return -EIO;
	return put_in_pipe(in_pipe[1], memory, n);
}

static inline void let_go(int in_pipe[2])
{
	close(in_pipe[0]);
	close(in_pipe[1]);
}

/* The kernel's module for long-term pins. Returns the descriptor, or -1. */
#define NO_GUP_TEST "this kernel has no gup_test (CONFIG_GUP_TEST)"

static inline int gup_open(void)
{
	return open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
}

/* @flags: PIN_LONGTERM_TEST_FLAG_... Returns 0 or -errno. */
static inline int gup_pin(int gup, const void *memory, size_t n, uint32_t flags)
{
	struct pin_longterm_test pin = { .addr = ptr(memory), .size = n, .flags = flags };

	return ioctl(gup, PIN_LONGTERM_TEST_START, &pin) ? -errno : 0;
}

/* The data that the holder of the pin sees. Returns 0 or -errno. */
static inline int gup_read(int gup, void *data)
{
	uint64_t to = ptr(data);

	return ioctl(gup, PIN_LONGTERM_TEST_READ, &to) ? -errno : 0;
}

static inline int gup_unpin(int gup)
{
	return ioctl(gup, PIN_LONGTERM_TEST_STOP) ? -errno : 0;
}

#endif
