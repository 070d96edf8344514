// SPDX-License-Identifier: MIT
/*
 * A parent and a child share pages. The test holds the parent's migration or
 * CPU fault at the engine's points, and the child changes its mappings of the
 * pages: the child has an mmap_lock of its own.
 *
 * Broken engines that fail here:
 * - An rmap walk misses an entry that was copied or moved during the hold: the
 *   child meets an entry of a freed page.
 * - An rmap walk takes another page's entry for an entry of the migration.
 * - A page, an anon_vma or a reference is used after the last process has
 *   dropped it.
 * - A write of the child reaches the parent.
 *
 * Shows: I8, I23, CPU fault, fork
 * Guest: races
 */
#include "race_child.h"

FIXTURE(other_mm) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *seen;
	struct child child;
	struct held held;
	size_t n;
};

FIXTURE_VARIANT(other_mm) {
	struct race race;
};

RACE_VARIANT(other_mm, private_out_before_flush, 0, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(other_mm, private_out_after_setup, 0, TO_DEVICE, AFTER_SETUP);
RACE_VARIANT(other_mm, private_out_after_copy, 0, TO_DEVICE, AFTER_COPY);
RACE_VARIANT(other_mm, private_out_before_finalize, 0, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(other_mm, private_home_after_setup, 0, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(other_mm, private_home_before_finalize, 0, TO_SYSTEM, BEFORE_FINALIZE);
RACE_VARIANT(other_mm, touch_cpu_fault, 0, TOUCH, CPU_FAULT);
RACE_VARIANT(other_mm, touch_after_setup, 0, TOUCH, AFTER_SETUP);
RACE_VARIANT(other_mm, touch_before_finalize, 0, TOUCH, BEFORE_FINALIZE);
RACE_VARIANT(other_mm, coherent_out_before_flush, 2, TO_DEVICE, BEFORE_FLUSH);
RACE_VARIANT(other_mm, coherent_out_before_finalize, 2, TO_DEVICE, BEFORE_FINALIZE);
RACE_VARIANT(other_mm, coherent_home_before_flush, 2, TO_SYSTEM, BEFORE_FLUSH);
RACE_VARIANT(other_mm, coherent_home_after_setup, 2, TO_SYSTEM, AFTER_SETUP);
RACE_VARIANT(other_mm, coherent_home_before_finalize, 2, TO_SYSTEM, BEFORE_FINALIZE);

FIXTURE_SETUP(other_mm)
{
	if (!can_be_held(&variant->race))
		SKIP(return, "backend=core cannot be held");
	self->n = PAGES * page_size();
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->race.device);
	self->seen = test_map(self->n);
	self->memory = _test_map_aligned(PMD_SIZE);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill_pattern(self->memory, self->n, 1);
	if (variant->race.how != TO_DEVICE)
		test_to_device(self->ferry, self->memory, self->n);
	self->child = (struct child) {
		.memory = self->memory,
		.spare = _test_map_aligned(PMD_SIZE),
		.device = variant->race.device + 1,
	};
}

FIXTURE_TEARDOWN(other_mm)
{
	control_off();
	ferry_close(self->ferry);
}

#define RACE_WITH(op)							\
	TEST_F(other_mm, op)						\
	{								\
		ASSERT_EQ(_test_child(&self->child, &op_##op, NULL, NULL), 0); \
		test_hold_memory(); \
		ASSERT_EQ(_test_child_during(&self->child, variant->race.point), 0); \
		test_let_go(&self->held);				\
		test_all_moved(&self->held);				\
									\
		ASSERT_EQ(ferry_read(self->ferry, self->memory, self->n, self->seen, NULL), 0); \
		test_pattern(self->seen, self->n, 1);			\
		ASSERT_EQ(_test_child_after(&self->child), 0);		\
		test_pattern(self->memory, self->n, 1);			\
		fill_pattern(self->memory, self->n, 3);			\
		test_pattern(self->memory, self->n, 3);			\
		ASSERT_EQ(munmap(self->memory, PMD_SIZE), 0);		\
		test_used(self->ferry, 0);				\
	}

RACE_WITH(mprotect)
RACE_WITH(munmap)
RACE_WITH(exit)
RACE_WITH(fork)
RACE_WITH(mremap)
RACE_WITH(dontneed)
RACE_WITH(migrate)
RACE_WITH(collapse)
RACE_WITH(write)

TEST_HARNESS_MAIN
