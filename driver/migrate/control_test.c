// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controls on which other tests rely, through the files in debugfs. As many
 * tasks are held as were armed for, each way of release frees the tasks, and
 * delays are bounded.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mount.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "control.h"
#include "kunit.h"

#define NTASKS	3
/* Much shorter than FERRY_PAUSE_LIMIT, which releases all tasks. */
#define PATIENCE_MS	8000

/**
 * struct control - a debugfs mount, and tasks that run into a pause
 * @t: fixture; the first page holds the text of a read or write
 * @mount: debugfs mount of the test
 * @tasks: tasks that were started
 * @through: number of tasks that passed the pause
 */
struct control {
	struct ferry_kunit *t;
	struct vfsmount *mount;
	struct task_struct *tasks[NTASKS];
	atomic_t through;
};

static struct file *open_control(struct kunit *test, const char *name, int flags)
{
	struct control *control = test->priv;
	char path[64];
	struct file *file;

	snprintf(path, sizeof(path), "ferry_test/%s", name);
	file = file_open_root_mnt(control->mount, path, flags, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL_MSG(test, file, "%s", path);
	return file;
}

static ssize_t write_control(struct kunit *test, const char *name, const char *text)
{
	struct control *control = test->priv;
	char __user *buffer = (char __user *)control->t->start;
	struct file *file = open_control(test, name, O_WRONLY);
	ssize_t ret = -EFAULT;
	loff_t pos = 0;

	if (!copy_to_user(buffer, text, strlen(text)))
		ret = vfs_write(file, buffer, strlen(text), &pos);
	fput(file);
	return ret;
}

static void set_control(struct kunit *test, const char *name, const char *text)
{
	KUNIT_EXPECT_EQ_MSG(test, write_control(test, name, text), strlen(text), "%s", name);
}

static int get_control(struct kunit *test, const char *name)
{
	struct control *control = test->priv;
	char __user *buffer = (char __user *)control->t->start;
	struct file *file = open_control(test, name, O_RDONLY);
	char text[16] = {};
	loff_t pos = 0;
	ssize_t got;
	int value = -1;

	got = vfs_read(file, buffer, sizeof(text) - 1, &pos);
	fput(file);
	if (got > 0 && !copy_from_user(text, buffer, got))
		KUNIT_EXPECT_EQ(test, kstrtoint(strim(text), 10, &value), 0);
	return value;
}

static int task_main(void *data)
{
	struct control *control = data;

	allow_signal(SIGKILL);
	ferry_control_pause(FERRY_PAUSE_AFTER_SETUP);
	atomic_inc(&control->through);
	while (!kthread_should_stop())
		schedule_timeout_uninterruptible(1);
	return 0;
}

static void begin_task(struct kunit *test, int i)
{
	struct control *control = test->priv;

	control->tasks[i] = kthread_run(task_main, control, "ferry_control");
	if (IS_ERR(control->tasks[i]))
		control->tasks[i] = NULL;
	KUNIT_EXPECT_NOT_NULL(test, control->tasks[i]);
}

/* Waits until @waiting tasks are held and @through tasks passed. */
static void expect_tasks(struct kunit *test, int waiting, int through)
{
	struct control *control = test->priv;
	unsigned long limit = jiffies + msecs_to_jiffies(PATIENCE_MS);

	while (time_before(jiffies, limit) &&
	       (get_control(test, "after_setup/waiting") != waiting ||
		atomic_read(&control->through) != through))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ(test, get_control(test, "after_setup/waiting"), waiting);
	KUNIT_EXPECT_EQ(test, atomic_read(&control->through), through);
}

static int control_init(struct kunit *test)
{
	struct file_system_type *type = get_fs_type("debugfs");
	struct control *control;

	KUNIT_ASSERT_NOT_NULL(test, type);
	control = kunit_kzalloc(test, sizeof(*control), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, control);
	test->priv = control;
	control->mount = kern_mount(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, control->mount);
	control->t = ferry_kunit_create(test, 0, 1);
	ferry_kunit_write(control->t, 0, 1);
	set_control(test, "enabled", "1");
	return 0;
}

/*
 * Runs in another thread without an address space, and cannot write control
 * files.
 */
static void control_exit(struct kunit *test)
{
	struct control *control = test->priv;
	int i;

	if (!control)
		return;
	for (i = 0; i < NTASKS; i++)
		if (control->tasks[i]) {
			send_sig(SIGKILL, control->tasks[i], 1);
			kthread_stop(control->tasks[i]);
		}
	if (!IS_ERR_OR_NULL(control->mount))
		kern_unmount(control->mount);
}

/* The first tasks are held. A write to release frees all of them. */
static void arming_counts(struct kunit *test)
{
	set_control(test, "after_setup/arm", "2");
	begin_task(test, 0);
	expect_tasks(test, 1, 0);
	KUNIT_EXPECT_EQ(test, get_control(test, "after_setup/arm"), 1);
	begin_task(test, 1);
	expect_tasks(test, 2, 0);
	begin_task(test, 2);
	expect_tasks(test, 2, 1);
	KUNIT_EXPECT_EQ(test, get_control(test, "after_setup/arm"), 0);
	/* The release of another place does not free the tasks. */
	set_control(test, "after_copy/release", "1");
	expect_tasks(test, 2, 1);
	set_control(test, "after_setup/release", "1");
	expect_tasks(test, 0, 3);
	set_control(test, "enabled", "0");
}

static void turning_off_lets_go(struct kunit *test)
{
	set_control(test, "after_setup/arm", "5");
	begin_task(test, 0);
	expect_tasks(test, 1, 0);
	set_control(test, "enabled", "0");
	expect_tasks(test, 0, 1);
	KUNIT_EXPECT_EQ(test, get_control(test, "after_setup/arm"), 0);
	/* Arming without enabling holds no task. */
	set_control(test, "after_setup/arm", "1");
	begin_task(test, 1);
	expect_tasks(test, 0, 2);
	set_control(test, "after_setup/arm", "0");
}

static void killing_lets_go(struct kunit *test)
{
	struct control *control = test->priv;

	set_control(test, "after_setup/arm", "1");
	begin_task(test, 0);
	expect_tasks(test, 1, 0);
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, control->tasks[0], 1), 0);
	expect_tasks(test, 0, 1);
	set_control(test, "enabled", "0");
}

