// SPDX-License-Identifier: MIT
/*
 * A migration keeps the state of a page-table entry: soft-dirty,
 * write-protected by userfaultfd, writable, young, dirty. A migration also
 * keeps whether the page is exclusive to the process. The state is the same
 * - after a failed migration;
 * - after a round trip, but for young;
 * - on the device, as far as a device entry has room for the state.
 *
 * The test makes each combination that the kernel can make, with both engines.
 *
 * Errors that fail for the combinations with the bit:
 * - a bit is forgotten in the migration entry, in the device entry, or in the
 *   restored entry;
 * - a read-only page becomes writable;
 * - an exclusive page becomes shared, or a shared page becomes exclusive.
 *
 * An engine that makes every page young or dirty fails for the other
 * combinations.
 *
 * Shows: I1, soft-dirty, userfaultfd
 * Guest: engine
 */
#include "migrate.h"
#include "page_refs.h"
#include "page_state.h"
#include "threads.h"
#include "uffd.h"

struct combination {
	const char *name;
	unsigned int state;
	bool shared;
	bool read_only;
	bool clean;
};

static const struct combination combinations[] = {
	{ .name = "written",
	  .state = STATE_SOFT_DIRTY | STATE_WRITABLE | STATE_EXCLUSIVE },
	{ .name = "not soft-dirty",
	  .state = STATE_EXCLUSIVE },
	{ .name = "read-only",
	  .state = STATE_SOFT_DIRTY | STATE_EXCLUSIVE, .read_only = true },
	{ .name = "read-only, not soft-dirty",
	  .state = STATE_EXCLUSIVE, .read_only = true },
	{ .name = "clean",
	  .state = STATE_SOFT_DIRTY | STATE_WRITABLE | STATE_EXCLUSIVE, .clean = true },
	{ .name = "shared",
	  .state = STATE_SOFT_DIRTY, .shared = true },
	{ .name = "shared, not soft-dirty",
	  .state = 0, .shared = true },
	{ .name = "uffd-wp",
	  .state = STATE_SOFT_DIRTY | STATE_UFFD_WP | STATE_EXCLUSIVE },
	{ .name = "uffd-wp, not soft-dirty",
	  .state = STATE_UFFD_WP | STATE_EXCLUSIVE },
	{ .name = "uffd-wp, shared",
	  .state = STATE_SOFT_DIRTY | STATE_UFFD_WP, .shared = true },
	{ .name = "uffd-wp, shared, not soft-dirty",
	  .state = STATE_UFFD_WP, .shared = true },
};

#define NCOMBINATIONS (sizeof(combinations) / sizeof(*combinations))

FIXTURE(flags) {
	struct ferry *ferry;
};

FIXTURE_VARIANT(flags) {
	uint32_t backend;
	uint32_t flush;
};

FIXTURE_VARIANT_ADD(flags, own) {
	.backend = DRM_FERRY_BACKEND_OWN,
};

FIXTURE_VARIANT_ADD(flags, core) {
	.backend = DRM_FERRY_BACKEND_CORE,
};

FIXTURE_SETUP(flags)
{
	ASSERT_EQ(run_on_cpu(0), 0);
	self->ferry = test_open(0);
}

FIXTURE_TEARDOWN(flags)
{
	ferry_close(self->ferry);
}

/* A page in the state of a combination. */
struct made {
	const struct combination *combination;
	bool young;
	uint8_t *page;
	pid_t child;
	int alive[2];
	int in_pipe[2];
	int uffd;
};

/* A child that shares the page until the parent closes the pipe. */
static pid_t fork_sharer(struct made *made)
{
	pid_t pid;

	if (pipe(made->alive))
		return -1;
	pid = _test_fork();
	if (!pid) {
		close(made->alive[1]);
		child_check(wait_byte(made->alive[0]));
		child_check(find_difference(made->page, page_size(), 1) == page_size());
		_exit(0);
	}
	return pid;
}

/* Soft-dirty: a write after the bits are cleared. Otherwise no such write. */
static void make(struct __test_metadata *_metadata, const struct combination *combination,
		 bool young, bool hold, struct made *made)
{
	size_t page = page_size();

	*made = (struct made) {
		.combination = combination,
		.young = young,
		.page = _test_map_alone(),
		.uffd = -1,
	};
	ASSERT_NE((void *)made->page, MAP_FAILED);
	fill_pattern(made->page, page, 1);
	if (hold)
		ASSERT_EQ(hold_in_pipe(made->page, page, made->in_pipe), 0);
	ASSERT_EQ(clear_refs("4"), 0);
	fill_pattern(made->page, page, 1);
	if (combination->read_only)
		ASSERT_EQ(mprotect(made->page, page, PROT_READ), 0);
	if (combination->shared) {
		made->child = fork_sharer(made);
		ASSERT_GT(made->child, 0);
	}
	if (!(combination->state & STATE_SOFT_DIRTY))
		ASSERT_EQ(clear_refs("4"), 0);
	if (combination->state & STATE_UFFD_WP) {
		made->uffd = uffd_open_wp(UFFD_FEATURE_PAGEFAULT_FLAG_WP, made->page, page);
		ASSERT_GE(made->uffd, 0);
		ASSERT_EQ(uffd_protect(made->uffd, made->page, page, true), 0);
	}
	if (combination->clean)
		ASSERT_EQ(madvise(made->page, page, MADV_FREE), 0);
	if (young)
		*(volatile uint8_t *)made->page;
	else
		ASSERT_EQ(clear_refs("1"), 0);
}

