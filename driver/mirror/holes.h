/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_HOLES_H
#define FERRY_MIRROR_HOLES_H

struct mm_struct;
struct vm_area_struct;

unsigned long ferry_skip_holes(struct mm_struct *mm, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long end);

#endif
