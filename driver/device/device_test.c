// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/numa.h>

#include "device.h"
#include "kunit.h"
#include "memory.h"

/* Pages name their device as owner, and have the device's fault handler. */
static void pages_name_their_device(struct kunit *test)
{
	const struct ferry_device_config config = {
		.memory_size = FERRY_MEMORY_ALIGN,
		.node = NUMA_NO_NODE,
	};
	struct ferry_device *a = ferry_device_create(3, &config, ferry_device_no_fault);
	struct ferry_device *b = ferry_device_create(4, &config, ferry_device_no_fault);
	struct ferry_owner owner = { 0 };
	struct page *page;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_EQ(test, a->index, 3);
	KUNIT_EXPECT_EQ(test, a->memory->npages, FERRY_MEMORY_ALIGN >> PAGE_SHIFT);

	KUNIT_ASSERT_EQ(test, ferry_memory_alloc(b->memory, &owner, 1, &page), 1);
	KUNIT_EXPECT_PTR_EQ(test, page_pgmap(page)->owner, (void *)b);
	KUNIT_EXPECT_TRUE(test, page_pgmap(page)->ops->migrate_to_ram == ferry_device_no_fault);
	KUNIT_EXPECT_TRUE(test, is_device_private_page(page));
	ferry_memory_free(b->memory, &page, 1);

	ferry_device_destroy(b);
	ferry_device_destroy(a);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE(pages_name_their_device),
	{}
};

static struct kunit_suite device_suite = {
	.name = "ferry_device",
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
