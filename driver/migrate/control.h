/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places where a test can hold the engine, to win a race on purpose. No control
 * is built without CONFIG_FERRY_TEST_CONTROL.
 */
#ifndef FERRY_MIGRATE_CONTROL_H
#define FERRY_MIGRATE_CONTROL_H

#include <linux/kconfig.h>
#include <linux/types.h>

void ferry_control_create(void);
void ferry_control_remove(void);

/* Places where a task may sleep. */
enum ferry_pause {
	FERRY_PAUSE_AFTER_SETUP,
	FERRY_PAUSE_BEFORE_FLUSH,
	FERRY_PAUSE_AFTER_COPY,
	FERRY_PAUSE_BEFORE_FINALIZE,
	FERRY_PAUSE_CPU_FAULT,
	FERRY_NPAUSES,
};

/* Places under a page-table lock. */
enum ferry_delay {
	FERRY_DELAY_CLEAR_TO_FLUSH,
	FERRY_DELAY_CLEAR_TO_DIRTY,
	FERRY_NDELAYS,
};

#if IS_ENABLED(CONFIG_FERRY_TEST_CONTROL)
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(ferry_control_key);

void __ferry_control_pause(enum ferry_pause point);
void __ferry_control_delay(enum ferry_delay point);

static inline void ferry_control_pause(enum ferry_pause point)
{
	if (static_branch_unlikely(&ferry_control_key))
		__ferry_control_pause(point);
}

static inline void ferry_control_delay(enum ferry_delay point)
{
	if (static_branch_unlikely(&ferry_control_key))
		__ferry_control_delay(point);
}
#else
static inline void ferry_control_pause(enum ferry_pause point)
{
}

static inline void ferry_control_delay(enum ferry_delay point)
{
}
#endif

#endif
