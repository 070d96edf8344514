// SPDX-License-Identifier: MIT
/*
 * Promises of every migration that show without a race.
 *
 * Errors that the tests catch:
 * - page-table changes without MMU notifiers: another device reads the old
 *   contents of a page (I15);
 * - a notifier section that lasts too long: another device cannot read (I15);
 * - pages that do not move because a CPU has them in an LRU batch, on the way
 *   to an LRU list or from one list to another (I16).
 *
 * Shows: I15, I16
 * Guest: engine, debug-engine
 */
#include <sched.h>

#include "pagemap.h"
#include "race.h"
#include "threads.h"

/* I15: the first device has read the pages, then the second takes the pages. */
FIXTURE(notifier) {
	struct ferry *watcher;
	struct ferry *taker;
	uint8_t *memory;
	uint8_t *data;
	uint8_t *seen;
	size_t n;
};

FIXTURE_VARIANT(notifier) {
	unsigned int taker;
};

FIXTURE_VARIANT_ADD(notifier, private) {
	.taker = 1,
};

FIXTURE_VARIANT_ADD(notifier, coherent) {
	.taker = 2,
};

FIXTURE_SETUP(notifier)
{
	self->n = PAGES * page_size();
	self->watcher = test_open(0);
	self->taker = test_open(variant->taker);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map_pattern(self->n, 2);
	self->seen = test_map(self->n);
	ASSERT_EQ(ferry_read(self->watcher, self->memory, self->n, self->seen, NULL), 0);
	test_pattern(self->seen, self->n, 1);
}

FIXTURE_TEARDOWN(notifier)
{
	control_off();
	ferry_close(self->watcher);
	ferry_close(self->taker);
}

static void page_goes(struct __test_metadata *_metadata,
		      struct _test_data_notifier *self, unsigned int backend)
{
	ASSERT_EQ(_test_moved(self->taker, backend, self->memory, self->n,
			      DRM_FERRY_TARGET_DEVICE, NULL), PAGES);
	ASSERT_EQ(ferry_write(self->taker, self->memory, self->n, self->data, NULL), 0);
	test_used(self->taker, PAGES);
	ASSERT_EQ(ferry_read(self->watcher, self->memory, self->n, self->seen, NULL), 0);
	test_pattern(self->seen, self->n, 2);
}

TEST_F(notifier, page_goes)
{
	page_goes(_metadata, self, DRM_FERRY_BACKEND_OWN);
}

TEST_F(notifier, page_goes_by_core)
{
	page_goes(_metadata, self, DRM_FERRY_BACKEND_CORE);
}

static void page_comes_back(struct __test_metadata *_metadata,
			    struct _test_data_notifier *self, unsigned int backend)
{
	ASSERT_EQ(_test_moved(self->taker, backend, self->memory, self->n,
			      DRM_FERRY_TARGET_DEVICE, NULL), PAGES);
	ASSERT_EQ(ferry_read(self->taker, self->memory, self->n, self->seen, NULL), 0);
	ASSERT_EQ(_test_moved(self->taker, backend, self->memory, self->n,
			      DRM_FERRY_TARGET_SYSTEM, NULL), PAGES);
	fill_pattern(self->memory, self->n, 3);
	ASSERT_EQ(ferry_read(self->taker, self->memory, self->n, self->seen, NULL), 0);
	test_pattern(self->seen, self->n, 3);
	ASSERT_EQ(ferry_read(self->watcher, self->memory, self->n, self->seen, NULL), 0);
	test_pattern(self->seen, self->n, 3);
}

TEST_F(notifier, page_comes_back)
{
	page_comes_back(_metadata, self, DRM_FERRY_BACKEND_OWN);
}

TEST_F(notifier, page_comes_back_by_core)
{
	page_comes_back(_metadata, self, DRM_FERRY_BACKEND_CORE);
}

static int read_last(void *arg)
{
	struct _test_data_notifier *self = arg;
	size_t at = self->n - page_size();

	return ferry_read(self->watcher, self->memory + at, page_size(), self->seen + at, NULL);
}

/* No notifier section is open at the copy: a nearby device fault succeeds. */
TEST_F(notifier, section_ends_before_the_copy)
{
	struct race race = { variant->taker, TO_DEVICE, AFTER_SETUP };
	size_t n = self->n / 2;
	struct helper helper;
	struct held held;
	int tries;

	ASSERT_EQ(control_on(), 0);
	/* Invalidate the watcher's entries: the watcher must fault. */
	ASSERT_EQ(mprotect(self->memory, self->n, PROT_READ), 0);
	test_helper(&helper, read_last, self);
	test_hold(&held, &race, self->taker, self->memory, n);
	sem_post(&helper.go);
	for (tries = 0; tries < 3000 && !helper_done(&helper); tries++)
		usleep(1000);
	ASSERT_TRUE(helper_done(&helper));
	test_let_go(&held);
	ASSERT_EQ(helper_join(&helper), 0);
	ASSERT_TRUE(holds(self->seen, self->n - page_size(), self->n, 1));
}

