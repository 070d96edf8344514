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

#include <semaphore.h>

#include "control.h"
#include "params.h"

#define PAGES 16
#define FIRST_COHERENT_DEVICE 2

/* The held operation. */
enum how {
	TO_DEVICE,
	TO_SYSTEM,
	TOUCH,		/* CPU fault on the first page */
};

struct race {
	unsigned int device;
	enum how how;
	const char *point;
};

#define RACE_VARIANT(fixture, name, device_, how_, point_)		\
	FIXTURE_VARIANT_ADD(fixture, name) {				\
		.race = { .device = (device_), .how = how_, .point = point_ } \
	}

static inline bool is_private(const struct race *race)
{
	return race->device < FIRST_COHERENT_DEVICE;
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
		held->ret = ferry_migrate_raw(held->ferry, &held->request, sizeof(held->request));
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
			.target = race->how == TO_DEVICE ? DRM_FERRY_TARGET_DEVICE :
							   DRM_FERRY_TARGET_SYSTEM,
			.backend = DRM_FERRY_BACKEND_OWN,
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

/* Migrates with engine @backend. Returns the count of moved pages or -errno. */
static inline int _test_moved(struct ferry *ferry, unsigned int backend, void *memory,
			      size_t n, uint32_t target, uint8_t *outcomes)
{
	struct drm_ferry_migrate request = {
		.addr = ptr(memory),
		.len = n,
		.target = target,
		.backend = backend,
		.outcomes = ptr(outcomes),
	};

	return ferry_migrate_raw(ferry, &request, sizeof(request)) ?: (int)request.moved;
}

/* A thread for an operation that may wait for a held page. */
struct helper {
	int (*run)(void *arg);
	void *arg;
	int ret;
	pid_t tid;
	sem_t go;
	bool begun;
	bool done;
	pthread_t thread;
};

static inline void *helper_run(void *arg)
{
	struct helper *helper = arg;

	helper->tid = syscall(SYS_gettid);
	sem_wait(&helper->go);
	__atomic_store_n(&helper->begun, true, __ATOMIC_SEQ_CST);
	helper->ret = helper->run(helper->arg);
	__atomic_store_n(&helper->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Creates the helper, before a hold. */
static inline int _test_helper(struct helper *helper, int (*run)(void *arg), void *arg)
{
	*helper = (struct helper) { .run = run, .arg = arg };
	sem_init(&helper->go, 0, 0);
	return -pthread_create(&helper->thread, NULL, helper_run, helper);
}

#define test_helper(helper, run, arg) ASSERT_EQ(_test_helper(helper, run, arg), 0)

/*
 * Returns the state letter of a process or thread. Uses system calls only:
 * stdio could enlarge the heap.
 */
static inline char state_of(const char *path)
{
	char text[256] = "", *name_end;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, text, sizeof(text) - 1);

	close(fd);
	name_end = got > 0 ? strrchr(text, ')') : NULL;
	return name_end ? name_end[2] : '?';
}

/*
 * Starts the helper and gives the helper time to meet the held page. Returns
 * when the helper is done or sleeps, or, if the helper spins, after about 20
 * milliseconds.
 */
static inline void helper_go(struct helper *helper)
{
	char path[64];
	int tries;

	sem_post(&helper->go);
	while (!__atomic_load_n(&helper->begun, __ATOMIC_SEQ_CST))
		usleep(100);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", helper->tid);
	for (tries = 0; tries < 20; tries++) {
		usleep(1000);
		if (__atomic_load_n(&helper->done, __ATOMIC_SEQ_CST) ||
		    state_of(path) == 'D')
			return;
	}
}

static inline bool helper_done(struct helper *helper)
{
	return __atomic_load_n(&helper->done, __ATOMIC_SEQ_CST);
}

static inline int helper_join(struct helper *helper)
{
	pthread_join(helper->thread, NULL);
	return helper->ret;
}

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
