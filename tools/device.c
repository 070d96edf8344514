// SPDX-License-Identifier: MIT
/* Opening the device that --device names, the same way in every subcommand. */
#include <errno.h>
#include <string.h>

#include "ferry.h"
#include "ferryctl.h"

/* Opened by nobody, or by others: what the list knows of it. */
static int explain_closed(const struct ferry_list *list, int error)
{
	size_t i, n = ferry_list_count(list);

	for (i = 0; i < n; i++)
		if (ferry_list_number(list, i) == common.device)
			return failed("device %u (%s) cannot be opened: %s%s", common.device,
				      ferry_list_path(list, i), strerror(-error),
				      error == -EACCES ? "; the node's group, or root, may" : "");
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
