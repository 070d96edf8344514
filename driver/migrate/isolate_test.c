// SPDX-License-Identifier: GPL-2.0-only
/* Pages are off the LRU lists during a migration, and only then. */
#include <linux/mman.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "mm_internal.h"
#include "kunit.h"

/* More pages than two runs under one lruvec lock. */
#define MANY	150
#define SYSTEM	MIGRATE_VMA_SELECT_SYSTEM

static unsigned long count_on_lru(struct ferry_kunit *t)
{
	unsigned long slot, n = 0;

	for (slot = 0; slot < t->npages; slot++)
		n += folio_test_lru(page_folio(ferry_kunit_page(t, slot)));
	return n;
}

/*
 * The lists are shorter during the migration, and as long as before afterwards,
 * for pages that moved and pages that stayed.
 */
static void off_the_lists_meanwhile(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, MANY);
	struct ferry_kunit_memory before, now;
	unsigned long slot, on_lru = 0;

	ferry_kunit_write(t, 0, MANY);
	ferry_kunit_memory(t, &before);
	KUNIT_ASSERT_EQ(test, count_on_lru(t), MANY);

	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	for (slot = 0; slot < MANY; slot++)
		on_lru += folio_test_lru(page_folio(migrate_pfn_to_page(t->src[slot])));
	KUNIT_EXPECT_EQ(test, on_lru, 0);
	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(now.lru, before.lru - MANY));
	for (slot = 0; slot < MANY; slot += 2)
		ferry_kunit_offer(t, slot);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);

	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), MANY / 2);
	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(now.lru, before.lru));
	KUNIT_EXPECT_EQ(test, count_on_lru(t), MANY);
}

static void isolate_second(struct ferry_kunit *t)
{
	struct page *page = migrate_pfn_to_page(t->src[1]);

	KUNIT_EXPECT_TRUE(t->test, folio_isolate_lru(page_folio(page)));
	t->on_collected = NULL;
}

/*
 * Compaction or reclaim isolates a page after collect.c has seen PG_lru, and
 * before isolate.c takes the page.
 */
static void somebody_was_faster(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct page *page;

	ferry_kunit_write(t, 0, 3);
	ferry_kunit_watch(t);
	t->on_collected = isolate_second;
	page = ferry_kunit_page(t, 1);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[0], FERRY_MOVED);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_NOT_LRU);
	KUNIT_EXPECT_EQ(test, t->outcome[2], FERRY_MOVED);
	KUNIT_EXPECT_PTR_EQ(test, ferry_kunit_page(t, 1), page);
	/*
	 * The page belongs to the other isolation: the engine puts it on no
	 * list.
	 */
	lru_add_drain_all();
	KUNIT_EXPECT_FALSE(test, folio_test_lru(page_folio(page)));
	folio_putback_lru(page_folio(page));
	lru_add_drain_all();
	KUNIT_EXPECT_TRUE(test, folio_test_lru(page_folio(page)));
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

/* The folio that is off the LRU list for one pass. */
static struct folio *taken;

static void put_back_taken(struct ferry_kunit *t)
{
	folio_putback_lru(taken);
	t->on_collected = NULL;
}

static void take_second(struct ferry_kunit *t)
{
	taken = page_folio(migrate_pfn_to_page(t->src[1]));
	KUNIT_EXPECT_TRUE(t->test, folio_isolate_lru(taken));
	t->on_collected = put_back_taken;
}

/*
 * The first pass drains for an extra reference alone. Then a page leaves the
 * LRU list. A second drain follows, and the page moves.
 */
static void off_its_list_after_a_drain(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 3);
	struct page *page;

	ferry_kunit_write(t, 0, 3);
	lru_add_drain_all();
	ferry_kunit_watch(t);
	t->on_collected = take_second;
	page = ferry_kunit_page(t, 0);
	get_page(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, t->outcome[0], FERRY_PINNED);
	KUNIT_EXPECT_EQ(test, t->outcome[1], FERRY_MOVED);
	KUNIT_EXPECT_EQ(test, t->outcome[2], FERRY_MOVED);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.drains, 2);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.passes, 3);
	put_page(page);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, 3), 0);
}

static void write_on(struct ferry_kunit *t, int cpu, unsigned long slot)
{
	KUNIT_EXPECT_EQ(t->test, set_cpus_allowed_ptr(current, cpumask_of(cpu)), 0);
	KUNIT_EXPECT_EQ(t->test, 0, put_user(ferry_kunit_word(slot),
					     (u64 __user *)ferry_kunit_addr(t, slot)));
}

