/* SPDX-License-Identifier: MIT */
/*
 * Controls that hold the engine at given points (driver/migrate/control.c), to
 * win a race on purpose. Each function returns 0 or -errno. The fixture of a
 * test calls control_on() in its setup and control_off() in its teardown.
 */
#ifndef FERRY_CONTROL_H
#define FERRY_CONTROL_H

#include "files.h"

#define CONTROL "/sys/kernel/debug/ferry_test/"

/* Names of the points; see driver/migrate/control.c. */
#define AFTER_SETUP "after_setup"
#define BEFORE_FLUSH "before_flush"
#define AFTER_COPY "after_copy"
#define BEFORE_FINALIZE "before_finalize"
#define CPU_FAULT "cpu_fault"
#define CLEAR_TO_FLUSH "clear_to_flush_us"
#define CLEAR_TO_DIRTY "clear_to_dirty_us"

static inline int control_set(const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), CONTROL "%s", name);
	return write_number(path, value);
}

/* Only this process is held. */
static inline int control_on(void)
{
	return control_set("enabled", 1) ?: control_set("tgid", getpid());
}

static inline int control_off(void)
{
	return control_set("enabled", 0);
}

/* Hold the next task that reaches @point. */
static inline int control_arm(const char *point)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/arm", point);
	return control_set(name, 1);
}

/* Wait for a held task: 0, -EIO, or -ETIMEDOUT after 10 s or more. */
static inline int control_wait(const char *point)
{
	char path[128];
	long waiting = 0;
	int tries;

	snprintf(path, sizeof(path), CONTROL "%s/waiting", point);
	for (tries = 0; tries < 10000; tries++) {
		if (read_number(path, &waiting))
			return -EIO;
		if (waiting)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

static inline int control_release(const char *point)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/release", point);
	return control_set(name, 1);
}

#endif
