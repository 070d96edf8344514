/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_ARMED_H
#define FERRY_MIRROR_ARMED_H

#include <linux/types.h>

#include "device_fault.h"

struct mm_struct;

bool ferry_armed(struct mm_struct *mm, unsigned long addr, unsigned long end);
int ferry_armed_fault(struct mm_struct *mm, unsigned long addr, bool write,
		      enum ferry_wait wait, bool *locked);

#endif
