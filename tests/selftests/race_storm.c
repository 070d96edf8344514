// SPDX-License-Identifier: MIT
/*
 * Everything at once, by chance: threads that write, drop, page out, pin and let devices
 * write pages of their own, while others migrate all of them to four devices and back,
 * open and close files, take device memory away, scan, collapse and fork; and children
 * that do the like to their copies.
 *
 * What it would catch is what no other test thought of. Each page says whose it is and
 * how often it was written; its owner knows exactly, everybody else that it is that page.
 *
 * FERRY_RACE_SECONDS says for how long (5), FERRY_RACE_SEED where chance begins.
 */
#include "race_storm.h"

static unsigned long setting(const char *name, unsigned long fallback)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : fallback;
}

/* Owners -------------------------------------------------------------------- */

static void write_page(struct worker *worker, uint32_t page)
{
	worker->count[page] = ++worker->written[page];
	stamp_write(&worker->storm->memory[page], page, worker->count[page]);
	storm_count(worker->storm->writes);
}

static void drop_page(struct worker *worker, uint32_t page)
{
	madvise(&worker->storm->memory[page], page_size(), MADV_DONTNEED);
	worker->count[page] = 0;
	storm_count(worker->storm->drops);
}

/* What is free may become zero at any time until it is written. */
static void free_page(struct worker *worker, uint32_t page)
{
	volatile struct stamp *stamp = &worker->storm->memory[page];

	madvise((void *)stamp, page_size(), MADV_FREE);
	if (stamp->id && !stamp_is(stamp, page, worker->count[page]))
		storm_wrong(worker->storm, "a page that was freed", page);
	write_page(worker, page);
}

static void page_out_page(struct worker *worker, uint32_t page)
{
	if (worker->storm->swap)
		madvise(&worker->storm->memory[page], page_size(), MADV_PAGEOUT);
}

static void device_writes_page(struct worker *worker, uint32_t page)
{
	struct ferry *ferry = worker->ferry[random_below(&worker->random, DEVICES)];
	struct stamp stamp = { 0 };
	int ret;

	stamp_write(&stamp, page, ++worker->written[page]);
	worker->count[page] = worker->written[page];
	ret = ferry_write(ferry, &worker->storm->memory[page], sizeof(stamp), &stamp);
	/* EBUSY: too many others, as often as it tried; part of it may be written. */
	if (ret == -EBUSY)
		write_page(worker, page);
	else if (ret)
		storm_wrong(worker->storm, "a device's write", page);
	storm_count(worker->storm->device_writes);
}

static void device_reads_page(struct worker *worker, uint32_t page)
{
	struct ferry *ferry = worker->ferry[random_below(&worker->random, DEVICES)];
	struct stamp stamp;
	int ret = ferry_read(ferry, &worker->storm->memory[page], sizeof(stamp), &stamp);

	if (ret != -EBUSY && (ret || !stamp_is(&stamp, page, worker->count[page])))
		storm_wrong(worker->storm, "what a device read", page);
}

/* A pinned page stays what it is, also for the one who pinned it. */
static void pin_page(struct worker *worker, uint32_t page)
{
	struct pin_longterm_test pin = {
		.addr = ptr(&worker->storm->memory[page]),
		.size = page_size(),
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE | PIN_LONGTERM_TEST_FLAG_USE_FAST,
	};
	struct stamp seen;
	uint64_t to = ptr(&seen);

	if (ioctl(worker->gup, PIN_LONGTERM_TEST_START, &pin))
		return;
	write_page(worker, page);
	sched_yield();
	if (ioctl(worker->gup, PIN_LONGTERM_TEST_READ, &to) ||
	    !stamp_is(&seen, page, worker->count[page]))
		storm_wrong(worker->storm, "what a pin saw", page);
	ioctl(worker->gup, PIN_LONGTERM_TEST_STOP);
	storm_count(worker->storm->pinned);
}

static void (*const acts[])(struct worker *worker, uint32_t page) = {
	write_page, write_page, write_page, drop_page, free_page, page_out_page,
	device_writes_page, device_reads_page, pin_page,
};

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
		acts[random_below(&worker->random, sizeof(acts) / sizeof(*acts))](worker, page);
	}
	return NULL;
}

/* The last two regions: huge pages are made and dropped. */
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

/* Those who move them ------------------------------------------------------- */

static void migrate_some(struct worker *worker, struct ferry *ferry)
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
		request.flush = random_below(&worker->random, DRM_FERRY_FLUSH_PER_CALL + 1);
	/* A device whose memory is being taken away looks full. */
	ret = ferry_migrate_raw(ferry, &request);
	if (ret && ret != -ENOSPC)
		storm_wrong(worker->storm, "a migration", -ret);
	storm_count(worker->storm->migrations);
	__atomic_fetch_add(&worker->storm->moved, request.moved, __ATOMIC_RELAXED);
}

static void *run_migrator(void *arg)
{
	struct worker *worker = arg;

	while (!worker->storm->stop)
		migrate_some(worker, worker->ferry[random_below(&worker->random, DEVICES)]);
	return NULL;
}

/* A file that is closed, or a device whose memory is taken away, sends them home. */
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

/* Those who look ------------------------------------------------------------ */

static void *run_scanner(void *arg)
{
	struct worker *worker = arg;
	struct storm *storm = worker->storm;
	struct page_region found[64];
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.start = ptr(storm->memory),
		.end = ptr(storm->memory) + REGION,
		.vec = ptr(found),
		.vec_len = 64,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	while (!storm->stop) {
		if (ioctl(fd, PAGEMAP_SCAN, &scan) < 0)
			storm_wrong(storm, "a scan", 0);
		storm_count(storm->scans);
		if (!madvise(storm->memory + REGION_PAGES, REGION, MADV_COLLAPSE))
			storm_count(storm->collapses);
		usleep(1000);
	}
	close(fd);
	return NULL;
}

/* In a child: nobody but us changes what we have. */
static void child_of_storm(struct worker *worker)
{
	struct storm *storm = worker->storm;
	static uint32_t heads[ALL_PAGES];
	size_t n = REGIONS * REGION;
	struct ferry *ferry;
	uint32_t i, round;
	void *there;

	for (i = 0; i < SMALL_PAGES; i++) {
		child_check(stamp_is_of(&storm->memory[i], i));
		heads[i] = storm->memory[i].head;
	}
	child_check(!ferry_open_index(random_below(&worker->random, DEVICES), &ferry));
	for (round = 0; round < 6; round++) {
		switch (random_below(&worker->random, 5)) {
		case 0:
			there = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			there = mremap(storm->memory, n, n, MREMAP_MAYMOVE | MREMAP_FIXED,
				       there);
			/* It is more than one mapping: that cannot be moved at once. */
			if (there != MAP_FAILED)
				storm->memory = there;
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

/* All of it ----------------------------------------------------------------- */

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

/* Without swap: a page of the swap cache under writeback can end in a BUG there. */
FIXTURE_VARIANT_ADD(race_storm, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_SETUP(race_storm)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_WP };
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
	range.range = (struct uffdio_range) { ptr(memory), REGION };
	self->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	ASSERT_GE(self->uffd, 0);
	ASSERT_EQ(ioctl(self->uffd, UFFDIO_API, &api), 0);
	ASSERT_EQ(ioctl(self->uffd, UFFDIO_REGISTER, &range), 0);
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
		workers[i].gup = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
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
