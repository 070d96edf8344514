// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/pagemap.h>

#include "chunk.h"
#include "kunit.h"
#include "memory.h"
#include "owner.h"
#include "plug.h"

/* A chunk and two blocks: runs end at the end of a chunk too. */
#define TEST_SIZE	(FERRY_CHUNK_SIZE + 2 * FERRY_MEMORY_ALIGN)
#define TEST_PAGES	(TEST_SIZE >> PAGE_SHIFT)

struct memory_test {
	struct ferry_memory *memory;
	struct ferry_owner owner;
	struct page **pages;
};

static int memory_init(struct kunit *test)
{
	const struct ferry_device_config config = {
		.memory_size = TEST_SIZE,
		.node = NUMA_NO_NODE,
	};
	struct memory_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->pages = kvcalloc(TEST_PAGES, sizeof(*t->pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->pages);
	t->memory = ferry_memory_create(&config, t, ferry_device_no_fault);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->memory);
	test->priv = t;
	return 0;
}

static void memory_exit(struct kunit *test)
{
	struct memory_test *t = test->priv;

	if (!t)
		return;
	ferry_memory_destroy(t->memory);
	kvfree(t->pages);
}

static unsigned long count_runs(struct page **pages, unsigned long n)
{
	unsigned long runs = 1, i;

	for (i = 1; i < n; i++)
		runs += page_to_pfn(pages[i]) != page_to_pfn(pages[i - 1]) + 1;
	return runs;
}

static void capacity_is_hard(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct page *one;

	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, &t->owner, TEST_PAGES + 100,
						 t->pages), TEST_PAGES);
	KUNIT_EXPECT_EQ(test, count_runs(t->pages, TEST_PAGES), t->memory->nchunks);
	KUNIT_EXPECT_EQ(test, ferry_memory_used(t->memory), TEST_PAGES);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, &t->owner, 1, &one), 0);
	ferry_memory_free(t->memory, t->pages + 5, 1);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, &t->owner, 2, &one), 1);
	KUNIT_EXPECT_PTR_EQ(test, one, t->pages[5]);
	ferry_memory_free(t->memory, t->pages, TEST_PAGES);
	KUNIT_EXPECT_EQ(test, ferry_memory_used(t->memory), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->owner.held), 0);
}

static void freed_runs_are_found_again(struct kunit *test)
{
	struct memory_test *t = test->priv;
	unsigned long n;

	n = ferry_memory_alloc(t->memory, &t->owner, TEST_PAGES, t->pages);
	ferry_memory_free(t->memory, t->pages + 100, 50);
	ferry_memory_free(t->memory, t->pages + 200, 50);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, &t->owner, 100,
						 t->pages + 100), 100);
	KUNIT_EXPECT_EQ(test, count_runs(t->pages + 100, 100), 2);
	/* The second half took the place of 200 to 249. */
	memcpy(t->pages + 200, t->pages + 150, 50 * sizeof(*t->pages));
	ferry_memory_free(t->memory, t->pages + 100, 50);
	ferry_memory_free(t->memory, t->pages + 200, 50);
	ferry_memory_free(t->memory, t->pages, 100);
	ferry_memory_free(t->memory, t->pages + 250, n - 250);
	KUNIT_EXPECT_EQ(test, ferry_memory_used(t->memory), 50);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->owner.held), 50);
	/* Pages 150 to 199 are left. The eviction finds them by owner. */
	while (atomic_long_read(&t->owner.held)) {
		unsigned long cursor = 0, pfn;

		n = ferry_memory_evict_begin(t->memory, &t->owner, &cursor, 512, &pfn);
		KUNIT_ASSERT_EQ(test, n, 50);
		t->pages[0] = pfn_to_page(pfn);
		ferry_memory_evict_end(t->memory, pfn, n);
		for (; n--; pfn++) {
			t->pages[0] = pfn_to_page(pfn);
			ferry_memory_free(t->memory, t->pages, 1);
		}
	}
}

