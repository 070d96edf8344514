// SPDX-License-Identifier: MIT
/*
 * ferryctl stats: statistics of every open Ferry file, by process, from
 * /proc/PID/fdinfo. The keys are the keys of drm-usage-stats and Ferry's own
 * keys.
 */
#include <argp.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ferry.h"
#include "ferryctl.h"

/* One column for each key; the first columns are not from fdinfo. */
enum {
	COL_PID, COL_COMMAND, COL_FD, COL_FIRST_KEY,
	COL_ZERO_FILLED = COL_FIRST_KEY + 3,
};

static const struct sheet_column columns[] = {
	[COL_PID] = { "pid", SHEET_NUMBER },
	[COL_COMMAND] = { "command", SHEET_TEXT },
	[COL_FD] = { "fd", SHEET_NUMBER },
	{ "device", SHEET_NUMBER },
	{ "held", SHEET_NUMBER },
	{ "to-device", SHEET_NUMBER },
	[COL_ZERO_FILLED] = { "zero-filled", SHEET_NUMBER },
	{ "to-system", SHEET_NUMBER },
	{ "failed", SHEET_NUMBER },
	{ "cpu-faults", SHEET_NUMBER },
	{ "around", SHEET_NUMBER },
	{ "device-faults", SHEET_NUMBER },
	{ "bytes-read", SHEET_BYTES },
	{ "bytes-written", SHEET_BYTES },
};

#define NCOLUMNS (sizeof(columns) / sizeof(*columns))

static const char *const keys[NCOLUMNS] = {
	[COL_FIRST_KEY] = "ferry-device",
	"ferry-pages-held",
	"ferry-to-device",
	[COL_ZERO_FILLED] = "ferry-pages-zero-filled",
	"ferry-to-system",
	"ferry-failed",
	"ferry-cpu-faults",
	"ferry-cpu-faults-around",
	"ferry-device-faults",
	"ferry-bytes-read",
	"ferry-bytes-written",
};

struct counters {
	bool ours;
	bool known[NCOLUMNS];
	unsigned long long values[NCOLUMNS];
};

static bool is_number(const char *name)
{
	return isdigit((unsigned char)*name);
}

static void set_key(struct counters *counters, const char *text)
{
	size_t i, length;

	for (i = COL_FIRST_KEY; i < NCOLUMNS; i++) {
		length = strlen(keys[i]);
		if (!strncmp(text, keys[i], length) && text[length] == ':') {
			counters->values[i] = strtoull(text + length + 1, NULL, 10);
			counters->known[i] = true;
			return;
		}
	}
}

static void read_fdinfo(struct counters *counters, const char *path)
{
	FILE *file = fopen(path, "re");
	char text[256];

	memset(counters, 0, sizeof(*counters));
	/* The counter of an outcome has no line while the counter is zero. */
	counters->known[COL_ZERO_FILLED] = true;
	if (!file)
		return;
	while (fgets(text, sizeof(text), file)) {
		counters->ours |= !strcmp(text, "drm-driver:\tferry\n");
		set_key(counters, text);
	}
	fclose(file);
}

/* A name may have any byte but zero, and the kernel appends a newline. */
static void read_command(const char *pid, char *text, size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n - 1 : 0] = 0;
}

static void add_file(struct sheet *sheet, const char *pid, const char *fd,
		     const struct counters *counters)
{
	char command[64];
	size_t i;

	read_command(pid, command, sizeof(command));
	sheet_row(sheet);
	sheet_number(sheet, COL_PID, strtoull(pid, NULL, 10));
	sheet_text(sheet, COL_COMMAND, command);
	sheet_number(sheet, COL_FD, strtoull(fd, NULL, 10));
	for (i = COL_FIRST_KEY; i < NCOLUMNS; i++)
		if (counters->known[i])
			sheet_number(sheet, i, counters->values[i]);
}

/* Returns the number of open Ferry files of the process. */
static size_t add_process(struct sheet *sheet, const char *pid)
{
	struct counters counters;
	struct dirent *entry;
	char path[128];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!is_number(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, entry->d_name);
		read_fdinfo(&counters, path);
		if (counters.ours)
			add_file(sheet, pid, entry->d_name, &counters);
		n += counters.ours;
	}
	if (dir)
		closedir(dir);
	return n;
}

static size_t add_processes(struct sheet *sheet, DIR *dir)
{
	struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(dir)))
		if (is_number(entry->d_name))
			n += add_process(sheet, entry->d_name);
	return n;
}

/* No file is open: explains whether a device exists. */
static int explain_none(void)
{
	struct ferry_list *list;
	int ret = ferry_list_create(&list);

	if (ret)
		return failed("the devices cannot be listed: %s", strerror(-ret));
	ret = ferry_list_count(list) ? FERRYCTL_OK : explain_no_device();
	ferry_list_free(list);
	if (!ret && !common.json)
		puts("No Ferry file is open in any process that you may look at.");
	return ret;
}

static int list_files(DIR *dir)
{
	struct json *json = common.json ? json_create() : NULL;
	struct sheet *sheet = sheet_create(json, "files", columns, NCOLUMNS);
	size_t n = add_processes(sheet, dir);
	int ret = n ? FERRYCTL_OK : explain_none();

	if (n || json)
		sheet_end(sheet);
	else
		sheet_drop(sheet);
	if (json && ret)
		json_drop(json);
	else if (json)
		json_print(json);
	return ret;
}

int cmd_stats(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "List the open Ferry files of all processes that you may look at, with "
		       "their counters: pages, faults, bytes.",
		.children = json_option,
	};
	DIR *dir;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	dir = opendir("/proc");
	if (!dir)
		return failed("/proc cannot be read: %s", strerror(errno));
	ret = list_files(dir);
	closedir(dir);
	return ret;
}