static void unmake(struct __test_metadata *_metadata, struct made *made)
{
	ASSERT_EQ(find_difference(made->page, page_size(), 1), page_size());
	if (made->child) {
		close(made->alive[1]);
		test_wait(made->child);
		close(made->alive[0]);
	}
	if (made->uffd >= 0)
		close(made->uffd);
	munmap(made->page - page_size(), 3 * page_size());
}

/* Reports a failing combination. The test continues with the next one. */
static void expect_state(struct __test_metadata *_metadata, struct _test_data_flags *self,
			 const struct made *made, unsigned int but, unsigned int expected,
			 const char *when)
{
	EXPECT_EQ(page_state(self->ferry, made->page) & ~but, expected)
		TH_LOG("%s%s, %s", made->combination->name, made->young ? ", young" : "", when);
}

static void make_as_expected(struct __test_metadata *_metadata,
			     struct _test_data_flags *self,
			     const struct combination *combination, bool young, bool hold,
			     struct made *made)
{
	unsigned int expected = combination->state | STATE_IN_SYSTEM;

	make(_metadata, combination, young, hold, made);
	expected |= young ? STATE_YOUNG : 0;
	expected |= combination->clean ? 0 : STATE_DIRTY;
	expect_state(_metadata, self, made, 0, expected, "before");
}

enum failure { FOR_A_REFERENCE, FOR_A_FULL_DEVICE };

static void fail(struct __test_metadata *_metadata, struct _test_data_flags *self,
		 const struct _fixture_variant_flags *variant,
		 const struct combination *combination, bool young, enum failure failure)
{
	bool hold = failure == FOR_A_REFERENCE;
	struct drm_ferry_migrate request = { .backend = variant->backend };
	unsigned int before;
	struct made made;
	uint64_t pfn;

	make_as_expected(_metadata, self, combination, young, hold, &made);
	before = page_state(self->ferry, made.page);
	pfn = pagemap(made.page) & PAGEMAP_PFN;
	ASSERT_EQ(_test_request_for(self->ferry, &request, made.page, page_size(), NULL),
		  hold ? 0 : -ENOSPC);
	ASSERT_EQ(request.failed, 1);
	expect_state(_metadata, self, &made, 0, before, "after a failure");
	EXPECT_EQ(pagemap(made.page) & PAGEMAP_PFN, pfn);
	if (hold)
		let_go(made.in_pipe);
	unmake(_metadata, &made);
}

static void fail_all(struct __test_metadata *_metadata, struct _test_data_flags *self,
		     const struct _fixture_variant_flags *variant, enum failure failure)
{
	size_t i;

	for (i = 0; i < NCOMBINATIONS; i++) {
		fail(_metadata, self, variant, &combinations[i], false, failure);
		fail(_metadata, self, variant, &combinations[i], true, failure);
	}
}

TEST_F_TIMEOUT(flags, failed_for_a_reference, 60)
{
	fail_all(_metadata, self, variant, FOR_A_REFERENCE);
}

TEST_F_TIMEOUT(flags, failed_for_a_full_device, 60)
{
	ASSERT_NE(_test_fill_device(self->ferry), MAP_FAILED);
	fail_all(_metadata, self, variant, FOR_A_FULL_DEVICE);
}

static void round_trip(struct __test_metadata *_metadata, struct _test_data_flags *self,
		       const struct _fixture_variant_flags *variant,
		       const struct combination *combination)
{
	unsigned int before, young;
	struct made made;

	make_as_expected(_metadata, self, combination, true, false, &made);
	before = page_state(self->ferry, made.page) & ~STATE_YOUNG;
	/*
	 * A device entry has no young bit. The page's own flag moves with the page;
	 * with MGLRU a new page has the flag.
	 */
	young = kpageflags(made.page) & KPF_REFERENCED ? STATE_YOUNG : 0;
	test_variant_moves(self->ferry, variant, made.page, page_size(), DRM_FERRY_TARGET_DEVICE);
	expect_state(_metadata, self, &made, 0, (before & STATE_OF_A_DEVICE_PAGE) | young,
		     "on the device");
	test_variant_moves(self->ferry, variant, made.page, page_size(), DRM_FERRY_TARGET_SYSTEM);
	expect_state(_metadata, self, &made, STATE_YOUNG, before, "home again");
	unmake(_metadata, &made);
}

TEST_F_TIMEOUT(flags, round_trip, 60)
{
	size_t i;

	for (i = 0; i < NCOMBINATIONS; i++)
		round_trip(_metadata, self, variant, &combinations[i]);
}

TEST_HARNESS_MAIN
