/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_MIGRATE_H
#define FERRY_MIRROR_MIGRATE_H

#include <linux/types.h>

#include "migrate/migrate.h"

struct ferry_backend;
struct ferry_mirror;

enum ferry_target {
	FERRY_TARGET_DEVICE,
	FERRY_TARGET_SYSTEM,
	FERRY_TARGET_NODE,
};

/**
 * struct ferry_range - one request to migrate
 * @start: first byte, page-aligned
 * @end: end, exclusive, page-aligned
 * @target: destination
 * @node: with FERRY_TARGET_NODE: the node, online and with memory
 * @strict: with FERRY_TARGET_NODE: no other node will do, and memory of the node
 *	is reclaimed
 * @shared: with FERRY_TARGET_NODE: pages that are mapped more than once move too
 * @backend: engine that migrates
 * @flush: flush strategy, supported by @backend
 * @outcomes: user memory with one byte for each page of the range, or NULL
 * @need_read: a mapping that is not readable ends the call with -EINVAL
 * @skip_holes: addresses without a page stay as found, mapped or not, with the
 *	outcome FERRY_HOLE
 * @uses: private to mirror/migrate.c: the call counts as a user of the device's
 *	memory, and RELEASE waits (device/turns.c)
 * @no_memory: out: at least one page stays for want of system memory, or by
 *	FAIL_ALLOC
 * @done: out: bytes of the range with a final outcome
 * @ended_by: out: negative errno that ended the call early, also if the call
 *	returns 0; 0 if no error occurred
 * @moved: out: pages moved or zero-filled
 * @already: out: pages with nothing to do
 * @failed: out: pages not moved
 */
struct ferry_range {
	unsigned long start;
	unsigned long end;
	enum ferry_target target;
	int node;
	bool strict;
	bool shared;
	const struct ferry_backend *backend;
	enum ferry_flush flush;
	u8 __user *outcomes;
	bool need_read;
	bool skip_holes;
	bool uses;

	bool no_memory;
	u64 done;
	int ended_by;
	u64 moved;
	u64 already;
	u64 failed;
};

int ferry_mirror_migrate(struct ferry_mirror *mirror, struct ferry_range *range);

#endif
