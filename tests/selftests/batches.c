// SPDX-License-Identifier: MIT
/*
 * MIGRATE hands a range to the engine in batches of 2,048 pages
 * (FERRY_BATCH_PAGES). The tests catch these errors at the ends of a batch:
 * - the last page of a batch, or the first page of the next batch, is left out
 *   or moved twice;
 * - an outcome is reported at the wrong place;
 * - device memory is not given back.
 *
 * Shows: I20, MIGRATE
 * Guest: engine
 */
#include "migrate.h"

#define BATCH 2048
#define GUARD 0xee

FIXTURE(batches) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *outcomes;
	size_t n;
};

FIXTURE_VARIANT(batches) {
	unsigned int backend;
	size_t npages;
	size_t before;
};

#define BATCH_VARIANT(name, backend_, npages_, before_)			\
	FIXTURE_VARIANT_ADD(batches, name) {				\
		.backend = backend_,					\
		.npages = npages_, .before = before_			\
	}

BATCH_VARIANT(own_one, OWN, 1, 0);
BATCH_VARIANT(own_one_less, OWN, BATCH - 1, 1);
BATCH_VARIANT(own_even, OWN, BATCH, 0);
BATCH_VARIANT(own_not_aligned, OWN, BATCH, 511);
BATCH_VARIANT(own_one_more, OWN, BATCH + 1, 17);
BATCH_VARIANT(own_three, OWN, 2 * BATCH + 5, 300);
BATCH_VARIANT(core_one_more, CORE, BATCH + 1, 17);
BATCH_VARIANT(core_three, CORE, 2 * BATCH + 5, 300);

FIXTURE_SETUP(batches)
{
	size_t all = variant->npages + variant->before + BATCH;
	uint8_t *area = test_map(all * page_size());

	self->ferry = test_open(0);
	self->n = variant->npages * page_size();
	self->outcomes = test_map(variant->npages + 2);
	/* The range begins @before pages into a page table. */
	area = (uint8_t *)((ptr(area) + PMD_SIZE - 1) & ~(PMD_SIZE - 1));
	self->memory = area + variant->before * page_size();
}

FIXTURE_TEARDOWN(batches)
{
	ferry_close(self->ferry);
}

/* Write a word at both ends of each page. */
static void stamp(uint8_t *memory, size_t npages, uint32_t seed)
{
	uint32_t *word;
	size_t i;

	for (i = 0; i < npages; i++) {
		word = (uint32_t *)(memory + i * page_size());
		word[0] = seed + i;
		word[page_size() / sizeof(*word) - 1] = ~(seed + i);
	}
}

static size_t find_wrong(const uint8_t *memory, size_t npages, uint32_t seed)
{
	const uint32_t *word;
	size_t i;

	for (i = 0; i < npages; i++) {
		word = (const uint32_t *)(memory + i * page_size());
		if (word[0] != seed + i || word[1] ||
		    word[page_size() / sizeof(*word) - 1] != ~(uint32_t)(seed + i))
			break;
	}
	return i;
}

#define test_go(target_)						\
	do {								\
		struct drm_ferry_migrate __done;			\
		size_t __i;						\
									\
		memset(self->outcomes, GUARD, variant->npages + 2);	\
		__done = test_engine(self->ferry, variant->backend, self->memory, self->n, \
					target_, self->outcomes + 1);	\
		ASSERT_EQ(__done.moved, variant->npages);		\
		ASSERT_EQ(__done.failed, 0);				\
		ASSERT_EQ(self->outcomes[0], GUARD);			\
		ASSERT_EQ(self->outcomes[variant->npages + 1], GUARD);	\
		for (__i = 1; __i <= variant->npages; __i++) {		\
			ASSERT_EQ(self->outcomes[__i], DRM_FERRY_MOVED); \
		}							\
	} while (0)

TEST_F_TIMEOUT(batches, there_and_back, 60)
{
	stamp(self->memory, variant->npages, 1);
	test_go(TO_DEVICE);
	test_used(self->ferry, variant->npages);
	test_where(self->ferry, self->memory, DRM_FERRY_PAGE_THIS_DEVICE);
	test_where(self->ferry, self->memory + self->n - page_size(),
		   DRM_FERRY_PAGE_THIS_DEVICE);
	test_go(TO_SYSTEM);
	test_used(self->ferry, 0);
	ASSERT_EQ(find_wrong(self->memory, variant->npages, 1), variant->npages);
}

TEST_HARNESS_MAIN
