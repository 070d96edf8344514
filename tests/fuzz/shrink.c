// SPDX-License-Identifier: MIT
/*
 * Shrinks a program that shows a difference to the shortest program that shows
 * the same kind of difference with the same backend. Delta debugging over the
 * steps (Zeller): ever smaller runs of steps are left out, then the steps are
 * simplified. A difference that does not show in each try gets several tries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "fuzz.h"

/* The number of tries of a program; 1 if the difference shows in each try. */
#define MOST_TRIES 3
static int tries = MOST_TRIES;

static struct run *map_run(void)
{
	struct run *run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (run == MAP_FAILED)
		exit(2);
	return run;
}

/* Compares a run with one backend with the run without a device. */
static void try_backend(const struct program *program, enum backend which,
			const struct run *plain, struct finding *finding)
{
	static struct run *device;

	if (!device)
		device = map_run();
	memset(finding, 0, sizeof(*finding));
	finding->backend = which;
	run_program(program, which, device);
	compare(program, plain, device, finding);
	if (!finding->what && kernel_log_bad(finding->text, sizeof(finding->text)))
		finding->what = KERNEL_LOG;
}

/* Tries the backends from @first to @last until one differs. */
void try_program(const struct program *program, enum backend first, enum backend last,
		 struct finding *finding)
{
	static struct run *plain;
	enum backend which;

	if (!plain)
		plain = map_run();
	run_program(program, NO_DEVICE, plain);
	for (which = first; which <= last; which++) {
		try_backend(program, which, plain, finding);
		if (finding->what)
			return;
	}
}

static bool shows(const struct program *program, struct finding *wanted)
{
	struct finding finding;
	int i;

	for (i = 0; i < tries; i++) {
		try_program(program, wanted->backend, wanted->backend, &finding);
		if (finding.what == wanted->what) {
			*wanted = finding;
			return true;
		}
	}
	return false;
}

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void leave_out(struct program *program, int first, int n)
{
	memmove(program->steps + first, program->steps + first + n,
		(program->count - first - n) * sizeof(*program->steps));
	program->count -= n;
}

/*
 * Leaves out each run of @n steps in turn, the last run first. Returns true if
 * steps were left out.
 */
static bool leave_out_runs(struct program *program, int n, struct finding *finding,
			   double until)
{
	struct program shorter;
	bool any = false;
	int first;

	for (first = program->count - n; first >= 0 && seconds() < until; first -= n) {
		shorter = *program;
		leave_out(&shorter, first, n);
		if (!shorter.count || !shows(&shorter, finding))
			continue;
		*program = shorter;
		any = true;
	}
	return any;
}

static void shrink_steps(struct program *program, struct finding *finding, double until)
{
	int n = program->count / 2;

	while (n && seconds() < until) {
		if (!leave_out_runs(program, n, finding, until))
			n /= 2;
		else if (n > program->count / 2)
			n = program->count / 2;
	}
}

/* Simplifies a step: fewer pages, first thread, no step beside. */
static void shrink_step(struct program *program, int i, struct finding *finding)
{
	struct program simpler = *program;
	struct step *step = &simpler.steps[i];

	if (step->n > 1) {
		step->n = 1;
		if (shows(&simpler, finding))
			*program = simpler;
		else
			simpler = *program;
	}
	if (step->thread || step->beside) {
		step->thread = 0;
		step->beside = 0;
		if (shows(&simpler, finding))
			*program = simpler;
	}
}

static int count_shown(const struct program *program, struct finding *finding)
{
	int i, shown = 0;

	tries = 1;
	for (i = 0; i < MOST_TRIES; i++)
		shown += shows(program, finding);
	return shown;
}

void shrink(struct program *program, struct finding *finding, double until)
{
	struct program shorter = *program;
	int i;

	shorter.count = finding->step + 1;
	tries = count_shown(&shorter, finding) == MOST_TRIES ? 1 : MOST_TRIES;
	if (shorter.count < program->count && shows(&shorter, finding))
		*program = shorter;
	shrink_steps(program, finding, until);
	for (i = 0; i < program->count && seconds() < until; i++)
		shrink_step(program, i, finding);
}
