// SPDX-License-Identifier: MIT
/*
 * A page that is pinned for long-term DMA stays in place, with the same entry,
 * exclusive, at every moment. A fork after a refused migration gives the child
 * a copy, and later writes reach the pinned page.
 *
 * Four broken engines fail here:
 * - An engine does not look for pins after it clears the entry.
 * - An engine does not look for pins before it takes the page.
 * - An engine restores the entry with a bit missing.
 * - An engine forgets that the page was exclusive: the next write then goes to
 *   a copy, not to the page that is pinned for the device.
 *
 * Shows: I13, pins, fork
 * Guest: engine, debug-engine
 */

#include "control.h"
#include "migrate.h"
#include "page_refs.h"
#include "page_state.h"
#include "threads.h"

FIXTURE(pinned) {
	struct ferry *ferry;
	uint8_t *page;
	uint8_t *data;
	int gup;
};

FIXTURE_VARIANT(pinned) {
	uint32_t backend;
	uint32_t pin;
	bool read_only;
};

FIXTURE_VARIANT_ADD(pinned, own_write) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.pin = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
};

FIXTURE_VARIANT_ADD(pinned, own_write_fast) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.pin = PIN_LONGTERM_TEST_FLAG_USE_WRITE | PIN_LONGTERM_TEST_FLAG_USE_FAST,
};

FIXTURE_VARIANT_ADD(pinned, own_read) {
	.backend = DRM_FERRY_BACKEND_OWN,
	.read_only = true,
};

FIXTURE_VARIANT_ADD(pinned, core_write) {
	.backend = DRM_FERRY_BACKEND_CORE,
	.pin = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
};

FIXTURE_VARIANT_ADD(pinned, core_read) {
	.backend = DRM_FERRY_BACKEND_CORE,
	.read_only = true,
};

FIXTURE_SETUP(pinned)
{
	ASSERT_EQ(run_on_cpu(0), 0);
	self->ferry = test_open(0);
	self->data = test_map(page_size());
	self->gup = gup_open();
	if (self->gup < 0 && errno == ENOENT)
		SKIP(return, NO_GUP_TEST);
	ASSERT_GE(self->gup, 0);
	self->page = _test_map_alone();
	ASSERT_NE((void *)self->page, MAP_FAILED);
	fill_pattern(self->page, page_size(), 1);
	if (variant->read_only)
		ASSERT_EQ(mprotect(self->page, page_size(), PROT_READ), 0);
	ASSERT_EQ(gup_pin(self->gup, self->page, page_size(), variant->pin), 0);
}

FIXTURE_TEARDOWN(pinned)
{
	close(self->gup);
	ferry_close(self->ferry);
}

/* The data that the holder of the pin sees. */
static void test_pinned_data(struct __test_metadata *_metadata, struct _test_data_pinned *self,
			     unsigned int seed)
{
	ASSERT_EQ(gup_read(self->gup, self->data), 0);
	test_pattern(self->data, page_size(), seed);
}

static void refuse(struct __test_metadata *_metadata, struct _test_data_pinned *self,
		   const struct _fixture_variant_pinned *variant)
{
	struct drm_ferry_migrate request = { .backend = variant->backend };
	unsigned int before = page_state(self->ferry, self->page);
	uint64_t entry = pagemap(self->page);
	uint8_t outcome;

	ASSERT_TRUE(before & STATE_EXCLUSIVE);
	ASSERT_EQ(!!(before & STATE_WRITABLE), !variant->read_only);
	ASSERT_EQ(_test_request_for(self->ferry, &request, self->page, page_size(), &outcome), 0);
	ASSERT_EQ(outcome, DRM_FERRY_PINNED);
	ASSERT_EQ(page_state(self->ferry, self->page), before);
	ASSERT_EQ(pagemap(self->page), entry);
}

TEST_F(pinned, stays_as_it_was)
{
	refuse(_metadata, self, variant);
	test_pinned_data(_metadata, self, 1);
	if (variant->read_only)
		ASSERT_EQ(mprotect(self->page, page_size(), PROT_READ | PROT_WRITE), 0);
	fill_pattern(self->page, page_size(), 2);
	test_pinned_data(_metadata, self, 2);

	/* After the unpin, the page moves. */
	ASSERT_EQ(gup_unpin(self->gup), 0);
	test_to_device(self->ferry, self->page, page_size());
	test_pattern(self->page, page_size(), 2);
}

TEST_F(pinned, fork_copies)
{
	uint64_t pfn = pagemap(self->page) & PAGEMAP_PFN;
	int go[2];
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	refuse(_metadata, self, variant);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check((pagemap(self->page) & PAGEMAP_PFN) != pfn);
		child_check(find_difference(self->page, page_size(), 1) == page_size());
		_exit(0);
	}
	ASSERT_EQ(pagemap(self->page) & PAGEMAP_PFN, pfn);
	ASSERT_TRUE(entry_state(self->ferry, self->page) & STATE_EXCLUSIVE);
	if (variant->read_only)
		ASSERT_EQ(mprotect(self->page, page_size(), PROT_READ | PROT_WRITE), 0);
	fill_pattern(self->page, page_size(), 2);
	test_pinned_data(_metadata, self, 2);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
}

FIXTURE(held) {
	struct background background;
	uint8_t *page;
	int gup;
};

FIXTURE_SETUP(held)
{
	self->page = test_map_pattern(2 * page_size(), 1);
	self->gup = gup_open();
	if (self->gup < 0 && errno == ENOENT)
		SKIP(return, NO_GUP_TEST);
	ASSERT_GE(self->gup, 0);
	ASSERT_EQ(gup_pin(self->gup, self->page, page_size(),
			  PIN_LONGTERM_TEST_FLAG_USE_WRITE), 0);
	self->background = (struct background) {
		.ferry = test_open(0),
		.request = {
			.addr = ptr(self->page),
			.len = 2 * page_size(),
			.backend = DRM_FERRY_BACKEND_OWN,
			.flush = DRM_FERRY_FLUSH_PER_CALL,
		},
	};
	ASSERT_EQ(control_on(), 0);
}

FIXTURE_TEARDOWN(held)
{
	control_off();
	close(self->gup);
	ferry_close(self->background.ferry);
}

/* The neighbour is in flight; the pinned page never leaves its entry. */
TEST_F(held, pinned_page_never_leaves)
{
	struct background *background = &self->background;
	unsigned int before = entry_state(background->ferry, self->page);
	uint64_t entry = pagemap(self->page);

	ASSERT_TRUE(before & STATE_WRITABLE);
	ASSERT_EQ(control_arm(BEFORE_FLUSH), 0);
	ASSERT_EQ(background_start(background), 0);
	ASSERT_EQ(control_wait(BEFORE_FLUSH), 0);
	EXPECT_EQ(pagemap(self->page), entry);
	EXPECT_EQ(entry_state(background->ferry, self->page), before);
	EXPECT_EQ(pagemap(self->page + page_size()) & PAGEMAP_PRESENT, 0);
	EXPECT_EQ(control_release(BEFORE_FLUSH), 0);
	EXPECT_EQ(background_join(background), 0);
	ASSERT_EQ(background->request.moved, 1);
	ASSERT_EQ(entry_state(background->ferry, self->page), before);
	test_pattern(self->page, 2 * page_size(), 1);
}

TEST_HARNESS_MAIN
