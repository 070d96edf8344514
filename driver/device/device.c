// SPDX-License-Identifier: GPL-2.0-only
/*
 * A simulated device: its memory and a number. It knows no process and no file;
 * the mirror joins those to it.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/err.h>
#include <linux/numa.h>
#include <linux/slab.h>

#include "device.h"
#include "memory.h"

/**
 * ferry_device_create() - make a device
 * @index: its number
 * @config: checked by ferry_config_parse()
 * @migrate_to_ram: called when a CPU touches one of its pages
 *
 * Return: the device, or ERR_PTR() after a line in the kernel log.
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
 * ferry_device_destroy() - the reverse of ferry_device_create()
 * @device: with no page handed out
 */
void ferry_device_destroy(struct ferry_device *device)
{
	ferry_memory_destroy(device->memory);
	kfree(device);
}
