// SPDX-License-Identifier: MIT
/* Open, describe and close devices. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "internal.h"

#define STRING(x) STRING_OF(x)
#define STRING_OF(x) #x

FERRY_EXPORT const char *ferry_version(void)
{
	return STRING(FERRY_VERSION_MAJOR) "." STRING(FERRY_VERSION_MINOR);
}

FERRY_EXPORT unsigned int ferry_version_number(void)
{
	return FERRY_VERSION;
}

static bool is_ferry(int fd)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool yes = version && !strcmp(version->name, "ferry");

	drmFreeVersion(version);
	return yes;
}

static int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (is_ferry(fd))
		return fd;
	close(fd);
	return -ENODEV;
}

FERRY_EXPORT int ferry_open_path(const char *path, struct ferry **out)
{
	struct ferry *ferry;
	int saved = errno, fd;

	ferry = malloc(sizeof(*ferry));
	fd = ferry ? open_node(path) : -ENOMEM;
	errno = saved;
	if (fd < 0) {
		free(ferry);
		return fd;
	}
	ferry->fd = fd;
	atomic_init(&ferry->deadline, UINT64_MAX);
	*out = ferry;
	return 0;
}

/*
 * The kernel decides the number; the list has the number from the device's
 * name.
 */
static int open_numbered(const char *path, unsigned int number, struct ferry **out)
{
	struct drm_ferry_query query;
	struct ferry *ferry;
	int ret;

	ret = ferry_open_path(path, &ferry);
	if (ret)
		return ret == -ENOENT ? -ENODEV : ret;
	ret = ferry_query(ferry, &query, sizeof(query));
	if (!ret && query.index != number)
		ret = -ENODEV;
	if (ret)
		ferry_close(ferry);
	else
		*out = ferry;
	return ret;
}

FERRY_EXPORT int ferry_open_index(unsigned int number, struct ferry **out)
{
	struct ferry_list *list;
	int ret = ferry_list_create(&list);
	size_t i, n;

	if (ret)
		return ret;
	ret = -ENODEV;
	n = ferry_list_count(list);
	for (i = 0; i < n && ret == -ENODEV; i++)
		if (ferry_list_number(list, i) == number)
			ret = open_numbered(ferry_list_path(list, i), number, out);
	ferry_list_free(list);
	return ret;
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

FERRY_EXPORT int ferry_query(struct ferry *ferry, struct drm_ferry_query *query, size_t size)
{
	return ferry_ioctl_out(ferry, DRM_FERRY_QUERY, query, size);
}

FERRY_EXPORT int ferry_stats(struct ferry *ferry, struct drm_ferry_stats *stats, size_t size)
{
	return ferry_ioctl_out(ferry, DRM_FERRY_STATS, stats, size);
}
