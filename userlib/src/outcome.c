// SPDX-License-Identifier: MIT
#include "internal.h"

static const char *const names[] = {
	[DRM_FERRY_NOT_ATTEMPTED] = "not attempted",
	[DRM_FERRY_MOVED] = "moved",
	[DRM_FERRY_NOT_MOVED] = "not moved",
	[DRM_FERRY_ALREADY_THERE] = "already there",
	[DRM_FERRY_HOLE] = "hole",
	[DRM_FERRY_ZERO_FILLED] = "zero-filled",
	[DRM_FERRY_PINNED] = "pinned",
	[DRM_FERRY_SHARED_BUSY] = "shared and busy",
	[DRM_FERRY_LOCKED] = "locked",
	[DRM_FERRY_WRITEBACK] = "under writeback",
	[DRM_FERRY_NOT_LRU] = "not on the LRU",
	[DRM_FERRY_KSM] = "KSM",
	[DRM_FERRY_FOREIGN_DEVICE] = "on another device",
	[DRM_FERRY_NO_MEMORY] = "no memory",
	[DRM_FERRY_NO_DESTINATION] = "no destination",
	[DRM_FERRY_UFFD] = "userfaultfd",
	[DRM_FERRY_FILE] = "of a file",
	[DRM_FERRY_SWAPPED] = "swapped",
	[DRM_FERRY_MIGRATING] = "migrating",
	[DRM_FERRY_EXCLUSIVE] = "exclusive",
	[DRM_FERRY_SPECIAL] = "special",
	[DRM_FERRY_HWPOISON] = "broken memory",
	[DRM_FERRY_LARGE_SPLIT_FAILED] = "part of a large folio",
	[DRM_FERRY_RACED] = "raced",
	[DRM_FERRY_COPY_FAILED] = "copy failed",
};

FERRY_EXPORT const char *ferry_outcome_name(unsigned int outcome)
{
	if (outcome >= sizeof(names) / sizeof(*names))
		return "unknown";
	return names[outcome];
}
