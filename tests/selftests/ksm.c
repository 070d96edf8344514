// SPDX-License-Identifier: MIT
/*
 * KSM and the own engine (I11). The rmap of a merged page does not lead to all
 * mappings of the page:
 * - before ksmd has put the page into its stable tree;
 * - after the end of the process that had the page merged.
 *
 * So each merged page stays, and its outcome is reported. The neighbours move,
 * and ksmd works as without a device.
 *
 * Errors that the tests catch:
 * - an engine takes a merged page and leaves migration entries that no walk
 *   finds (core ends in a BUG and never runs here; limits.c tests its refusal);
 * - an engine gives a mapping a private copy of a shared page;
 * - an engine refuses whole mappings: useless for a process that made all of
 *   its memory mergeable by prctl().
 *
 * Shows: I11, I16, KSM
 * Guest: engine, debug-engine
 */
#include "control.h"
#include "ksm.h"
#include "migrate.h"
#include "pagemap.h"

#define PAGES 64

FIXTURE(ksm) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *copy;
	uint8_t outcomes[PAGES];
	size_t n;
};

FIXTURE_SETUP(ksm)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->copy = test_map(self->n);
	ASSERT_EQ(ksm_prepare(), 0);
}

FIXTURE_TEARDOWN(ksm)
{
	control_off();
	ksm_unmerge_and_stop();
	ferry_close(self->ferry);
}

/*
 * Counts merged pages: pages at more than one address. KPF_KSM does not help:
 * Linux 6.12 sets the flag for every anonymous page (fs/proc/page.c tests one
 * of its two bits). @pfn is the pfn of the first merged page, or 0.
 */
static size_t count_merged(pid_t pid, const uint8_t *memory, uint64_t *pfn)
{
	uint64_t entries[PAGES];
	size_t i, j, count = 0;

	*pfn = 0;
	if (read_pagemap(pid, memory, PAGES, entries))
		return 0;
	for (i = 0; i < PAGES; i++) {
		for (j = 0; j < PAGES; j++)
			if (i != j && entries[i] & PAGEMAP_PRESENT && entries[i] == entries[j])
				break;
		if (j < PAGES && !*pfn)
			*pfn = entries[i] & PAGEMAP_PFN;
		count += j < PAGES;
	}
	return count;
}

/* All even pages are alike, each odd page is different. */
static void fill_alternating(uint8_t *memory)
{
	size_t page = page_size(), i;

	fill_pattern(memory, PAGES * page, 1);
	for (i = 0; i < PAGES; i += 2)
		memset(memory + i * page, 7, page);
}

static bool is_alternating(const uint8_t *memory)
{
	static uint8_t expected[PAGES * 4096];

	fill_alternating(expected);
	return !memcmp(memory, expected, sizeof(expected));
}

static long scans(void)
{
	long count = -1;

	return read_number(KSM "full_scans", &count) ? -1 : count;
}

/* Waits for some more scans of ksmd. Returns 0, or -1 after 20 s. */
static int wait_scans(void)
{
	double end = seconds() + 20;
	long first = scans();

	while (scans() < first + 3 && seconds() < end)
		usleep(1000);
	return scans() >= first + 3 ? 0 : -1;
}

/* Merges all equal pages and stops ksmd. Returns the shared pfn, or 0. */
static uint64_t merge(pid_t pid, const uint8_t *memory)
{
	double end = seconds() + 20;
	uint64_t pfn;

	if (ksm_run(KSM_START))
		return 0;
	while (count_merged(pid, memory, &pfn) < PAGES / 2 && seconds() < end)
		usleep(1000);
	if (wait_scans() || ksm_run(KSM_STOP))
		return 0;
	return count_merged(pid, memory, &pfn) == PAGES / 2 ? pfn : 0;
}

/* The pages at @pfn stay, all others move. Returns how many pages stay. */
static size_t test_told_one_by_one(struct __test_metadata *_metadata,
				   struct _test_data_ksm *self, uint64_t pfn)
{
	uint64_t entries[PAGES];
	size_t i, merged = 0;
	bool is_merged;

	ASSERT_EQ(read_pagemap(0, self->memory, PAGES, entries), 0);
	test_engine(self->ferry, OWN, self->memory, self->n, TO_DEVICE, self->outcomes);
	for (i = 0; i < PAGES; i++) {
		is_merged = entries[i] & PAGEMAP_PRESENT && (entries[i] & PAGEMAP_PFN) == pfn;
		merged += is_merged;
		ASSERT_EQ(self->outcomes[i], is_merged ? DRM_FERRY_KSM : DRM_FERRY_MOVED)
			TH_LOG("page %zu", i);
	}
	test_used(self->ferry, PAGES - merged);
	ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->copy, NULL), 0);
	ASSERT_TRUE(is_alternating(self->copy));
	return merged;
}

TEST_F_TIMEOUT(ksm, told_one_by_one, 90)
{
	uint64_t pfn;

	fill_alternating(self->memory);
	ASSERT_EQ(madvise(self->memory, self->n, MADV_MERGEABLE), 0);
	pfn = merge(0, self->memory);
	ASSERT_NE(pfn, 0);
	ASSERT_EQ(test_told_one_by_one(_metadata, self, pfn), PAGES / 2);
	ASSERT_TRUE(is_alternating(self->memory));
	ASSERT_EQ(count_merged(0, self->memory, &pfn), PAGES / 2);

	/* A write makes a private copy, and the copy moves. */
	self->memory[0] = 7;
	ASSERT_EQ(test_told_one_by_one(_metadata, self, pfn), PAGES / 2 - 1);
	ASSERT_TRUE(is_alternating(self->memory));
}

