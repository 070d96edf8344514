/* SPDX-License-Identifier: MIT */
/* Operations of race_storm.c's children on their copies; random migrations. */
#ifndef FERRY_RACE_STORM_CHILD_H
#define FERRY_RACE_STORM_CHILD_H

#include "migrate.h"
#include "race_storm.h"
#include "thp.h"

static inline void migrate_some(struct worker *worker, struct ferry *ferry)
{
	uint32_t first = random_below(&worker->random, ALL_PAGES);
	uint32_t n = 1 + random_below(&worker->random, 128);
	struct drm_ferry_migrate request = {
		.addr = ptr(worker->storm->memory + first),
		.len = (first + n > ALL_PAGES ? ALL_PAGES - first : n) * page_size(),
		.target = random_below(&worker->random, 3) ? DRM_FERRY_TARGET_DEVICE :
							     DRM_FERRY_TARGET_SYSTEM,
		.backend = worker->storm->backend,
	};
	int ret;

	if (request.backend == DRM_FERRY_BACKEND_OWN)
		request.flush = random_below(&worker->random, DRM_FERRY_FLUSH_AUTO + 1);
	/* A device appears full during a RELEASE of its memory. */
	ret = _test_request(ferry, &request);
	if (ret && ret != -ENOSPC)
		storm_wrong(worker->storm, "a migration", -ret);
	storm_count(worker->storm->migrations);
	__atomic_fetch_add(&worker->storm->moved, request.moved, __ATOMIC_RELAXED);
}

/*
 * Moves the regions to new addresses, one at a time: a call of mremap() over
 * several mappings fails with EFAULT, and region 0 is a separate mapping. The
 * new addresses are aligned to REGION: huge pages stay.
 */
static inline void move_regions(struct storm *storm)
{
	uint8_t *from = (uint8_t *)storm->memory, *to = _test_map_huge(REGIONS * REGION);
	size_t i;

	child_check(to != MAP_FAILED);
	for (i = 0; i < REGIONS * REGION; i += REGION)
		child_check(mremap(from + i, REGION, REGION, MREMAP_MAYMOVE | MREMAP_FIXED,
				   to + i) == to + i);
	storm->memory = (void *)to;
}

/* Runs in a child: only the child changes its copy of the pages. */
static inline void child_of_storm(struct worker *worker)
{
	struct storm *storm = worker->storm;
	static uint32_t heads[ALL_PAGES];
	struct ferry *ferry;
	uint32_t i, round;

	for (i = 0; i < SMALL_PAGES; i++) {
		child_check(stamp_is_of(&storm->memory[i], i));
		heads[i] = storm->memory[i].head;
	}
	child_check(!ferry_open_index(random_below(&worker->random, DEVICES), &ferry));
	for (round = 0; round < 6; round++) {
		switch (random_below(&worker->random, 5)) {
		case 0:
			move_regions(storm);
			break;
		case 1:
			madvise(storm->memory + REGION_PAGES, REGION, MADV_COLLAPSE);
			break;
		case 2:
			for (i = 0; i < SMALL_PAGES; i += 3)
				stamp_write(&storm->memory[i], i, ++heads[i]);
			break;
		case 3:
			migrate_some(worker, ferry);
			break;
		default:
			mprotect(storm->memory, REGION, PROT_READ);
			mprotect(storm->memory, REGION, PROT_READ | PROT_WRITE);
		}
		for (i = 0; i < SMALL_PAGES; i++)
			child_check(storm->memory[i].head == heads[i]);
	}
	child_check(!storm->wrong);
	_exit(0);
}

#endif
