/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_COHERENT_H
#define FERRY_DEVICE_COHERENT_H

#include <linux/types.h>

struct resource;

struct resource *ferry_coherent_claim(u64 start, u64 size);
void ferry_coherent_unclaim(struct resource *resource);

#endif