/*
 * I12: pages wait in the LRU batches of all CPUs. One drain, and all pages
 * move.
 */
static void other_cpus_batches(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 2 * num_online_cpus());
	unsigned int others = num_online_cpus() > 1;
	unsigned long slot = 0;
	int cpu, here;

	lru_add_drain_all();
	here = cpumask_first(cpu_online_mask);
	for_each_online_cpu(cpu) {
		write_on(t, cpu, slot++);
		write_on(t, cpu, slot++);
	}
	KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(here)), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_migrate(t, SYSTEM), 0);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), t->npages);
	KUNIT_EXPECT_LE(test, t->migrate.counts.drains, others);
	KUNIT_EXPECT_EQ(test, t->migrate.counts.passes, 1 + t->migrate.counts.drains);
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, t->npages), 0);
}

/* I22: mlocked pages stay mlocked, and stay on the unevictable list. */
static void mlocked(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, 4);
	struct ferry_kunit_memory before, now;
	struct folio *folio;
	unsigned long slot;

	KUNIT_ASSERT_EQ(test, t->start,
			vm_mmap(NULL, t->start, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED | MAP_LOCKED, 0));
	ferry_kunit_write(t, 0, 4);
	ferry_kunit_memory(t, &before);
	KUNIT_EXPECT_GE(test, before.mlocked, 4);
	KUNIT_EXPECT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	for (slot = 0; slot < 2; slot++)
		ferry_kunit_offer(t, slot);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), 2);
	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_EQ(test, now.mlocked, before.mlocked);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(now.lru, before.lru));
	for (slot = 0; slot < 4; slot++) {
		folio = page_folio(ferry_kunit_page(t, slot));
		KUNIT_EXPECT_TRUE_MSG(test, folio_test_mlocked(folio), "slot %lu", slot);
		KUNIT_EXPECT_TRUE_MSG(test, folio_test_unevictable(folio), "slot %lu", slot);
		KUNIT_EXPECT_TRUE_MSG(test, folio_test_lru(folio), "slot %lu", slot);
	}
}

/*
 * munlock() left pages unevictable while the pages were off the LRU lists. The
 * engine puts back unevictable pages through the CPU's batch, and other pages
 * directly on the list, under the lruvec lock. Between other pages the test
 * puts more unevictable pages than a batch holds.
 */
static void stranded_among_others(struct kunit *test)
{
	struct ferry_kunit *t = ferry_kunit_create(test, 0, MANY);
	struct ferry_kunit_memory before, now;
	struct folio *folio;
	unsigned long slot;

	ferry_kunit_write(t, 0, MANY);
	ferry_kunit_memory(t, &before);
	KUNIT_ASSERT_EQ(test, ferry_kunit_setup(t, SYSTEM), 0);
	for (slot = 0; slot < MANY; slot++)
		if (slot % 4)
			folio_set_unevictable(page_folio(migrate_pfn_to_page(t->src[slot])));
	for (slot = 0; slot < MANY; slot += 2)
		ferry_kunit_offer(t, slot);
	ferry_kunit_pages(t);
	ferry_kunit_finalize(t);
	lru_add_drain_all();

	KUNIT_EXPECT_EQ(test, ferry_kunit_count(t, FERRY_MOVED), MANY / 2);
	KUNIT_EXPECT_EQ(test, count_on_lru(t), MANY);
	ferry_kunit_memory(t, &now);
	KUNIT_EXPECT_TRUE(test, ferry_kunit_near(now.lru, before.lru));
	for (slot = 0; slot < MANY; slot++) {
		folio = page_folio(ferry_kunit_page(t, slot));
		KUNIT_EXPECT_FALSE(test, folio_test_unevictable(folio));
	}
	KUNIT_EXPECT_EQ(test, ferry_kunit_wrong(t, 0, MANY), 0);
}

static struct kunit_case isolate_cases[] = {
	KUNIT_CASE(off_the_lists_meanwhile),
	KUNIT_CASE(somebody_was_faster),
	KUNIT_CASE(off_its_list_after_a_drain),
	KUNIT_CASE(other_cpus_batches),
	KUNIT_CASE(mlocked),
	KUNIT_CASE(stranded_among_others),
	{}
};

static struct kunit_suite isolate_suite = {
	.name = "ferry_isolate",
	.test_cases = isolate_cases,
};

kunit_test_suite(isolate_suite);
