/* SPDX-License-Identifier: MIT */
/*
 * Pages that say whose they are and how often they were written, for race_storm.c.
 *
 * Each page has one owner, a thread that alone writes or drops it, and that knows what
 * must be in it. Everybody else can tell whether what they see is that page at some
 * moment of its life: its first words are written before its last one.
 */
#ifndef FERRY_RACE_STORM_H
#define FERRY_RACE_STORM_H

#include <mm/gup_test.h>
#include <include/uapi/linux/fs.h>
#include <include/uapi/linux/userfaultfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "dmirror.h"
#include "control.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Regions of 2 MiB: under userfaultfd, collapsed now and then, two of huge pages. */
#define REGION HUGE_SIZE
#define REGIONS 4
#define REGION_PAGES 512
#define SMALL_PAGES (2 * REGION_PAGES)
#define ALL_PAGES (REGIONS * REGION_PAGES)

#define WRITERS 3
#define DEVICES 4

/**
 * struct stamp - what is in a page; all zero where it was dropped
 * @id: the page's number, from 1
 * @head: how often it was written
 * @middle: the same, in other bits
 * @tail: as @head, written last
 */
struct stamp {
	uint32_t id;
	uint32_t head;
	uint32_t pad[509];
	uint32_t middle;
	uint32_t more[511];
	uint32_t tail;
};

static_assert(sizeof(struct stamp) == 4096, "");

struct random {
	uint64_t state;
};

static inline uint32_t random_below(struct random *random, uint32_t end)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return (random->state >> 16) % end;
}

static inline void stamp_write(volatile struct stamp *stamp, uint32_t page, uint32_t count)
{
	stamp->id = page + 1;
	stamp->head = count;
	stamp->middle = ~count;
	stamp->tail = count;
}

static inline bool stamp_is(const volatile struct stamp *stamp, uint32_t page,
			    uint32_t count)
{
	if (!count)
		return !stamp->id && !stamp->head && !stamp->middle && !stamp->tail;
	return stamp->id == page + 1 && stamp->head == count && stamp->middle == ~count &&
	       stamp->tail == count && !stamp->pad[0] && !stamp->more[510];
}

/* At any moment, to one who is not the owner and looks at a page that stands still. */
static inline bool stamp_is_of(const volatile struct stamp *stamp, uint32_t page)
{
	uint32_t head = stamp->head, tail = stamp->tail;

	if (!stamp->id)
		return !head && !tail;
	return stamp->id == page + 1 && (!tail || tail == head || tail + 1 == head);
}

/**
 * struct storm - what all threads share
 * @memory: REGIONS regions
 * @backend: of those who migrate
 * @swap: whether pages may be paged out
 * @stop: all threads are to end
 * @wrong: what the first to find something wrong said, and the page
 * @counts: how often each thing was done
 */
struct storm {
	struct stamp *memory;
	unsigned int backend;
	bool swap;
	volatile bool stop;
	const char *wrong;
	uint32_t wrong_page;
	unsigned long writes, drops, device_writes, pinned;
	unsigned long migrations, moved, closes, releases;
	unsigned long forks, scans, collapses, huges;
};

static inline void storm_wrong(struct storm *storm, const char *what, uint32_t page)
{
	const char *nothing = NULL;

	if (__atomic_compare_exchange_n(&storm->wrong, &nothing, what, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		storm->wrong_page = page;
	storm->stop = true;
}

#define storm_count(counter) __atomic_fetch_add(&(counter), 1, __ATOMIC_RELAXED)

/**
 * struct worker - one thread
 * @storm: shared
 * @number: of its kind
 * @random: its own
 * @ferry: each device, as the process has opened it
 * @gup: /sys/kernel/debug/gup_test
 * @count: of a writer's pages: what must be in them; 0: dropped
 * @written: the same, but never 0 again
 */
struct worker {
	struct storm *storm;
	unsigned int number;
	struct random random;
	struct ferry **ferry;
	int gup;
	uint32_t count[SMALL_PAGES];
	uint32_t written[SMALL_PAGES];
	pthread_t thread;
};

#endif
