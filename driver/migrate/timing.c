// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timing of a migration's steps, in debugfs:
 *
 *   ferry_timing	write 1: all sums become zero, and timing is on. Write
 *			0: timing is off, and the sums stay. Reading gives
 *			"ENGINE WAY STEP CYCLES PAGES" for each direction that
 *			pages went since
 *
 * The sums belong to the whole machine, and include other work of a CPU during
 * a step (an interrupt, another task). They mean something where one program
 * migrates and little else runs. With an instruction clock (vm/guest --icount)
 * a cycle is an instruction. Timing should be switched while nothing migrates;
 * otherwise a step may count in part.
 *
 * ferry_backend_setup(), ferry_backend_pages() and ferry_backend_finalize() time
 * the phases of either engine, in the same way. The steps inside a phase are
 * timed in the own engine alone. One clock read costs two dozen instructions; a
 * call has a dozen clock reads.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/seq_file.h>

#include "timing.h"

struct sums {
	atomic64_t cycles[FERRY_TIMING_NSTEPS];
	atomic64_t pages;
};

static struct sums all_sums[FERRY_TIMING_NENGINES][FERRY_TIMING_NWAYS];

static const char *const engine_names[FERRY_TIMING_NENGINES] = {
	[FERRY_TIMING_CORE] = "core",
	[FERRY_TIMING_OWN] = "own",
};

static const char *const way_names[FERRY_TIMING_NWAYS] = {
	[FERRY_TIMING_TO_DEVICE] = "to_device",
	[FERRY_TIMING_TO_SYSTEM] = "to_system",
	[FERRY_TIMING_TO_NODE] = "to_node",
	[FERRY_TIMING_CPU_FAULT] = "cpu_fault",
};

/* The time of a step is taken off the step that contains it. */
static const struct {
	const char *name;
	enum ferry_timing_step within;
} steps[FERRY_TIMING_NSTEPS] = {
	[FERRY_TIMING_SETUP] = { "setup", FERRY_TIMING_DRIVER },
	[FERRY_TIMING_PAGES] = { "pages", FERRY_TIMING_DRIVER },
	[FERRY_TIMING_FINALIZE] = { "finalize", FERRY_TIMING_DRIVER },
	[FERRY_TIMING_ALLOC] = { "alloc", FERRY_TIMING_DRIVER },
	[FERRY_TIMING_COPY] = { "copy", FERRY_TIMING_DRIVER },
	[FERRY_TIMING_DRIVER] = { "driver", FERRY_TIMING_NSTEPS },
	[FERRY_TIMING_COLLECT] = { "collect", FERRY_TIMING_NSTEPS },
	[FERRY_TIMING_ISOLATE] = { "isolate", FERRY_TIMING_NSTEPS },
	[FERRY_TIMING_UNMAP] = { "unmap", FERRY_TIMING_NSTEPS },
	[FERRY_TIMING_FLUSH] = { "flush", FERRY_TIMING_UNMAP },
	[FERRY_TIMING_METADATA] = { "metadata", FERRY_TIMING_NSTEPS },
	[FERRY_TIMING_HOLE] = { "hole", FERRY_TIMING_NSTEPS },
	[FERRY_TIMING_INSTALL] = { "install", FERRY_TIMING_NSTEPS },
};

DEFINE_STATIC_KEY_FALSE(ferry_timing_key);
EXPORT_SYMBOL_GPL(ferry_timing_key);

/**
 * __ferry_timing_end() - add the time of a step that ends now
 * @timer: the step; nothing is added for a step that is not timed, or that
 *	began while timing was off
 *
 * Context: any; timing is on. Called through ferry_timed().
 */
void __ferry_timing_end(const struct ferry_timer *timer)
{
	struct sums *sums = &all_sums[timer->engine][timer->way];
	enum ferry_timing_step within = steps[timer->step].within;
	cycles_t took = get_cycles() - timer->start;

	if (!timer->start)
		return;
	atomic64_add(took, &sums->cycles[timer->step]);
	if (within < FERRY_TIMING_NSTEPS)
		atomic64_sub(took, &sums->cycles[within]);
}
EXPORT_SYMBOL_GPL(__ferry_timing_end);

/**
 * __ferry_timing_pages() - add the pages of a migration
 * @engine: the engine
 * @way: the direction of the pages
 * @npages: number of pages
 *
 * Context: any; timing is on. Called through ferry_timing_pages().
 */
void __ferry_timing_pages(enum ferry_timing_engine engine, enum ferry_timing_way way,
			  unsigned long npages)
{
	atomic64_add(npages, &all_sums[engine][way].pages);
}
EXPORT_SYMBOL_GPL(__ferry_timing_pages);

static void show_sums(struct seq_file *m, int engine, int way)
{
	/* core has no timing inside its phases. */
	int nsteps = engine == FERRY_TIMING_OWN ? FERRY_TIMING_NSTEPS : FERRY_TIMING_COLLECT;
	struct sums *sums = &all_sums[engine][way];
	int step;

	if (!atomic64_read(&sums->pages))
		return;
	for (step = 0; step < nsteps; step++)
		seq_printf(m, "%s %s %s %lld %lld\n", engine_names[engine], way_names[way],
			   steps[step].name, atomic64_read(&sums->cycles[step]),
			   atomic64_read(&sums->pages));
}

static int timing_show(struct seq_file *m, void *data)
{
	int engine, way;

	for (engine = 0; engine < FERRY_TIMING_NENGINES; engine++)
		for (way = 0; way < FERRY_TIMING_NWAYS; way++)
			show_sums(m, engine, way);
	return 0;
}

static void reset(void)
{
	int engine, way, step;

	for (engine = 0; engine < FERRY_TIMING_NENGINES; engine++)
		for (way = 0; way < FERRY_TIMING_NWAYS; way++) {
			atomic64_set(&all_sums[engine][way].pages, 0);
			for (step = 0; step < FERRY_TIMING_NSTEPS; step++)
				atomic64_set(&all_sums[engine][way].cycles[step], 0);
		}
}

static ssize_t timing_write(struct file *file, const char __user *from, size_t n,
			    loff_t *pos)
{
	bool on;
	int ret;

	ret = kstrtobool_from_user(from, n, &on);
	if (ret)
		return ret;
	if (on) {
		reset();
		static_branch_enable(&ferry_timing_key);
	} else {
		static_branch_disable(&ferry_timing_key);
	}
	return n;
}

static int timing_open(struct inode *inode, struct file *file)
{
	return single_open(file, timing_show, NULL);
}

static const struct file_operations timing_fops = {
	.open = timing_open,
	.read = seq_read,
	.write = timing_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static struct dentry *timing_file;

/**
 * ferry_timing_create() - create the file in debugfs
 *
 * Called at boot, or by a module with the engine in it.
 *
 * Context: sleeps.
 */
void ferry_timing_create(void)
{
	timing_file = debugfs_create_file("ferry_timing", 0600, NULL, NULL, &timing_fops);
}

#ifdef FERRY_ENGINE_IN_MODULE
/**
 * ferry_timing_remove() - remove the file, before the module goes
 *
 * Context: sleeps.
 */
void ferry_timing_remove(void)
{
	debugfs_remove(timing_file);
}
#else
static int __init ferry_timing_init(void)
{
	ferry_timing_create();
	return 0;
}
late_initcall(ferry_timing_init);
#endif
