/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_FRONT_DRM_H
#define FERRY_FRONT_DRM_H

struct ferry_device;
struct ferry_drm;

struct ferry_drm *ferry_drm_create(struct ferry_device *device);
void ferry_drm_destroy(struct ferry_drm *front);

#endif
