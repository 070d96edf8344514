// SPDX-License-Identifier: MIT
/* ferryctl info: one line for each device. */
#include <argp.h>
#include <string.h>

#include "ferry.h"
#include "ferryctl.h"

enum column {
	COL_DEVICE,
	COL_PATH,
	COL_MEMORY,
	COL_SIZE,
	COL_USED,
	COL_PAGE,
	COL_NODE,
	COL_BACKENDS,
	COL_ABI,
	COL_ERROR,
};

static const struct sheet_column columns[] = {
	[COL_DEVICE] = { "device", SHEET_NUMBER },
	[COL_PATH] = { "path", SHEET_TEXT },
	[COL_MEMORY] = { "memory", SHEET_TEXT },
	[COL_SIZE] = { "size", SHEET_BYTES },
	[COL_USED] = { "used", SHEET_BYTES },
	[COL_PAGE] = { "page", SHEET_BYTES },
	[COL_NODE] = { "node", SHEET_TEXT },
	[COL_BACKENDS] = { "backends", SHEET_TEXT },
	[COL_ABI] = { "abi", SHEET_NUMBER },
	[COL_ERROR] = { "error", SHEET_TEXT },
};

static const char *backend_names(unsigned int mask)
{
	bool core = mask & 1 << DRM_FERRY_BACKEND_CORE;
	bool own = mask & 1 << DRM_FERRY_BACKEND_OWN;

	return core && own ? "core,own" : core ? "core" : own ? "own" : "none";
}

static void show(struct sheet *sheet, const struct drm_ferry_query *query)
{
	char node[16] = "any";

	if (query->node >= 0)
		snprintf(node, sizeof(node), "%d", query->node);
	sheet_text(sheet, COL_MEMORY, query->memory_kind == DRM_FERRY_MEMORY_COHERENT ?
				      "coherent" : "private");
	sheet_number(sheet, COL_SIZE, query->memory_size);
	sheet_number(sheet, COL_USED, query->memory_used);
	sheet_number(sheet, COL_PAGE, query->page_size);
	sheet_text(sheet, COL_NODE, node);
	sheet_text(sheet, COL_BACKENDS, backend_names(query->backends));
	sheet_number(sheet, COL_ABI, query->abi_version);
}

static int query_path(const char *path, struct drm_ferry_query *query)
{
	struct ferry *ferry;
	int ret = ferry_open_path(path, &ferry);

	if (ret)
		return ret;
	ret = ferry_query(ferry, query, sizeof(*query));
	ferry_close(ferry);
	return ret;
}

/*
 * A device without an answer is listed with the reason. Returns the number of
 * answers.
 */
static size_t add_devices(struct sheet *sheet, const struct ferry_list *list)
{
	struct drm_ferry_query query;
	size_t i, answers = 0;
	int ret;

	for (i = 0; i < ferry_list_count(list); i++) {
		sheet_row(sheet);
		sheet_number(sheet, COL_DEVICE, ferry_list_number(list, i));
		sheet_text(sheet, COL_PATH, ferry_list_path(list, i));
		ret = query_path(ferry_list_path(list, i), &query);
		if (ret)
			sheet_text(sheet, COL_ERROR, strerror(-ret));
		else
			show(sheet, &query);
		answers += !ret;
	}
	return answers;
}

static int list_devices(const struct ferry_list *list)
{
	struct json *json = common.json ? json_create() : NULL;
	struct sheet *sheet = sheet_create(json, "devices", columns,
					   sizeof(columns) / sizeof(*columns));
	size_t answers = add_devices(sheet, list);

	sheet_end(sheet);
	if (json)
		json_print(json);
	return answers ? FERRYCTL_OK : failed("no device answers");
}

int cmd_info(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List the Ferry devices. Without any that answers, say what is missing "
		       "and exit with 1.",
		.children = json_option,
	};
	struct ferry_list *list;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	ret = ferry_list_create(&list);
	if (ret)
		return failed("the devices cannot be listed: %s", strerror(-ret));
	ret = ferry_list_count(list) ? list_devices(list) : explain_no_device();
	ferry_list_free(list);
	return ret;
}
