// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/mm.h>

#include <drm/ferry_drm.h>

#include "exec.h"
#include "mirror.h"

#define TASK_END	BIT(47)

static const struct exec_case {
	const char *name;
	struct drm_ferry_exec_op op;
	int ret;
} exec_cases[] = {
	{ "fill", { .op = DRM_FERRY_OP_FILL, .addr = 4096, .len = 4, .value = U32_MAX }, 0 },
	{ "checksum of a byte", { .op = DRM_FERRY_OP_CHECKSUM, .addr = 4097, .len = 1 }, 0 },
	{ "adjacent copy", { .op = DRM_FERRY_OP_COPY, .addr = 10, .src = 20, .len = 10 }, 0 },
	{ "adjacent copy down",
	  { .op = DRM_FERRY_OP_COPY, .addr = 20, .src = 10, .len = 10 }, 0 },
	{ "overlap up",
	  { .op = DRM_FERRY_OP_COPY, .addr = 19, .src = 10, .len = 10 }, -EINVAL },
	{ "overlap down",
	  { .op = DRM_FERRY_OP_COPY, .addr = 10, .src = 19, .len = 10 }, -EINVAL },
	{ "onto itself",
	  { .op = DRM_FERRY_OP_COPY, .addr = 10, .src = 10, .len = 1 }, -EINVAL },
	{ "source outside",
	  { .op = DRM_FERRY_OP_COPY, .addr = 1, .src = TASK_END, .len = 1 }, -EINVAL },
	{ "last byte", { .op = DRM_FERRY_OP_CHECKSUM, .addr = TASK_END - 1, .len = 1 }, 0 },
	{ "past the end",
	  { .op = DRM_FERRY_OP_CHECKSUM, .addr = TASK_END - 1, .len = 2 }, -EINVAL },
	{ "wraps", { .op = DRM_FERRY_OP_CHECKSUM, .addr = U64_MAX, .len = 2 }, -EINVAL },
	{ "unknown", { .op = DRM_FERRY_OP_CHECKSUM + 1, .addr = 4, .len = 4 }, -EINVAL },
	{ "half a word", { .op = DRM_FERRY_OP_ADD, .addr = 4, .len = 6 }, -EINVAL },
	{ "wide value",
	  { .op = DRM_FERRY_OP_ADD, .addr = 4, .len = 4, .value = 1ULL << 32 }, -EINVAL },
	{ "stray value",
	  { .op = DRM_FERRY_OP_CHECKSUM, .addr = 4, .len = 4, .value = 1 }, -EINVAL },
	{ "too long",
	  { .op = DRM_FERRY_OP_FILL, .addr = 4, .len = DRM_FERRY_MAX_OP_LEN + 4 }, -EINVAL },
	{ "longest", { .op = DRM_FERRY_OP_FILL, .addr = 4, .len = DRM_FERRY_MAX_OP_LEN }, 0 },
};

static void exec_case_to_desc(const struct exec_case *test_case, char *desc)
{
	strscpy(desc, test_case->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(exec, exec_cases, exec_case_to_desc);

static void check(struct kunit *test)
{
	const struct exec_case *c = test->param_value;
	struct ferry_mirror *mirror;

	mirror = kunit_kzalloc(test, sizeof(*mirror), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mirror);
	mirror->mm = kunit_kzalloc(test, sizeof(*mirror->mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mirror->mm);
	mirror->mm->task_size = TASK_END;
	KUNIT_EXPECT_EQ(test, ferry_exec_check(mirror, &c->op), c->ret);
}

static struct kunit_case exec_test_cases[] = {
	KUNIT_CASE_PARAM(check, exec_gen_params),
	{}
};

static struct kunit_suite exec_suite = {
	.name = "ferry_exec",
	.test_cases = exec_test_cases,
};

kunit_test_suite(exec_suite);
