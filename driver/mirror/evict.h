/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_EVICT_H
#define FERRY_MIRROR_EVICT_H

struct ferry_device;
struct ferry_mirror;

void ferry_orphans_init(struct ferry_device *device);
void ferry_orphans_fini(struct ferry_device *device);
void ferry_mirror_evict(struct ferry_mirror *mirror);
void ferry_mirror_disown(struct ferry_mirror *mirror);
int ferry_mirror_release_device(struct ferry_mirror *mirror);

#endif
