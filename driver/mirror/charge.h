/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_CHARGE_H
#define FERRY_MIRROR_CHARGE_H

struct mm_struct;

unsigned long ferry_charge_room(struct mm_struct *mm, unsigned long npages);

#endif
