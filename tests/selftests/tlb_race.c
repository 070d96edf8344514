// SPDX-License-Identifier: MIT
/*
 * The promises of tlb.c without a hold (I2, I8). One thread migrates a range to
 * the device in a loop. Other threads access the range, and CPU faults move
 * pages back. Meanwhile the test discards the range, or sets and removes write
 * protection. The core engine, which has no points for a hold, takes part too.
 *
 * Broken engines that fail here:
 * - A late flush: an old value is visible after MADV_DONTNEED, or a write
 *   reaches the page after UFFDIO_WRITEPROTECT.
 * - An engine restores the write permission from its notes.
 *
 * Shows: I2, I8
 * Guest: races
 */
#include "migrate.h"
#include "page_users.h"
#include "uffd.h"

#define PAGES USER_PAGES
#define WORDS_PER_PAGE (page_size() / sizeof(uint64_t))
#define DISCARDS 50
#define PROTECTIONS 20

FIXTURE(tlb_race) {
	struct ferry *ferry;
	uint8_t *memory;
	uint64_t *copy;
	size_t n;
};

FIXTURE_VARIANT(tlb_race) {
	uint32_t backend;
	uint32_t flush;
};

FIXTURE_VARIANT_ADD(tlb_race, per_page) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_PAGE,
};

FIXTURE_VARIANT_ADD(tlb_race, per_table) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_TABLE,
};

FIXTURE_VARIANT_ADD(tlb_race, per_call) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_CALL,
};

FIXTURE_VARIANT_ADD(tlb_race, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
	.flush = DRM_FERRY_FLUSH_PER_PAGE,
};

FIXTURE_SETUP(tlb_race)
{
	ASSERT_EQ(run_on_cpu(0), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->copy = test_map(self->n);
	memset(self->memory, 0, self->n);
}

FIXTURE_TEARDOWN(tlb_race)
{
	ferry_close(self->ferry);
}

/* Migrates in a loop. */
struct mover {
	pthread_t thread;
	struct ferry *ferry;
	struct drm_ferry_migrate request;
	volatile uint64_t moved;
	volatile bool stop;
};

static void *move(void *arg)
{
	struct mover *mover = arg;

	run_on_cpu(2);
	while (!mover->stop &&
	       !_test_request(mover->ferry, &mover->request))
		mover->moved += mover->request.moved;
	return NULL;
}

static int start_mover(struct mover *mover, struct _test_data_tlb_race *self,
		       const struct _fixture_variant_tlb_race *variant)
{
	*mover = (struct mover) {
		.ferry = self->ferry,
		.request = {
			.addr = ptr(self->memory),
			.len = self->n,
			.backend = variant->backend,
			.flush = variant->flush,
		},
	};
	return -pthread_create(&mover->thread, NULL, move, mover);
}

static void stop_mover(struct mover *mover)
{
	mover->stop = true;
	pthread_join(mover->thread, NULL);
}

/* Waits until the user has gone over all pages again. */
static void wait_round(const struct user *user)
{
	uint64_t rounds = user->rounds;

	while (user->rounds < rounds + 2)
		usleep(100);
}

TEST_F_TIMEOUT(tlb_race, dontneed, 120)
{
	struct user user = { .use = look_for_stale, .cpu = 1, .memory = self->memory };
	struct mover mover;
	int i, round;

	ASSERT_EQ(user_start(&user), 0);
	ASSERT_EQ(start_mover(&mover, self, variant), 0);
	for (round = 1; round <= DISCARDS; round++) {
		for (i = 0; i < PAGES; i++)
			words_of(&user, i)[0] = round;
		wait_round(&user);
		EXPECT_EQ(madvise(self->memory, self->n, MADV_DONTNEED), 0);
		user.gone = round;
		wait_round(&user);
	}
	stop_mover(&mover);
	user.stop = true;
	pthread_join(user.thread, NULL);
	ASSERT_GT(mover.moved, DISCARDS);
	ASSERT_EQ(user.stale, 0);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->copy, NULL), 0);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(self->copy[i * WORDS_PER_PAGE], 0);
		ASSERT_EQ(self->copy[i * WORDS_PER_PAGE + 1], DISCARDS);
	}
}

TEST_F_TIMEOUT(tlb_race, write_protect, 120)
{
	struct user user = { .use = count_writes, .cpu = 1, .memory = self->memory };
	int i, late = 0, uffd, round;
	struct mover mover;

	uffd = uffd_open_wp(UFFD_FEATURE_PAGEFAULT_FLAG_WP, self->memory, self->n);
	ASSERT_GE(uffd, 0);
	ASSERT_EQ(user_start(&user), 0);
	ASSERT_EQ(start_mover(&mover, self, variant), 0);
	for (round = 0; round < PROTECTIONS; round++) {
		EXPECT_EQ(uffd_protect(uffd, self->memory, self->n, true), 0);
		late += user_writes(&user);
		EXPECT_EQ(uffd_protect(uffd, self->memory, self->n, false), 0);
		wait_round(&user);
	}
	stop_mover(&mover);
	user.stop = true;
	pthread_join(user.thread, NULL);
	close(uffd);
	ASSERT_GT(mover.moved, PROTECTIONS);
	ASSERT_EQ(late, 0);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(*words_of(&user, i), user.truth[i]);
}

TEST_HARNESS_MAIN
