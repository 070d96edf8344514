/* SPDX-License-Identifier: MIT */
/*
 * Ferry's ioctls, on the render node of each device (driver name "ferry").
 *
 * An open file is bound to the address space (mm) of the process that opened
 * the file. Every address below is an address of that process. Sizes and
 * addresses are in bytes.
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
 *	errno		meaning for every ioctl
 *	EINVAL		a range that is empty, wraps, leaves user space or
 *			(MIGRATE, SNAPSHOT) is not a multiple of the page size;
 *			memory that cannot migrate (hugetlb, VM_SPECIAL, DAX;
 *			to the device also PROT_MTE); an unknown value, flag or
 *			number; a reserved field that is not zero
 *	EOPNOTSUPP	known, but not built, or not possible on this kernel
 *	E2BIG		the struct is longer than the kernel's, and the tail is
 *			not zero: the caller asks for something unknown to this
 *			kernel
 *	EBADF		the file belongs to another address space: open a file
 *			in this address space
 *	ESRCH		the address space of the file has ended
 *	EFAULT		an address that is not mapped or lacks the right for the
 *			access; a page that could not be faulted in (out of
 *			memory included); secret memory (memfd_secret); a bad
 *			pointer
 *	EPERM		a device write to a mapping that is readable but not
 *			writable (EFAULT for a mapping that is not readable
 *			either, as with hmm_range_fault())
 *	ENOSPC		no page moved: the device is full (outcome
 *			DRM_FERRY_NO_MEMORY), or the quota of this file or its
 *			user is used up (DRM_FERRY_QUOTA; STATS has the numbers)
 *	ENOMEM		the system is out of memory
 *	ENODEV		MIGRATE: no such NUMA node, or a node without memory
 *	EACCES		MIGRATE: the cpuset of the caller forbids the NUMA node
 *	EBUSY		the address space changed under the device at each of a
 *			bounded number of tries; try again
 *	EINTR		a signal came before any progress; the struct is
 *			unchanged
 *
 * No ioctl returns EAGAIN: drmIoctl() would loop. A signal after some progress
 * is success, with less done than requested.
 *
 * The structs are equal for 32-bit and 64-bit callers. The structs only grow. A
 * shorter struct stands for a struct with zeroes in the missing fields. Each
 * added field comes with a feature bit in QUERY.
 */
#ifndef _FERRY_DRM_H_
#define _FERRY_DRM_H_

#ifdef __KERNEL__
#include <drm/drm.h>
#else
#include <linux/ioctl.h>	/* libdrm's drm.h has no fixed path */
#include <linux/types.h>
#endif

