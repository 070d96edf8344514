/* SPDX-License-Identifier: GPL-2.0-only */
/* Page-table entries that are not present, by their type (see coding.h), and what they mean. */
#ifndef FERRY_MIGRATE_ENTRY_H
#define FERRY_MIGRATE_ENTRY_H

#include <linux/swap.h>
#include <linux/swapops.h>

#include "coding.h"
#include "outcome.h"

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

/**
 * ferry_entry_outcome() - why nothing moves to a device from where an entry is
 * @entry: not present, and not of a device's page
 *
 * The engine and the look at what core left (mirror/snapshot.c) both ask here, so both
 * engines report the same. To a CPU, what UFFDIO_POISON has marked is broken memory and
 * no hole.
 *
 * Return: the outcome.
 */
static inline u8 ferry_entry_outcome(swp_entry_t entry)
{
	if (!non_swap_entry(entry))
		return FERRY_SWAPPED;
	if (is_migration_entry(entry))
		return FERRY_MIGRATING;
	if (is_device_exclusive_entry(entry))
		return FERRY_EXCLUSIVE;
	if (is_hwpoison_entry(entry) || is_poisoned_swp_entry(entry))
		return FERRY_HWPOISON;
	/* Write-protected while it was empty. */
	if (is_pte_marker_entry(entry))
		return FERRY_UFFD;
	return FERRY_SPECIAL;
}

#endif
