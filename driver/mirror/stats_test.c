// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/string.h>

#include "stats.h"

#define PAGES 513

static void expect_pages(struct kunit *test, const struct ferry_outcomes *outcomes,
			 const unsigned long *pages)
{
	unsigned int i;

	for (i = 0; i < FERRY_NOUTCOMES; i++)
		KUNIT_EXPECT_EQ_MSG(test, outcomes->pages[i], pages[i], "outcome %u", i);
}

/* The count overwrites old values, also without any page. */
static void no_pages(struct kunit *test)
{
	static const unsigned long none[FERRY_NOUTCOMES];
	struct ferry_outcomes outcomes;
	u8 outcome = FERRY_MOVED;

	memset(&outcomes, 0xff, sizeof(outcomes));
	ferry_stats_outcomes(&outcomes, &outcome, 0);
	expect_pages(test, &outcomes, none);
}

static void all_alike(struct kunit *test)
{
	struct ferry_outcomes outcomes;
	u8 *outcome = kunit_kmalloc(test, PAGES, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, outcome);
	for (i = 0; i < FERRY_NOUTCOMES; i++) {
		unsigned long pages[FERRY_NOUTCOMES] = { };

		pages[i] = PAGES;
		memset(outcome, i, PAGES);
		memset(&outcomes, 0xff, sizeof(outcomes));
		ferry_stats_outcomes(&outcomes, outcome, PAGES);
		expect_pages(test, &outcomes, pages);
	}
}

/* The count finds a single different page at any position. */
static void one_differs(struct kunit *test)
{
	static const unsigned long where[] = { 0, 1, 7, 8, 9, PAGES / 2, PAGES - 2, PAGES - 1 };
	unsigned long pages[FERRY_NOUTCOMES] = {
		[FERRY_MOVED] = PAGES - 1,
		[FERRY_PINNED] = 1,
	};
	struct ferry_outcomes outcomes;
	u8 *outcome = kunit_kmalloc(test, PAGES, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, outcome);
	for (i = 0; i < ARRAY_SIZE(where); i++) {
		memset(outcome, FERRY_MOVED, PAGES);
		outcome[where[i]] = FERRY_PINNED;
		ferry_stats_outcomes(&outcomes, outcome, PAGES);
		expect_pages(test, &outcomes, pages);
	}
}

static void each_its_own(struct kunit *test)
{
	unsigned long pages[FERRY_NOUTCOMES];
	struct ferry_outcomes outcomes;
	u8 outcome[3 * FERRY_NOUTCOMES];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(outcome); i++)
		outcome[i] = i % FERRY_NOUTCOMES;
	for (i = 0; i < FERRY_NOUTCOMES; i++)
		pages[i] = 3;
	ferry_stats_outcomes(&outcomes, outcome, ARRAY_SIZE(outcome));
	expect_pages(test, &outcomes, pages);
}

/* Calls add up. A call without a flush strategy counts as the default. */
static void calls_add_up(struct kunit *test)
{
	const struct ferry_outcomes outcomes = {
		.pages = { [FERRY_MOVED] = 5, [FERRY_PINNED] = 2 },
	};
	struct ferry_migrate migrate = {
		.flush = FERRY_FLUSH_PER_PAGE,
		.counts = {
			.flushes = 5, .passes = 1, .drains = 2, .splits = 3, .known = 4,
			.walked = 6,
		},
	};
	struct ferry_migration_stats stats = { };

	ferry_stats_add(&stats, &migrate, &outcomes);
	migrate.flush = 0;
	migrate.counts.flushes = 1;
	ferry_stats_add(&stats, &migrate, &outcomes);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.outcomes[FERRY_MOVED]), 10);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.outcomes[FERRY_PINNED]), 4);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.outcomes[FERRY_NO_MEMORY]), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.flushes[FERRY_FLUSH_PER_PAGE]), 5);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.flushes[FERRY_FLUSH_AUTO]), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.passes), 2);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.drains), 4);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.splits), 6);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.known), 8);
	KUNIT_EXPECT_EQ(test, atomic64_read(&stats.walked), 12);
}

static struct kunit_case stats_cases[] = {
	KUNIT_CASE(no_pages),
	KUNIT_CASE(all_alike),
	KUNIT_CASE(one_differs),
	KUNIT_CASE(each_its_own),
	KUNIT_CASE(calls_add_up),
	{}
};

static struct kunit_suite stats_suite = {
	.name = "ferry_stats",
	.test_cases = stats_cases,
};

kunit_test_suite(stats_suite);
