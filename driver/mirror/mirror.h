/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_MIRROR_H
#define FERRY_MIRROR_MIRROR_H

#include <linux/atomic.h>
#include <linux/gfp_types.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "device/memory.h"
#include "migrate/timing.h"
#include "stats.h"

/**
 * DOC: Ownership and lock order of the mirror layer
 *
 * A mirror joins one address space and one device. The front end creates one
 * mirror for each open file. The mirror calls the engine (migrate/) and the
 * device (device/), never the reverse. The kernel calls the mirror in two
 * places: the interval notifier (notifier.c) and migrate_to_ram (cpu_fault.c).
 *
 * Owner and owned object:
 *
 * mirror   the mm's struct (mmgrab()), the windows, the statistics, and one
 *          struct ferry_owner until ferry_mirror_disown()
 * window   one interval notifier and the entries of the device's page table
 * device   the memory, and for each page the owner to which the page is handed
 *          out; orphans belong to the device alone
 * engine   no state between calls; the notes are in src[] and dst[]
 *
 * Lock order, outermost first:
 *
 * 1. mmap_lock, for read.
 * 2. Page locks, by trylock only.
 * 3. ferry_window.lock. The notifier takes this lock, also in reclaim. Under
 *    the lock nothing is allocated, faulted in, or locked.
 * 4. ferry_memory.lock and the lock of ferry_mirror.windows. No lock of the
 *    mirror nests inside. device/memory.h nests ferry_memory.users_lock inside
 *    ferry_memory.lock.
 *
 * The mirror itself has no lock. No lock of the driver is held over an engine
 * call: the engine's own invalidations call the notifier (I15).
 */

struct ferry_backend;
struct ferry_device;

/*
 * Allocations without which a call cannot run. The allocator tries hard; a
 * failure is -ENOMEM. The OOM killer kills no process (docs/memory.md).
 */
#define FERRY_GFP_CALL	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * A migration goes to the engine in batches of at most FERRY_BATCH_TABLES page
 * tables, for 4 KiB pages. Page counts that bound memory are constants, not
 * derived from the page table: a table of 64 KiB pages may map 512 MiB, and on
 * powerpc the size of a table is known at boot only.
 */
#define FERRY_BATCH_TABLES	4
#define FERRY_TABLE_PAGES	512
#define FERRY_BATCH_PAGES	(FERRY_BATCH_TABLES * FERRY_TABLE_PAGES)

/**
 * struct ferry_mirror - one address space on one device
 * @device: the device; outlives the mirror
 * @mm: the address space; the mirror holds a reference to the struct
 *	(mmgrab()), not to the users
 * @owner: the owner by which @device counts the pages of this mirror; NULL
 *	after ferry_mirror_disown()
 * @windows: the device's page table: struct ferry_window by address /
 *	FERRY_WINDOW_SIZE
 * @nwindows: number of windows in @windows; under the lock of @windows
 * @evict_hand: index where the search for a surplus window begins; under the
 *	lock of @windows
 * @stats: statistics of this mirror
 */
struct ferry_mirror {
	struct ferry_device *device;
	struct mm_struct *mm;
	struct ferry_owner *owner;
	struct xarray windows;
	unsigned long nwindows;
	unsigned long evict_hand;
	struct ferry_mirror_stats stats;
};

/* address_space.c */
void ferry_mirrors_enable(void);
enum ferry_mirror_flags {
	FERRY_MIRROR_ALONE = 1,	/* no fault-around for its pages */
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
 * @target: destination
 * @backend: engine that migrates
 * @flush: flush strategy, supported by @backend
 * @outcomes: user memory with one byte for each page of the range, or NULL
 * @need_read: a mapping that is not readable ends the call with -EINVAL
 * @skip_holes: addresses without a page stay as found, mapped or not, with the
 *	outcome FERRY_HOLE
 * @uses: private to mirror/migrate.c: the call counts as a user of the device's
 *	memory, and RELEASE waits (device/turns.c)
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

/* charge.c */
unsigned long ferry_charge_room(struct mm_struct *mm, unsigned long npages);

/* holes.c */
unsigned long ferry_skip_holes(struct mm_struct *mm, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long end);

/* populate.c */

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
 * @gfp: to system memory: flags of the allocation
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
	const struct ferry_backend *backend;
	enum ferry_timing_way way;
};

int ferry_populate_device(const struct ferry_populate *request);
int ferry_populate_system(const struct ferry_populate *request);

/* snapshot.c */

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

/* device_fault.c */

/* The access that a device fault must make possible. */
enum ferry_access {
	FERRY_ACCESS_PEEK,	/* entries for pages on this device; no fault */
	FERRY_ACCESS_READ,
	FERRY_ACCESS_WRITE,
	FERRY_ACCESS_EXCLUSIVE,	/* as FERRY_ACCESS_WRITE, and in system memory */
};

int ferry_mirror_map(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		     enum ferry_access access);

/* access.c */
typedef void (*ferry_access_fn)(void *bytes, size_t n, void *arg);
void ferry_access_copy_out(void *bytes, size_t n, void *arg);
void ferry_access_copy_in(void *bytes, size_t n, void *arg);

int ferry_mirror_access(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			enum ferry_access access, ferry_access_fn fn, void *arg);
int ferry_mirror_access_mapped(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			       enum ferry_access access, ferry_access_fn fn,
			       void *arg, u64 *done);
int ferry_mirror_transfer(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			  enum ferry_access access, void __user *buffer, u64 *done);
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

/*
 * Tries while other threads fault on the page: each thread holds its reference
 * only until do_swap_page() returns.
 */
#define FERRY_CPU_FAULT_TRIES	10

int ferry_cpu_fault_try(struct vm_area_struct *vma, unsigned long addr, void *owner,
			enum ferry_memory_kind kind, struct page *fault_page);
vm_fault_t ferry_cpu_fault(struct vm_fault *vmf);

#endif
