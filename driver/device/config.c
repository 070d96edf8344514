// SPDX-License-Identifier: GPL-2.0-only
/*
 * Converts the module's parameters to plain descriptions of devices: private
 * devices first, then coherent devices. The parser finds each error in a single
 * parameter, and reports the error in a line of the kernel log, before any
 * allocation. coherent.c checks for RAM at the address of coherent=.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/string.h>

#include "config.h"

static bool size_is_valid(u64 size)
{
	return size && size <= FERRY_MAX_MEMORY && IS_ALIGNED(size, FERRY_MEMORY_ALIGN);
}

static int parse_memory(const char *text, u64 *size)
{
	char *end;

	if (!text) {
		*size = FERRY_DEFAULT_MEMORY;
		return 0;
	}

	*size = memparse(text, &end);
	if (end == text || *end) {
		pr_err("memory=%s is not a size such as 256M\n", text);
		return -EINVAL;
	}
	if (!size_is_valid(*size)) {
		pr_err("memory=%s must be a multiple of %u MiB, from that to %llu GiB\n",
		       text, FERRY_MEMORY_ALIGN / SZ_1M, FERRY_MAX_MEMORY / SZ_1G);
		return -EINVAL;
	}
	return 0;
}

static int check_node(int node)
{
	if (node == NUMA_NO_NODE)
		return 0;
	if (node < 0 || node >= MAX_NUMNODES || !node_state(node, N_MEMORY)) {
		pr_err("node=%d has no memory\n", node);
		return -EINVAL;
	}
	return 0;
}

static int parse_fault_around(int pages, unsigned int *fault_around)
{
	if (pages == FERRY_FAULT_AROUND_UNSET)
		pages = FERRY_DEFAULT_FAULT_AROUND;
	if (pages < 1 || pages > FERRY_MAX_FAULT_AROUND || !is_power_of_2(pages)) {
		pr_err("fault_around=%d must be a power of two from 1 to %lu\n", pages,
		       (unsigned long)FERRY_MAX_FAULT_AROUND);
		return -EINVAL;
	}
	*fault_around = pages;
	return 0;
}

/*
 * One quota for all devices. Without FILE the quota of a file is that of a
 * user.
 */
static int parse_quota(const char *text, struct ferry_config *config)
{
	unsigned int user = FERRY_WHOLE_QUOTA, file = FERRY_WHOLE_QUOTA, i;
	int n = 2, end = 0;

	/* At most three digits: a larger number would wrap. */
	if (text)
		n = sscanf(text, "%3u%n,%3u%n", &user, &end, &file, &end);
	if (n == 1)
		file = user;
	if (n < 1 || (text && text[end]) || !file || file > user || user > FERRY_WHOLE_QUOTA) {
		pr_err("quota=%s is not USER[,FILE], percent from 1 to %d, FILE no more than USER\n",
		       text, FERRY_WHOLE_QUOTA);
		return -EINVAL;
	}
	for (i = 0; i < config->ndevices; i++) {
		config->devices[i].user_quota = user;
		config->devices[i].file_quota = file;
	}
	return 0;
}

