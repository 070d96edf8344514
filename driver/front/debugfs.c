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

#include "migrate/tally.h"
#include "mirror/mirror.h"
#include "debugfs.h"

static void show(struct drm_printer *p, const char *prefix, const char *name,
		 atomic64_t *counter)
{
	s64 value = atomic64_read(counter);
	char key[32];

	if (!value)
		return;
	strscpy(key, name);
	strreplace(key, ' ', '-');
	drm_printf(p, "ferry-%s%s:\t%lld\n", prefix, key, value);
}

/**
 * ferry_show_tally() - print statistics of migrations
 * @p: printer for the lines
 * @tally: the statistics
 *
 * Context: any context in which @p may print.
 */
void ferry_show_tally(struct drm_printer *p, struct ferry_tally *tally)
{
	static const char *const flushes[FERRY_NFLUSHES] = {
		[FERRY_FLUSH_PER_PAGE] = "per-page",
		[FERRY_FLUSH_PER_TABLE] = "per-table",
		[FERRY_FLUSH_PER_CALL] = "per-call",
		[FERRY_FLUSH_AUTO] = "auto",
	};
	unsigned int i;

	for (i = FERRY_MOVED; i < FERRY_NOUTCOMES; i++)
		show(p, "pages-", ferry_outcome_name(i), &tally->outcomes[i]);
	for (i = FERRY_FLUSH_PER_PAGE; i < FERRY_NFLUSHES; i++)
		show(p, "flushes-", flushes[i], &tally->flushes[i]);
	show(p, "", "passes", &tally->passes);
	show(p, "", "drains", &tally->drains);
	show(p, "", "splits", &tally->splits);
	show(p, "installed-", "known", &tally->known);
	show(p, "installed-", "walked", &tally->walked);
}

#ifdef CONFIG_DEBUG_FS
static int show_migrations(struct seq_file *m, void *data)
{
	struct drm_debugfs_entry *entry = m->private;
	struct ferry_device *device = entry->file.data;
	struct drm_printer p = drm_seq_file_printer(m);

	ferry_show_tally(&p, ferry_mirror_device_tally(device));
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
