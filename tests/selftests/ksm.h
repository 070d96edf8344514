/* SPDX-License-Identifier: MIT */
/* Controls and counters of KSM. */
#ifndef FERRY_KSM_H
#define FERRY_KSM_H

#include "files.h"

#define KSM "/sys/kernel/mm/ksm/"

/* Values for ksm_run(). */
#define KSM_STOP "0"
#define KSM_START "1"
#define KSM_UNMERGE "2"	/* stops, and unmerges all pages */

/* Returns 0 or -errno. */
static inline int ksm_run(const char *how)
{
	return write_file(KSM "run", how);
}

/* No page is merged, and ksmd merges fast from now on. Returns 0 or -errno. */
static inline int ksm_prepare(void)
{
	int ret = ksm_run(KSM_UNMERGE);

	ret = ret ?: write_file(KSM "smart_scan", "0");
	ret = ret ?: write_file(KSM "pages_to_scan", "1000");
	return ret ?: write_file(KSM "sleep_millisecs", "1");
}

static inline void ksm_unmerge_and_stop(void)
{
	ksm_run(KSM_UNMERGE);
	ksm_run(KSM_STOP);
}

#endif
