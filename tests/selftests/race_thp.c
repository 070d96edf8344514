// SPDX-License-Identifier: MIT
/*
 * A thread drops a huge page and creates it again in a loop. Another thread
 * migrates the huge page and its neighbour, which moves back and forth as
 * single pages. thp.c has the same test.
 *
 * Broken engines that fail here:
 * - A PMD is read twice and changes between the reads (I9).
 * - A huge page is split after it has gone.
 * - A range is collected again without end (I12).
 * - Old pages replace new pages (I19, I23).
 *
 * Shows: I9, I12, I19, I23, THP
 */
#include <sched.h>

#include "dmirror.h"

FIXTURE(race_thp) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_VARIANT(race_thp) {
	unsigned int device;
	unsigned int backend;
};

FIXTURE_VARIANT_ADD(race_thp, own) {
	.backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(race_thp, own_coherent) {
	.device = FIRST_COHERENT, .backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(race_thp, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_SETUP(race_thp)
{
	self->n = 2 * HUGE_SIZE;
	self->ferry = test_open(variant->device);
	self->memory = _test_map_huge(self->n);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill_pattern(self->memory, self->n, 1);
}

FIXTURE_TEARDOWN(race_thp)
{
	ferry_close(self->ferry);
}

struct maker {
	pthread_t thread;
	uint8_t *huge;
	volatile bool stop;
	uint32_t rounds;
	uint32_t wrong;
};

static void *make_huge(void *arg)
{
	struct maker *maker = arg;
	volatile uint32_t *word;
	size_t i;

	while (!maker->stop) {
		madvise(maker->huge, HUGE_SIZE, MADV_DONTNEED);
		maker->rounds++;
		/* Writes some pages in order; unwritten pages must be zero. */
		for (i = 0; i < HUGE_SIZE; i += 64 * page_size()) {
			word = (void *)(maker->huge + i);
			maker->wrong += *word != 0;
			*word = maker->rounds;
		}
		for (i = 0; i < HUGE_SIZE; i += 64 * page_size()) {
			word = (void *)(maker->huge + i);
			maker->wrong += word[0] != maker->rounds || word[1];
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(race_thp, made_meanwhile, 60)
{
	struct maker maker = { .huge = self->memory + HUGE_SIZE };
	struct drm_ferry_migrate request;
	unsigned int round;

	ASSERT_EQ(pthread_create(&maker.thread, NULL, make_huge, &maker), 0);
	for (round = 0; round < 40; round++) {
		request = (struct drm_ferry_migrate) {
			.addr = ptr(self->memory) + round % 2 * page_size(),
			.len = self->n - round % 2 * page_size(),
			.target = round % 4 == 3 ? DRM_FERRY_TARGET_SYSTEM :
						   DRM_FERRY_TARGET_DEVICE,
			.backend = variant->backend,
		};
		ASSERT_EQ(ferry_migrate_raw(self->ferry, &request, sizeof(request)), 0);
		ASSERT_EQ(request.done, request.len);
		sched_yield();
	}
	maker.stop = true;
	pthread_join(maker.thread, NULL);
	ASSERT_EQ(maker.wrong, 0);
	ASSERT_GT(maker.rounds, 1);
	test_pattern(self->memory, HUGE_SIZE, 1);
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	test_used(self->ferry, 0);
}

TEST_HARNESS_MAIN
