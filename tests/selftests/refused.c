// SPDX-License-Identifier: MIT
/*
 * Refused pages stay as they were, and their neighbours move (I6).
 *
 * Broken engines that fail here:
 * - A migration entry is left where a page was refused, in setup (the page has
 *   an extra reference) or after the copy (the page is in the swap cache, and
 *   other processes need the copy on the swap device). The next access sleeps
 *   for ever.
 * - Another page takes the place of the refused page.
 * - Refused pages are restored late, together with the moved pages.
 *
 * Shows: I6, pins, swap
 * Guest: engine, debug-engine
 */

#include "page_refs.h"
#include "race.h"
#include "swap.h"

/* Every other page is in a pipe. */
FIXTURE(refused) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[PAGES];
	size_t n;
	int pipe[2];
};

FIXTURE_VARIANT(refused) {
	unsigned int device;
	bool home;
};

FIXTURE_VARIANT_ADD(refused, private) {
	.device = 0,
};

FIXTURE_VARIANT_ADD(refused, coherent) {
	.device = 2,
};

FIXTURE_VARIANT_ADD(refused, coherent_home) {
	.device = 2, .home = true,
};

FIXTURE_SETUP(refused)
{
	size_t i;

	self->n = PAGES * page_size();
	ASSERT_EQ(pipe(self->pipe), 0);
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->device);
	self->memory = test_map_pattern(self->n, 1);
	if (variant->home)
		test_to_device(self->ferry, self->memory, self->n);
	ASSERT_EQ(drain_lru(), 0);
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(put_in_pipe(self->pipe[1], self->memory + i * page_size(),
				      page_size()), 0);
}

FIXTURE_TEARDOWN(refused)
{
	control_off();
	close(self->pipe[0]);
	close(self->pipe[1]);
	ferry_close(self->ferry);
}

/*
 * The page is the same page, mapped as before: the reference's holder sees new
 * writes.
 */
#define test_same_pages()						\
	do {								\
		uint8_t *__seen = test_map(page_size());		\
		size_t __i;						\
									\
		for (__i = 0; __i < PAGES; __i += 2) {			\
			uint8_t *__page = self->memory + __i * page_size(); \
									\
			ASSERT_EQ(pagemap(__page) & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED), \
				  PAGEMAP_PRESENT);			\
			__page[1] = __i;				\
			ASSERT_EQ(read(self->pipe[0], __seen, page_size()), \
				  (ssize_t)page_size());		\
			ASSERT_EQ(memcmp(__seen, __page, page_size()), 0); \
			__page[1] = pattern(__i * page_size() + 1, 1);	\
		}							\
		test_pattern(self->memory, self->n, 1);			\
	} while (0)

static void in_setup(struct __test_metadata *_metadata, struct _test_data_refused *self,
		     unsigned int backend, bool home)
{
	size_t i;

	ASSERT_EQ(_test_moved(self->ferry, backend, self->memory, self->n,
			      home ? DRM_FERRY_TARGET_SYSTEM : DRM_FERRY_TARGET_DEVICE,
			      self->outcomes), PAGES / 2);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(self->outcomes[i] == DRM_FERRY_MOVED, i % 2 == 1);
		if (i % 2 == 0 && backend == DRM_FERRY_BACKEND_OWN)
			ASSERT_EQ(self->outcomes[i], DRM_FERRY_PINNED);
	}
	test_used(self->ferry, PAGES / 2);
	test_same_pages();
}

TEST_F(refused, in_setup)
{
	in_setup(_metadata, self, DRM_FERRY_BACKEND_OWN, variant->home);
}

TEST_F(refused, in_setup_by_core)
{
	in_setup(_metadata, self, DRM_FERRY_BACKEND_CORE, variant->home);
}

/*
 * Refused pages are mapped again at the end of setup: an access does not wait
 * for the copy of the other pages.
 */
TEST_F(refused, mapped_while_others_are_copied)
{
	struct race race = {
		variant->device, variant->home ? TO_SYSTEM : TO_DEVICE, AFTER_SETUP
	};
	struct held held;
	long waiting = 0;
	size_t i;

	test_hold(&held, &race, self->ferry, self->memory, self->n);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(pagemap(self->memory + i * page_size()) &
			  (PAGEMAP_PRESENT | PAGEMAP_SWAPPED),
			  i % 2 ? PAGEMAP_SWAPPED : PAGEMAP_PRESENT);
	}
	for (i = 0; i < PAGES; i += 2)
		self->memory[i * page_size()] ^= 0xff;
	ASSERT_EQ(read_number(CONTROL AFTER_SETUP "/waiting", &waiting), 0);
	ASSERT_EQ(waiting, 1);
	test_let_go(&held);
	for (i = 0; i < PAGES; i += 2)
		self->memory[i * page_size()] ^= 0xff;
	test_same_pages();
}

/*
 * Refused after the copy: a child's swap entries need the copy on the swap
 * device.
 */
FIXTURE(swap_cache) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[PAGES];
	size_t n;
	int go[2];
};

FIXTURE_VARIANT(swap_cache) {
	unsigned int device;
	unsigned int backend;
};

FIXTURE_VARIANT_ADD(swap_cache, own_private) {
	.device = 0, .backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(swap_cache, own_coherent) {
	.device = 2, .backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(swap_cache, core_private) {
	.device = 0, .backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_SETUP(swap_cache)
{
	ASSERT_EQ(swap_on(), 0);
	self->n = PAGES * page_size();
	ASSERT_EQ(pipe(self->go), 0);
	self->ferry = test_open(variant->device);
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(swap_cache)
{
	ferry_close(self->ferry);
}

TEST_F_TIMEOUT(swap_cache, needed_by_a_child, 60)
{
	uint8_t *page;
	pid_t pid;
	size_t i;

	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(page_out(self->memory + i * page_size(), page_size()), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(self->go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		_exit(0);
	}
	for (i = 0; i < PAGES; i += 2) {
		page = self->memory + i * page_size();
		ASSERT_EQ(*(volatile uint8_t *)page, pattern(i * page_size(), 1));
		ASSERT_EQ(wait_clean_in_swap_cache(page), 0);
	}

	ASSERT_EQ(_test_moved(self->ferry, variant->backend, self->memory, self->n,
			      DRM_FERRY_TARGET_DEVICE, self->outcomes), PAGES / 2);
	for (i = 0; i < PAGES; i++) {
		if (i % 2) {
			ASSERT_EQ(self->outcomes[i], DRM_FERRY_MOVED);
			continue;
		}
		ASSERT_NE(self->outcomes[i], DRM_FERRY_MOVED);
		if (variant->backend == DRM_FERRY_BACKEND_OWN)
			ASSERT_EQ(self->outcomes[i], DRM_FERRY_SHARED_BUSY);
		ASSERT_EQ(pagemap(self->memory + i * page_size()) &
			  (PAGEMAP_PRESENT | PAGEMAP_SWAPPED), PAGEMAP_PRESENT);
	}
	test_used(self->ferry, PAGES / 2);
	test_pattern(self->memory, self->n, 1);
	fill_pattern(self->memory, self->n, 2);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 2);
}

TEST_HARNESS_MAIN
