/* SPDX-License-Identifier: MIT */
#ifndef FERRY_INTERNAL_H
#define FERRY_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ferry.h"

#define FERRY_EXPORT __attribute__((visibility("default")))

/**
 * struct ferry - an open device
 * @fd: file descriptor of the render node
 * @deadline: CLOCK_MONOTONIC time in nanoseconds, see ferry_set_deadline()
 */
struct ferry {
	int fd;
	_Atomic uint64_t deadline;
};

/**
 * ferry_deadline() - deadline of a device
 * @ferry: the device
 *
 * Return: CLOCK_MONOTONIC time in nanoseconds, see ferry_set_deadline().
 */
uint64_t ferry_deadline(struct ferry *ferry);

/**
 * ferry_expired() - check a deadline
 * @deadline: CLOCK_MONOTONIC time in nanoseconds; UINT64_MAX: never
 *
 * Return: true if the deadline has passed.
 */
bool ferry_expired(uint64_t deadline);

/**
 * ferry_ioctl() - the library's only call of ioctl(2)
 * @ferry: the device
 * @request: ioctl number with size
 * @arg: struct of the ioctl
 * @deadline: time until which EINTR is retried
 *
 * Return: 0 or a negative errno.
 */
int ferry_ioctl(struct ferry *ferry, unsigned long request, void *arg, uint64_t deadline);

/**
 * ferry_ioctl_sized() - ferry_ioctl() with a struct of the caller
 * @ferry: the device
 * @number: DRM_FERRY_*
 * @arg: struct of the ioctl
 * @size: bytes of the caller's struct
 *
 * The ioctl's number carries the size: the kernel writes no more bytes, and
 * zeroes unknown fields.
 *
 * Return: 0 or a negative errno; -EINVAL for a size of 0 or above
 * _IOC_SIZEMASK.
 */
int ferry_ioctl_sized(struct ferry *ferry, unsigned int number, void *arg, size_t size);

/**
 * ferry_ioctl_out() - ferry_ioctl_sized() with an output struct
 * @ferry: the device
 * @number: DRM_FERRY_*
 * @out: out: struct of the ioctl, zeroed before the call
 * @size: bytes of the caller's struct
 *
 * Return: as ferry_ioctl_sized().
 */
int ferry_ioctl_out(struct ferry *ferry, unsigned int number, void *out, size_t size);

#endif
