/* SPDX-License-Identifier: GPL-2.0-only */
/* Creation, removal and return of the memory of a device. */
#ifndef FERRY_DEVICE_PLUG_H
#define FERRY_DEVICE_PLUG_H

#include "memory.h"

struct ferry_memory *
ferry_memory_create(const struct ferry_device_config *config, void *pgmap_owner,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf));
void ferry_memory_destroy(struct ferry_memory *memory);

void ferry_memory_unplug_begin(struct ferry_memory *memory);
int ferry_memory_unplug_end(struct ferry_memory *memory);
int ferry_memory_plug(struct ferry_memory *memory);

#endif
