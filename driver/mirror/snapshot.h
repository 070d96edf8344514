/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_SNAPSHOT_H
#define FERRY_MIRROR_SNAPSHOT_H

#include <linux/types.h>

struct ferry_device;
struct ferry_mirror;
struct mm_struct;
struct page;
struct vm_area_struct;

/*
 * Bits of ferry_page_state.flags: a place (WHERE_MASK), and what the device may
 * do. The values are those of DRM_FERRY_PAGE_*; the front end checks the
 * equality.
 */
enum {
	FERRY_STATE_WHERE_MASK = 0xf,
	FERRY_STATE_NONE = 0x0,
	FERRY_STATE_SWAPPED = 0x1,
	FERRY_STATE_SYSTEM = 0x2,
	FERRY_STATE_THIS_DEVICE = 0x3,
	FERRY_STATE_OTHER_DEVICE = 0x4,
	FERRY_STATE_MIGRATING = 0x5,
	FERRY_STATE_SPECIAL = 0x6,
	FERRY_STATE_READABLE = 0x10,
	FERRY_STATE_WRITABLE = 0x20,
	FERRY_STATE_EXCLUSIVE = 0x40,
	FERRY_STATE_ZERO = 0x80,
	FERRY_STATE_ORDER_SHIFT = 8,
	FERRY_STATE_ORDER_MASK = 0x3f00,
};

/**
 * struct ferry_page_state - what a snapshot finds at one address
 * @flags: FERRY_STATE_*
 * @outcome: why a migration would leave the page, as far as visible
 * @coherent: the page is in coherent device memory
 * @page: a normal page in system memory, without a reference; otherwise NULL
 */
struct ferry_page_state {
	u32 flags;
	u8 outcome;
	bool coherent;
	struct page *page;
};

struct ferry_page_state ferry_snapshot_page(struct ferry_device *device,
					    struct vm_area_struct *vma,
					    unsigned long addr);
bool ferry_snapshot_has_table(struct mm_struct *mm, unsigned long addr,
			      unsigned long *next);
unsigned long ferry_snapshot_find_ksm(struct vm_area_struct *vma,
				      unsigned long addr, unsigned long end);
void ferry_snapshot_judge(struct ferry_page_state *state);

typedef void (*ferry_look_fn)(unsigned long i, const struct ferry_page_state *state,
			      void *arg);
int ferry_mirror_look(struct ferry_mirror *mirror, unsigned long addr, unsigned long n,
		      ferry_look_fn fn, void *arg);
int ferry_mirror_snapshot(struct ferry_mirror *mirror, unsigned long addr,
			  unsigned long len, u32 __user *pages, u64 *done);

#endif
