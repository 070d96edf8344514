/* SPDX-License-Identifier: MIT */
/*
 * Ferry's ioctls, on the render node of each device (driver name "ferry").
 *
 * An open file is bound to the address space (mm) of the process that opened
 * it, and every address below is one of that process's. Sizes and addresses
 * are in bytes.
 *
 *	number	ioctl				struct
 *	0x00	DRM_IOCTL_FERRY_QUERY		drm_ferry_query
 *	0x01	DRM_IOCTL_FERRY_MIGRATE		drm_ferry_migrate
 *	0x02	DRM_IOCTL_FERRY_SNAPSHOT	drm_ferry_snapshot
 *	0x03	DRM_IOCTL_FERRY_READ		drm_ferry_read
 *	0x04	DRM_IOCTL_FERRY_WRITE		drm_ferry_write
 *	0x05	DRM_IOCTL_FERRY_EXEC		drm_ferry_exec
 *	0x06	DRM_IOCTL_FERRY_STATS		drm_ferry_stats
 *	0x07 to 0x1f are reserved.
 *
 *	errno		what it means, for every ioctl
 *	EINVAL		a range that is zero, wraps, leaves user space or (MIGRATE,
 *			SNAPSHOT) is not a multiple of the page size; memory that
 *			cannot migrate (hugetlb, VM_SPECIAL, DAX; PROT_MTE, to the
 *			device); an unknown value, flag or number; a reserved field
 *			that is not zero
 *	EOPNOTSUPP	known, but not built or not possible on this kernel
 *	E2BIG		the struct is longer than the kernel's and its tail is not
 *			zero: the caller asks for something this kernel does not know
 *	EBADF		the file belongs to another address space: open your own
 *	ESRCH		the address space that the file belongs to has ended
 *	EFAULT		an address that is not mapped, or not as the access needs it, or
 *			whose page could not be faulted in (out of memory included);
 *			secret memory (memfd_secret); a bad pointer
 *	EPERM		a device write to a mapping that may be read but not written (one
 *			that may not be read either is EFAULT, as hmm_range_fault() has it)
 *	ENOSPC		nothing could be moved: the device is full (the outcome of a page is
 *			DRM_FERRY_NO_MEMORY), or this file or its user may have no more of it
 *			(DRM_FERRY_QUOTA; STATS tells how much)
 *	ENOMEM		the system is out of memory
 *	EBUSY		the address space changed under the device at each of a
 *			bounded number of tries; try again
 *	EINTR		a signal came before any progress; the struct is unchanged
 *
 * No ioctl returns EAGAIN: drmIoctl() would loop. A signal after some progress
 * is success, with less done than asked for.
 *
 * The structs are the same for 32- and 64-bit callers. They only ever grow, and
 * a shorter one stands for zeroes in what is missing. Each field that is added
 * comes with a feature bit in QUERY.
 */
#ifndef _FERRY_DRM_H_
#define _FERRY_DRM_H_

#ifdef __KERNEL__
#include <drm/drm.h>
#else
#include <linux/ioctl.h>	/* no header of libdrm: where it is depends on the system */
#include <linux/types.h>
#endif

