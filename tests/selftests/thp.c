// SPDX-License-Identifier: MIT
/*
 * Huge pages go to the device and back as single pages: mapped by a PMD or by
 * PTEs, whole or in part, split and collapsed between two calls, shared, and
 * while another thread creates and drops huge pages in a loop.
 *
 * Broken engines that fail here:
 * - A large folio is found and split, but not looked at again (I9).
 * - A PMD is read twice, and changes between the reads (I9).
 * - Slots are counted by the entries of the walk, not by address (I20).
 * - Pages beside the range move or change.
 * - A split is repeated without end (I12).
 * - Old pages replace the pages of a new huge page (I19, I23).
 *
 * Shows: I9, I12, I19, I20, I23, THP
 * Guest: engine
 */
#include <sched.h>

#include "migrate.h"
#include "page_refs.h"
#include "thp.h"

#define HUGES 2

/* 6.12's engine leaves a large folio that PTEs map in place, 7.x splits the folio. */
static bool core_keeps_ptes(unsigned int backend)
{
	return backend == DRM_FERRY_BACKEND_CORE && !kernel_at_least(7, 0);
}

FIXTURE(thp) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *outcomes;
	size_t npages;
	size_t n;
	bool stays;
};

FIXTURE_VARIANT(thp) {
	unsigned int device;
	unsigned int backend;
	bool by_ptes;
};

