/* SPDX-License-Identifier: GPL-2.0-only */
/* Owners of device pages, and evictions that find pages by owner. */
#ifndef FERRY_DEVICE_OWNER_H
#define FERRY_DEVICE_OWNER_H

#include "memory.h"

struct ferry_owner *ferry_owner_create(struct ferry_memory *memory, kuid_t uid);
unsigned long ferry_owner_held(const struct ferry_owner *owner);
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner);

unsigned long ferry_memory_evict_begin(struct ferry_memory *memory,
				       const struct ferry_owner *owner,
				       unsigned long *cursor, unsigned long max,
				       unsigned long *pfn);
unsigned long ferry_memory_evict_orphans_begin(struct ferry_memory *memory,
					       unsigned long *cursor, unsigned long max,
					       unsigned long *pfn);
void ferry_memory_evict_end(struct ferry_memory *memory, unsigned long pfn,
			    unsigned long n);

bool ferry_memory_fault_begin(struct page *page);
void ferry_memory_fault_end(struct page *page, bool moved, unsigned long around);
bool ferry_memory_comes_alone(const struct page *page);

void ferry_owner_fail_next(struct ferry_owner *owner);
bool ferry_owner_take_failure(struct ferry_owner *owner);
bool ferry_memory_take_failure(const struct page *page);

void ferry_owner_has_none(struct ferry_memory *memory, struct ferry_owner *owner);

/*
 * Takes one page off an owner's count. The last page frees an orphaned owner.
 */
static inline void ferry_owner_drop(struct ferry_memory *memory, struct ferry_owner *owner)
{
	if (unlikely(owner->user))
		atomic_long_dec(&owner->user->held);
	if (atomic_long_dec_and_test(&owner->held))
		ferry_owner_has_none(memory, owner);
}

#endif
