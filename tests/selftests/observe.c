// SPDX-License-Identifier: MIT
/*
 * Observing a migration without outcomes: trace events, and the statistics in
 * fdinfo and debugfs. The test compares each with the ioctl's results.
 *
 * Shows: I7, I16, trace events, fdinfo, debugfs
 * Guest: selftests, debug
 */
#include <dirent.h>

#include "files.h"
#include "migrate.h"
#include "page_refs.h"

#define PAGES 8
#define TRACING "/sys/kernel/tracing/"

FIXTURE(observe) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[PAGES];
	int pipe[2];
};

/*
 * Page 3 is in a pipe twice, page 5 is a hole, the other pages move. (A page
 * with a single extra reference might be in a CPU's LRU batch, and costs a
 * drain and a second pass.)
 */
FIXTURE_SETUP(observe)
{
	uint8_t *page;
	int i;

	self->ferry = test_open(0);
	self->memory = test_map(PAGES * page_size());
	for (i = 0; i < PAGES; i++)
		if (i != 5)
			self->memory[i * page_size()] = i;
	page = self->memory + 3 * page_size();
	ASSERT_EQ(hold_in_pipe(page, page_size(), self->pipe), 0);
	ASSERT_EQ(put_in_pipe(self->pipe[1], page, page_size()), 0);
}

FIXTURE_TEARDOWN(observe)
{
	write_file(TRACING "events/ferry/enable", "0");
	ferry_close(self->ferry);
}

static int migrate(struct ferry *ferry, uint8_t *memory, uint8_t *outcomes)
{
	struct drm_ferry_migrate request = {
		.addr = ptr(memory),
		.len = PAGES * page_size(),
		.backend = DRM_FERRY_BACKEND_OWN,
		.flush = DRM_FERRY_FLUSH_PER_TABLE,
		.outcomes = ptr(outcomes),
	};

	return _test_request(ferry, &request);
}

/* Counts the lines of a file that contain @text. */
static int count_lines(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char line[512];
	int n = 0;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		n += !!strstr(line, text);
	fclose(file);
	return n;
}

TEST_F(observe, trace)
{
	char expected[128];
	int i;

	system("mount -t tracefs none /sys/kernel/tracing 2>/dev/null");
	ASSERT_EQ(write_file(TRACING "trace", "\n"), 0);
	ASSERT_EQ(write_file(TRACING "events/ferry/enable", "1"), 0);
	ASSERT_EQ(migrate(self->ferry, self->memory, self->outcomes), 0);
	ASSERT_EQ(write_file(TRACING "events/ferry/enable", "0"), 0);

	snprintf(expected, sizeof(expected), "ferry_setup: start=%#llx npages=%d cpages=%d",
		 (unsigned long long)ptr(self->memory), PAGES, PAGES - 1);
	ASSERT_EQ(count_lines(TRACING "trace", expected), 1);
	snprintf(expected, sizeof(expected), "ferry_pages: start=%#llx npages=%d moved=%d",
		 (unsigned long long)ptr(self->memory), PAGES, PAGES - 1);
	ASSERT_EQ(count_lines(TRACING "trace", expected), 1);
	snprintf(expected, sizeof(expected), "known=%d walked=0", PAGES - 1);
	ASSERT_EQ(count_lines(TRACING "trace", expected), 1);
	/* The final outcome of each page, by libferry's names. */
	for (i = 0; i < PAGES; i++) {
		snprintf(expected, sizeof(expected), "ferry_outcome: addr=%#llx slot=%d %s",
			 (unsigned long long)ptr(self->memory + i * page_size()), i,
			 ferry_outcome_name(self->outcomes[i]));
		ASSERT_EQ(count_lines(TRACING "trace", expected), 1);
	}
	ASSERT_EQ(self->outcomes[3], DRM_FERRY_PINNED);
	ASSERT_EQ(self->outcomes[5], DRM_FERRY_ZERO_FILLED);
}

TEST_F(observe, fdinfo)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ferry_fd(self->ferry));
	ASSERT_EQ(count_lines(path, "ferry-pages-"), 1);
	ASSERT_EQ(migrate(self->ferry, self->memory, self->outcomes), 0);
	ASSERT_EQ(count_lines(path, "ferry-pages-moved:\t6\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-pages-zero-filled:\t1\n"), 1);
	ASSERT_EQ(count_lines(path, "zero-filled"), 1);
	/* A line for each value of STATS except zero_filled. */
	ASSERT_EQ(count_lines(path, "ferry-invalidations:"), 1);
	ASSERT_EQ(count_lines(path, "ferry-ops:\t0\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-pages-pinned:\t1\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-flushes-per-table:\t1\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-installed-known:\t7\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-installed-walked:"), 0);
	ASSERT_EQ(count_lines(path, "ferry-passes:\t1\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-drains:"), 0);
}

/*
 * Page 4 is in a pipe once: the engine drains the batches once, and the page
 * stays.
 */
TEST_F(observe, drain)
{
	uint8_t *page = self->memory + 4 * page_size();
	char path[64];

	ASSERT_EQ(put_in_pipe(self->pipe[1], page, page_size()), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ferry_fd(self->ferry));
	ASSERT_EQ(migrate(self->ferry, self->memory, self->outcomes), 0);
	ASSERT_EQ(self->outcomes[4], DRM_FERRY_PINNED);
	ASSERT_EQ(count_lines(path, "ferry-drains:\t1\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-passes:\t2\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-pages-moved:\t5\n"), 1);
	ASSERT_EQ(count_lines(path, "ferry-pages-pinned:\t2\n"), 1);
}

/*
 * The device's debugfs file adds up the statistics of all its files and
 * outlives them.
 */
TEST_F(observe, debugfs)
{
	char path[300], line[128];
	struct dirent *entry;
	long before = -1, after = 0;
	FILE *file;
	DIR *dir;
	int round;

	for (round = 0; round < 2; round++) {
		after = 0;
		dir = opendir("/sys/kernel/debug/dri");
		ASSERT_NE(dir, NULL);
		while ((entry = readdir(dir))) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%s/ferry_migrations",
				 entry->d_name);
			file = fopen(path, "re");
			while (file && fgets(line, sizeof(line), file))
				if (!strncmp(line, "ferry-pages-pinned:", 19))
					after += atol(line + 19);
			if (file)
				fclose(file);
		}
		closedir(dir);
		if (!round) {
			before = after;
			ASSERT_EQ(migrate(self->ferry, self->memory, self->outcomes), 0);
		}
	}
	ASSERT_GT(after, before);
}

TEST_HARNESS_MAIN
