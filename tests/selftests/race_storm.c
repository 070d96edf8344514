// SPDX-License-Identifier: MIT
/*
 * A stress test of everything at once, at random:
 * - Owner threads write, drop, page out and pin pages, and let devices write
 *   pages.
 * - Other threads migrate all pages to four devices and back, open and close
 *   files, release device memory, scan, collapse and fork.
 * - Children do much of the same to their copies.
 *
 * The test looks for failures that no other test has in mind. Each page holds
 * its number and a write count. The owner knows the exact content; every other
 * thread can check the page's number.
 *
 * FERRY_RACE_SECONDS: duration in seconds (default 5). FERRY_RACE_SEED: random
 * seed.
 *
 * Shows: MIGRATE, RELEASE, close, fork, pins, swap, THP, PAGEMAP_SCAN
 * Guest: races
 */
#include "dmirror.h"
#include "pagemap_scan.h"
#include "race_storm_child.h"
#include "swap.h"
#include "uffd.h"

/* Owners ------------------------------------------------------------------- */

static void *run_writer(void *arg)
{
	struct worker *worker = arg;
	struct storm *storm = worker->storm;
	uint32_t page;

	while (!storm->stop) {
		page = random_below(&worker->random, SMALL_PAGES / WRITERS) * WRITERS +
		       worker->number;
		if (!stamp_is(&storm->memory[page], page, worker->count[page]))
			storm_wrong(storm, "a page, to its owner", page);
		owner_acts[random_below(&worker->random, OWNER_ACTS)](worker, page);
	}
	return NULL;
}

/* The last two regions: the thread creates and drops huge pages. */
static void *run_huge(void *arg)
{
	struct worker *worker = arg;
	struct storm *storm = worker->storm;
	struct stamp *huge;
	uint32_t i, count;

	for (count = 1; !storm->stop; count++) {
		huge = storm->memory + (2 + random_below(&worker->random, 2)) * REGION_PAGES;
		madvise(huge, REGION, MADV_DONTNEED);
		for (i = 0; i < REGION_PAGES; i += 37) {
			if (!stamp_is(&huge[i], i, 0))
				storm_wrong(storm, "a page of a new huge page", i);
			stamp_write(&huge[i], i, count);
		}
		for (i = 0; i < REGION_PAGES; i++)
			if (!stamp_is(&huge[i], i, i % 37 ? 0 : count))
				storm_wrong(storm, "a page of a huge page", i);
		storm_count(storm->huges);
	}
	return NULL;
}

/* Migrating threads -------------------------------------------------------- */

static void *run_migrator(void *arg)
{
	struct worker *worker = arg;

	while (!worker->storm->stop)
		migrate_some(worker, worker->ferry[random_below(&worker->random, DEVICES)]);
	return NULL;
}

/* A close of a file, or a RELEASE of a device, moves pages to system memory. */
static void *run_closer(void *arg)
{
	struct worker *worker = arg;
	struct storm *storm = worker->storm;
	unsigned int device;
	struct hmm_dmirror_cmd cmd;
	struct ferry *ferry;
	int fd, ret;

	while (!storm->stop) {
		device = random_below(&worker->random, DEVICES);
		if (ferry_open_index(device, &ferry)) {
			storm_wrong(storm, "an open", device);
			break;
		}
		migrate_some(worker, ferry);
		ferry_close(ferry);
		storm_count(storm->closes);
		if (random_below(&worker->random, 10))
			continue;
		fd = _test_dmirror_open("hmm_dmirror", device);
		ret = _test_cmd(fd, HMM_DMIRROR_RELEASE, storm->memory, NULL, 1, &cmd);
		if (ret && ret != -EBUSY)
			storm_wrong(storm, "a release", device);
		close(fd);
		storm_count(storm->releases);
	}
	return NULL;
}

/* Scanning threads --------------------------------------------------------- */

/* A page on a coherent device prevents the collapse of its neighbours. */
static void collapse_region(struct worker *worker)
{
	struct stamp *region = worker->storm->memory + REGION_PAGES;
	int i;

	for (i = FIRST_COHERENT; i < DEVICES; i++)
		_test_migrate(worker->ferry[i], region, REGION, DRM_FERRY_TARGET_SYSTEM,
			      NULL, NULL);
	if (!madvise(region, REGION, MADV_COLLAPSE))
		storm_count(worker->storm->collapses);
}

