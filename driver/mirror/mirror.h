/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_MIRROR_H
#define FERRY_MIRROR_MIRROR_H

#include <linux/atomic.h>
#include <linux/gfp_types.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "device/memory.h"
#include "migrate/stamp.h"
#include "migrate/tally.h"

struct ferry_backend;
struct ferry_device;

/*
 * What a call needs to do anything: it tries hard, and ends in -ENOMEM; no process is
 * killed for it (docs/memory.md).
 */
#define FERRY_GFP_CALL	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * Migrations go to the engine in pieces of some page tables at the most, where a page has
 * 4 KiB. Numbers of pages that bound memory are constants: of 64 KiB pages a table may
 * map 512 MiB, or its size is known at boot only (powerpc).
 */
#define FERRY_BATCH_TABLES	4
#define FERRY_TABLE_PAGES	512
#define FERRY_BATCH_PAGES	(FERRY_BATCH_TABLES * FERRY_TABLE_PAGES)

/**
 * struct ferry_mirror_stats - counters, see struct drm_ferry_stats
 */
struct ferry_mirror_stats {
	atomic64_t to_device;
	atomic64_t zero_filled;
	atomic64_t to_system;
	atomic64_t failed;
	atomic64_t device_faults;
	atomic64_t device_fault_retries;
	atomic64_t invalidations;
	atomic64_t bytes_read;
	atomic64_t bytes_written;
	atomic64_t ops;
};

/**
 * struct ferry_mirror - one address space on one device
 * @device: which device
 * @mm: which address space; a reference to the struct, not to its users
 * @owner: what @device knows our pages by
 * @windows: the device's page table: struct ferry_window by address / FERRY_WINDOW_SIZE
 * @nwindows: how many there are; under the lock of @windows
 * @evict_hand: where to look for a window to give up; under the same
 * @stats: counters
 * @tally: of this mirror's migrations
 */
struct ferry_mirror {
	struct ferry_device *device;
	struct mm_struct *mm;
	struct ferry_owner *owner;
	struct xarray windows;
	unsigned long nwindows;
	unsigned long evict_hand;
	struct ferry_mirror_stats stats;
	struct ferry_tally tally;
};

/* address_space.c */
void ferry_mirrors_enable(void);
enum ferry_mirror_flags {
	FERRY_MIRROR_ALONE = 1,	/* a CPU's touch of its pages brings home no other */
};

struct ferry_mirror *ferry_mirror_create(struct ferry_device *device,
					 enum ferry_mirror_flags flags);
void ferry_mirror_destroy(struct ferry_mirror *mirror);
int ferry_mirror_enter_own(struct ferry_mirror *mirror);
void ferry_mirror_leave(struct ferry_mirror *mirror);
int ferry_mirror_check(const struct ferry_mirror *mirror, u64 addr, u64 len);

/* mirror/migrate.c */
enum ferry_target {
	FERRY_TARGET_DEVICE,
	FERRY_TARGET_SYSTEM,
};

/**
 * struct ferry_range - one request to migrate
 * @start: first byte, page-aligned
 * @end: end, exclusive, page-aligned
 * @target: where to
 * @backend: which engine
 * @flush: one that @backend can
 * @outcomes: NULL, or a byte for each page of the range
 * @need_read: a mapping that is not readable is -EINVAL
 * @skip_holes: what holds no page is left alone, mapped or not: DRM_FERRY_HOLE
 * @uses: of mirror/migrate.c: no RELEASE takes the device's memory away
 * @done: out: bytes dealt with
 * @ended_by: out: the error that the call ended early with, also where it is not
 *	returned; 0: none
 * @moved: out: pages moved or zero-filled
 * @already: out: pages with nothing to do
 * @failed: out: pages not moved
 */
struct ferry_range {
	unsigned long start;
	unsigned long end;
	enum ferry_target target;
	const struct ferry_backend *backend;
	enum ferry_flush flush;
	u8 __user *outcomes;
	bool need_read;
	bool skip_holes;
	bool uses;

	u64 done;
	int ended_by;
	u64 moved;
	u64 already;
	u64 failed;
};

