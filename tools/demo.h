/* SPDX-License-Identifier: MIT */
#ifndef FERRYCTL_DEMO_H
#define FERRYCTL_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferryctl.h"

#define NOUTCOMES 256

/* One engine, and what it did. */
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
	uint32_t backend;	/* the only one to use, or DEFAULT for all */

	struct engine engines[MAX_ENGINES];
	int nengines;

	struct ferry *ferry;
	int file;
	uint64_t size;
	uint64_t checked;	/* bytes that are back from each engine, and compared */
	size_t page_size;

	uint8_t *memory;	/* one piece, anonymous */
	uint8_t *compare;	/* as much of the file, to compare with */
	uint8_t *outcomes;	/* a byte for each page of a piece */
	size_t piece;
};

/* demo_report.c: what was counted, after all pieces ended with @ret; returns @ret. */
int demo_report(const struct demo *demo, int ret);

#endif
