/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_ACCESS_H
#define FERRY_MIRROR_ACCESS_H

#include <linux/types.h>

#include "device_fault.h"

struct ferry_mirror;

typedef void (*ferry_access_fn)(void *bytes, size_t n, void *arg);
void ferry_access_copy_out(void *bytes, size_t n, void *arg);
void ferry_access_copy_in(void *bytes, size_t n, void *arg);

int ferry_mirror_access(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			enum ferry_access access, ferry_access_fn fn, void *arg);
int ferry_mirror_access_mapped(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			       enum ferry_access access, ferry_access_fn fn,
			       void *arg, u64 *done);
int ferry_mirror_transfer(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			  enum ferry_access access, void __user *buffer, u64 *done);
int ferry_mirror_copy(struct ferry_mirror *mirror, unsigned long dst,
		      unsigned long src, u64 len);

#endif
