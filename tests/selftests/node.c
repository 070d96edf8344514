// SPDX-License-Identifier: MIT
/*
 * MIGRATE to a NUMA node: the pages of a range, from the other node and from the
 * device, are on the node afterwards, with their data and every mark of their
 * entries. What move_pages(2) leaves stays too.
 *
 * A page that is mapped more than once moves only for a caller with
 * CAP_SYS_NICE: another process would pay for the move.
 *
 * The test needs two nodes: vm/guest --numa 2.
 *
 * Shows: I1, I5, I6, I8, I10, I13, NUMA
 * Guest: numa, debug-numa
 */
#include "memcg.h"
#include "migrate.h"
#include "numa_nodes.h"
#include "page_refs.h"
#include "page_users.h"
#include "pagemap.h"
#include "swap.h"
#include "uffd.h"

#define PAGES 64
#define TO_NODE DRM_FERRY_TARGET_NODE
#define ROUNDS 100

FIXTURE(node) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t outcomes[PAGES];
	struct ferry_counts counts;
	size_t n;
};

FIXTURE_VARIANT(node) {
	unsigned int device;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(node, preferred) { .device = 0, .flags = 0 };
FIXTURE_VARIANT_ADD(node, strict) { .device = 0, .flags = DRM_FERRY_MIGRATE_STRICT };
FIXTURE_VARIANT_ADD(node, coherent) { .device = 2, .flags = 0 };

FIXTURE_SETUP(node)
{
	struct drm_ferry_query query;

	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "one node");
	self->ferry = test_open(variant->device);
	ASSERT_EQ(ferry_query(self->ferry, &query, sizeof(query)), 0);
	ASSERT_TRUE(query.features & DRM_FERRY_FEATURE_NODE);
	self->n = PAGES * page_size();
	ASSERT_EQ(run_on_cpu(0), 0);
	self->memory = test_map_pattern(self->n, 1);
	ASSERT_EQ(count_on_node(self->memory, self->n, 0), PAGES);
}

FIXTURE_TEARDOWN(node)
{
	ferry_close(self->ferry);
}

/* Yields the result; self has the counts and the outcomes. */
static int _test_to_node(struct _test_data_node *self, const struct _fixture_variant_node *variant,
			 size_t npages, unsigned int node)
{
	return ferry_migrate_node(self->ferry, self->memory, npages * page_size(), node,
				  variant->flags, self->outcomes, &self->counts);
}

#define test_to_node(node)						\
	do {								\
		ASSERT_EQ(_test_to_node(self, variant, PAGES, node), 0); \
		ASSERT_EQ(self->counts.done, self->n);			\
	} while (0)

#define test_all_to_node(node)						\
	do {								\
		test_to_node(node);					\
		ASSERT_EQ(self->counts.moved, PAGES);			\
		ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_MOVED), PAGES); \
		ASSERT_EQ(count_on_node(self->memory, self->n, node), PAGES); \
	} while (0)

/* Every page stays, with the outcome. */
#define test_none_to_node(node, outcome)				\
	do {								\
		test_to_node(node);					\
		ASSERT_EQ(count_outcome(self->outcomes, PAGES, outcome), PAGES); \
		ASSERT_EQ(self->counts.moved, 0);			\
	} while (0)

TEST_F(node, there_and_back)
{
	test_all_to_node(1);
	test_pattern(self->memory, self->n, 1);
	ASSERT_EQ(test_stats(self->ferry).to_node, PAGES);
	test_none_to_node(1, DRM_FERRY_ALREADY_THERE);
	ASSERT_EQ(self->counts.already, PAGES);
	test_all_to_node(0);
	test_pattern(self->memory, self->n, 1);
	ASSERT_EQ(test_stats(self->ferry).to_system, 0);
}

TEST_F(node, from_the_device)
{
	test_to_device(self->ferry, self->memory, self->n / 2);
	test_all_to_node(1);
	test_pattern(self->memory, self->n, 1);
	test_used(self->ferry, 0);
	/* And to the node of the CPU, which the other half has left. */
	test_to_device(self->ferry, self->memory, self->n);
	test_all_to_node(0);
	test_pattern(self->memory, self->n, 1);
}

/* Nothing appears where no page was. */
TEST_F(node, holes)
{
	size_t page = page_size();

	ASSERT_EQ(madvise(self->memory, self->n / 2, MADV_DONTNEED), 0);
	/* The kernel's zero page. */
	ASSERT_EQ(*(volatile uint8_t *)self->memory, 0);
	test_to_node(1);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES / 2, DRM_FERRY_HOLE), PAGES / 2);
	ASSERT_EQ(self->counts.moved, PAGES / 2);
	ASSERT_EQ(self->counts.already, PAGES / 2);
	ASSERT_EQ(pagemap(self->memory + page) & PAGEMAP_PRESENT, 0);
	test_zero(self->memory, self->n / 2);
}

