// SPDX-License-Identifier: MIT
/*
 * The throughput of 2 and 4 processes, or threads of one process, in comparison
 * with one. Each worker moves a range of its own, on one device. In each round
 * the first worker, then the first two, then all workers make round trips of
 * their range.
 *
 * MOVER may be memcpy: the scaling of the machine itself, without the kernel.
 *
 * usage: scaling ROUNDS NPAGES TRIPS processes|threads MOVER
 * facts: scaling.CPUS.HOW.WORKERS.MOVER.median, .min, .max: throughput, with
 *	one worker of the same round as 1; .best: the best of all rounds, in
 *	relation to the best of one worker
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MAX_WORKERS 4

static const int steps[] = { 1, 2, 4 };

#define NSTEPS 3

struct worker {
	uint64_t start;
	uint64_t end;
	int go[2];
	int done[2];
	pthread_t thread;
	pid_t pid;
};

static struct worker *workers;	/* shared with child processes */
static const struct mover *shared_mover;
static const char *mover;
static size_t npages, trips;

static void get_byte(int fd, const char *from)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		die("%s is gone", from);
}

static void put_byte(int fd)
{
	if (write(fd, "", 1) != 1)
		die("a pipe: %m");
}

/* The process's shared mover, or a mover of the worker's own. */
static const struct mover *open_mover(void)
{
	if (!strcmp(mover, "memcpy"))
		return NULL;
	return shared_mover ?: mover_open(mover);
}

static void round_trip(const struct mover *mine, const struct memory *memory,
		       const struct memory *copy)
{
	size_t i, page = page_size();

	if (mine) {
		mover_move(mine, memory->start, npages, TO_DEVICE);
		mover_move(mine, memory->start, npages, TO_SYSTEM);
		return;
	}
	for (i = 0; i < npages * page; i += page)
		memcpy(copy->start + i, memory->start + i, page);
}

static void *work(void *arg)
{
	const struct mover *mine = open_mover();
	struct memory memory, copy;
	struct worker *worker = arg;
	size_t i;

	pin_to_cpu((worker - workers) % count_cpus());
	memory_create(&memory, EXCLUSIVE, npages);
	memory_create(&copy, EXCLUSIVE, npages);
	for (;;) {
		get_byte(worker->go[0], "the parent");
		worker->start = ticks();
		for (i = 0; i < trips; i++)
			round_trip(mine, &memory, &copy);
		worker->end = ticks();
		put_byte(worker->done[1]);
	}
	return NULL;
}

static void start_worker(struct worker *worker, bool process)
{
	pid_t pid;

	if (pipe(worker->go) || pipe(worker->done))
		die("no pipe: %m");
	if (!process) {
		if (pthread_create(&worker->thread, NULL, work, worker))
			die("no thread");
		return;
	}
	pid = fork();
	if (pid < 0)
		die("no child: %m");
	if (pid) {
		worker->pid = pid;
		/* A read then notices the end of the child. */
		close(worker->done[1]);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work(worker);
}

/* From the first worker's start to the last worker's end. */
static double run(int n)
{
	uint64_t start = UINT64_MAX, end = 0;
	int i;

	for (i = 0; i < n; i++)
		put_byte(workers[i].go[1]);
	for (i = 0; i < n; i++) {
		get_byte(workers[i].done[0], "a worker");
		start = workers[i].start < start ? workers[i].start : start;
		end = workers[i].end > end ? workers[i].end : end;
	}
	return end - start;
}

int main(int argc, char **argv)
{
	struct samples speedup[NSTEPS] = { 0 };
	bool processes;
	size_t round, rounds;
	double one = 0, ns, best[NSTEPS] = { 0 };
	int i;

	if (argc != 6 || (strcmp(argv[4], "processes") && strcmp(argv[4], "threads")))
		die("usage: %s ROUNDS NPAGES TRIPS processes|threads MOVER", argv[0]);
	rounds = number(argv[1]);
	npages = number(argv[2]);
	trips = number(argv[3]);
	mover = argv[5];
	processes = !strcmp(argv[4], "processes");
	workers = mmap(NULL, MAX_WORKERS * sizeof(*workers), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (workers == MAP_FAILED)
		die("no shared memory: %m");
	if (!processes)
		shared_mover = open_mover();
	for (i = 0; i < MAX_WORKERS; i++)
		start_worker(&workers[i], processes);
	run(MAX_WORKERS);
	for (round = 0; round < rounds; round++)
		for (i = 0; i < NSTEPS; i++) {
			ns = run(steps[i]);
			if (!i)
				one = ns;
			best[i] = round && best[i] < ns ? best[i] : ns;
			sample(&speedup[i], steps[i] * one / ns);
		}
	for (i = 1; i < NSTEPS; i++) {
		spread(&speedup[i], "scaling.%d.%s.%d.%s", count_cpus(), argv[4], steps[i],
		       mover);
		fact(steps[i] * best[0] / best[i], "scaling.%d.%s.%d.%s.best", count_cpus(),
		     argv[4], steps[i], mover);
	}
	for (i = 0; i < MAX_WORKERS && processes; i++) {
		kill(workers[i].pid, SIGKILL);
		waitpid(workers[i].pid, NULL, 0);
	}
	return 0;
}
