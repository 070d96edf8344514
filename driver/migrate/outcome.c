// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of outcomes in the kernel: for trace events and debugfs. libferry has
 * the same names for user programs; tests/selftests/engine.c compares both.
 */
#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/export.h>

#include "outcome.h"

static const char *const names[] = {
	[FERRY_NOT_ATTEMPTED] = "not attempted",
	[FERRY_MOVED] = "moved",
	[FERRY_NOT_MOVED] = "not moved",
	[FERRY_ALREADY_THERE] = "already there",
	[FERRY_HOLE] = "hole",
	[FERRY_ZERO_FILLED] = "zero-filled",
	[FERRY_PINNED] = "pinned",
	[FERRY_SHARED_BUSY] = "shared and busy",
	[FERRY_LOCKED] = "locked",
	[FERRY_WRITEBACK] = "under writeback",
	[FERRY_NOT_LRU] = "not on the LRU",
	[FERRY_KSM] = "KSM",
	[FERRY_FOREIGN_DEVICE] = "on another device",
	[FERRY_NO_MEMORY] = "no memory",
	[FERRY_NO_DESTINATION] = "no destination",
	[FERRY_UFFD] = "userfaultfd",
	[FERRY_FILE] = "of a file",
	[FERRY_SWAPPED] = "swapped",
	[FERRY_MIGRATING] = "migrating",
	[FERRY_EXCLUSIVE] = "exclusive",
	[FERRY_SPECIAL] = "special",
	[FERRY_HWPOISON] = "broken memory",
	[FERRY_LARGE_SPLIT_FAILED] = "part of a large folio",
	[FERRY_RACED] = "raced",
	[FERRY_COPY_FAILED] = "copy failed",
	[FERRY_QUOTA] = "over quota",
	[FERRY_SHARED] = "shared",
	[FERRY_PRIVATE_DATA] = "private data",
};

static_assert(ARRAY_SIZE(names) == FERRY_NOUTCOMES);

/**
 * ferry_outcome_name() - name of an outcome
 * @outcome: enum ferry_outcome, or any other value
 *
 * Context: any.
 * Return: a constant string, for example "moved"; "unknown" for a value that is
 * no outcome.
 */
const char *ferry_outcome_name(u8 outcome)
{
	return outcome < FERRY_NOUTCOMES ? names[outcome] : "unknown";
}
EXPORT_SYMBOL_GPL(ferry_outcome_name);
