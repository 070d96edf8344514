/* SPDX-License-Identifier: MIT */
/*
 * Shared by the benchmark programs. Each program prints facts, a line each:
 * "KEY VALUE", with dots in the key. tests/bench/report.py makes tables of the
 * facts. A program that cannot measure a requested figure prints the reason on
 * standard error and fails: every fact is measured.
 */
#ifndef FERRY_BENCH_H
#define FERRY_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Default number of pages in a call. */
#define CALL_PAGES 512
/* Largest number of rounds. */
#define MAX_ROUNDS 64

/* bench.c. Prints the message and ends the program with an error. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/*
 * Returns nanoseconds, or instructions under an instruction clock (vm/guest
 * --icount). The benchmark calls both ticks.
 */
uint64_t ticks(void);
size_t page_size(void);
void pin_to_cpu(int cpu);
int count_cpus(void);
/* Converts a numeric argument; ends the program if the text is not a number. */
size_t number(const char *text);

/*
 * The rounds for a size. The first @warm rounds do not count. Small sizes get
 * more rounds, because an interrupt would be a large part of a round. Large
 * sizes get a single round: an interrupt does not matter, and a round takes
 * long. A program that makes an uncounted trip in each round needs no @warm.
 */
struct rounds {
	size_t warm;
	size_t end;
};

struct rounds rounds_for(size_t rounds, size_t npages);

/* Prints a fact. */
__attribute__((format(printf, 2, 3))) void fact(double value, const char *format, ...);

/* Samples of a figure. */
struct samples {
	size_t n;
	double value[MAX_ROUNDS];
};

void sample(struct samples *samples, double value);
double median(struct samples *samples);
/* Prints three facts: KEY.median, KEY.min and KEY.max. */
__attribute__((format(printf, 2, 3))) void spread(struct samples *samples,
						  const char *format, ...);

/* memory.c: the source of the moved pages. */
enum source {
	EXCLUSIVE,	/* small pages, mapped by this process only */
	FORK_SHARED,	/* small pages, mapped by a child too */
	THP,		/* huge pages only; the last may exceed the range */
	SWAP_CACHE,	/* swapped out, then in again by a read */
	PAGE_CACHE,	/* small pages of a file in memory, dirty, mapped shared */
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
/* A check of every page takes long: the stride of a check. */
size_t memory_stride(const struct memory *memory);

/* mover.c: the interface that moves the pages. */
enum way {
	TO_DEVICE,
	TO_SYSTEM,
	NWAYS,
};

extern const char *const way_names[NWAYS];

struct mover;

/*
 * Finds a mover by its name and opens its device:
 * - own: the own engine, one flush for each call
 * - own_auto: the default flush
 * - own_per_page, own_per_table: the flush strategy of the name
 * - core: the core engine
 * - test_hmm: the kernel's test_hmm
 * - test_hmm_own: the same device file, served by another module
 * - move_pages: move_pages(2)
 * - own_node: the own engine, from node to node
 */
const struct mover *mover_open(const char *name);
const char *mover_name(const struct mover *mover);
/* Moves pages in one call. */
void mover_move(const struct mover *mover, uint8_t *addr, size_t npages, enum way way);
/* Ends the program unless every checked page is at the target. */
void mover_check(const struct mover *mover, const struct memory *memory, enum way way);
/*
 * test_hmm reads back the pages that it moves to the device. These functions
 * report and repeat the read alone.
 */
bool mover_reads_back(const struct mover *mover);
void mover_read_back(const struct mover *mover, uint8_t *addr, size_t npages);
/* Returns Ferry's device, or NULL for another kind of mover. */
struct ferry *mover_ferry(const struct mover *mover);

#endif
