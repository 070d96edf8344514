/* SPDX-License-Identifier: MIT */
/* NUMA nodes of pages, and policies that bind memory to a node. */
#ifndef FERRY_NUMA_NODES_H
#define FERRY_NUMA_NODES_H

#include <numaif.h>

#include "ferry_test.h"

#define MAX_NODES 16

static inline int count_nodes(void)
{
	char path[64];
	int node;

	for (node = 0; node < MAX_NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
		if (access(path, F_OK))
			break;
	}
	return node;
}

/* Returns 0 or -errno, as the next functions. */
static inline int bind_to_node(void *memory, size_t n, int node)
{
	unsigned long nodes = 1ul << node;

	return mbind(memory, n, MPOL_BIND, &nodes, 8 * sizeof(nodes), 0) ? -errno : 0;
}

static inline int bind_task_to_node(int node)
{
	unsigned long nodes = 1ul << node;

	return set_mempolicy(MPOL_BIND, &nodes, 8 * sizeof(nodes)) ? -errno : 0;
}

static inline int unbind_task(void)
{
	return set_mempolicy(MPOL_DEFAULT, NULL, 0) ? -errno : 0;
}

/* The node of a page, or -errno. */
static inline int node_of(void *addr)
{
	int status = -1;

	return move_pages(0, 1, &addr, NULL, &status, 0) ? -errno : status;
}

static inline size_t count_on_node(uint8_t *memory, size_t n, int node)
{
	size_t page = page_size(), i, count = 0;

	for (i = 0; i < n; i += page)
		count += node_of(memory + i) == node;
	return count;
}

#endif
