// SPDX-License-Identifier: GPL-2.0-only
/*
 * Marks a module that has the engine in it. The engine needs functions that the
 * kernel does not export. The last step of the build (vm/livepatch) turns the
 * functions of driver/migrate/livepatch.symbols into livepatch symbols: the
 * module loader resolves such symbols by name, for modules with this mark alone
 * (Documentation/livepatch/module-elf-format.rst).
 *
 * Nothing is patched: klp_enable_patch() is never called. The kernel is tainted
 * all the same (TAINT_LIVEPATCH).
 */
#include <linux/kconfig.h>
#include <linux/module.h>

#include "control.h"
#include "livepatch.h"
#include "timing.h"

MODULE_INFO(livepatch, "Y");

/**
 * ferry_engine_init() - create the engine's files in debugfs
 *
 * Context: sleeps.
 * Return: 0.
 */
int ferry_engine_init(void)
{
	ferry_timing_create();
	if (IS_ENABLED(CONFIG_FERRY_TEST_CONTROL))
		ferry_control_create();
	return 0;
}

/**
 * ferry_engine_exit() - remove the engine's files
 *
 * Context: sleeps until no file is in use; no migration runs.
 */
void ferry_engine_exit(void)
{
	if (IS_ENABLED(CONFIG_FERRY_TEST_CONTROL))
		ferry_control_remove();
	ferry_timing_remove();
}
