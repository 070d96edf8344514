/* SPDX-License-Identifier: MIT */
/* Threads that use a few pages in a loop while a test changes the pages. */
#ifndef FERRY_PAGE_USERS_H
#define FERRY_PAGE_USERS_H

#include "threads.h"

#define USER_PAGES 8

struct user {
	pthread_t thread;
	void *(*use)(void *user);
	int cpu;
	uint8_t *memory;
	volatile uint64_t gone;
	volatile uint64_t stale;
	volatile uint64_t rounds;
	volatile uint64_t truth[USER_PAGES];
	volatile bool stop;
	volatile bool stopped;
};

static inline volatile uint64_t *words_of(const struct user *user, int page)
{
	return (void *)(user->memory + page * page_size());
}

static inline void *user_thread(void *arg)
{
	struct user *user = arg;

	run_on_cpu(user->cpu);
	user->use(user);
	user->stopped = true;
	return NULL;
}

/* Returns when the thread has made 100 rounds, or -errno. */
static inline int user_start(struct user *user)
{
	int ret = -pthread_create(&user->thread, NULL, user_thread, user);

	while (!ret && user->rounds < 100)
		usleep(100);
	return ret;
}

/*
 * Stops the thread after some more rounds. A thread that waits for a page stops
 * later.
 */
static inline void user_stop(struct user *user)
{
	int tries;

	usleep(20000);
	user->stop = true;
	for (tries = 0; tries < 50 && !user->stopped; tries++)
		usleep(1000);
}

/* Reads the pages, counts stale values and, after the discard, writes. */
static inline void *look_for_stale(void *arg)
{
	struct user *user = arg;
	uint64_t gone, seen;
	bool last;
	int i;

	do {
		last = user->stop;
		for (i = 0; i < USER_PAGES; i++) {
			gone = user->gone;
			seen = words_of(user, i)[0];
			user->stale += seen && seen <= gone;
			if (gone)
				words_of(user, i)[1] = gone;
		}
		user->rounds++;
	} while (!last);
	return NULL;
}

static inline void *count_writes(void *arg)
{
	struct user *user = arg;
	int i;

	while (!user->stop) {
		for (i = 0; i < USER_PAGES; i++) {
			++*words_of(user, i);
			user->truth[i]++;
		}
		user->rounds++;
	}
	return NULL;
}

static inline uint64_t user_total(const struct user *user)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < USER_PAGES; i++)
		sum += user->truth[i];
	return sum;
}

/*
 * Returns whether the thread writes within 10 milliseconds. The count follows
 * the write: one write may be due.
 */
static inline bool user_writes(const struct user *user)
{
	uint64_t before = user_total(user);

	usleep(10000);
	return user_total(user) > before + 1;
}

#endif
