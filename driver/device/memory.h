/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_MEMORY_H
#define FERRY_DEVICE_MEMORY_H

#include <linux/atomic.h>
#include <linux/memremap.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "config.h"

struct ferry_chunk;

/**
 * struct ferry_owner - who device pages are handed out to
 * @held: pages handed out and not back yet
 * @cpu_faults: pages of this owner that a CPU's touch brought home; under
 *	ferry_memory.lock
 * @cpu_faults_around: pages that came home beside one of those; same lock
 * @cpu_fault_races: touches that found another thread at it; same lock
 * @alone: a CPU's touch of one of its pages brings home no other; set before any is
 *	handed out
 *
 * Embedded in whatever asks for pages; it lives until ferry_memory_disown().
 */
struct ferry_owner {
	atomic_long_t held;
	u64 cpu_faults;
	u64 cpu_faults_around;
	u64 cpu_fault_races;
	bool alone;
};

/**
 * struct ferry_memory - all memory of one device
 * @config: what it was made from
 * @npages: capacity, a hard limit
 * @nchunks: entries of @chunks
 * @ops: what the kernel calls for the pages of all chunks
 * @pgmap_owner: what migrate_vma and HMM know the device by
 * @claim: coherent: the whole range
 * @chunks_lock: held to change @chunks, and over an eviction by pfn. Outside
 *	mmap_lock, page locks and @lock
 * @chunks: NULL where one was unplugged; changed under both locks
 * @nplugged: how many are not; written under both locks
 * @lock: guards the members below and those that say so in chunk.h. Innermost;
 *	never taken by page_free, which may come in any context
 * @unplugging: callers between unplug_begin and unplug_end; none is handed out
 * @next: chunk that the last page was handed out of; not all full ones are looked at
 * @orphans: owner of pages whose owner went away before they could come home
 */
struct ferry_memory {
	struct ferry_device_config config;
	unsigned long npages;
	unsigned int nchunks;
	struct dev_pagemap_ops ops;
	void *pgmap_owner;
	struct resource *claim;

	struct mutex chunks_lock;	/* see above */
	struct ferry_chunk **chunks;
	unsigned int nplugged;

	spinlock_t lock;	/* see above */
	unsigned int unplugging;
	unsigned int next;
	struct ferry_owner orphans;
};

/* memory.c */
unsigned long ferry_memory_alloc(struct ferry_memory *memory,
				 struct ferry_owner *owner, unsigned long n,
				 struct page **pages);
void ferry_memory_free(struct ferry_memory *memory, struct page **pages,
		       unsigned long n);
unsigned long ferry_memory_used(struct ferry_memory *memory);
bool ferry_memory_owns(const struct page *page);
void *ferry_memory_address(const struct page *page);
unsigned long ferry_memory_span(const struct page *page, void **address);

void ferry_memory_page_free(struct page *page);

/* owner.c */
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner);

unsigned long ferry_memory_evict_begin(struct ferry_memory *memory,
				       const struct ferry_owner *owner,
				       unsigned long *cursor, unsigned long max,
				       unsigned long *pfn);
void ferry_memory_evict_end(struct ferry_memory *memory, unsigned long pfn,
			    unsigned long n);

bool ferry_memory_fault_begin(struct page *page);
void ferry_memory_fault_end(struct page *page, bool came_home, unsigned long around);
bool ferry_memory_comes_alone(const struct page *page);

/* plug.c */
struct ferry_memory *
ferry_memory_create(const struct ferry_device_config *config, void *pgmap_owner,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf));
void ferry_memory_destroy(struct ferry_memory *memory);

void ferry_memory_unplug_begin(struct ferry_memory *memory);
int ferry_memory_unplug_end(struct ferry_memory *memory);
int ferry_memory_plug(struct ferry_memory *memory);

#endif
