/* SPDX-License-Identifier: MIT */
/* CPUs, and a helper thread that runs one function at a given moment. */
#ifndef FERRY_THREADS_H
#define FERRY_THREADS_H

#include <sched.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "ferry_test.h"

static inline int cpus_online(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * Moves the calling thread to one CPU. The first CPU has number 0; the numbers
 * start again after the last CPU. Returns 0 or -errno.
 */
static inline int run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % cpus_online(), &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static inline int run_on_last_cpu(void)
{
	return run_on_cpu(cpus_online() - 1);
}

/* Spins instead of sleeping, to be in time for another thread. */
static inline void spin_until(double when)
{
	while (seconds() < when)
		;
}

/* A thread for an operation that may wait for a held page. */
struct helper {
	int (*run)(void *arg);
	void *arg;
	int ret;
	pid_t tid;
	sem_t go;
	bool begun;
	bool done;
	pthread_t thread;
};

static inline void *helper_run(void *arg)
{
	struct helper *helper = arg;

	helper->tid = syscall(SYS_gettid);
	sem_wait(&helper->go);
	__atomic_store_n(&helper->begun, true, __ATOMIC_SEQ_CST);
	helper->ret = helper->run(helper->arg);
	__atomic_store_n(&helper->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Creates the helper, before a hold. */
static inline int _test_helper(struct helper *helper, int (*run)(void *arg), void *arg)
{
	*helper = (struct helper) { .run = run, .arg = arg };
	sem_init(&helper->go, 0, 0);
	return -pthread_create(&helper->thread, NULL, helper_run, helper);
}

#define test_helper(helper, run, arg) ASSERT_EQ(_test_helper(helper, run, arg), 0)

/*
 * Returns the state letter of a process or thread. Uses system calls only:
 * stdio could enlarge the heap.
 */
static inline char state_of(const char *path)
{
	char text[256] = "", *name_end;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, text, sizeof(text) - 1);

	close(fd);
	name_end = got > 0 ? strrchr(text, ')') : NULL;
	return name_end ? name_end[2] : '?';
}

/*
 * Starts the helper and gives the helper time to meet the held page. Returns
 * when the helper is done or sleeps, or, if the helper spins, after about 20
 * milliseconds.
 */
static inline void helper_go(struct helper *helper)
{
	char path[64];
	int tries;

	sem_post(&helper->go);
	while (!__atomic_load_n(&helper->begun, __ATOMIC_SEQ_CST))
		usleep(100);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", helper->tid);
	for (tries = 0; tries < 20; tries++) {
		usleep(1000);
		if (__atomic_load_n(&helper->done, __ATOMIC_SEQ_CST) ||
		    state_of(path) == 'D')
			return;
	}
}

static inline bool helper_done(struct helper *helper)
{
	return __atomic_load_n(&helper->done, __ATOMIC_SEQ_CST);
}

static inline int helper_join(struct helper *helper)
{
	pthread_join(helper->thread, NULL);
	return helper->ret;
}

#endif