int ferry_mirror_migrate(struct ferry_mirror *mirror, struct ferry_range *range);
struct ferry_tally *ferry_mirror_device_tally(const struct ferry_device *device);

/* charge.c */
unsigned long ferry_charge_room(struct mm_struct *mm, unsigned long npages);

/* holes.c */
unsigned long ferry_skip_holes(struct mm_struct *mm, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long end);

/* populate.c */

/**
 * struct ferry_fill - destinations that are wanted
 * @src: the engine's array of sources, after setup
 * @dst: its array of destinations: zero, filled in
 * @outcome: NULL, or a byte for each slot: DRM_FERRY_NO_MEMORY where there was none
 * @npages: slots
 * @memory: to the device: which
 * @owner: to the device: to whom the pages are handed out
 * @vma: home: whose NUMA policy holds; NULL: the task's, or with @by_rmap that of a
 *	mapping which the rmap finds
 * @mm: home, with @by_rmap: whose mmap_lock is held, or NULL
 * @by_rmap: home: the pages' anon_vmas are held
 * @start: home: address of slot 0
 * @gfp: home: how to allocate
 * @backend: whose time it takes, for the stamps; NULL: it is not counted
 * @way: what for
 */
struct ferry_fill {
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
	const struct ferry_backend *backend;
	enum ferry_stamp_way way;
};

int ferry_fill_device(const struct ferry_fill *fill);
int ferry_fill_home(const struct ferry_fill *fill);

/* snapshot.c */

/**
 * struct ferry_page_state - what was seen at one address
 * @flags: DRM_FERRY_PAGE_*
 * @outcome: what would keep a migration away, as far as it shows
 * @coherent: the device memory it is in is coherent
 * @page: of a normal page in system memory, without a reference; else NULL
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

/* device_fault.c */

/* What a device fault is to end in. */
enum ferry_access {
	FERRY_LOOKS,	/* entries for what is on this device; no fault */
	FERRY_READS,
	FERRY_WRITES,
	FERRY_OWNS,	/* as WRITES, and in system memory */
};

int ferry_mirror_map(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		     enum ferry_access access);

/* access.c */
typedef void (*ferry_access_fn)(void *bytes, size_t n, void *arg);
void ferry_access_copy_out(void *bytes, size_t n, void *arg);
void ferry_access_copy_in(void *bytes, size_t n, void *arg);

enum ferry_access_flags {
	FERRY_ACCESS_WRITE = 1,
};

int ferry_mirror_access(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			enum ferry_access_flags flags, ferry_access_fn fn, void *arg);
int ferry_mirror_access_mapped(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			       enum ferry_access_flags flags, ferry_access_fn fn,
			       void *arg, u64 *done);
int ferry_mirror_read(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		      void __user *buffer, u64 *done);
int ferry_mirror_write(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		       const void __user *buffer, u64 *done);
int ferry_mirror_copy(struct ferry_mirror *mirror, unsigned long dst,
		      unsigned long src, u64 len);

/* exec.c */
struct drm_ferry_exec_op;
int ferry_exec_check(const struct ferry_mirror *mirror,
		     const struct drm_ferry_exec_op *op);
int ferry_exec_run(struct ferry_mirror *mirror, struct drm_ferry_exec_op *op);

/* exclusive.c */
int ferry_mirror_make_exclusive(struct ferry_mirror *mirror, unsigned long addr,
				u64 len);
bool ferry_mirror_is_exclusive(struct ferry_mirror *mirror, unsigned long addr,
			       u64 len);

/* evict.c */
void ferry_orphans_init(struct ferry_device *device);
void ferry_orphans_fini(struct ferry_device *device);
void ferry_mirror_evict(struct ferry_mirror *mirror);
void ferry_mirror_disown(struct ferry_mirror *mirror);
int ferry_mirror_release_device(struct ferry_mirror *mirror);

/* cpu_fault.c */

/* For other faulters at the same page: as long as a return from do_swap_page(). */
#define FERRY_HOME_TRIES	10

int ferry_home_try(struct vm_area_struct *vma, unsigned long addr, void *owner,
		   enum ferry_memory_kind kind, struct page *fault_page);
vm_fault_t ferry_cpu_fault(struct vm_fault *vmf);

#endif
