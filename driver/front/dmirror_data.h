/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_FRONT_DMIRROR_DATA_H
#define FERRY_FRONT_DMIRROR_DATA_H

#include <linux/mm.h>

#include "dmirror_abi.h"

struct ferry_mirror;

/* Length in bytes of a checked range. */
static inline u64 ferry_dmirror_len(const struct ferry_dmirror_cmd *cmd)
{
	return cmd->npages << PAGE_SHIFT;
}

int ferry_dmirror_read(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd);
int ferry_dmirror_read_unlocked(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd);
int ferry_dmirror_write(struct ferry_mirror *mirror, struct ferry_dmirror_cmd *cmd);
int ferry_dmirror_return_resident(struct ferry_mirror *mirror,
				  struct ferry_dmirror_cmd *cmd);
int ferry_dmirror_return_exclusive(struct ferry_mirror *mirror,
				   struct ferry_dmirror_cmd *cmd);

#endif
