/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Init and exit of an engine in a module. An engine that is linked into the
 * kernel needs no call.
 */
#ifndef FERRY_MIGRATE_LIVEPATCH_H
#define FERRY_MIGRATE_LIVEPATCH_H

#ifdef FERRY_ENGINE_IN_MODULE
int ferry_engine_init(void);
void ferry_engine_exit(void);
#else
static inline int ferry_engine_init(void)
{
	return 0;
}

static inline void ferry_engine_exit(void)
{
}
#endif

#endif
