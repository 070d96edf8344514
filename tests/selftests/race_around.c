// SPDX-License-Identifier: MIT
/*
 * Sixteen threads access random pages of one range. Each CPU fault also moves
 * neighbours to system memory (fault-around). Other threads move the whole
 * range to the device and drop pages of the range. Forked children read their
 * copies.
 *
 * Pages are of two kinds:
 * - A counter is never dropped, and its true count is kept elsewhere. A counter
 *   that is behind shows a lost write: a write to a copy that was made too
 *   early, to one of two copies of a page, or to a page that moved to system
 *   memory twice.
 * - Every other page holds its own index. A dropped page is zero until a thread
 *   writes the index again.
 *
 * FERRY_RACE_SECONDS: the duration in seconds (default 5).
 *
 * Shows: fault-around, MADV_DONTNEED, fork
 * Guest: races
 */
#include <sys/resource.h>

#include "ferry_test.h"

#define PAGES 256
#define TOUCHERS 16
#define FORKS_A_SECOND 10

struct range {
	struct ferry *ferry;
	uint8_t *memory;
	uint64_t truth[PAGES];
	unsigned long moved;
	unsigned long dropped;
	unsigned long wrong;
	volatile bool stop;
};

struct thread {
	pthread_t thread;
	struct range *range;
	uint64_t random;
};

static uint64_t next_random(struct thread *thread)
{
	thread->random = thread->random * 6364136223846793005ull + 1442695040888963407ull;
	return thread->random >> 33;
}

static uint64_t *word_of(const struct range *range, size_t page)
{
	return (uint64_t *)(range->memory + page * page_size());
}

static bool is_counter(size_t page)
{
	return page % 3 == 0;
}

static void *touch(void *arg)
{
	struct thread *thread = arg;
	struct range *range = thread->range;
	uint64_t *word, seen;
	size_t page;

	while (!range->stop) {
		page = next_random(thread) % PAGES;
		word = word_of(range, page);
		if (is_counter(page)) {
			__atomic_fetch_add(&range->truth[page], 1, __ATOMIC_RELAXED);
			__atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
			continue;
		}
		seen = __atomic_load_n(word, __ATOMIC_RELAXED);
		if (seen && seen != page)
			__atomic_fetch_add(&range->wrong, 1, __ATOMIC_RELAXED);
		if (!seen)
			__atomic_store_n(word, page, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The accessing threads never sleep: other threads get a higher priority. */
static void hurry(void)
{
	setpriority(PRIO_PROCESS, 0, -20);
}

static void *drop(void *arg)
{
	struct thread *thread = arg;
	struct range *range = thread->range;
	size_t page;

	hurry();
	while (!range->stop) {
		page = next_random(thread) % PAGES;
		if (is_counter(page))
			continue;
		madvise(word_of(range, page), page_size(), MADV_DONTNEED);
		range->dropped++;
		usleep(200);
	}
	return NULL;
}

static void *move(void *arg)
{
	struct range *range = ((struct thread *)arg)->range;
	struct ferry_counts counts;

	hurry();
	while (!range->stop) {
		if (ferry_migrate(range->ferry, range->memory, PAGES * page_size(),
				  DRM_FERRY_TARGET_DEVICE, NULL, &counts))
			__atomic_fetch_add(&range->wrong, 1, __ATOMIC_RELAXED);
		range->moved += counts.moved;
	}
	return NULL;
}

/*
 * A child's copy does not change between two reads, even if pages move to
 * system memory between the reads.
 */
static void look_twice(const struct range *range)
{
	uint64_t before[PAGES];
	size_t page;

	for (page = 0; page < PAGES; page++)
		before[page] = *(volatile uint64_t *)word_of(range, page);
	for (page = 0; page < PAGES; page++) {
		child_check(before[page] == *(volatile uint64_t *)word_of(range, page));
		child_check(is_counter(page) || !before[page] || before[page] == page);
	}
	_exit(0);
}

FIXTURE(race_around) {
	struct range range;
	struct thread threads[TOUCHERS + 2];
};

FIXTURE_SETUP(race_around)
{
	struct range *range = &self->range;
	size_t page;

	range->ferry = test_open(0);
	range->memory = test_map(PAGES * page_size());
	for (page = 0; page < PAGES; page++)
		*word_of(range, page) = is_counter(page) ? 0 : page;
}

FIXTURE_TEARDOWN(race_around)
{
	ferry_close(self->range.ferry);
}

static void start(struct __test_metadata *_metadata, struct _test_data_race_around *self)
{
	void *(*run)(void *arg);
	int i;

	for (i = 0; i < TOUCHERS + 2; i++) {
		run = i < TOUCHERS ? touch : i == TOUCHERS ? drop : move;
		self->threads[i].range = &self->range;
		self->threads[i].random = i + 1;
		ASSERT_EQ(pthread_create(&self->threads[i].thread, NULL, run,
					 &self->threads[i]), 0);
	}
}

TEST_F_TIMEOUT(race_around, touch_drop_move_fork, 300)
{
	const char *text = getenv("FERRY_RACE_SECONDS");
	double end = seconds() + (text ? strtoul(text, NULL, 10) : 5);
	struct range *range = &self->range;
	size_t page;
	pid_t pid;
	int i;

	start(_metadata, self);
	hurry();
	while (seconds() < end) {
		pid = test_fork();
		if (!pid)
			look_twice(range);
		test_wait(pid);
		usleep(1000000 / FORKS_A_SECOND);
	}
	range->stop = true;
	for (i = 0; i < TOUCHERS + 2; i++)
		pthread_join(self->threads[i].thread, NULL);

	ASSERT_EQ(range->wrong, 0);
	for (page = 0; page < PAGES; page++)
		ASSERT_EQ(*word_of(range, page), is_counter(page) ? range->truth[page] :
			  *word_of(range, page) ? page : 0);
	test_used(range->ferry, 0);
	ASSERT_GT(range->moved, PAGES);
	ASSERT_GT(range->dropped, 0);
	printf("# moved %lu, dropped %lu, touched home %llu\n", range->moved, range->dropped,
	       (unsigned long long)_test_moved_by_faults(range->ferry));
}

TEST_HARNESS_MAIN