/* A huge page goes whole, and is not split where it is at the node already. */
TEST_F(node, huge_page)
{
	uint8_t *huge = _test_map_aligned(PMD_SIZE);

	ASSERT_NE(huge, MAP_FAILED);
	if (madvise(huge, PMD_SIZE, MADV_HUGEPAGE) || bind_to_node(huge, PMD_SIZE, 1))
		SKIP(return, "no huge pages");
	fill_pattern(huge, PMD_SIZE, 2);
	if (!(kpageflags(huge) & KPF_THP))
		SKIP(return, "no huge page was free");
	self->memory = huge;
	test_none_to_node(1, DRM_FERRY_ALREADY_THERE);
	ASSERT_TRUE(kpageflags(huge) & KPF_THP);
	test_all_to_node(0);
	test_pattern(huge, PMD_SIZE, 2);
	ASSERT_TRUE(kpageflags(huge) & KPF_THP);
	ASSERT_EQ(count_on_node(huge, PMD_SIZE, 0), PMD_SIZE / page_size());
	/* Mapped by PTEs. */
	ASSERT_EQ(mprotect(huge, page_size(), PROT_READ), 0);
	ASSERT_EQ(mprotect(huge, page_size(), PROT_READ | PROT_WRITE), 0);
	test_all_to_node(1);
	ASSERT_TRUE(kpageflags(huge) & KPF_THP);
	test_pattern(huge, PMD_SIZE, 2);
}

/* A part of a range in the middle of a huge page; another process shares it. */
TEST_F(node, huge_page_shared)
{
	uint8_t *huge = _test_map_aligned(PMD_SIZE);
	pid_t pid;
	int go[2];

	ASSERT_NE(huge, MAP_FAILED);
	if (madvise(huge, PMD_SIZE, MADV_HUGEPAGE))
		SKIP(return, "no huge pages");
	fill_pattern(huge, PMD_SIZE, 2);
	if (!(kpageflags(huge) & KPF_THP))
		SKIP(return, "no huge page was free");
	self->memory = huge + 3 * page_size();
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(find_difference(huge, PMD_SIZE, 2) == PMD_SIZE);
		child_check(count_on_node(huge, PMD_SIZE, 1) == PMD_SIZE / page_size());
		_exit(0);
	}
	ASSERT_EQ(setresuid(-1, NOBODY, -1), 0);
	test_none_to_node(1, DRM_FERRY_SHARED);
	ASSERT_EQ(setresuid(-1, 0, -1), 0);
	test_all_to_node(1);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(huge, PMD_SIZE, 2);
}

TEST_F(node, wrong_nodes)
{
	ASSERT_EQ(_test_to_node(self, variant, PAGES, 2), -ENODEV);
	ASSERT_EQ(_test_to_node(self, variant, PAGES, 1u << 31), -ENODEV);
	ASSERT_EQ(_test_to_node(self, variant, PAGES, UINT32_MAX), -ENODEV);
	ASSERT_EQ(self->counts.done, 0);
	ASSERT_EQ(count_on_node(self->memory, self->n, 0), PAGES);
}

/* As another user, and as a user with the right. */
TEST_F(node, shared_pages_need_the_right)
{
	pid_t pid;
	int go[2];

	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		child_check(count_on_node(self->memory, self->n, 1) == PAGES);
		_exit(0);
	}
	ASSERT_EQ(setresuid(-1, NOBODY, -1), 0);
	test_none_to_node(1, DRM_FERRY_SHARED);
	ASSERT_EQ(self->counts.failed, PAGES);
	ASSERT_EQ(setresuid(-1, 0, -1), 0);
	test_all_to_node(1);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n, 1);
}

/* After a fork the pages move, and each process still has its own copy. */
TEST_F(node, copy_on_write)
{
	pid_t pid;
	int go[2];

	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		child_check(!wait_byte(go[0]));
		child_check(find_difference(self->memory, self->n, 1) == self->n);
		fill_pattern(self->memory, self->n, 3);
		_exit(0);
	}
	test_all_to_node(1);
	fill_pattern(self->memory, self->n / 2, 2);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
	test_pattern(self->memory, self->n / 2, 2);
	ASSERT_EQ(pagemap(self->memory) & PAGEMAP_EXCLUSIVE, PAGEMAP_EXCLUSIVE);
}

