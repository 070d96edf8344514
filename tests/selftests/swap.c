// SPDX-License-Identifier: MIT
/*
 * What the device writes to a clean page survives its being paged out.
 *
 * A page that was swapped out and comes back by a read is mapped writable and
 * clean, and its copy on the swap device stays good. The device may write it
 * without any fault; if that does not mark the folio dirty, reclaim drops the
 * page for the old copy. Needs swap on a device that keeps the swap cache (zram
 * does not): null_blk, set up here.
 */
#include <sys/stat.h>
#include <sys/swap.h>

#include "ferry_test.h"

#define PAGES 16
#define NULLB "/sys/kernel/config/nullb/ferry"

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_PFN ((1ull << 55) - 1)
#define KPF_DIRTY (1ull << 4)
#define KPF_SWAPCACHE (1ull << 13)

FIXTURE(swap) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
};

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static const char *swap_device(void)
{
	return access("/dev/nullb1", F_OK) ? "/dev/ferry" : "/dev/nullb1";
}

FIXTURE_SETUP(swap)
{
	char command[128];

	if (access(NULLB, F_OK)) {
		system("mount -t configfs none /sys/kernel/config 2>/dev/null");
		ASSERT_EQ(mkdir(NULLB, 0700), 0);
		ASSERT_EQ(put(NULLB "/size", "64"), 0);
		ASSERT_EQ(put(NULLB "/memory_backed", "1"), 0);
		ASSERT_EQ(put(NULLB "/power", "1"), 0);
		snprintf(command, sizeof(command), "/run/busybox mkswap %s >/dev/null",
			 swap_device());
		ASSERT_EQ(system(command), 0);
		ASSERT_EQ(swapon(swap_device(), 0), 0);
	}
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n);
	self->data = test_map(self->n);
	fill_pattern(self->memory, self->n, 1);
	fill_pattern(self->data, self->n, 2);
}

FIXTURE_TEARDOWN(swap)
{
	ferry_close(self->ferry);
}

static uint64_t entry_of(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), index * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}

static uint64_t pagemap(const void *addr)
{
	return entry_of("/proc/self/pagemap", ptr(addr) / page_size());
}

static uint64_t kpageflags(const void *addr)
{
	return entry_of("/proc/kpageflags", pagemap(addr) & PAGEMAP_PFN);
}

static int page_out(uint8_t *memory, size_t n)
{
	int tries;

	for (tries = 0; tries < 50; tries++) {
		madvise(memory, n, MADV_PAGEOUT);
		if (pagemap(memory) & PAGEMAP_SWAPPED)
			return 0;
		usleep(20000);
	}
	return -1;
}

TEST_F_TIMEOUT(swap, device_write_to_a_clean_page, 60)
{
	uint64_t flags;
	int tries;

	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	/* Back, by a read: writable, clean, with its copy kept. */
	ASSERT_EQ(*(volatile uint8_t *)self->memory, pattern(0, 1));
	ASSERT_TRUE(pagemap(self->memory) & PAGEMAP_PRESENT);
	for (tries = 0; tries < 50; tries++) {
		flags = kpageflags(self->memory);
		if (flags & KPF_SWAPCACHE && !(flags & KPF_DIRTY))
			break;
		usleep(20000);
	}
	ASSERT_TRUE(flags & KPF_SWAPCACHE);
	ASSERT_FALSE(flags & KPF_DIRTY);

	ASSERT_EQ(ferry_write(self->ferry, self->memory, page_size(), self->data), 0);
	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	test_pattern(self->memory, page_size(), 2);
}

TEST_F_TIMEOUT(swap, swapped_pages_stay_and_are_told, 60)
{
	struct ferry_counts counts;
	uint8_t outcomes[PAGES];

	ASSERT_EQ(page_out(self->memory, self->n), 0);
	test_where(self->ferry, self->memory, DRM_FERRY_PAGE_SWAPPED);
	ASSERT_EQ(_test_migrate(self->ferry, self->memory, self->n,
				DRM_FERRY_TARGET_DEVICE, outcomes, &counts), 0);
	ASSERT_EQ(outcomes[0], DRM_FERRY_SWAPPED);
	ASSERT_GT(counts.failed, 0);
	test_pattern(self->memory, self->n, 1);
}

/* What was on the device can be swapped out, with what the device wrote. */
TEST_F_TIMEOUT(swap, device_pages_home_and_out, 60)
{
	test_to_device(self->ferry, self->memory, self->n);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n, self->data), 0);
	test_to_system(self->ferry, self->memory, self->n);
	ASSERT_EQ(page_out(self->memory, self->n), 0);
	test_pattern(self->memory, self->n, 2);
}

/* A page with a copy on the swap device moves, and the copy is forgotten. */
TEST_F_TIMEOUT(swap, swap_cache_page_moves, 60)
{
	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	ASSERT_EQ(*(volatile uint8_t *)self->memory, pattern(0, 1));
	test_to_device(self->ferry, self->memory, page_size());
	ASSERT_EQ(ferry_write(self->ferry, self->memory, page_size(), self->data), 0);
	test_pattern(self->memory, page_size(), 2);
	ASSERT_EQ(page_out(self->memory, page_size()), 0);
	test_pattern(self->memory, page_size(), 2);
}

TEST_HARNESS_MAIN
