/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_DEVICE_FAULT_H
#define FERRY_MIRROR_DEVICE_FAULT_H

#include <linux/types.h>

struct ferry_mirror;
struct ferry_window;

/* The access that a device fault must make possible. */
enum ferry_access {
	FERRY_ACCESS_PEEK,	/* entries for pages on this device; no fault */
	FERRY_ACCESS_READ,
	FERRY_ACCESS_WRITE,
	FERRY_ACCESS_EXCLUSIVE,	/* as FERRY_ACCESS_WRITE, and in system memory */
};

/* How a fault waits, and the signals that end a wait for userfaultfd's monitor. */
enum ferry_wait {
	FERRY_INTERRUPTIBLE,	/* any signal: the access can end or be repeated */
	FERRY_KILLABLE,		/* SIGKILL only: a part is done, and must not be repeated */
	FERRY_UNLOCKED,		/* as FERRY_KILLABLE; no lock is held in any wait */
};

int ferry_mirror_map(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		     enum ferry_access access, enum ferry_wait wait);

int ferry_window_fault_lock(struct ferry_window *window, unsigned long addr, unsigned long end,
			    enum ferry_access access, enum ferry_wait wait);

#endif
