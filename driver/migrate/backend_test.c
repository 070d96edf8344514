// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "backend.h"

/* Each test restores the module's defaults. */
static void default_again(struct kunit *test)
{
	ferry_backend_init(NULL, NULL);
}

static void unknown_is_not_unbuilt(struct kunit *test)
{
	KUNIT_EXPECT_PTR_EQ(test, ferry_backend_get(FERRY_BACKEND_OWN + 1),
			    ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, ferry_backend_init("neither", NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, ferry_backend_init(NULL, "never"), -EINVAL);
	if (IS_ENABLED(CONFIG_FERRY_MIGRATE))
		return;
	KUNIT_EXPECT_PTR_EQ(test, ferry_backend_get(FERRY_BACKEND_OWN),
			    ERR_PTR(-EOPNOTSUPP));
	KUNIT_EXPECT_EQ(test, ferry_backend_init("own", NULL), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ferry_backend_init(NULL, "per_call"), -EOPNOTSUPP);
}

static void default_is_own_where_there_is_one(struct kunit *test)
{
	unsigned int id = IS_ENABLED(CONFIG_FERRY_MIGRATE) ? FERRY_BACKEND_OWN :
							     FERRY_BACKEND_CORE;

	KUNIT_ASSERT_EQ(test, ferry_backend_init(NULL, NULL), 0);
	KUNIT_EXPECT_PTR_EQ(test, ferry_backend_get(FERRY_BACKEND_DEFAULT),
			    ferry_backend_get(id));
	KUNIT_EXPECT_TRUE(test, ferry_backend_available() & BIT(id));
	KUNIT_ASSERT_EQ(test, ferry_backend_init("core", NULL), 0);
	KUNIT_EXPECT_STREQ(test, ferry_backend_get(FERRY_BACKEND_DEFAULT)->name, "core");
}

static void flush_is_the_own_engines(struct kunit *test)
{
	const struct ferry_backend *core = ferry_backend_get(FERRY_BACKEND_CORE), *own;

	if (!IS_ENABLED(CONFIG_FERRY_MIGRATE))
		kunit_skip(test, "the own engine is not built into this kernel");
	own = ferry_backend_get(FERRY_BACKEND_OWN);
	KUNIT_ASSERT_EQ(test, ferry_backend_init("own", "per_table"), 0);
	KUNIT_EXPECT_EQ(test, ferry_backend_flush(own, FERRY_FLUSH_DEFAULT),
			FERRY_FLUSH_PER_TABLE);
	KUNIT_EXPECT_EQ(test, ferry_backend_flush(own, FERRY_FLUSH_PER_PAGE),
			FERRY_FLUSH_PER_PAGE);
	KUNIT_EXPECT_EQ(test, ferry_backend_flush(core, FERRY_FLUSH_DEFAULT),
			FERRY_FLUSH_DEFAULT);
}

static struct kunit_case backend_cases[] = {
	KUNIT_CASE(unknown_is_not_unbuilt),
	KUNIT_CASE(default_is_own_where_there_is_one),
	KUNIT_CASE(flush_is_the_own_engines),
	{}
};

static struct kunit_suite backend_suite = {
	.name = "ferry_backend",
	.exit = default_again,
	.test_cases = backend_cases,
};

kunit_test_suite(backend_suite);