FIXTURE_VARIANT_ADD(thp, own) {
	.backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(thp, own_ptes) {
	.backend = DRM_FERRY_BACKEND_OWN, .by_ptes = true,
};

FIXTURE_VARIANT_ADD(thp, own_coherent) {
	.device = FIRST_COHERENT, .backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(thp, own_coherent_ptes) {
	.device = FIRST_COHERENT, .backend = DRM_FERRY_BACKEND_OWN, .by_ptes = true,
};

FIXTURE_VARIANT_ADD(thp, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

/* The core engine leaves huge pages that are mapped by PTEs in place. */
FIXTURE_VARIANT_ADD(thp, core_ptes) {
	.backend = DRM_FERRY_BACKEND_CORE, .by_ptes = true,
};

/* Maps the middle page of each huge page by a PTE of its own. */
static int split_mapping(uint8_t *memory)
{
	uint8_t *page = memory + PMD_SIZE / 2;

	return mprotect(page, page_size(), PROT_READ) ?:
	       mprotect(page, page_size(), PROT_READ | PROT_WRITE);
}

static bool all_in_thp(const uint8_t *memory)
{
	int i;

	for (i = 0; i < HUGES; i++)
		if (!is_in_thp(memory + i * PMD_SIZE) ||
		    !is_in_thp(memory + (i + 1) * PMD_SIZE - page_size()))
			return false;
	return true;
}

/* Only the test collapses pages. */
static int stop_khugepaged(void)
{
	const char *sleep = "/sys/kernel/mm/transparent_hugepage/khugepaged/"
			    "scan_sleep_millisecs";
	long ms = 0;

	/* Every write to the file wakes khugepaged. */
	if (read_number(sleep, &ms) || ms == 1000000000)
		return -!ms;
	return write_file(sleep, "1000000000");
}

FIXTURE_SETUP(thp)
{
	int i;

	ASSERT_EQ(stop_khugepaged(), 0);
	self->n = HUGES * PMD_SIZE;
	self->npages = self->n / page_size();
	self->stays = variant->by_ptes && core_keeps_ptes(variant->backend);
	self->ferry = test_open(variant->device);
	self->outcomes = test_map(self->npages);
	self->memory = _test_map_huge(self->n);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill_pattern(self->memory, self->n, 1);
	for (i = 0; variant->by_ptes && i < HUGES; i++)
		ASSERT_EQ(split_mapping(self->memory + i * PMD_SIZE), 0);
	ASSERT_TRUE(all_in_thp(self->memory));
}

FIXTURE_TEARDOWN(thp)
{
	ferry_close(self->ferry);
}

static struct drm_ferry_migrate request_for(const struct _test_data_thp *self,
					    const struct _fixture_variant_thp *variant,
					    size_t from, size_t to, uint32_t target)
{
	return make_request(variant->backend, self->memory + from * page_size(),
			    (to - from) * page_size(), target, self->outcomes);
}

/* Pages [from, to) move to @target, and each outcome says MOVED. */
#define test_go(from, to, target)					\
	do {								\
		struct drm_ferry_migrate __request =			\
			request_for(self, variant, from, to, target);	\
		size_t __i;						\
									\
		ASSERT_EQ(_test_request(self->ferry, &__request), 0); \
		ASSERT_EQ(__request.done, __request.len);		\
		for (__i = 0; __i < (to) - (from); __i++) {		\
			ASSERT_EQ(self->outcomes[__i], self->stays ?	\
				  DRM_FERRY_LARGE_SPLIT_FAILED : DRM_FERRY_MOVED); \
		}							\
		ASSERT_EQ(__request.moved, self->stays ? 0 : (to) - (from)); \
	} while (0)

#define test_out(from, to) test_go(from, to, DRM_FERRY_TARGET_DEVICE)

TEST_F(thp, whole)
{
	test_out(0, self->npages);
	test_used(self->ferry, self->stays ? 0 : self->npages);
	if (!self->stays)
		test_go(0, self->npages, DRM_FERRY_TARGET_SYSTEM);
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 1);
}

/* From inside one huge page to inside the next huge page. */
TEST_F(thp, part)
{
	size_t from = 100, to = self->npages / 2 + 7, i;

	test_out(from, to);
	test_used(self->ferry, self->stays ? 0 : to - from);
	for (i = 0; i < self->npages; i++) {
		test_where(self->ferry, self->memory + i * page_size(),
			   i >= from && i < to && !self->stays ?
			   DRM_FERRY_PAGE_THIS_DEVICE : DRM_FERRY_PAGE_SYSTEM);
	}
	test_pattern(self->memory, self->n, 1);
}

/* Between two calls single pages are collapsed and huge pages are split. */
TEST_F_TIMEOUT(thp, collapsed_and_split, 60)
{
	unsigned int round;

	for (round = 1; round <= 3 && !self->stays; round++) {
		test_out(0, self->npages);
		test_go(0, self->npages, DRM_FERRY_TARGET_SYSTEM);
		test_pattern(self->memory, self->n, round);
		ASSERT_EQ(madvise(self->memory, self->n, MADV_COLLAPSE), 0);
		ASSERT_TRUE(all_in_thp(self->memory));
		fill_pattern(self->memory, self->n, round + 1);
		if (round == 2)
			ASSERT_EQ(split_mapping(self->memory), 0);
		/* From now on the core engine leaves the pages in place. */
		self->stays = round == 2 && core_keeps_ptes(variant->backend);
	}
	test_pattern(self->memory, self->n, round);
}

/* Pages on the device move to system memory for a collapse, or prevent it. */
TEST_F(thp, collapsed_on_the_device)
{
	test_out(0, self->npages);
	madvise(self->memory, self->n, MADV_COLLAPSE);
	test_pattern(self->memory, self->n, 1);
	fill_pattern(self->memory, self->n, 2);
	test_pattern(self->memory, self->n, 2);
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	test_used(self->ferry, 0);
}

TEST_F(thp, shared_with_a_child)
{
	int go[2];
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		fill_pattern(self->memory, self->n, 2);
		child_check(find_difference(self->memory, self->n, 2) == self->n);
		_exit(0);
	}
	test_out(0, self->npages);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 1);
}

