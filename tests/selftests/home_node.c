// SPDX-License-Identifier: MIT
/*
 * Pages that return by pfn go to the node that their mapping is bound to
 * (mbind()). The mover does not matter: close(), the work item for pages of a
 * closed file, or RELEASE. The test needs two nodes: vm/guest --numa 2.
 *
 * Shows: NUMA, close, RELEASE
 * Guest: numa
 */
#include "dmirror.h"
#include "numa_nodes.h"
#include "page_refs.h"
#include "threads.h"

#define PAGES 128

FIXTURE(home_node) {
	struct ferry *ferry;
	struct ferry *other;
	uint8_t *memory;
	size_t n;
	int dmirror;
};

FIXTURE_VARIANT(home_node) {
	unsigned int device;
	int node;
};

FIXTURE_VARIANT_ADD(home_node, private_0) { .device = 0, .node = 0 };
FIXTURE_VARIANT_ADD(home_node, private_1) { .device = 0, .node = 1 };
FIXTURE_VARIANT_ADD(home_node, coherent_0) { .device = 2, .node = 0 };
FIXTURE_VARIANT_ADD(home_node, coherent_1) { .device = 2, .node = 1 };

FIXTURE_SETUP(home_node)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "one node");
	self->n = PAGES * page_size();
	self->ferry = test_open(variant->device);
	self->other = test_open(variant->device);
	self->dmirror = test_dmirror_open(variant->device);
	self->memory = test_map(self->n);
	/* Without a policy the pages would go to this CPU's node, 0. */
	ASSERT_EQ(run_on_cpu(0), 0);
}

FIXTURE_TEARDOWN(home_node)
{
	ferry_close(self->ferry);
	ferry_close(self->other);
	close(self->dmirror);
}

#define test_bound_to_device(self, node_)				\
	do {								\
		ASSERT_EQ(bind_to_node((self)->memory, (self)->n, node_), 0); \
		fill_pattern((self)->memory, (self)->n, 1);		\
		ASSERT_EQ(count_on_node((self)->memory, (self)->n, node_), PAGES); \
		test_to_device((self)->ferry, (self)->memory, (self)->n); \
	} while (0)

#define test_is_home(self, node_)					\
	do {								\
		test_used((self)->other, 0);				\
		ASSERT_EQ(count_on_node((self)->memory, (self)->n, node_), PAGES); \
		test_pattern((self)->memory, (self)->n, 1);		\
	} while (0)

TEST_F(home_node, by_close)
{
	test_bound_to_device(self, variant->node);
	ferry_close(self->ferry);
	self->ferry = NULL;
	test_is_home(self, variant->node);
}

/* The mapping has no policy: the task's policy counts. */
TEST_F(home_node, by_close_with_the_tasks_policy)
{
	ASSERT_EQ(bind_task_to_node(variant->node), 0);
	fill_pattern(self->memory, self->n, 1);
	test_to_device(self->ferry, self->memory, self->n);
	ferry_close(self->ferry);
	self->ferry = NULL;
	test_is_home(self, variant->node);
}

/* Another process closes the file last. */
TEST_F(home_node, by_another_process)
{
	pid_t pid;

	test_bound_to_device(self, variant->node);
	pid = test_fork();
	if (!pid) {
		/*
		 * The pages are bound in both processes; other memory is not.
		 */
		ferry_close(self->ferry);
		_exit(0);
	}
	ferry_close(self->ferry);
	self->ferry = NULL;
	test_wait(pid);
	test_wait_unused(self->other, 5);
	test_is_home(self, variant->node);
}

TEST_F(home_node, by_release)
{
	uint8_t *page = test_map(page_size());
	struct hmm_dmirror_cmd cmd;

	test_bound_to_device(self, variant->node);
	ASSERT_EQ(_test_cmd(self->dmirror, HMM_DMIRROR_RELEASE, page, NULL, 1, &cmd), 0);
	test_is_home(self, variant->node);
}

/*
 * A pipe keeps the pages at close(). The work item has no process and moves the
 * pages later.
 */
TEST_F(home_node, by_the_work_item)
{
	int in_pipe[2];

	if (variant->device < 2)
		SKIP(return, "a private page comes home when it is pinned");
	test_bound_to_device(self, variant->node);
	ASSERT_EQ(hold_in_pipe(self->memory, self->n, in_pipe), 0);
	ferry_close(self->ferry);
	self->ferry = NULL;
	test_used(self->other, PAGES);
	let_go(in_pipe);
	test_wait_unused(self->other, 10);
	test_is_home(self, variant->node);
}

TEST_HARNESS_MAIN
