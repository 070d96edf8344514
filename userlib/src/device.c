// SPDX-License-Identifier: MIT
/* Finding, opening and describing devices, by libdrm. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "internal.h"

#define MAX_DRM_DEVICES 256

static bool is_ferry(int fd)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool yes = version && !strcmp(version->name, "ferry");

	drmFreeVersion(version);
	return yes;
}

FERRY_EXPORT const char *ferry_version(void)
{
	return FERRY_VERSION;
}

FERRY_EXPORT int ferry_open_path(const char *path, struct ferry **out)
{
	int saved = errno, ret = 0;
	struct ferry *ferry;

	ferry = calloc(1, sizeof(*ferry));
	if (!ferry)
		return -ENOMEM;
	atomic_init(&ferry->deadline, UINT64_MAX);
	ferry->fd = open(path, O_RDWR | O_CLOEXEC);
	if (ferry->fd < 0) {
		ret = -errno;
	} else if (!is_ferry(ferry->fd)) {
		close(ferry->fd);
		ret = -ENODEV;
	}
	if (ret)
		free(ferry);
	else
		*out = ferry;
	errno = saved;
	return ret;
}

static int open_if_index(const char *path, unsigned int index, struct ferry **out)
{
	struct drm_ferry_query query = { 0 };
	struct ferry *ferry;
	int ret;

	ret = ferry_open_path(path, &ferry);
	if (ret)
		return ret;
	ret = ferry_query(ferry, &query);
	if (!ret && query.index == index) {
		*out = ferry;
		return 0;
	}
	ferry_close(ferry);
	return ret ? ret : -ENODEV;
}

FERRY_EXPORT int ferry_open_index(unsigned int index, struct ferry **out)
{
	drmDevicePtr devices[MAX_DRM_DEVICES];
	int saved = errno, ret = -ENODEV, error = -ENODEV, n, i;

	n = drmGetDevices2(0, devices, MAX_DRM_DEVICES);
	if (n < 0) {
		errno = saved;
		return n;
	}
	for (i = 0; i < n && ret; i++) {
		if (!(devices[i]->available_nodes & 1 << DRM_NODE_RENDER))
			continue;
		ret = open_if_index(devices[i]->nodes[DRM_NODE_RENDER], index, out);
		/* "No access" says more than "no device". */
		if (ret && ret != -ENODEV)
			error = ret;
	}
	drmFreeDevices(devices, n);
	errno = saved;
	return ret ? error : 0;
}

FERRY_EXPORT void ferry_close(struct ferry *ferry)
{
	int saved = errno;

	if (!ferry)
		return;
	close(ferry->fd);
	free(ferry);
	errno = saved;
}

FERRY_EXPORT int ferry_fd(const struct ferry *ferry)
{
	return ferry->fd;
}

FERRY_EXPORT int ferry_query(struct ferry *ferry, struct drm_ferry_query *query)
{
	memset(query, 0, sizeof(*query));
	return ferry_ioctl(ferry, DRM_IOCTL_FERRY_QUERY, query);
}

FERRY_EXPORT int ferry_stats(struct ferry *ferry, struct drm_ferry_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	return ferry_ioctl(ferry, DRM_IOCTL_FERRY_STATS, stats);
}