/* A reference on one page keeps its huge page whole; the other page moves. */
TEST_F(thp, referenced)
{
	size_t i, huge = self->npages / HUGES;
	struct drm_ferry_migrate request;
	int in_pipe[2];

	ASSERT_EQ(hold_in_pipe(self->memory + 3 * page_size(), page_size(), in_pipe), 0);
	request = request_for(self, variant, 0, self->npages, DRM_FERRY_TARGET_DEVICE);
	ASSERT_EQ(_test_request(self->ferry, &request), 0);
	ASSERT_EQ(request.done, self->n);
	for (i = 0; i < self->npages; i++)
		ASSERT_EQ(self->outcomes[i] == DRM_FERRY_MOVED, i >= huge && !self->stays);
	if (variant->backend == DRM_FERRY_BACKEND_OWN)
		ASSERT_EQ(self->outcomes[0], DRM_FERRY_LARGE_SPLIT_FAILED);
	ASSERT_TRUE(is_in_thp(self->memory));
	test_pattern(self->memory, self->n, 1);
	let_go(in_pipe);
	if (!self->stays)
		test_out(0, huge);
	test_pattern(self->memory, self->n, 1);
}

/*
 * Huge pages in system memory are not split to find their place. (The core
 * engine splits.)
 */
TEST_F(thp, at_home)
{
	struct drm_ferry_migrate request =
		request_for(self, variant, 0, self->npages, DRM_FERRY_TARGET_SYSTEM);

	ASSERT_EQ(_test_request(self->ferry, &request), 0);
	ASSERT_EQ(request.already, self->npages);
	ASSERT_EQ(self->outcomes[1], DRM_FERRY_ALREADY_THERE);
	if (variant->backend == DRM_FERRY_BACKEND_OWN)
		ASSERT_TRUE(all_in_thp(self->memory));
	test_pattern(self->memory, self->n, 1);
}

/* The huge zero page is a hole. */
TEST_F(thp, zero_page)
{
	struct drm_ferry_migrate request;

	ASSERT_EQ(madvise(self->memory, self->n, MADV_DONTNEED), 0);
	test_zero(self->memory, self->n);
	request = request_for(self, variant, 0, self->npages, DRM_FERRY_TARGET_DEVICE);
	ASSERT_EQ(_test_request(self->ferry, &request), 0);
	ASSERT_EQ(request.moved, self->npages);
	ASSERT_EQ(self->outcomes[1], DRM_FERRY_ZERO_FILLED);
	test_used(self->ferry, self->npages);
	test_zero(self->memory, self->n);
}

/* One thread drops and creates a huge page, the other thread migrates both. */
struct maker {
	pthread_t thread;
	uint8_t *huge;
	volatile bool stop;
	uint32_t rounds;
	uint32_t wrong;
};

static void *make_huge(void *arg)
{
	struct maker *maker = arg;
	volatile uint32_t *word;
	size_t i;

	while (!maker->stop) {
		madvise(maker->huge, PMD_SIZE, MADV_DONTNEED);
		maker->rounds++;
		/* Writes some pages in order; unwritten pages must be zero. */
		for (i = 0; i < PMD_SIZE; i += 64 * page_size()) {
			word = (void *)(maker->huge + i);
			maker->wrong += *word != 0;
			*word = maker->rounds;
		}
		for (i = 0; i < PMD_SIZE; i += 64 * page_size()) {
			word = (void *)(maker->huge + i);
			maker->wrong += word[0] != maker->rounds || word[1];
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(thp, made_meanwhile, 60)
{
	struct maker maker = { .huge = self->memory + PMD_SIZE };
	struct drm_ferry_migrate request;
	unsigned int round;

	ASSERT_EQ(pthread_create(&maker.thread, NULL, make_huge, &maker), 0);
	for (round = 0; round < 40 || (maker.rounds < 2 && round < 4000); round++) {
		request = request_for(self, variant, round % 2, self->npages,
				      round % 4 == 3 ? DRM_FERRY_TARGET_SYSTEM :
						       DRM_FERRY_TARGET_DEVICE);
		ASSERT_EQ(_test_request(self->ferry, &request), 0);
		ASSERT_EQ(request.done, request.len);
		sched_yield();
	}
	maker.stop = true;
	pthread_join(maker.thread, NULL);
	ASSERT_EQ(maker.wrong, 0);
	ASSERT_GT(maker.rounds, 1);
	test_pattern(self->memory, PMD_SIZE, 1);
	ASSERT_EQ(munmap(self->memory, self->n), 0);
	test_used(self->ferry, 0);
}

TEST_HARNESS_MAIN
