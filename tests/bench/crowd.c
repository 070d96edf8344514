// SPDX-License-Identifier: MIT
/*
 * 16 threads access pages on the device and move the pages to system memory by
 * CPU faults. Three cases: one thread alone, each thread with a part of the
 * pages, and all threads with the same pages. The module's parameter decides
 * the engine.
 *
 * usage: crowd ROUNDS NPAGES LABEL
 * facts: crowd.CPUS.LABEL.WHAT.median, .min, .max: WHAT is one (ns per page),
 *	different or same (as a multiple of one); crowd.CPUS.LABEL.races:
 *	faults per page that met another thread's fault, with "same"
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "ferry.h"

#define THREADS 16

enum { ONE, DIFFERENT, SAME, NMODES };

static const char *const modes[NMODES] = { "one", "different", "same" };

struct toucher {
	pthread_t thread;
	uint64_t start;
	uint64_t end;
};

static struct memory memory;
static struct toucher touchers[THREADS];
static pthread_barrier_t begin, end;
static volatile int mode;	/* NMODES: the threads end */

static void touch(size_t from, size_t to)
{
	for (; from < to; from++)
		*(volatile uint64_t *)(memory.start + from * page_size());
}

static void *be_toucher(void *arg)
{
	struct toucher *toucher = arg;
	size_t i = toucher - touchers, share = memory.npages / THREADS;

	pin_to_cpu(i % count_cpus());
	for (;;) {
		pthread_barrier_wait(&begin);
		if (mode == NMODES)
			return NULL;
		toucher->start = ticks();
		if (mode == DIFFERENT)
			touch(i * share, (i + 1) * share);
		else if (mode == SAME || !i)
			touch(0, memory.npages);
		toucher->end = ticks();
		pthread_barrier_wait(&end);
	}
}

static double timed(const struct mover *mover, int how)
{
	uint64_t start = UINT64_MAX, last = 0;
	int i;

	mover_move(mover, memory.start, memory.npages, TO_DEVICE);
	mover_check(mover, &memory, TO_DEVICE);
	mode = how;
	pthread_barrier_wait(&begin);
	pthread_barrier_wait(&end);
	mover_check(mover, &memory, TO_SYSTEM);
	for (i = 0; i < (how == ONE ? 1 : THREADS); i++) {
		start = touchers[i].start < start ? touchers[i].start : start;
		last = touchers[i].end > last ? touchers[i].end : last;
	}
	return last - start;
}

static double races(const struct mover *mover)
{
	struct drm_ferry_stats stats;

	if (ferry_stats(mover_ferry(mover), &stats, sizeof(stats)))
		die("the device does not tell its counters");
	return stats.cpu_fault_races;
}

int main(int argc, char **argv)
{
	struct samples took[NMODES] = { 0 };
	const struct mover *own;
	size_t i, round, rounds;
	double one, before, raced = 0;

	if (argc != 4)
		die("usage: %s ROUNDS NPAGES LABEL", argv[0]);
	rounds = number(argv[1]);
	memory_create(&memory, EXCLUSIVE, number(argv[2]));
	if (memory.npages % THREADS)
		die("%zu pages are not for %d threads", memory.npages, THREADS);
	own = mover_open("own");
	pthread_barrier_init(&begin, NULL, THREADS + 1);
	pthread_barrier_init(&end, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&touchers[i].thread, NULL, be_toucher, &touchers[i]))
			die("no thread");
	for (round = 0; round < rounds; round++) {
		one = timed(own, ONE);
		sample(&took[ONE], one / memory.npages);
		sample(&took[DIFFERENT], timed(own, DIFFERENT) / one);
		before = races(own);
		sample(&took[SAME], timed(own, SAME) / one);
		raced += races(own) - before;
	}
	mode = NMODES;
	pthread_barrier_wait(&begin);
	for (i = 0; i < THREADS; i++)
		pthread_join(touchers[i].thread, NULL);
	for (i = 0; i < NMODES; i++)
		spread(&took[i], "crowd.%d.%s.%s", count_cpus(), argv[3], modes[i]);
	fact(raced / rounds / memory.npages, "crowd.%d.%s.races", count_cpus(), argv[3]);
	memory_destroy(&memory);
	return 0;
}
