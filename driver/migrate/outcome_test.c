// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/string.h>

#include "outcome.h"

static void each_has_a_name_of_its_own(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < FERRY_NOUTCOMES; i++) {
		KUNIT_ASSERT_NOT_NULL(test, ferry_outcome_name(i));
		KUNIT_EXPECT_STRNEQ(test, ferry_outcome_name(i), "");
		KUNIT_EXPECT_STRNEQ(test, ferry_outcome_name(i), "unknown");
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_STRNEQ(test, ferry_outcome_name(i),
					    ferry_outcome_name(j));
	}
}

static void others_have_none(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, ferry_outcome_name(FERRY_NOUTCOMES), "unknown");
	KUNIT_EXPECT_STREQ(test, ferry_outcome_name(U8_MAX), "unknown");
}

static struct kunit_case outcome_cases[] = {
	KUNIT_CASE(each_has_a_name_of_its_own),
	KUNIT_CASE(others_have_none),
	{}
};

static struct kunit_suite outcome_suite = {
	.name = "ferry_outcome",
	.test_cases = outcome_cases,
};

kunit_test_suite(outcome_suite);
