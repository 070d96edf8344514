// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics: all counters of the mirror layer, with their names.
 *
 * values      one set for each open file, by enum ferry_stat; STATS returns the
 *             values, and fdinfo prints the values by name
 * migrations  what MIGRATE did: one set for each open file (fdinfo), and one set
 *             for each device since the load of the module (debugfs)
 *
 * Each event has one counter, except a moved page: the outcomes have no
 * direction, so TO_DEVICE, TO_SYSTEM and TO_NODE count the page again. FAILED is a sum
 * of outcomes. Counters of MIGRATE are added once a call, not once a page. CPU
 * faults are counted at the owner, under the lock that the fault takes anyway
 * (device/owner.c).
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "device/device.h"
#include "device/owner.h"
#include "device/quota.h"
#include "migrate/outcome.h"
#include "mirror.h"
#include "stats.h"

static const char *const stat_names[FERRY_NSTATS] = {
	[FERRY_STAT_TO_DEVICE] = "to-device",
	[FERRY_STAT_ZERO_FILLED] = "zero-filled",
	[FERRY_STAT_TO_SYSTEM] = "to-system",
	[FERRY_STAT_FAILED] = "failed",
	[FERRY_STAT_CPU_FAULTS] = "cpu-faults",
	[FERRY_STAT_CPU_FAULT_RACES] = "cpu-fault-races",
	[FERRY_STAT_DEVICE_FAULTS] = "device-faults",
	[FERRY_STAT_DEVICE_FAULT_RETRIES] = "device-fault-retries",
	[FERRY_STAT_INVALIDATIONS] = "invalidations",
	[FERRY_STAT_BYTES_READ] = "bytes-read",
	[FERRY_STAT_BYTES_WRITTEN] = "bytes-written",
	[FERRY_STAT_OPS] = "ops",
	[FERRY_STAT_PAGES_HELD] = "pages-held",
	[FERRY_STAT_WINDOWS] = "windows",
	[FERRY_STAT_CPU_FAULTS_AROUND] = "cpu-faults-around",
	[FERRY_STAT_QUOTA] = "quota-pages",
	[FERRY_STAT_QUOTA_LEFT] = "quota-left",
	[FERRY_STAT_TO_NODE] = "to-node",
};

static const char *const flush_keys[FERRY_NFLUSHES] = {
	[FERRY_FLUSH_PER_PAGE] = "per-page",
	[FERRY_FLUSH_PER_TABLE] = "per-table",
	[FERRY_FLUSH_PER_CALL] = "per-call",
	[FERRY_FLUSH_AUTO] = "auto",
};

/* The single counters of struct ferry_migration_stats. */
static const struct {
	const char *group;
	const char *name;
	size_t offset;
} counters[] = {
	{ "", "passes", offsetof(struct ferry_migration_stats, passes) },
	{ "", "drains", offsetof(struct ferry_migration_stats, drains) },
	{ "", "splits", offsetof(struct ferry_migration_stats, splits) },
	{ "installed-", "known", offsetof(struct ferry_migration_stats, known) },
	{ "installed-", "walked", offsetof(struct ferry_migration_stats, walked) },
};

/**
 * ferry_stats_init() - allocate a device's statistics
 * @device: the device; no mirror exists yet
 *
 * Context: sleeps.
 * Return: 0 or -ENOMEM.
 */
int ferry_stats_init(struct ferry_device *device)
{
	device->migrations = kzalloc(sizeof(*device->migrations), GFP_KERNEL);
	return device->migrations ? 0 : -ENOMEM;
}

/**
 * ferry_stats_fini() - free a device's statistics
 * @device: the device, without mirrors and nodes, after ferry_stats_init()
 *
 * Context: any.
 */
void ferry_stats_fini(struct ferry_device *device)
{
	kfree(device->migrations);
	device->migrations = NULL;
}

/**
 * ferry_stats_name() - name of a value
 * @stat: the value
 *
 * Context: any.
 * Return: the name, with hyphens, as in the keys of fdinfo.
 */
const char *ferry_stats_name(enum ferry_stat stat)
{
	return stat_names[stat];
}

/**
 * ferry_stats_read() - read one value of a mirror
 * @mirror: the mirror; need not be entered, but not yet destroyed
 * @stat: the value
 *
 * Context: any; takes no lock.
 * Return: the value.
 */
