/* SPDX-License-Identifier: MIT */
/*
 * The rest of a printed program. Every thread goes through all steps and runs
 * its own steps, each at the step's turn, and prints the result. At the end
 * each process prints its pages, by pagemap and by CPU reads.
 */
#include "ops_storm.h"

static _Atomic int *turn;
static __thread int born;	/* first step after the fork of this process */

static void run_steps(void);

/*
 * Returns false for a step of another thread, or from before the fork.
 * Otherwise waits for the step's turn. If a process ends early, its next step
 * gets no turn, and alarm() ends the program.
 */
static bool wait_for_turn(int step, int process, int thread)
{
	if (step < born || process != my_process || thread != my_thread)
		return false;
	while (*turn != step)
		usleep(100);
	return true;
}

#define STEP(number, process, thread, call)				\
	do {								\
		int this_step = number, before = my_process;		\
									\
		if (wait_for_turn(this_step, process, thread)) {	\
			long result = call;				\
									\
			if (my_process != before) {			\
				born = this_step + 1;			\
				break;					\
			}						\
			printf("%d: %ld\n", this_step, result);		\
			fflush(stdout);					\
			*turn = this_step + 1;			\
		}							\
	} while (0)

static void print_pages(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY), page;
	uint64_t entry[PAGES] = { 0 };

	for (page = 0; page < PAGES; page++)
		if (pread(fd, &entry[page], 8, (uintptr_t)page_at(page) / PAGE * 8) != 8)
			entry[page] = 0;
	for (page = 0; page < PAGES; page++) {
		printf("process %d page %d: soft-dirty %d uffd-wp %d there %d, ", my_process,
		       page, (int)(entry[page] >> 55 & 1), (int)(entry[page] >> 57 & 1),
		       !!(entry[page] >> 62));
		mprotect(page_at(page), PAGE, PROT_READ);
		if (copy_guarded(buffer, page_at(page), PAGE))
			printf("not mapped\n");
		else
			printf("%016llx\n", (unsigned long long)hash_page(buffer));
	}
	fflush(stdout);
}

/* The processes finish one after the other; the first process ends last. */
static void finish(void)
{
	int next = my_process;

	while (*turn != STEPS + my_process)
		usleep(100);
	print_pages();
	do
		next++;
	while (next < PROCESSES && !shared->processes[next].pid);
	*turn = STEPS + next;
	while (my_process == 0 && *turn != STEPS + PROCESSES)
		usleep(100);
	_exit(0);
}

static void *run_thread(void *thread)
{
	my_thread = (long)thread;
	born = *turn;
	run_steps();
	if (my_thread == 0)
		finish();
	return NULL;
}

int main(int argc, char **argv)
{
	int which;

	for (which = 0; which < BACKENDS; which++)
		if (argc == 2 && !strcmp(argv[1], backend_names[which]))
			break;
	if (which == BACKENDS)
		return 2;
	backend = which;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	turn = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(shared->group, sizeof(shared->group), "/sys/fs/cgroup/fuzz_%d", getpid());
	put_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(shared->group, 0700);
	alarm(120);
	begin_program();
	run_steps();
	finish();
}
