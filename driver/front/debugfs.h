/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_FRONT_DEBUGFS_H
#define FERRY_FRONT_DEBUGFS_H

struct drm_device;
struct drm_printer;
struct ferry_device;
struct ferry_migration_stats;

void ferry_show_migrations(struct drm_printer *p, struct ferry_migration_stats *stats);
void ferry_show_register(struct drm_device *drm, struct ferry_device *device);

#endif
