// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "mirror.h"
#include "page_table.h"

#define START	(7 * FERRY_WINDOW_SIZE)
#define LAST	(FERRY_WINDOW_PAGES - 1)

static void entries(struct kunit *test)
{
	ferry_entry_t read = ferry_entry_make(0x123456789, false);
	ferry_entry_t write = ferry_entry_make(0, true);

	KUNIT_EXPECT_EQ(test, ferry_entry_pfn(read), 0x123456789);
	KUNIT_EXPECT_EQ(test, ferry_entry_pfn(write), 0);
	KUNIT_EXPECT_TRUE(test, ferry_entry_allows(read, false));
	KUNIT_EXPECT_FALSE(test, ferry_entry_allows(read, true));
	KUNIT_EXPECT_TRUE(test, ferry_entry_allows(write, false));
	KUNIT_EXPECT_TRUE(test, ferry_entry_allows(write, true));
	KUNIT_EXPECT_FALSE(test, ferry_entry_allows(0, false));
}

/*
 * An exclusive entry allows reads and atomic accesses. A plain write faults,
 * and gives the exclusive access up.
 */
static void exclusive_entries(struct kunit *test)
{
	ferry_entry_t entry = ferry_entry_make_exclusive(0x123456789);

	KUNIT_EXPECT_EQ(test, ferry_entry_pfn(entry), 0x123456789);
	KUNIT_EXPECT_TRUE(test, ferry_entry_allows(entry, false));
	KUNIT_EXPECT_FALSE(test, ferry_entry_allows(entry, true));
	KUNIT_EXPECT_TRUE(test, entry & FERRY_ENTRY_EXCLUSIVE);
	KUNIT_EXPECT_FALSE(test, ferry_entry_make(0x123456789, true) & FERRY_ENTRY_EXCLUSIVE);
}

/* A clear drops every page that the range overlaps, and no other page. */
static const struct clear_case {
	const char *name;
	unsigned long start, end;	/* relative to the window */
	unsigned long first, n;		/* of the dropped entries */
} clear_cases[] = {
	{ "first page", 0, PAGE_SIZE, 0, 1 },
	{ "last page", LAST * PAGE_SIZE, FERRY_WINDOW_SIZE, LAST, 1 },
	{ "all", 0, FERRY_WINDOW_SIZE, 0, FERRY_WINDOW_PAGES },
	{ "beyond both ends", -START, FERRY_WINDOW_SIZE + START, 0, FERRY_WINDOW_PAGES },
	{ "ends before", -START, 0, 0, 0 },
	{ "begins behind", FERRY_WINDOW_SIZE, FERRY_WINDOW_SIZE + PAGE_SIZE, 0, 0 },
	{ "part of pages", PAGE_SIZE + 1, 3 * PAGE_SIZE - 1, 1, 2 },
	{ "one byte", 5 * PAGE_SIZE + 9, 5 * PAGE_SIZE + 10, 5, 1 },
	{ "to the end of everything", PAGE_SIZE, ULONG_MAX - START, 1, LAST },
};

static void clear_case_to_desc(const struct clear_case *test_case, char *desc)
{
	strscpy(desc, test_case->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(clear, clear_cases, clear_case_to_desc);

static void clear(struct kunit *test)
{
	const struct clear_case *c = test->param_value;
	struct ferry_window *window;
	unsigned long i, wrong = 0;

	window = kunit_kzalloc(test, sizeof(*window), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, window);
	window->entries = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, window->entries);
	window->start = START;
	mutex_init(&window->lock);
	for (i = 0; i < FERRY_WINDOW_PAGES; i++)
		window->entries[i] = ferry_entry_make(i, true);

	mutex_lock(&window->lock);
	KUNIT_EXPECT_EQ(test, ferry_window_count(window, 0, FERRY_WINDOW_PAGES, true),
			FERRY_WINDOW_PAGES);
	ferry_window_clear(window, START + c->start, START + c->end);
	for (i = 0; i < FERRY_WINDOW_PAGES; i++)
		wrong += ferry_window_count(window, i, 1, true) ==
			 (i >= c->first && i < c->first + c->n);
	mutex_unlock(&window->lock);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static struct kunit_case page_table_cases[] = {
	KUNIT_CASE(entries),
	KUNIT_CASE(exclusive_entries),
	KUNIT_CASE_PARAM(clear, clear_gen_params),
	{}
};

static struct kunit_suite page_table_suite = {
	.name = "ferry_page_table",
	.test_cases = page_table_cases,
};

kunit_test_suite(page_table_suite);
