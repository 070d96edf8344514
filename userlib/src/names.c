// SPDX-License-Identifier: MIT
/* Names for the kernel's numbers. */
#include <stdio.h>

#include "internal.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const outcomes[] = {
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
	[DRM_FERRY_QUOTA] = "over quota",
	[DRM_FERRY_SHARED] = "shared",
	[DRM_FERRY_PRIVATE_DATA] = "private data",
};

static const char *const places[] = {
	[DRM_FERRY_PAGE_NONE] = "none",
	[DRM_FERRY_PAGE_SWAPPED] = "swapped",
	[DRM_FERRY_PAGE_SYSTEM] = "system",
	[DRM_FERRY_PAGE_THIS_DEVICE] = "this device",
	[DRM_FERRY_PAGE_OTHER_DEVICE] = "other device",
	[DRM_FERRY_PAGE_MIGRATING] = "migrating",
	[DRM_FERRY_PAGE_SPECIAL] = "special",
};

static const struct {
	uint32_t bit;
	const char *name;
} flags[] = {
	{ DRM_FERRY_PAGE_READABLE, "readable" },
	{ DRM_FERRY_PAGE_WRITABLE, "writable" },
	{ DRM_FERRY_PAGE_EXCLUSIVE, "exclusive" },
	{ DRM_FERRY_PAGE_ZERO, "zero page" },
};

FERRY_EXPORT const char *ferry_outcome_name(unsigned int outcome)
{
	return outcome < COUNT(outcomes) ? outcomes[outcome] : "unknown";
}

FERRY_EXPORT const char *ferry_page_place(uint32_t page)
{
	uint32_t place = page & DRM_FERRY_PAGE_WHERE_MASK;

	return place < COUNT(places) ? places[place] : "unknown";
}

/* As snprintf(): writes as much as fits, and counts everything. */
struct text {
	char *to;
	size_t size;
	size_t length;
};

static void append(struct text *text, const char *what, const char *more)
{
	bool room = text->length < text->size;

	text->length += snprintf(room ? text->to + text->length : NULL,
				 room ? text->size - text->length : 0, "%s%s", what, more);
}

FERRY_EXPORT size_t ferry_page_text(uint32_t page, char *to, size_t size)
{
	uint32_t order = (page & DRM_FERRY_PAGE_ORDER_MASK) >> DRM_FERRY_PAGE_ORDER_SHIFT;
	uint32_t rest = page & ~(DRM_FERRY_PAGE_WHERE_MASK | DRM_FERRY_PAGE_ORDER_MASK);
	struct text text = { to, size, 0 };
	char number[16];
	size_t i;

	append(&text, ferry_page_place(page), "");
	for (i = 0; i < COUNT(flags); i++) {
		if (rest & flags[i].bit)
			append(&text, ", ", flags[i].name);
		rest &= ~flags[i].bit;
	}
	if (order) {
		snprintf(number, sizeof(number), "%u", order);
		append(&text, ", order ", number);
	}
	if (rest) {
		snprintf(number, sizeof(number), "%#x", rest);
		append(&text, ", unknown ", number);
	}
	return text.length;
}
