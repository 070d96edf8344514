// SPDX-License-Identifier: MIT
/*
 * Accesses of the device: each allocation fails in turn (fail_nth.h). The accesses
 * allocate windows of the device's page table, the CPU's page tables and pages,
 * and destinations of pages that return first.
 *
 * A fault path that goes on without an allocation writes the wrong page, or
 * writes no page and reports success.
 *
 * Shows: READ, WRITE, allocation failure
 * Guest: debug-engine
 */
#include "fail_nth.h"

/* Pages in system memory, holes, pages on the device. */
static void prepare_mixed(struct __test_metadata *_metadata, struct _test_data_sweep *self)
{
	prepare_memory(_metadata, self);
	test_engine_moves(self->ferry, self->engine, self->memory, 4 * page_size(),
			  TO_DEVICE);
	fill_pattern(self->data, self->n, 2);
}

static bool is_told(int ret, bool whole)
{
	return !ret || (!whole && (ret == -ENOMEM || ret == -EFAULT));
}

static int run_read(struct _test_data_sweep *self)
{
	return ferry_read(self->ferry, self->memory, self->n, self->data, NULL);
}

static void check_read(struct __test_metadata *_metadata, struct _test_data_sweep *self,
		       int ret, bool whole)
{
	ASSERT_TRUE(is_told(ret, whole)) TH_LOG("%s", strerror(-ret));
	ASSERT_TRUE(ret || is_intact(self->data));
	ASSERT_EQ(run_read(self), 0);
	ASSERT_TRUE(is_intact(self->data));
	ASSERT_TRUE(is_intact(self->memory));
}

TEST_F_TIMEOUT(sweep, device_reads, 200)
{
	static const struct chain chain = { prepare_mixed, run_read, check_read, 6 };

	test_chain(_metadata, self, &chain);
}

static int run_write(struct _test_data_sweep *self)
{
	return ferry_write(self->ferry, self->memory, self->n, self->data, NULL);
}

/* Part of the range may be written; no byte may be wrong. */
static void check_written(struct __test_metadata *_metadata, struct _test_data_sweep *self,
			  int ret, bool whole)
{
	size_t full = FULL * page_size(), i;

	ASSERT_TRUE(is_told(ret, whole)) TH_LOG("%s", strerror(-ret));
	for (i = 0; i < self->n; i++)
		if (self->memory[i] != pattern(i, 2) &&
		    (!ret || self->memory[i] != (i < full ? pattern(i, 1) : 0)))
			break;
	ASSERT_EQ(i, self->n);
	ASSERT_EQ(run_write(self), 0);
	test_pattern(self->memory, self->n, 2);
}

TEST_F_TIMEOUT(sweep, device_writes, 200)
{
	static const struct chain chain = { prepare_mixed, run_write, check_written, 6 };

	test_chain(_metadata, self, &chain);
}

TEST_HARNESS_MAIN
