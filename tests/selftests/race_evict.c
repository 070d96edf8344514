// SPDX-License-Identifier: MIT
/*
 * Pages move to system memory by pfn, because their file is closed or the
 * device's memory is released (RELEASE). The test holds the eviction, and the
 * process that maps the pages changes its mappings. An eviction holds no
 * mmap_lock.
 *
 * Broken engines that fail here:
 * - The anon_vma of the last process that maps the pages is used after the
 *   process exits (I18; visible to KASAN, --kernel debug).
 * - The eviction misses entries that are moved, copied or dropped during the
 *   hold.
 * - A page is lost, or stays on the device, because its entry has disappeared.
 *
 * Shows: I18, RELEASE, close
 * Guest: races, debug-engine
 */
#include "dmirror.h"
#include "race_child.h"

FIXTURE(evict) {
	struct ferry *ferry;
	struct ferry *other;
	uint8_t *memory;
	struct child child;
	size_t n;
	int dmirror;
	int ret;
	pthread_t thread;
};

FIXTURE_VARIANT(evict) {
	unsigned int device;
	const char *point;
	bool release;
	bool shared;
};

#define EVICT_VARIANT(name, device_, point_, release_, shared_)		\
	FIXTURE_VARIANT_ADD(evict, name) {				\
		.device = device_, .point = point_,			\
		.release = release_, .shared = shared_			\
	}

EVICT_VARIANT(private_close_after_setup, 0, AFTER_SETUP, false, false);
EVICT_VARIANT(private_close_after_copy, 0, AFTER_COPY, false, false);
EVICT_VARIANT(private_close_before_finalize, 0, BEFORE_FINALIZE, false, false);
EVICT_VARIANT(private_shared_after_setup, 0, AFTER_SETUP, false, true);
EVICT_VARIANT(private_shared_before_finalize, 0, BEFORE_FINALIZE, false, true);
EVICT_VARIANT(private_release_after_setup, 0, AFTER_SETUP, true, false);
EVICT_VARIANT(private_release_before_finalize, 0, BEFORE_FINALIZE, true, false);
EVICT_VARIANT(coherent_close_after_setup, 2, AFTER_SETUP, false, false);
EVICT_VARIANT(coherent_close_after_copy, 2, AFTER_COPY, false, false);
EVICT_VARIANT(coherent_close_before_finalize, 2, BEFORE_FINALIZE, false, false);
EVICT_VARIANT(coherent_shared_after_setup, 2, AFTER_SETUP, false, true);
EVICT_VARIANT(coherent_shared_before_finalize, 2, BEFORE_FINALIZE, false, true);
EVICT_VARIANT(coherent_release_after_setup, 2, AFTER_SETUP, true, false);
EVICT_VARIANT(coherent_release_before_finalize, 2, BEFORE_FINALIZE, true, false);

FIXTURE_SETUP(evict)
{
	if (!default_is_own())
		SKIP(return, "backend=core cannot be held");
	self->n = PAGES * page_size();
	ASSERT_EQ(control_on(), 0);
	self->ferry = test_open(variant->device);
	self->other = test_open(variant->device);
	self->dmirror = test_dmirror_open(variant->device);
	self->memory = _test_map_aligned(PMD_SIZE);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill_pattern(self->memory, self->n, 1);
	test_to_device(self->ferry, self->memory, self->n);
	self->child = (struct child) {
		.memory = self->memory,
		.spare = _test_map_aligned(PMD_SIZE),
		.device = variant->device + 1,
	};
}

FIXTURE_TEARDOWN(evict)
{
	control_off();
	ferry_close(self->ferry);
	ferry_close(self->other);
	close(self->dmirror);
}

/* In the child: the file is released with its last descriptor. */
static void close_ferry(void *arg)
{
	ferry_close(arg);
}

static void *run_close(void *arg)
{
	struct _test_data_evict *self = arg;
	struct ferry *ferry = self->ferry;

	self->ferry = NULL;
	ferry_close(ferry);
	return NULL;
}

static void *run_release(void *arg)
{
	struct _test_data_evict *self = arg;
	struct hmm_dmirror_cmd cmd;

	self->ret = _test_cmd(self->dmirror, HMM_DMIRROR_RELEASE, self->child.spare, NULL, 1,
			      &cmd);
	return NULL;
}

#define test_child(op)							\
	ASSERT_EQ(_test_child(&self->child, op, close_ferry, self->ferry), 0)

/* The whole race. In the end no page may be left on the device. */
#define RACE_WITH(op)							\
	TEST_F(evict, op)						\
	{								\
		test_child(&op_##op);					\
		if (!variant->shared) {					\
			ASSERT_EQ(munmap(self->memory, PMD_SIZE), 0);	\
		}							\
		ASSERT_EQ(control_arm(variant->point), 0);		\
		ASSERT_EQ(pthread_create(&self->thread, NULL, variant->release ? \
					 run_release : run_close, self), 0); \
		ASSERT_EQ(control_wait(variant->point), 0);		\
		ASSERT_EQ(_test_child_during(&self->child, variant->point), 0); \
		ASSERT_EQ(control_release(variant->point), 0);		\
		pthread_join(self->thread, NULL);			\
		ASSERT_EQ(self->ret, 0);				\
									\
		test_used(self->other, 0);				\
		ASSERT_EQ(_test_child_after(&self->child), 0);		\
		if (variant->shared)					\
			test_pattern(self->memory, self->n, 1);		\
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

/*
 * The child is held in a CPU fault: only the faulting page stays on the device
 * until the child goes on.
 */
FIXTURE(fault) {
	struct ferry *ferry;
	struct ferry *other;
	uint8_t *memory;
	struct child child;
	size_t n;
};

FIXTURE_SETUP(fault)
{
	if (!default_is_own())
		SKIP(return, "backend=core brings its pages home another way");
	self->n = PAGES * page_size();
	ASSERT_EQ(control_on(), 0);
	/* Points hold any process: the child, not only this process. */
	ASSERT_EQ(control_set("tgid", 0), 0);
	self->ferry = test_open(0);
	self->other = test_open(0);
	self->memory = _test_map_aligned(PMD_SIZE);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill_pattern(self->memory, self->n, 1);
	test_to_device(self->ferry, self->memory, self->n);
	self->child = (struct child) { .memory = self->memory, .device = 1 };
}

FIXTURE_TEARDOWN(fault)
{
	control_off();
	ferry_close(self->other);
}

TEST_F(fault, closed_meanwhile)
{
	test_child(&op_write);
	ASSERT_EQ(munmap(self->memory, PMD_SIZE), 0);
	ASSERT_EQ(control_arm(CPU_FAULT), 0);
	ASSERT_EQ(_test_child_during(&self->child, CPU_FAULT), 0);
	ASSERT_EQ(control_wait(CPU_FAULT), 0);
	ferry_close(self->ferry);
	test_used(self->other, 1);
	ASSERT_EQ(control_release(CPU_FAULT), 0);
	ASSERT_EQ(_test_child_after(&self->child), 0);
	test_used(self->other, 0);
}

TEST_HARNESS_MAIN
