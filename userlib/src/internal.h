/* SPDX-License-Identifier: MIT */
#ifndef FERRY_INTERNAL_H
#define FERRY_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ferry.h"

#define FERRY_EXPORT __attribute__((visibility("default")))

struct ferry {
	int fd;
	_Atomic uint64_t deadline;
};

/* The one way into the kernel: 0 or -errno; retries EINTR up to the deadline. */
int ferry_ioctl(struct ferry *ferry, unsigned long request, void *arg);

/* Has the deadline passed? */
bool ferry_expired(struct ferry *ferry);

#endif
