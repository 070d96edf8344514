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

/* The deadline of this handle's calls. */
uint64_t ferry_deadline(struct ferry *ferry);

/* Has the deadline passed? */
bool ferry_expired(uint64_t deadline);

/* The one way into the kernel: 0 or -errno; retries EINTR up to the deadline. */
int ferry_ioctl(struct ferry *ferry, unsigned long request, void *arg, uint64_t deadline);

/*
 * The same with a struct of the caller, who knows @size bytes of it. The ioctl's number
 * carries the size: the kernel writes no more, and zeroes what it does not know.
 */
int ferry_ioctl_sized(struct ferry *ferry, unsigned int number, void *arg, size_t size);

/* The same with a struct that the kernel fills. */
int ferry_ioctl_out(struct ferry *ferry, unsigned int number, void *out, size_t size);

#endif
