/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_CONFIG_H
#define FERRY_DEVICE_CONFIG_H

#include <linux/sizes.h>
#include <linux/types.h>

/* More nodes than anybody watches at once; bounds what one load can allocate. */
#define FERRY_MAX_DEVICES	16

/* The unit of device memory: one block of backing store, one memory subsection. */
#define FERRY_MEMORY_ALIGN	SZ_2M
#define FERRY_MAX_MEMORY	(64ULL * SZ_1G)

#define FERRY_DEFAULT_DEVICES	2
#define FERRY_DEFAULT_MEMORY	SZ_256M

/**
 * struct ferry_device_config - what one device is to be
 * @memory_size: bytes, a multiple of FERRY_MEMORY_ALIGN
 * @node: NUMA node of the backing store, NUMA_NO_NODE: any
 */
struct ferry_device_config {
	u64 memory_size;
	int node;
};

/**
 * struct ferry_config - all devices of one load of the module
 * @ndevices: how many entries of @devices count
 * @devices: one each
 */
struct ferry_config {
	unsigned int ndevices;
	struct ferry_device_config devices[FERRY_MAX_DEVICES];
};

/**
 * struct ferry_params - the module's parameters, as they were written
 * @devices: number of devices
 * @memory: size of each, with the suffixes of memparse(), or NULL: the default
 * @node: NUMA node of the backing store, NUMA_NO_NODE: any
 * @coherent: ADDR,SIZE[;...] of coherent devices, or NULL: none
 */
struct ferry_params {
	int devices;
	const char *memory;
	int node;
	const char *coherent;
};

int ferry_config_parse(const struct ferry_params *params,
		       struct ferry_config *config);

#endif
