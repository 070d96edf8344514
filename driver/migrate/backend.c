// SPDX-License-Identifier: GPL-2.0-only
/*
 * The choice of engine: core, the kernel's exported migrate_vma_*(), or own,
 * Ferry's engine, where linked into the kernel. Each call chooses. The module's
 * parameters backend= and flush= set the defaults. Callers are the same for
 * both engines, and ask struct ferry_backend for the differences (.can). With
 * core no page gets an outcome: the caller's array stays unchanged.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/string.h>

#include "backend.h"
#include "writes.h"

#if IS_ENABLED(CONFIG_DEVICE_MIGRATION)
/*
 * Setup sets @migrate->cleared once for each call to the device. To system
 * memory the mapping's own state decides.
 */
static bool core_is_tracked(const struct ferry_migrate *migrate)
{
	return ferry_writes_tracked_now(migrate->vma.vma) || migrate->cleared;
}

static int core_setup(struct ferry_migrate *migrate)
{
	struct migrate_vma *args = &migrate->vma;
	int ret;

	/* core makes a page writable as its entry was (writes.c). */
	migrate->cleared = args->flags & MIGRATE_VMA_SELECT_SYSTEM &&
			   ferry_writes_cleared(args->vma->vm_mm);
	if (core_is_tracked(migrate))
		ferry_writes_grant(args->vma, args->start, args->end);
	ret = migrate_vma_setup(args);
	if (ret && core_is_tracked(migrate))
		ferry_writes_protect(args->vma, args->start, args->end);
	return ret;
}

static void core_pages(struct ferry_migrate *migrate)
{
	migrate_vma_pages(&migrate->vma);
}

static void core_finalize(struct ferry_migrate *migrate)
{
	struct migrate_vma *args = &migrate->vma;

	migrate_vma_finalize(args);
	if (core_is_tracked(migrate))
		ferry_writes_protect(args->vma, args->start, args->end);
}

/*
 * Without FERRY_CAN_MEET_KSM, as measured on 6.12.117: a KSM page in the range
 * ends in a BUG in include/linux/swapops.h and an oops in ksmd. Without
 * FERRY_CAN_KEEP_LIMIT: core charges a hole with GFP_KERNEL
 * (mm/migrate_device.c:606).
 */
static const struct ferry_backend core = {
	.name = "core",
	.timing = FERRY_TIMING_CORE,
	.can = 0,
	.flushes = BIT(FERRY_FLUSH_DEFAULT) | BIT(FERRY_FLUSH_PER_PAGE),
	.setup = core_setup,
	.pages = core_pages,
	.finalize = core_finalize,
	.device_range = migrate_device_range,
	.device_pages = migrate_device_pages,
	.device_finalize = migrate_device_finalize,
};
#endif

#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
static const struct ferry_backend own = {
	.name = "own",
	.timing = FERRY_TIMING_OWN,
	.can = FERRY_CAN_MEET_KSM | FERRY_CAN_KEEP_LIMIT | FERRY_CAN_HOLD_ANON_VMA |
	       FERRY_CAN_SELECT_ANON | FERRY_CAN_REPORT_OUTCOMES | FERRY_CAN_MOVE_TO_NODE,
	.flushes = BIT(FERRY_NFLUSHES) - 1,
	.setup = ferry_migrate_setup_ext,
	.pages = ferry_migrate_pages_ext,
	.finalize = ferry_migrate_finalize_ext,
	.device_range = ferry_migrate_device_range,
	.device_pages = ferry_migrate_device_pages,
	.device_finalize = ferry_migrate_device_finalize,
};
#endif

static const struct ferry_backend *const backends[] = {
#if IS_ENABLED(CONFIG_DEVICE_MIGRATION)
	[FERRY_BACKEND_CORE] = &core,
#endif
#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
	[FERRY_BACKEND_OWN] = &own,
#else
	[FERRY_BACKEND_OWN] = NULL,
#endif
};

static unsigned int default_id = FERRY_BACKEND_CORE;
static enum ferry_flush default_flush = FERRY_FLUSH_DEFAULT;

static const char *const flush_names[] = {
	[FERRY_FLUSH_PER_PAGE] = "per_page",
	[FERRY_FLUSH_PER_TABLE] = "per_table",
	[FERRY_FLUSH_PER_CALL] = "per_call",
	[FERRY_FLUSH_AUTO] = "auto",
};

static_assert(ARRAY_SIZE(flush_names) == FERRY_NFLUSHES);

static int init_engine(const char *name)
{
	unsigned int id;

	if (!name)
		id = backends[FERRY_BACKEND_OWN] ? FERRY_BACKEND_OWN : FERRY_BACKEND_CORE;
	else if (!strcmp(name, "core"))
		id = FERRY_BACKEND_CORE;
	else if (!strcmp(name, "own"))
		id = FERRY_BACKEND_OWN;
	else
		id = FERRY_BACKEND_DEFAULT;

	if (id == FERRY_BACKEND_DEFAULT) {
		pr_err("backend=%s is neither core nor own\n", name);
		return -EINVAL;
	}
	if (!backends[id]) {
		pr_err("backend=%s is not built into this kernel\n", name ?: "core");
		return -EOPNOTSUPP;
	}
	default_id = id;
	return 0;
}

