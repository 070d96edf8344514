// SPDX-License-Identifier: GPL-2.0-only
/*
 * A simulated device: memory and a number. The device knows no process and no
 * file; the mirror joins processes and devices.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/err.h>
#include <linux/numa.h>
#include <linux/slab.h>

#include "device.h"
#include "memory.h"
#include "plug.h"

/**
 * ferry_device_create() - make a device
 * @index: number of the device, from 0
 * @config: configuration checked by ferry_config_parse()
 * @migrate_to_ram: handler of CPU faults on private pages of the device
 *
 * Context: sleeps.
 * Return: the device, or an ERR_PTR() after a line in the kernel log: -ENOMEM,
 * or an error of ferry_memory_create().
 */
struct ferry_device *
ferry_device_create(unsigned int index, const struct ferry_device_config *config,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf))
{
	struct ferry_device *device;
	struct ferry_memory *memory;

	device = kzalloc(sizeof(*device), GFP_KERNEL);
	if (!device)
		return ERR_PTR(-ENOMEM);
	device->index = index;
	device->config = *config;

	memory = ferry_memory_create(config, device, migrate_to_ram);
	if (IS_ERR(memory)) {
		pr_err("device %u: no %llu MiB of %s memory (node %d): error %pe%s\n",
		       index, config->memory_size / SZ_1M,
		       config->kind == FERRY_MEMORY_COHERENT ? "coherent" : "private",
		       config->node, memory,
		       config->kind == FERRY_MEMORY_COHERENT ? "" :
		       "; give less with memory=");
		kfree(device);
		return ERR_CAST(memory);
	}
	device->memory = memory;
	return device;
}

/**
 * ferry_device_destroy() - undo ferry_device_create()
 * @device: device without a page that is handed out, and without callers
 *
 * Context: sleeps.
 */
void ferry_device_destroy(struct ferry_device *device)
{
	ferry_memory_destroy(device->memory);
	kfree(device);
}
