/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_POPULATE_H
#define FERRY_MIRROR_POPULATE_H

#include <linux/gfp_types.h>
#include <linux/types.h>

#include "migrate/timing.h"

struct ferry_backend;
struct ferry_memory;
struct ferry_owner;
struct mm_struct;
struct vm_area_struct;

/**
 * struct ferry_populate - request for destination pages
 * @src: the engine's array of sources, after setup
 * @dst: the engine's array of destinations; zero on entry
 * @outcome: one byte for each slot, or NULL; a slot without a destination gets
 *	FERRY_NO_MEMORY or FERRY_QUOTA
 * @npages: number of slots
 * @memory: to the device: the memory with the destinations
 * @owner: to the device: the owner of the new pages
 * @vma: to system memory: the mapping with the NUMA policy, or NULL. With NULL
 *	the task's policy is used, or with @by_rmap the policy of a mapping that
 *	the rmap finds
 * @mm: to system memory, with @by_rmap: the address space whose mmap_lock the
 *	caller holds, or NULL
 * @by_rmap: to system memory: the caller or the engine holds the anon_vma of
 *	each page
 * @start: to system memory: address of slot 0
 * @gfp: to system memory and to a node: flags of the allocation
 * @node: to a node: the node, with memory
 * @backend: engine; required by ferry_populate_device(). For ferry_populate_system():
 *	engine for the timing, or NULL for no timing
 * @way: kind of migration, for the timing
 */
struct ferry_populate {
	const unsigned long *src;
	unsigned long *dst;
	u8 *outcome;
	unsigned long npages;
	struct ferry_memory *memory;
	struct ferry_owner *owner;
	struct vm_area_struct *vma;
	unsigned long start;
	struct mm_struct *mm;
	bool by_rmap;
	gfp_t gfp;
	int node;
	const struct ferry_backend *backend;
	enum ferry_timing_way way;
};

int ferry_populate_device(const struct ferry_populate *request);
int ferry_populate_system(const struct ferry_populate *request);
int ferry_populate_node(const struct ferry_populate *request);
void ferry_populate_give_back(unsigned long *dst);

#endif
