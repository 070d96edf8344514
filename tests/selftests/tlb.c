// SPDX-License-Identifier: MIT
/*
 * No CPU reads or writes through a stale translation (I2). The test holds a
 * migration at the worst moment, while threads on other CPUs use the range in a
 * loop.
 *
 * - dontneed: the entries are cleared, the flush of per_call is still pending,
 *   and the page-table lock is dropped. After madvise(MADV_DONTNEED) returns,
 *   no CPU may see the old pages. An engine fails here if it does not flush, or
 *   if the mm has no record of the pending flush and zap does not flush either.
 * - write_protect: the same for UFFDIO_WRITEPROTECT. After the ioctl returns,
 *   no write reaches the page: a write waits for a handler.
 * - before_the_copy: writes before the flush are in the copy, and no write
 *   reaches the old page after the flush. An engine fails here if it flushes
 *   after the copy, or never.
 *
 * The looking threads stop during the hold, while the old pages are not freed:
 * a broken engine must fail in the test and must not corrupt the guest. For the
 * same reason each round uses new addresses, and the device, which has no TLB,
 * reads the result.
 *
 * Shows: I2
 * Guest: engine, debug-engine
 */
#include "control.h"
#include "migrate.h"
#include "page_users.h"
#include "uffd.h"

#define PAGES USER_PAGES
#define ROUNDS 5
/* With a pending flush: rounds that must find a stale translation in use. */
#define ROUNDS_IN_USE 3
#define MAX_ROUNDS 60
#define LOOKERS 3
#define WORDS_PER_PAGE (page_size() / sizeof(uint64_t))

FIXTURE(tlb) {
	struct ferry *ferry;
	uint8_t *memory;
	uint64_t *copy;
	size_t n;
};

/* The point where the flush is pending or, without such a point, is done. */
FIXTURE_VARIANT(tlb) {
	uint32_t flush;
	const char *point;
};

FIXTURE_VARIANT_ADD(tlb, per_page) {
	.flush = DRM_FERRY_FLUSH_PER_PAGE,
	.point = AFTER_SETUP,
};

FIXTURE_VARIANT_ADD(tlb, per_table) {
	.flush = DRM_FERRY_FLUSH_PER_TABLE,
	.point = AFTER_SETUP,
};

FIXTURE_VARIANT_ADD(tlb, per_call) {
	.flush = DRM_FERRY_FLUSH_PER_CALL,
	.point = BEFORE_FLUSH,
};

FIXTURE_SETUP(tlb)
{
	ASSERT_EQ(run_on_cpu(0), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(MAX_ROUNDS * self->n);
	self->copy = test_map(self->n);
	ASSERT_EQ(control_on(), 0);
}

FIXTURE_TEARDOWN(tlb)
{
	control_off();
	ferry_close(self->ferry);
}

static int hold(struct _test_data_tlb *self, const struct _fixture_variant_tlb *variant,
		struct background *background, uint8_t *memory, const char *point)
{
	*background = (struct background) {
		.ferry = self->ferry,
		.request = {
			.addr = ptr(memory),
			.len = self->n,
			.backend = DRM_FERRY_BACKEND_OWN,
			.flush = variant->flush,
		},
	};
	return control_arm(point) ?: background_start(background) ?: control_wait(point);
}

/* A stale translation in use shows in its user: the user goes on. */
static bool goes_on(const struct user *user)
{
	uint64_t rounds = user->rounds;

	usleep(5000);
	return user->rounds > rounds + 1;
}

/* Returns whether the old pages were visible until the discard. */
static bool dontneed(struct __test_metadata *_metadata, struct _test_data_tlb *self,
		     const struct _fixture_variant_tlb *variant, int round)
{
	struct background background;
	struct user users[LOOKERS];
	uint8_t *memory = self->memory + round * self->n;
	bool in_use;
	int i;

	for (i = 0; i < PAGES; i++)
		*(uint64_t *)(memory + i * page_size()) = round + 1;
	for (i = 0; i < LOOKERS; i++) {
		users[i] = (struct user){ .use = look_for_stale, .cpu = 1 + i, .memory = memory };
		ASSERT_EQ(user_start(&users[i]), 0);
	}
	ASSERT_EQ(hold(self, variant, &background, memory, variant->point), 0);
	in_use = goes_on(&users[0]);

	EXPECT_EQ(madvise(memory, self->n, MADV_DONTNEED), 0);
	for (i = 0; i < LOOKERS; i++)
		users[i].gone = round + 1;
	for (i = 0; i < LOOKERS; i++)
		user_stop(&users[i]);

	EXPECT_EQ(control_release(variant->point), 0);
	EXPECT_EQ(background_join(&background), 0);
	for (i = 0; i < LOOKERS; i++) {
		pthread_join(users[i].thread, NULL);
		EXPECT_EQ(users[i].stale, 0);
	}
	ASSERT_EQ(ferry_read(self->ferry, memory, self->n, self->copy, NULL), 0);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(self->copy[i * WORDS_PER_PAGE], 0);
		ASSERT_EQ(self->copy[i * WORDS_PER_PAGE + 1], round + 1);
	}
	return in_use;
}

