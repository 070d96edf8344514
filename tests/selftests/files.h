/* SPDX-License-Identifier: MIT */
/* Small files of /proc, /sys and configfs: text to write, numbers to read. */
#ifndef FERRY_FILES_H
#define FERRY_FILES_H

#include "ferry_test.h"

/* Returns 0 or -errno. */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static inline int write_number(const char *path, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	return write_file(path, text);
}

/* The file has only the number. Returns 0 or -errno. */
static inline int read_number(const char *path, long *value)
{
	FILE *file = fopen(path, "re");
	int ret;

	if (!file)
		return -errno;
	ret = fscanf(file, "%li", value) == 1 ? 0 : -EIO;
	fclose(file);
	return ret;
}

/*
 * The number after a name at the start of a line, as in /proc/meminfo or
 * /proc/vmstat, or -1. Takes no memory from the heap.
 */
static inline long read_counter(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = strlen(name), n = 0;
	char text[16384], *line;
	ssize_t got;

	/* A file of /proc returns one page at most for each call. */
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += got;
	close(fd);
	text[n] = 0;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && line[length] &&
		    strchr(": \t", line[length]))
			return strtol(line + length + 1, NULL, 10);
	}
	return -1;
}

#endif