static void pages_have_their_own_bytes(struct kunit *test)
{
	struct memory_test *t = test->priv;
	unsigned long n, i, wrong = 0;

	n = ferry_memory_alloc(t->memory, &t->owner, TEST_PAGES, t->pages);
	for (i = 0; i < n; i++)
		*(unsigned long *)ferry_memory_address(t->pages[i]) = i;
	for (i = 0; i < n; i++)
		wrong += *(unsigned long *)ferry_memory_address(t->pages[i]) != i;
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_TRUE(test, ferry_memory_owns(t->pages[0]));
	KUNIT_EXPECT_FALSE(test, ferry_memory_owns(virt_to_page(t->memory)));
	ferry_memory_free(t->memory, t->pages, n);
}

static void owners_are_told_apart(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct ferry_owner other = { 0 };
	unsigned long cursor = 0, pfn;

	ferry_memory_alloc(t->memory, &t->owner, 10, t->pages);
	ferry_memory_alloc(t->memory, &other, 10, t->pages + 10);
	ferry_memory_alloc(t->memory, &t->owner, 10, t->pages + 20);
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, &t->owner, &cursor, 512,
						       &pfn), 10);
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages[0]));
	ferry_memory_evict_end(t->memory, pfn, 10);
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, &t->owner, &cursor, 4,
						       &pfn), 4);
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages[20]));
	ferry_memory_evict_end(t->memory, pfn, 4);
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, &t->owner, &cursor, 512,
						       &pfn), 6);
	ferry_memory_evict_end(t->memory, pfn, 6);
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, &t->owner, &cursor, 512,
						       &pfn), 0);
	ferry_memory_free(t->memory, t->pages, 30);
}

/*
 * Two pages outside the owner's bounds name the owner as holder. The search
 * must not find them.
 */
static void looked_for_between_first_and_last(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct ferry_owner *owner = ferry_owner_create(t->memory, GLOBAL_ROOT_UID);
	unsigned long cursor = 0, pfn = 0, n;

	KUNIT_ASSERT_NOT_NULL(test, owner);
	n = ferry_memory_alloc(t->memory, &t->owner, FERRY_CHUNK_PAGES - 1, t->pages);
	ferry_memory_alloc(t->memory, owner, 2, t->pages + n);
	ferry_memory_alloc(t->memory, &t->owner, 1, t->pages + n + 2);
	atomic_long_set(&ferry_page_meta(t->pages[0])->holder, (long)owner);
	atomic_long_set(&ferry_page_meta(t->pages[n + 2])->holder, (long)owner);

	/* One of the owner's pages is in each chunk. */
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, owner, &cursor, 9, &pfn), 1);
	KUNIT_ASSERT_EQ(test, pfn, page_to_pfn(t->pages[n]));
	ferry_memory_evict_end(t->memory, pfn, 1);
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, owner, &cursor, 9, &pfn), 1);
	KUNIT_ASSERT_EQ(test, pfn, page_to_pfn(t->pages[n + 1]));
	ferry_memory_evict_end(t->memory, pfn, 1);
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, owner, &cursor, 9, &pfn), 0);

	atomic_long_set(&ferry_page_meta(t->pages[0])->holder, (long)&t->owner);
	atomic_long_set(&ferry_page_meta(t->pages[n + 2])->holder, (long)&t->owner);
	/* The owner holds no page now; the next hand-out sets new bounds. */
	ferry_memory_free(t->memory, t->pages + n, 2);
	ferry_memory_alloc(t->memory, owner, 3, t->pages + n + 3);
	KUNIT_EXPECT_EQ(test, owner->first, FERRY_CHUNK_PAGES + 2);
	KUNIT_EXPECT_EQ(test, owner->end, FERRY_CHUNK_PAGES + 5);
	ferry_memory_free(t->memory, t->pages, n);
	ferry_memory_free(t->memory, t->pages + n + 2, 4);
	ferry_memory_disown(t->memory, owner);
}

static void evicted_pages_are_not_handed_out(struct kunit *test)
{
	struct memory_test *t = test->priv;
	unsigned long cursor = 0, pfn, n;
	struct page *one;

	n = ferry_memory_alloc(t->memory, &t->owner, TEST_PAGES, t->pages);
	KUNIT_ASSERT_EQ(test, ferry_memory_evict_begin(t->memory, &t->owner, &cursor, 1,
						       &pfn), 1);
	ferry_memory_free(t->memory, t->pages, 1);
	KUNIT_EXPECT_EQ(test, ferry_memory_used(t->memory), n - 1);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, &t->owner, 1, &one), 0);
	ferry_memory_evict_end(t->memory, pfn, 1);
	KUNIT_EXPECT_EQ(test, ferry_memory_alloc(t->memory, &t->owner, 1, &one), 1);
	KUNIT_EXPECT_PTR_EQ(test, one, t->pages[0]);
	ferry_memory_free(t->memory, t->pages, n);
}

