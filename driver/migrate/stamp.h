/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timing of a migration's steps, for the benchmark: reads of the cycle counter
 * around each step. While timing is off, no more than a patched-out branch is
 * left of each read.
 */
#ifndef FERRY_MIGRATE_STAMP_H
#define FERRY_MIGRATE_STAMP_H

#include <linux/kconfig.h>
#include <linux/migrate.h>
#include <linux/timex.h>

/* The engine whose time is counted. */
enum ferry_stamp_engine {
	FERRY_STAMP_CORE,
	FERRY_STAMP_OWN,
	FERRY_STAMP_NENGINES,
};

/* The direction of the pages. */
enum ferry_stamp_way {
	FERRY_STAMP_TO_DEVICE,
	FERRY_STAMP_TO_SYSTEM,
	FERRY_STAMP_CPU_FAULT,
	FERRY_STAMP_NWAYS,
};

/*
 * The step. The first six steps make a whole: DRIVER is timed from its first to
 * its last line, and loses the time of the other five. The other steps lie
 * within a phase of the own engine. FLUSH is the flush at the end of UNMAP, and
 * UNMAP loses its time.
 */
enum ferry_stamp_step {
	FERRY_STAMP_SETUP,
	FERRY_STAMP_PAGES,
	FERRY_STAMP_FINALIZE,
	FERRY_STAMP_ALLOC,
	FERRY_STAMP_COPY,
	FERRY_STAMP_DRIVER,
	FERRY_STAMP_COLLECT,
	FERRY_STAMP_ISOLATE,
	FERRY_STAMP_UNMAP,
	FERRY_STAMP_FLUSH,
	FERRY_STAMP_METADATA,
	FERRY_STAMP_HOLE,
	FERRY_STAMP_INSTALL,
	FERRY_STAMP_NSTEPS,
};

/* From the fields of struct migrate_vma. */
static inline enum ferry_stamp_way ferry_stamp_way(unsigned long flags,
						   const struct page *fault_page)
{
	if (flags & MIGRATE_VMA_SELECT_SYSTEM)
		return FERRY_STAMP_TO_DEVICE;
	return fault_page ? FERRY_STAMP_CPU_FAULT : FERRY_STAMP_TO_SYSTEM;
}

#if IS_ENABLED(CONFIG_FERRY_STAMPS)
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(ferry_stamp_key);

void __ferry_stamp_end(enum ferry_stamp_engine engine, enum ferry_stamp_way way,
		       enum ferry_stamp_step step, cycles_t start);
void __ferry_stamp_pages(enum ferry_stamp_engine engine, enum ferry_stamp_way way,
			 unsigned long npages);

/* A step begins. The caller hands the value to ferry_stamp_end(). */
static inline cycles_t ferry_stamp_begin(void)
{
	return static_branch_unlikely(&ferry_stamp_key) ? get_cycles() : 0;
}

static inline void ferry_stamp_end(enum ferry_stamp_engine engine,
				   enum ferry_stamp_way way,
				   enum ferry_stamp_step step, cycles_t start)
{
	if (static_branch_unlikely(&ferry_stamp_key))
		__ferry_stamp_end(engine, way, step, start);
}

/* Pages of a requested migration; called once for each migration. */
static inline void ferry_stamp_pages(enum ferry_stamp_engine engine,
				     enum ferry_stamp_way way, unsigned long npages)
{
	if (static_branch_unlikely(&ferry_stamp_key))
		__ferry_stamp_pages(engine, way, npages);
}
#else
static inline cycles_t ferry_stamp_begin(void)
{
	return 0;
}

static inline void ferry_stamp_end(enum ferry_stamp_engine engine,
				   enum ferry_stamp_way way,
				   enum ferry_stamp_step step, cycles_t start)
{
}

static inline void ferry_stamp_pages(enum ferry_stamp_engine engine,
				     enum ferry_stamp_way way, unsigned long npages)
{
}
#endif

#endif
