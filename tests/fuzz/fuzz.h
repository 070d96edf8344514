/* SPDX-License-Identifier: MIT */
/*
 * A program of the fuzz, the observation of a run, and the interfaces between
 * the files of the fuzz. docs/fuzz.md explains the purpose.
 */
#ifndef FERRY_FUZZ_H
#define FERRY_FUZZ_H

#include <stddef.h>

#include "layout.h"

#define MAX_STEPS 64
#define MAX_TEXT 200

/* One operation of a thread. */
struct step {
	uint8_t process;
	uint8_t thread;
	uint8_t op;		/* index into ops[] */
	uint8_t beside;		/* the next step does not wait for the end */
	uint8_t page;		/* first page of the range */
	uint8_t n;
	uint32_t arg;
};

struct program {
	uint64_t seed;
	int count;
	struct step steps[MAX_STEPS];
};

/* Needs and effects of an operation, apart from the process's own memory. */
#define OP_ALONE (1u << 0)	/* no step runs beside */
#define OP_SWAPS (1u << 1)	/* may swap out pages, at random */
#define OP_RECLAIMS (1u << 8)	/* from the whole group */
#define OP_MERGES (1u << 2)	/* KSM may merge pages, from this step on */
#define OP_FREES (1u << 3)	/* MADV_FREE */
#define OP_PINS (1u << 9)
#define OP_MOVES (1u << 11)
#define OP_SPLICES (1u << 10)
#define OP_FILLS (1u << 12)	/* with a device: cleared pages for holes */
#define OP_FORKS (1u << 4)
#define OP_KILLS (1u << 5)
#define OP_WHOLE (1u << 6)	/* no range */
#define OP_TARGET (1u << 7)	/* second range, at page @arg */

struct op {
	const char *name;
	long (*run)(uint8_t *at, int n, uint32_t arg);
	uint32_t (*arg)(void);	/* a random argument */
	unsigned int weight;
	unsigned int flags;
};

extern const struct op ops[];
extern const int op_count;

/* A page's state from pagemap. */
#define PAGE_THERE (1u << 0)	/* present, swapped, on the device, a marker */
#define PAGE_REAL (1u << 1)	/* has its own memory or swap: no zero page */
#define PAGE_SOFT_DIRTY (1u << 2)
#define PAGE_UFFD_WP (1u << 3)
#define PAGE_EXCLUSIVE (1u << 4)
#define PAGE_PRESENT (1u << 5)
#define PAGE_MIGRATING (1u << 6)
#define PAGE_SWAPPED (1u << 7)

/* An area's state from smaps, in pages. */
struct area_state {
	short rss;
	short swap;
	short dirty;
	short real;		/* pages with PAGE_REAL */
};

struct process_state {
	bool alive;
	long locked;		/* VmLck, KiB */
	uint8_t pages[PAGES];
	uint8_t undefined[PAGES];
	struct area_state areas[AREAS];
};

struct observation {
	bool done;		/* the step ran to its end */
	bool observed;		/* no step ran during the observation */
	bool closely;		/* includes smaps */
	long result;
	long oom_kills;
	struct process_state processes[PROCESSES];
};

/* The end of a run: the contents and the kernel's counters. */
struct ending {
	bool reached;
	bool hung;
	uint64_t hash[PROCESSES][PAGES];	/* 0: not readable */
	long rss_off[PROCESSES];	/* pages: counter minus mapped pages */
	long stat_off;		/* pages: memory.stat minus areas */
};

/*
 * The next step of a thread and its result. Conductor and thread write the two
 * futexes.
 */
struct mailbox {
	_Atomic int go;
	_Atomic int done;
	long result;
};

/* The shared memory of a run, mapped by every process. */
struct run {
	struct shared shared;
	struct mailbox boxes[PROCESSES][THREADS];
	struct observation steps[MAX_STEPS];
	struct ending ending;
};

#define GO_DUMP (1 << 20)	/* not a step: record the contents */

/* The kinds of differences. */
enum difference {
	SAME,
	RESULT,
	WHO_LIVES,
	OOM_KILL,
	PAGE_LOST,
	SOFT_DIRTY_LOST,
	UFFD_WP_CHANGED,
	EXCLUSIVE_CHANGED,
	LEFT_MIGRATING,
	SMAPS_OFF,
	DIRTY_LOST,
	LOCKED_CHANGED,
	CONTENTS,
	RSS_OFF,
	STAT_OFF,
	HUNG,
	KERNEL_LOG,
	DIFFERENCES
};

struct finding {
	enum difference what;
	enum backend backend;
	int step;
	char text[MAX_TEXT];
};

/* actor.c */
void act(struct run *run, const struct program *program, enum backend which);
/* observe.c */
void observe(const struct run *run, struct observation *now, bool closely);
void observe_ending(struct run *run);
/* conduct.c */
int make_group(struct shared *shared, enum backend which);
void run_program(const struct program *program, enum backend which, struct run *run);
/* generate.c */
void generate(struct program *program, uint64_t seed);
uint32_t random_below(uint32_t limit);
/* compare.c */
extern const char *const difference_names[DIFFERENCES];
void compare(const struct program *program, const struct run *plain,
	     const struct run *device, struct finding *finding);
/* shrink.c */
void shrink(struct program *program, struct finding *finding, double until);
void try_program(const struct program *program, enum backend first, enum backend last,
		 struct finding *finding);
/* print.c */
void print_steps(const struct program *program);
void print_program(const struct program *program, const struct finding *finding);
/* kernel_log.c */
void kernel_log_start(void);
bool kernel_log_bad(char *text, size_t size);
void kernel_log_print_oom(void);

#endif
