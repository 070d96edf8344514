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
	{ "two", { 2, NULL, NUMA_NO_NODE, NULL }, 0, FERRY_DEFAULT_MEMORY },
	{ "sixteen devices", { 16, "2M", NUMA_NO_NODE, NULL }, 0, SZ_2M },
	{ "suffix", { 1, "1G", 0, "" }, 0, SZ_1G },
	{ "bytes", { 1, "4194304", 0, NULL }, 0, SZ_4M },
	{ "no device", { 0, NULL, NUMA_NO_NODE, NULL }, -EINVAL },
	{ "negative", { -2, NULL, NUMA_NO_NODE, NULL }, -EINVAL },
	{ "too many", { 17, NULL, NUMA_NO_NODE, NULL }, -EINVAL },
	{ "no memory", { 1, "0", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "not aligned", { 1, "3M", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "too much", { 1, "65G", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "not a size", { 1, "much", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "trailing text", { 1, "2Mb", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "empty", { 1, "", NUMA_NO_NODE, NULL }, -EINVAL },
	{ "no such node", { 1, NULL, MAX_NUMNODES, NULL }, -EINVAL },
	{ "node -2", { 1, NULL, -2, NULL }, -EINVAL },
	{ "size without private", { 0, "2M", NUMA_NO_NODE, "4G,2M" }, -EINVAL },
	{ "node without private", { 0, NULL, 0, "4G,2M" }, -EINVAL },
	{ "coherent without size", { 1, NULL, NUMA_NO_NODE, "0x100000000" }, -EINVAL },
	{ "coherent without address", { 1, NULL, NUMA_NO_NODE, ",1G" }, -EINVAL },
	{ "coherent at 0", { 1, NULL, NUMA_NO_NODE, "0,1G" }, -EINVAL },
	{ "coherent of 0", { 1, NULL, NUMA_NO_NODE, "4G,0" }, -EINVAL },
	{ "coherent odd address", { 1, NULL, NUMA_NO_NODE, "4097M,2M" }, -EINVAL },
	{ "coherent odd size", { 1, NULL, NUMA_NO_NODE, "4G,3M" }, -EINVAL },
	{ "coherent too much", { 1, NULL, NUMA_NO_NODE, "4G,65G" }, -EINVAL },
	{ "coherent wraps", { 1, NULL, NUMA_NO_NODE, "0xffffffffffe00000,4M" }, -EINVAL },
	{ "coherent trailing", { 1, NULL, NUMA_NO_NODE, "4G,2M;" }, -EINVAL },
	{ "coherent other separator", { 1, NULL, NUMA_NO_NODE, "4G,2M,5G,2M" }, -EINVAL },
	{ "coherent overlap", { 1, NULL, NUMA_NO_NODE, "4G,4M;4098M,2M" }, -EINVAL },
	{ "coherent too many", { 16, NULL, NUMA_NO_NODE, "4G,2M" }, -EINVAL },
	{ "quota", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "50" }, 0, FERRY_DEFAULT_MEMORY },
	{ "two quotas", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "50,1" }, 0,
	  FERRY_DEFAULT_MEMORY },
	{ "no quota", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "0" }, -EINVAL },
	{ "quota too much", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "101" }, -EINVAL },
	{ "quota that would wrap", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "4294967396" },
	  -EINVAL },
	{ "quota negative", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "-1" }, -EINVAL },
	{ "quota trailing", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "50%" }, -EINVAL },
	{ "quota trailing comma", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "50," }, -EINVAL },
	{ "quota empty", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "" }, -EINVAL },
	{ "file more than user", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "50,51" }, -EINVAL },
	{ "three quotas", { 2, NULL, NUMA_NO_NODE, NULL, .quota = "50,20,1" }, -EINVAL },
};

