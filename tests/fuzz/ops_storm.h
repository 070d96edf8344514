/* SPDX-License-Identifier: MIT */
/*
 * Operations that stress moving pages in one step: threads and a child that use
 * the pages, and huge pages.
 */
#ifndef FERRY_FUZZ_OPS_STORM_H
#define FERRY_FUZZ_OPS_STORM_H

#include "ops_process.h"

/* Threads that write while pages move ----------------------------------------- */

#define WRITERS 2
#define WRITER_STACK (256 << 10)
#define STORM_TRIPS 24
#define STORM_WORD 0x01010101u
#define STORM_START ((uint64_t)STORM_WORD << 32 | STORM_WORD)

struct writer {
	_Atomic bool stop;
	pthread_t thread;
	void *stack;
	uint8_t *at;
	int n, number;
	uint64_t truth[AREA_PAGES];
	long lost;
};

/*
 * Counts up the writer's own word in each page; each read must return the last
 * write.
 */
static void *count_up(void *arg)
{
	struct writer *writer = arg;
	volatile uint64_t *word;
	uint64_t seen;
	int i;

	while (!writer->stop) {
		for (i = 0; i < writer->n; i++) {
			word = (uint64_t *)(writer->at + i * PAGE) + writer->number;
			seen = *word;
			writer->lost += seen != writer->truth[i];
			*word = writer->truth[i] = seen + 1;
		}
	}
	return NULL;
}

/*
 * The stack is the program's own: the C library would keep the stack after the
 * end of the thread, for as many threads as ever ran at once, and memory.stat
 * would count it.
 */