static void *run_scanner(void *arg)
{
	struct worker *worker = arg;
	struct storm *storm = worker->storm;

	while (!storm->stop) {
		if (pagemap_scan(storm->memory, REGION, true, NULL) < 0)
			storm_wrong(storm, "a scan", 0);
		storm_count(storm->scans);
		collapse_region(worker);
	}
	return NULL;
}

static void *run_forker(void *arg)
{
	struct worker *worker = arg;
	int status;
	pid_t pid;

	while (!worker->storm->stop) {
		random_below(&worker->random, 2);
		pid = _test_fork();
		if (!pid)
			child_of_storm(worker);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			storm_wrong(worker->storm, "a child", 0);
		storm_count(worker->storm->forks);
		usleep(1000);
	}
	return NULL;
}

/* The test ----------------------------------------------------------------- */

FIXTURE(race_storm) {
	struct storm storm;
	struct ferry *ferry[DEVICES];
	int uffd;
};

FIXTURE_VARIANT(race_storm) {
	unsigned int backend;
};

FIXTURE_VARIANT_ADD(race_storm, own) {
	.backend = DRM_FERRY_BACKEND_OWN,
};

/*
 * Without swap: the core engine can hit a BUG on a swap-cache page in
 * writeback.
 */
FIXTURE_VARIANT_ADD(race_storm, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_SETUP(race_storm)
{
	uint8_t *memory = _test_map_huge(REGIONS * REGION);
	int i;

	ASSERT_NE(memory, MAP_FAILED);
	ASSERT_EQ(madvise(memory, REGION, MADV_NOHUGEPAGE), 0);
	self->storm.memory = (void *)memory;
	self->storm.backend = variant->backend;
	self->storm.swap = variant->backend == DRM_FERRY_BACKEND_OWN;
	ASSERT_EQ(swap_on(), 0);
	for (i = 0; i < DEVICES; i++)
		self->ferry[i] = test_open(i);
	self->uffd = uffd_open_wp(UFFD_FEATURE_WP_ASYNC, memory, REGION);
	ASSERT_GE(self->uffd, 0);
}

FIXTURE_TEARDOWN(race_storm)
{
	int i;

	for (i = 0; i < DEVICES; i++)
		ferry_close(self->ferry[i]);
	close(self->uffd);
}

static void *(*const roles[])(void *arg) = {
	run_writer, run_writer, run_writer, run_huge, run_migrator, run_migrator,
	run_closer, run_scanner, run_forker,
};

#define ROLES (sizeof(roles) / sizeof(*roles))

TEST_F_TIMEOUT(race_storm, all_at_once, 3600)
{
	struct worker *workers = test_map(ROLES * sizeof(*workers));
	struct storm *storm = &self->storm;
	uint32_t i, page;

	for (i = 0; i < ROLES; i++) {
		workers[i].storm = storm;
		workers[i].number = i;
		workers[i].random.state = (setting("FERRY_RACE_SEED", 1) << 8) + i + 1;
		workers[i].ferry = self->ferry;
		workers[i].gup = gup_open();
		ASSERT_EQ(pthread_create(&workers[i].thread, NULL, roles[i], &workers[i]), 0);
	}
	for (i = 0; i < 100 * setting("FERRY_RACE_SECONDS", 5) && !storm->stop; i++)
		usleep(10000);
	storm->stop = true;
	for (i = 0; i < ROLES; i++) {
		pthread_join(workers[i].thread, NULL);
		close(workers[i].gup);
	}

	TH_LOG("%lu writes, %lu by devices, %lu pinned, %lu drops, %lu huge, %lu scans, "
	       "%lu collapses", storm->writes, storm->device_writes, storm->pinned,
	       storm->drops, storm->huges, storm->scans, storm->collapses);
	TH_LOG("%lu migrations moved %lu pages; %lu closes, %lu releases, %lu children",
	       storm->migrations, storm->moved, storm->closes, storm->releases, storm->forks);
	ASSERT_EQ(storm->wrong, NULL) {
		TH_LOG("wrong: %s, page %u", storm->wrong, storm->wrong_page);
	}
	for (page = 0; page < SMALL_PAGES / WRITERS * WRITERS; page++)
		ASSERT_TRUE(stamp_is(&storm->memory[page], page,
				     workers[page % WRITERS].count[page]));
	ASSERT_GT(storm->moved, 0);
	ASSERT_GT(storm->forks, 0);
	ASSERT_EQ(munmap(storm->memory, REGIONS * REGION), 0);
	for (i = 0; i < DEVICES; i++)
		test_used(self->ferry[i], 0);
}

TEST_HARNESS_MAIN
