// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which engine migrates: the kernel's migrate_vma_*(), as exported, or (one day)
 * Ferry's own. The choice is made per call; the module's parameter backend= says
 * what the default stands for. Everything above this file is the same code over
 * either.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "backend.h"

#if IS_ENABLED(CONFIG_DEVICE_MIGRATION)
static const struct ferry_backend core = {
	.name = "core",
	/*
	 * Measured on 6.12.117: a KSM page in the range ends in a BUG in
	 * include/linux/swapops.h and an oops in ksmd.
	 */
	.survives_ksm = false,
	.setup = migrate_vma_setup,
	.pages = migrate_vma_pages,
	.finalize = migrate_vma_finalize,
	.device_range = migrate_device_range,
	.device_pages = migrate_device_pages,
	.device_finalize = migrate_device_finalize,
};
#endif

static const struct ferry_backend *const backends[] = {
#if IS_ENABLED(CONFIG_DEVICE_MIGRATION)
	[FERRY_BACKEND_CORE] = &core,
#endif
	[FERRY_BACKEND_OWN] = NULL,
};

static unsigned int default_id = FERRY_BACKEND_CORE;

/**
 * ferry_backend_init() - choose what the default stands for
 * @name: "core" or "own"
 *
 * Return: 0; -EINVAL for another name and -EOPNOTSUPP for an engine that this
 * module does not have, after a line in the kernel log.
 */
int ferry_backend_init(const char *name)
{
	unsigned int id;

	if (!strcmp(name, "core")) {
		id = FERRY_BACKEND_CORE;
	} else if (!strcmp(name, "own")) {
		id = FERRY_BACKEND_OWN;
	} else {
		pr_err("backend=%s is neither core nor own\n", name);
		return -EINVAL;
	}
	if (!backends[id]) {
		pr_err("backend=%s is not built into this module\n", name);
		return -EOPNOTSUPP;
	}
	default_id = id;
	return 0;
}

/**
 * ferry_backend_get() - find an engine
 * @id: enum ferry_backend_id, not yet checked
 *
 * Return: the engine, ERR_PTR(-EINVAL) for an unknown number and
 * ERR_PTR(-EOPNOTSUPP) for one that this module does not have.
 */
const struct ferry_backend *ferry_backend_get(unsigned int id)
{
	if (id == FERRY_BACKEND_DEFAULT)
		id = default_id;
	if (id >= ARRAY_SIZE(backends))
		return ERR_PTR(-EINVAL);
	return backends[id] ?: ERR_PTR(-EOPNOTSUPP);
}

/**
 * ferry_backend_available() - which engines this module has
 *
 * Return: bit N is set for enum ferry_backend_id N.
 */
unsigned int ferry_backend_available(void)
{
	unsigned int id, mask = 0;

	for (id = FERRY_BACKEND_CORE; id < ARRAY_SIZE(backends); id++)
		if (backends[id])
			mask |= BIT(id);
	return mask;
}
