// SPDX-License-Identifier: MIT
/*
 * The funnel. Not drmIoctl(): that one retries EINTR for ever, and a caller with
 * a deadline wants it back.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>

#include "internal.h"

#define NS_PER_S 1000000000ull

bool ferry_expired(struct ferry *ferry)
{
	uint64_t deadline = atomic_load(&ferry->deadline);
	struct timespec now;

	if (deadline == UINT64_MAX)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec >= deadline;
}

int ferry_ioctl(struct ferry *ferry, unsigned long request, void *arg)
{
	int saved = errno, ret;

	do {
		ret = ioctl(ferry->fd, request, arg) ? -errno : 0;
	} while (ret == -EINTR && !ferry_expired(ferry));
	errno = saved;
	return ret;
}

FERRY_EXPORT void ferry_set_deadline(struct ferry *ferry, uint64_t ns)
{
	atomic_store(&ferry->deadline, ns);
}