static void start_writer(struct writer *writer, uint8_t *at, int n, int number)
{
	pthread_attr_t attributes;
	int i;

	*writer = (struct writer){ .at = at, .n = n, .number = number };
	for (i = 0; i < n; i++)
		writer->truth[i] = STORM_START;
	writer->stack = mmap(NULL, WRITER_STACK, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (writer->stack == MAP_FAILED || pthread_attr_init(&attributes) ||
	    pthread_attr_setstack(&attributes, writer->stack, WRITER_STACK) ||
	    pthread_create(&writer->thread, &attributes, count_up, writer))
		_exit(3);
	pthread_attr_destroy(&attributes);
}

/*
 * Stops the writer, checks its words and resets the words: the pages end with
 * the same contents for every backend.
 */
static long finish_writer(struct writer *writer)
{
	uint64_t *word;
	int i;

	writer->stop = true;
	pthread_join(writer->thread, NULL);
	munmap(writer->stack, WRITER_STACK);
	for (i = 0; i < writer->n; i++) {
		word = (uint64_t *)(writer->at + i * PAGE) + writer->number;
		writer->lost += *(volatile uint64_t *)word != writer->truth[i];
		*word = STORM_START;
	}
	return writer->lost;
}

/* Bits of @how, of op_storm() and op_huge(), above those of op_migrate(). */
#define SHARED_BY_FORK (1u << 12)
#define MAPPED_BY_PTES (1u << 13)
#define BY_NODE (1u << 14)
#define FIRST_SHIFT 16

/*
 * Runs in a child: reads pages that the child shares at first. The contents
 * must stay as at the start: the fill value, or zeroes if the mapping is wiped
 * on fork.
 */
static void read_on(const uint8_t *at, int n)
{
	const volatile uint64_t *words;
	uint64_t start[AREA_PAGES];
	pid_t parent = getppid();
	int i;

	for (i = 0; i < n; i++) {
		words = (const uint64_t *)(at + i * PAGE);
		start[i] = words[PAGE_WORDS - 1] ? STORM_START : 0;
	}
	while (getppid() == parent) {
		for (i = 0; i < n; i++) {
			words = (const uint64_t *)(at + i * PAGE);
			if (words[0] != start[i] || words[PAGE_WORDS - 1] != start[i])
				shared->processes[my_process].reader_lost++;
		}
	}
}

static pid_t start_reader(const uint8_t *at, int n)
{
	pid_t pid;

	shared->processes[my_process].reader_lost = 0;
	pid = fork();
	if (pid)
		return pid;
	close_devices();
	read_on(at, n);
	_exit(0);
}

static long finish_reader(pid_t pid)
{
	kill(pid, SIGKILL);
	while (!kill(pid, 0))
		usleep(200);
	return shared->processes[my_process].reader_lost;
}

static long storm_trips(uint8_t *at, int n, uint32_t how)
{
	long i, ret = 0;

	for (i = 0; i < STORM_TRIPS && !ret && how & BY_NODE; i++)
		ret = op_to_node(at, n, (how & ~1u) | (i & 1));
	for (i = 0; i < STORM_TRIPS && !ret && !(how & BY_NODE); i++)
		ret = op_migrate(at, n, i & 1 ? how | TO_SYSTEM : how & ~TO_SYSTEM);
	return ret;
}

/* Returns the number of lost writes and of writes seen by another process. */
static long op_storm(uint8_t *at, int n, uint32_t how)
{
	struct writer writers[WRITERS];
	pid_t reader = 0;
	long ret, lost = 0;
	int i;

	ret = op_fill(at, n, STORM_WORD);
	if (ret)
		return ret;
	if (how & SHARED_BY_FORK)
		reader = start_reader(at, n);
	for (i = 0; i < WRITERS; i++)
		start_writer(&writers[i], at, n, i);
	ret = storm_trips(at, n, how);
	for (i = 0; i < WRITERS; i++)
		lost += finish_writer(&writers[i]);
	if (reader > 0)
		lost += finish_reader(reader);
	return lost ?: ret;
}

/* A huge page -------------------------------------------------------------------- */

#define HUGE_PAGES 512
#define HUGE_AT fixed_at(AREA_BASE - 32 * AREA_STRIDE)

static long write_huge(uint32_t value)
{
	uint8_t *at;
	long ret = 0;

	for (at = HUGE_AT; at < HUGE_AT + HUGE_PAGES * PAGE && !ret; at += AREA_PAGES * PAGE) {
		make_data(at, AREA_PAGES, value);
		ret = copy_guarded(at, buffer, AREA_PAGES * PAGE);
	}
	return ret;
}

static long hash_huge(void)
{
	uint64_t hash = 0;
	uint8_t *at;
	int i;

	for (at = HUGE_AT; at < HUGE_AT + HUGE_PAGES * PAGE; at += AREA_PAGES * PAGE) {
		if (copy_guarded(buffer, at, AREA_PAGES * PAGE))
			return FAULT;
		for (i = 0; i < AREA_PAGES; i++)
			hash = mix(hash + hash_page(buffer + i * PAGE_WORDS));
	}
	return hash >> 2;
}

static long map_huge(uint32_t how)
{
	void *map = mmap(HUGE_AT, HUGE_PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	madvise(HUGE_AT, HUGE_PAGES * PAGE, MADV_HUGEPAGE);
	if (write_huge(how))
		return FAULT;
	if (how & MAPPED_BY_PTES) {
		mprotect(HUGE_AT, PAGE, PROT_READ);
		mprotect(HUGE_AT, PAGE, PROT_READ | PROT_WRITE);
	}
	return 0;
}

/*
 * Moves a part of a huge page to the device, which writes some of the part;
 * perhaps the part moves back. The huge page exists only in this step. Returns
 * a hash of the whole huge page.
 */
static long op_huge(uint8_t *unused, int n, uint32_t how)
{
	int first = (how >> FIRST_SHIFT) % (HUGE_PAGES - n);
	uint8_t *at = HUGE_AT + first * PAGE;
	int npages = n == AREA_PAGES ? HUGE_PAGES - first : n;
	long ret;

	(void)unused;
	ret = map_huge(how) ?: op_migrate(at, npages, how & ~TO_SYSTEM);
	make_data(at, n, how + 1);
	ret = ret ?: device_write(at, buffer, n * PAGE);
	if (how & TO_SYSTEM)
		ret = ret ?: op_migrate(at, npages, how);
	ret = ret ?: hash_huge();
	munmap(HUGE_AT, HUGE_PAGES * PAGE);
	return ret;
}

#endif
