// SPDX-License-Identifier: MIT
/*
 * Programs that are older or newer than the library. The Makefile builds this
 * source three times:
 * - with the headers of today;
 * - with an older ferry_drm.h, whose structs are shorter;
 * - with a newer ferry_drm.h, whose structs are longer (LATER).
 *
 * The last two programs run on the shared library, as programs of another
 * release do.
 *
 * Before ferry 0.2 the library used its own sizes and wrote behind the structs
 * of an older program.
 *
 * Shows: libferry
 * Guest: selftests
 * Also: library_sizes_new, library_sizes_old
 */
#include "ferry_test.h"

#define GUARD 64
#define FILLER 0xa5

#ifdef LATER
#define test_later(what)							\
	test_zero((what)->later, sizeof((what)->later))
#else
#define test_later(what) ((void)(what))
#endif

/* A struct as on a stack: other data begins at the end of the struct. */
#define guarded(type)								\
	struct {								\
		struct type it;							\
		uint8_t guard[GUARD];						\
	}

#define test_guard(guarded)							\
	do {									\
		size_t __i;							\
		for (__i = 0; __i < GUARD; __i++)				\
			ASSERT_EQ((guarded).guard[__i], FILLER);		\
	} while (0)

FIXTURE(library_sizes) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_SETUP(library_sizes)
{
	self->ferry = test_open(0);
	self->n = 8 * page_size();
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(library_sizes)
{
	ferry_close(self->ferry);
}

TEST_F(library_sizes, query)
{
	guarded(drm_ferry_query) query;

	memset(&query, FILLER, sizeof(query));
	ASSERT_EQ(ferry_query(self->ferry, &query.it, sizeof(query.it)), 0);
	test_guard(query);
	test_later(&query.it);
	ASSERT_GE(query.it.abi_version, 2);
	ASSERT_EQ(query.it.page_size, page_size());
	ASSERT_EQ(query.it.index, 0);
}

TEST_F(library_sizes, stats)
{
	guarded(drm_ferry_stats) stats;

	test_to_device(self->ferry, self->memory, self->n);
	memset(&stats, FILLER, sizeof(stats));
	ASSERT_EQ(ferry_stats(self->ferry, &stats.it, sizeof(stats.it)), 0);
	test_guard(stats);
	test_later(&stats.it);
	ASSERT_EQ(stats.it.to_device, 8);
	ASSERT_EQ(stats.it.pages_held, 8);
}

TEST_F(library_sizes, migrate_raw)
{
	guarded(drm_ferry_migrate) request;

	memset(&request, FILLER, sizeof(request));
	request.it = (struct drm_ferry_migrate) { .addr = ptr(self->memory), .len = self->n };
	ASSERT_EQ(ferry_migrate_raw(self->ferry, &request.it, sizeof(request.it)), 0);
	test_guard(request);
	test_later(&request.it);
	ASSERT_EQ(request.it.done, self->n);
	ASSERT_EQ(request.it.moved, 8);
#ifdef LATER
	/* The kernel refuses a field that is unknown and not zero. */
	request.it.later[3] = 1;
	ASSERT_EQ(ferry_migrate_raw(self->ferry, &request.it, sizeof(request.it)), -E2BIG);
	test_guard(request);
#endif
}

/* The second operation is at the caller's stride. */
TEST_F(library_sizes, exec)
{
	struct {
		struct drm_ferry_exec_op it[3];
		uint8_t guard[GUARD];
	} ops;
	uint32_t done = 7, failed = 7, *words = (uint32_t *)self->memory;
	size_t half = self->n / 2;

	memset(&ops, FILLER, sizeof(ops));
	ops.it[0] = (struct drm_ferry_exec_op) {
		.op = DRM_FERRY_OP_FILL, .addr = ptr(words), .len = half, .value = 3 };
	ops.it[1] = (struct drm_ferry_exec_op) {
		.op = DRM_FERRY_OP_COPY, .addr = ptr(words) + half, .len = half,
		.src = ptr(words) };
	ops.it[2] = (struct drm_ferry_exec_op) {
		.op = DRM_FERRY_OP_CHECKSUM, .addr = ptr(words), .len = self->n };
	ASSERT_EQ(ferry_exec(self->ferry, ops.it, sizeof(ops.it[0]), 3, &done, &failed), 0);
	test_guard(ops);
	ASSERT_EQ(done, 3);
	ASSERT_EQ(failed, DRM_FERRY_NO_OP);
	ASSERT_EQ(words[0], 3);
	ASSERT_EQ(words[self->n / sizeof(*words) - 1], 3);
	ASSERT_NE(ops.it[2].value, 0);

	ops.it[1].addr = ptr(words) + 1;
	ops.it[1].op = DRM_FERRY_OP_FILL;
	ops.it[1].src = 0;
	ops.it[2].value = 0;
	ASSERT_EQ(ferry_exec(self->ferry, ops.it, sizeof(ops.it[0]), 3, &done, &failed),
		  -EINVAL);
	ASSERT_EQ(failed, 1);
	ASSERT_EQ(done, 0);
	test_guard(ops);
}

TEST_F(library_sizes, no_size)
{
	guarded(drm_ferry_stats) stats;
	static const size_t sizes[] = { 0, 1 << 14, SIZE_MAX };
	size_t i;

	memset(&stats, FILLER, sizeof(stats));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(ferry_stats(self->ferry, &stats.it, sizes[i]), -EINVAL);
		ASSERT_EQ(ferry_query(self->ferry, (void *)&stats.it, sizes[i]), -EINVAL);
		ASSERT_EQ(ferry_migrate_raw(self->ferry, (void *)&stats.it, sizes[i]), -EINVAL);
		ASSERT_EQ(stats.it.to_device, 0xa5a5a5a5a5a5a5a5);
		test_guard(stats);
	}
}

TEST_HARNESS_MAIN
