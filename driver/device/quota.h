/* SPDX-License-Identifier: GPL-2.0-only */
/* Quotas of users and files; quota.c says how they are counted. */
#ifndef FERRY_DEVICE_QUOTA_H
#define FERRY_DEVICE_QUOTA_H

#include "memory.h"

void ferry_quota_init(struct ferry_memory *memory);
int ferry_quota_join(struct ferry_memory *memory, struct ferry_owner *owner, kuid_t uid);
void ferry_quota_leave(struct ferry_memory *memory, struct ferry_owner *owner);
unsigned long ferry_owner_quota(const struct ferry_memory *memory);
unsigned long ferry_owner_quota_left(const struct ferry_memory *memory,
				     const struct ferry_owner *owner);

#endif