/*
 * Two evictions at a time: neither waits, and neither gets the pages of the
 * other.
 */
static void evictions_share_no_page(struct kunit *test)
{
	struct memory_test *t = test->priv;
	unsigned long a = 0, b = 0, pfn_a, pfn_b;

	ferry_memory_alloc(t->memory, &t->owner, 10, t->pages);
	KUNIT_ASSERT_EQ(test, ferry_memory_evict_begin(t->memory, &t->owner, &a, 4, &pfn_a), 4);
	KUNIT_ASSERT_EQ(test, ferry_memory_evict_begin(t->memory, NULL, &b, 512, &pfn_b), 6);
	KUNIT_EXPECT_EQ(test, pfn_b, pfn_a + 4);
	b = 0;
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, NULL, &b, 512, &pfn_a), 0);
	pfn_a = page_to_pfn(t->pages[0]);
	ferry_memory_evict_end(t->memory, pfn_a, 4);
	b = 0;
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_begin(t->memory, NULL, &b, 512, &pfn_a), 4);
	ferry_memory_evict_end(t->memory, pfn_a, 4);
	ferry_memory_evict_end(t->memory, pfn_b, 6);
	ferry_memory_free(t->memory, t->pages, 10);
}

/* The search finds pages of closed files only. */
static void orphans_are_found(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct ferry_owner *owner = ferry_owner_create(t->memory, GLOBAL_ROOT_UID);
	unsigned long cursor = 0, pfn;

	KUNIT_ASSERT_NOT_NULL(test, owner);
	ferry_memory_alloc(t->memory, &t->owner, 3, t->pages);
	ferry_memory_alloc(t->memory, owner, 2, t->pages + 3);
	KUNIT_EXPECT_EQ(test, ferry_memory_evict_orphans_begin(t->memory, &cursor, 512, &pfn),
			0);
	ferry_memory_disown(t->memory, owner);
	cursor = 0;
	KUNIT_ASSERT_EQ(test, ferry_memory_evict_orphans_begin(t->memory, &cursor, 512, &pfn),
			2);
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(t->pages[3]));
	/* The last page frees the owner. */
	ferry_memory_free(t->memory, t->pages + 3, 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->memory->norphaned), 0);
	ferry_memory_evict_end(t->memory, pfn, 2);
	ferry_memory_free(t->memory, t->pages, 3);
}

static void orphans_keep_the_module(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct ferry_owner *owner = ferry_owner_create(t->memory, GLOBAL_ROOT_UID);
	int refs = module_refcount(THIS_MODULE);

	KUNIT_ASSERT_NOT_NULL(test, owner);
	ferry_memory_alloc(t->memory, owner, 3, t->pages);
	KUNIT_EXPECT_EQ(test, ferry_owner_held(owner), 3);
	ferry_memory_disown(t->memory, owner);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&owner->held), 3);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->memory->norphaned), 1);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), refs + 1);
	ferry_memory_free(t->memory, t->pages, 2);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), refs + 1);
	ferry_memory_free(t->memory, t->pages + 2, 1);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), refs);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->memory->norphaned), 0);
	KUNIT_EXPECT_EQ(test, ferry_memory_used(t->memory), 0);
}

static void one_winner(struct kunit *test)
{
	struct memory_test *t = test->priv;

	ferry_memory_alloc(t->memory, &t->owner, 1, t->pages);
	KUNIT_EXPECT_TRUE(test, ferry_memory_fault_begin(t->pages[0]));
	KUNIT_EXPECT_FALSE(test, ferry_memory_fault_begin(t->pages[0]));
	ferry_memory_fault_end(t->pages[0], true, 3);
	KUNIT_EXPECT_TRUE(test, ferry_memory_fault_begin(t->pages[0]));
	ferry_memory_fault_end(t->pages[0], false, 0);
	KUNIT_EXPECT_EQ(test, t->owner.cpu_faults, 1);
	KUNIT_EXPECT_EQ(test, t->owner.cpu_faults_around, 3);
	KUNIT_EXPECT_EQ(test, t->owner.cpu_fault_races, 1);
	ferry_memory_free(t->memory, t->pages, 1);
}

