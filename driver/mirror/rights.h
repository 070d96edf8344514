/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_RIGHTS_H
#define FERRY_MIRROR_RIGHTS_H

#include <linux/types.h>

struct ferry_mirror;

int ferry_rights_check(struct ferry_mirror *mirror, unsigned long addr, unsigned long end,
		       bool write);
void ferry_rights_forget(struct ferry_mirror *mirror, unsigned long addr,
			 unsigned long end, unsigned long *pfns);
unsigned long ferry_rights_note(struct ferry_mirror *mirror, unsigned long addr,
				unsigned long end, unsigned long *pfns);

#endif
