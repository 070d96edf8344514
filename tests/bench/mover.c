// SPDX-License-Identifier: MIT
/*
 * The movers: Ferry with either engine, the kernel's test_hmm, move_pages(2).
 * All have the same interface. The arguments of a call are prepared beforehand,
 * unless a user of the interface has to prepare the arguments for each call.
 */
#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lib/test_hmm_uapi.h>

#include "bench.h"
#include "ferry.h"

/* Largest call of test_hmm and move_pages(2). */
#define MAX_CALL_PAGES 4096

struct kind {
	void (*open)(const struct mover *mover);
	void (*move)(const struct mover *mover, uint8_t *addr, size_t npages, enum way way);
	bool (*is_there)(const struct mover *mover, uint8_t *addr, enum way way);
};

struct mover {
	const char *name;
	const struct kind *kind;
	uint32_t backend;
	uint32_t flush;
};

const char *const way_names[NWAYS] = {
	[TO_DEVICE] = "to_device",
	[TO_SYSTEM] = "to_system",
};

/* Ferry --------------------------------------------------------------------- */

static struct ferry *ferry;

static void ferry_open_device(const struct mover *mover)
{
	int ret = ferry ? 0 : ferry_open_index(0, &ferry);

	if (ret)
		die("Ferry's device 0, for %s: %s", mover->name, strerror(-ret));
}

/*
 * Returns the outcome of the first page that did not move, by a second call.
 * The measured call does not request outcomes, because outcomes cost time.
 */
static const char *why_not(struct drm_ferry_migrate request)
{
	size_t npages = request.len / page_size(), i;
	uint8_t *outcomes = calloc(npages, 1);
	int ret;

	if (!outcomes)
		return "not known";
	request.outcomes = (uintptr_t)outcomes;
	ret = ferry_migrate_raw(ferry, &request, sizeof(request));
	if (ret)
		return strerror(-ret);
	for (i = 0; i < npages; i++)
		if (outcomes[i] != DRM_FERRY_MOVED && outcomes[i] != DRM_FERRY_ALREADY_THERE)
			return ferry_outcome_name(outcomes[i]);
	return "it came in a second call";
}

static void ferry_move(const struct mover *mover, uint8_t *addr, size_t npages, enum way way)
{
	struct drm_ferry_migrate request = {
		.addr = (uintptr_t)addr,
		.len = npages * page_size(),
		.target = way == TO_DEVICE ? DRM_FERRY_TARGET_DEVICE : DRM_FERRY_TARGET_SYSTEM,
		.backend = mover->backend,
		.flush = mover->flush,
	};
	int ret = ferry_migrate_raw(ferry, &request, sizeof(request));

	if (ret || request.moved != npages)
		die("%s moved %llu of %zu pages %s: %s; the first that is not there: %s",
		    mover->name, (unsigned long long)request.moved, npages, way_names[way],
		    strerror(-ret), why_not(request));
}

static bool ferry_is_there(const struct mover *mover, uint8_t *addr, enum way way)
{
	uint32_t page = 0;

	(void)mover;
	if (ferry_snapshot(ferry, addr, page_size(), &page, NULL))
		return false;
	page &= DRM_FERRY_PAGE_WHERE_MASK;
	return page == (way == TO_DEVICE ? DRM_FERRY_PAGE_THIS_DEVICE : DRM_FERRY_PAGE_SYSTEM);
}

static const struct kind of_ferry = { ferry_open_device, ferry_move, ferry_is_there };

/* test_hmm ------------------------------------------------------------------ */

static int dmirror = -1;
static uint8_t *mirrored;	/* the target of test_hmm's read */

static void dmirror_open(const struct mover *mover)
{
	size_t size = MAX_CALL_PAGES * page_size();

	dmirror = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	if (dmirror < 0)
		die("/dev/hmm_dmirror0, for %s: %m", mover->name);
	mirrored = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mirrored == MAP_FAILED)
		die("no %zu bytes of memory: %m", size);
	memset(mirrored, 1, size);
}

static void dmirror_call(unsigned long request, const char *what, uint8_t *addr, void *to,
			 size_t npages)
{
	struct hmm_dmirror_cmd command = {
		.addr = (uintptr_t)addr,
		.ptr = (uintptr_t)to,
		.npages = npages,
	};

	if (npages > MAX_CALL_PAGES || ioctl(dmirror, request, &command))
		die("test_hmm, %s of %zu pages: %m", what, npages);
}

static void dmirror_move(const struct mover *mover, uint8_t *addr, size_t npages, enum way way)
{
	(void)mover;
	dmirror_call(way == TO_DEVICE ? HMM_DMIRROR_MIGRATE_TO_DEV : HMM_DMIRROR_MIGRATE_TO_SYS,
		     way_names[way], addr, mirrored, npages);
}

static bool dmirror_is_there(const struct mover *mover, uint8_t *addr, enum way way)
{
	uint8_t protection = 0;

	(void)mover;
	dmirror_call(HMM_DMIRROR_SNAPSHOT, "SNAPSHOT", addr, &protection, 1);
	protection &= HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE;
	return protection == (way == TO_DEVICE ? HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL : 0);
}