/* @alone holds as long as the page is handed out, also for orphans. */
static void alone_is_kept(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct ferry_owner *alone = ferry_owner_create(t->memory, GLOBAL_ROOT_UID);

	KUNIT_ASSERT_NOT_NULL(test, alone);
	alone->alone = true;
	ferry_memory_alloc(t->memory, &t->owner, 1, t->pages);
	ferry_memory_alloc(t->memory, alone, 1, t->pages + 1);
	KUNIT_EXPECT_FALSE(test, ferry_memory_comes_alone(t->pages[0]));
	KUNIT_EXPECT_TRUE(test, ferry_memory_comes_alone(t->pages[1]));
	ferry_memory_disown(t->memory, alone);
	KUNIT_EXPECT_TRUE(test, ferry_memory_comes_alone(t->pages[1]));
	ferry_memory_free(t->memory, t->pages, 2);
}

/* A failure is for one allocation of one owner, which a page leads to. */
static void failure_is_taken_once(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct ferry_owner *other = ferry_owner_create(t->memory, GLOBAL_ROOT_UID);

	KUNIT_ASSERT_NOT_NULL(test, other);
	ferry_memory_alloc(t->memory, &t->owner, 1, t->pages);
	ferry_memory_alloc(t->memory, other, 1, t->pages + 1);
	KUNIT_EXPECT_FALSE(test, ferry_owner_take_failure(&t->owner));
	ferry_owner_fail_next(&t->owner);
	ferry_owner_fail_next(&t->owner);
	KUNIT_EXPECT_FALSE(test, ferry_owner_take_failure(other));
	KUNIT_EXPECT_FALSE(test, ferry_memory_take_failure(t->pages[1]));
	KUNIT_EXPECT_TRUE(test, ferry_memory_take_failure(t->pages[0]));
	KUNIT_EXPECT_FALSE(test, ferry_owner_take_failure(&t->owner));
	ferry_owner_fail_next(&t->owner);
	KUNIT_EXPECT_TRUE(test, ferry_owner_take_failure(&t->owner));
	ferry_memory_free(t->memory, t->pages, 2);
	ferry_memory_disown(t->memory, other);
}

/*
 * The last put of a live page gives the page back, and clears the flags of its
 * use.
 */
static void last_put_gives_back(struct kunit *test)
{
	struct memory_test *t = test->priv;
	struct folio *folio;

	ferry_memory_alloc(t->memory, &t->owner, 1, t->pages);
	ferry_zone_device_page_init(t->pages[0]);
	folio = page_folio(t->pages[0]);
	folio_set_dirty(folio);
	folio_set_swapbacked(folio);
	folio_set_referenced(folio);
	folio_unlock(folio);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, ferry_memory_used(t->memory), 0);
	KUNIT_EXPECT_FALSE(test, folio_test_dirty(folio));
	KUNIT_EXPECT_FALSE(test, folio_test_swapbacked(folio));
	KUNIT_EXPECT_FALSE(test, folio_test_referenced(folio));
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(capacity_is_hard),
	KUNIT_CASE(freed_runs_are_found_again),
	KUNIT_CASE(pages_have_their_own_bytes),
	KUNIT_CASE(owners_are_told_apart),
	KUNIT_CASE(looked_for_between_first_and_last),
	KUNIT_CASE(evicted_pages_are_not_handed_out),
	KUNIT_CASE(evictions_share_no_page),
	KUNIT_CASE(orphans_are_found),
	KUNIT_CASE(orphans_keep_the_module),
	KUNIT_CASE(one_winner),
	KUNIT_CASE(alone_is_kept),
	KUNIT_CASE(failure_is_taken_once),
	KUNIT_CASE(last_put_gives_back),
	{}
};

static struct kunit_suite memory_suite = {
	.name = "ferry_memory",
	.init = memory_init,
	.exit = memory_exit,
	.test_cases = memory_cases,
};

kunit_test_suite(memory_suite);
