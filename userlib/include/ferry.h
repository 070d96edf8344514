/* SPDX-License-Identifier: MIT */
/*
 * libferry: Ferry's ioctls as C functions.
 *
 * A function that can fail returns 0 or a negative errno (the table in ferry_drm.h
 * says what each means); no function prints, exits or touches errno. A struct ferry may
 * be used by several threads at once; freeing it may not overlap any other call.
 * All addresses are those of the calling process, which must be the one that
 * opened the device. Sizes are in bytes.
 *
 * Structs grow. A function that takes a struct of ferry_drm.h takes its size too, as
 * the caller was compiled: sizeof(*struct). The library and the kernel read and write
 * no byte beyond that size. What the kernel does not know of a struct that it fills is
 * zero. A struct that the caller fills may be longer than what the kernel knows only if
 * the rest is zero (-E2BIG). A size of 0, or of 16 KiB and more, is -EINVAL.
 * So a program and a library of different age, on a kernel of a third, get along.
 *
 * A signal makes the kernel return early. The functions that cover a range go on from
 * there, unless the deadline has passed (ferry_set_deadline()). A call that the deadline
 * ends returns 0 and reports in @done (@counts) how far it came: go on from there, or
 * stop. Without @done (@counts) it returns -EINTR, since 0 means that all is done. A
 * call that did nothing before the signal returns -EINTR either way. @done is right
 * after an error too.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stddef.h>
#include <stdint.h>

#include <drm/ferry_drm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; FERRY_VERSION is for comparing: #if FERRY_VERSION >= 2. */
#define FERRY_VERSION_MAJOR	0
#define FERRY_VERSION_MINOR	2
#define FERRY_VERSION		(FERRY_VERSION_MAJOR * 1000 + FERRY_VERSION_MINOR)

/** struct ferry - an open device; opaque */
struct ferry;

/**
 * ferry_version() - the version of the library that runs
 *
 * Return: a string such as "0.2", valid for ever.
 */
const char *ferry_version(void);

/**
 * ferry_version_number() - the same, for comparing
 *
 * Return: FERRY_VERSION of the library that runs.
 */
unsigned int ferry_version_number(void);

/** struct ferry_list - the devices of this machine at one time; opaque */
struct ferry_list;

/**
 * ferry_list_create() - list the devices of this machine
 * @list: out: to be freed with ferry_list_free()
 *
 * No device is opened: a device that this user may not open is in the list.
 *
 * Return: 0, also where there is no device; -ENOMEM; what opendir(3) said.
 */
int ferry_list_create(struct ferry_list **list);

/**
 * ferry_list_free() - free a list
 * @list: may be NULL
 */
void ferry_list_free(struct ferry_list *list);

/**
 * ferry_list_count() - how many devices there are
 * @list: the list
 */
size_t ferry_list_count(const struct ferry_list *list);

/**
 * ferry_list_number() - a device's number
 * @list: the list, in the order of these numbers
 * @i: below ferry_list_count()
 *
 * Return: what ferry_open_index() takes, and QUERY reports as index.
 */
unsigned int ferry_list_number(const struct ferry_list *list, size_t i);

/**
 * ferry_list_path() - a device's render node
 * @list: the list
 * @i: below ferry_list_count()
 *
 * Return: /dev/dri/renderD*, valid as long as the list.
 */
const char *ferry_list_path(const struct ferry_list *list, size_t i);

/**
 * ferry_open_index() - open a device by its number
 * @index: from 0
 * @ferry: out, unchanged on failure: to be freed with ferry_close()
 *
 * Return: 0; -ENODEV if there is no such device, or none at all; -ENOMEM; what open(2)
 * said of the device's node, -EACCES for example.
 */
int ferry_open_index(unsigned int index, struct ferry **ferry);

/**
 * ferry_open_path() - open a device by its render node
 * @path: /dev/dri/renderD*
 * @ferry: out, unchanged on failure: to be freed with ferry_close()
 *
 * Return: 0; -ENODEV if @path is a node of another driver, or no node; -ENOMEM; what
 * open(2) said.
 */
int ferry_open_path(const char *path, struct ferry **ferry);

/**
 * ferry_close() - close a device; its pages come back to system memory
 * @ferry: may be NULL
 */
void ferry_close(struct ferry *ferry);

/**
 * ferry_fd() - the file descriptor, for poll() or ioctls of one's own
 * @ferry: stays the owner of it
 */
int ferry_fd(const struct ferry *ferry);

/**
 * ferry_set_deadline() - stop retrying calls that a signal interrupts
 * @ferry: for this handle
 * @ns: CLOCK_MONOTONIC nanoseconds after which no interrupted call is retried; 0: none
 *	is retried; UINT64_MAX, the initial value: all are
 *
 * It holds for each function that covers a range, for QUERY and for STATS. The passing
 * of the deadline interrupts nothing by itself: a signal does (alarm(2), for example,
 * with a handler).
 */
void ferry_set_deadline(struct ferry *ferry, uint64_t ns);

/**
 * ferry_query() - what the device is
 * @ferry: the device
 * @query: out
 * @size: sizeof(*@query)
 */
int ferry_query(struct ferry *ferry, struct drm_ferry_query *query, size_t size);