static const struct kind of_test_hmm = { dmirror_open, dmirror_move, dmirror_is_there };

/* move_pages(2): "the device" is the other node ------------------------------- */

static int home_node, other_node;

static void nodes_open(const struct mover *mover)
{
	if (numa_available() < 0 || numa_max_node() < 1)
		die("%s needs two NUMA nodes", mover->name);
	home_node = numa_node_of_cpu(sched_getcpu());
	other_node = !home_node;
}

static void nodes_move(const struct mover *mover, uint8_t *addr, size_t npages, enum way way)
{
	static int to[MAX_CALL_PAGES], status[MAX_CALL_PAGES];
	static void *pages[MAX_CALL_PAGES];
	size_t i;

	if (npages > MAX_CALL_PAGES)
		die("%s takes %d pages at the most", mover->name, MAX_CALL_PAGES);
	for (i = 0; i < npages; i++) {
		pages[i] = addr + i * page_size();
		to[i] = way == TO_DEVICE ? other_node : home_node;
	}
	if (move_pages(0, npages, pages, to, status, MPOL_MF_MOVE))
		die("move_pages(2), %zu pages %s: %m", npages, way_names[way]);
}

static bool nodes_is_there(const struct mover *mover, uint8_t *addr, enum way way)
{
	void *page = addr;
	int node = -1;

	(void)mover;
	if (move_pages(0, 1, &page, NULL, &node, 0))
		return false;
	return node == (way == TO_DEVICE ? other_node : home_node);
}

static const struct kind of_nodes = { nodes_open, nodes_move, nodes_is_there };

/* Ferry from node to node --------------------------------------------------- */

static void own_node_open(const struct mover *mover)
{
	ferry_open_device(mover);
	nodes_open(mover);
}

static void own_node_move(const struct mover *mover, uint8_t *addr, size_t npages, enum way way)
{
	struct drm_ferry_migrate request = {
		.addr = (uintptr_t)addr,
		.len = npages * page_size(),
		.target = DRM_FERRY_TARGET_NODE,
		.target_id = way == TO_DEVICE ? other_node : home_node,
		.backend = mover->backend,
		.flush = mover->flush,
		.flags = DRM_FERRY_MIGRATE_STRICT,
	};
	int ret = ferry_migrate_raw(ferry, &request, sizeof(request));

	if (ret || request.moved != npages)
		die("%s moved %llu of %zu pages %s: %s; the first that is not there: %s",
		    mover->name, (unsigned long long)request.moved, npages, way_names[way],
		    strerror(-ret), why_not(request));
}

static const struct kind of_own_node = { own_node_open, own_node_move, nodes_is_there };

/* All ----------------------------------------------------------------------- */

#define OWN DRM_FERRY_BACKEND_OWN
#define CORE DRM_FERRY_BACKEND_CORE

static const struct mover movers[] = {
	{ "own", &of_ferry, OWN, DRM_FERRY_FLUSH_PER_CALL },
	{ "own_auto", &of_ferry, OWN, DRM_FERRY_FLUSH_AUTO },
	{ "own_per_table", &of_ferry, OWN, DRM_FERRY_FLUSH_PER_TABLE },
	{ "own_per_page", &of_ferry, OWN, DRM_FERRY_FLUSH_PER_PAGE },
	{ "core", &of_ferry, CORE, DRM_FERRY_FLUSH_DEFAULT },
	{ "test_hmm", &of_test_hmm, 0, 0 },
	{ "test_hmm_own", &of_test_hmm, 0, 0 },
	{ "move_pages", &of_nodes, 0, 0 },
	{ "own_node", &of_own_node, OWN, DRM_FERRY_FLUSH_PER_CALL },
};

const struct mover *mover_open(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(movers) / sizeof(*movers); i++) {
		if (strcmp(name, movers[i].name))
			continue;
		movers[i].kind->open(&movers[i]);
		return &movers[i];
	}
	die("there is no mover '%s'", name);
}

const char *mover_name(const struct mover *mover)
{
	return mover->name;
}

void mover_move(const struct mover *mover, uint8_t *addr, size_t npages, enum way way)
{
	mover->kind->move(mover, addr, npages, way);
}

void mover_check(const struct mover *mover, const struct memory *memory, enum way way)
{
	size_t i;

	for (i = 0; i < memory->npages; i += memory_stride(memory))
		if (!mover->kind->is_there(mover, memory->start + i * page_size(), way))
			die("%s did not move page %zu of %zu %s", mover->name, i,
			    memory->npages, way_names[way]);
}

bool mover_reads_back(const struct mover *mover)
{
	return mover->kind == &of_test_hmm;
}

void mover_read_back(const struct mover *mover, uint8_t *addr, size_t npages)
{
	if (!mover_reads_back(mover))
		die("%s reads nothing back", mover->name);
	dmirror_call(HMM_DMIRROR_READ, "READ", addr, mirrored, npages);
}

struct ferry *mover_ferry(const struct mover *mover)
{
	return mover->kind == &of_ferry ? ferry : NULL;
}
