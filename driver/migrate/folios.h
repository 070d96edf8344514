/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole folios to a NUMA node: see folios.c. */
#ifndef FERRY_MIGRATE_FOLIOS_H
#define FERRY_MIGRATE_FOLIOS_H

#include <linux/gfp_types.h>
#include <linux/types.h>

struct folio;
struct list_head;

/**
 * struct ferry_folios - a move of whole folios to a NUMA node
 * @node: the node, online and with memory
 * @gfp: flags of the destinations' allocation, without __GFP_COMP
 * @wait: a folio under writeback is waited for, between two passes; false: the
 *	folio stays
 * @get_dst: optional: allocates a destination with the order of @src, with one
 *	reference; NULL: the page allocator, on @node
 * @put_dst: optional: takes over the reference on an unused destination, which
 *	is unlocked and as @get_dst returned the folio; called exactly once for
 *	each. NULL: the reference is put
 * @private: for the callbacks
 * @moved: out: number of pages that moved
 * @passes: out: number of passes over the list, at most FERRY_MIGRATE_PASSES
 * @flushes: out: number of flushes of the TLB: one for each batch
 * @why: out: outcome of the last folio that stayed, enum ferry_outcome
 */
struct ferry_folios {
	int node;
	gfp_t gfp;
	bool wait;
	struct folio *(*get_dst)(struct folio *src, struct ferry_folios *move);
	void (*put_dst)(struct folio *dst, struct ferry_folios *move);
	void *private;
	unsigned long moved;
	unsigned int passes;
	unsigned int flushes;
	u8 why;
};

unsigned long ferry_migrate_folios(struct list_head *folios, struct ferry_folios *move);

#endif