/**
 * struct ferry_counts - what a migration did; complete: it never grows
 * @done: bytes dealt with, from the start of the range
 * @moved: pages moved or zero-filled
 * @already: pages with nothing to do
 * @failed: pages that are not where they were to go
 */
struct ferry_counts {
	uint64_t done;
	uint64_t moved;
	uint64_t already;
	uint64_t failed;
};

/**
 * ferry_migrate() - move a range
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @target: DRM_FERRY_TARGET_DEVICE or DRM_FERRY_TARGET_SYSTEM
 * @outcomes: NULL, or room for a byte a page, enum drm_ferry_outcome
 * @counts: out, may be NULL
 *
 * Goes on after signals. Success with counts when only part could move.
 *
 * Return: 0; the errors of struct drm_ferry_migrate, also when they came after
 * some progress (@counts holds what was done).
 */
int ferry_migrate(struct ferry *ferry, void *addr, size_t len, uint32_t target,
		  uint8_t *outcomes, struct ferry_counts *counts);

/**
 * struct ferry_migrate_options - how to migrate; zero is the default of each field
 * @size: sizeof(struct ferry_migrate_options), as the caller was compiled
 * @target: enum drm_ferry_target
 * @target_id: which node or device, for targets that want one
 * @backend: enum drm_ferry_backend
 * @flush: enum drm_ferry_flush
 * @flags: DRM_FERRY_MIGRATE_* bits
 * @pad: zero
 * @deadline: as for ferry_set_deadline(), for this call; 0: that of the handle
 * @outcomes: NULL, or room for a byte a page, enum drm_ferry_outcome
 *
 * The library hands @target to @flags on as they are; what this kernel cannot do, the
 * kernel refuses.
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
 * ferry_migrate_with() - move a range, with options
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @options: how; only read
 * @counts: out, may be NULL
 *
 * Goes on after signals, as ferry_migrate().
 *
 * Return: as ferry_migrate(); -E2BIG if @options has more than this library knows, and
 * it is not zero; -EINVAL if @options->size is less than any such struct, or @options->pad
 * is not zero.
 */
int ferry_migrate_with(struct ferry *ferry, void *addr, size_t len,
		       const struct ferry_migrate_options *options,
		       struct ferry_counts *counts);

/**
 * ferry_migrate_raw() - DRM_IOCTL_FERRY_MIGRATE, all of its fields
 * @ferry: the device
 * @request: in and out
 * @size: sizeof(*@request)
 *
 * Retried only where a signal came before any progress.
 */
int ferry_migrate_raw(struct ferry *ferry, struct drm_ferry_migrate *request, size_t size);

/**
 * ferry_snapshot() - where each page of a range is
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @pages: out: a DRM_FERRY_PAGE_* word for each page
 * @done: out, may be NULL: bytes of the range whose pages were looked at
 */
int ferry_snapshot(struct ferry *ferry, const void *addr, size_t len, uint32_t *pages,
		   size_t *done);

/**
 * ferry_read() - the device reads a range into a buffer
 * @ferry: the device
 * @addr: first byte, any alignment
 * @len: bytes
 * @buffer: out
 * @done: out, may be NULL: bytes that are in @buffer
 */
int ferry_read(struct ferry *ferry, const void *addr, size_t len, void *buffer, size_t *done);

/**
 * ferry_write() - the device writes a range from a buffer
 * @ferry: the device
 * @addr: first byte, any alignment
 * @len: bytes
 * @buffer: in
 * @done: out, may be NULL: bytes of the range that are written
 */
int ferry_write(struct ferry *ferry, void *addr, size_t len, const void *buffer,
		size_t *done);

/**
 * ferry_exec() - the device computes
 * @ferry: the device
 * @ops: operations, in order; results are left in them
 * @stride: sizeof(*@ops), bytes from one operation to the next
 * @nops: how many, 1 to DRM_FERRY_MAX_OPS
 * @done: out, may be NULL: operations that were completed
 * @failed: out, may be NULL: index of the operation that failed, or
 *	DRM_FERRY_NO_OP
 */
int ferry_exec(struct ferry *ferry, struct drm_ferry_exec_op *ops, size_t stride,
	       uint32_t nops, uint32_t *done, uint32_t *failed);

/**
 * ferry_stats() - the counters of this open file
 * @ferry: the device
 * @stats: out
 * @size: sizeof(*@stats)
 */
int ferry_stats(struct ferry *ferry, struct drm_ferry_stats *stats, size_t size);

/**
 * ferry_outcome_name() - a word for an outcome
 * @outcome: enum drm_ferry_outcome
 *
 * Return: for example "moved"; "unknown" for a value that this library does not
 * know. Valid for ever.
 */
const char *ferry_outcome_name(unsigned int outcome);

/**
 * ferry_page_place() - a word for where a page is
 * @page: a word of ferry_snapshot()
 *
 * Return: for example "system", "this device"; "unknown" for a value that this library
 * does not know. Valid for ever.
 */
const char *ferry_page_place(uint32_t page);

/**
 * ferry_page_text() - all that a word of ferry_snapshot() says
 * @page: the word
 * @text: out: for example "this device, readable, writable, order 9"
 * @size: room in @text; as much as fits is written, and a zero byte
 *
 * Return: the length of the whole text, without its zero byte, as snprintf(3).
 */
size_t ferry_page_text(uint32_t page, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
