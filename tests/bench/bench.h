/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the benchmark share. Each prints facts, one in a line: "KEY VALUE",
 * with dots in the key; tests/bench/report.py makes tables of them. A program that
 * cannot measure what it was asked for says why on standard error and fails: there is
 * no fact that was not measured.
 */
#ifndef FERRY_BENCH_H
#define FERRY_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Pages in one call, where nothing else is said. */
#define CALL_PAGES 512
/* Rounds at the most. */
#define MAX_ROUNDS 64

/* bench.c: how it ends. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/*
 * Nanoseconds; under an instruction clock (vm/guest --icount), instructions. Both are
 * called ticks here.
 */
uint64_t ticks(void);
size_t page_size(void);
void pin_to_cpu(int cpu);
int count_cpus(void);
/* An argument that is a number, or the end of the program. */
size_t number(const char *text);

/*
 * Rounds for a size, of which the first @warm do not count: more where an interrupt would
 * be much of one, and one where it would be nothing and a round takes long. Who makes a
 * trip that does not count in each round needs no @warm.
 */
struct rounds {
	size_t warm;
	size_t end;
};

struct rounds rounds_for(size_t rounds, size_t npages);

/* Print a fact. */
__attribute__((format(printf, 2, 3))) void fact(double value, const char *format, ...);

/* Samples of one figure. */
struct samples {
	size_t n;
	double value[MAX_ROUNDS];
};

void sample(struct samples *samples, double value);
double median(struct samples *samples);
/* Three facts: KEY.median, KEY.min and KEY.max. */
__attribute__((format(printf, 2, 3))) void spread(struct samples *samples,
						  const char *format, ...);

/* memory.c: what is moved. */
enum source {
	EXCLUSIVE,	/* small pages that nobody else maps */
	FORK_SHARED,	/* the same, and a child maps them too */
	THP,		/* huge pages, as far as the range reaches */
	SWAP_CACHE,	/* swapped out, and in again by a read */
	NSOURCES,
};

extern const char *const source_names[NSOURCES];

struct memory {
	uint8_t *start;
	size_t npages;
	uint8_t *map;
	size_t mapped;
	pid_t child;
};

enum source source_named(const char *name);
void memory_create(struct memory *memory, enum source source, size_t npages);
void memory_destroy(struct memory *memory);
/* Looking at each page takes long: one in so many. */
size_t memory_stride(const struct memory *memory);

/* mover.c: who moves it. */
enum way {
	TO_DEVICE,
	TO_SYSTEM,
	NWAYS,
};

extern const char *const way_names[NWAYS];

struct mover;

/*
 * Find a mover by its name and open what it needs: own (one flush for each call),
 * own_auto (the default flush), own_per_page, own_per_table, core, test_hmm,
 * test_hmm_own (the same file, another module behind it), move_pages.
 */
const struct mover *mover_open(const char *name);
const char *mover_name(const struct mover *mover);
/* Move pages in one call. */
void mover_move(const struct mover *mover, uint8_t *addr, size_t npages, enum way way);
/* End the program if not every page is where it was moved to. */
void mover_check(const struct mover *mover, const struct memory *memory, enum way way);
/* test_hmm reads back what it moves to the device; this does that alone. */
bool mover_reads_back(const struct mover *mover);
void mover_read_back(const struct mover *mover, uint8_t *addr, size_t npages);
/* Ferry's device, or NULL where the mover is another. */
struct ferry *mover_ferry(const struct mover *mover);

#endif
