/* SPDX-License-Identifier: MIT */
/* Parameters of the loaded module. */
#ifndef FERRY_PARAMS_H
#define FERRY_PARAMS_H

#include "files.h"

#define PARAMETERS "/sys/module/ferry/parameters/"
#define DEFAULT_FAULT_AROUND 16	/* pages */

/* Largest fault-around range in pages, a power of two; 0: unknown. */
static inline size_t fault_around_pages(void)
{
	long pages = 0;

	if (read_number(PARAMETERS "fault_around", &pages))
		return 0;
	return pages < 0 ? DEFAULT_FAULT_AROUND : pages;
}

/*
 * Returns true if the module's default engine is own. The core engine has no
 * points where a control can hold a migration.
 */
static inline bool default_is_own(void)
{
	char name[16] = "";
	int fd = open(PARAMETERS "backend", O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, name, sizeof(name) - 1);

	close(fd);
	return got > 0 && strncmp(name, "core", 4);
}

#endif
