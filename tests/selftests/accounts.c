// SPDX-License-Identifier: MIT
/*
 * A round trip to the device leaves the system's counters of a process's memory
 * unchanged (I10, I3):
 * - rss and smaps are the same as before;
 * - the LRU lists and nr_anon_pages are the same as before;
 * - no page is counted as dirtied or written back: moving is not dirtying;
 * - pages return to the NUMA node that their policy asks for.
 *
 * A page on the device still counts as anonymous memory of the process, as
 * smaps shows. The page is on no LRU list.
 *
 * Shows: I3, I10, NUMA
 * Guest: engine, debug-engine
 */
#include "lru.h"
#include "migrate.h"
#include "numa_nodes.h"
#include "threads.h"

#define PAGES 512

FIXTURE(accounts) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_VARIANT(accounts) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(accounts, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(accounts, core) { .engine = CORE };

FIXTURE_SETUP(accounts)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(accounts)
{
	ferry_close(self->ferry);
}

/* To system memory by the ioctl, by CPU faults, or by closing the file. */
#define WAYS 3

static void move_back(struct __test_metadata *_metadata, struct _test_data_accounts *self,
		      uint32_t engine, int way)
{
	if (way == 0) {
		test_engine_moves(self->ferry, engine, self->memory, self->n, TO_SYSTEM);
	} else if (way == 2) {
		ferry_close(self->ferry);
		self->ferry = test_open(0);
	}
	test_pattern(self->memory, self->n, 1);
	test_used(self->ferry, 0);
}

static const char *const fields[] = {
	"Rss", "Anonymous", "Swap", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean",
	"Private_Dirty", "AnonHugePages", "Locked",
};

#define FIELDS (sizeof(fields) / sizeof(*fields))
/* The first three do not depend on other users of the program's files. */
#define OF_ALL 3

/*
 * @smaps: the mapping that contains @memory; the other members: the process. In
 * KiB; @statm in pages.
 */
struct resident {
	long smaps[FIELDS];
	long rollup[OF_ALL];
	long status_rss;
	long status_swap;
	long statm;
};

static void read_smaps(const void *memory, long values[FIELDS])
{
	unsigned long start, end;
	char line[256], name[32];
	bool found = false;
	long value;
	FILE *file = fopen("/proc/self/smaps", "re");
	size_t i;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			found = ptr(memory) >= start && ptr(memory) < end;
		if (!found || sscanf(line, "%31[^:]: %ld", name, &value) != 2)
			continue;
		for (i = 0; i < FIELDS; i++)
			if (!strcmp(name, fields[i]))
				values[i] = value;
	}
	if (file)
		fclose(file);
}

static void read_resident(const void *memory, struct resident *now)
{
	FILE *file = fopen("/proc/self/statm", "re");
	size_t i;

	memset(now, 0xff, sizeof(*now));
	if (file && fscanf(file, "%*d %ld", &now->statm) != 1)
		now->statm = -1;
	if (file)
		fclose(file);
	read_smaps(memory, now->smaps);
	for (i = 0; i < OF_ALL; i++)
		now->rollup[i] = read_counter("/proc/self/smaps_rollup", fields[i]);
	now->status_rss = read_counter("/proc/self/status", "VmRSS");
	now->status_swap = read_counter("/proc/self/status", "VmSwap");
}

TEST_F(accounts, resident)
{
	struct resident before, now;
	size_t i;
	int way;

	/* Warm-up: the first use of a way or a file allocates memory. */
	for (way = 0; way < WAYS; way++) {
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
		move_back(_metadata, self, variant->engine, way);
		read_resident(self->memory, &before);
	}
	read_resident(self->memory, &before);
	ASSERT_GE(before.smaps[0], (long)self->n / 1024);
	ASSERT_GT(before.statm, PAGES);
	for (way = 0; way < WAYS; way++) {
		test_engine_moves(self->ferry, variant->engine, self->memory, self->n, TO_DEVICE);
		read_resident(self->memory, &now);
		ASSERT_EQ(now.statm, before.statm);
		ASSERT_EQ(now.status_rss, before.status_rss);
		ASSERT_EQ(now.smaps[0], before.smaps[0]);
		ASSERT_EQ(now.status_swap, 0);
		move_back(_metadata, self, variant->engine, way);
		read_resident(self->memory, &now);
		for (i = 0; i < FIELDS; i++) {
			ASSERT_EQ(now.smaps[i], before.smaps[i])
				TH_LOG("%s, way %d", fields[i], way);
		}
		ASSERT_EQ(memcmp(&now, &before, sizeof(now)), 0)
			TH_LOG("Rss of all %ld and %ld, by statm %ld and %ld", now.rollup[0],
			       before.rollup[0], now.statm, before.statm);
	}
}

