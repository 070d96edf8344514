// SPDX-License-Identifier: MIT
/*
 * Makes a random program from a seed. Operations and ranges are random; an
 * operation on an unmapped or forbidden range fails alike with every backend.
 * Four rules limit the choice:
 *
 * - A program frees by MADV_FREE after a fork, or swaps, never both. Linux 6.12
 *   itself loses pages if a page that was swapped in past the swap cache is
 *   shared by fork, freed by MADV_FREE in the child, and paged out
 *   (docs/findings.md). KSM has programs of its own, because the time of a
 *   merge depends on KSM's thread.
 * - A program pins or splices, never both. A long-term pin of a coherent
 *   device's page moves the page to system memory first, and fails with -EBUSY
 *   while a pipe holds the page.
 * - Steps that run beside each other use different processes or areas.
 * - Ranges overlap often: otherwise no page would see two operations.
 */
#include <string.h>

#include "fuzz.h"

#define MIN_STEPS 12
#define BESIDE_ONE_IN 6

static uint64_t state;

/* SplitMix64. */
static uint64_t random_word(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint32_t random_below(uint32_t limit)
{
	return (random_word() >> 32) * limit >> 32;
}

/* The random limits of a program. */
struct choice {
	unsigned int without;	/* flags of excluded operations */
	int processes;
	int areas;
};

static struct choice choose(void)
{
	struct choice choice = { .processes = PROCESSES, .areas = AREAS };

	if (random_below(2))
		choice.areas = 1 + random_below(2);
	if (!random_below(2)) {
		choice.processes = 1;
		choice.without |= OP_FORKS | OP_KILLS;
	} else {
		choice.without |= random_below(2) ? OP_SWAPS : OP_FREES;
	}
	choice.without |= random_below(2) ? OP_PINS : OP_SPLICES;
	if (random_below(8))
		choice.without |= OP_MERGES;
	return choice;
}

static int choose_op(const struct choice *choice)
{
	int op, total = 0, left;

	for (op = 0; op < op_count; op++)
		if (!(ops[op].flags & choice->without))
			total += ops[op].weight;
	left = random_below(total);
	for (op = 0; op < op_count; op++) {
		if (ops[op].flags & choice->without)
			continue;
		left -= ops[op].weight;
		if (left < 0)
			break;
	}
	return op;
}

static void choose_range(const struct choice *choice, struct step *step)
{
	int first, n;

	switch (random_below(4)) {
	case 0:
		first = 0;
		n = AREA_PAGES;
		break;
	case 1:
		first = random_below(AREA_PAGES);
		n = 1 + random_below(AREA_PAGES - first);
		break;
	default:
		first = random_below(4);
		n = 1 + random_below(4);
	}
	step->page = random_below(choice->areas) * AREA_PAGES + first;
	step->n = n;
}

/* Chooses a process that is known to live. Deaths by chance are not known. */
static int choose_process(const struct choice *choice, const bool *alive)
{
	int process;

	do
		process = random_below(choice->processes);
	while (!alive[process]);
	return process;
}

static void note_process(const struct step *step, bool *alive)
{
	if (ops[step->op].flags & OP_FORKS)
		alive[step->arg] = true;
	if (ops[step->op].flags & OP_KILLS && step->arg != step->process)
		alive[step->arg] = false;
}

/*
 * Contents and page-table bits of two processes do not depend on each other.
 * The same holds for two areas of one process, for operations on a range only.
 */
static bool independent(const struct step *one, const struct step *other)
{
	if (one->process != other->process)
		return true;
	return one->thread != other->thread && !ops[one->op].flags && !ops[other->op].flags &&
	       one->page / AREA_PAGES != other->page / AREA_PAGES;
}

/*
 * Returns true if the step may run beside the step before, and beside all steps
 * that the earlier step runs beside.
 */
static bool may_be_beside(const struct program *program, int i)
{
	const struct step *step = &program->steps[i], *before = step;

	if (ops[step->op].flags & OP_ALONE)
		return false;
	do {
		before--;
		i--;
		if (ops[before->op].flags & OP_ALONE || !independent(before, step))
			return false;
	} while (i > 0 && before[-1].beside);
	return true;
}

void generate(struct program *program, uint64_t seed)
{
	bool alive[PROCESSES] = { true };
	struct choice choice;
	struct step *step;
	int i;

	state = seed * 0x5851f42d4c957f2dull + 1;
	choice = choose();
	memset(program, 0, sizeof(*program));
	program->seed = seed;
	program->count = MIN_STEPS + random_below(MAX_STEPS - MIN_STEPS + 1);
	for (i = 0; i < program->count; i++) {
		step = &program->steps[i];
		step->op = choose_op(&choice);
		step->process = choose_process(&choice, alive);
		step->thread = random_below(THREADS);
		choose_range(&choice, step);
		step->arg = ops[step->op].arg ? ops[step->op].arg() :
			    random_below(choice.areas) * AREA_PAGES +
			    random_below(AREA_PAGES - step->n + 1);
		note_process(step, alive);
		if (i && !random_below(BESIDE_ONE_IN) && may_be_beside(program, i))
			program->steps[i - 1].beside = 1;
	}
}
