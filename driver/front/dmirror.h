/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_FRONT_DMIRROR_H
#define FERRY_FRONT_DMIRROR_H

struct ferry_device;
struct ferry_dmirror;

int ferry_dmirror_init(const char *name);
void ferry_dmirror_fini(void);
struct ferry_dmirror *ferry_dmirror_create(struct ferry_device *device,
					   unsigned int nprivate);
void ferry_dmirror_destroy(struct ferry_dmirror *front);

#endif
