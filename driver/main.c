// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ferry: a simulated device to which anonymous memory migrates. This file makes
 * the devices from the module's parameters and takes them down; start reading
 * at front/drm.c (what a user can ask), then mirror/ (one address space on one
 * device), migrate/ (the engine) and device/ (memory).
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/module.h>
#include <linux/numa.h>

#include "device/config.h"
#include "device/device.h"
#include "front/drm.h"
#include "migrate/backend.h"
#include "mirror/mirror.h"

static int devices = FERRY_DEFAULT_DEVICES;
module_param(devices, int, 0444);
MODULE_PARM_DESC(devices, "number of devices, 1 to 16 (2)");

static char *memory;
module_param(memory, charp, 0444);
MODULE_PARM_DESC(memory, "memory of each, a multiple of 2M (256M)");

static int node = NUMA_NO_NODE;
module_param(node, int, 0444);
MODULE_PARM_DESC(node, "NUMA node of the backing store (any)");

static char *coherent;
module_param(coherent, charp, 0444);
MODULE_PARM_DESC(coherent, "ADDR,SIZE[;...] of coherent devices; not built yet");

static char *backend = "core";
module_param(backend, charp, 0444);
MODULE_PARM_DESC(backend, "engine that migrates, core or own (core; own is not built yet)");

static struct ferry_config config;
static struct ferry_device *all_devices[FERRY_MAX_DEVICES];
static struct ferry_drm *all_nodes[FERRY_MAX_DEVICES];

static void destroy_devices(unsigned int n)
{
	while (n--)
		ferry_device_destroy(all_devices[n]);
}

static int create_devices(void)
{
	unsigned int i;

	for (i = 0; i < config.ndevices; i++) {
		all_devices[i] = ferry_device_create(i, &config.devices[i],
						     ferry_cpu_fault);
		if (IS_ERR(all_devices[i])) {
			destroy_devices(i);
			return PTR_ERR(all_devices[i]);
		}
	}
	return 0;
}

static void destroy_nodes(unsigned int n)
{
	while (n--)
		ferry_drm_destroy(all_nodes[n]);
}

static int create_nodes(void)
{
	unsigned int i;

	for (i = 0; i < config.ndevices; i++) {
		all_nodes[i] = ferry_drm_create(all_devices[i]);
		if (IS_ERR(all_nodes[i])) {
			pr_err("device %u: no render node: error %pe\n", i, all_nodes[i]);
			destroy_nodes(i);
			return PTR_ERR(all_nodes[i]);
		}
	}
	return 0;
}

static int __init ferry_init(void)
{
	const struct ferry_params params = {
		.devices = devices,
		.memory = memory,
		.node = node,
		.coherent = coherent,
	};
	int ret;

	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE)) {
		pr_err("this kernel lacks CONFIG_DEVICE_PRIVATE: no private devices\n");
		return -EOPNOTSUPP;
	}
	ret = ferry_backend_init(backend);
	if (ret)
		return ret;
	ret = ferry_config_parse(&params, &config);
	if (ret)
		return ret;

	ret = create_devices();
	if (ret)
		return ret;
	/*
	 * Last, when what can run out of memory is done: a node can be opened from
	 * when it is registered, and a load that fails then takes the code away
	 * from under the file.
	 */
	ret = create_nodes();
	if (ret)
		destroy_devices(config.ndevices);
	return ret;
}
module_init(ferry_init);

static void __exit ferry_exit(void)
{
	destroy_nodes(config.ndevices);
	destroy_devices(config.ndevices);
}
module_exit(ferry_exit);

MODULE_DESCRIPTION("Migration of anonymous memory to a simulated device");
MODULE_LICENSE("GPL");
