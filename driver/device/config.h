/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_CONFIG_H
#define FERRY_DEVICE_CONFIG_H

#include <linux/sizes.h>
#include <linux/types.h>

#include <asm/page.h>

/*
 * Bounds the memory that one load can allocate. Nobody watches more nodes at
 * once.
 */
#define FERRY_MAX_DEVICES	16

/*
 * Unit of device memory: one block of backing store, and one memory subsection.
 */
#define FERRY_MEMORY_ALIGN	SZ_2M
#define FERRY_MAX_MEMORY	(64ULL * SZ_1G)

#define FERRY_DEFAULT_DEVICES	2
#define FERRY_DEFAULT_MEMORY	SZ_256M

/* Fault-around range in pages. The maximum is the range of one page table. */
#define FERRY_DEFAULT_FAULT_AROUND	16
#define FERRY_MAX_FAULT_AROUND		(FERRY_MEMORY_ALIGN >> PAGE_SHIFT)

/*
 * Percent of a device's memory. Code that parses no parameter leaves 0, which
 * means the same.
 */
#define FERRY_WHOLE_QUOTA	100

/* The user gave no devices= or no fault_around=. */
#define FERRY_DEVICES_UNSET		(-1)
#define FERRY_FAULT_AROUND_UNSET	(-1)

/*
 * Values of enum drm_ferry_memory_kind; front/abi.c asserts the equality.
 */
enum ferry_memory_kind {
	FERRY_MEMORY_PRIVATE,	/* CPUs cannot access the memory */
	FERRY_MEMORY_COHERENT,	/* CPUs access the memory as RAM */
};

/**
 * struct ferry_device_config - configuration of one device
 * @kind: private or coherent
 * @memory_size: bytes, a multiple of FERRY_MEMORY_ALIGN
 * @start: coherent: physical address of the reserved RAM, a multiple of
 *	FERRY_MEMORY_ALIGN; private: 0
 * @node: private: NUMA node of the backing store, or NUMA_NO_NODE for any node;
 *	coherent: NUMA_NO_NODE
 * @fault_around: private: pages of the aligned fault-around range, a power of
 *	two; a CPU fault moves all device pages in the range to system memory;
 *	1: the faulting page alone; coherent: 0
 * @user_quota: percent of the memory that all files of one user may hold, 1 to
 *	100; 0: as 100
 * @file_quota: percent of the memory that one file may hold, 1 to 100; 0: as
 *	100
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
 * @ndevices: valid entries of @devices
 * @nprivate: number of private devices, the first entries of @devices
 * @devices: one configuration per device
 */
struct ferry_config {
	unsigned int ndevices;
	unsigned int nprivate;
	struct ferry_device_config devices[FERRY_MAX_DEVICES];
};

/**
 * struct ferry_params - the parameters of the module, as the user wrote them
 * @devices: number of private devices, or FERRY_DEVICES_UNSET
 * @memory: bytes of each private device, with a suffix of memparse(), or NULL
 *	for the default
 * @node: NUMA node of the private devices' backing store, or NUMA_NO_NODE for
 *	any node
 * @coherent: ADDR,SIZE[;...], one coherent device per pair, or NULL for no
 *	coherent device
 * @fault_around: pages, see struct ferry_device_config, or
 *	FERRY_FAULT_AROUND_UNSET
 * @quota: USER[,FILE], in percent, or NULL for FERRY_WHOLE_QUOTA
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
