// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timing of a migration's steps, in debugfs:
 *
 *   ferry_stamps	write 1: all sums become zero, and timing is on. Write
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
 * backend.c times the phases around the calls of either engine, in the same
 * way. The steps inside a phase are timed in the own engine alone. One clock
 * read costs two dozen instructions; a call has a dozen clock reads.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/seq_file.h>

#include "stamp.h"

struct sums {
	atomic64_t cycles[FERRY_STAMP_NSTEPS];
	atomic64_t pages;
};

static struct sums all_sums[FERRY_STAMP_NENGINES][FERRY_STAMP_NWAYS];

static const char *const engine_names[FERRY_STAMP_NENGINES] = {
	[FERRY_STAMP_CORE] = "core",
	[FERRY_STAMP_OWN] = "own",
};

static const char *const way_names[FERRY_STAMP_NWAYS] = {
	[FERRY_STAMP_TO_DEVICE] = "to_device",
	[FERRY_STAMP_TO_SYSTEM] = "to_system",
	[FERRY_STAMP_CPU_FAULT] = "cpu_fault",
};

/* The time of a step is taken off the step that contains it. */
static const struct {
	const char *name;
	enum ferry_stamp_step within;
} steps[FERRY_STAMP_NSTEPS] = {
	[FERRY_STAMP_SETUP] = { "setup", FERRY_STAMP_DRIVER },
	[FERRY_STAMP_PAGES] = { "pages", FERRY_STAMP_DRIVER },
	[FERRY_STAMP_FINALIZE] = { "finalize", FERRY_STAMP_DRIVER },
	[FERRY_STAMP_ALLOC] = { "alloc", FERRY_STAMP_DRIVER },
	[FERRY_STAMP_COPY] = { "copy", FERRY_STAMP_DRIVER },
	[FERRY_STAMP_DRIVER] = { "driver", FERRY_STAMP_NSTEPS },
	[FERRY_STAMP_COLLECT] = { "collect", FERRY_STAMP_NSTEPS },
	[FERRY_STAMP_ISOLATE] = { "isolate", FERRY_STAMP_NSTEPS },
	[FERRY_STAMP_UNMAP] = { "unmap", FERRY_STAMP_NSTEPS },
	[FERRY_STAMP_FLUSH] = { "flush", FERRY_STAMP_UNMAP },
	[FERRY_STAMP_METADATA] = { "metadata", FERRY_STAMP_NSTEPS },
	[FERRY_STAMP_HOLE] = { "hole", FERRY_STAMP_NSTEPS },
	[FERRY_STAMP_INSTALL] = { "install", FERRY_STAMP_NSTEPS },
};

DEFINE_STATIC_KEY_FALSE(ferry_stamp_key);
EXPORT_SYMBOL_GPL(ferry_stamp_key);

/**
 * __ferry_stamp_end() - add the time of a step that ends now
 * @engine: the engine
 * @way: the direction of the pages
 * @step: the step
 * @start: cycle counter from ferry_stamp_begin(); 0 if timing was off: nothing
 *	is added
 *
 * Context: any; timing is on. Called through ferry_stamp_end().
 */
void __ferry_stamp_end(enum ferry_stamp_engine engine, enum ferry_stamp_way way,
		       enum ferry_stamp_step step, cycles_t start)
{
	struct sums *sums = &all_sums[engine][way];
	cycles_t took = get_cycles() - start;

	/* The step began while timing was off. */
	if (!start)
		return;
	atomic64_add(took, &sums->cycles[step]);
	if (steps[step].within < FERRY_STAMP_NSTEPS)
		atomic64_sub(took, &sums->cycles[steps[step].within]);
}
EXPORT_SYMBOL_GPL(__ferry_stamp_end);

/**
 * __ferry_stamp_pages() - add the pages of a migration
 * @engine: the engine
 * @way: the direction of the pages
 * @npages: number of pages
 *
 * Context: any; timing is on. Called through ferry_stamp_pages().
 */
void __ferry_stamp_pages(enum ferry_stamp_engine engine, enum ferry_stamp_way way,
			 unsigned long npages)
{
	atomic64_add(npages, &all_sums[engine][way].pages);
}
EXPORT_SYMBOL_GPL(__ferry_stamp_pages);

static void show_sums(struct seq_file *m, int engine, int way)
{
	/* core has no timing inside its phases. */
	int nsteps = engine == FERRY_STAMP_OWN ? FERRY_STAMP_NSTEPS : FERRY_STAMP_COLLECT;
	struct sums *sums = &all_sums[engine][way];
	int step;

	if (!atomic64_read(&sums->pages))
		return;
	for (step = 0; step < nsteps; step++)
		seq_printf(m, "%s %s %s %lld %lld\n", engine_names[engine], way_names[way],
			   steps[step].name, atomic64_read(&sums->cycles[step]),
			   atomic64_read(&sums->pages));
}

static int stamps_show(struct seq_file *m, void *data)
{
	int engine, way;

	for (engine = 0; engine < FERRY_STAMP_NENGINES; engine++)
		for (way = 0; way < FERRY_STAMP_NWAYS; way++)
			show_sums(m, engine, way);
	return 0;
}

static void reset(void)
{
	int engine, way, step;

	for (engine = 0; engine < FERRY_STAMP_NENGINES; engine++)
		for (way = 0; way < FERRY_STAMP_NWAYS; way++) {
			atomic64_set(&all_sums[engine][way].pages, 0);
			for (step = 0; step < FERRY_STAMP_NSTEPS; step++)
				atomic64_set(&all_sums[engine][way].cycles[step], 0);
		}
}

static ssize_t stamps_write(struct file *file, const char __user *from, size_t n,
			    loff_t *pos)
{
	bool on;
	int ret;

	ret = kstrtobool_from_user(from, n, &on);
	if (ret)
		return ret;
	if (on) {
		reset();
		static_branch_enable(&ferry_stamp_key);
	} else {
		static_branch_disable(&ferry_stamp_key);
	}
	return n;
}

static int stamps_open(struct inode *inode, struct file *file)
{
	return single_open(file, stamps_show, NULL);
}

static const struct file_operations stamps_fops = {
	.open = stamps_open,
	.read = seq_read,
	.write = stamps_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int __init ferry_stamp_init(void)
{
	debugfs_create_file("ferry_stamps", 0600, NULL, NULL, &stamps_fops);
	return 0;
}
late_initcall(ferry_stamp_init);
