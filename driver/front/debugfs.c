// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics of MIGRATE as text. fdinfo has the statistics of one open file
 * (front/drm.c). debugfs, dri/N/ferry_migrations, has the statistics of a
 * device since the load of the module. Both have the same lines, "ferry-KEY:
 * VALUE". A counter of zero has no line.
 */
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_device.h>
#include <drm/drm_print.h>

#include "device/device.h"
#include "mirror/stats.h"
#include "debugfs.h"

/* Outcomes have names with blanks; keys of fdinfo have hyphens. */
static void print_counter(const char *group, const char *name, u64 value, void *arg)
{
	char key[32];

	strscpy(key, name);
	strreplace(key, ' ', '-');
	drm_printf(arg, "ferry-%s%s:\t%llu\n", group, key, value);
}

/**
 * ferry_show_migrations() - print statistics of migrations
 * @p: printer for the lines
 * @stats: the statistics
 *
 * Context: any context in which @p may print.
 */
void ferry_show_migrations(struct drm_printer *p, struct ferry_migration_stats *stats)
{
	ferry_stats_each(stats, print_counter, p);
}

#ifdef CONFIG_DEBUG_FS
static int show_migrations(struct seq_file *m, void *data)
{
	struct drm_debugfs_entry *entry = m->private;
	struct ferry_device *device = entry->file.data;
	struct drm_printer p = drm_seq_file_printer(m);

	ferry_show_migrations(&p, device->migrations);
	return 0;
}

/**
 * ferry_show_register() - make a device's files in debugfs
 * @drm: the device's node, not yet registered
 * @device: the device; outlives @drm
 *
 * Context: may sleep.
 */
void ferry_show_register(struct drm_device *drm, struct ferry_device *device)
{
	drm_debugfs_add_file(drm, "ferry_migrations", show_migrations, device);
}
#else
void ferry_show_register(struct drm_device *drm, struct ferry_device *device)
{
}
#endif
