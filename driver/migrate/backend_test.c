// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "backend.h"

static void unknown_is_not_unbuilt(struct kunit *test)
{
	KUNIT_EXPECT_PTR_EQ(test, ferry_backend_get(FERRY_BACKEND_OWN),
			    ERR_PTR(-EOPNOTSUPP));
	KUNIT_EXPECT_PTR_EQ(test, ferry_backend_get(FERRY_BACKEND_OWN + 1),
			    ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, ferry_backend_init("neither"), -EINVAL);
	KUNIT_EXPECT_EQ(test, ferry_backend_init("own"), -EOPNOTSUPP);
}

static void default_is_core(struct kunit *test)
{
	KUNIT_EXPECT_PTR_EQ(test, ferry_backend_get(FERRY_BACKEND_DEFAULT),
			    ferry_backend_get(FERRY_BACKEND_CORE));
	KUNIT_EXPECT_EQ(test, ferry_backend_available(), BIT(FERRY_BACKEND_CORE));
	KUNIT_EXPECT_STREQ(test, ferry_backend_get(FERRY_BACKEND_CORE)->name, "core");
}

static struct kunit_case backend_cases[] = {
	KUNIT_CASE(unknown_is_not_unbuilt),
	KUNIT_CASE(default_is_core),
	{}
};

static struct kunit_suite backend_suite = {
	.name = "ferry_backend",
	.test_cases = backend_cases,
};

kunit_test_suite(backend_suite);
