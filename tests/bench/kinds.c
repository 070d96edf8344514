// SPDX-License-Identifier: MIT
/*
 * The kinds of TLB flush in a move to the device, by the kernel's own counters:
 * a flush of the whole TLB or a flush of single pages, and the number of other
 * CPUs that are interrupted. A thread of the process spins on another CPU: that
 * CPU has entries to lose. All pages move in one call.
 *
 * The counters count the whole machine: the counts of an idle time of the same
 * length are subtracted.
 *
 * usage: kinds CALLS SIZES MOVER...
 *	(SIZES: pages, with commas)
 * facts: kind.CPUS.SIZE.MOVER.all, .one, .received, per call: whole TLBs on
 *	this CPU, pages on this CPU, interrupts on other CPUs
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { ALL, ONE, RECEIVED, NKINDS };

static const char *const counters[NKINDS] = {
	[ALL] = "nr_tlb_local_flush_all",
	[ONE] = "nr_tlb_local_flush_one",
	[RECEIVED] = "nr_tlb_remote_flush_received",
};

static const char *const words[NKINDS] = { "all", "one", "received" };

static volatile bool spinning, stop;

static void *spin(void *arg)
{
	pin_to_cpu(1);
	spinning = true;
	while (!stop)
		;
	return arg;
}

static void read_counters(double *values)
{
	FILE *file = fopen("/proc/vmstat", "re");
	char name[64];
	double value;
	int kind, known = 0;

	while (file && fscanf(file, "%63s %lf", name, &value) == 2)
		for (kind = 0; kind < NKINDS; kind++)
			if (!strcmp(name, counters[kind])) {
				values[kind] = value;
				known++;
			}
	if (file)
		fclose(file);
	if (known != NKINDS)
		die("this kernel does not count TLB flushes (CONFIG_DEBUG_TLBFLUSH)");
}

/* Puts each page in this CPU's TLB; the contents stay. */
static void write_all(const struct memory *memory)
{
	volatile uint64_t *word;
	size_t i;

	for (i = 0; i < memory->npages; i++) {
		word = (void *)(memory->start + i * page_size());
		*word = *word;
	}
}

static void measure(const struct mover *mover, struct memory *memory, size_t calls)
{
	double before[NKINDS], after[NKINDS], sum[NKINDS] = { 0 };
	uint64_t start, took = 0;
	size_t i;
	int kind;

	for (i = 0; i < calls; i++) {
		write_all(memory);
		start = ticks();
		read_counters(before);
		mover_move(mover, memory->start, memory->npages, TO_DEVICE);
		read_counters(after);
		took += ticks() - start;
		for (kind = 0; kind < NKINDS; kind++)
			sum[kind] += after[kind] - before[kind];
		mover_check(mover, memory, TO_DEVICE);
		mover_move(mover, memory->start, memory->npages, TO_SYSTEM);
	}
	read_counters(before);
	usleep(took / 1000);
	read_counters(after);
	for (kind = 0; kind < NKINDS; kind++)
		fact((sum[kind] - after[kind] + before[kind]) / calls, "kind.%d.%zu.%s.%s",
		     count_cpus(), memory->npages, mover_name(mover), words[kind]);
}

int main(int argc, char **argv)
{
	struct memory memory;
	pthread_t thread;
	char *size, *rest;
	int i;

	if (argc < 4)
		die("usage: %s CALLS SIZE[,SIZE...] MOVER...", argv[0]);
	if (count_cpus() < 2)
		die("the process needs a CPU that is not the mover's");
	pin_to_cpu(0);
	if (pthread_create(&thread, NULL, spin, NULL))
		die("no thread");
	while (!spinning)
		usleep(1000);
	for (size = strtok_r(argv[2], ",", &rest); size; size = strtok_r(NULL, ",", &rest)) {
		memory_create(&memory, EXCLUSIVE, number(size));
		for (i = 3; i < argc; i++)
			measure(mover_open(argv[i]), &memory, number(argv[1]));
		memory_destroy(&memory);
	}
	stop = true;
	pthread_join(thread, NULL);
	return 0;
}
