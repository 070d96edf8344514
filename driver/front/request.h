/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_FRONT_REQUEST_H
#define FERRY_FRONT_REQUEST_H

struct ferry_mirror;

/*
 * Each function takes the struct of the ioctl, in kernel memory, and writes the
 * results to the struct. Kernel-doc is in request.c.
 */
int ferry_request_query(struct ferry_mirror *mirror, void *data);
int ferry_request_migrate(struct ferry_mirror *mirror, void *data);
int ferry_request_snapshot(struct ferry_mirror *mirror, void *data);
int ferry_request_read(struct ferry_mirror *mirror, void *data);
int ferry_request_write(struct ferry_mirror *mirror, void *data);
int ferry_request_exec(struct ferry_mirror *mirror, void *data);
int ferry_request_stats(struct ferry_mirror *mirror, void *data);

#endif
