// SPDX-License-Identifier: MIT
/*
 * The cost of a move to the device for a process with other threads: TLB
 * flushes, by the kernel's own counters, and time. Each sibling accesses the
 * whole range before the move and then spins on a page behind the range: the
 * sibling's CPU runs in the address space and has entries of the range. (A
 * sibling that spun on the range would move pages back by CPU faults.) The
 * mover has CPU 0 alone. All pages move in one call.
 *
 * The flush counters count the whole machine: the counts of an idle time of the
 * same length are subtracted. The movers take turns in each round, and a ratio
 * compares figures of one round.
 *
 * usage: siblings flushes|walls ROUNDS NPAGES COUNTS MOVER...
 *	(COUNTS: siblings, with commas)
 * facts: of flushes: flushes.CPUS.SIBLINGS.MOVER.local, .remote, per page;
 *	of walls: wall.CPUS.SIBLINGS.MOVER.WAY.median, .min, .max, in ns per
 *	page; wall_ratio.CPUS.SIBLINGS.WAY.median, .min, .max, own to core;
 *	of both: pages.flushes.CPUS, pages.walls.CPUS
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define MAX_MOVERS 8
#define MAX_SIBLINGS 16

struct flushes {
	double local;
	double remote;
};

struct figures {
	struct samples local;
	struct samples remote;
	struct samples wall[NWAYS];
};

struct sibling {
	pthread_t thread;
	int cpu;
	volatile uint64_t touched;
	volatile uint64_t spins;
};

static struct memory memory;
static struct sibling siblings[MAX_SIBLINGS];
static volatile uint64_t asked;
static volatile bool stop;
static bool count_them;	/* count flushes; else measure times */
/* By round, for the ratios. */
static double took[MAX_MOVERS][NWAYS];

static void touch_all(void)
{
	size_t i;

	for (i = 0; i < memory.npages; i++)
		*(volatile uint64_t *)(memory.start + i * page_size());
}

static void *be_sibling(void *arg)
{
	const volatile uint8_t *behind = memory.start + memory.npages * page_size();
	struct sibling *sibling = arg;

	pin_to_cpu(sibling->cpu);
	for (; !stop; sibling->spins++) {
		if (sibling->touched != asked) {
			touch_all();
			sibling->touched = asked;
		}
		*behind;
	}
	return NULL;
}

static void start_siblings(int n)
{
	int i;

	stop = false;
	for (i = 0; i < n; i++) {
		siblings[i] = (struct sibling){ .cpu = 1 + i % (count_cpus() - 1) };
		siblings[i].touched = asked;
		if (pthread_create(&siblings[i].thread, NULL, be_sibling, &siblings[i]))
			die("no thread %d of %d", i, n);
	}
}

static void stop_siblings(int n)
{
	stop = true;
	while (n--)
		pthread_join(siblings[n].thread, NULL);
}

static void wait_spinning(int n)
{
	uint64_t spins;
	int i;

	asked++;
	for (i = 0; i < n; i++)
		while (siblings[i].touched != asked)
			usleep(100);
	for (i = 0; i < n; i++)
		for (spins = siblings[i].spins; siblings[i].spins < spins + 2;)
			usleep(100);
}

static struct flushes read_flushes(void)
{
	struct flushes flushes = { 0 };
	char name[64];
	double value;
	int known = 0;
	FILE *file = fopen("/proc/vmstat", "re");

	while (file && fscanf(file, "%63s %lf", name, &value) == 2) {
		if (!strcmp(name, "nr_tlb_remote_flush"))
			flushes.remote = value;
		else if (!strcmp(name, "nr_tlb_local_flush_all") ||
			 !strcmp(name, "nr_tlb_local_flush_one"))
			flushes.local += value;
		else
			continue;
		known++;
	}
	if (file)
		fclose(file);
	if (known != 3)
		die("this kernel does not count TLB flushes (CONFIG_DEBUG_TLBFLUSH)");
	return flushes;
}

