/* SPDX-License-Identifier: MIT */
/* References on pages that keep the pages in place. */
#ifndef FERRY_PAGE_REFS_H
#define FERRY_PAGE_REFS_H

#include <sys/uio.h>

#include "ferry_test.h"

/* Takes an unexplained reference on each page until let_go(). */
static inline int hold_in_pipe(void *memory, size_t n, int in_pipe[2])
{
	struct iovec iov = { memory, n };

	if (pipe(in_pipe))
		return -errno;
	return vmsplice(in_pipe[1], &iov, 1, 0) == (ssize_t)n ? 0 : -EIO;
}

static inline void let_go(int in_pipe[2])
{
	close(in_pipe[0]);
	close(in_pipe[1]);
}

#endif
