/* SPDX-License-Identifier: GPL-2.0-only */
/* Page-table entries that are not present, by their type: see coding.h. */
#ifndef FERRY_MIGRATE_ENTRY_H
#define FERRY_MIGRATE_ENTRY_H

#include <linux/swap.h>

#include "coding.h"

#ifdef CONFIG_DEVICE_PRIVATE
#define FERRY_DEVICE_WRITE	SWP_DEVICE_WRITE
#define FERRY_DEVICE_READ	SWP_DEVICE_READ
#else
/* No entry has these. */
#define FERRY_DEVICE_WRITE	(~0UL)
#define FERRY_DEVICE_READ	(~0UL - 1)
#endif

static inline bool ferry_type_is_device(unsigned long type)
{
	return type == FERRY_DEVICE_WRITE || type == FERRY_DEVICE_READ;
}

static inline bool ferry_type_is_migration(unsigned long type)
{
	return type == SWP_MIGRATION_READ || type == SWP_MIGRATION_READ_EXCLUSIVE ||
	       type == SWP_MIGRATION_WRITE;
}

#endif