u64 ferry_stats_read(struct ferry_mirror *mirror, enum ferry_stat stat)
{
	struct ferry_memory *memory = mirror->device->memory;
	struct ferry_mirror_stats *stats = &mirror->stats;
	struct ferry_owner *owner = mirror->owner;

	switch (stat) {
	case FERRY_STAT_ZERO_FILLED:
		return atomic64_read(&stats->migrations.outcomes[FERRY_ZERO_FILLED]);
	case FERRY_STAT_CPU_FAULTS:
		return READ_ONCE(owner->cpu_faults);
	case FERRY_STAT_CPU_FAULT_RACES:
		return READ_ONCE(owner->cpu_fault_races);
	case FERRY_STAT_CPU_FAULTS_AROUND:
		return READ_ONCE(owner->cpu_faults_around);
	case FERRY_STAT_PAGES_HELD:
		return ferry_owner_held(owner);
	case FERRY_STAT_WINDOWS:
		return READ_ONCE(mirror->nwindows);
	case FERRY_STAT_QUOTA:
		return ferry_owner_quota(memory);
	case FERRY_STAT_QUOTA_LEFT:
		return min(ferry_owner_quota_left(memory, owner), memory->npages);
	default:
		return atomic64_read(&stats->counters[stat]);
	}
}

/**
 * ferry_stats_outcomes() - count the outcomes of one call
 * @outcomes: out: number of pages by outcome
 * @outcome: one enum ferry_outcome for each page
 * @npages: number of pages
 *
 * Context: any.
 */
void ferry_stats_outcomes(struct ferry_outcomes *outcomes, const u8 *outcome,
			  unsigned long npages)
{
	unsigned long i;

	memset(outcomes, 0, sizeof(*outcomes));
	/* The common case: all pages have the same outcome. */
	if (npages && !memchr_inv(outcome, outcome[0], npages)) {
		outcomes->pages[outcome[0]] = npages;
		return;
	}
	for (i = 0; i < npages; i++)
		outcomes->pages[outcome[i]]++;
}

/**
 * ferry_stats_add() - add one call of an engine
 * @stats: the statistics, shared by callers without a lock
 * @migrate: the migration, after finalize
 * @outcomes: outcomes of the migration's pages
 *
 * Context: any; the counters are atomic.
 */
void ferry_stats_add(struct ferry_migration_stats *stats,
		     const struct ferry_migrate *migrate,
		     const struct ferry_outcomes *outcomes)
{
	const struct ferry_migrate_counts *counts = &migrate->counts;
	enum ferry_flush flush = migrate->flush ?: FERRY_FLUSH_AUTO;
	unsigned int i;

	for (i = 0; i < FERRY_NOUTCOMES; i++)
		if (outcomes->pages[i])
			atomic64_add(outcomes->pages[i], &stats->outcomes[i]);
	atomic64_add(counts->flushes, &stats->flushes[flush]);
	atomic64_add(counts->passes, &stats->passes);
	atomic64_add(counts->drains, &stats->drains);
	atomic64_add(counts->splits, &stats->splits);
	atomic64_add(counts->known, &stats->known);
	atomic64_add(counts->walked, &stats->walked);
}

static void call_unless_zero(ferry_stats_fn fn, void *arg, const char *group,
			     const char *name, const atomic64_t *counter)
{
	u64 value = atomic64_read(counter);

	if (value)
		fn(group, name, value, arg);
}

/**
 * ferry_stats_each() - call a function for each counter that is not zero
 * @stats: the statistics
 * @fn: the function. @group is the first part of the counter's key, with a
 *	hyphen at the end, or empty; @name is the rest of the key
 * @arg: argument for @fn
 *
 * Context: any context in which @fn may run.
 */
void ferry_stats_each(struct ferry_migration_stats *stats, ferry_stats_fn fn, void *arg)
{
	unsigned int i;

	for (i = FERRY_MOVED; i < FERRY_NOUTCOMES; i++)
		call_unless_zero(fn, arg, "pages-", ferry_outcome_name(i),
				 &stats->outcomes[i]);
	for (i = FERRY_FLUSH_PER_PAGE; i < FERRY_NFLUSHES; i++)
		call_unless_zero(fn, arg, "flushes-", flush_keys[i], &stats->flushes[i]);
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		call_unless_zero(fn, arg, counters[i].group, counters[i].name,
				 (const void *)stats + counters[i].offset);
}
