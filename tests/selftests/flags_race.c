// SPDX-License-Identifier: MIT
/*
 * A write protection that comes during a migration has the last word. The
 * migration is held between setup and finalize. Now the range is
 * write-protected
 * - by UFFDIO_WRITEPROTECT;
 * - by PAGEMAP_SCAN with PM_SCAN_WP_MATCHING;
 * - by mprotect() in another process, where the page is found by pfn and no
 *   mmap_lock is held.
 *
 * Afterwards the page must be protected, on the device or in system memory, and
 * a write must be noticed.
 *
 * The test catches an engine that remembers from setup that the page was
 * writable.
 *
 * Shows: I8, userfaultfd, RELEASE
 * Guest: races, debug-races
 */
#include "control.h"
#include "dmirror.h"
#include "migrate.h"
#include "page_state.h"
#include "pagemap_scan.h"
#include "uffd.h"

#define PAGES 4

FIXTURE(flags_race) {
	struct ferry *ferry;
	struct background background;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
	int uffd;
};

/* The point where the migration is held, and whether the device is full. */
FIXTURE_VARIANT(flags_race) {
	const char *point;
	bool full;
};

FIXTURE_VARIANT_ADD(flags_race, moved_after_setup) {
	.point = AFTER_SETUP,
};

FIXTURE_VARIANT_ADD(flags_race, moved_before_finalize) {
	.point = BEFORE_FINALIZE,
};

FIXTURE_VARIANT_ADD(flags_race, failed_after_setup) {
	.point = AFTER_SETUP,
	.full = true,
};

FIXTURE_VARIANT_ADD(flags_race, failed_before_finalize) {
	.point = BEFORE_FINALIZE,
	.full = true,
};

FIXTURE_SETUP(flags_race)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
	if (variant->full)
		ASSERT_NE(_test_fill_device(self->ferry), MAP_FAILED);
	ASSERT_EQ(control_on(), 0);
}

FIXTURE_TEARDOWN(flags_race)
{
	control_off();
	ferry_close(self->ferry);
}

static void watch(struct __test_metadata *_metadata, struct _test_data_flags_race *self,
		  uint64_t features)
{
	self->uffd = uffd_open_wp(features, self->memory, self->n);
	ASSERT_GE(self->uffd, 0);
}

static void hold(struct __test_metadata *_metadata, struct _test_data_flags_race *self,
		 const struct _fixture_variant_flags_race *variant)
{
	self->background = (struct background) {
		.ferry = self->ferry,
		.request = {
			.addr = ptr(self->memory),
			.len = self->n,
			.backend = DRM_FERRY_BACKEND_OWN,
		},
	};
	ASSERT_EQ(control_arm(variant->point), 0);
	ASSERT_EQ(background_start(&self->background), 0);
	ASSERT_EQ(control_wait(variant->point), 0);
}

static void let_it_finish(struct __test_metadata *_metadata,
			  struct _test_data_flags_race *self,
			  const struct _fixture_variant_flags_race *variant)
{
	EXPECT_EQ(control_release(variant->point), 0);
	EXPECT_EQ(background_join(&self->background), variant->full ? -ENOSPC : 0);
	ASSERT_EQ(self->background.request.moved, variant->full ? 0 : PAGES);
}

static void expect_protected(struct __test_metadata *_metadata,
			     struct _test_data_flags_race *self)
{
	const unsigned int mask = STATE_UFFD_WP | STATE_WRITABLE;
	size_t i;

	for (i = 0; i < self->n; i += page_size())
		ASSERT_EQ(entry_state(self->ferry, self->memory + i) & mask, STATE_UFFD_WP);
}

static void *write_all(void *arg)
{
	struct _test_data_flags_race *self = arg;
	size_t i;

	for (i = 0; i < self->n; i += page_size())
		self->memory[i] = 0xff;
	return NULL;
}

