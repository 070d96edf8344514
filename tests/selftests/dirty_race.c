// SPDX-License-Identifier: MIT
/*
 * Reclaim loses no data that is written while a page moves.
 *
 * write_in_the_window: another CPU writes a clean page of the swap cache once,
 * at ten different times, some milliseconds after the page's migration began. A
 * delay of 0.1 s slows the engine between its steps under the page table's
 * lock. The migration fails and the page is reclaimed. An engine that reads and
 * clears the entry in two steps loses the dirty bit that the CPU sets between
 * the steps. No later write hides the loss.
 *
 * counters: a thread increments a counter in each page without end and keeps
 * the true counts elsewhere. The pages move to the device, to system memory, to
 * swap, and back by the thread's CPU faults. Each lost write leaves a counter
 * behind:
 * - a write by a stale translation after the copy;
 * - a write to a page that reclaim dropped as clean;
 * - a write to the wrong one of two copies.
 *
 * Shows: I1, I2
 * Guest: races
 */
#include "control.h"
#include "migrate.h"
#include "page_refs.h"
#include "swap.h"
#include "threads.h"

#define PAGES 16
#define SLOW_US 100000
#define STEPS 10
#define ROUNDS 40

FIXTURE(dirty_race) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_VARIANT(dirty_race) {
	uint32_t backend;
	uint32_t flush;
};

FIXTURE_VARIANT_ADD(dirty_race, per_page) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_PAGE,
};

FIXTURE_VARIANT_ADD(dirty_race, per_table) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_TABLE,
};

FIXTURE_VARIANT_ADD(dirty_race, per_call) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.flush = DRM_FERRY_FLUSH_PER_CALL,
};

FIXTURE_VARIANT_ADD(dirty_race, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
	.flush = DRM_FERRY_FLUSH_PER_PAGE,
};

FIXTURE_SETUP(dirty_race)
{
	ASSERT_EQ(swap_on(), 0);
	ASSERT_EQ(run_on_cpu(0), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	memset(self->memory, 0, self->n);
	ASSERT_EQ(control_on(), 0);
}

FIXTURE_TEARDOWN(dirty_race)
{
	control_off();
	ferry_close(self->ferry);
}

struct writer {
	pthread_t thread;
	volatile uint64_t *word;
	uint64_t value;
	volatile bool ready;
	volatile double when;
};

static void *write_once(void *arg)
{
	struct writer *writer = arg;

	run_on_cpu(1);
	writer->ready = true;
	while (!writer->when)
		;
	spin_until(writer->when);
	*writer->word = writer->value;
	return NULL;
}

TEST_F_TIMEOUT(dirty_race, write_in_the_window, 60)
{
	struct drm_ferry_migrate request = {
		.backend = variant->backend, .flush = variant->flush };
	size_t page = page_size();
	int step, in_pipe[2];
	uint8_t outcome;

	ASSERT_EQ(control_set(CLEAR_TO_DIRTY, SLOW_US), 0);
	for (step = 0; step < STEPS; step++) {
		struct writer writer = {
			.word = (void *)self->memory, .value = step + 1 };

		ASSERT_EQ(make_clean(self->memory, page), 0);
		ASSERT_EQ(pthread_create(&writer.thread, NULL, write_once, &writer), 0);
		ASSERT_EQ(hold_in_pipe(self->memory, page, in_pipe), 0);
		while (!writer.ready)
			usleep(100);
		ASSERT_TRUE(is_clean(self->memory));

		writer.when = seconds() + (step + 0.5) / STEPS * SLOW_US / 1e6;
		ASSERT_EQ(_test_request_for(self->ferry, &request, self->memory, page,
					    &outcome), 0);
		ASSERT_EQ(request.failed, 1);
		pthread_join(writer.thread, NULL);
		let_go(in_pipe);

		ASSERT_EQ(*writer.word, writer.value);
		ASSERT_EQ(swap_out(self->memory, page), 0);
		ASSERT_EQ(*writer.word, writer.value);
	}
}

struct counters {
	pthread_t thread;
	uint8_t *memory;
	uint64_t truth[PAGES];
	volatile bool stop;
};

static volatile uint64_t *counter_of(uint8_t *memory, int i)
{
	return (void *)(memory + i * page_size());
}

static void *count(void *arg)
{
	struct counters *counters = arg;
	int i;

	run_on_cpu(1);
	while (!counters->stop) {
		for (i = 0; i < PAGES; i++) {
			++*counter_of(counters->memory, i);
			counters->truth[i]++;
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(dirty_race, counters, 120)
{
	struct drm_ferry_migrate request = {
		.backend = variant->backend, .flush = variant->flush };
	struct counters counters = { .memory = self->memory };
	uint64_t moved = 0;
	long written = read_counter("/proc/vmstat", "pswpout");
	int i, round;

	ASSERT_EQ(control_set(CLEAR_TO_DIRTY, 200), 0);
	ASSERT_EQ(control_set(CLEAR_TO_FLUSH, 2000), 0);
	ASSERT_EQ(pthread_create(&counters.thread, NULL, count, &counters), 0);
	for (round = 0; round < ROUNDS; round++) {
		request.target = round % 4 == 3 ? DRM_FERRY_TARGET_SYSTEM :
						  DRM_FERRY_TARGET_DEVICE;
		EXPECT_EQ(_test_request_for(self->ferry, &request, self->memory, self->n, NULL), 0);
		moved += request.moved;
		usleep(1000);
		if (round % 2) {
			/*
			 * Pages that returned together are in one CPU's batch.
			 */
			ASSERT_EQ(drain_lru(), 0);
			madvise(self->memory, self->n, MADV_PAGEOUT);
		}
	}
	counters.stop = true;
	pthread_join(counters.thread, NULL);

	ASSERT_GT(moved, PAGES);
	ASSERT_GT(read_counter("/proc/vmstat", "pswpout"), written + PAGES);
	ASSERT_EQ(swap_out(self->memory, self->n), 0);
	for (i = 0; i < PAGES; i++) {
		ASSERT_GT(counters.truth[i], ROUNDS);
		ASSERT_EQ(*counter_of(self->memory, i), counters.truth[i]);
	}
}

TEST_HARNESS_MAIN
