/* SPDX-License-Identifier: MIT */
/*
 * libferry: Ferry's ioctls as C functions.
 *
 * Errors: a function that can fail returns 0 or a negative errno. ferry_drm.h
 * has a table of the errors. No function prints, exits or changes errno.
 *
 * Threads: several threads may use a struct ferry at the same time. No other
 * call may run during ferry_close().
 *
 * Addresses belong to the calling process, and the calling process must be the
 * process that opened the device. Sizes are in bytes.
 *
 * Structs grow. A function with a struct of ferry_drm.h also takes the size of
 * the struct as the caller was compiled: sizeof(*struct). The library and the
 * kernel access no byte beyond the size. In a struct that the kernel writes,
 * fields unknown to the kernel are zero. A struct that the caller writes may be
 * longer than the kernel's struct only if the rest is zero; otherwise the
 * result is -E2BIG. A size of 0, or of 16 KiB or more, is -EINVAL. A program, a
 * library and a kernel of three different versions therefore work together.
 *
 * Signals: a signal makes the kernel return early. A function that covers a
 * range continues after the signal, unless the deadline has passed
 * (ferry_set_deadline()). A call that the deadline ends:
 *
 * * returns 0, with the progress in @done (@counts). The caller may continue
 *   from the progress, or stop.
 * * returns -EINTR if the caller passed no @done (@counts), because 0 would
 *   mean complete.
 * * returns -EINTR if the signal came before any progress.
 *
 * @done is valid after an error too.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stddef.h>
#include <stdint.h>

#include <drm/ferry_drm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Version of this header. FERRY_VERSION is for comparisons: #if FERRY_VERSION
 * >= 2.
 */
#define FERRY_VERSION_MAJOR	0
#define FERRY_VERSION_MINOR	2
#define FERRY_VERSION		(FERRY_VERSION_MAJOR * 1000 + FERRY_VERSION_MINOR)

/** struct ferry - an open device; opaque */
struct ferry;

/**
 * ferry_version() - version of the running library
 *
 * Return: a string such as "0.2"; never freed.
 */
const char *ferry_version(void);

/**
 * ferry_version_number() - version of the running library, for comparisons
 *
 * Return: FERRY_VERSION of the running library.
 */
unsigned int ferry_version_number(void);

/** struct ferry_list - the devices of this machine at one moment; opaque */
struct ferry_list;

/**
 * ferry_list_create() - list the devices of this machine
 * @list: out: the list, unchanged on failure; the caller frees the list with
 *	ferry_list_free()
 *
 * No device is opened: the list includes devices that this user may not open.
 *
 * Return:
 * * 0: success, also without any device
 * * -ENOMEM: no memory
 * * an error of opendir(3)
 */
int ferry_list_create(struct ferry_list **list);

/**
 * ferry_list_free() - free a list
 * @list: the list, or NULL
 */
void ferry_list_free(struct ferry_list *list);

/**
 * ferry_list_count() - number of devices in a list
 * @list: the list
 *
 * Return: the number of devices.
 */
size_t ferry_list_count(const struct ferry_list *list);

/**
 * ferry_list_number() - number of a device
 * @list: the list, sorted by device number
 * @i: index in the list, below ferry_list_count()
 *
 * Return: the number that ferry_open_index() takes and that QUERY reports as
 * index.
 */
unsigned int ferry_list_number(const struct ferry_list *list, size_t i);

/**
 * ferry_list_path() - render node of a device
 * @list: the list
 * @i: index in the list, below ferry_list_count()
 *
 * Return: /dev/dri/renderD*, valid as long as the list.
 */
const char *ferry_list_path(const struct ferry_list *list, size_t i);

/**
 * ferry_open_index() - open a device by number
 * @index: number of the device, from 0
 * @ferry: out: the device, unchanged on failure; the caller frees the device
 *	with ferry_close()
 *
 * Return:
 * * 0: success
 * * -ENODEV: no device has the number
 * * -ENOMEM: no memory
 * * an error of open(2) on the render node, for example -EACCES
 */
int ferry_open_index(unsigned int index, struct ferry **ferry);

/**
 * ferry_open_path() - open a device by render node
 * @path: /dev/dri/renderD*
 * @ferry: out: the device, unchanged on failure; the caller frees the device
 *	with ferry_close()
 *
 * Return:
 * * 0: success
 * * -ENODEV: @path is a node of another driver, or no node
 * * -ENOMEM: no memory
 * * an error of open(2)
 */
