// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/numa.h>

#include "kunit.h"
#include "memory.h"
#include "owner.h"
#include "plug.h"
#include "quota.h"

#define TEST_PAGES	(FERRY_MEMORY_ALIGN >> PAGE_SHIFT)
#define USER_PAGES	(TEST_PAGES / 2)
#define FILE_PAGES	(TEST_PAGES / 4)

#define SOMEBODY	KUIDT_INIT(1000)
#define SOMEBODY_ELSE	KUIDT_INIT(1001)

struct quota_test {
	struct ferry_memory *memory;
	struct page *pages[TEST_PAGES];
};

static int quota_init(struct kunit *test)
{
	const struct ferry_device_config config = {
		.memory_size = FERRY_MEMORY_ALIGN,
		.node = NUMA_NO_NODE,
		.user_quota = 50,
		.file_quota = 25,
	};
	struct quota_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->memory = ferry_memory_create(&config, t, ferry_device_no_fault);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->memory);
	test->priv = t;
	return 0;
}

static void quota_exit(struct kunit *test)
{
	struct quota_test *t = test->priv;

	if (t)
		ferry_memory_destroy(t->memory);
}

static struct ferry_owner *make_owner(struct kunit *test, kuid_t uid)
{
	struct quota_test *t = test->priv;
	struct ferry_owner *owner = ferry_owner_create(t->memory, uid);

	KUNIT_ASSERT_NOT_NULL(test, owner);
	return owner;
}

static void of_a_file(struct kunit *test)
{
	struct ferry_owner *owner = make_owner(test, SOMEBODY);
	struct quota_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ferry_owner_quota(t->memory), FILE_PAGES);
	KUNIT_EXPECT_EQ(test, ferry_owner_quota_left(t->memory, owner), FILE_PAGES);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, owner, FILE_PAGES + 1, t->pages),
			FILE_PAGES);
	KUNIT_EXPECT_EQ(test, ferry_owner_quota_left(t->memory, owner), 0);
	ferry_memory_free(t->memory, t->pages, 3);
	KUNIT_EXPECT_EQ(test, ferry_owner_quota_left(t->memory, owner), 3);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, owner, 4, t->pages), 3);
	ferry_memory_free(t->memory, t->pages, FILE_PAGES);
	ferry_memory_disown(t->memory, owner);
}

/* The quota covers all files of one user, closed files with pages included. */
static void of_a_user(struct kunit *test)
{
	struct ferry_owner *a = make_owner(test, SOMEBODY), *b = make_owner(test, SOMEBODY);
	struct ferry_owner *c = make_owner(test, SOMEBODY);
	struct ferry_owner *other = make_owner(test, SOMEBODY_ELSE);
	struct quota_test *t = test->priv;
	struct page **pages = t->pages;

	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, a, FILE_PAGES, pages), FILE_PAGES);
	pages += FILE_PAGES;
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, b, FILE_PAGES, pages), FILE_PAGES);
	pages += FILE_PAGES;
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, c, 1, pages), 0);
	KUNIT_EXPECT_EQ(test, ferry_owner_quota_left(t->memory, c), 0);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, other, 1, pages), 1);
	ferry_memory_disown(t->memory, a);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, c, 1, pages + 1), 0);
	ferry_memory_free(t->memory, t->pages, 2);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, c, 3, t->pages), 2);
	ferry_memory_free(t->memory, t->pages, USER_PAGES + 1);
	ferry_memory_disown(t->memory, b);
	ferry_memory_disown(t->memory, c);
	ferry_memory_disown(t->memory, other);
	KUNIT_EXPECT_TRUE(test, hash_empty(t->memory->users));
}

static struct kunit_case quota_cases[] = {
	KUNIT_CASE(of_a_file),
	KUNIT_CASE(of_a_user),
	{}
};

static struct kunit_suite quota_suite = {
	.name = "ferry_quota",
	.init = quota_init,
	.exit = quota_exit,
	.test_cases = quota_cases,
};

kunit_test_suite(quota_suite);
