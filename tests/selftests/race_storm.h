/* SPDX-License-Identifier: MIT */
/*
 * Pages that hold their number and a write count, for race_storm.c.
 *
 * Each page has one owner thread. Only the owner writes or drops the page, and
 * the owner knows the page's content. Other threads can check that the content
 * belongs to the page at some moment: a write sets the first words before the
 * last word.
 */
#ifndef FERRY_RACE_STORM_H
#define FERRY_RACE_STORM_H

#include <sys/syscall.h>

#include "page_refs.h"

/*
 * Regions of 2 MiB. Region 0 is under userfaultfd, region 1 is collapsed at
 * times, regions 2 and 3 have huge pages.
 */
#define REGION PMD_SIZE
#define REGIONS 4
#define REGION_PAGES 512
#define SMALL_PAGES (2 * REGION_PAGES)
#define ALL_PAGES (REGIONS * REGION_PAGES)

#define WRITERS 3
#define DEVICES 4

/**
 * struct stamp - the content of a page; all zero if the page was dropped
 * @id: the page's number, from 1
 * @head: the write count
 * @middle: the inverted write count
 * @tail: the write count, written last
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

/*
 * Returns true if the content can belong to @page at some moment. For a reader
 * that is not the owner; the page must not change during the read.
 */
static inline bool stamp_is_of(const volatile struct stamp *stamp, uint32_t page)
{
	uint32_t head = stamp->head, tail = stamp->tail;

	if (!stamp->id)
		return !head && !tail;
	return stamp->id == page + 1 && (!tail || tail == head || tail + 1 == head);
}

/**
 * struct storm - data shared by all threads
 * @memory: REGIONS regions
 * @backend: the engine of all migrations
 * @swap: pages may be paged out
 * @stop: all threads must end
 * @wrong: description of the first error found, or NULL
 * @wrong_page: page of the first error
 * @writes: number of writes, first of the counters; each counts an operation
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
 * @storm: the shared data
 * @number: index of the thread; for an owner also the first page it owns
 * @random: the thread's random state
 * @ferry: the process's open file of each device
 * @gup: file descriptor of /sys/kernel/debug/gup_test
 * @count: per owned page, the write count in the page; 0: dropped
 * @written: per owned page, the number of writes so far; never reset
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

/* Operations of an owner on its page. Each operation keeps @count true. */

static inline void write_page(struct worker *worker, uint32_t page)
{
	worker->count[page] = ++worker->written[page];
	stamp_write(&worker->storm->memory[page], page, worker->count[page]);
	storm_count(worker->storm->writes);
}

static inline void drop_page(struct worker *worker, uint32_t page)
{
	madvise(&worker->storm->memory[page], page_size(), MADV_DONTNEED);
	worker->count[page] = 0;
	storm_count(worker->storm->drops);
}

/* A lazily freed page may become zero at any time until the next write. */
static inline void free_page(struct worker *worker, uint32_t page)
{
	volatile struct stamp *stamp = &worker->storm->memory[page];

	madvise((void *)stamp, page_size(), MADV_FREE);
	if (stamp->id && !stamp_is(stamp, page, worker->count[page]))
		storm_wrong(worker->storm, "a page that was freed", page);
	write_page(worker, page);
}

static inline void page_out_page(struct worker *worker, uint32_t page)
{
	if (worker->storm->swap)
		madvise(&worker->storm->memory[page], page_size(), MADV_PAGEOUT);
}

static inline void device_writes_page(struct worker *worker, uint32_t page)
{
	struct ferry *ferry = worker->ferry[random_below(&worker->random, DEVICES)];
	struct stamp stamp = { 0 };
	int ret;

	stamp_write(&stamp, page, ++worker->written[page]);
	worker->count[page] = worker->written[page];
	ret = ferry_write(ferry, &worker->storm->memory[page], sizeof(stamp), &stamp, NULL);
	/*
	 * EBUSY: the retries did not suffice; a part of the page may be
	 * written.
	 */
	if (ret == -EBUSY)
		write_page(worker, page);
	else if (ret)
		storm_wrong(worker->storm, "a device's write", page);
	storm_count(worker->storm->device_writes);
}

static inline void device_reads_page(struct worker *worker, uint32_t page)
{
	struct ferry *ferry = worker->ferry[random_below(&worker->random, DEVICES)];
	struct stamp stamp;
	int ret = ferry_read(ferry, &worker->storm->memory[page], sizeof(stamp), &stamp, NULL);

	if (ret != -EBUSY && (ret || !stamp_is(&stamp, page, worker->count[page])))
		storm_wrong(worker->storm, "what a device read", page);
}

/* A pinned page stays the same page, for the CPU and for the pin's holder. */
static inline void pin_page(struct worker *worker, uint32_t page)
{
	struct stamp seen;

	if (gup_pin(worker->gup, &worker->storm->memory[page], page_size(),
		    PIN_LONGTERM_TEST_FLAG_USE_WRITE | PIN_LONGTERM_TEST_FLAG_USE_FAST))
		return;
	write_page(worker, page);
	sched_yield();
	if (gup_read(worker->gup, &seen) ||
	    !stamp_is(&seen, page, worker->count[page]))
		storm_wrong(worker->storm, "what a pin saw", page);
	gup_unpin(worker->gup);
	storm_count(worker->storm->pinned);
}

static void (*const owner_acts[])(struct worker *worker, uint32_t page) = {
	write_page, write_page, write_page, drop_page, free_page, page_out_page,
	device_writes_page, device_reads_page, pin_page,
};

#define OWNER_ACTS (sizeof(owner_acts) / sizeof(*owner_acts))

#endif