int ferry_open_path(const char *path, struct ferry **ferry);

/**
 * ferry_close() - close a device; its pages move to system memory
 * @ferry: the device, or NULL
 */
void ferry_close(struct ferry *ferry);

/**
 * ferry_fd() - file descriptor of a device, for poll() or ioctls
 * @ferry: the device; keeps the ownership of the file descriptor
 *
 * Return: the file descriptor.
 */
int ferry_fd(const struct ferry *ferry);

/**
 * ferry_set_deadline() - set the time limit for interrupted calls
 * @ferry: the device
 * @ns: CLOCK_MONOTONIC time in nanoseconds. After the time no interrupted call
 *	is retried. 0: no retry; UINT64_MAX, the initial value: always a retry
 *
 * The deadline holds for each function that covers a range, for ferry_query()
 * and for ferry_stats(). The deadline itself interrupts no call; only a signal
 * does (alarm(2) with a handler, for example).
 */
void ferry_set_deadline(struct ferry *ferry, uint64_t ns);

/**
 * ferry_query() - properties of a device
 * @ferry: the device
 * @query: out: the properties
 * @size: sizeof(*@query)
 *
 * Return: 0, or
 * * -EBADF, -ESRCH: the device was opened by another address space
 * * -EINVAL: @size is 0, or 16 KiB or more
 * * -EINTR: a signal came, and the deadline has passed
 */
int ferry_query(struct ferry *ferry, struct drm_ferry_query *query, size_t size);

/**
 * struct ferry_counts - result of a migration; complete, never grows
 * @done: processed bytes, from the start of the range
 * @moved: pages moved or zero-filled
 * @already: pages with nothing to do
 * @failed: pages that are not at the target
 */
struct ferry_counts {
	uint64_t done;
	uint64_t moved;
	uint64_t already;
	uint64_t failed;
};

/**
 * ferry_migrate() - move the pages of a range
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @target: DRM_FERRY_TARGET_DEVICE or DRM_FERRY_TARGET_SYSTEM
 * @outcomes: NULL, or room for one byte for each page; out: enum
 *	drm_ferry_outcome
 * @counts: NULL, or out: the counts
 *
 * Continues after signals. The result is success with counts if only a part of
 * the pages could move.
 *
 * Return: 0, or an error of struct drm_ferry_migrate, also if the error came
 * after some progress; @counts has the progress.
 */
int ferry_migrate(struct ferry *ferry, void *addr, size_t len, uint32_t target,
		  uint8_t *outcomes, struct ferry_counts *counts);

/**
 * struct ferry_migrate_options - options of a migration
 * @size: sizeof(struct ferry_migrate_options), as the caller was compiled
 * @target: enum drm_ferry_target
 * @target_id: number of the node or device, for a target with a number
 * @backend: enum drm_ferry_backend
 * @flush: enum drm_ferry_flush
 * @flags: DRM_FERRY_MIGRATE_* bits
 * @pad: zero
 * @deadline: deadline of this call, as for ferry_set_deadline(); 0: the
 *	deadline of the device
 * @outcomes: NULL, or room for one byte for each page; out: enum
 *	drm_ferry_outcome
 *
 * Zero is the default of each field except @size. The library passes @target to
 * @flags to the kernel unchanged. The kernel
 * refuses unknown values.
 */
struct ferry_migrate_options {
	uint64_t size;
	uint32_t target;
	uint32_t target_id;
	uint32_t backend;
	uint32_t flush;
	uint32_t flags;
	uint32_t pad;
	uint64_t deadline;
	uint8_t *outcomes;
};

/**
 * ferry_migrate_with() - move the pages of a range, with options
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @options: the options; not changed
 * @counts: NULL, or out: the counts
 *
 * Continues after signals, as ferry_migrate().
 *
 * Return: as ferry_migrate(), or
 * * -E2BIG: @options has a field that is unknown to this library and not zero
 * * -EINVAL: @options->size is smaller than the field, or @options->pad is not
 *   zero
 */
int ferry_migrate_with(struct ferry *ferry, void *addr, size_t len,
		       const struct ferry_migrate_options *options,
		       struct ferry_counts *counts);