#if defined(__cplusplus)
extern "C" {
#endif

/** DRM_FERRY_ABI_VERSION: raised when something is added. */
#define DRM_FERRY_ABI_VERSION	3

/**
 * enum drm_ferry_outcome - what became of one page
 *
 * The values are fixed and will only be added to. The own backend knows why each page
 * stayed; with core what can be known for sure is told, else DRM_FERRY_NOT_MOVED.
 *
 * @DRM_FERRY_NOT_ATTEMPTED: the call ended before this page
 * @DRM_FERRY_MOVED: its data is now where it was to go
 * @DRM_FERRY_NOT_MOVED: it is not, for a reason that is not known
 * @DRM_FERRY_ALREADY_THERE: nothing to do
 * @DRM_FERRY_HOLE: there is no page at this address
 * @DRM_FERRY_ZERO_FILLED: was a hole or the zero page, is a cleared page there
 * @DRM_FERRY_PINNED: somebody else holds references (GUP)
 * @DRM_FERRY_SHARED_BUSY: another process that maps it is busy with it
 * @DRM_FERRY_LOCKED: somebody else holds its lock
 * @DRM_FERRY_WRITEBACK: it is being written to its file or to swap
 * @DRM_FERRY_NOT_LRU: it is not on an LRU list (a balloon's page, for example)
 * @DRM_FERRY_KSM: it is merged; with core also: it is in a mapping where merged pages
 *	may be met (madvise MADV_MERGEABLE), which core does not survive
 * @DRM_FERRY_FOREIGN_DEVICE: it is in another device's memory
 * @DRM_FERRY_NO_MEMORY: no memory left where it was to go
 * @DRM_FERRY_NO_DESTINATION: no page was offered for it
 * @DRM_FERRY_UFFD: userfaultfd wants to hear of it first
 * @DRM_FERRY_FILE: it belongs to a file, shared memory included
 * @DRM_FERRY_SWAPPED: it is swapped out
 * @DRM_FERRY_MIGRATING: another migration is under way
 * @DRM_FERRY_EXCLUSIVE: a device holds it for exclusive access
 * @DRM_FERRY_SPECIAL: not normal memory
 * @DRM_FERRY_HWPOISON: its memory is broken
 * @DRM_FERRY_LARGE_SPLIT_FAILED: part of a large folio that did not split
 * @DRM_FERRY_RACED: the page table changed meanwhile
 * @DRM_FERRY_COPY_FAILED: its data could not be copied
 * @DRM_FERRY_QUOTA: this file, or all files of its user, may have no more of the
 *	device's memory (the module's parameter quota=); DRM_FERRY_FEATURE_QUOTA
 */
enum drm_ferry_outcome {
	DRM_FERRY_NOT_ATTEMPTED = 0,
	DRM_FERRY_MOVED = 1,
	DRM_FERRY_NOT_MOVED = 2,
	DRM_FERRY_ALREADY_THERE = 3,
	DRM_FERRY_HOLE = 4,
	DRM_FERRY_ZERO_FILLED = 5,
	DRM_FERRY_PINNED = 6,
	DRM_FERRY_SHARED_BUSY = 7,
	DRM_FERRY_LOCKED = 8,
	DRM_FERRY_WRITEBACK = 9,
	DRM_FERRY_NOT_LRU = 10,
	DRM_FERRY_KSM = 11,
	DRM_FERRY_FOREIGN_DEVICE = 12,
	DRM_FERRY_NO_MEMORY = 13,
	DRM_FERRY_NO_DESTINATION = 14,
	DRM_FERRY_UFFD = 15,
	DRM_FERRY_FILE = 16,
	DRM_FERRY_SWAPPED = 17,
	DRM_FERRY_MIGRATING = 18,
	DRM_FERRY_EXCLUSIVE = 19,
	DRM_FERRY_SPECIAL = 20,
	DRM_FERRY_HWPOISON = 21,
	DRM_FERRY_LARGE_SPLIT_FAILED = 22,
	DRM_FERRY_RACED = 23,
	DRM_FERRY_COPY_FAILED = 24,
	DRM_FERRY_QUOTA = 25,
};

/** enum drm_ferry_memory_kind - how the CPU sees a device's memory */
enum drm_ferry_memory_kind {
	/** @DRM_FERRY_MEMORY_PRIVATE: not at all; a touch brings the page home */
	DRM_FERRY_MEMORY_PRIVATE = 0,
	/** @DRM_FERRY_MEMORY_COHERENT: as its own */
	DRM_FERRY_MEMORY_COHERENT = 1,
};

/** enum drm_ferry_backend - which engine migrates */
enum drm_ferry_backend {
	/** @DRM_FERRY_BACKEND_DEFAULT: the module's parameter backend= */
	DRM_FERRY_BACKEND_DEFAULT = 0,
	/** @DRM_FERRY_BACKEND_CORE: the kernel's migrate_vma_*() */
	DRM_FERRY_BACKEND_CORE = 1,
	/** @DRM_FERRY_BACKEND_OWN: Ferry's own */
	DRM_FERRY_BACKEND_OWN = 2,
};

/** DRM_FERRY_FEATURE_FAULT_AROUND: STATS has cpu_faults_around */
#define DRM_FERRY_FEATURE_FAULT_AROUND	(1ull << 0)
/** DRM_FERRY_FEATURE_FLUSH_AUTO: MIGRATE knows DRM_FERRY_FLUSH_AUTO */
#define DRM_FERRY_FEATURE_FLUSH_AUTO	(1ull << 1)
/** DRM_FERRY_FEATURE_SKIP_HOLES: MIGRATE knows DRM_FERRY_MIGRATE_SKIP_HOLES */
#define DRM_FERRY_FEATURE_SKIP_HOLES	(1ull << 2)
/** DRM_FERRY_FEATURE_QUOTA: STATS has quota and quota_left; DRM_FERRY_QUOTA is reported */
#define DRM_FERRY_FEATURE_QUOTA		(1ull << 3)

/**
 * struct drm_ferry_query - what this device is and can do
 * @abi_version: out: DRM_FERRY_ABI_VERSION of the driver
 * @memory_kind: out: enum drm_ferry_memory_kind
 * @features: out: DRM_FERRY_FEATURE_* bits
 * @memory_size: out: bytes of device memory, a hard limit
 * @memory_used: out: bytes of it that hold somebody's pages
 * @page_size: out: bytes; the unit of MIGRATE and SNAPSHOT
 * @node: out: NUMA node of the backing store, -1 where none was asked for
 * @backends: out: bit N is set where enum drm_ferry_backend N can be used
 * @index: out: the device's number, from 0
 * @rsvd: zero
 */
struct drm_ferry_query {
	__u32 abi_version;
	__u32 memory_kind;
	__u64 features;
	__u64 memory_size;
	__u64 memory_used;
	__u32 page_size;
	__s32 node;
	__u32 backends;
	__u32 index;
	__u64 rsvd[4];
};

/** enum drm_ferry_target - where pages are to go */
enum drm_ferry_target {
	/** @DRM_FERRY_TARGET_DEVICE: to this device's memory */
	DRM_FERRY_TARGET_DEVICE = 0,
	/** @DRM_FERRY_TARGET_SYSTEM: home, from this device */
	DRM_FERRY_TARGET_SYSTEM = 1,
	/** @DRM_FERRY_TARGET_NODE: to NUMA node @target_id; not built */
	DRM_FERRY_TARGET_NODE = 2,
	/** @DRM_FERRY_TARGET_OTHER_DEVICE: to device @target_id; not built */
	DRM_FERRY_TARGET_OTHER_DEVICE = 3,
};

/**
 * enum drm_ferry_flush - when the TLB is flushed for pages that leave
 *
 * Those marked "own only" are EOPNOTSUPP with core.
 */
enum drm_ferry_flush {
	/** @DRM_FERRY_FLUSH_DEFAULT: own: the module's parameter flush=; core: per page */
	DRM_FERRY_FLUSH_DEFAULT = 0,
	/** @DRM_FERRY_FLUSH_PER_PAGE: for each exclusive page; all that core can */
	DRM_FERRY_FLUSH_PER_PAGE = 1,
	/** @DRM_FERRY_FLUSH_PER_TABLE: once for each page table; own only */
	DRM_FERRY_FLUSH_PER_TABLE = 2,
	/** @DRM_FERRY_FLUSH_PER_CALL: once for each call; own only */
	DRM_FERRY_FLUSH_PER_CALL = 3,
	/**
	 * @DRM_FERRY_FLUSH_AUTO: the range where the pages lie in one page table or are
	 * few, else once for each call; own only; see DRM_FERRY_FEATURE_FLUSH_AUTO
	 */
	DRM_FERRY_FLUSH_AUTO = 4,
};

/** DRM_FERRY_MIGRATE_FAULT_IN: swap in first what is swapped out; not built */
#define DRM_FERRY_MIGRATE_FAULT_IN	(1u << 0)
/**
 * DRM_FERRY_MIGRATE_SKIP_HOLES: leave alone what holds no page, with the outcome
 * DRM_FERRY_HOLE: holes, the kernel's zero page, and gaps between mappings, which do not
 * end the call then. A range may be far larger than what is in it: what has no page
 * table costs next to nothing. DRM_FERRY_FEATURE_SKIP_HOLES
 */
#define DRM_FERRY_MIGRATE_SKIP_HOLES	(1u << 1)

/**
 * struct drm_ferry_migrate - move a range's pages to the device or home
 * @addr: in: first byte, a multiple of the page size
 * @len: in: bytes, a multiple of the page size
 * @target: in: enum drm_ferry_target
 * @target_id: in: which node or device; zero for the other targets
 * @backend: in: enum drm_ferry_backend
 * @flush: in: enum drm_ferry_flush
 * @flags: in: DRM_FERRY_MIGRATE_* bits
 * @num_syncs: in: must be 0 (fences are not built)
 * @syncs: in: must be 0
 * @outcomes: in: 0, or the address of @len / page size bytes, one for each page,
 *	each an enum drm_ferry_outcome; those of the first @done bytes are written
 * @done: out: bytes of the range that were dealt with; resume at @addr + @done
 * @moved: out: pages that moved or were zero-filled
 * @already: out: pages with nothing to do: there already; holes, on the way home and with
 *	DRM_FERRY_MIGRATE_SKIP_HOLES; swapped pages, on the way home
 * @failed: out: pages that are not where they were to go
 * @rsvd: zero
 *
 * The range may span mappings. Moving is best effort, page by page, as with the
 * kernel's migrate_vma_setup(): success with counts. The call ends early, with
 * success, at the first address that is not mapped (but for
 * DRM_FERRY_MIGRATE_SKIP_HOLES) or whose mapping cannot migrate, when the device is
 * full and when a signal arrives; the error is told only if nothing was done before
 * it, a full device only if nothing moved, an @outcomes that cannot be written always.
 * To the device, holes in anonymous memory and zero pages become cleared device
 * pages, unless DRM_FERRY_MIGRATE_SKIP_HOLES is set; pages of a file stay
 * (DRM_FERRY_FILE), their private copies move.
 *
 * No process is killed for want of memory: a hole that has no room below the limit of its
 * memory cgroup stays, and so does a page that finds no memory in the system
 * (DRM_FERRY_NO_MEMORY). With core there is a race in which mm kills all the same.
 *
 * Return: 0; -EINVAL, -EFAULT, -ENOSPC, -ENOMEM, -EINTR, -EOPNOTSUPP as in the
 * table above. The counts hold on failure too, but for -EINTR.
 */
struct drm_ferry_migrate {
	__u64 addr;
	__u64 len;
	__u32 target;
	__u32 target_id;
	__u32 backend;
	__u32 flush;
	__u32 flags;
	__u32 num_syncs;
	__u64 syncs;
	__u64 outcomes;
	__u64 done;
	__u64 moved;
	__u64 already;
	__u64 failed;
	__u64 rsvd[4];
};

/* One page of a snapshot: where it is, its rights, its order. */
#define DRM_FERRY_PAGE_WHERE_MASK	0x0000000fu
#define DRM_FERRY_PAGE_NONE		0x0u	/* no page */
#define DRM_FERRY_PAGE_SWAPPED		0x1u	/* swapped out */
#define DRM_FERRY_PAGE_SYSTEM		0x2u	/* system memory */
#define DRM_FERRY_PAGE_THIS_DEVICE	0x3u	/* memory of this device */
#define DRM_FERRY_PAGE_OTHER_DEVICE	0x4u	/* memory of another device */
#define DRM_FERRY_PAGE_MIGRATING	0x5u	/* between two places just now */
#define DRM_FERRY_PAGE_SPECIAL		0x6u	/* not normal memory, or broken */
#define DRM_FERRY_PAGE_READABLE		0x00000010u
#define DRM_FERRY_PAGE_WRITABLE		0x00000020u	/* without another fault */
#define DRM_FERRY_PAGE_EXCLUSIVE	0x00000040u	/* held for a device's atomics */
#define DRM_FERRY_PAGE_ZERO		0x00000080u	/* the kernel's zero page */
#define DRM_FERRY_PAGE_ORDER_SHIFT	8
#define DRM_FERRY_PAGE_ORDER_MASK	0x00003f00u	/* log2 of pages mapped as one */

/**
 * struct drm_ferry_snapshot - where each page of a range is just now
 * @addr: in: first byte, a multiple of the page size
 * @len: in: bytes, a multiple of the page size
 * @pages: in: the address of @len / page size __u32, DRM_FERRY_PAGE_* each
 * @done: out: bytes of the range that were looked at
 * @flags: in: must be 0
 * @pad: zero
 * @rsvd: zero
 *
 * Nothing is faulted in and nothing is held: a page may move before the call
 * returns. Addresses that are not mapped read DRM_FERRY_PAGE_NONE without
 * DRM_FERRY_PAGE_READABLE.
 */
struct drm_ferry_snapshot {
	__u64 addr;
	__u64 len;
	__u64 pages;
	__u64 done;
	__u32 flags;
	__u32 pad;
	__u64 rsvd[2];
};

/**
 * struct drm_ferry_read - the device reads a range into a buffer
 * @addr: in: first byte, of any alignment
 * @len: in: bytes
 * @buffer: in: the address of @len bytes that the CPU will write
 * @done: out: bytes that are in @buffer
 * @flags: in: must be 0
 * @pad: zero
 * @rsvd: zero
 *
 * The device reads through its own page table and faults in what it does not
 * find there. Its own pages it reads in place; those of other devices come home
 * first.
 */
struct drm_ferry_read {
	__u64 addr;
	__u64 len;
	__u64 buffer;
	__u64 done;
	__u32 flags;
	__u32 pad;
	__u64 rsvd[2];
};

/**
 * struct drm_ferry_write - the device writes a range from a buffer
 * @addr: in: first byte, of any alignment
 * @len: in: bytes
 * @buffer: in: the address of @len bytes that the CPU will read
 * @done: out: bytes of the range that are written
 * @flags: in: must be 0
 * @pad: zero
 * @rsvd: zero
 *
 * As a store by the CPU: a write to a shared mapping of a file reaches the file,
 * one to a private mapping makes a private copy, one to a page that is shared
 * after fork() unshares it. A device page that the CPU's page table does not let
 * the device write as it is comes home first.
 */
struct drm_ferry_write {
	__u64 addr;
	__u64 len;
	__u64 buffer;
	__u64 done;
	__u32 flags;
	__u32 pad;
	__u64 rsvd[2];
};

/** enum drm_ferry_op - what the device can compute */
enum drm_ferry_op {
	/** @DRM_FERRY_OP_FILL: each 32-bit word of the range becomes @value */
	DRM_FERRY_OP_FILL = 0,
	/** @DRM_FERRY_OP_COPY: @len bytes from @src to @addr, not overlapping */
	DRM_FERRY_OP_COPY = 1,
	/** @DRM_FERRY_OP_ADD: @value is added to each 32-bit word, wrapping */
	DRM_FERRY_OP_ADD = 2,
	/** @DRM_FERRY_OP_CHECKSUM: @value becomes the range's CRC-32, as zlib's */
	DRM_FERRY_OP_CHECKSUM = 3,
};

/** DRM_FERRY_MAX_OPS: operations in one EXEC */
#define DRM_FERRY_MAX_OPS	1024
/** DRM_FERRY_MAX_OP_LEN: bytes that one operation may cover */
#define DRM_FERRY_MAX_OP_LEN	(1ull << 30)

/**
 * struct drm_ferry_exec_op - one operation
 * @op: in: enum drm_ferry_op
 * @flags: in: must be 0
 * @addr: in: first byte; for FILL and ADD a multiple of 4
 * @len: in: bytes, at most DRM_FERRY_MAX_OP_LEN; for FILL and ADD a multiple of 4
 * @src: in: COPY: first byte to copy from; else 0
 * @value: FILL, ADD: in: the word, in the machine's byte order, at most
 *	0xffffffff; CHECKSUM: in: 0, out: the result; COPY: in: 0
 * @rsvd: zero
 */
struct drm_ferry_exec_op {
	__u32 op;
	__u32 flags;
	__u64 addr;
	__u64 len;
	__u64 src;
	__u64 value;
	__u64 rsvd[2];
};

/** DRM_FERRY_NO_OP: @failed of an EXEC in which no operation failed */
#define DRM_FERRY_NO_OP		0xffffffffu

/**
 * struct drm_ferry_exec - run operations, in order
 * @ops: in: the address of @nops operations
 * @nops: in: how many, at most DRM_FERRY_MAX_OPS; at least 1
 * @stride: in: bytes from one operation to the next, a multiple of 8: the size
 *	of struct drm_ferry_exec_op as the caller knows it
 * @failed: out: index of the operation that failed, or DRM_FERRY_NO_OP
 * @flags: in: must be 0
 * @num_syncs: in: must be 0 (fences are not built)
 * @done: out: operations that were completed; a signal between two of them ends
 *	the call with less than @nops
 * @syncs: in: must be 0
 * @rsvd: zero
 *
 * All operations are checked before the first one runs; one that is wrong in
 * itself is @failed, with nothing done. An operation that fails under way
 * (an address that is not mapped, say) may have changed part of its range.
 */
struct drm_ferry_exec {
	__u64 ops;
	__u32 nops;
	__u32 stride;
	__u32 failed;
	__u32 flags;
	__u32 num_syncs;
	__u32 done;
	__u64 syncs;
	__u64 rsvd[4];
};

/**
 * struct drm_ferry_stats - counters of this open file, from 0 at open
 * @to_device: out: pages moved to the device by MIGRATE
 * @zero_filled: out: cleared device pages made by MIGRATE
 * @to_system: out: pages brought home by MIGRATE
 * @failed: out: pages that MIGRATE could not move
 * @cpu_faults: out: pages that came home because a CPU touched them; the neighbours
 *	that came with them are in @cpu_faults_around
 * @cpu_fault_races: out: CPU faults that found another thread at it
 * @device_faults: out: times the device had to ask for pages
 * @device_fault_retries: out: times it had to ask again
 * @invalidations: out: times the kernel took entries from the device's page table
 * @bytes_read: out: bytes the device read (READ, COPY, ADD, CHECKSUM)
 * @bytes_written: out: bytes the device wrote (WRITE, FILL, COPY, ADD)
 * @ops: out: operations of EXEC completed
 * @pages_held: out: device pages that this file's migrations hold now
 * @windows: out: windows of the address space the device's page table knows now
 * @cpu_faults_around: out: pages that came home with one that a CPU touched (the
 *	module's parameter fault_around=), in the file whose page that one was;
 *	DRM_FERRY_FEATURE_FAULT_AROUND
 * @quota: out: pages that this file may hold at the most; DRM_FERRY_FEATURE_QUOTA
 * @quota_left: out: pages that it may get now, by its own quota and its user's, whether
 *	or not the device has them; DRM_FERRY_FEATURE_QUOTA
 * @rsvd: zero
 */
struct drm_ferry_stats {
	__u64 to_device;
	__u64 zero_filled;
	__u64 to_system;
	__u64 failed;
	__u64 cpu_faults;
	__u64 cpu_fault_races;
	__u64 device_faults;
	__u64 device_fault_retries;
	__u64 invalidations;
	__u64 bytes_read;
	__u64 bytes_written;
	__u64 ops;
	__u64 pages_held;
	__u64 windows;
	__u64 cpu_faults_around;
	__u64 quota;
	__u64 quota_left;
	__u64 rsvd[1];
};

#define DRM_FERRY_QUERY		0x00
#define DRM_FERRY_MIGRATE	0x01
#define DRM_FERRY_SNAPSHOT	0x02
#define DRM_FERRY_READ		0x03
#define DRM_FERRY_WRITE		0x04
#define DRM_FERRY_EXEC		0x05
#define DRM_FERRY_STATS		0x06

/* DRM_IOWR(DRM_COMMAND_BASE + @nr, @type) of drm.h. */
#define DRM_FERRY_IOWR(nr, type)	_IOWR('d', 0x40 + (nr), type)

#define DRM_IOCTL_FERRY_QUERY \
	DRM_FERRY_IOWR(DRM_FERRY_QUERY, struct drm_ferry_query)
#define DRM_IOCTL_FERRY_MIGRATE \
	DRM_FERRY_IOWR(DRM_FERRY_MIGRATE, struct drm_ferry_migrate)
#define DRM_IOCTL_FERRY_SNAPSHOT \
	DRM_FERRY_IOWR(DRM_FERRY_SNAPSHOT, struct drm_ferry_snapshot)
#define DRM_IOCTL_FERRY_READ \
	DRM_FERRY_IOWR(DRM_FERRY_READ, struct drm_ferry_read)
#define DRM_IOCTL_FERRY_WRITE \
	DRM_FERRY_IOWR(DRM_FERRY_WRITE, struct drm_ferry_write)
#define DRM_IOCTL_FERRY_EXEC \
	DRM_FERRY_IOWR(DRM_FERRY_EXEC, struct drm_ferry_exec)
#define DRM_IOCTL_FERRY_STATS \
	DRM_FERRY_IOWR(DRM_FERRY_STATS, struct drm_ferry_stats)

#if defined(__cplusplus)
}
#endif

#endif /* _FERRY_DRM_H_ */