/* Counters of the whole system, which is quiet, but not completely. */
struct machine {
	long lists;
	long anon;
	long isolated;
	long dirtied;
	long written;
	long dirty;
};

static struct machine machine(void)
{
	const char *path = "/proc/vmstat";
	struct machine now = { 0 };

	if (settle_counters())
		return now;
	now.lists = read_counter(path, "nr_active_anon") + read_counter(path, "nr_inactive_anon") +
		    read_counter(path, "nr_unevictable");
	now.anon = read_counter(path, "nr_anon_pages");
	now.isolated = read_counter(path, "nr_isolated_anon");
	now.dirtied = read_counter(path, "nr_dirtied");
	now.written = read_counter(path, "nr_written");
	now.dirty = read_counter(path, "nr_dirty");
	return now;
}

#define test_close(value, wanted)					\
	ASSERT_LE(labs((long)(value) - (long)(wanted)), PAGES / 8)

TEST_F_TIMEOUT(accounts, of_the_machine, 60)
{
	struct machine before = machine(), now;
	int way, round;

	ASSERT_GT(before.lists, PAGES);
	for (way = 0; way < WAYS; way++) {
		/* Several rounds: a loss in each round adds up. */
		for (round = 0; round < 4; round++) {
			test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
					  TO_DEVICE);
			now = machine();
			test_close(before.lists - now.lists, PAGES);
			test_close(now.anon, before.anon);
			move_back(_metadata, self, variant->engine, way);
		}
		now = machine();
		test_close(now.lists, before.lists);
		test_close(now.anon, before.anon);
		ASSERT_EQ(now.isolated, before.isolated);
		ASSERT_LT(now.dirtied - before.dirtied, PAGES / 8);
		ASSERT_LT(now.written - before.written, PAGES / 8);
		test_close(now.dirty, before.dirty);
	}
	munmap(self->memory, self->n);
	now = machine();
	test_close(before.anon - now.anon, PAGES);
	test_close(before.lists - now.lists, PAGES);
	self->memory = test_map(self->n);
}

/*
 * The mapping is bound to each node in turn while the pages are on the device.
 * The test runs on a CPU of each node. The test needs --numa 2 to say much.
 * home_node.c tests the third way, close().
 */
TEST_F_TIMEOUT(accounts, home_to_the_bound_node, 60)
{
	int nodes = count_nodes(), node, way, cpu;

	ASSERT_GT(nodes, 0);
	for (cpu = 0; cpu < cpus_online(); cpu += cpus_online() / nodes ?: 1) {
		ASSERT_EQ(run_on_cpu(cpu), 0);
		for (node = 0; node < nodes; node++) {
			for (way = 0; way < 2; way++) {
				test_engine_moves(self->ferry, variant->engine, self->memory,
						  self->n, TO_DEVICE);
				ASSERT_EQ(bind_to_node(self->memory, self->n, node), 0);
				move_back(_metadata, self, variant->engine, way);
				ASSERT_EQ(count_on_node(self->memory, self->n, node), PAGES)
					TH_LOG("node %d from CPU %d, way %d", node, cpu, way);
				ASSERT_EQ(bind_to_node(self->memory, self->n,
						       nodes - 1 - node), 0);
			}
		}
	}
}

/* The task's policy if the mapping has no policy, otherwise the CPU's node. */
TEST_F_TIMEOUT(accounts, home_by_the_tasks_policy, 60)
{
	int nodes = count_nodes(), node, way;

	for (way = 0; way < 2; way++) {
		for (node = 0; node < nodes; node++) {
			test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
					  TO_DEVICE);
			ASSERT_EQ(bind_task_to_node(node), 0);
			move_back(_metadata, self, variant->engine, way);
			ASSERT_EQ(unbind_task(), 0);
			ASSERT_EQ(count_on_node(self->memory, self->n, node), PAGES)
				TH_LOG("node %d, way %d", node, way);
		}
		for (node = 0; node < nodes; node++) {
			ASSERT_EQ(run_on_cpu(node * cpus_online() / nodes), 0);
			test_engine_moves(self->ferry, variant->engine, self->memory, self->n,
					  TO_DEVICE);
			move_back(_metadata, self, variant->engine, way);
			ASSERT_EQ(count_on_node(self->memory, self->n, node), PAGES)
				TH_LOG("CPU of node %d, way %d", node, way);
		}
	}
}

TEST_HARNESS_MAIN
