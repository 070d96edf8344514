// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/numa.h>

#include "chunk.h"
#include "copy.h"
#include "kunit.h"
#include "memory.h"
#include "plug.h"

#define NPAGES 4UL

/* Pages before the tested pages: the tested pages lie in two blocks. */
#define BEFORE (FERRY_BLOCK_PAGES - NPAGES / 2)
#define ALL (BEFORE + NPAGES)

/* The list has consecutive and other pages. */
static const unsigned int order[NPAGES] = { 1, 2, 0, 3 };

struct copy_test {
	struct ferry_memory *memory;
	struct ferry_owner owner;
	struct page *all[ALL];
	struct page **device;
	struct page *system[NPAGES];
};

static int copy_init(struct kunit *test)
{
	const struct ferry_device_config config = {
		.memory_size = 2 * FERRY_MEMORY_ALIGN,
		.node = NUMA_NO_NODE,
	};
	struct copy_test *t;
	unsigned int i;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	for (i = 0; i < NPAGES; i++) {
		t->system[i] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, t->system[i]);
	}
	t->memory = ferry_memory_create(&config, t, ferry_device_no_fault);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->memory);
	KUNIT_ASSERT_EQ(test, ferry_memory_alloc(t->memory, &t->owner, ALL, t->all), ALL);
	t->device = t->all + BEFORE;
	test->priv = t;
	return 0;
}

static void copy_exit(struct kunit *test)
{
	struct copy_test *t = test->priv;
	unsigned int i;

	if (!t)
		return;
	ferry_memory_free(t->memory, t->all, ALL);
	ferry_memory_destroy(t->memory);
	for (i = 0; i < NPAGES; i++)
		__free_page(t->system[i]);
}

static void fill_words(void *bytes, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(u32); i++)
		((u32 *)bytes)[i] = (i + 1) * 2654435761u + seed;
}

static bool is_filled(const void *bytes, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(u32); i++)
		if (((u32 *)bytes)[i] != (i + 1) * 2654435761u + seed)
			return false;
	return true;
}

static void there_and_back(struct kunit *test)
{
	struct copy_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < NPAGES; i++)
		fill_words(page_address(t->system[i]), i);
	ferry_copy_to_device(t->device, t->system, NPAGES);
	for (i = 0; i < NPAGES; i++) {
		KUNIT_EXPECT_TRUE(test, is_filled(ferry_memory_address(t->device[i]), i));
		memset(page_address(t->system[i]), 0, PAGE_SIZE);
	}
	ferry_copy_from_device(t->system, t->device, NPAGES);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE(test, is_filled(page_address(t->system[i]), i));
}

/*
 * The order of the lists is free; the lists have consecutive pages, other
 * pages, and the end of a block.
 */
static void each_page_goes_where_its_list_says(struct kunit *test)
{
	struct copy_test *t = test->priv;
	struct page *to[NPAGES];
	unsigned int i;

	for (i = 0; i < NPAGES; i++) {
		to[i] = t->device[order[i]];
		fill_words(page_address(t->system[i]), i);
	}
	ferry_copy_to_device(to, t->system, NPAGES);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE(test, is_filled(ferry_memory_address(to[i]), i));
	ferry_copy_from_device(t->system, t->device, NPAGES);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE(test, is_filled(page_address(t->system[order[i]]), i));
}

/* A NULL system page clears the device page, and no other device page. */
static void clear_is_exact(struct kunit *test)
{
	struct page *const none[NPAGES] = { NULL };
	struct copy_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < NPAGES; i++)
		fill_words(ferry_memory_address(t->device[i]), i);
	ferry_copy_to_device(t->device + 1, none, 2);
	KUNIT_EXPECT_TRUE(test, is_filled(ferry_memory_address(t->device[0]), 0));
	KUNIT_EXPECT_NULL(test, memchr_inv(ferry_memory_address(t->device[1]), 0, PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, memchr_inv(ferry_memory_address(t->device[2]), 0, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, is_filled(ferry_memory_address(t->device[3]), 3));
}

static struct kunit_case copy_cases[] = {
	KUNIT_CASE(there_and_back),
	KUNIT_CASE(each_page_goes_where_its_list_says),
	KUNIT_CASE(clear_is_exact),
	{}
};

static struct kunit_suite copy_suite = {
	.name = "ferry_copy",
	.init = copy_init,
	.exit = copy_exit,
	.test_cases = copy_cases,
};

kunit_test_suite(copy_suite);
