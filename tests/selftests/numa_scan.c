// SPDX-License-Identifier: MIT
/*
 * NUMA balancing's scan removes the write permission from the device entries of
 * a process (change_pte_range()). The device's next write must not move the
 * page to system memory, and no soft-dirty mark may be lost. The test needs
 * kernel "debug", which has NUMA_BALANCING, and two nodes: vm/guest --kernel
 * debug --numa 2.
 *
 * Shows: I24, NUMA, soft-dirty, WRITE
 * Guest: debug-numa
 */
#include <pthread.h>

#include "pagemap.h"

#define PAGES 64
#define SCAN "/sys/kernel/debug/sched/numa_balancing/"

FIXTURE(numa_scan) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *other;
	uint8_t *data;
	size_t n;
	pthread_t idle;
};

static int scan(bool on)
{
	return write_file("/proc/sys/kernel/numa_balancing", on ? "1" : "0");
}

/*
 * The scan ignores the pages on the thread's own node if the process has only
 * one thread.
 */
static void *wait_for_ever(void *arg)
{
	while (true)
		pause();
	return arg;
}

FIXTURE_SETUP(numa_scan)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "one node");
	ASSERT_EQ(write_file(SCAN "scan_delay_ms", "10"), 0);
	ASSERT_EQ(write_file(SCAN "scan_period_min_ms", "10"), 0);
	ASSERT_EQ(write_file(SCAN "scan_period_max_ms", "20"), 0);
	ASSERT_EQ(pthread_create(&self->idle, NULL, wait_for_ever, NULL), 0);
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->other = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
}

FIXTURE_TEARDOWN(numa_scan)
{
	scan(false);
	write_file(SCAN "scan_delay_ms", "1000");
	write_file(SCAN "scan_period_min_ms", "1000");
	write_file(SCAN "scan_period_max_ms", "60000");
	if (self->ferry)
		ferry_close(self->ferry);
}

/* Counts pages on this device, with or without write permission. */
static size_t count_there(struct ferry *ferry, const uint8_t *memory, bool writable)
{
	uint32_t pages[PAGES];
	size_t i, count = 0;

	if (ferry_snapshot(ferry, memory, PAGES * page_size(), pages, NULL))
		return PAGES + 1;
	for (i = 0; i < PAGES; i++)
		count += (pages[i] & DRM_FERRY_PAGE_WHERE_MASK) == DRM_FERRY_PAGE_THIS_DEVICE &&
			 !(pages[i] & DRM_FERRY_PAGE_WRITABLE) == !writable;
	return count;
}

/* After a scan, each page in system memory takes a NUMA hint fault. */
static bool was_scanned(const uint8_t *memory)
{
	long before = read_counter("/proc/vmstat", "numa_hint_faults");
	size_t i;

	for (i = 0; i < PAGES; i++)
		(void)*(const volatile uint8_t *)(memory + i * page_size());
	return read_counter("/proc/vmstat", "numa_hint_faults") - before >= PAGES;
}

/*
 * A running task does the scan as task work. Spins until the scan has covered
 * @memory, which is in system memory. The scan goes through the whole address
 * space, so the rest is covered too. Returns 0 or -1.
 */
static int run_until_scanned(const uint8_t *memory)
{
	double end = seconds() + 60, pause;
	bool scanned = false;

	if (scan(true))
		return -1;
	while (!scanned && seconds() < end) {
		for (pause = seconds() + 0.3; seconds() < pause;)
			;
		scanned = was_scanned(memory);
	}
	return scan(false) ?: scanned ? 0 : -1;
}

TEST_F_TIMEOUT(numa_scan, page_stays, 120)
{
	test_to_device(self->ferry, self->memory, self->n);
	ASSERT_EQ(count_there(self->ferry, self->memory, true), PAGES);
	ASSERT_EQ(run_until_scanned(self->other), 0);
	ASSERT_EQ(count_there(self->ferry, self->memory, false), PAGES);

	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data, NULL), 0);
	ASSERT_EQ(count_there(self->ferry, self->memory, true), PAGES);
	test_used(self->ferry, PAGES);
	test_pattern(self->memory, self->n, 2);
}

/* The device writes one half before the scan, a quarter after the scan. */
TEST_F_TIMEOUT(numa_scan, marks_stay, 120)
{
	test_to_device(self->ferry, self->memory, self->n);
	ASSERT_EQ(clear_refs("4"), 0);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n / 2, self->data, NULL), 0);
	ASSERT_EQ(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY), PAGES / 2);
	ASSERT_EQ(run_until_scanned(self->other), 0);

	ASSERT_EQ(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY), PAGES / 2);
	ASSERT_EQ(ferry_write(self->ferry, self->memory + self->n / 2, self->n / 4,
			      self->data + self->n / 2, NULL), 0);
	ASSERT_EQ(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY), PAGES * 3 / 4);
	test_used(self->ferry, PAGES);
	test_to_system(self->ferry, self->memory, self->n);
	ASSERT_EQ(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY), PAGES * 3 / 4);
	ASSERT_EQ(find_difference(self->memory, self->n * 3 / 4, 2), self->n * 3 / 4);
}

TEST_HARNESS_MAIN
