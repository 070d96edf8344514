// SPDX-License-Identifier: MIT
/* Opens the device of --device, the same way in every subcommand. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#include "ferry.h"
#include "ferryctl.h"

static int explain_permission(const char *path)
{
	struct group *group;
	struct stat stat_of;

	if (stat(path, &stat_of) || (stat_of.st_mode & 060) != 060)
		return failed("device %u (%s) cannot be opened: Permission denied; only its owner "
			      "may", common.device, path);
	group = getgrgid(stat_of.st_gid);
	return failed("device %u (%s) cannot be opened: Permission denied; members of the group "
		      "%s (%u) may", common.device, path, group ? group->gr_name : "without name",
		      stat_of.st_gid);
}

static int explain_node(const char *path, int error)
{
	if (error == -EACCES)
		return explain_permission(path);
	return failed("device %u (%s) cannot be opened: %s", common.device, path,
		      strerror(-error));
}

/* Explains a device that was not opened, from the list of devices. */
static int explain_closed(const struct ferry_list *list, int error)
{
	size_t i, n = ferry_list_count(list);

	for (i = 0; i < n; i++)
		if (ferry_list_number(list, i) == common.device)
			return explain_node(ferry_list_path(list, i), error);
	if (!n)
		return explain_no_device();
	return failed("there is no device %u: the devices are %u to %u (ferryctl info)",
		      common.device, ferry_list_number(list, 0),
		      ferry_list_number(list, n - 1));
}

int open_device(struct ferry **ferry)
{
	int ret = ferry_open_index(common.device, ferry);
	struct ferry_list *list;

	if (!ret)
		return FERRYCTL_OK;
	if (ferry_list_create(&list))
		return failed("device %u cannot be opened: %s", common.device, strerror(-ret));
	ret = explain_closed(list, ret);
	ferry_list_free(list);
	return ret;
}
