// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/numa.h>

#include "config.h"

struct config_case {
	const char *name;
	struct ferry_params params;
	int ret;
	u64 memory_size;
};

static const struct config_case cases[] = {
	{ "defaults", { 2, NULL, NUMA_NO_NODE, NULL }, 0, FERRY_DEFAULT_MEMORY },
	{ "sixteen devices", { 16, "2M", NUMA_NO_NODE, NULL }, 0, SZ_2M },
	{ "suffix", { 1, "1G", 0, "" }, 0, SZ_1G },
	{ "bytes", { 1, "4194304", 0, NULL }, 0, SZ_4M },
	{ "no device", { 0, NULL, NUMA_NO_NODE, NULL }, -EINVAL },
	{ "negative", { -1, NULL, NUMA_NO_NODE, NULL }, -EINVAL },
	{ "too many", { 17, NULL, NUMA_NO_NODE, NULL }, -EINVAL },
	{ "no memory", { 1, "0", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "not aligned", { 1, "3M", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "too much", { 1, "65G", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "not a size", { 1, "much", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "trailing text", { 1, "2Mb", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "empty", { 1, "", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "no such node", { 1, NULL, MAX_NUMNODES, NULL }, -EINVAL },
	{ "node -2", { 1, NULL, -2, NULL }, -EINVAL },
	{ "coherent", { 1, NULL, NUMA_NO_NODE, "0x100000000,1G" }, -EOPNOTSUPP },
};

static void case_to_desc(const struct config_case *test_case, char *desc)
{
	strscpy(desc, test_case->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(config, cases, case_to_desc);

static void parse(struct kunit *test)
{
	const struct config_case *test_case = test->param_value;
	struct ferry_config *config;
	int i;

	config = kunit_kzalloc(test, sizeof(*config), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, config);
	KUNIT_ASSERT_EQ(test, ferry_config_parse(&test_case->params, config),
			test_case->ret);
	if (test_case->ret)
		return;
	KUNIT_EXPECT_EQ(test, config->ndevices, test_case->params.devices);
	for (i = 0; i < config->ndevices; i++) {
		KUNIT_EXPECT_EQ(test, config->devices[i].memory_size,
				test_case->memory_size);
		KUNIT_EXPECT_EQ(test, config->devices[i].node, test_case->params.node);
	}
}

static struct kunit_case config_cases[] = {
	KUNIT_CASE_PARAM(parse, config_gen_params),
	{}
};

static struct kunit_suite config_suite = {
	.name = "ferry_config",
	.test_cases = config_cases,
};

kunit_test_suite(config_suite);
