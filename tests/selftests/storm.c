// SPDX-License-Identifier: MIT
/*
 * Sixteen threads access one device page in many rounds; no round may take
 * long. FERRY_STORM_ROUNDS: number of rounds (default 1,000).
 * FERRY_STORM_LIMIT_S: limit of a round in seconds (default 5).
 *
 * Shows: CPU fault, STATS
 * Guest: selftests, debug
 */
#include "ferry_test.h"

#define NTHREADS 16

struct storm {
	pthread_barrier_t barrier;
	volatile uint32_t *page;
	unsigned int rounds;
	unsigned int wrong;
};

static void *touch(void *arg)
{
	struct storm *storm = arg;
	unsigned int round;

	for (round = 0; round < storm->rounds; round++) {
		pthread_barrier_wait(&storm->barrier);
		if (*storm->page != round)
			__atomic_fetch_add(&storm->wrong, 1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&storm->barrier);
	}
	return NULL;
}

static void run_storm(struct __test_metadata *_metadata, struct storm *storm,
		      struct ferry *ferry)
{
	double limit = setting("FERRY_STORM_LIMIT_S", 5), start, took, worst = 0;
	unsigned int round;

	for (round = 0; round < storm->rounds; round++) {
		*storm->page = round;
		start = seconds();
		test_to_device(ferry, (void *)storm->page, page_size());
		pthread_barrier_wait(&storm->barrier);
		pthread_barrier_wait(&storm->barrier);
		took = seconds() - start;
		worst = took > worst ? took : worst;
	}
	printf("# %u rounds, the longest took %.3f s\n", round, worst);
	ASSERT_LE(worst, limit);
}

FIXTURE(storm) {
	struct ferry *ferry;
};

FIXTURE_SETUP(storm)
{
	self->ferry = test_open(0);
}

FIXTURE_TEARDOWN(storm)
{
	ferry_close(self->ferry);
}

TEST_F_TIMEOUT(storm, one_page, 1800)
{
	struct storm storm = {
		.page = test_map(page_size()),
		.rounds = setting("FERRY_STORM_ROUNDS", 1000),
	};
	pthread_t threads[NTHREADS];
	int i;

	pthread_barrier_init(&storm.barrier, NULL, NTHREADS + 1);
	for (i = 0; i < NTHREADS; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, touch, &storm), 0);
	run_storm(_metadata, &storm, self->ferry);
	for (i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	ASSERT_EQ(storm.wrong, 0);
	/* One thread wins each round. */
	ASSERT_EQ(test_stats(self->ferry).cpu_faults, storm.rounds);
	printf("# %llu touches found another thread at it\n",
	       (unsigned long long)test_stats(self->ferry).cpu_fault_races);
}

TEST_HARNESS_MAIN
