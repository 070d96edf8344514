/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_DEVICE_H
#define FERRY_DEVICE_DEVICE_H

#include <linux/mm_types.h>

#include "config.h"

struct ferry_memory;
struct ferry_migration_stats;

/**
 * struct ferry_device - one simulated device
 * @index: number of the device, from 0
 * @config: configuration of the device
 * @memory: memory of the device
 * @migrations: statistics of MIGRATE on the device (mirror/stats.c)
 *
 * No member changes while a file of the device is open. The address of the
 * struct is the pgmap owner of the device's pages: migrate_vma and HMM know the
 * device by this address.
 */
struct ferry_device {
	unsigned int index;
	struct ferry_device_config config;
	struct ferry_memory *memory;
	struct ferry_migration_stats *migrations;
};

struct ferry_device *
ferry_device_create(unsigned int index, const struct ferry_device_config *config,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf));
void ferry_device_destroy(struct ferry_device *device);

#endif
