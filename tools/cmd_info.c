// SPDX-License-Identifier: MIT
/* ferryctl info: a line for each device. */
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

#include "ferry.h"
#include "ferryctl.h"

#define MAX_DEVICES 256

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
};

static const struct {
	const char *name;
	int flags;
	int json;
} columns[] = {
	[COL_DEVICE] = { "device", SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[COL_PATH] = { "path", 0, SCOLS_JSON_STRING },
	[COL_MEMORY] = { "memory", 0, SCOLS_JSON_STRING },
	[COL_SIZE] = { "size", SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[COL_USED] = { "used", SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[COL_PAGE] = { "page", SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
	[COL_NODE] = { "node", SCOLS_FL_RIGHT, SCOLS_JSON_STRING },
	[COL_BACKENDS] = { "backends", 0, SCOLS_JSON_STRING },
	[COL_ABI] = { "abi", SCOLS_FL_RIGHT, SCOLS_JSON_NUMBER },
};

static void set_number(struct libscols_line *line, enum column column,
		       unsigned long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", value);
	scols_line_set_data(line, column, text);
}

static const char *backend_names(unsigned int mask)
{
	bool core = mask & 1 << DRM_FERRY_BACKEND_CORE;
	bool own = mask & 1 << DRM_FERRY_BACKEND_OWN;

	return core && own ? "core,own" : core ? "core" : own ? "own" : "none";
}

static void add_device(struct libscols_table *table, const char *path,
		       const struct drm_ferry_query *query)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char node[16] = "any";

	if (query->node >= 0)
		snprintf(node, sizeof(node), "%d", query->node);
	set_number(line, COL_DEVICE, query->index);
	scols_line_set_data(line, COL_PATH, path);
	scols_line_set_data(line, COL_MEMORY,
			    query->memory_kind == DRM_FERRY_MEMORY_COHERENT ?
			    "coherent" : "private");
	set_number(line, COL_SIZE, query->memory_size);
	set_number(line, COL_USED, query->memory_used);
	set_number(line, COL_PAGE, query->page_size);
	scols_line_set_data(line, COL_NODE, node);
	scols_line_set_data(line, COL_BACKENDS, backend_names(query->backends));
	set_number(line, COL_ABI, query->abi_version);
}

struct found {
	char path[64];
	struct drm_ferry_query query;
};

/* Returns 1 if there is a Ferry device at this node. */
static int look_at(const char *path, struct found *found)
{
	struct ferry *ferry;
	int ret;

	if (ferry_open_path(path, &ferry))
		return 0;
	ret = ferry_query(ferry, &found->query, sizeof(found->query));
	ferry_close(ferry);
	if (ret) {
		failed("%s did not answer: %s", path, strerror(-ret));
		return 0;
	}
	snprintf(found->path, sizeof(found->path), "%s", path);
	return 1;
}

static int by_index(const void *a, const void *b)
{
	const struct found *left = a, *right = b;

	return (left->query.index > right->query.index) -
	       (left->query.index < right->query.index);
}

static int add_devices(struct libscols_table *table)
{
	drmDevicePtr devices[MAX_DEVICES];
	struct found found[MAX_DEVICES];
	int n = drmGetDevices2(0, devices, MAX_DEVICES), nfound = 0, i;

	if (n < 0)
		return 0;
	for (i = 0; i < n; i++)
		if (devices[i]->available_nodes & 1 << DRM_NODE_RENDER)
			nfound += look_at(devices[i]->nodes[DRM_NODE_RENDER], &found[nfound]);
	drmFreeDevices(devices, n);

	qsort(found, nfound, sizeof(*found), by_index);
	for (i = 0; i < nfound; i++)
		add_device(table, found[i].path, &found[i].query);
	return nfound;
}

int cmd_info(int argc, char **argv)
{
	static const char doc[] =
		"List the Ferry devices; sizes in bytes. Without any, say what is missing "
		"and exit with 1.";
	struct libscols_table *table;
	size_t i;
	int found;

	table = table_create(argc, argv, doc, "devices");
	if (!table)
		return FERRYCTL_FAILED;
	for (i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		scols_column_set_json_type(scols_table_new_column(table, columns[i].name, 0,
								  columns[i].flags),
					   columns[i].json);
	found = add_devices(table);
	if (found)
		scols_print_table(table);
	scols_unref_table(table);
	return found ? FERRYCTL_OK : explain_no_device();
}
