/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_CONFIG_H
#define FERRY_DEVICE_CONFIG_H

#include <linux/sizes.h>
#include <linux/types.h>

#include <asm/page.h>

/* More nodes than anybody watches at once; bounds what one load can allocate. */
#define FERRY_MAX_DEVICES	16

/* The unit of device memory: one block of backing store, one memory subsection. */
#define FERRY_MEMORY_ALIGN	SZ_2M
#define FERRY_MAX_MEMORY	(64ULL * SZ_1G)

#define FERRY_DEFAULT_DEVICES	2
#define FERRY_DEFAULT_MEMORY	SZ_256M

/* What a CPU's touch brings home, in pages; the most is a page table's. */
#define FERRY_DEFAULT_FAULT_AROUND	16
#define FERRY_MAX_FAULT_AROUND		(FERRY_MEMORY_ALIGN >> PAGE_SHIFT)

/* Of a device's memory, in percent; 0 stands for it where no parameter was parsed. */
#define FERRY_WHOLE_QUOTA	100

/* The parameters devices= and fault_around= were not given. */
#define FERRY_DEVICES_UNSET		(-1)
#define FERRY_FAULT_AROUND_UNSET	(-1)

/* Values of enum drm_ferry_memory_kind; checked in the front end. */
enum ferry_memory_kind {
	FERRY_MEMORY_PRIVATE,	/* no CPU can reach it */
	FERRY_MEMORY_COHERENT,	/* the CPU reaches it as its own */
};

/**
 * struct ferry_device_config - what one device is to be
 * @kind: how the CPU sees its memory
 * @memory_size: bytes, a multiple of FERRY_MEMORY_ALIGN
 * @start: coherent: physical address of the RAM that was kept aside, a multiple of
 *	FERRY_MEMORY_ALIGN; private: 0
 * @node: NUMA node of the backing store, NUMA_NO_NODE: any; coherent: NUMA_NO_NODE
 * @fault_around: private: pages, a power of two, in whose aligned window around a
 *	CPU's touch what is on the device comes home; 1: the touched one alone;
 *	coherent: 0
 * @user_quota: percent of the memory that all files of one user may hold
 * @file_quota: percent of it that one file may hold
 */
struct ferry_device_config {
	enum ferry_memory_kind kind;
	u64 memory_size;
	u64 start;
	int node;
	unsigned int fault_around;
	unsigned int user_quota;
	unsigned int file_quota;
};

/**
 * struct ferry_config - all devices of one load of the module
 * @ndevices: how many entries of @devices count
 * @nprivate: how many of those, the first ones, are private
 * @devices: one each
 */
struct ferry_config {
	unsigned int ndevices;
	unsigned int nprivate;
	struct ferry_device_config devices[FERRY_MAX_DEVICES];
};

/**
 * struct ferry_params - the module's parameters, as they were written
 * @devices: number of private devices, or FERRY_DEVICES_UNSET
 * @memory: size of each, with the suffixes of memparse(), or NULL: the default
 * @node: NUMA node of their backing store, NUMA_NO_NODE: any
 * @coherent: ADDR,SIZE[;...], one coherent device each, or NULL: none
 * @fault_around: see struct ferry_device_config, or FERRY_FAULT_AROUND_UNSET
 * @quota: USER[,FILE], percent each, or NULL: FERRY_WHOLE_QUOTA
 */
struct ferry_params {
	int devices;
	const char *memory;
	int node;
	const char *coherent;
	int fault_around;
	const char *quota;
};

int ferry_config_parse(const struct ferry_params *params,
		       struct ferry_config *config);

#endif
