/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_OUTCOME_H
#define FERRY_MIGRATE_OUTCOME_H

#include <linux/types.h>

/*
 * Result of the migration for one page. The values are those of enum
 * drm_ferry_outcome, which documents each value; the front end checks the
 * equality.
 */
enum ferry_outcome {
	FERRY_NOT_ATTEMPTED,
	FERRY_MOVED,
	FERRY_NOT_MOVED,
	FERRY_ALREADY_THERE,
	FERRY_HOLE,
	FERRY_ZERO_FILLED,
	FERRY_PINNED,
	FERRY_SHARED_BUSY,
	FERRY_LOCKED,
	FERRY_WRITEBACK,
	FERRY_NOT_LRU,
	FERRY_KSM,
	FERRY_FOREIGN_DEVICE,
	FERRY_NO_MEMORY,
	FERRY_NO_DESTINATION,
	FERRY_UFFD,
	FERRY_FILE,
	FERRY_SWAPPED,
	FERRY_MIGRATING,
	FERRY_EXCLUSIVE,
	FERRY_SPECIAL,
	FERRY_HWPOISON,
	FERRY_LARGE_SPLIT_FAILED,
	FERRY_RACED,
	FERRY_COPY_FAILED,
	FERRY_QUOTA,
	FERRY_SHARED,
	FERRY_PRIVATE_DATA,
	FERRY_NOUTCOMES,
};

const char *ferry_outcome_name(u8 outcome);

#endif