#if defined(__cplusplus)
extern "C" {
#endif

/** DRM_FERRY_ABI_VERSION: increases with every addition */
#define DRM_FERRY_ABI_VERSION	4

/**
 * enum drm_ferry_outcome - result of MIGRATE for one page
 *
 * The values are fixed; new values are appended. The own engine reports the
 * reason for each page that stays. core reports no reason: the driver looks at
 * the page afterwards. If the driver cannot be certain of the reason, the
 * outcome is DRM_FERRY_NOT_MOVED.
 *
 * @DRM_FERRY_NOT_ATTEMPTED: MIGRATE ended before this page
 * @DRM_FERRY_MOVED: the data moved to the target
 * @DRM_FERRY_NOT_MOVED: the page stayed, for an unknown reason
 * @DRM_FERRY_ALREADY_THERE: the page was already at the target
 * @DRM_FERRY_HOLE: the address has no page
 * @DRM_FERRY_ZERO_FILLED: a hole or the zero page became a cleared page at the
 *	target
 * @DRM_FERRY_PINNED: the page has extra references (GUP)
 * @DRM_FERRY_SHARED_BUSY: another process that maps the page uses the page
 * @DRM_FERRY_LOCKED: another thread holds the page lock
 * @DRM_FERRY_WRITEBACK: the page is under writeback to a file or to swap
 * @DRM_FERRY_NOT_LRU: the page is not on an LRU list (a balloon page, for
 *	example)
 * @DRM_FERRY_KSM: the page is merged. With core also: the mapping may have
 *	merged pages (madvise MADV_MERGEABLE), and core would crash on a merged
 *	page
 * @DRM_FERRY_FOREIGN_DEVICE: the page is in the memory of another device
 * @DRM_FERRY_NO_MEMORY: the target has no free memory
 * @DRM_FERRY_NO_DESTINATION: no destination page was offered
 * @DRM_FERRY_UFFD: userfaultfd must handle the address first
 * @DRM_FERRY_FILE: the page belongs to a file, shared memory included; not to a
 *	node
 * @DRM_FERRY_SWAPPED: the page is swapped out
 * @DRM_FERRY_MIGRATING: another migration of the page is under way
 * @DRM_FERRY_EXCLUSIVE: a device has exclusive access to the page
 * @DRM_FERRY_SPECIAL: the page is not normal memory
 * @DRM_FERRY_HWPOISON: the memory of the page is broken
 * @DRM_FERRY_LARGE_SPLIT_FAILED: the page is in a large folio that did not
 *	split
 * @DRM_FERRY_RACED: the page table changed during the migration
 * @DRM_FERRY_COPY_FAILED: the data could not be copied
 * @DRM_FERRY_QUOTA: the quota of this file, or of all files of the user, is
 *	used up (module parameter quota=); DRM_FERRY_FEATURE_QUOTA
 * @DRM_FERRY_SHARED: to a node: the page is mapped more than once. To move such
 *	a page the caller needs CAP_SYS_NICE, as for move_pages(2) with
 *	MPOL_MF_MOVE_ALL; DRM_FERRY_FEATURE_NODE
 * @DRM_FERRY_PRIVATE_DATA: to a node: the filesystem keeps data of its own with
 *	the page, and cannot move the page, or not now; DRM_FERRY_FEATURE_NODE
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
	DRM_FERRY_SHARED = 26,
	DRM_FERRY_PRIVATE_DATA = 27,
};

/** enum drm_ferry_memory_kind - CPU access to a device's memory */
enum drm_ferry_memory_kind {
	/**
	 * @DRM_FERRY_MEMORY_PRIVATE: none; a CPU fault moves the page to system
	 *	memory
	 */
	DRM_FERRY_MEMORY_PRIVATE = 0,
	/** @DRM_FERRY_MEMORY_COHERENT: as to system memory */
	DRM_FERRY_MEMORY_COHERENT = 1,
};

/** enum drm_ferry_backend - engine that migrates */
enum drm_ferry_backend {
	/**
	 * @DRM_FERRY_BACKEND_DEFAULT: the engine of the module parameter
	 *	backend=
	 */
	DRM_FERRY_BACKEND_DEFAULT = 0,
	/** @DRM_FERRY_BACKEND_CORE: core, the kernel's migrate_vma_*() */
	DRM_FERRY_BACKEND_CORE = 1,
	/** @DRM_FERRY_BACKEND_OWN: Ferry's own engine */
	DRM_FERRY_BACKEND_OWN = 2,
};

/** DRM_FERRY_FEATURE_FAULT_AROUND: STATS has cpu_faults_around */
#define DRM_FERRY_FEATURE_FAULT_AROUND	(1ull << 0)
/** DRM_FERRY_FEATURE_FLUSH_AUTO: MIGRATE knows DRM_FERRY_FLUSH_AUTO */
#define DRM_FERRY_FEATURE_FLUSH_AUTO	(1ull << 1)
/** DRM_FERRY_FEATURE_SKIP_HOLES: MIGRATE knows DRM_FERRY_MIGRATE_SKIP_HOLES */
#define DRM_FERRY_FEATURE_SKIP_HOLES	(1ull << 2)
/**
 * DRM_FERRY_FEATURE_QUOTA: STATS has quota, quota_left; outcome DRM_FERRY_QUOTA
 */
#define DRM_FERRY_FEATURE_QUOTA		(1ull << 3)
/**
 * DRM_FERRY_FEATURE_NODE: MIGRATE knows DRM_FERRY_TARGET_NODE and
 * DRM_FERRY_MIGRATE_STRICT; STATS has to_node; outcome DRM_FERRY_SHARED. Only
 * on kernels with the own engine
 */
#define DRM_FERRY_FEATURE_NODE		(1ull << 4)

/**
 * struct drm_ferry_query - properties of a device
 * @abi_version: out: DRM_FERRY_ABI_VERSION of the driver
 * @memory_kind: out: enum drm_ferry_memory_kind
 * @features: out: DRM_FERRY_FEATURE_* bits
 * @memory_size: out: bytes of device memory, a hard limit
 * @memory_used: out: bytes of device memory with pages of any process
 * @page_size: out: bytes; the unit of MIGRATE and SNAPSHOT
 * @node: out: NUMA node of the backing memory, or -1 for any node
 * @backends: out: bit N is set if enum drm_ferry_backend N is available
 * @index: out: number of the device, from 0
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

/** enum drm_ferry_target - target of MIGRATE */
enum drm_ferry_target {
	/** @DRM_FERRY_TARGET_DEVICE: to this device's memory */
	DRM_FERRY_TARGET_DEVICE = 0,
	/** @DRM_FERRY_TARGET_SYSTEM: from this device to system memory */
	DRM_FERRY_TARGET_SYSTEM = 1,
	/**
	 * @DRM_FERRY_TARGET_NODE: to system memory of NUMA node @target_id, from
	 *	other nodes and from this device; own only;
	 *	DRM_FERRY_FEATURE_NODE
	 */
	DRM_FERRY_TARGET_NODE = 2,
	/** @DRM_FERRY_TARGET_OTHER_DEVICE: to device @target_id; not built */
	DRM_FERRY_TARGET_OTHER_DEVICE = 3,
};

/**
 * enum drm_ferry_flush - when MIGRATE flushes the TLB
 *
 * A strategy marked "own only" is EOPNOTSUPP with core. With any strategy a
 * zero page that a cleared page replaces costs one more flush.
 */
enum drm_ferry_flush {
	/**
	 * @DRM_FERRY_FLUSH_DEFAULT: own: module parameter flush=; core: per
	 *	page
	 */
	DRM_FERRY_FLUSH_DEFAULT = 0,
	/**
	 * @DRM_FERRY_FLUSH_PER_PAGE: for each exclusively mapped page; the only
	 *	strategy of core
	 */
	DRM_FERRY_FLUSH_PER_PAGE = 1,
	/** @DRM_FERRY_FLUSH_PER_TABLE: once for each page table; own only */
	DRM_FERRY_FLUSH_PER_TABLE = 2,
	/**
	 * @DRM_FERRY_FLUSH_PER_CALL: once for each call of the engine, that is
	 *	one batch of at most 2,048 pages (MIGRATE may need many); own
	 *	only
	 */
	DRM_FERRY_FLUSH_PER_CALL = 3,
	/**
	 * @DRM_FERRY_FLUSH_AUTO: the range, if the pages of a batch lie in one
	 *	page table or are few; otherwise once for each batch; own only;
	 *	DRM_FERRY_FEATURE_FLUSH_AUTO
	 */
	DRM_FERRY_FLUSH_AUTO = 4,
};

/** DRM_FERRY_MIGRATE_FAULT_IN: swap in swapped pages first; not built */
#define DRM_FERRY_MIGRATE_FAULT_IN	(1u << 0)
/**
 * DRM_FERRY_MIGRATE_SKIP_HOLES: addresses without a page stay as found, with
 * the outcome DRM_FERRY_HOLE: holes, the kernel's zero page, and gaps between
 * mappings. A gap does not end MIGRATE. A range may be far larger than the
 * memory in the range: an address range without page tables costs almost
 * nothing. DRM_FERRY_FEATURE_SKIP_HOLES
 */
#define DRM_FERRY_MIGRATE_SKIP_HOLES	(1u << 1)
/**
 * DRM_FERRY_MIGRATE_STRICT: only with DRM_FERRY_TARGET_NODE: a page moves to
 * that node or not at all (DRM_FERRY_NO_MEMORY), and the node's memory is
 * reclaimed for the page, as with move_pages(2). Without the flag nothing is
 * reclaimed, and a page may move to a third node, the next by distance, if the
 * node is full. DRM_FERRY_FEATURE_NODE
 */
#define DRM_FERRY_MIGRATE_STRICT	(1u << 2)

/**
 * struct drm_ferry_migrate - move pages to the device or to system memory
 * @addr: in: first byte, a multiple of the page size
 * @len: in: bytes, a multiple of the page size
 * @target: in: enum drm_ferry_target
 * @target_id: in: number of the node or device; zero for the other targets
 * @backend: in: enum drm_ferry_backend
 * @flush: in: enum drm_ferry_flush
 * @flags: in: DRM_FERRY_MIGRATE_* bits
 * @num_syncs: in: must be 0 (fences are not built)
 * @syncs: in: must be 0
 * @outcomes: in: 0, or the address of @len / page size bytes: one enum
 *	drm_ferry_outcome for each page. MIGRATE writes the outcomes of the
 *	first @done bytes of the range
 * @done: out: processed bytes of the range; resume at @addr + @done
 * @moved: out: pages that moved or were zero-filled
 * @already: out: pages with nothing to do: pages at the target; to system
 *	memory and to a node also holes and swapped pages; with
 *	DRM_FERRY_MIGRATE_SKIP_HOLES also holes
 * @failed: out: pages that are not at the target
 * @rsvd: zero
 *
 * The range may span mappings. MIGRATE is best effort, page by page, as the
 * kernel's migrate_vma_setup(): the result is success with counts.
 *
 * MIGRATE ends early, with success, in four cases:
 *
 * * at the first address that is not mapped, except with
 *   DRM_FERRY_MIGRATE_SKIP_HOLES
 * * at the first mapping that cannot migrate
 * * on a full device
 * * on a signal
 *
 * MIGRATE returns the error only if no page was processed before. A full
 * device is an error only if no page moved. An @outcomes that cannot be written
 * is always an error.
 *
 * To the device, holes in anonymous memory and zero pages become cleared device
 * pages, unless DRM_FERRY_MIGRATE_SKIP_HOLES is set. Pages of a file stay
 * (DRM_FERRY_FILE); private copies of pages of a file move.
 *
 * To a node, holes and the kernel's zero page stay (DRM_FERRY_HOLE). Pages of a
 * file move, tmpfs and shared memory included. A large folio goes whole, also
 * where it exceeds the range, if the node has a free block of its order;
 * otherwise an anonymous folio is split, and a folio of a file stays
 * (DRM_FERRY_NO_MEMORY). A page that is mapped more than once moves only
 * with CAP_SYS_NICE (DRM_FERRY_SHARED). The node must be permitted by the
 * cpuset of the caller; NUMA policies of the mapping are not asked, as with
 * move_pages(2).
 *
 * The OOM killer kills no process for MIGRATE. A hole stays if the memory
 * cgroup is at the limit, and a page stays if the system has no memory
 * (DRM_FERRY_NO_MEMORY). With core a race remains in which the OOM killer runs.
 *
 * Return: 0; -EINVAL, -EFAULT, -ENOSPC, -ENOMEM, -ENODEV, -EACCES, -EINTR,
 * -EOPNOTSUPP as in the table above. The counts are also valid after an error, except after -EINTR.
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

/* One page of a snapshot: place, rights and order. */
#define DRM_FERRY_PAGE_WHERE_MASK	0x0000000fu
#define DRM_FERRY_PAGE_NONE		0x0u	/* no page */
#define DRM_FERRY_PAGE_SWAPPED		0x1u	/* swapped out */
#define DRM_FERRY_PAGE_SYSTEM		0x2u	/* system memory */
#define DRM_FERRY_PAGE_THIS_DEVICE	0x3u	/* memory of this device */
#define DRM_FERRY_PAGE_OTHER_DEVICE	0x4u	/* memory of another device */
#define DRM_FERRY_PAGE_MIGRATING	0x5u	/* a migration is under way */
#define DRM_FERRY_PAGE_SPECIAL		0x6u	/* not normal memory, or broken */
#define DRM_FERRY_PAGE_READABLE		0x00000010u
#define DRM_FERRY_PAGE_WRITABLE		0x00000020u	/* without another fault */
#define DRM_FERRY_PAGE_EXCLUSIVE	0x00000040u	/* exclusive access */
#define DRM_FERRY_PAGE_ZERO		0x00000080u	/* the kernel's zero page */
#define DRM_FERRY_PAGE_ORDER_SHIFT	8
#define DRM_FERRY_PAGE_ORDER_MASK	0x00003f00u	/* log2 of pages an entry maps */

/**
 * struct drm_ferry_snapshot - place of each page of a range
 * @addr: in: first byte, a multiple of the page size
 * @len: in: bytes, a multiple of the page size
 * @pages: in: the address of @len / page size __u32; each becomes
 *	DRM_FERRY_PAGE_*
 * @done: out: processed bytes of the range
 * @flags: in: must be 0
 * @pad: zero
 * @rsvd: zero
 *
 * SNAPSHOT faults in no page and holds no page: a page may move before the call
 * returns. An address that is not mapped reads DRM_FERRY_PAGE_NONE without
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
 * @buffer: in: the address of @len bytes; the CPU writes the buffer
 * @done: out: bytes in @buffer
 * @flags: in: must be 0
 * @pad: zero
 * @rsvd: zero
 *
 * The device reads through the device's page table, and faults in missing
 * pages. The device reads pages in device memory in place. Pages of other
 * devices move to system memory first.
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
 * @buffer: in: the address of @len bytes; the CPU reads the buffer
 * @done: out: written bytes of the range
 * @flags: in: must be 0
 * @pad: zero
 * @rsvd: zero
 *
 * A write works as a store by the CPU:
 *
 * * A write to a shared mapping of a file reaches the file.
 * * A write to a private mapping makes a private copy.
 * * A write to a page that is shared after fork() unshares the page.
 *
 * A device page that the CPU's page table does not make writable moves to
 * system memory first.
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

/** enum drm_ferry_op - operations of the device */
enum drm_ferry_op {
	/** @DRM_FERRY_OP_FILL: each 32-bit word of the range becomes @value */
	DRM_FERRY_OP_FILL = 0,
	/**
	 * @DRM_FERRY_OP_COPY: @len bytes from @src to @addr, without overlap
	 */
	DRM_FERRY_OP_COPY = 1,
	/** @DRM_FERRY_OP_ADD: @value is added to each 32-bit word, wrapping */
	DRM_FERRY_OP_ADD = 2,
	/**
	 * @DRM_FERRY_OP_CHECKSUM: @value becomes the CRC-32 of the range, as in
	 *	zlib
	 */
	DRM_FERRY_OP_CHECKSUM = 3,
};

/** DRM_FERRY_MAX_OPS: most operations of one EXEC */
#define DRM_FERRY_MAX_OPS	1024
/** DRM_FERRY_MAX_OP_LEN: most bytes of one operation */
#define DRM_FERRY_MAX_OP_LEN	(1ull << 30)

/**
 * struct drm_ferry_exec_op - one operation
 * @op: in: enum drm_ferry_op
 * @flags: in: must be 0
 * @addr: in: first byte; FILL and ADD: a multiple of 4
 * @len: in: bytes, at most DRM_FERRY_MAX_OP_LEN; FILL and ADD: a multiple of 4
 * @src: in: COPY: first byte of the source; otherwise 0
 * @value: FILL, ADD: in: the word, in the byte order of the machine, at most
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

/** DRM_FERRY_NO_OP: @failed of an EXEC without a failed operation */
#define DRM_FERRY_NO_OP		0xffffffffu

/**
 * struct drm_ferry_exec - run operations, in order
 * @ops: in: the address of @nops operations
 * @nops: in: number of operations, 1 to DRM_FERRY_MAX_OPS
 * @stride: in: bytes from one operation to the next, a multiple of 8: the size
 *	of the caller's struct drm_ferry_exec_op
 * @failed: out: index of the failed operation, or DRM_FERRY_NO_OP
 * @flags: in: must be 0
 * @num_syncs: in: must be 0 (fences are not built)
 * @done: out: completed operations; a signal between two operations ends the
 *	call with less than @nops
 * @syncs: in: must be 0
 * @rsvd: zero
 *
 * The kernel checks all operations before the first operation runs. A wrong
 * operation is @failed, and no operation runs. An operation that fails during
 * the run (at an address that is not mapped, for example) may have changed part
 * of the range.
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
 * struct drm_ferry_stats - statistics of this open file, from 0 at open
 * @to_device: out: pages moved to the device by MIGRATE
 * @zero_filled: out: cleared device pages made by MIGRATE
 * @to_system: out: pages moved to system memory by MIGRATE
 * @failed: out: pages that MIGRATE could not move
 * @cpu_faults: out: pages moved to system memory by CPU faults, without the
 *	pages in @cpu_faults_around
 * @cpu_fault_races: out: CPU faults during another thread's fault on the page
 * @device_faults: out: device faults
 * @device_fault_retries: out: repeated tries of device faults
 * @invalidations: out: times the kernel took entries from the device's page
 *	table
 * @bytes_read: out: bytes the device read (READ, COPY, ADD, CHECKSUM)
 * @bytes_written: out: bytes the device wrote (WRITE, FILL, COPY, ADD)
 * @ops: out: completed operations of EXEC
 * @pages_held: out: device pages that this file's migrations hold now
 * @windows: out: windows in the device's page table now
 * @cpu_faults_around: out: neighbours that moved to system memory with the page
 *	of a CPU fault (module parameter fault_around=); counted in the file
 *	that owns the page of the fault; DRM_FERRY_FEATURE_FAULT_AROUND
 * @quota: out: most pages that this file may hold; DRM_FERRY_FEATURE_QUOTA
 * @quota_left: out: pages that the quotas of this file and of the user still
 *	allow, not limited by free device memory; DRM_FERRY_FEATURE_QUOTA
 * @to_node: out: pages moved to a NUMA node by MIGRATE; DRM_FERRY_FEATURE_NODE
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
	__u64 to_node;
	__u64 rsvd[2];
};

#define DRM_FERRY_QUERY		0x00
#define DRM_FERRY_MIGRATE	0x01
#define DRM_FERRY_SNAPSHOT	0x02
#define DRM_FERRY_READ		0x03
#define DRM_FERRY_WRITE		0x04
#define DRM_FERRY_EXEC		0x05
#define DRM_FERRY_STATS		0x06

/* Equals DRM_IOWR(DRM_COMMAND_BASE + @nr, @type) of drm.h. */
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
