// SPDX-License-Identifier: MIT
/*
 * The processes and threads of a program. Each thread waits in its mailbox for
 * a step, runs the step and reports the result. ops_*.h define the steps; the
 * table of the operations is in this file.
 */
#include "fuzz.h"
#include "ops_storm.h"

#define COMMON 24
#define USUAL 8
#define RARE 3

static struct run *run;
static const struct program *program;

static uint32_t any(void)
{
	return random_below(1u << 30);
}

static uint32_t any_slot(void)
{
	return 1 + random_below(PROCESSES - 1);
}

static uint32_t any_migration(void)
{
	uint32_t how = random_below(8) < 5 ? 0 : TO_SYSTEM;

	if (random_below(2))
		how |= BY_CORE;
	if (!random_below(4))
		how |= WITH_SKIP_HOLES;
	return how | random_below(5) << FLUSH_SHIFT;
}

static uint32_t any_load(void)
{
	uint32_t how = any_migration();

	if (random_below(2))
		how |= SHARED_BY_FORK;
	if (random_below(2))
		how |= MAPPED_BY_PTES;
	if (!random_below(3))
		how |= BY_NODE;
	return how | random_below(HUGE_PAGES) << FIRST_SHIFT;
}

static uint32_t any_refs(void)
{
	return random_below(4) ? 4 : 1;
}

static uint32_t any_rights(void)
{
	static const uint8_t rights[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
					  PROT_READ | PROT_WRITE };

	return rights[random_below(sizeof(rights))];
}

/* Newer than some systems' headers. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static uint32_t any_advice(void)
{
	static const uint8_t advice[] = {
		MADV_DONTNEED, MADV_DONTNEED, MADV_WILLNEED, MADV_COLD, MADV_DONTFORK,
		MADV_DOFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_KEEPONFORK,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_RANDOM, MADV_SEQUENTIAL,
		MADV_NORMAL, MADV_DONTDUMP, MADV_DODUMP, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	};

	return advice[random_below(sizeof(advice))];
}

static uint32_t pageout(void)
{
	return MADV_PAGEOUT;
}

static uint32_t lazy_free(void)
{
	return MADV_FREE;
}

static uint32_t merge(void)
{
	return random_below(4) ? MADV_MERGEABLE : MADV_UNMERGEABLE;
}

/* MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, to one of two nodes. */
static uint32_t any_policy(void)
{
	return random_below(3) | random_below(2) << 8;
}

static uint32_t few_pages(void)
{
	return 1 + random_below(64);
}

const struct op ops[] = {
	{ "write", op_write, any, COMMON, 0 },
	{ "poke", op_poke, any, COMMON, 0 },
	{ "read", op_read, any, USUAL, 0 },
	{ "migrate", op_migrate, any_migration, 4 * COMMON, OP_FILLS },
	{ "to_node", op_to_node, any, 2 * COMMON, 0 },
	{ "device_write", op_device_write, any, USUAL, 0 },
	{ "device_poke", op_device_poke, any, COMMON, 0 },
	{ "device_read", op_device_read, any, USUAL, 0 },
	{ "fill", op_fill, any, RARE, 0 },
	{ "add", op_add, any, USUAL, 0 },
	{ "copy", op_copy, NULL, USUAL, OP_TARGET },
	{ "checksum", op_checksum, any, RARE, 0 },
	{ "exclusive", op_exclusive, any, USUAL, 0 },
	{ "snapshot", op_snapshot, any, RARE, 0 },
	{ "reopen", op_reopen, any, RARE, OP_WHOLE },
	{ "clear_refs", op_clear_refs, any_refs, COMMON, OP_WHOLE },
	{ "fork", op_fork, any_slot, USUAL, OP_ALONE | OP_FORKS | OP_WHOLE },
	{ "kill", op_kill, any_slot, RARE, OP_KILLS | OP_WHOLE },
	{ "protect", op_protect, any_rights, COMMON, 0 },
	{ "advise", op_advise, any_advice, COMMON, 0 },
	{ "advise", op_advise, pageout, COMMON, OP_SWAPS },
	{ "advise", op_advise, lazy_free, USUAL, OP_FREES },
	{ "advise", op_advise, merge, USUAL, OP_MERGES },
	{ "reclaim", op_reclaim, few_pages, RARE,
	  OP_SWAPS | OP_RECLAIMS | OP_ALONE | OP_WHOLE },
	{ "map", op_map, any, USUAL, 0 },
	{ "unmap", op_unmap, any, RARE, 0 },
	{ "move", op_move, NULL, USUAL, OP_TARGET | OP_MOVES },
	{ "lock", op_lock, any, USUAL, 0 },
	{ "unlock", op_unlock, any, USUAL, 0 },
	{ "bind", op_bind, any_policy, USUAL, 0 },
	{ "pin", op_pin, any, USUAL, OP_PINS | OP_ALONE },
	{ "unpin", op_unpin, any, USUAL, OP_PINS | OP_ALONE | OP_WHOLE },
	{ "splice", op_splice, any, RARE, OP_SPLICES },
	{ "unsplice", op_unsplice, any, RARE, OP_SPLICES | OP_WHOLE },
	{ "uffd_protect", op_uffd_protect, any, USUAL, OP_ALONE },
	{ "limited_holes", op_limited_holes, any_migration, RARE,
	  OP_SWAPS | OP_RECLAIMS | OP_ALONE | OP_WHOLE },
	{ "storm", op_storm, any_load, USUAL, 0 },
	{ "huge", op_huge, any_load, RARE, 0 },
};

const int op_count = sizeof(ops) / sizeof(*ops);

static void wait_for_change(_Atomic int *word, int old)
{
	syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0);
}

static void wake(_Atomic int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Each thread has its own CPU: pages are in the batches of several CPUs. */
static void choose_cpu(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((my_process + my_thread) % cpus, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void dump_contents(void)
{
	uint64_t *hash = run->ending.hash[my_process];
	int page;

	for (page = 0; page < PAGES; page++) {
		mprotect(page_at(page), PAGE, PROT_READ);
		hash[page] = copy_guarded(buffer, page_at(page), PAGE) ? 0 :
			     hash_page(buffer);
	}
}

/*
 * Writes the thread's buffer before each step. Some backends need the buffer
 * for a step and some do not, and after a fork a write copies the buffer. The
 * write charges the group for the same pages with every backend.
 */
static void touch_buffer(void)
{
	volatile uint64_t *words = buffer;
	size_t i;

	for (i = 0; i < AREA_PAGES * PAGE_WORDS; i += PAGE_WORDS)
		words[i] = 0;
}

static long run_step(int number)
{
	const struct step *step = &program->steps[number];

	touch_buffer();
	return ops[step->op].run(page_at(step->page), step->n, step->arg);
}

static void *run_thread(void *thread)
{
	struct mailbox *box;
	int go, process;

	my_thread = (long)thread;
	choose_cpu();
	for (;;) {
		process = my_process;
		box = &run->boxes[process][my_thread];
		while ((go = box->go) == box->done)
			wait_for_change(&box->go, go);
		if (go == GO_DUMP)
			dump_contents();
		else
			box->result = run_step(go - 1);
		/* A child continues with its own mailbox. */
		if (my_process != process)
			continue;
		memcpy(shared->processes[process].undefined, undefined, sizeof(undefined));
		box->done = go;
		wake(&box->done);
	}
	return NULL;
}

/* The program's first process. Does not return. */
void act(struct run *the_run, const struct program *the_program, enum backend which)
{
	run = the_run;
	program = the_program;
	shared = &run->shared;
	backend = which;
	begin_program();
	run_thread(NULL);
}
