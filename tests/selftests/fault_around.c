// SPDX-License-Identifier: MIT
/*
 * A CPU fault brings a fault-around range to system memory: the pages of the
 * same device in an aligned range around the faulting page, and no other page.
 * The module parameter fault_around= is the size of the range (1: only the
 * faulting page).
 *
 * Shows: fault-around
 * Guest: selftests, selftests-core, fault-around-off, fault-around-most, debug
 */
#include "control.h"
#include "params.h"

#define MIN_PAGES 12

FIXTURE(fault_around) {
	struct ferry *ferry;
	size_t window;		/* pages */
	size_t pages;		/* some ranges */
	size_t n;
	uint8_t *memory;	/* aligned to a range */
};

FIXTURE_SETUP(fault_around)
{
	size_t size;

	self->window = fault_around_pages();
	ASSERT_GT(self->window, 0);
	size = self->window * page_size();
	self->pages = self->window < MIN_PAGES / 3 ? MIN_PAGES : 3 * self->window;
	self->n = self->pages * page_size();
	self->ferry = test_open(0);
	self->memory = test_map(self->n + size);
	self->memory += -ptr(self->memory) & (size - 1);
	ASSERT_EQ(madvise(self->memory, self->n, MADV_NOHUGEPAGE), 0);
	fill_pattern(self->memory, self->n, 1);
	test_to_device(self->ferry, self->memory, self->n);
}

FIXTURE_TEARDOWN(fault_around)
{
	control_off();
	ferry_close(self->ferry);
}

static uint8_t *page_at(struct _test_data_fault_around *self, size_t i)
{
	return self->memory + i * page_size();
}

static int touch(const void *addr)
{
	return *(volatile const uint8_t *)addr;
}

/* All pages from @first to @end have left the device, and no other page. */
static bool only_home(struct _test_data_fault_around *self, size_t first, size_t end)
{
	uint32_t where;
	size_t i;

	for (i = 0; i < self->pages; i++) {
		where = _test_where(self->ferry, page_at(self, i));
		if (where != (i >= first && i < end ? DRM_FERRY_PAGE_SYSTEM :
						      DRM_FERRY_PAGE_THIS_DEVICE)) {
			printf("# page %zu is at %#x, %zu to %zu should be home\n", i, where,
			       first, end);
			return false;
		}
	}
	return true;
}

/* First page, last page and a page between; each read has the written data. */
TEST_F(fault_around, the_window_and_no_more)
{
	size_t w = self->window, slots[] = { 0, w / 3, w - 1 }, i;
	struct drm_ferry_stats stats;

	for (i = 0; i < 3; i++) {
		if (i)
			test_to_device(self->ferry, self->memory, self->n);
		stats = test_stats(self->ferry);
		touch(page_at(self, w + slots[i]));
		ASSERT_TRUE(only_home(self, w, 2 * w));
		ASSERT_EQ(test_stats(self->ferry).cpu_faults, stats.cpu_faults + 1);
		ASSERT_EQ(test_stats(self->ferry).cpu_faults_around,
			  stats.cpu_faults_around + w - 1);
		test_used(self->ferry, self->pages - w);
		test_pattern(self->memory, self->n, 1);
		test_used(self->ferry, 0);
		ASSERT_EQ(test_stats(self->ferry).cpu_faults, stats.cpu_faults + self->pages / w);
	}
}

TEST_F(fault_around, writes)
{
	size_t page = page_size(), i;

	for (i = 0; i < self->pages; i++)
		*page_at(self, i) ^= 0xff;
	ASSERT_EQ(test_stats(self->ferry).cpu_faults, self->pages / self->window);
	for (i = 0; i < self->n; i++)
		ASSERT_EQ(self->memory[i], pattern(i, 1) ^ (i % page ? 0 : 0xff));
}

/* The mapping ends within the fault-around range, on either side. */
TEST_F(fault_around, ends_of_the_mapping)
{
	size_t w = self->window, first = w + w / 2, end = 3 * w - w / 4, i;
	size_t last = end > self->pages - w ? end : self->pages - w;

	ASSERT_EQ(munmap(self->memory, first * page_size()), 0);
	ASSERT_EQ(mprotect(page_at(self, end), (self->pages - end) * page_size(), PROT_READ), 0);
	test_used(self->ferry, self->pages - first);
	touch(page_at(self, first));
	test_used(self->ferry, self->pages - 2 * w);
	touch(page_at(self, end - 1));
	test_used(self->ferry, self->pages - end);
	touch(page_at(self, self->pages - 1));
	test_used(self->ferry, last - end);
	for (i = first * page_size(); i < self->n; i++)
		ASSERT_EQ(self->memory[i], pattern(i, 1));
}

/*
 * what_cannot_come_stays: the range contains a hole, a page in system memory, a
 * page on another device and a page in use, which a second thread accesses.
 */
struct toucher {
	pthread_t thread;
	const uint8_t *page;
	int seen;
};

