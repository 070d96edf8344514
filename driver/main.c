// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ferry: a simulated device and the migration of anonymous memory to the device.
 * main.c makes the devices from the module's parameters and destroys the
 * devices.
 *
 * Reading order:
 *
 * front/drm.c  ioctls for users
 * mirror/      an address space on a device
 * migrate/     the engine
 * device/      device memory
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/module.h>
#include <linux/numa.h>

#include "device/config.h"
#include "device/device.h"
#include "front/dmirror.h"
#include "front/drm.h"
#include "migrate/backend.h"
#include "migrate/livepatch.h"
#include "mirror/cpu_fault.h"
#include "mirror/evict.h"
#include "mirror/mirror.h"
#include "mirror/stats.h"

static int devices = FERRY_DEVICES_UNSET;
module_param(devices, int, 0444);
MODULE_PARM_DESC(devices, "number of private devices, 1 to 16, or 0 beside coherent= (2)");

static char *memory;
module_param(memory, charp, 0444);
MODULE_PARM_DESC(memory, "memory of each private device, a multiple of 2M (256M)");

static int node = NUMA_NO_NODE;
module_param(node, int, 0444);
MODULE_PARM_DESC(node, "NUMA node of private devices' backing store (any)");

static char *coherent;
module_param(coherent, charp, 0444);
MODULE_PARM_DESC(coherent, "ADDR,SIZE[;...]: a coherent device on each range of RAM kept aside");

static int fault_around = FERRY_FAULT_AROUND_UNSET;
module_param(fault_around, int, 0444);
MODULE_PARM_DESC(fault_around, "pages that a CPU fault moves to system memory at once, a power of two, 1 to 512 (16)");

static char *quota;
module_param(quota, charp, 0444);
MODULE_PARM_DESC(quota, "USER[,FILE]: percent of a device's memory that one user's files, and one file, may hold (100)");

static char *backend;
module_param(backend, charp, 0444);
MODULE_PARM_DESC(backend, "engine that migrates, own or core (own, where the kernel has it)");

static char *flush;
module_param(flush, charp, 0444);
MODULE_PARM_DESC(flush, "TLB flushes of the own engine: per_page, per_table, per_call or auto (auto)");

static char *dmirror_name = "hmm_dmirror";
module_param(dmirror_name, charp, 0444);
MODULE_PARM_DESC(dmirror_name, "name of the nodes with test_hmm's ioctls (hmm_dmirror)");

static struct ferry_config config;
static struct ferry_device *all_devices[FERRY_MAX_DEVICES];
static struct ferry_dmirror *all_dmirrors[FERRY_MAX_DEVICES];
static struct ferry_drm *all_nodes[FERRY_MAX_DEVICES];

/*
 * Destroys in reverse order, also after a partial ferry_init(). The entry of a
 * node that could not be created is an error.
 */
static void destroy_devices(void)
{
	unsigned int i;

	for (i = config.ndevices; i--; all_nodes[i] = NULL)
		if (!IS_ERR_OR_NULL(all_nodes[i]))
			ferry_drm_destroy(all_nodes[i]);
	for (i = config.ndevices; i--; all_dmirrors[i] = NULL)
		if (!IS_ERR_OR_NULL(all_dmirrors[i]))
			ferry_dmirror_destroy(all_dmirrors[i]);
	for (i = config.ndevices; i--; all_devices[i] = NULL) {
		if (!all_devices[i])
			continue;
		ferry_orphans_fini(all_devices[i]);
		ferry_stats_fini(all_devices[i]);
		ferry_device_destroy(all_devices[i]);
	}
}

static void destroy_all(void)
{
	destroy_devices();
	ferry_engine_exit();
	ferry_dmirror_fini();
}

static int create_device(unsigned int i)
{
	struct ferry_device *device;
	int ret;

	device = ferry_device_create(i, &config.devices[i], ferry_cpu_fault);
	if (IS_ERR(device))
		return PTR_ERR(device);
	ret = ferry_stats_init(device);
	if (ret) {
		ferry_device_destroy(device);
		return ret;
	}
	ferry_orphans_init(device);
	all_devices[i] = device;
	return 0;
}

static int create_dmirror(unsigned int i)
{
	all_dmirrors[i] = ferry_dmirror_create(all_devices[i], config.nprivate);
	return PTR_ERR_OR_ZERO(all_dmirrors[i]);
}

static int create_node(unsigned int i)
{
	all_nodes[i] = ferry_drm_create(all_devices[i]);
	if (IS_ERR(all_nodes[i]))
		pr_err("device %u: no render node: error %pe\n", i, all_nodes[i]);
	return PTR_ERR_OR_ZERO(all_nodes[i]);
}

static int create_each(int (*create)(unsigned int i))
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < config.ndevices && !ret; i++)
		ret = create(i);
	return ret;
}

static void say_what_is_missing(void)
{
	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE))
		pr_info("this kernel lacks CONFIG_DEVICE_PRIVATE: no private devices, no exclusive access\n");
	if (!config.ndevices)
		pr_warn("no devices at all: give coherent=ADDR,SIZE\n");
}

static int __init ferry_init(void)
{
	const struct ferry_params params = {
		.devices = devices,
		.memory = memory,
		.node = node,
		.coherent = coherent,
		.fault_around = fault_around,
		.quota = quota,
	};
	int ret;

	ret = ferry_engine_init();
	if (ret)
		return ret;
	ret = ferry_backend_init(backend, flush);
	ret = ret ?: ferry_config_parse(&params, &config);
	ret = ret ?: ferry_dmirror_init(dmirror_name);
	if (ret) {
		ferry_engine_exit();
		return ret;
	}

	ret = create_each(create_device);
	ret = ret ?: create_each(create_dmirror);
	ret = ret ?: create_each(create_node);
	if (ret) {
		destroy_all();
		return ret;
	}
	ferry_mirrors_enable();
	say_what_is_missing();
	return 0;
}
module_init(ferry_init);

static void __exit ferry_exit(void)
{
	destroy_all();
}
module_exit(ferry_exit);

MODULE_DESCRIPTION("Migration of anonymous memory to a simulated device");
MODULE_VERSION("0.2");
MODULE_LICENSE("GPL");
