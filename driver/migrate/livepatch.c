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
 *
 * The engine has private copies of layouts of mm/ (mm_declared.h), and calls
 * functions whose arguments no export fixes. Therefore the module is for one
 * build of the kernel. The version alone does not name the build: a
 * distribution builds a kernel again under the same name. The build-id does.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/buildid.h>
#include <linux/hex.h>
#include <linux/kconfig.h>
#include <linux/module.h>
#include <linux/string.h>

#include "control.h"
#include "livepatch.h"
#include "timing.h"

MODULE_INFO(livepatch, "Y");

static int check_build_id(void)
{
	static const char wanted[] = FERRY_BUILD_ID;
	u8 id[BUILD_ID_SIZE_MAX] = {};

	static_assert(sizeof(wanted) > 1 && sizeof(wanted) <= 2 * BUILD_ID_SIZE_MAX + 1);
	if (!hex2bin(id, wanted, strlen(wanted) / 2) &&
	    !memcmp(id, vmlinux_build_id, sizeof(id)))
		return 0;
	pr_err("the engine in this module is for the kernel with build-id %s, and this kernel has %*phN: rebuild the module against this kernel's headers and image\n",
	       wanted, BUILD_ID_SIZE_MAX, vmlinux_build_id);
	return -ENOEXEC;
}

/**
 * ferry_engine_init() - check the kernel, create the engine's files in debugfs
 *
 * Must come before any other use of the engine.
 *
 * Context: sleeps.
 * Return: 0, or -ENOEXEC if the module was built for another kernel.
 */
int ferry_engine_init(void)
{
	int ret = check_build_id();

	if (ret)
		return ret;
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