static int init_flush(const char *name)
{
	int flush;

	if (!name)
		return 0;
	flush = match_string(flush_names + 1, ARRAY_SIZE(flush_names) - 1, name);
	if (flush < 0) {
		pr_err("flush=%s is none of per_page, per_table, per_call, auto\n", name);
		return -EINVAL;
	}
	if (!backends[FERRY_BACKEND_OWN]) {
		pr_err("flush=%s needs the own engine, which is not built into this kernel\n",
		       name);
		return -EOPNOTSUPP;
	}
	default_flush = flush + 1;
	return 0;
}

/**
 * ferry_backend_init() - set the default engine and flush strategy
 * @name: "core" or "own"; NULL: own where the kernel has the own engine, else
 *	core
 * @flush: "per_page", "per_table", "per_call" or "auto", for the own engine;
 *	NULL: the own engine's default
 *
 * Context: module init; no other call of the file runs.
 * Return: 0; -EINVAL for any other name; -EOPNOTSUPP for an engine that the
 * kernel does not have, and for @flush without the own engine. A line in the
 * kernel log explains each error.
 */
int ferry_backend_init(const char *name, const char *flush)
{
	default_flush = FERRY_FLUSH_DEFAULT;
	return init_engine(name) ?: init_flush(flush);
}

/**
 * ferry_backend_flush() - flush strategy of a call, with the default resolved
 * @backend: the engine, from ferry_backend_get()
 * @flush: a strategy that the engine has
 *
 * Context: any.
 * Return: the parameter flush= if @flush is FERRY_FLUSH_DEFAULT and the engine
 * has the parameter's strategy; otherwise @flush.
 */
enum ferry_flush ferry_backend_flush(const struct ferry_backend *backend,
				     enum ferry_flush flush)
{
	if (flush == FERRY_FLUSH_DEFAULT && backend->flushes & BIT(default_flush))
		return default_flush;
	return flush;
}

/**
 * ferry_backend_get() - find an engine
 * @id: enum ferry_backend_id, or any unchecked number from a user
 *
 * Context: any.
 * Return: the engine; ERR_PTR(-EINVAL) for an unknown number;
 * ERR_PTR(-EOPNOTSUPP) for an engine that the kernel does not have.
 */
const struct ferry_backend *ferry_backend_get(unsigned int id)
{
	if (id == FERRY_BACKEND_DEFAULT)
		id = default_id;
	if (id >= ARRAY_SIZE(backends))
		return ERR_PTR(-EINVAL);
	id = array_index_nospec(id, ARRAY_SIZE(backends));
	return backends[id] ?: ERR_PTR(-EOPNOTSUPP);
}

/**
 * ferry_backend_available() - engines of the running kernel
 *
 * Context: any.
 * Return: a mask; bit N is set if the kernel has the engine of enum
 * ferry_backend_id N.
 */
unsigned int ferry_backend_available(void)
{
	unsigned int id, mask = 0;

	for (id = FERRY_BACKEND_CORE; id < ARRAY_SIZE(backends); id++)
		if (backends[id])
			mask |= BIT(id);
	return mask;
}

static enum ferry_timing_way way_of(const struct ferry_migrate *migrate)
{
	if (migrate->to_node)
		return FERRY_TIMING_TO_NODE;
	return ferry_timing_way(migrate->vma.flags, migrate->vma.fault_page);
}

/**
 * ferry_backend_setup() - phase 1 of a migration by address
 * @backend: the engine
 * @migrate: the migration, with the arguments of migrate_vma_setup()
 *
 * Context: mmap_lock held, until after ferry_backend_finalize(); sleeps.
 * Return: as migrate_vma_setup(). After an error no other phase is called.
 */
int ferry_backend_setup(const struct ferry_backend *backend, struct ferry_migrate *migrate)
{
	int ret = 0;

	ferry_timed(ferry_timer(backend->timing, way_of(migrate), FERRY_TIMING_SETUP))
		ret = backend->setup(migrate);
	ferry_timing_pages(backend->timing, way_of(migrate),
			   (migrate->vma.end - migrate->vma.start) >> PAGE_SHIFT);
	return ret;
}

/**
 * ferry_backend_pages() - phase 2, after the caller has copied the data
 * @backend: the engine
 * @migrate: the migration, after ferry_backend_setup()
 *
 * Context: as ferry_backend_setup().
 */
void ferry_backend_pages(const struct ferry_backend *backend, struct ferry_migrate *migrate)
{
	ferry_timed(ferry_timer(backend->timing, way_of(migrate), FERRY_TIMING_PAGES))
		backend->pages(migrate);
}

/**
 * ferry_backend_finalize() - phase 3: new or old pages are mapped
 * @backend: the engine
 * @migrate: the migration, after ferry_backend_setup(); ferry_backend_pages()
 *	may be left out, if no slot has a destination
 *
 * Context: as ferry_backend_setup().
 */
void ferry_backend_finalize(const struct ferry_backend *backend, struct ferry_migrate *migrate)
{
	ferry_timed(ferry_timer(backend->timing, way_of(migrate), FERRY_TIMING_FINALIZE))
		backend->finalize(migrate);
}