TEST_F(node, pinned)
{
	int in_pipe[2];

	ASSERT_EQ(hold_in_pipe(self->memory, self->n, in_pipe), 0);
	test_none_to_node(1, DRM_FERRY_PINNED);
	test_pattern(self->memory, self->n, 1);
	let_go(in_pipe);
	test_all_to_node(1);
	test_pattern(self->memory, self->n, 1);
}

/* A move is no write: a page that was not written since clear_refs is not marked. */
TEST_F(node, soft_dirty)
{
	if (clear_refs("4"))
		SKIP(return, "no soft-dirty bits");
	memset(self->memory, 7, self->n / 2);
	test_all_to_node(1);
	ASSERT_EQ(count_in_pagemap(self->memory, self->n / 2, PAGEMAP_SOFT_DIRTY), PAGES / 2);
	ASSERT_EQ(count_in_pagemap(self->memory + self->n / 2, self->n / 2, PAGEMAP_SOFT_DIRTY), 0);
	/* The next write is noted. */
	memset(self->memory, 8, self->n);
	ASSERT_EQ(count_in_pagemap(self->memory, self->n, PAGEMAP_SOFT_DIRTY), PAGES);
}

TEST_F(node, write_protected)
{
	int uffd = uffd_open_wp(UFFD_FEATURE_PAGEFAULT_FLAG_WP, self->memory, self->n);
	uint64_t sum = 0;

	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(uffd_protect(uffd, self->memory, self->n / 2, true), 0);
	test_all_to_node(1);
	sum = count_in_pagemap(self->memory, self->n, PAGEMAP_UFFD_WP);
	ASSERT_EQ(sum, PAGES / 2);
	ASSERT_EQ(uffd_protect(uffd, self->memory, self->n / 2, false), 0);
	memset(self->memory, 9, self->n);
	close(uffd);
}

/* Pages in the swap cache keep their swap space, and stay clean. */
TEST_F(node, clean_in_the_swap_cache)
{
	long written;

	ASSERT_EQ(swap_on(), 0);
	ASSERT_EQ(make_clean(self->memory, self->n), 0);
	ASSERT_EQ(count_clean(self->memory, self->n), PAGES);
	test_to_node(1);
	ASSERT_EQ(count_on_node(self->memory, self->n, 1), PAGES);
	ASSERT_EQ(count_clean(self->memory, self->n), PAGES);
	written = read_counter("/proc/vmstat", "pswpout");
	ASSERT_EQ(swap_out(self->memory, self->n), 0);
	ASSERT_EQ(read_counter("/proc/vmstat", "pswpout"), written);
	test_to_node(0);
	ASSERT_EQ(count_outcome(self->outcomes, PAGES, DRM_FERRY_SWAPPED), PAGES);
}

/* The charge moves with the pages, once; statistics by node move too. */
TEST_F(node, charge)
{
	struct memcg group = {};
	size_t i;
	long anon;

	if (memcg_enter(&group))
		SKIP(return, "no memory cgroup");
	self->memory = test_map_pattern(self->n, 1);
	anon = memcg_stat_settled("anon");
	for (i = 0; i < 6; i++)
		test_all_to_node(1 - i % 2);
	ASSERT_EQ(memcg_stat_after("anon", anon), anon);
	munmap(self->memory, self->n);
	ASSERT_EQ(memcg_leave(&group), 0);
	ASSERT_EQ(memcg_wait_gone(&group), 0);
}

static void *count_up(void *arg)
{
	struct user *user = arg;
	int i;

	while (!user->stop) {
		for (i = 0; i < USER_PAGES; i++) {
			*words_of(user, i) += 1;
			user->truth[i]++;
		}
		user->rounds++;
	}
	return NULL;
}

/* Another CPU writes all the time. Each write must be in the page. */
TEST_F_TIMEOUT(node, writer, 120)
{
	struct user user = { .use = count_up, .cpu = 1, .memory = self->memory };
	uint64_t moved = 0;
	int round, i;

	memset(self->memory, 0, self->n);
	ASSERT_EQ(user_start(&user), 0);
	for (round = 0; round < ROUNDS; round++) {
		EXPECT_EQ(_test_to_node(self, variant, USER_PAGES, 1 - round % 2), 0);
		moved += self->counts.moved;
	}
	user_stop(&user);
	pthread_join(user.thread, NULL);
	EXPECT_GT(moved, ROUNDS);
	for (i = 0; i < USER_PAGES; i++)
		ASSERT_EQ(*words_of(&user, i), user.truth[i]);
}

TEST_HARNESS_MAIN
