// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the module's parameters to a plain description of devices. Everything
 * that can be wrong with a parameter is found here, and said in one line, before
 * anything is allocated.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/kernel.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/string.h>

#include "config.h"

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
	if (!*size || *size > FERRY_MAX_MEMORY ||
	    !IS_ALIGNED(*size, FERRY_MEMORY_ALIGN)) {
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

/**
 * ferry_config_parse() - check the parameters and describe the devices
 * @params: as written by the user
 * @config: filled on success
 *
 * Return: 0; -EINVAL for a wrong value, -EOPNOTSUPP for one that is known but
 * not built, in both cases after a line in the kernel log that says which and
 * why.
 */
int ferry_config_parse(const struct ferry_params *params,
		       struct ferry_config *config)
{
	unsigned int i;
	u64 size;
	int ret;

	if (params->devices < 1 || params->devices > FERRY_MAX_DEVICES) {
		pr_err("devices=%d must be from 1 to %d\n", params->devices,
		       FERRY_MAX_DEVICES);
		return -EINVAL;
	}
	ret = parse_memory(params->memory, &size);
	if (ret)
		return ret;
	ret = check_node(params->node);
	if (ret)
		return ret;
	if (params->coherent && *params->coherent) {
		pr_err("coherent=%s: coherent devices are not built yet\n",
		       params->coherent);
		return -EOPNOTSUPP;
	}

	memset(config, 0, sizeof(*config));
	config->ndevices = params->devices;
	for (i = 0; i < config->ndevices; i++) {
		config->devices[i].memory_size = size;
		config->devices[i].node = params->node;
	}
	return 0;
}
