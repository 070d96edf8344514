/* SPDX-License-Identifier: GPL-2.0-only */
/* Non-present page-table entries: types (see coding.h) and meaning. */
#ifndef FERRY_MIGRATE_ENTRY_H
#define FERRY_MIGRATE_ENTRY_H

#include <linux/swap.h>

#include "compat.h"
#include "coding.h"
#include "outcome.h"

#ifdef CONFIG_DEVICE_PRIVATE
#define FERRY_DEVICE_WRITE	SWP_DEVICE_WRITE
#define FERRY_DEVICE_READ	SWP_DEVICE_READ
#else
/* No entry has either type. */
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

/**
 * ferry_entry_outcome() - why a non-present entry gives no page to a device
 * @entry: the non-present entry, not an entry of a device page
 *
 * The engine and mirror/snapshot.c, which looks at pages after core, both ask
 * here: both engines report the same outcome. An entry that UFFDIO_POISON has
 * marked is broken memory to a CPU, and no hole.
 *
 * Context: page-table lock held; does not sleep.
 * Return: enum ferry_outcome.
 */
static inline u8 ferry_entry_outcome(swp_entry_t entry)
{
	if (softleaf_is_swap(entry))
		return FERRY_SWAPPED;
	if (softleaf_is_migration(entry))
		return FERRY_MIGRATING;
	if (softleaf_is_device_exclusive(entry))
		return FERRY_EXCLUSIVE;
	if (softleaf_is_hwpoison(entry) || softleaf_is_poison_marker(entry))
		return FERRY_HWPOISON;
	/* A hole that was write-protected. */
	if (softleaf_is_marker(entry))
		return FERRY_UFFD;
	return FERRY_SPECIAL;
}

#endif