/* The pause is for one process. Others pass, and the count stays. */
static void one_process(struct kunit *test)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", task_tgid_nr(current));
	set_control(test, "tgid", text);
	set_control(test, "after_setup/arm", "1");
	begin_task(test, 0);
	expect_tasks(test, 0, 1);
	KUNIT_EXPECT_EQ(test, get_control(test, "after_setup/arm"), 1);
	set_control(test, "enabled", "0");
	KUNIT_EXPECT_EQ(test, get_control(test, "tgid"), 0);
}

/*
 * A delay of 10 s is cut, and a delay of 0 is none. The limits are wide: the
 * duration of mdelay() depends on a calibration, which a busy host distorts.
 */
static const struct delay_case {
	const char *name;
	const char *file, *us;
	enum ferry_delay point;
	int at_least_ms, at_most_ms;
} delay_cases[] = {
	{ "none", "clear_to_flush_us", "0", FERRY_DELAY_CLEAR_TO_FLUSH, 0, 1 },
	{ "30 ms", "clear_to_flush_us", "30000", FERRY_DELAY_CLEAR_TO_FLUSH, 2, 5000 },
	{ "too much", "clear_to_flush_us", "10000000", FERRY_DELAY_CLEAR_TO_FLUSH, 4, 5000 },
	{ "too much, before dirty", "clear_to_dirty_us", "10000000",
	  FERRY_DELAY_CLEAR_TO_DIRTY, 4, 5000 },
	{ "elsewhere", "clear_to_dirty_us", "10000000", FERRY_DELAY_CLEAR_TO_FLUSH, 0, 1 },
};

KUNIT_ARRAY_PARAM_DESC(delay, delay_cases, name);

/*
 * Returns the shortest of a few delays: other load may lengthen a single delay.
 */
static s64 time_delay(enum ferry_delay point)
{
	s64 shortest = S64_MAX;
	ktime_t before;
	int i;

	for (i = 0; i < 5; i++) {
		before = ktime_get();
		ferry_control_delay(point);
		shortest = min(shortest, ktime_ms_delta(ktime_get(), before));
	}
	return shortest;
}

static void delay(struct kunit *test)
{
	const struct delay_case *c = test->param_value;
	s64 ms;

	set_control(test, c->file, c->us);
	ms = time_delay(c->point);
	KUNIT_EXPECT_GE(test, ms, c->at_least_ms);
	KUNIT_EXPECT_LE(test, ms, c->at_most_ms);
	set_control(test, "enabled", "0");
	KUNIT_EXPECT_EQ(test, get_control(test, c->file), 0);
}

static void wrong_values(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, write_control(test, "enabled", "2"), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_control(test, "enabled"), 1);
	set_control(test, "enabled", "0");
	KUNIT_EXPECT_EQ(test, get_control(test, "enabled"), 0);
}

static struct kunit_case control_cases[] = {
	KUNIT_CASE(arming_counts),
	KUNIT_CASE(turning_off_lets_go),
	KUNIT_CASE(killing_lets_go),
	KUNIT_CASE(one_process),
	KUNIT_CASE_PARAM(delay, delay_gen_params),
	KUNIT_CASE(wrong_values),
	{}
};

static struct kunit_suite control_suite = {
	.name = "ferry_control",
	.init = control_init,
	.exit = control_exit,
	.test_cases = control_cases,
};

kunit_test_suite(control_suite);
