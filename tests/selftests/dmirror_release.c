// SPDX-License-Identifier: MIT
/*
 * RELEASE beside other users of the device:
 * - in_a_loop: RELEASE in a loop leaves memory for migrations;
 * - under_load: RELEASE runs while four threads migrate, read and write. The
 *   device's memory is taken away and given back under the threads, and no byte
 *   is lost.
 *
 * Shows: RELEASE
 * Guest: dmirror, debug-dmirror
 */
#include "dmirror.h"

#define THREADS 4
#define PAGES 512
#define RELEASES 20

FIXTURE(release) {
	int fd;
};

FIXTURE_VARIANT(release) {
	int number;
};

FIXTURE_VARIANT_ADD(release, private) {
	.number = 0,
};

FIXTURE_VARIANT_ADD(release, coherent) {
	.number = FIRST_COHERENT,
};

FIXTURE_SETUP(release)
{
	self->fd = test_dmirror_open(variant->number);
}

FIXTURE_TEARDOWN(release)
{
	close(self->fd);
}

struct worker {
	pthread_t thread;
	int number;
	unsigned int seed;
	volatile bool stop;
	const char *wrong;
	unsigned int rounds;
	unsigned int there;	/* rounds in which all pages got to the device */
};

static const char *one_round(struct worker *worker, int fd, uint8_t *memory, uint8_t *data,
			     size_t n)
{
	unsigned int seed = worker->seed + 16 * worker->rounds;
	struct hmm_dmirror_cmd cmd;
	int ret;

	fill_pattern(memory, n, seed);
	ret = _test_cmd(fd, HMM_DMIRROR_MIGRATE_TO_DEV, memory, data, PAGES, &cmd);
	if (ret && ret != -ENOENT)
		return "MIGRATE_TO_DEV";
	worker->there += !ret;
	if (!ret && find_difference(data, n, seed) != n)
		return "what MIGRATE_TO_DEV returned";
	if (_test_cmd(fd, HMM_DMIRROR_READ, memory, data, PAGES, &cmd))
		return "READ";
	if (find_difference(data, n, seed) != n)
		return "what the device read";
	fill_pattern(data, n, seed + 1);
	if (_test_cmd(fd, HMM_DMIRROR_WRITE, memory, data, PAGES, &cmd))
		return "WRITE";
	if (find_difference(memory, n, seed + 1) != n)
		return "what the device wrote";
	return NULL;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	size_t n = PAGES * page_size();
	uint8_t *memory = _test_map(n), *data = _test_map(n);
	int fd = _test_dmirror_open("hmm_dmirror", worker->number);

	while (!worker->stop && !worker->wrong) {
		worker->wrong = one_round(worker, fd, memory, data, n);
		worker->rounds++;
	}
	close(fd);
	munmap(memory, n);
	munmap(data, n);
	return NULL;
}

TEST_F_TIMEOUT(release, under_load, 200)
{
	struct worker workers[THREADS] = { 0 };
	unsigned int released = 0, rounds = 0, there = 0;
	struct hmm_dmirror_cmd cmd;
	uint8_t *page = test_map(page_size());
	int i, ret;

	for (i = 0; i < THREADS; i++) {
		workers[i].number = variant->number;
		workers[i].seed = i;
		ASSERT_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < RELEASES; i++) {
		usleep(20000);
		ret = _test_cmd(self->fd, HMM_DMIRROR_RELEASE, page, NULL, 1, &cmd);
		if (ret != -EBUSY)
			ASSERT_EQ(ret, 0);
		released += !ret;
	}
	for (i = 0; i < THREADS; i++) {
		workers[i].stop = true;
		pthread_join(workers[i].thread, NULL);
		if (workers[i].wrong)
			TH_LOG("thread %d, round %u: %s", i, workers[i].rounds,
			       workers[i].wrong);
		ASSERT_EQ(workers[i].wrong, NULL);
		rounds += workers[i].rounds;
		there += workers[i].there;
	}
	TH_LOG("%u of %d times released, %u rounds, %u of them all on the device", released,
	       RELEASES, rounds, there);
	ASSERT_GT(released, 0);
	ASSERT_GT(there, 0);

	/* Without other users RELEASE succeeds, and the device still works. */
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_RELEASE, page, NULL, 1, &cmd), 0);
	fill_pattern(page, page_size(), 9);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, page, page, 1);
	test_pattern(page, page_size(), 9);
}

struct releaser {
	pthread_t thread;
	int number;
	volatile bool stop;
	unsigned long done;
	unsigned long failed;
};

static void *release_on(void *arg)
{
	struct releaser *releaser = arg;
	struct hmm_dmirror_cmd cmd;
	uint8_t *page = _test_map(page_size());
	int fd = _test_dmirror_open("hmm_dmirror", releaser->number);

	while (!releaser->stop) {
		if (_test_cmd(fd, HMM_DMIRROR_RELEASE, page, NULL, 1, &cmd))
			releaser->failed++;
		else
			releaser->done++;
	}
	close(fd);
	munmap(page, page_size());
	return NULL;
}

/*
 * A migration can use new memory before the next RELEASE takes the memory away,
 * for any number of threads that call RELEASE. Before RELEASE waited for
 * migrations, 1 of 4,415 migrations got memory beside one such thread. The test
 * migrates by the DRM node, because MIGRATE_TO_DEV needs the pages on the
 * device until it has read them.
 */
TEST_F_TIMEOUT(release, in_a_loop, 200)
{
	size_t n = 64 * page_size();
	struct ferry *ferry = test_open(variant->number);
	struct releaser releasers[3] = { 0 };
	unsigned int tries = 0, served = 0;
	uint8_t *memory = test_map(n);
	struct ferry_counts counts;
	double end;
	int i;

	fill_pattern(memory, n, 1);
	for (i = 0; i < 3; i++) {
		releasers[i].number = variant->number;
		ASSERT_EQ(pthread_create(&releasers[i].thread, NULL, release_on, &releasers[i]),
			  0);
	}
	for (end = seconds() + 10; seconds() < end && tries < 1000; tries++)
		served += !_test_migrate(ferry, memory, n, DRM_FERRY_TARGET_DEVICE, NULL,
					 &counts) && !counts.failed;
	for (i = 0; i < 3; i++) {
		releasers[i].stop = true;
		pthread_join(releasers[i].thread, NULL);
		TH_LOG("%lu RELEASEs, %lu failed", releasers[i].done, releasers[i].failed);
		ASSERT_GT(releasers[i].done, 0);
	}
	TH_LOG("%u of %u migrations got memory", served, tries);
	ASSERT_GT(tries, 5);
	ASSERT_GE(served, tries - tries / 4);
	test_pattern(memory, n, 1);
	ferry_close(ferry);
}

TEST_HARNESS_MAIN