/* To the device: flushes since @before, minus the flushes of an idle time. */
static void count_flushes(struct figures *figures, struct flushes before, double ns)
{
	struct flushes after = read_flushes(), idle;

	usleep(ns / 1000);
	idle = read_flushes();
	sample(&figures->local,
	       (2 * after.local - before.local - idle.local) / memory.npages);
	sample(&figures->remote,
	       (2 * after.remote - before.remote - idle.remote) / memory.npages);
}

static void round_trip(const struct mover *mover, struct figures *figures, double *times,
		       int nsiblings, bool count)
{
	struct flushes before;
	uint64_t start;
	int way;

	touch_all();
	wait_spinning(nsiblings);
	for (way = 0; way < NWAYS; way++) {
		before = read_flushes();
		start = ticks();
		mover_move(mover, memory.start, memory.npages, way);
		times[way] = ticks() - start;
		if (count && count_them && way == TO_DEVICE)
			count_flushes(figures, before, times[way]);
		mover_check(mover, &memory, way);
		if (count)
			sample(&figures->wall[way], times[way] / memory.npages);
	}
}

static void tell(const struct mover *mover, struct figures *figures, int nsiblings)
{
	const char *name = mover_name(mover);
	int cpus = count_cpus(), way;

	if (count_them) {
		fact(median(&figures->local), "flushes.%d.%d.%s.local", cpus, nsiblings, name);
		fact(median(&figures->remote), "flushes.%d.%d.%s.remote", cpus, nsiblings,
		     name);
		return;
	}
	for (way = 0; way < NWAYS; way++)
		spread(&figures->wall[way], "wall.%d.%d.%s.%s", cpus, nsiblings, name,
		       way_names[way]);
}

static void measure(const struct mover *const *movers, int nmovers, size_t rounds,
		    int nsiblings)
{
	struct figures figures[MAX_MOVERS] = { 0 };
	struct samples ratios[NWAYS] = { 0 };
	int i, way, own = -1, core = -1;
	size_t round;

	for (i = 0; i < nmovers; i++) {
		own = strcmp(mover_name(movers[i]), "own") ? own : i;
		core = strcmp(mover_name(movers[i]), "core") ? core : i;
	}
	start_siblings(nsiblings);
	for (round = 0; round <= rounds; round++) {
		for (i = 0; i < nmovers; i++)
			round_trip(movers[i], &figures[i], took[i], nsiblings, round > 0);
		for (way = 0; way < NWAYS && own >= 0 && core >= 0 && round; way++)
			sample(&ratios[way], took[own][way] / took[core][way]);
	}
	stop_siblings(nsiblings);
	for (i = 0; i < nmovers; i++)
		tell(movers[i], &figures[i], nsiblings);
	for (way = 0; way < NWAYS && !count_them && own >= 0 && core >= 0; way++)
		spread(&ratios[way], "wall_ratio.%d.%d.%s", count_cpus(), nsiblings,
		       way_names[way]);
}

int main(int argc, char **argv)
{
	const struct mover *movers[MAX_MOVERS];
	char *count, *rest;
	int i, n;

	if (argc < 6 || argc - 5 > MAX_MOVERS ||
	    (strcmp(argv[1], "flushes") && strcmp(argv[1], "walls")))
		die("usage: %s flushes|walls ROUNDS NPAGES COUNT[,COUNT...] MOVER...", argv[0]);
	count_them = !strcmp(argv[1], "flushes");
	if (count_cpus() < 2)
		die("siblings need a CPU that is not the mover's");
	pin_to_cpu(0);
	for (i = 5; i < argc; i++)
		movers[i - 5] = mover_open(argv[i]);
	memory_create(&memory, EXCLUSIVE, number(argv[3]));
	fact(memory.npages, "pages.%s.%d", argv[1], count_cpus());
	for (count = strtok_r(argv[4], ",", &rest); count; count = strtok_r(NULL, ",", &rest)) {
		n = number(count);
		if (n > MAX_SIBLINGS)
			die("more than %d siblings", MAX_SIBLINGS);
		measure(movers, argc - 5, number(argv[2]), n);
	}
	memory_destroy(&memory);
	return 0;
}