static void *run_toucher(void *arg)
{
	struct toucher *toucher = arg;

	toucher->seen = touch(toucher->page);
	return NULL;
}

TEST_F(fault_around, what_cannot_come_stays)
{
	size_t page = page_size(), w = self->window, come = 0, i;
	struct toucher toucher = { .page = page_at(self, 4) };
	struct ferry *other = test_open(1);
	uint32_t where;

	ASSERT_EQ(madvise(page_at(self, 1), page, MADV_DONTNEED), 0);
	test_to_system(self->ferry, page_at(self, 2), page);
	test_to_system(self->ferry, page_at(self, 3), page);
	test_to_device(other, page_at(self, 3), page);
	/* A held thread has a reference on its page. */
	ASSERT_EQ(control_on(), 0);
	ASSERT_EQ(control_arm(CPU_FAULT), 0);
	ASSERT_EQ(pthread_create(&toucher.thread, NULL, run_toucher, &toucher), 0);
	ASSERT_EQ(control_wait(CPU_FAULT), 0);

	ASSERT_EQ(touch(self->memory), pattern(0, 1));
	for (i = 0; i < self->pages; i++) {
		where = i == 1 ? DRM_FERRY_PAGE_NONE :
			i == 3 ? DRM_FERRY_PAGE_OTHER_DEVICE :
			i == 2 || (i != 4 && i < w) ? DRM_FERRY_PAGE_SYSTEM :
						      DRM_FERRY_PAGE_THIS_DEVICE;
		ASSERT_EQ(_test_where(self->ferry, page_at(self, i)), where)
			TH_LOG("page %zu", i);
		come += i < w && (!i || i > 4);
	}
	ASSERT_EQ(test_stats(self->ferry).cpu_faults, 1);
	ASSERT_EQ(test_stats(self->ferry).cpu_faults_around, come - 1);

	ASSERT_EQ(control_release(CPU_FAULT), 0);
	pthread_join(toucher.thread, NULL);
	ASSERT_EQ(toucher.seen, pattern(4 * page, 1));
	memset(page_at(self, 1), 0, page);
	for (i = 0; i < self->n; i++)
		ASSERT_EQ(self->memory[i], i / page == 1 ? 0 : pattern(i, 1));
	ferry_close(other);
}

/* The mapping moves, also to another offset within a fault-around range. */
TEST_F(fault_around, moved_mapping)
{
	size_t w = self->window, n = self->n, i;
	uint8_t *place = test_map(n + 2 * w * page_size()), *old = self->memory;

	place += -ptr(place) & (w * page_size() - 1);
	place += w / 2 * page_size();
	ASSERT_EQ(mremap(old, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, place), place);
	self->memory = place;
	touch(page_at(self, w));
	/* Two halves of ranges of the old place, if the range has halves. */
	ASSERT_TRUE(only_home(self, w - w / 2, 2 * w - w / 2));
	for (i = 0; i < n; i++)
		ASSERT_EQ(self->memory[i], pattern(i, 1));
	test_used(self->ferry, 0);
}

/* The pages return for parent and child; a write stays with its writer. */
TEST_F(fault_around, forked_child)
{
	size_t w = self->window, n = self->n;
	int go[2], done[2];
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	ASSERT_EQ(pipe(done), 0);
	pid = test_fork();
	if (!pid) {
		*page_at(self, w) ^= 0xff;
		child_check(!send_byte(done[1]) && !wait_byte(go[0]));
		*page_at(self, w) ^= 0xff;
		child_check(find_difference(self->memory, n, 1) == n);
		_exit(0);
	}
	ASSERT_EQ(wait_byte(done[0]), 0);
	ASSERT_TRUE(only_home(self, w, 2 * w));
	fill_pattern(self->memory, n, 2);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, n, 2);
	test_used(self->ferry, 0);
}

/* An access by another process or a device moves only the accessed page. */
TEST_F(fault_around, not_for_others)
{
	struct ferry *other = test_open(1);
	char path[64];
	uint8_t byte;
	pid_t pid;
	int fd;

	pid = test_fork();
	if (!pid) {
		snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
		fd = open(path, O_RDONLY | O_CLOEXEC);
		child_check(pread(fd, &byte, 1, ptr(page_at(self, 1))) == 1);
		_exit(byte == pattern(page_size(), 1) ? 0 : 1);
	}
	test_wait(pid);
	ASSERT_TRUE(only_home(self, 1, 2));
	ASSERT_EQ(ferry_read(other, page_at(self, 2), 1, &byte, NULL), 0);
	ASSERT_EQ(byte, pattern(2 * page_size(), 1));
	ASSERT_TRUE(only_home(self, 1, 3));
	ASSERT_EQ(test_stats(self->ferry).cpu_faults, 2);
	ASSERT_EQ(test_stats(self->ferry).cpu_faults_around, 0);
	ferry_close(other);
}

TEST_HARNESS_MAIN
