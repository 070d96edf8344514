// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controls for tests, in debugfs (CONFIG_FERRY_TEST_CONTROL alone):
 *
 *   ferry_test/enabled		1 turns the controls below on; 0 turns the
 *				controls off, resets tgid, arm and NAME_us to 0,
 *				and releases every held task
 *   ferry_test/tgid		the only process to be held, or 0 for every
 *				process
 *   ferry_test/NAME/arm		number of next tasks to be held at NAME
 *   ferry_test/NAME/waiting	number of tasks held now
 *   ferry_test/NAME/release	any write releases all held tasks
 *   ferry_test/NAME_us		microseconds to wait under the lock, at most
 *				FERRY_DELAY_MAX_US
 *
 * A held task is released after FERRY_PAUSE_LIMIT in any case, and when the
 * task is killed: a test that dies leaves nothing behind. arm counts down. A
 * held task has no lock of the controls, but keeps its page locks, as tests
 * want.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "control.h"

#define FERRY_PAUSE_LIMIT	(20 * HZ)
#define FERRY_DELAY_MAX_US	100000

/**
 * struct pause_point - a place where tasks can be held
 * @name: name of the directory
 * @armed: number of tasks still to be held
 * @waiting: number of tasks held now
 * @releases: generation; a change releases the held tasks
 * @wait: wait queue of the held tasks
 */
struct pause_point {
	const char *name;
	atomic_t armed;
	atomic_t waiting;
	atomic_t releases;
	wait_queue_head_t wait;
};

static struct pause_point pauses[FERRY_NPAUSES] = {
	[FERRY_PAUSE_AFTER_SETUP] = { .name = "after_setup" },
	[FERRY_PAUSE_BEFORE_FLUSH] = { .name = "before_flush" },
	[FERRY_PAUSE_AFTER_COPY] = { .name = "after_copy" },
	[FERRY_PAUSE_BEFORE_FINALIZE] = { .name = "before_finalize" },
	[FERRY_PAUSE_CPU_FAULT] = { .name = "cpu_fault" },
};

static const char *const delay_names[FERRY_NDELAYS] = {
	[FERRY_DELAY_CLEAR_TO_FLUSH] = "clear_to_flush_us",
	[FERRY_DELAY_CLEAR_TO_DIRTY] = "clear_to_dirty_us",
};

static u32 delays[FERRY_NDELAYS];
static u32 only_tgid;

DEFINE_STATIC_KEY_FALSE(ferry_control_key);
EXPORT_SYMBOL_GPL(ferry_control_key);

static bool is_meant(void)
{
	u32 tgid = READ_ONCE(only_tgid);

	return !tgid || tgid == task_tgid_nr(current);
}

/**
 * __ferry_control_pause() - hold the task if a test has armed the place
 * @point: the place
 *
 * Context: the controls are enabled; may sleep, up to FERRY_PAUSE_LIMIT. Called
 * through ferry_control_pause().
 */
void __ferry_control_pause(enum ferry_pause point)
{
	struct pause_point *pause = &pauses[point];
	int generation = atomic_read(&pause->releases);

	might_sleep();
	if (!is_meant() || atomic_dec_if_positive(&pause->armed) < 0)
		return;
	atomic_inc(&pause->waiting);
	wait_event_killable_timeout(pause->wait,
				    atomic_read(&pause->releases) != generation,
				    FERRY_PAUSE_LIMIT);
	atomic_dec(&pause->waiting);
}
EXPORT_SYMBOL_GPL(__ferry_control_pause);

/**
 * __ferry_control_delay() - spin for the time that a test has set
 * @point: the place
 *
 * Context: the controls are enabled; under a page-table lock; does not sleep.
 * Called through ferry_control_delay().
 */
void __ferry_control_delay(enum ferry_delay point)
{
	u32 us = min(READ_ONCE(delays[point]), FERRY_DELAY_MAX_US);

	if (!us || !is_meant())
		return;
	for (; us >= USEC_PER_MSEC; us -= USEC_PER_MSEC)
		mdelay(1);
	udelay(us);
}

static void release(struct pause_point *pause)
{
	atomic_inc(&pause->releases);
	wake_up_all(&pause->wait);
}

static ssize_t release_write(struct file *file, const char __user *from, size_t n,
			     loff_t *pos)
{
	release(file_inode(file)->i_private);
	return n;
}

static const struct file_operations release_fops = {
	.open = simple_open,
	.write = release_write,
};

static int enabled_get(void *data, u64 *value)
{
	*value = static_key_enabled(&ferry_control_key);
	return 0;
}

static int enabled_set(void *data, u64 value)
{
	int i;

	if (value > 1)
		return -EINVAL;
	if (value) {
		static_branch_enable(&ferry_control_key);
		return 0;
	}
	static_branch_disable(&ferry_control_key);
	WRITE_ONCE(only_tgid, 0);
	for (i = 0; i < FERRY_NDELAYS; i++)
		WRITE_ONCE(delays[i], 0);
	for (i = 0; i < FERRY_NPAUSES; i++) {
		atomic_set(&pauses[i].armed, 0);
		release(&pauses[i]);
	}
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(enabled_fops, enabled_get, enabled_set, "%llu\n");

static struct dentry *root;

/**
 * ferry_control_create() - create the files in debugfs
 *
 * Called at boot, or by a module with the engine in it.
 *
 * Context: sleeps.
 */
void ferry_control_create(void)
{
	struct pause_point *pause;
	struct dentry *dir;
	int i;

	root = debugfs_create_dir("ferry_test", NULL);
	for (i = 0; i < FERRY_NPAUSES; i++) {
		pause = &pauses[i];
		init_waitqueue_head(&pause->wait);
		dir = debugfs_create_dir(pause->name, root);
		debugfs_create_atomic_t("arm", 0600, dir, &pause->armed);
		debugfs_create_atomic_t("waiting", 0400, dir, &pause->waiting);
		debugfs_create_file("release", 0200, dir, pause, &release_fops);
	}
	for (i = 0; i < FERRY_NDELAYS; i++)
		debugfs_create_u32(delay_names[i], 0600, root, &delays[i]);
	debugfs_create_u32("tgid", 0600, root, &only_tgid);
	debugfs_create_file_unsafe("enabled", 0600, root, NULL, &enabled_fops);
}

#ifdef FERRY_ENGINE_IN_MODULE
/**
 * ferry_control_remove() - remove the files, before the module goes
 *
 * Context: sleeps.
 */
void ferry_control_remove(void)
{
	debugfs_remove(root);
}
#else
static int __init ferry_control_init(void)
{
	ferry_control_create();
	return 0;
}
late_initcall(ferry_control_init);
#endif
