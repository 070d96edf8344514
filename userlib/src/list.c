// SPDX-License-Identifier: MIT
/*
 * The devices of the machine, found with libdrm. The parent of a device is the
 * platform device ferryN with number N. The list can name a device without the
 * right to open the device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

#include "internal.h"

#define MAX_DRM_DEVICES 256

struct entry {
	unsigned int number;
	char *path;
};

struct ferry_list {
	size_t n;
	struct entry entries[MAX_DRM_DEVICES];
};

static bool parse_name(const char *name, unsigned int *number)
{
	int end = 0;

	return sscanf(name, "ferry%u%n", number, &end) == 1 && !name[end];
}

static int add(struct ferry_list *list, const drmDevice *device)
{
	struct entry *entry = &list->entries[list->n];

	if (device->bustype != DRM_BUS_PLATFORM ||
	    !(device->available_nodes & 1 << DRM_NODE_RENDER) ||
	    !parse_name(device->businfo.platform->fullname, &entry->number))
		return 0;
	entry->path = strdup(device->nodes[DRM_NODE_RENDER]);
	if (!entry->path)
		return -ENOMEM;
	list->n++;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return (left->number > right->number) - (left->number < right->number);
}

static int fill(struct ferry_list *list)
{
	drmDevicePtr devices[MAX_DRM_DEVICES];
	int n = drmGetDevices2(0, devices, MAX_DRM_DEVICES), i, ret = 0;

	/* Without any DRM device the directory of the nodes does not exist. */
	if (n < 0)
		return n == -ENOENT ? 0 : n;
	for (i = 0; i < n && !ret; i++)
		ret = add(list, devices[i]);
	drmFreeDevices(devices, n);
	qsort(list->entries, list->n, sizeof(*list->entries), by_number);
	return ret;
}

FERRY_EXPORT int ferry_list_create(struct ferry_list **out)
{
	struct ferry_list *list;
	int saved = errno, ret;

	list = calloc(1, sizeof(*list));
	ret = list ? fill(list) : -ENOMEM;
	if (ret)
		ferry_list_free(list);
	else
		*out = list;
	errno = saved;
	return ret;
}

FERRY_EXPORT void ferry_list_free(struct ferry_list *list)
{
	size_t i;

	for (i = 0; list && i < list->n; i++)
		free(list->entries[i].path);
	free(list);
}

FERRY_EXPORT size_t ferry_list_count(const struct ferry_list *list)
{
	return list->n;
}

FERRY_EXPORT unsigned int ferry_list_number(const struct ferry_list *list, size_t i)
{
	return list->entries[i].number;
}

FERRY_EXPORT const char *ferry_list_path(const struct ferry_list *list, size_t i)
{
	return list->entries[i].path;
}
