// SPDX-License-Identifier: MIT
/*
 * ferryctl stats: the counters of every open Ferry file, by process, from
 * /proc/PID/fdinfo (the keys are those of drm-usage-stats, and Ferry's own).
 */
#include <ctype.h>
#include <dirent.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferryctl.h"

/* A column for each key; the first ones are not from fdinfo. */
static const struct {
	const char *name;
	const char *key;
} columns[] = {
	{ "pid", NULL },
	{ "command", NULL },
	{ "fd", NULL },
	{ "device", "ferry-device" },
	{ "held", "ferry-pages-held" },
	{ "to-device", "ferry-to-device" },
	{ "zero-filled", "ferry-zero-filled" },
	{ "to-system", "ferry-to-system" },
	{ "failed", "ferry-failed" },
	{ "cpu-faults", "ferry-cpu-faults" },
	{ "around", "ferry-cpu-faults-around" },
	{ "device-faults", "ferry-device-faults" },
	{ "bytes-read", "ferry-bytes-read" },
	{ "bytes-written", "ferry-bytes-written" },
};

#define NCOLUMNS (sizeof(columns) / sizeof(*columns))

enum { COL_PID, COL_COMMAND, COL_FD, COL_FIRST_KEY };

static bool is_number(const char *name)
{
	return isdigit((unsigned char)*name);
}

static void set_key(struct libscols_line *line, const char *text)
{
	size_t i, length;

	for (i = COL_FIRST_KEY; i < NCOLUMNS; i++) {
		length = strlen(columns[i].key);
		if (!strncmp(text, columns[i].key, length) && text[length] == ':') {
			text += length + 1;
			scols_line_set_data(line, i, text + strspn(text, " \t"));
			return;
		}
	}
}

/* Returns whether this file is one of a Ferry device. */
static bool read_fdinfo(struct libscols_line *line, const char *path)
{
	bool ours = false;
	char text[256];
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = 0;
		ours |= !strcmp(text, "drm-driver:\tferry");
		set_key(line, text);
	}
	fclose(file);
	return ours;
}

static void set_command(struct libscols_line *line, const char *pid)
{
	char path[64], text[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = 0;
		scols_line_set_data(line, COL_COMMAND, text);
	}
	if (file)
		fclose(file);
}

static void add_process(struct libscols_table *table, const char *pid)
{
	struct libscols_line *line;
	struct dirent *entry;
	char path[128];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!is_number(entry->d_name))
			continue;
		line = scols_table_new_line(table, NULL);
		snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, entry->d_name);
		if (!line || !read_fdinfo(line, path)) {
			scols_table_remove_line(table, line);
			continue;
		}
		scols_line_set_data(line, COL_PID, pid);
		scols_line_set_data(line, COL_FD, entry->d_name);
		set_command(line, pid);
	}
	closedir(dir);
}

static int add_processes(struct libscols_table *table)
{
	struct dirent *entry;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return failed("/proc cannot be read: is it mounted?");
	while ((entry = readdir(dir)))
		if (is_number(entry->d_name))
			add_process(table, entry->d_name);
	closedir(dir);
	return FERRYCTL_OK;
}

int cmd_stats(int argc, char **argv)
{
	static const char doc[] =
		"List the open Ferry files of all processes that you may look at, with "
		"their counters: pages, faults, bytes.";
	struct libscols_column *column;
	struct libscols_table *table;
	size_t i;
	int ret;

	table = table_create(argc, argv, doc, "files");
	if (!table)
		return FERRYCTL_FAILED;
	for (i = 0; i < NCOLUMNS; i++) {
		column = scols_table_new_column(table, columns[i].name, 0,
						i == COL_COMMAND ? 0 : SCOLS_FL_RIGHT);
		scols_column_set_json_type(column, i == COL_COMMAND ? SCOLS_JSON_STRING :
						   SCOLS_JSON_NUMBER);
	}
	ret = add_processes(table);
	if (!ret)
		scols_print_table(table);
	scols_unref_table(table);
	return ret;
}