typedef bool (*one_round)(struct __test_metadata *_metadata, struct _test_data_tlb *self,
			  const struct _fixture_variant_tlb *variant, int round);

/*
 * During a pending flush stale translations may be in use, but need not be:
 * other tasks run on the CPU and flush. Rounds without a stale translation show
 * nothing.
 */
static void run_rounds(struct __test_metadata *_metadata, struct _test_data_tlb *self,
		       const struct _fixture_variant_tlb *variant, one_round run)
{
	bool owed = variant->flush == DRM_FERRY_FLUSH_PER_CALL && cpus_online() > 1;
	int rounds, in_use = 0;

	for (rounds = 0; rounds < (owed ? MAX_ROUNDS : ROUNDS); rounds++) {
		if (owed && in_use == ROUNDS_IN_USE)
			break;
		in_use += run(_metadata, self, variant, rounds);
	}
	printf("# old translations were in use in %d of %d rounds\n", in_use, rounds);
	if (owed)
		ASSERT_EQ(in_use, ROUNDS_IN_USE);
	if (variant->flush != DRM_FERRY_FLUSH_PER_CALL)
		ASSERT_EQ(in_use, 0);
}

TEST_F_TIMEOUT(tlb, dontneed, 60)
{
	run_rounds(_metadata, self, variant, dontneed);
}

static void compare(struct __test_metadata *_metadata, struct _test_data_tlb *self,
		    const struct user *user)
{
	int i;

	ASSERT_EQ(ferry_read(self->ferry, user->memory, self->n, self->copy, NULL), 0);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(self->copy[i * WORDS_PER_PAGE], user->truth[i]);
}

/* Returns whether writes went on until the protection. */
static bool write_protect(struct __test_metadata *_metadata, struct _test_data_tlb *self,
			  const struct _fixture_variant_tlb *variant, int round)
{
	struct user user = {
		.use = count_writes, .cpu = 1, .memory = self->memory + round * self->n };
	struct background background;
	bool in_use, late;
	int uffd, i;

	/* The pages are present before the write protection begins. */
	memset(user.memory, 0, self->n);
	uffd = uffd_open_wp(UFFD_FEATURE_PAGEFAULT_FLAG_WP, user.memory, self->n);
	ASSERT_GE(uffd, 0);
	ASSERT_EQ(user_start(&user), 0);
	ASSERT_EQ(hold(self, variant, &background, user.memory, variant->point), 0);

	in_use = user_writes(&user);
	EXPECT_EQ(uffd_protect(uffd, user.memory, self->n, true), 0);
	late = user_writes(&user);
	if (late)
		user_stop(&user);
	EXPECT_EQ(control_release(variant->point), 0);
	EXPECT_EQ(background_join(&background), 0);
	ASSERT_FALSE(late);
	ASSERT_NE(uffd_wait_wp(uffd), 0);
	ASSERT_FALSE(user_writes(&user));
	compare(_metadata, self, &user);

	user.stop = true;
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(uffd_protect(uffd, user.memory, self->n, false), 0);
	pthread_join(user.thread, NULL);
	compare(_metadata, self, &user);
	close(uffd);
	return in_use;
}

TEST_F_TIMEOUT(tlb, write_protect, 60)
{
	run_rounds(_metadata, self, variant, write_protect);
}

static void before_the_copy(struct __test_metadata *_metadata, struct _test_data_tlb *self,
			    const struct _fixture_variant_tlb *variant, int round)
{
	struct user user = {
		.use = count_writes, .cpu = 1, .memory = self->memory + round * self->n };
	struct background background;

	ASSERT_EQ(user_start(&user), 0);
	ASSERT_EQ(hold(self, variant, &background, user.memory, AFTER_COPY), 0);
	user_stop(&user);
	EXPECT_EQ(control_release(AFTER_COPY), 0);
	EXPECT_EQ(background_join(&background), 0);
	pthread_join(user.thread, NULL);
	ASSERT_EQ(background.request.moved, PAGES);
	compare(_metadata, self, &user);
}

TEST_F_TIMEOUT(tlb, before_the_copy, 60)
{
	int round;

	/* Gives writes through stale translations plenty of time. */
	ASSERT_EQ(control_set(CLEAR_TO_FLUSH, 5000), 0);
	for (round = 0; round < ROUNDS; round++)
		before_the_copy(_metadata, self, variant, round);
}

TEST_HARNESS_MAIN
