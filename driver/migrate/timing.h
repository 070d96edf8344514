/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timing of a migration's steps, for the benchmark: reads of the cycle counter
 * around each step. While timing is off no clock is read: a patched-out branch
 * and a few stores are left of each step.
 */
#ifndef FERRY_MIGRATE_TIMING_H
#define FERRY_MIGRATE_TIMING_H

#include <linux/cleanup.h>
#include <linux/kconfig.h>
#include <linux/migrate.h>
#include <linux/timex.h>

/* The engine whose time is counted. */
enum ferry_timing_engine {
	FERRY_TIMING_CORE,
	FERRY_TIMING_OWN,
	FERRY_TIMING_NENGINES,
};

/* The direction of the pages. */
enum ferry_timing_way {
	FERRY_TIMING_TO_DEVICE,
	FERRY_TIMING_TO_SYSTEM,
	FERRY_TIMING_TO_NODE,
	FERRY_TIMING_CPU_FAULT,
	FERRY_TIMING_NWAYS,
};

/*
 * The step. The first six steps make a whole: DRIVER is the driver's part of a
 * MIGRATE, or of a CPU fault from the choice of the winner on, and loses the
 * time of the other five. The other steps lie within a phase of the own engine.
 * FLUSH is the flush at the end of UNMAP, and UNMAP loses its time.
 */
enum ferry_timing_step {
	FERRY_TIMING_SETUP,
	FERRY_TIMING_PAGES,
	FERRY_TIMING_FINALIZE,
	FERRY_TIMING_ALLOC,
	FERRY_TIMING_COPY,
	FERRY_TIMING_DRIVER,
	FERRY_TIMING_COLLECT,
	FERRY_TIMING_ISOLATE,
	FERRY_TIMING_UNMAP,
	FERRY_TIMING_FLUSH,
	FERRY_TIMING_METADATA,
	FERRY_TIMING_HOLE,
	FERRY_TIMING_INSTALL,
	FERRY_TIMING_NSTEPS,
};

/* From the fields of struct migrate_vma; not for moves to a node. */
static inline enum ferry_timing_way ferry_timing_way(unsigned long flags,
						     const struct page *fault_page)
{
	if (flags & MIGRATE_VMA_SELECT_SYSTEM)
		return FERRY_TIMING_TO_DEVICE;
	return fault_page ? FERRY_TIMING_CPU_FAULT : FERRY_TIMING_TO_SYSTEM;
}

/**
 * struct ferry_timer - one timed step
 * @engine: engine of the step
 * @way: direction of the pages
 * @step: the step
 * @start: cycle counter at the start; 0: the step is not timed
 */
struct ferry_timer {
	enum ferry_timing_engine engine;
	enum ferry_timing_way way;
	enum ferry_timing_step step;
	cycles_t start;
};

#if IS_ENABLED(CONFIG_FERRY_TIMING)
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(ferry_timing_key);

void ferry_timing_create(void);
void ferry_timing_remove(void);
void __ferry_timing_end(const struct ferry_timer *timer);
void __ferry_timing_pages(enum ferry_timing_engine engine, enum ferry_timing_way way,
			  unsigned long npages);

static inline cycles_t ferry_timing_start(void)
{
	return static_branch_unlikely(&ferry_timing_key) ? get_cycles() : 0;
}

static inline void ferry_timing_end(const struct ferry_timer *timer)
{
	if (static_branch_unlikely(&ferry_timing_key))
		__ferry_timing_end(timer);
}

/* Pages of a requested migration; called once for each migration. */
static inline void ferry_timing_pages(enum ferry_timing_engine engine,
				      enum ferry_timing_way way, unsigned long npages)
{
	if (static_branch_unlikely(&ferry_timing_key))
		__ferry_timing_pages(engine, way, npages);
}
#else
static inline cycles_t ferry_timing_start(void)
{
	return 0;
}

static inline void ferry_timing_end(const struct ferry_timer *timer)
{
}

static inline void ferry_timing_pages(enum ferry_timing_engine engine,
				      enum ferry_timing_way way, unsigned long npages)
{
}
#endif

static inline struct ferry_timer ferry_timer(enum ferry_timing_engine engine,
					     enum ferry_timing_way way,
					     enum ferry_timing_step step)
{
	return (struct ferry_timer) {
		.engine = engine,
		.way = way,
		.step = step,
		.start = ferry_timing_start(),
	};
}

/*
 * ferry_timed(TIMER) STATEMENT: the statement is one step, of a struct
 * ferry_timer that begins here. return leaves the statement and ends the step.
 * break and continue end the step too, but no loop around the step.
 */
#define ferry_timed(timer)							\
	for (struct ferry_timer __timer __cleanup(ferry_timing_end) = (timer),	\
			*__once = &__timer; __once; __once = NULL)

#endif
