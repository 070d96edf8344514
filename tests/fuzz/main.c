// SPDX-License-Identifier: MIT
/*
 * The fuzz, in the guest: runs the programs of successive seeds, each with
 * every backend, until the time is up or a program differs. Prints KTAP.
 *
 * usage: fuzz SECONDS SEED [SHRINK-SECONDS]
 *   SHRINK-SECONDS  0: no shrinking, and go on after a difference
 * exit status: 0; 1 a difference; 2 the fuzz could not run
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

#define PROGRESS_EVERY 10.0
#define SHRINK_SECONDS 150.0

static const char *const names[BACKENDS] = { "none", "own", "core", "coherent" };

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/*
 * Returns false if one of two tries finds the same kind of difference between
 * two runs without a device.
 */
static bool confirm(const struct program *program, struct finding *finding)
{
	struct finding again;
	int i;

	if (finding->what == KERNEL_LOG)
		return true;
	for (i = 0; i < 2; i++) {
		try_program(program, NO_DEVICE, NO_DEVICE, &again);
		if (again.what == finding->what) {
			printf("# seed %llu differs from itself without a device: %s: %s\n",
			       (unsigned long long)program->seed,
			       difference_names[again.what], again.text);
			finding->what = SAME;
			return false;
		}
	}
	return true;
}

static void report(struct program *program, struct finding *finding, double limit)
{
	printf("# seed %llu, backend %s, step %d: %s: %s\n",
	       (unsigned long long)program->seed, names[finding->backend], finding->step,
	       difference_names[finding->what], finding->text);
	if (finding->what == OOM_KILL)
		kernel_log_print_oom();
	if (!limit)
		return;
	print_steps(program);
	fflush(stdout);
	shrink(program, finding, seconds() + limit);
	printf("# the shortest program, backend %s, step %d: %s: %s\n",
	       names[finding->backend], finding->step, difference_names[finding->what],
	       finding->text);
	print_steps(program);
	printf("# C\n");
	print_program(program, finding);
	printf("# end of C\n");
}

/* Tries every backend: SAME, or the first backend that differs. */
static void try_all(const struct program *program, struct finding *finding)
{
	enum backend first = OWN;

	do {
		try_program(program, first, BACKENDS - 1, finding);
		first = finding->backend + 1;
	} while (finding->what && !confirm(program, finding) && first < BACKENDS);
}

/* The task and the progress. */
struct work {
	unsigned long long seed;
	double start, limit, shrink_limit;
	long programs, steps, differ;
};

static void say_progress(const struct work *work)
{
	printf("# %.0f s: %ld programs, %ld steps, next seed %llu\n",
	       seconds() - work->start, work->programs, work->steps,
	       work->seed + work->programs);
	fflush(stdout);
}

/* Returns false to stop. */
static bool one_program(struct work *work)
{
	static struct program program;
	struct finding finding;

	generate(&program, work->seed + work->programs);
	try_all(&program, &finding);
	work->programs++;
	work->steps += program.count;
	if (finding.what) {
		report(&program, &finding, work->shrink_limit);
		work->differ++;
	}
	return (!work->differ || !work->shrink_limit) &&
	       seconds() < work->start + work->limit;
}

int main(int argc, char **argv)
{
	struct work work = { .start = seconds(), .shrink_limit = SHRINK_SECONDS };
	double said = work.start;

	if (argc < 3)
		return 2;
	work.limit = strtod(argv[1], NULL);
	work.seed = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		work.shrink_limit = strtod(argv[3], NULL);
	kernel_log_start();
	printf("TAP version 13\n1..1\n");
	while (one_program(&work)) {
		if (seconds() < said + PROGRESS_EVERY)
			continue;
		said = seconds();
		say_progress(&work);
	}
	say_progress(&work);
	printf("%sok 1 fuzz.seed_%llu\n", work.differ ? "not " : "", work.seed);
	return work.differ ? 1 : 0;
}
