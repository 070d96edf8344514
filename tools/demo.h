/* SPDX-License-Identifier: MIT */
#ifndef FERRYCTL_DEMO_H
#define FERRYCTL_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferryctl.h"

#define NOUTCOMES 256

/* One engine and the engine's results. */
struct engine {
	uint32_t backend;
	const char *name;
	bool by_fault;
	uint64_t by_outcome[NOUTCOMES];
	uint64_t moved;
	double seconds_out;
	double seconds_back;
	struct tlb_counts tlb_out;
	struct tlb_counts tlb_back;
};

#define MAX_ENGINES 2

struct demo {
	const char *path;
	int coherent;
	uint32_t backend;	/* DEFAULT: all engines */

	struct engine engines[MAX_ENGINES];
	int nengines;

	struct ferry *ferry;
	int file;
	uint64_t size;
	uint64_t checked;	/* bytes back and compared */
	size_t page_size;

	uint8_t *memory;	/* one piece of anonymous memory */
	uint8_t *compare;	/* the same piece of the file */
	uint8_t *outcomes;	/* one byte for each page of a piece */
	size_t piece;
};

/*
 * demo_report.c: prints the results after the last piece ended with @ret;
 * returns @ret.
 */
int demo_report(const struct demo *demo, int ret);

#endif
