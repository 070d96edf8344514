// SPDX-License-Identifier: MIT
/*
 * The cost of moving pages to system memory by CPU faults: ticks per accessed
 * page, for all pages in order and for one page in 64, and the time of a single
 * access that faults (median and 99th percentile). The module's parameter
 * decides the engine; the caller passes the label.
 *
 * usage: fault ROUNDS SIZES LABEL MOVER	(MOVER: to the device)
 * facts: fault.LABEL.SIZE.sequential, fault.LABEL.SIZE.one_in_64 (from 64 pages
 * on), touch.LABEL.SIZE.p50, .p99 and .faults
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define SPARSE 64

static void touch(const struct memory *memory, size_t i)
{
	*(volatile uint64_t *)(memory->start + i * page_size());
}

/* Moves the pages to the device, and back by access to every @step-th. */
static double timed(const struct mover *mover, const struct memory *memory, size_t step)
{
	size_t i, n, page = page_size();
	uint64_t start;

	for (i = 0; i < memory->npages; i += n) {
		n = memory->npages - i < CALL_PAGES ? memory->npages - i : CALL_PAGES;
		mover_move(mover, memory->start + i * page, n, TO_DEVICE);
	}
	mover_check(mover, memory, TO_DEVICE);
	start = ticks();
	for (i = 0; i < memory->npages; i += step)
		touch(memory, i);
	return (double)(ticks() - start) / ((memory->npages + step - 1) / step);
}

static void home(const struct mover *mover, const struct memory *memory)
{
	size_t i;

	for (i = 0; i < memory->npages; i++)
		touch(memory, i);
	mover_check(mover, memory, TO_SYSTEM);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Returns the time of an access to a page in system memory, clock included. */
static uint64_t touch_at_home(const struct memory *memory)
{
	uint64_t start, best = UINT64_MAX, took;
	size_t i;

	for (i = 0; i < memory->npages; i++) {
		start = ticks();
		touch(memory, i);
		took = ticks() - start;
		best = took < best ? took : best;
	}
	return best;
}

/* An access that takes more than 4 times the usual time is a fault. */
static void touches(const char *label, const struct mover *mover,
		    const struct memory *memory)
{
	uint64_t *took = calloc(memory->npages, sizeof(*took)), start, usual;
	size_t i, n = 0, page = page_size();

	if (!took)
		die("out of memory");
	usual = touch_at_home(memory);
	for (i = 0; i < memory->npages; i += CALL_PAGES)
		mover_move(mover, memory->start + i * page, CALL_PAGES, TO_DEVICE);
	for (i = 0; i < memory->npages; i++) {
		start = ticks();
		touch(memory, i);
		took[n] = ticks() - start;
		if (took[n] > 4 * usual)
			took[n++] -= usual;
	}
	if (!n)
		die("no touch of %zu pages was a fault", memory->npages);
	qsort(took, n, sizeof(*took), compare);
	fact(took[n / 2], "touch.%s.%zu.p50", label, memory->npages);
	fact(took[n * 99 / 100], "touch.%s.%zu.p99", label, memory->npages);
	fact(n, "touch.%s.%zu.faults", label, memory->npages);
	free(took);
}

static void measure(const char *label, const struct mover *mover, size_t npages,
		    struct rounds rounds)
{
	struct samples sequential = { 0 }, sparse = { 0 };
	struct memory memory;
	double took;
	size_t round;

	memory_create(&memory, EXCLUSIVE, npages);
	for (round = 0; round < rounds.end; round++) {
		took = timed(mover, &memory, 1);
		home(mover, &memory);
		if (round >= rounds.warm)
			sample(&sequential, took);
		if (npages < SPARSE)
			continue;
		took = timed(mover, &memory, SPARSE);
		home(mover, &memory);
		if (round >= rounds.warm)
			sample(&sparse, took);
	}
	fact(median(&sequential), "fault.%s.%zu.sequential", label, npages);
	if (sparse.n)
		fact(median(&sparse), "fault.%s.%zu.one_in_%d", label, npages, SPARSE);
	if (npages % CALL_PAGES == 0)
		touches(label, mover, &memory);
	memory_destroy(&memory);
}

int main(int argc, char **argv)
{
	const struct mover *mover;
	char *size, *rest;

	if (argc != 5)
		die("usage: %s ROUNDS SIZE[,SIZE...] LABEL MOVER", argv[0]);
	mover = mover_open(argv[4]);
	for (size = strtok_r(argv[2], ",", &rest); size; size = strtok_r(NULL, ",", &rest))
		measure(argv[3], mover, number(size), rounds_for(number(argv[1]), number(size)));
	return 0;
}
