// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/numa.h>

#include "chunk.h"
#include "kunit.h"
#include "memory.h"
#include "owner.h"
#include "plug.h"

/* Two chunks; the second is smaller. */
#define TEST_SIZE	(FERRY_CHUNK_SIZE + FERRY_MEMORY_ALIGN)
#define TEST_PAGES	(TEST_SIZE >> PAGE_SHIFT)

static int plug_init(struct kunit *test)
{
	const struct ferry_device_config config = {
		.kind = FERRY_MEMORY_PRIVATE,
		.memory_size = TEST_SIZE,
		.node = NUMA_NO_NODE,
	};

	test->priv = ferry_memory_create(&config, test, ferry_device_no_fault);
	if (IS_ERR(test->priv)) {
		test->priv = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void plug_exit(struct kunit *test)
{
	if (test->priv)
		ferry_memory_destroy(test->priv);
}

static void empty_chunks_go_and_come_back(struct kunit *test)
{
	struct ferry_memory *memory = test->priv;
	struct ferry_owner owner = { 0 };
	struct page *page;

	KUNIT_ASSERT_EQ(test, memory->nchunks, 2);
	ferry_memory_unplug_begin(memory);
	KUNIT_EXPECT_EQ(test, ferry_memory_unplug_end(memory), 0);
	KUNIT_EXPECT_EQ(test, memory->nplugged, 0);
	KUNIT_EXPECT_NULL(test, memory->chunks[0]);
	KUNIT_EXPECT_NULL(test, memory->chunks[1]);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(memory, &owner, 1, &page), 0);

	KUNIT_EXPECT_EQ(test, ferry_memory_plug(memory), 0);
	KUNIT_EXPECT_EQ(test, memory->nplugged, 2);
	KUNIT_EXPECT_EQ(test, memory->chunks[1]->npages, FERRY_MEMORY_ALIGN >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(memory, &owner, 1, &page), 1);
	ferry_memory_free(memory, &page, 1);
}

static void nothing_is_handed_out_meanwhile(struct kunit *test)
{
	struct ferry_memory *memory = test->priv;
	struct ferry_owner owner = { 0 };
	struct page *page;

	ferry_memory_unplug_begin(memory);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(memory, &owner, 1, &page), 0);
	/* An unplug is under way: new chunks would undo the unplug. */
	KUNIT_EXPECT_EQ(test, ferry_memory_plug(memory), 0);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(memory, &owner, 1, &page), 0);
	KUNIT_EXPECT_EQ(test, ferry_memory_unplug_end(memory), 0);
	KUNIT_EXPECT_EQ(test, memory->nplugged, 0);
}

static void a_chunk_in_use_stays(struct kunit *test)
{
	struct ferry_memory *memory = test->priv;
	struct ferry_owner owner = { 0 };
	struct page *page, *other;

	KUNIT_ASSERT_EQ(test, ferry_memory_alloc(memory, &owner, 1, &page), 1);
	ferry_memory_unplug_begin(memory);
	KUNIT_EXPECT_EQ(test, ferry_memory_unplug_end(memory), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory->nplugged, 1);
	/* The chunk stays in use. */
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(memory, &owner, 1, &other), 1);
	KUNIT_EXPECT_EQ(test, page_to_pfn(other), page_to_pfn(page) + 1);
	ferry_memory_free(memory, &page, 1);
	ferry_memory_free(memory, &other, 1);
}

/* A page that was freed during an eviction still needs its struct page. */
static void eviction_finds_anybodys_pages(struct kunit *test)
{
	struct ferry_memory *memory = test->priv;
	struct ferry_owner a = { 0 }, b = { 0 };
	unsigned long cursor = 0, pfn;
	struct page *pages[4];

	ferry_memory_alloc(memory, &a, 2, pages);
	ferry_memory_alloc(memory, &b, 2, pages + 2);
	KUNIT_ASSERT_EQ(test, ferry_memory_evict_begin(memory, NULL, &cursor, 512, &pfn), 4);
	ferry_memory_free(memory, pages, 4);
	KUNIT_EXPECT_EQ(test, ferry_memory_used(memory), 0);
	KUNIT_EXPECT_FALSE(test, bitmap_empty(memory->chunks[0]->used, 4));
	ferry_memory_evict_end(memory, pfn, 4);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(memory->chunks[0]->used, 4));
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(memory, NULL, &cursor, 512, &pfn), 0);
}

/* The chunk stays until the eviction ends, with no page handed out. */
static void a_chunk_under_eviction_stays(struct kunit *test)
{
	struct ferry_memory *memory = test->priv;
	struct ferry_owner owner = { 0 };
	unsigned long cursor = 0, pfn;
	struct page *pages[2];

	KUNIT_ASSERT_EQ(test, ferry_memory_alloc(memory, &owner, 2, pages), 2);
	KUNIT_ASSERT_EQ(test, ferry_memory_evict_begin(memory, NULL, &cursor, 512, &pfn), 2);
	ferry_memory_free(memory, pages, 2);
	KUNIT_EXPECT_FALSE(test, ferry_memory_is_empty(memory));
	ferry_memory_unplug_begin(memory);
	KUNIT_EXPECT_EQ(test, ferry_memory_unplug_end(memory), -EBUSY);
	KUNIT_EXPECT_EQ(test, memory->nplugged, 1);
	ferry_memory_evict_end(memory, pfn, 2);
	KUNIT_EXPECT_TRUE(test, ferry_memory_is_empty(memory));
	ferry_memory_unplug_begin(memory);
	KUNIT_EXPECT_EQ(test, ferry_memory_unplug_end(memory), 0);
	KUNIT_EXPECT_EQ(test, memory->nplugged, 0);
}

static struct kunit_case plug_cases[] = {
	KUNIT_CASE(empty_chunks_go_and_come_back),
	KUNIT_CASE(nothing_is_handed_out_meanwhile),
	KUNIT_CASE(a_chunk_in_use_stays),
	KUNIT_CASE(eviction_finds_anybodys_pages),
	KUNIT_CASE(a_chunk_under_eviction_stays),
	{}
};

static struct kunit_suite plug_suite = {
	.name = "ferry_plug",
	.init = plug_init,
	.exit = plug_exit,
	.test_cases = plug_cases,
};

kunit_test_suite(plug_suite);
