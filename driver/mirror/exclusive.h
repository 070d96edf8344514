/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_EXCLUSIVE_H
#define FERRY_MIRROR_EXCLUSIVE_H

#include <linux/types.h>

struct ferry_mirror;

int ferry_mirror_make_exclusive(struct ferry_mirror *mirror, unsigned long addr,
				u64 len);
bool ferry_mirror_is_exclusive(struct ferry_mirror *mirror, unsigned long addr,
			       u64 len);

#endif
