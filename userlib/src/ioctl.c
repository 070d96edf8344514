// SPDX-License-Identifier: MIT
/*
 * All ioctls of the library. Rejected: drmIoctl(), because drmIoctl() retries
 * EINTR for ever, and a caller with a deadline needs EINTR.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <xf86drm.h>

#include "internal.h"

#define NS_PER_S 1000000000ull

_Static_assert(DRM_FERRY_IOWR(DRM_FERRY_STATS, struct drm_ferry_stats) ==
	       DRM_IOWR(DRM_COMMAND_BASE + DRM_FERRY_STATS, struct drm_ferry_stats),
	       "the numbers of ferry_drm.h are not those of drm.h");

uint64_t ferry_deadline(struct ferry *ferry)
{
	return atomic_load(&ferry->deadline);
}

bool ferry_expired(uint64_t deadline)
{
	struct timespec now;

	if (deadline == UINT64_MAX)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec >= deadline;
}

int ferry_ioctl(struct ferry *ferry, unsigned long request, void *arg, uint64_t deadline)
{
	int saved = errno, ret;

	do {
		ret = ioctl(ferry->fd, request, arg) ? -errno : 0;
	} while (ret == -EINTR && !ferry_expired(deadline));
	errno = saved;
	return ret;
}

int ferry_ioctl_sized(struct ferry *ferry, unsigned int number, void *arg, size_t size)
{
	/*
	 * An ioctl number cannot encode more, and all structs are much smaller.
	 */
	if (!size || size > _IOC_SIZEMASK)
		return -EINVAL;
	return ferry_ioctl(ferry, _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE,
				       DRM_COMMAND_BASE + number, size),
			   arg, ferry_deadline(ferry));
}

int ferry_ioctl_out(struct ferry *ferry, unsigned int number, void *out, size_t size)
{
	if (size <= _IOC_SIZEMASK)
		memset(out, 0, size);
	return ferry_ioctl_sized(ferry, number, out, size);
}

FERRY_EXPORT void ferry_set_deadline(struct ferry *ferry, uint64_t ns)
{
	atomic_store(&ferry->deadline, ns);
}