TEST_F_TIMEOUT(flags_race, write_protect, 60)
{
	pthread_t thread;
	int i;

	watch(_metadata, self, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	hold(_metadata, self, variant);
	EXPECT_EQ(uffd_protect(self->uffd, self->memory, self->n, true), 0);
	let_it_finish(_metadata, self, variant);
	expect_protected(_metadata, self);

	/* The first write to each page waits for the monitor. */
	ASSERT_EQ(pthread_create(&thread, NULL, write_all, self), 0);
	for (i = 0; i < PAGES; i++) {
		uint8_t *page = self->memory + i * page_size();

		EXPECT_EQ(uffd_wait_wp(self->uffd), ptr(page));
		ASSERT_EQ(*page, pattern(i * page_size(), 1));
		EXPECT_EQ(uffd_protect(self->uffd, page, page_size(), false), 0);
	}
	pthread_join(thread, NULL);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(self->memory[i * page_size()], 0xff);
}

/* The opposite: a protection that is removed stays removed. */
TEST_F_TIMEOUT(flags_race, write_unprotect, 60)
{
	size_t i;

	watch(_metadata, self, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	ASSERT_EQ(uffd_protect(self->uffd, self->memory, self->n, true), 0);
	expect_protected(_metadata, self);
	hold(_metadata, self, variant);
	EXPECT_EQ(uffd_protect(self->uffd, self->memory, self->n, false), 0);
	let_it_finish(_metadata, self, variant);
	for (i = 0; i < self->n; i += page_size())
		EXPECT_EQ(entry_state(self->ferry, self->memory + i) & STATE_UFFD_WP, 0);
	write_all(self);
	for (i = 0; i < self->n; i += page_size())
		ASSERT_EQ(self->memory[i], 0xff);
}

/* No monitor waits. A later write, by CPU or device, must be reported. */
TEST_F_TIMEOUT(flags_race, pagemap_scan, 60)
{
	watch(_metadata, self, UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED);
	hold(_metadata, self, variant);
	EXPECT_EQ(pagemap_scan(self->memory, self->n, true, NULL), PAGES);
	let_it_finish(_metadata, self, variant);
	expect_protected(_metadata, self);

	EXPECT_EQ(pagemap_scan(self->memory, self->n, false, NULL), 0);
	ASSERT_EQ(ferry_write(self->ferry, self->memory, self->n / 2, self->data, NULL), 0);
	EXPECT_EQ(pagemap_scan(self->memory, self->n, false, NULL), PAGES / 2);
	write_all(self);
	EXPECT_EQ(pagemap_scan(self->memory, self->n, false, NULL), PAGES);
}

FIXTURE(by_pfn) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
	int door;
};

FIXTURE_SETUP(by_pfn)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->door = test_dmirror_open(0);
	self->memory = test_map(self->n);
	ASSERT_EQ(control_on(), 0);
}

FIXTURE_TEARDOWN(by_pfn)
{
	control_off();
	close(self->door);
	ferry_close(self->ferry);
}

/*
 * A child with pages on the device. On the first signal the child protects its
 * pages, on the second signal it checks the pages.
 */
static pid_t fork_owner(struct _test_data_by_pfn *self, int ready, int go)
{
	size_t page = page_size();
	struct ferry_counts counts;
	pid_t pid = _test_fork();
	struct ferry *own;
	int uffd;

	if (pid)
		return pid;
	fill_pattern(self->memory, self->n, 1);
	uffd = uffd_open_wp(UFFD_FEATURE_PAGEFAULT_FLAG_WP, self->memory + page, page);
	child_check(uffd >= 0 && !ferry_open_index(0, &own));
	child_check(!ferry_migrate(own, self->memory, self->n, DRM_FERRY_TARGET_DEVICE, NULL,
				   &counts));
	child_check(counts.moved == PAGES);
	child_check(entry_state(own, self->memory) & STATE_WRITABLE);
	child_check(!send_byte(ready) && !wait_byte(go));

	child_check(!mprotect(self->memory, page, PROT_READ));
	child_check(!uffd_protect(uffd, self->memory + page, page, true));
	child_check(!send_byte(ready) && !wait_byte(go));

	child_check((entry_state(own, self->memory) &
		     (STATE_IN_SYSTEM | STATE_WRITABLE | STATE_UFFD_WP)) == STATE_IN_SYSTEM);
	child_check((entry_state(own, self->memory + page) &
		     (STATE_IN_SYSTEM | STATE_WRITABLE | STATE_UFFD_WP)) ==
		    (STATE_IN_SYSTEM | STATE_UFFD_WP));
	child_check((entry_state(own, self->memory + 2 * page) &
		     (STATE_IN_SYSTEM | STATE_WRITABLE)) == (STATE_IN_SYSTEM | STATE_WRITABLE));
	child_check(find_difference(self->memory, self->n, 1) == self->n);
	_exit(0);
}

static void *release_device(void *arg)
{
	struct _test_data_by_pfn *self = arg;
	struct hmm_dmirror_cmd cmd;

	return (void *)(long)_test_cmd(self->door, HMM_DMIRROR_RELEASE, self->memory, NULL, 1,
				       &cmd);
}

TEST_F_TIMEOUT(by_pfn, another_process_protects, 60)
{
	int ready[2], go[2];
	pthread_t thread;
	void *ret;
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(go), 0);
	pid = fork_owner(self, ready[1], go[0]);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(wait_byte(ready[0]), 0);

	ASSERT_EQ(control_arm(BEFORE_FINALIZE), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, release_device, self), 0);
	ASSERT_EQ(control_wait(BEFORE_FINALIZE), 0);
	EXPECT_EQ(send_byte(go[1]), 0);
	EXPECT_EQ(wait_byte(ready[0]), 0);
	EXPECT_EQ(control_release(BEFORE_FINALIZE), 0);
	pthread_join(thread, &ret);
	ASSERT_EQ(ret, NULL);
	test_used(self->ferry, 0);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
}

TEST_HARNESS_MAIN