/* I16 */
FIXTURE(batched) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t touched;
	bool batched;
	sem_t ready;
	sem_t finish;
};

FIXTURE_VARIANT(batched) {
	unsigned int backend;
};

FIXTURE_VARIANT_ADD(batched, own) {
	.backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(batched, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_SETUP(batched)
{
	self->ferry = test_open(0);
	self->memory = test_map(PAGES * page_size());
	ASSERT_EQ(sem_init(&self->ready, 0, 0), 0);
	ASSERT_EQ(sem_init(&self->finish, 0, 0), 0);
}

FIXTURE_TEARDOWN(batched)
{
	ferry_close(self->ferry);
}

/*
 * Access pages until the last page is in the batch of the last CPU. The thread
 * stays until the pages have moved: the end of a thread unmaps its stack, and
 * the unmap drains the batch.
 */
static int touch_there(void *arg)
{
	struct _test_data_batched *self = arg;
	int ret = run_on_last_cpu();
	uint8_t *page;

	if (ret)
		return ret;
	while (self->touched < PAGES && !self->batched) {
		page = self->memory + self->touched++ * page_size();
		fill_pattern(page, page_size(), self->touched);
		self->batched = self->touched >= 4 && !(kpageflags(page) & KPF_LRU);
	}
	sem_post(&self->ready);
	return sem_wait(&self->finish) ? -errno : 0;
}

TEST_F(batched, pages_move)
{
	uint8_t outcomes[PAGES];
	struct helper helper;
	int moved;
	size_t i;

	ASSERT_EQ(run_on_cpu(0), 0);
	test_helper(&helper, touch_there, self);
	sem_post(&helper.go);
	sem_wait(&self->ready);
	moved = _test_moved(self->ferry, variant->backend, self->memory,
			    self->touched * page_size(), DRM_FERRY_TARGET_DEVICE, outcomes);
	sem_post(&self->finish);
	ASSERT_EQ(helper_join(&helper), 0);
	ASSERT_TRUE(self->batched);
	ASSERT_EQ(moved, self->touched);
	for (i = 0; i < self->touched; i++) {
		ASSERT_EQ(outcomes[i], DRM_FERRY_MOVED);
		test_pattern(self->memory + i * page_size(), page_size(), i + 1);
	}
}

/*
 * GUP on another CPU accesses the pages. The pages wait in that CPU's batch for
 * activation, and no task holds them.
 */
static int look_from_there(void *arg)
{
	struct _test_data_batched *self = arg;
	size_t n = self->touched * page_size();
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC), ret, i;
	char *seen = malloc(n);

	ret = run_on_last_cpu();
	for (i = 0; i < 3 && !ret; i++)
		ret = pread(fd, seen, n, ptr(self->memory)) == (ssize_t)n ? 0 : -EIO;
	free(seen);
	close(fd);
	sem_post(&self->ready);
	return sem_wait(&self->finish) ? -errno : ret;
}

TEST_F(batched, pages_that_others_touched_move)
{
	uint8_t outcomes[PAGES];
	struct helper helper;
	int moved;
	size_t i;

	/* Fewer pages than a batch has room for. */
	self->touched = 5;
	ASSERT_EQ(run_on_cpu(0), 0);
	for (i = 0; i < self->touched; i++)
		fill_pattern(self->memory + i * page_size(), page_size(), i + 1);
	/*
	 * Only pages on LRU lists can be activated. A round trip by the own
	 * engine puts the pages on their lists.
	 */
	ASSERT_EQ(_test_moved(self->ferry, DRM_FERRY_BACKEND_OWN, self->memory,
			      self->touched * page_size(), DRM_FERRY_TARGET_DEVICE, NULL), 5);
	ASSERT_EQ(_test_moved(self->ferry, DRM_FERRY_BACKEND_OWN, self->memory,
			      self->touched * page_size(), DRM_FERRY_TARGET_SYSTEM, NULL), 5);
	ASSERT_TRUE(kpageflags(self->memory) & KPF_LRU);
	test_helper(&helper, look_from_there, self);
	sem_post(&helper.go);
	sem_wait(&self->ready);
	moved = _test_moved(self->ferry, variant->backend, self->memory,
			    self->touched * page_size(), DRM_FERRY_TARGET_DEVICE, outcomes);
	sem_post(&self->finish);
	ASSERT_EQ(helper_join(&helper), 0);
	/* core does not look for a batch's reference: docs/findings.md. */
	if (variant->backend == DRM_FERRY_BACKEND_OWN)
		ASSERT_EQ(moved, self->touched);
	for (i = 0; i < self->touched; i++)
		test_pattern(self->memory + i * page_size(), page_size(), i + 1);
}

TEST_HARNESS_MAIN
