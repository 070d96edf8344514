// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>

#include "coherent.h"
#include "config.h"

/*
 * The claim is refused before a write to the range, or because the range holds
 * no written data.
 */
static void is_refused(struct kunit *test, u64 start)
{
	KUNIT_EXPECT_PTR_EQ(test, ferry_coherent_claim(start, FERRY_MEMORY_ALIGN),
			    ERR_PTR(-ENXIO));
}

static void system_ram(struct kunit *test)
{
	u64 *word = kunit_kzalloc(test, sizeof(*word), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, word);
	*word = 0x1234;
	is_refused(test, ALIGN_DOWN(virt_to_phys(word), FERRY_MEMORY_ALIGN));
	KUNIT_EXPECT_EQ(test, *word, 0x1234);
}

static void beyond_the_machine(struct kunit *test)
{
	is_refused(test, ALIGN_DOWN(iomem_resource.end, FERRY_MEMORY_ALIGN) +
		   FERRY_MEMORY_ALIGN);
}

static void a_claim_is_exclusive(struct kunit *test)
{
	struct resource *hole;

	hole = request_free_mem_region(&iomem_resource, FERRY_MEMORY_ALIGN, "ferry_test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, hole);
	is_refused(test, hole->start);
	release_mem_region(hole->start, resource_size(hole));
	/* The hole is free again, and a range without RAM is still refused. */
	is_refused(test, ALIGN_DOWN(iomem_resource.end, FERRY_MEMORY_ALIGN) -
		   FERRY_MEMORY_ALIGN);
}

static struct kunit_case coherent_cases[] = {
	KUNIT_CASE(system_ram),
	KUNIT_CASE(beyond_the_machine),
	KUNIT_CASE(a_claim_is_exclusive),
	{}
};

static struct kunit_suite coherent_suite = {
	.name = "ferry_coherent",
	.test_cases = coherent_cases,
};

kunit_test_suite(coherent_suite);
