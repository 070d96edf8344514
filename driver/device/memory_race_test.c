// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages are freed and evicted without the pool's lock, while other threads hand
 * out, evict and disown pages. No page is in two evictions. At the end every
 * page is free, once.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/pagemap.h>

#include "chunk.h"
#include "kunit.h"
#include "memory.h"
#include "owner.h"
#include "plug.h"

#define TEST_PAGES	(FERRY_MEMORY_ALIGN >> PAGE_SHIFT)
#define NTHREADS	3
#define NEVICTORS	2
#define PAGES_AT_ONCE	32UL
#define ROUNDS		4000

struct race {
	struct kunit *test;
	struct ferry_memory *memory;
	struct task_struct *threads[NTHREADS];
	struct task_struct *evictors[NEVICTORS];
	atomic_t evictions[TEST_PAGES];
	atomic_long_t wrong;
};

static int race_init(struct kunit *test)
{
	const struct ferry_device_config config = {
		.memory_size = FERRY_MEMORY_ALIGN,
		.node = NUMA_NO_NODE,
	};
	struct race *race;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->test = test;
	race->memory = ferry_memory_create(&config, race, ferry_device_no_fault);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, race->memory);
	test->priv = race;
	return 0;
}

static void race_exit(struct kunit *test)
{
	struct race *race = test->priv;

	if (race)
		ferry_memory_destroy(race->memory);
}

/*
 * The thread marks each of its pages: no other thread gets the page while it is
 * handed out.
 */
static void take_and_free(struct race *race, struct ferry_owner *owner,
			  bool leave_to_orphans)
{
	struct page *pages[PAGES_AT_ONCE];
	unsigned long n, i;

	n = ferry_memory_alloc(race->memory, owner, PAGES_AT_ONCE, pages);
	for (i = 0; i < n; i++) {
		ferry_zone_device_page_init(pages[i]);
		*(struct ferry_owner **)ferry_memory_address(pages[i]) = owner;
	}
	cond_resched();
	if (leave_to_orphans)
		ferry_memory_disown(race->memory, owner);
	for (i = 0; i < n; i++) {
		if (*(struct ferry_owner **)ferry_memory_address(pages[i]) != owner)
			atomic_long_inc(&race->wrong);
		unlock_page(pages[i]);
		put_page(pages[i]);
	}
}

static int take_and_free_all_the_time(void *arg)
{
	struct ferry_owner owner = { 0 };
	struct race *race = arg;

	while (!kthread_should_stop()) {
		take_and_free(race, &owner, false);
		cond_resched();
	}
	if (atomic_long_read(&owner.held))
		atomic_long_inc(&race->wrong);
	return 0;
}

static void start(struct race *race)
{
	unsigned int i;

	for (i = 0; i < NTHREADS; i++) {
		race->threads[i] = kthread_run(take_and_free_all_the_time, race,
					       "ferry_race/%u", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(race->test, race->threads[i]);
	}
}

static void stop_and_check(struct race *race)
{
	struct ferry_chunk *chunk = race->memory->chunks[0];
	unsigned int i;

	for (i = 0; i < NTHREADS; i++)
		kthread_stop(race->threads[i]);
	KUNIT_EXPECT_EQ(race->test, atomic_long_read(&race->wrong), 0);
	KUNIT_EXPECT_EQ(race->test, ferry_memory_used(race->memory), 0);
	KUNIT_EXPECT_EQ(race->test, atomic_long_read(&race->memory->norphaned), 0);
	KUNIT_EXPECT_EQ(race->test, bitmap_weight(chunk->used, TEST_PAGES), 0);
	for (i = 0; i < TEST_PAGES; i++)
		KUNIT_EXPECT_EQ(race->test, atomic_long_read(&chunk->pages[i].holder), 0);
}

static void freed_while_evicted(struct kunit *test)
{
	unsigned long cursor, pfn, n, round;
	struct race *race = test->priv;

	start(race);
	for (round = 0; round < ROUNDS; round++) {
		cursor = 0;
		while ((n = ferry_memory_evict_begin(race->memory, NULL, &cursor,
						     PAGES_AT_ONCE, &pfn)))
			ferry_memory_evict_end(race->memory, pfn, n);
		cond_resched();
	}
	stop_and_check(race);
}

/* Each page is in one eviction at a time. */
static void evict_once(struct race *race)
{
	struct ferry_chunk *chunk = race->memory->chunks[0];
	unsigned long cursor = 0, pfn, n, i;

	while ((n = ferry_memory_evict_begin(race->memory, NULL, &cursor, PAGES_AT_ONCE,
					     &pfn))) {
		for (i = pfn - chunk->first_pfn; i < pfn - chunk->first_pfn + n; i++)
			if (atomic_inc_return(&race->evictions[i]) != 1)
				atomic_long_inc(&race->wrong);
		cond_resched();
		for (i = pfn - chunk->first_pfn; i < pfn - chunk->first_pfn + n; i++)
			atomic_dec(&race->evictions[i]);
		ferry_memory_evict_end(race->memory, pfn, n);
	}
}

static int evict_all_the_time(void *arg)
{
	struct race *race = arg;

	while (!kthread_should_stop()) {
		evict_once(race);
		cond_resched();
	}
	return 0;
}

static void evicted_by_one(struct kunit *test)
{
	struct race *race = test->priv;
	unsigned long round;
	unsigned int i;

	start(race);
	for (i = 0; i < NEVICTORS; i++) {
		race->evictors[i] = kthread_run(evict_all_the_time, race, "ferry_evict/%u", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, race->evictors[i]);
	}
	for (round = 0; round < ROUNDS; round++) {
		evict_once(race);
		cond_resched();
	}
	for (i = 0; i < NEVICTORS; i++)
		kthread_stop(race->evictors[i]);
	stop_and_check(race);
}

static void freed_while_disowned(struct kunit *test)
{
	int refs = module_refcount(THIS_MODULE);
	struct race *race = test->priv;
	struct ferry_owner *owner;
	unsigned long round;

	start(race);
	for (round = 0; round < ROUNDS / 10; round++) {
		owner = ferry_owner_create(race->memory, GLOBAL_ROOT_UID);
		KUNIT_ASSERT_NOT_NULL(test, owner);
		take_and_free(race, owner, true);
	}
	stop_and_check(race);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), refs);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(freed_while_evicted),
	KUNIT_CASE(evicted_by_one),
	KUNIT_CASE(freed_while_disowned),
	{}
};

static struct kunit_suite race_suite = {
	.name = "ferry_memory_race",
	.init = race_init,
	.exit = race_exit,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
