// SPDX-License-Identifier: MIT
/*
 * The cost of a device write to system memory without an entry in the device's
 * page table. The device writes a word to each page, twice: the second time the
 * entries exist.
 *
 * usage: device_fault ROUNDS SOURCE SIZES
 * facts: device_write.SOURCE.SIZE.first, .again, in ticks per page
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "ferry.h"

static double timed(struct ferry *ferry, const struct memory *memory)
{
	static struct drm_ferry_exec_op ops[CALL_PAGES];
	size_t i, j, n;
	uint64_t took = 0, start;
	uint32_t at;
	int ret;

	for (i = 0; i < memory->npages; i += n) {
		n = memory->npages - i < CALL_PAGES ? memory->npages - i : CALL_PAGES;
		memset(ops, 0, sizeof(ops));
		for (j = 0; j < n; j++) {
			ops[j].op = DRM_FERRY_OP_FILL;
			/* Leaves the word that memory_destroy() checks. */
			ops[j].addr = (uintptr_t)memory->start + (i + j + 1) * page_size() - 4;
			ops[j].len = 4;
		}
		start = ticks();
		ret = ferry_exec(ferry, ops, sizeof(*ops), n, NULL, &at);
		took += ticks() - start;
		if (ret)
			die("the device, write %u of %zu: %s", at, n, strerror(-ret));
	}
	return (double)took / memory->npages;
}

static void measure(struct ferry *ferry, enum source source, size_t npages,
		    struct rounds rounds)
{
	struct samples first = { 0 }, again = { 0 };
	struct memory memory;
	double took;
	size_t round;

	for (round = 0; round < rounds.end; round++) {
		memory_create(&memory, source, npages);
		took = timed(ferry, &memory);
		if (round >= rounds.warm)
			sample(&first, took);
		took = timed(ferry, &memory);
		if (round >= rounds.warm)
			sample(&again, took);
		memory_destroy(&memory);
	}
	fact(median(&first), "device_write.%s.%zu.first", source_names[source], npages);
	fact(median(&again), "device_write.%s.%zu.again", source_names[source], npages);
}

int main(int argc, char **argv)
{
	const struct mover *own;
	enum source source;
	char *size, *rest;

	if (argc != 4)
		die("usage: %s ROUNDS SOURCE SIZE[,SIZE...]", argv[0]);
	own = mover_open("own");
	source = source_named(argv[2]);
	for (size = strtok_r(argv[3], ",", &rest); size; size = strtok_r(NULL, ",", &rest))
		measure(mover_ferry(own), source, number(size),
			rounds_for(number(argv[1]), number(size)));
	return 0;
}
