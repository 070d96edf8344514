/* SPDX-License-Identifier: MIT */
/*
 * A migration, or a CPU's touch of a device page, that is held at a point of the
 * engine while the test does something else to the same memory.
 *
 * While it is held, its thread has mmap_lock for reading and all the pages locked. So
 * the test may not do what takes mmap_lock for writing in this process (mmap, munmap,
 * mprotect, fork, pthread_create, a larger heap): it would wait for the release, and
 * everybody else behind it. What may have to wait for a page belongs into a helper,
 * a thread that is made before anything is held.
 */
#ifndef FERRY_RACE_H
#define FERRY_RACE_H

#include <semaphore.h>

#include "control.h"

#define PAGES 16
#define FIRST_COHERENT_DEVICE 2

/* What is held. */
enum how {
	TO_DEVICE,
	TO_SYSTEM,
	TOUCH,		/* the CPU reads the first page, which is on the device */
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

/* Does the module migrate by the own engine where nobody is asked? core has no points. */
static inline bool default_is_own(void)
{
	char name[16] = "";
	int fd = open("/sys/module/ferry/parameters/backend", O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, name, sizeof(name) - 1);

	close(fd);
	return got > 0 && strncmp(name, "core", 4);
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

/* Until it is held: 0 or -errno. @n bytes are at most PAGES pages. */
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
			/* Of few pages nothing would be left to flush at BEFORE_FLUSH. */
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

/* It goes on to its end: what the call returned. */
static inline int _test_let_go(struct held *held)
{
	int ret = control_release(held->race.point);

	pthread_join(held->thread, NULL);
	return ret ?: held->ret;
}

#define test_let_go(held) ASSERT_EQ(_test_let_go(held), 0)

/* All of them had been taken: whatever happened meanwhile, they count as moved. */
#define test_all_moved(held)						\
	do {								\
		if ((held)->race.how != TOUCH) {			\
			ASSERT_EQ((held)->request.moved, PAGES);	\
			ASSERT_EQ((held)->request.failed, 0);		\
		}							\
	} while (0)

/* With one engine: how many pages moved, or -errno. */
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

/* A thread for what may have to wait for a held page. */
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

/* Before anything is held. */
static inline int _test_helper(struct helper *helper, int (*run)(void *arg), void *arg)
{
	*helper = (struct helper) { .run = run, .arg = arg };
	sem_init(&helper->go, 0, 0);
	return -pthread_create(&helper->thread, NULL, helper_run, helper);
}

#define test_helper(helper, run, arg) ASSERT_EQ(_test_helper(helper, run, arg), 0)

/* The state letter of a process or thread; reads with nothing but system calls. */
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
 * It has begun, and has had the time to run into what there is: it is done, or
 * sleeps, or (where it spins) some milliseconds have passed.
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

/* Is the pattern there, from one byte to another. */
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