static void config_case_to_desc(const struct config_case *test_case, char *desc)
{
	strscpy(desc, test_case->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(config, cases, config_case_to_desc);

static void parse(struct kunit *test)
{
	const struct config_case *test_case = test->param_value;
	struct ferry_params params = test_case->params;
	struct ferry_config *config;
	int i;

	params.fault_around = FERRY_FAULT_AROUND_UNSET;

	config = kunit_kzalloc(test, sizeof(*config), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, config);
	KUNIT_ASSERT_EQ(test, ferry_config_parse(&params, config), test_case->ret);
	if (test_case->ret)
		return;
	KUNIT_EXPECT_EQ(test, config->ndevices, test_case->params.devices);
	for (i = 0; i < config->ndevices; i++) {
		KUNIT_EXPECT_EQ(test, config->devices[i].memory_size,
				test_case->memory_size);
		KUNIT_EXPECT_EQ(test, config->devices[i].node, test_case->params.node);
	}
}

static int parse_text(const char *coherent, int devices, struct ferry_config *config)
{
	const struct ferry_params params = {
		.devices = devices,
		.node = NUMA_NO_NODE,
		.coherent = coherent,
		.fault_around = FERRY_FAULT_AROUND_UNSET,
	};

	return ferry_config_parse(&params, config);
}

/*
 * Private devices come first. Each range makes a device, in the order of the
 * text.
 */
static void coherent_devices(struct kunit *test)
{
	struct ferry_config *config = kunit_kzalloc(test, sizeof(*config), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, config);
	KUNIT_ASSERT_EQ(test, parse_text("0x140000000,512M;4G,1G", 2, config), 0);
	KUNIT_EXPECT_EQ(test, config->nprivate, 2);
	KUNIT_ASSERT_EQ(test, config->ndevices, 4);
	KUNIT_EXPECT_EQ(test, config->devices[1].kind, FERRY_MEMORY_PRIVATE);
	KUNIT_EXPECT_EQ(test, config->devices[2].kind, FERRY_MEMORY_COHERENT);
	KUNIT_EXPECT_EQ(test, config->devices[2].start, 0x140000000ULL);
	KUNIT_EXPECT_EQ(test, config->devices[2].memory_size, (u64)SZ_512M);
	KUNIT_EXPECT_EQ(test, config->devices[3].start, 4ULL * SZ_1G);
	KUNIT_EXPECT_EQ(test, config->devices[3].memory_size, (u64)SZ_1G);
	KUNIT_EXPECT_EQ(test, config->devices[1].fault_around, FERRY_DEFAULT_FAULT_AROUND);
	KUNIT_EXPECT_EQ(test, config->devices[3].fault_around, 0);

	KUNIT_ASSERT_EQ(test, parse_text("4G,2M", 0, config), 0);
	KUNIT_EXPECT_EQ(test, config->nprivate, 0);
	KUNIT_EXPECT_EQ(test, config->ndevices, 1);
}

static void defaults(struct kunit *test)
{
	struct ferry_config *config = kunit_kzalloc(test, sizeof(*config), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, config);
	KUNIT_ASSERT_EQ(test, parse_text(NULL, FERRY_DEVICES_UNSET, config), 0);
	KUNIT_EXPECT_EQ(test, config->ndevices,
			IS_ENABLED(CONFIG_DEVICE_PRIVATE) ? FERRY_DEFAULT_DEVICES : 0);
}

static int parse_around(int devices, int fault_around, struct ferry_config *config)
{
	const struct ferry_params params = {
		.devices = devices,
		.node = NUMA_NO_NODE,
		.coherent = "4G,2M",
		.fault_around = fault_around,
	};

	return ferry_config_parse(&params, config);
}

/* Powers of two, up to the range of one page table. */
static void fault_around_sizes(struct kunit *test)
{
	struct ferry_config *config = kunit_kzalloc(test, sizeof(*config), GFP_KERNEL);
	static const int wrong[] = { -2, 0, 3, 24, 511, 1024, INT_MAX, INT_MIN };
	int i;

	KUNIT_ASSERT_NOT_NULL(test, config);
	for (i = 1; i <= FERRY_MAX_FAULT_AROUND; i *= 2) {
		KUNIT_ASSERT_EQ(test, parse_around(2, i, config), 0);
		KUNIT_EXPECT_EQ(test, config->devices[1].fault_around, i);
	}
	KUNIT_EXPECT_EQ(test, i, 2 * FERRY_MAX_FAULT_AROUND);
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		KUNIT_EXPECT_EQ(test, parse_around(2, wrong[i], config), -EINVAL);
	/* fault_around= needs a private device. */
	KUNIT_EXPECT_EQ(test, parse_around(0, 16, config), -EINVAL);
}

static struct kunit_case config_cases[] = {
	KUNIT_CASE(fault_around_sizes),
	KUNIT_CASE(defaults),
	KUNIT_CASE(coherent_devices),
	KUNIT_CASE_PARAM(parse, config_gen_params),
	{}
};

static struct kunit_suite config_suite = {
	.name = "ferry_config",
	.test_cases = config_cases,
};

kunit_test_suite(config_suite);
