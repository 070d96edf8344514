/* SPDX-License-Identifier: MIT */
/*
 * Held operations. A race test holds a migration, or a CPU fault on a device
 * page, at a point of the engine, and changes the same memory during the hold.
 *
 * The held thread has mmap_lock for reading and all the pages locked. During
 * the hold the test must not take mmap_lock for writing in this process (mmap,
 * munmap, mprotect, fork, pthread_create, a larger heap): the test would wait
 * for the release, and every later caller would wait behind the test. An
 * operation that may wait for a page belongs in a helper, a thread created
 * before the hold.
 */
#ifndef FERRY_RACE_H
#define FERRY_RACE_H

#include "control.h"
#include "lru.h"
#include "migrate.h"
#include "params.h"

#define PAGES 16

/* The held operation: TO_DEVICE, TO_SYSTEM, or a CPU fault on the first page. */
#define TOUCH 2

struct race {
	unsigned int device;
	uint32_t how;
	const char *point;
};

#define RACE_VARIANT(fixture, name, device_, how_, point_)		\
	FIXTURE_VARIANT_ADD(fixture, name) {				\
		.race = { .device = (device_), .how = how_, .point = point_ } \
	}

static inline bool is_private(const struct race *race)
{
	return race->device < FIRST_COHERENT;
}

/* A CPU fault is served by the default engine. Core cannot be held. */
static inline bool can_be_held(const struct race *race)
{
	return race->how != TOUCH || default_is_own();
}

struct held {
	struct race race;
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t seen;
	uint8_t outcomes[PAGES];
	struct drm_ferry_migrate request;
	int ret;
	pthread_t thread;
};

static inline void *held_run(void *arg)
{
	struct held *held = arg;

	if (held->race.how == TOUCH)
		held->seen = *(volatile uint8_t *)held->memory;
	else
		held->ret = _test_request(held->ferry, &held->request);
	return NULL;
}

/*
 * Starts the operation and waits until the operation is held at the point. @n:
 * bytes, at most PAGES pages. Returns 0 or -errno.
 */
static inline int _test_hold(struct held *held, const struct race *race,
			     struct ferry *ferry, uint8_t *memory, size_t n)
{
	int ret;

	*held = (struct held) {
		.race = *race,
		.ferry = ferry,
		.memory = memory,
		.request = {
			.addr = ptr(memory),
			.len = n,
			.target = race->how == TOUCH ? TO_SYSTEM : race->how,
			.backend = OWN,
			/*
			 * AUTO flushes the range of one page table under the
			 * lock: BEFORE_FLUSH would have no flush left.
			 */
			.flush = DRM_FERRY_FLUSH_PER_CALL,
			.outcomes = ptr(held->outcomes),
		},
	};
	ret = drain_lru();
	ret = ret ?: control_arm(race->point);
	ret = ret ?: -pthread_create(&held->thread, NULL, held_run, held);
	return ret ?: control_wait(race->point);
}

#define test_hold(held, race, ferry, memory, n)				\
	ASSERT_EQ(_test_hold(held, race, ferry, memory, n), 0)

/* Holds the variant's operation on all of the fixture's memory. */
#define test_hold_memory()						\
	test_hold(&self->held, &variant->race, self->ferry, self->memory, self->n)

/* Releases the held operation, waits for its end and returns its result. */
static inline int _test_let_go(struct held *held)
{
	int ret = control_release(held->race.point);

	pthread_join(held->thread, NULL);
	return ret ?: held->ret;
}

#define test_let_go(held) ASSERT_EQ(_test_let_go(held), 0)

/*
 * The engine took all pages before the hold: changes during the hold do not
 * matter, and all pages count as moved.
 */
#define test_all_moved(held)						\
	do {								\
		if ((held)->race.how != TOUCH) {			\
			ASSERT_EQ((held)->request.moved, PAGES);	\
			ASSERT_EQ((held)->request.failed, 0);		\
		}							\
	} while (0)

/* Returns true if bytes @from to @to (exclusive) hold the pattern. */
static inline bool holds(const uint8_t *memory, size_t from, size_t to, unsigned int seed)
{
	size_t i;

	for (i = from; i < to && memory[i] == pattern(i, seed); i++)
		;
	return i >= to;
}

static inline void fill_part(uint8_t *memory, size_t from, size_t to, unsigned int seed)
{
	size_t i;

	for (i = from; i < to; i++)
		memory[i] = pattern(i, seed);
}

#endif
