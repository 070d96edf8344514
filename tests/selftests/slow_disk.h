/* SPDX-License-Identifier: MIT */
/*
 * A disk with slow requests: a test can meet pages under I/O. Each request
 * takes its full time: use few.
 */
#ifndef FERRY_SLOW_DISK_H
#define FERRY_SLOW_DISK_H

#include <sys/stat.h>

#include "files.h"

#define SLOW_DISK "/dev/ferry_slow"
#define SLOW_NULLB "/sys/kernel/config/nullb/ferry_slow"
#define SLOW_NS "1000000000"

/* Returns 0 or -errno. */
static inline int slow_disk_create(void)
{
	int ret;

	/* configfs may be mounted already. */
	ret = system("mount -t configfs none /sys/kernel/config 2>/dev/null");
	if (mkdir(SLOW_NULLB, 0700))
		return -errno;
	ret = write_file(SLOW_NULLB "/size", "16");
	ret = ret ?: write_file(SLOW_NULLB "/memory_backed", "1");
	ret = ret ?: write_file(SLOW_NULLB "/irqmode", "2");
	ret = ret ?: write_file(SLOW_NULLB "/completion_nsec", SLOW_NS);
	return ret ?: write_file(SLOW_NULLB "/power", "1");
}

static inline void slow_disk_destroy(void)
{
	write_file(SLOW_NULLB "/power", "0");
	rmdir(SLOW_NULLB);
}

#endif