/**
 * ferry_migrate_node() - move the pages of a range to a NUMA node
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @node: number of the node
 * @flags: 0, DRM_FERRY_MIGRATE_STRICT or another DRM_FERRY_MIGRATE_* bit
 * @outcomes: NULL, or room for one byte for each page; out: enum
 *	drm_ferry_outcome
 * @counts: NULL, or out: the counts
 *
 * As move_pages(2), for a whole range. Pages of the device move too. Continues
 * after signals, as ferry_migrate().
 *
 * Return: as ferry_migrate(); -ENODEV, -EACCES for the node; -EOPNOTSUPP
 * without DRM_FERRY_FEATURE_NODE.
 */
int ferry_migrate_node(struct ferry *ferry, void *addr, size_t len, unsigned int node,
		       uint32_t flags, uint8_t *outcomes, struct ferry_counts *counts);

/**
 * ferry_migrate_raw() - DRM_IOCTL_FERRY_MIGRATE with all fields
 * @ferry: the device
 * @request: in and out: the request
 * @size: sizeof(*@request)
 *
 * A call is retried only if a signal came before any progress.
 *
 * Return: 0, or an error of struct drm_ferry_migrate.
 */
int ferry_migrate_raw(struct ferry *ferry, struct drm_ferry_migrate *request, size_t size);

/**
 * ferry_snapshot() - place of each page of a range
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @pages: out: one DRM_FERRY_PAGE_* word for each page
 * @done: NULL, or out: processed bytes of the range
 *
 * Return: 0, or an error of the table in ferry_drm.h.
 */
int ferry_snapshot(struct ferry *ferry, const void *addr, size_t len, uint32_t *pages,
		   size_t *done);

/**
 * ferry_read() - the device reads a range into a buffer
 * @ferry: the device
 * @addr: first byte, of any alignment
 * @len: bytes
 * @buffer: out: @len bytes
 * @done: NULL, or out: bytes in @buffer
 *
 * Return: 0, or an error of the table in ferry_drm.h.
 */
int ferry_read(struct ferry *ferry, const void *addr, size_t len, void *buffer, size_t *done);

/**
 * ferry_write() - the device writes a range from a buffer
 * @ferry: the device
 * @addr: first byte, of any alignment
 * @len: bytes
 * @buffer: in: @len bytes
 * @done: NULL, or out: written bytes of the range
 *
 * Return: 0, or an error of the table in ferry_drm.h.
 */
int ferry_write(struct ferry *ferry, void *addr, size_t len, const void *buffer,
		size_t *done);

/**
 * ferry_exec() - the device runs operations
 * @ferry: the device
 * @ops: operations, in order; out: the results
 * @stride: sizeof(*@ops), bytes from one operation to the next
 * @nops: number of operations, 1 to DRM_FERRY_MAX_OPS
 * @done: NULL, or out: number of completed operations
 * @failed: NULL, or out: index of the failed operation, or DRM_FERRY_NO_OP
 *
 * Return: 0, or an error of the table in ferry_drm.h.
 */
int ferry_exec(struct ferry *ferry, struct drm_ferry_exec_op *ops, size_t stride,
	       uint32_t nops, uint32_t *done, uint32_t *failed);

/**
 * ferry_stats() - statistics of this open file
 * @ferry: the device
 * @stats: out: the statistics
 * @size: sizeof(*@stats)
 *
 * Return: 0, or an error as of ferry_query().
 */
int ferry_stats(struct ferry *ferry, struct drm_ferry_stats *stats, size_t size);

/**
 * ferry_outcome_name() - name of an outcome
 * @outcome: enum drm_ferry_outcome
 *
 * Return: a string, for example "moved"; "unknown" for a value that is unknown
 * to this library. Never freed.
 */
const char *ferry_outcome_name(unsigned int outcome);

/**
 * ferry_page_place() - name of a page's place
 * @page: a word of ferry_snapshot()
 *
 * Return: a string, for example "system" or "this device"; "unknown" for a
 * value that is unknown to this library. Never freed.
 */
const char *ferry_page_place(uint32_t page);

/**
 * ferry_page_text() - text of a word of ferry_snapshot()
 * @page: the word
 * @text: out: for example "this device, readable, writable, order 9"
 * @size: bytes of @text; the function writes as much as fits, and a zero byte
 *
 * Return: length of the whole text, without the zero byte, as snprintf(3).
 */
size_t ferry_page_text(uint32_t page, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
