// SPDX-License-Identifier: MIT
/*
 * One run of a program with one backend. The conductor is a process outside the
 * run's cgroup. The conductor hands out the steps in order, and observes the
 * processes between two steps, when no step runs. After a step with others
 * beside, the conductor does not wait: the observation follows the end of all
 * the steps. Steps that run beside each other are independent (independent() in
 * generate.c). A killed process may be busy.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define GROUPS "/sys/fs/cgroup"
#define CLOSE_LOOKS 4	/* one step in four */
#define STEP_LIMIT 60.0
#define RUN_LIMIT 180

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int put_group(const struct shared *shared, const char *file, const char *text)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", shared->group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ret = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* Makes a memory cgroup for one run. Returns 0 or -errno. */
int make_group(struct shared *shared, enum backend which)
{
	snprintf(shared->group, sizeof(shared->group), GROUPS);
	put_group(shared, "cgroup.subtree_control", "+memory");
	snprintf(shared->group, sizeof(shared->group), GROUPS "/fuzz_%d_%d", getpid(),
		 which);
	return mkdir(shared->group, 0700) ? -errno : 0;
}

static void remove_group(const struct shared *shared)
{
	double end = now() + 10;

	put_group(shared, "cgroup.kill", "1");
	while (rmdir(shared->group) && now() < end)
		usleep(1000);
}

/* Frees the slots of processes that have ended. */
static void reap(struct run *run)
{
	_Atomic int *pid;
	int slot;

	for (slot = 0; slot < PROCESSES; slot++) {
		pid = &run->shared.processes[slot].pid;
		if (*pid && kill(*pid, 0))
			*pid = 0;
	}
}

static void post(struct run *run, int process, int thread, int go)
{
	struct mailbox *box = &run->boxes[process][thread];

	box->go = go;
	syscall(SYS_futex, &box->go, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/*
 * Waits until the thread is done or the process has ended. Returns false if the
 * thread hangs.
 */
static bool wait_for(struct run *run, int process, int thread)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	struct mailbox *box = &run->boxes[process][thread];
	double end = now() + STEP_LIMIT;
	int done;

	while ((done = box->done) != box->go && run->shared.processes[process].pid) {
		syscall(SYS_futex, &box->done, FUTEX_WAIT, done, &moment, NULL, 0);
		reap(run);
		if (now() > end) {
			run->ending.hung = true;
			return false;
		}
	}
	return true;
}

/* Waits for the end of steps @first to @last and takes their results. */
static bool join(struct run *run, const struct program *program, int first, int last)
{
	const struct step *step;
	struct mailbox *box;
	int i;

	for (i = first; i <= last; i++) {
		step = &program->steps[i];
		box = &run->boxes[step->process][step->thread];
		if (box->go != i + 1)
			continue;
		if (!wait_for(run, step->process, step->thread))
			return false;
		run->steps[i].done = box->done == i + 1;
		run->steps[i].result = box->result;
	}
	reap(run);
	observe(run, &run->steps[last], last % CLOSE_LOOKS == CLOSE_LOOKS - 1 ||
		last == program->count - 1);
	return true;
}

static void start_step(struct run *run, const struct step *step, int number)
{
	if (!run->shared.processes[step->process].pid)
		return;
	if (ops[step->op].flags & OP_FORKS && !run->shared.processes[step->arg].pid)
		memset(run->boxes[step->arg], 0, sizeof(run->boxes[step->arg]));
	post(run, step->process, step->thread, number + 1);
}

static void conduct(struct run *run, const struct program *program)
{
	int i, first = 0, process;

	for (i = 0; i < program->count; i++) {
		start_step(run, &program->steps[i], i);
		if (program->steps[i].beside && i + 1 < program->count)
			continue;
		if (!join(run, program, first, i))
			return;
		first = i + 1;
	}
	observe_ending(run);
	for (process = 0; process < PROCESSES; process++) {
		if (!run->shared.processes[process].pid)
			continue;
		post(run, process, 0, GO_DUMP);
		if (!wait_for(run, process, 0))
			return;
	}
	run->ending.reached = true;
}

static void conductor(struct run *run, const struct program *program, enum backend which)
{
	double end = now() + 10;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_IGN);
	alarm(RUN_LIMIT);
	if (!fork())
		act(run, program, which);
	while (!run->shared.processes[0].pid && now() < end)
		usleep(500);
	if (!run->shared.processes[0].pid)
		_exit(1);
	conduct(run, program);
	_exit(0);
}

void run_program(const struct program *program, enum backend which, struct run *run)
{
	pid_t pid;

	memset(run, 0, sizeof(*run));
	if (make_group(&run->shared, which)) {
		fprintf(stderr, "# no memory cgroup\n");
		exit(2);
	}
	fflush(stdout);
	pid = fork();
	if (!pid)
		conductor(run, program, which);
	waitpid(pid, NULL, 0);
	remove_group(&run->shared);
}
