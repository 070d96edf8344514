// SPDX-License-Identifier: MIT
/*
 * The cost of moving pages to the device and back by ioctl: ticks per page, the
 * median of several rounds. In each round all movers move memory in the same
 * state, in turn.
 *
 * usage: cost ROUNDS SOURCE SIZES MOVER...	(SIZES: pages, with commas)
 * facts: cost.SOURCE.SIZE.MOVER.to_device, .to_system, and .read_back for
 * test_hmm's read after a move to the device, which is part of its to_device
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define MAX_MOVERS 8

struct figures {
	struct samples moved[NWAYS];
	struct samples read_back;
};

typedef void (*step_fn)(const struct mover *mover, uint8_t *addr, size_t npages, enum way way);

static void read_back(const struct mover *mover, uint8_t *addr, size_t npages, enum way way)
{
	(void)way;
	mover_read_back(mover, addr, npages);
}

/* Ticks per page, in calls of CALL_PAGES. */
static double timed(step_fn step, const struct mover *mover, const struct memory *memory,
		    enum way way)
{
	uint64_t start = ticks();
	size_t i, n;

	for (i = 0; i < memory->npages; i += n) {
		n = memory->npages - i < CALL_PAGES ? memory->npages - i : CALL_PAGES;
		step(mover, memory->start + i * page_size(), n, way);
	}
	return (double)(ticks() - start) / memory->npages;
}

/* A move to the device and back; with @count the ticks are counted. */
static void round_trip(const struct mover *mover, const struct memory *memory,
		       struct figures *figures, bool count)
{
	double took[NWAYS], back = 0;

	took[TO_DEVICE] = timed(mover_move, mover, memory, TO_DEVICE);
	mover_check(mover, memory, TO_DEVICE);
	if (mover_reads_back(mover))
		back = timed(read_back, mover, memory, TO_DEVICE);
	took[TO_SYSTEM] = timed(mover_move, mover, memory, TO_SYSTEM);
	mover_check(mover, memory, TO_SYSTEM);
	if (!count)
		return;
	sample(&figures->moved[TO_DEVICE], took[TO_DEVICE]);
	sample(&figures->moved[TO_SYSTEM], took[TO_SYSTEM]);
	sample(&figures->read_back, back);
}

static void tell(const struct mover *mover, enum source source, size_t npages,
		 struct figures *figures)
{
	const char *name = mover_name(mover), *from = source_names[source];
	int way;

	for (way = 0; way < NWAYS; way++)
		fact(median(&figures->moved[way]), "cost.%s.%zu.%s.%s", from, npages, name,
		     way_names[way]);
	if (mover_reads_back(mover))
		fact(median(&figures->read_back), "cost.%s.%zu.%s.read_back", from, npages,
		     name);
}

/*
 * Exclusive pages return to their earlier state in system memory; pages of the
 * other sources do not. With exclusive pages a mover can make an uncounted trip
 * before each counted trip: the lists of the page allocator are then in the
 * mover's own state, not in the state after the previous mover.
 */
static void measure(enum source source, size_t npages, struct rounds rounds,
		    const struct mover *const *movers, int nmovers)
{
	struct figures figures[MAX_MOVERS] = { 0 };
	struct memory memory;
	size_t round = 0;
	int i;

	if (source == EXCLUSIVE) {
		memory_create(&memory, source, npages);
		round = rounds.warm;
	}
	for (; round < rounds.end; round++)
		for (i = 0; i < nmovers; i++) {
			if (source == EXCLUSIVE)
				round_trip(movers[i], &memory, &figures[i], false);
			else
				memory_create(&memory, source, npages);
			round_trip(movers[i], &memory, &figures[i], round >= rounds.warm);
			if (source != EXCLUSIVE)
				memory_destroy(&memory);
		}
	if (source == EXCLUSIVE)
		memory_destroy(&memory);
	for (i = 0; i < nmovers; i++)
		tell(movers[i], source, npages, &figures[i]);
}

int main(int argc, char **argv)
{
	const struct mover *movers[MAX_MOVERS];
	enum source source;
	char *size, *rest;
	int i;

	if (argc < 5 || argc - 4 > MAX_MOVERS)
		die("usage: %s ROUNDS SOURCE SIZE[,SIZE...] MOVER...", argv[0]);
	source = source_named(argv[2]);
	for (i = 4; i < argc; i++)
		movers[i - 4] = mover_open(argv[i]);
	for (size = strtok_r(argv[3], ",", &rest); size; size = strtok_r(NULL, ",", &rest))
		measure(source, number(size), rounds_for(number(argv[1]), number(size)), movers,
			argc - 4);
	return 0;
}