/*
 * A child had the pages merged, one page in place. The parent's mapping of the
 * page is not mergeable. After the child's end no rmap leads to the mapping.
 */
TEST_F_TIMEOUT(ksm, merged_by_a_child, 90)
{
	int ready[2], go[2];
	uint64_t pfn;
	pid_t pid;

	fill_alternating(self->memory);
	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!madvise(self->memory, self->n, MADV_MERGEABLE));
		child_check(!send_byte(ready[1]) && !wait_byte(go[0]));
		child_check(is_alternating(self->memory));
		_exit(0);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	pfn = merge(pid, self->memory);
	ASSERT_NE(pfn, 0);
	ASSERT_EQ(test_told_one_by_one(_metadata, self, pfn), 1);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);

	ASSERT_TRUE(is_alternating(self->memory));
	ASSERT_EQ(test_told_one_by_one(_metadata, self, pfn), 1);
	ASSERT_TRUE(is_alternating(self->memory));
}

/* Possible outcomes of a page that ksmd works on. */
static bool is_expected(uint8_t outcome)
{
	switch (outcome) {
	case DRM_FERRY_MOVED:
	case DRM_FERRY_ALREADY_THERE:
	case DRM_FERRY_KSM:
	case DRM_FERRY_LOCKED:
	case DRM_FERRY_PINNED:
	case DRM_FERRY_SHARED_BUSY:
		return true;
	default:
		return false;
	}
}

/* Pages move both ways, by all ways, while ksmd merges and writes unmerge. */
TEST_F_TIMEOUT(ksm, while_ksmd_runs, 120)
{
	size_t page = page_size(), moved = 0, merged = 0, i;
	double end = seconds() + 4;
	uint8_t *shadow = test_map(self->n);
	unsigned int round = 0;
	long first = scans();
	uint64_t pfn;

	memset(self->memory, 3, self->n);
	memset(shadow, 3, self->n);
	ASSERT_EQ(madvise(self->memory, self->n, MADV_MERGEABLE), 0);
	ASSERT_EQ(ksm_run(KSM_START), 0);
	while (seconds() < end || round < 20 || scans() < first + 5 || !merged) {
		ASSERT_LT(seconds(), end + 60);
		for (i = round % 5; i < PAGES; i += 5) {
			memset(self->memory + i * page, round % 3, page);
			memset(shadow + i * page, round % 3, page);
		}
		test_engine(self->ferry, OWN, self->memory, self->n, TO_DEVICE,
			    self->outcomes);
		for (i = 0; i < PAGES; i++) {
			ASSERT_TRUE(is_expected(self->outcomes[i]))
				TH_LOG("%s", ferry_outcome_name(self->outcomes[i]));
		}
		moved += count_outcome(self->outcomes, PAGES, DRM_FERRY_MOVED);
		merged += count_outcome(self->outcomes, PAGES, DRM_FERRY_KSM);
		ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->copy, NULL), 0);
		ASSERT_EQ(memcmp(self->copy, shadow, self->n), 0);
		if (++round % 3)
			test_engine(self->ferry, OWN, self->memory, self->n, TO_SYSTEM, NULL);
		if (round % 2)
			ASSERT_EQ(memcmp(self->memory, shadow, self->n), 0);
		usleep(round % 2 * 1000);
	}
	ASSERT_GT(moved, PAGES);
	TH_LOG("%u rounds, %ld scans: %zu moved, %zu merged", round, scans() - first,
	       moved, merged);

	ASSERT_EQ(ksm_run(KSM_UNMERGE), 0);
	ASSERT_EQ(count_merged(0, self->memory, &pfn), 0);
	ASSERT_EQ(memcmp(self->memory, shadow, self->n), 0);
	test_engine_moves(self->ferry, OWN, self->memory, self->n, TO_DEVICE);
	ASSERT_EQ(memcmp(self->memory, shadow, self->n), 0);
}

/* Between phases a migration delays ksmd no more than an mm reader does. */
TEST_F_TIMEOUT(ksm, scans_while_a_migration_is_held, 90)
{
	struct background background = {
		.ferry = self->ferry,
		.request = { .addr = ptr(self->memory), .len = self->n,
			     .outcomes = ptr(self->outcomes), .backend = OWN },
	};
	uint64_t pfn;

	fill_alternating(self->memory);
	ASSERT_EQ(madvise(self->memory, self->n, MADV_MERGEABLE), 0);
	ASSERT_NE(merge(0, self->memory), 0);
	ASSERT_EQ(control_on(), 0);
	ASSERT_EQ(control_arm(AFTER_COPY), 0);
	ASSERT_EQ(background_start(&background), 0);
	ASSERT_EQ(control_wait(AFTER_COPY), 0);
	ASSERT_EQ(ksm_run(KSM_START), 0);
	ASSERT_EQ(wait_scans(), 0);
	ASSERT_EQ(ksm_run(KSM_UNMERGE), 0);
	ASSERT_EQ(count_merged(0, self->memory, &pfn), 0);
	ASSERT_EQ(control_release(AFTER_COPY), 0);
	ASSERT_EQ(background_join(&background), 0);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_KSM), PAGES / 2);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_MOVED), PAGES / 2);
	test_engine(self->ferry, OWN, self->memory, self->n, TO_DEVICE, NULL);
	test_used(self->ferry, PAGES);
	ASSERT_TRUE(is_alternating(self->memory));
}

TEST_HARNESS_MAIN