static int check_devices(int n, bool any_coherent)
{
	if (n < !any_coherent || n > FERRY_MAX_DEVICES) {
		pr_err("devices=%d must be from 1 to %d, or 0 beside coherent=\n", n,
		       FERRY_MAX_DEVICES);
		return -EINVAL;
	}
	if (n && !IS_ENABLED(CONFIG_DEVICE_PRIVATE)) {
		pr_err("devices=%d: this kernel lacks CONFIG_DEVICE_PRIVATE, there can be no private devices\n",
		       n);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int count_private(const struct ferry_params *params, bool any_coherent,
			 unsigned int *n)
{
	int ret;

	if (params->devices == FERRY_DEVICES_UNSET) {
		*n = IS_ENABLED(CONFIG_DEVICE_PRIVATE) ? FERRY_DEFAULT_DEVICES : 0;
	} else {
		ret = check_devices(params->devices, any_coherent);
		if (ret)
			return ret;
		*n = params->devices;
	}

	/* These parameters describe private devices only. */
	if (!*n && (params->memory || params->node != NUMA_NO_NODE ||
		    params->fault_around != FERRY_FAULT_AROUND_UNSET)) {
		pr_err("memory=, node= and fault_around= are of private devices, and there are none\n");
		return -EINVAL;
	}
	return 0;
}

static int add_private(const struct ferry_params *params, struct ferry_config *config)
{
	unsigned int fault_around, i;
	u64 size;
	int ret;

	ret = parse_memory(params->memory, &size);
	if (ret)
		return ret;
	ret = check_node(params->node) ?:
	      parse_fault_around(params->fault_around, &fault_around);
	if (ret)
		return ret;

	for (i = 0; i < config->nprivate; i++)
		config->devices[i] = (struct ferry_device_config) {
			.kind = FERRY_MEMORY_PRIVATE,
			.memory_size = size,
			.node = params->node,
			.fault_around = fault_around,
		};
	config->ndevices = config->nprivate;
	return 0;
}

/* Parses one ADDR,SIZE pair. Returns the rest of the text, or NULL. */
static const char *parse_range(const char *text, struct ferry_device_config *device)
{
	char *end;

	device->start = memparse(text, &end);
	if (end == text || *end != ',')
		return NULL;
	text = end + 1;
	device->memory_size = memparse(text, &end);
	if (end == text || (*end && *end != ';'))
		return NULL;
	return end;
}

static bool overlap(const struct ferry_device_config *a,
		    const struct ferry_device_config *b)
{
	return a->start < b->start + b->memory_size &&
	       b->start < a->start + a->memory_size;
}

static int check_range(const char *text, const struct ferry_config *config,
		       const struct ferry_device_config *device)
{
	unsigned int i;

	if (!device->start || !IS_ALIGNED(device->start, FERRY_MEMORY_ALIGN) ||
	    !size_is_valid(device->memory_size) ||
	    device->start > U64_MAX - device->memory_size) {
		pr_err("coherent=%s: address and size must be multiples of %u MiB, the size at most %llu GiB\n",
		       text, FERRY_MEMORY_ALIGN / SZ_1M, FERRY_MAX_MEMORY / SZ_1G);
		return -EINVAL;
	}
	for (i = config->nprivate; i < config->ndevices; i++) {
		if (!overlap(device, &config->devices[i]))
			continue;
		pr_err("coherent=%s: two of the ranges overlap\n", text);
		return -EINVAL;
	}
	return 0;
}

static int add_coherent(const char *text, struct ferry_config *config)
{
	struct ferry_device_config device = {
		.kind = FERRY_MEMORY_COHERENT,
		.node = NUMA_NO_NODE,
	};
	const char *rest = text;
	int ret;

	for (;;) {
		rest = parse_range(rest, &device);
		if (!rest) {
			pr_err("coherent=%s is not ADDR,SIZE[;ADDR,SIZE...]\n", text);
			return -EINVAL;
		}
		ret = check_range(text, config, &device);
		if (ret)
			return ret;
		if (config->ndevices == FERRY_MAX_DEVICES) {
			pr_err("coherent=%s: more than %d devices, private ones included\n",
			       text, FERRY_MAX_DEVICES);
			return -EINVAL;
		}
		config->devices[config->ndevices++] = device;
		if (!*rest)
			return 0;
		rest++;
	}
}

/**
 * ferry_config_parse() - check the parameters and describe the devices
 * @params: parameters as the user wrote them
 * @config: set on success; no devices on a kernel without CONFIG_DEVICE_PRIVATE
 *	if the user asked for none
 *
 * Context: process context.
 * Return: 0; -EINVAL for a wrong value; -EOPNOTSUPP for private devices on a
 * kernel without CONFIG_DEVICE_PRIVATE. A line in the kernel
 * log names the parameter and the reason.
 */
int ferry_config_parse(const struct ferry_params *params,
		       struct ferry_config *config)
{
	bool any_coherent = params->coherent && *params->coherent;
	int ret;

	memset(config, 0, sizeof(*config));
	ret = count_private(params, any_coherent, &config->nprivate);
	if (ret)
		return ret;
	if (config->nprivate) {
		ret = add_private(params, config);
		if (ret)
			return ret;
	}
	ret = any_coherent ? add_coherent(params->coherent, config) : 0;
	return ret ?: parse_quota(params->quota, config);
}
