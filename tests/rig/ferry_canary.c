// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that breaks the kernel in a chosen way, to show that vm/guest
 * notices. A load with provoke=WHAT does the damage at once:
 *
 *   warning    WARN()
 *   oops       a NULL pointer dereference
 *   panic      panic()
 *   hung_task  a thread sleeps uninterruptibly for ever
 *   leak       an object is allocated and forgotten (kmemleak)
 *   lockdep    two mutexes are taken in both orders (PROVE_LOCKING)
 *   kasan      a read past the end of an object (KASAN)
 *   ubsan      a shift by the width of the type (UBSAN_SHIFT)
 *   kunit      a KUnit test fails (with kunit.enable=1)
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

static char *provoke = "";
module_param(provoke, charp, 0444);
MODULE_PARM_DESC(provoke, "warning, oops, panic, hung_task, leak, lockdep, kasan, ubsan or kunit");

static DEFINE_MUTEX(canary_a);
static DEFINE_MUTEX(canary_b);

static void canary_warning(void)
{
	WARN(1, "ferry canary\n");
}

static void canary_oops(void)
{
	int *volatile nothing = NULL;

	pr_info("canary: %d\n", READ_ONCE(*nothing));
}

static void canary_panic(void)
{
	panic("ferry canary");
}

static int canary_sleep(void *unused)
{
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	}
	return 0;
}

static void canary_hung_task(void)
{
	/* Keeps the module's text for the sleeping thread: no unload. */
	__module_get(THIS_MODULE);
	kthread_run(canary_sleep, NULL, "ferry_canary");
}

static void canary_leak(void)
{
	void *object;
	int i;

	/*
	 * Several objects: a stale pointer in a register or on a stack hides
	 * one.
	 */
	for (i = 0; i < 16; i++) {
		object = kzalloc(200, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(object);
	}
}

static void canary_lockdep(void)
{
	mutex_lock(&canary_a);
	mutex_lock(&canary_b);
	mutex_unlock(&canary_b);
	mutex_unlock(&canary_a);

	mutex_lock(&canary_b);
	mutex_lock(&canary_a);
	mutex_unlock(&canary_a);
	mutex_unlock(&canary_b);
}

static void canary_kasan(void)
{
	size_t size = 100;
	char *object;

	OPTIMIZER_HIDE_VAR(size);
	object = kmalloc(size, GFP_KERNEL);
	if (!object)
		return;
	OPTIMIZER_HIDE_VAR(object);
	pr_info("canary: %d\n", READ_ONCE(object[size + 4]));
	kfree(object);
}

static void canary_ubsan(void)
{
	int bits = 32;

	OPTIMIZER_HIDE_VAR(bits);
	pr_info("canary: %d\n", 1 << bits);
}

#if IS_REACHABLE(CONFIG_KUNIT)
static void canary_is_alive(struct kunit *test)
{
	if (strcmp(provoke, "kunit"))
		kunit_skip(test, "provoke= is not kunit");
	KUNIT_FAIL(test, "ferry canary");
}

static struct kunit_case canary_cases[] = {
	KUNIT_CASE(canary_is_alive),
	{}
};

static struct kunit_suite canary_suite = {
	.name = "ferry_canary",
	.test_cases = canary_cases,
};

kunit_test_suite(canary_suite);
#endif

/* The suite runs when the module is live. */
static void canary_kunit(void)
{
}

static const struct {
	const char *name;
	void (*provoke)(void);
} canaries[] = {
	{ "warning", canary_warning },
	{ "oops", canary_oops },
	{ "panic", canary_panic },
	{ "hung_task", canary_hung_task },
	{ "leak", canary_leak },
	{ "lockdep", canary_lockdep },
	{ "kasan", canary_kasan },
	{ "ubsan", canary_ubsan },
	{ "kunit", canary_kunit },
};

static int __init canary_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(canaries); i++) {
		if (strcmp(provoke, canaries[i].name))
			continue;
		canaries[i].provoke();
		return 0;
	}
	pr_err("ferry_canary: provoke='%s' is not one of the names in modinfo\n", provoke);
	return -EINVAL;
}
module_init(canary_init);

static void __exit canary_exit(void)
{
}
module_exit(canary_exit);

MODULE_DESCRIPTION("Breaks the kernel on demand, to test vm/guest");
MODULE_LICENSE("GPL");
