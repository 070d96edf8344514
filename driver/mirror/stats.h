/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_STATS_H
#define FERRY_MIRROR_STATS_H

#include <linux/atomic.h>

#include "migrate/migrate.h"

struct ferry_device;
struct ferry_mirror;

/*
 * Statistics of one open file, in the order of the members of struct
 * drm_ferry_stats; the front end checks the equality. The header
 * uapi/drm/ferry_drm.h defines each value.
 */
enum ferry_stat {
	FERRY_STAT_TO_DEVICE,
	FERRY_STAT_ZERO_FILLED,
	FERRY_STAT_TO_SYSTEM,
	FERRY_STAT_FAILED,
	FERRY_STAT_CPU_FAULTS,
	FERRY_STAT_CPU_FAULT_RACES,
	FERRY_STAT_DEVICE_FAULTS,
	FERRY_STAT_DEVICE_FAULT_RETRIES,
	FERRY_STAT_INVALIDATIONS,
	FERRY_STAT_BYTES_READ,
	FERRY_STAT_BYTES_WRITTEN,
	FERRY_STAT_OPS,
	FERRY_STAT_PAGES_HELD,
	FERRY_STAT_WINDOWS,
	FERRY_STAT_CPU_FAULTS_AROUND,
	FERRY_STAT_QUOTA,
	FERRY_STAT_QUOTA_LEFT,
	FERRY_STAT_TO_NODE,
	FERRY_NSTATS,
};

/**
 * struct ferry_migration_stats - statistics over many calls of an engine
 * @outcomes: number of pages by enum ferry_outcome
 * @flushes: number of TLB flushes by strategy; the own engine's, for core's
 *	flushes are not known
 * @passes: sum of ferry_migrate_counts.passes
 * @drains: sum of ferry_migrate_counts.drains
 * @splits: sum of ferry_migrate_counts.splits
 * @known: sum of ferry_migrate_counts.known
 * @walked: sum of ferry_migrate_counts.walked
 */
struct ferry_migration_stats {
	atomic64_t outcomes[FERRY_NOUTCOMES];
	atomic64_t flushes[FERRY_NFLUSHES];
	atomic64_t passes;
	atomic64_t drains;
	atomic64_t splits;
	atomic64_t known;
	atomic64_t walked;
};

/**
 * struct ferry_mirror_stats - statistics of one mirror
 * @counters: the values by enum ferry_stat that the mirror layer adds up. The
 *	counter of a value that ferry_stats_read() finds elsewhere stays zero
 * @migrations: statistics of ferry_mirror_migrate()
 */
struct ferry_mirror_stats {
	atomic64_t counters[FERRY_NSTATS];
	struct ferry_migration_stats migrations;
};

/**
 * struct ferry_outcomes - outcomes of one call
 * @pages: number of pages by enum ferry_outcome
 */
struct ferry_outcomes {
	unsigned long pages[FERRY_NOUTCOMES];
};

/**
 * ferry_stats_count() - add to one value of a mirror
 * @stats: statistics of the mirror
 * @stat: the value
 * @n: number to add
 *
 * Context: any; the counter is atomic.
 */
static inline void ferry_stats_count(struct ferry_mirror_stats *stats, enum ferry_stat stat,
				     u64 n)
{
	atomic64_add(n, &stats->counters[stat]);
}

int ferry_stats_init(struct ferry_device *device);
void ferry_stats_fini(struct ferry_device *device);
const char *ferry_stats_name(enum ferry_stat stat);
u64 ferry_stats_read(struct ferry_mirror *mirror, enum ferry_stat stat);
void ferry_stats_outcomes(struct ferry_outcomes *outcomes, const u8 *outcome,
			  unsigned long npages);
void ferry_stats_add(struct ferry_migration_stats *stats,
		     const struct ferry_migrate *migrate,
		     const struct ferry_outcomes *outcomes);

typedef void (*ferry_stats_fn)(const char *group, const char *name, u64 value, void *arg);
void ferry_stats_each(struct ferry_migration_stats *stats, ferry_stats_fn fn, void *arg);

#endif
