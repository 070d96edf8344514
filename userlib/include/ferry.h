/* SPDX-License-Identifier: MIT */
/*
 * libferry: Ferry's ioctls as C functions.
 *
 * Every function returns 0 or a negative errno (the table in ferry_drm.h says
 * what each means); none prints, exits or touches errno. A struct ferry may be
 * used by several threads at once; freeing it may not overlap any other call.
 * All addresses are those of the calling process, which must be the one that
 * opened the device. Sizes are in bytes.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stddef.h>
#include <stdint.h>

#include <drm/ferry_drm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** struct ferry - an open device; opaque */
struct ferry;

/**
 * ferry_version() - the library's version
 *
 * Return: a string such as "0.1", valid for ever.
 */
const char *ferry_version(void);

/**
 * ferry_open_index() - open a device by its number
 * @index: from 0
 * @ferry: out: to be freed with ferry_close()
 *
 * Return: 0; -ENODEV if there is no such device; what open(2) said.
 */
int ferry_open_index(unsigned int index, struct ferry **ferry);

/**
 * ferry_open_path() - open a device by its render node
 * @path: /dev/dri/renderD*
 * @ferry: out: to be freed with ferry_close()
 *
 * Return: 0; -ENODEV if it is a node of another driver; what open(2) said.
 */
int ferry_open_path(const char *path, struct ferry **ferry);

/**
 * ferry_close() - close a device; its pages come home
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
 * @ns: CLOCK_MONOTONIC nanoseconds after which -EINTR is returned; 0: at the
 *	first signal; UINT64_MAX, the initial value: never
 *
 * A call that makes progress goes on to the end of its range all the same, unless
 * the deadline has passed: then it returns 0 with less done than asked for.
 */
void ferry_set_deadline(struct ferry *ferry, uint64_t ns);

/**
 * ferry_query() - what the device is
 * @ferry: the device
 * @query: out
 */
int ferry_query(struct ferry *ferry, struct drm_ferry_query *query);

/**
 * struct ferry_counts - what a migration did
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
 * ferry_migrate_raw() - one DRM_IOCTL_FERRY_MIGRATE, all of its fields
 * @ferry: the device
 * @request: in and out
 */
int ferry_migrate_raw(struct ferry *ferry, struct drm_ferry_migrate *request);

/**
 * ferry_snapshot() - where each page of a range is
 * @ferry: the device
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size
 * @pages: out: a DRM_FERRY_PAGE_* word for each page
 */
int ferry_snapshot(struct ferry *ferry, const void *addr, size_t len,
		   uint32_t *pages);

/**
 * ferry_read() - the device reads a range into a buffer
 * @ferry: the device
 * @addr: first byte, any alignment
 * @len: bytes
 * @buffer: out
 *
 * Return: 0 for the whole range; an error, with part of @buffer written.
 */
int ferry_read(struct ferry *ferry, const void *addr, size_t len, void *buffer);

/**
 * ferry_write() - the device writes a range from a buffer
 * @ferry: the device
 * @addr: first byte, any alignment
 * @len: bytes
 * @buffer: in
 *
 * Return: 0 for the whole range; an error, with part of the range written.
 */
int ferry_write(struct ferry *ferry, void *addr, size_t len, const void *buffer);

/**
 * ferry_exec() - the device computes
 * @ferry: the device
 * @ops: operations, in order; results are left in them
 * @nops: how many, 1 to DRM_FERRY_MAX_OPS
 * @failed: out, may be NULL: index of the operation that failed, or
 *	DRM_FERRY_NO_OP
 */
int ferry_exec(struct ferry *ferry, struct drm_ferry_exec_op *ops, uint32_t nops,
	       uint32_t *failed);

/**
 * ferry_stats() - the counters of this open file
 * @ferry: the device
 * @stats: out
 */
int ferry_stats(struct ferry *ferry, struct drm_ferry_stats *stats);

/**
 * ferry_outcome_name() - a word for an outcome
 * @outcome: enum drm_ferry_outcome
 *
 * Return: for example "moved"; "unknown" for a value that this library does not
 * know. Valid for ever.
 */
const char *ferry_outcome_name(unsigned int outcome);

#ifdef __cplusplus
}
#endif

#endif
