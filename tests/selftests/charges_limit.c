// SPDX-License-Identifier: MIT
/*
 * At a memory cgroup's limit a migration leaves pages where they are. No
 * process is killed: neither the caller nor another process of the group,
 * however large.
 *
 * One child in the group makes the calls. A second child, the victim, only
 * holds memory: the OOM killer would choose the victim. The test itself stays
 * outside of the group, because files that the test opens or reads are charged
 * too.
 *
 * Shows: I25, memory cgroup
 * Guest: engine, debug-engine
 */
#include "memcg.h"
#include "migrate.h"
#include "swap.h"
#include "threads.h"

#define MEMORY (16 * MIB)
#define VICTIM (24 * MIB)
#define ROOM (4 * MIB)
#define FAR 32
#define SMALL (1 * MIB)
/* Pages that one CPU charged in advance, before the limit was set. */
#define STOCK 64

/* Results of the child, in shared memory. */
struct found {
	int ret;
	struct drm_ferry_migrate call;
	uint8_t outcomes[MEMORY / 4096];
	struct drm_ferry_migrate far[FAR];
	struct drm_ferry_migrate small[3];
	int exec;
	uint64_t intact;
};

FIXTURE(limit) {
	struct ferry *watch;
	struct found *found;
	pid_t victim;
	pid_t child;
	int go[2];
	int done[2];
};

FIXTURE_VARIANT(limit) {
	uint32_t engine;
};

FIXTURE_VARIANT_ADD(limit, own) { .engine = OWN };
FIXTURE_VARIANT_ADD(limit, core) { .engine = CORE };

/* No process is killed when the test writes a limit below the usage. */
static int spare(pid_t pid, bool yes)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	return write_number(path, yes ? -1000 : 0);
}

static void hold_memory(int done)
{
	uint8_t *memory = _test_map(VICTIM);

	child_check(memory != MAP_FAILED);
	memset(memory, 1, VICTIM);
	child_check(!send_byte(done));
	close(done);
	for (;;)
		pause();
}

/* The kernel may still kill processes of an earlier test. Returns 0 or -1. */
static int create_group(void)
{
	double end = seconds() + 10;
	int ret;

	while ((ret = memcg_create())) {
		if (ret != -EEXIST || seconds() > end)
			return -1;
		rmdir(MEMCG);
		usleep(10000);
	}
	return 0;
}

FIXTURE_SETUP(limit)
{
	self->watch = test_open(0);
	self->found = mmap(NULL, sizeof(*self->found), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(self->found, MAP_FAILED);
	ASSERT_EQ(pipe(self->go), 0);
	ASSERT_EQ(pipe(self->done), 0);
	ASSERT_EQ(create_group(), 0);
	ASSERT_EQ(memcg_forbid_swap(), 0);
	self->victim = test_fork();
	if (!self->victim) {
		child_check(!memcg_add(getpid()));
		hold_memory(self->done[1]);
	}
	ASSERT_EQ(wait_byte(self->done[0]), 0);
}

FIXTURE_TEARDOWN(limit)
{
	kill(self->victim, SIGKILL);
	waitpid(self->victim, NULL, 0);
	ferry_close(self->watch);
	rmdir(MEMCG);
}

/* Warm up outside the group: no charge for the driver's first use. */
static struct ferry *open_warm(uint32_t engine)
{
	uint8_t *page = _test_map(page_size());
	struct ferry *ferry = NULL;

	child_check(page != MAP_FAILED && !ferry_open_index(0, &ferry));
	*page = 1;
	child_check(_test_moved(ferry, engine, page, page_size(), TO_DEVICE, NULL) == 1);
	child_check(*(volatile uint8_t *)page == 1);
	memcg_touch_stack();
	return ferry;
}

/*
 * One call for more pages than the limit has room for. Then one call for one
 * page in each of many mappings, which need page tables and an anon_vma too.
 */
static void fill_holes(struct found *found, uint32_t engine, int go, int done)
{
	struct ferry *ferry = open_warm(engine);
	uint8_t *memory = _test_map(MEMORY), *far;
	int i;

	far = mmap(NULL, 2 * FAR * PMD_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	child_check(memory != MAP_FAILED && far != MAP_FAILED);
	for (i = 0; i < FAR; i++)
		child_check(!mprotect(far + 2 * i * PMD_SIZE, page_size(),
				      PROT_READ | PROT_WRITE));
	found->call = make_request(engine, memory, MEMORY, TO_DEVICE, found->outcomes);
	child_check(!send_byte(done) && !wait_byte(go));

	found->ret = _test_request(ferry, &found->call);
	for (i = 0; i < FAR; i++) {
		found->far[i] = make_request(engine, far + 2 * i * PMD_SIZE, page_size(),
					     TO_DEVICE, NULL);
		if (!found->ret)
			found->ret = _test_request(ferry, &found->far[i]);
	}
	child_check(!send_byte(done) && !wait_byte(go));
	_exit(0);
}

TEST_F_TIMEOUT(limit, holes_stay, 90)
{
	unsigned long npages = MEMORY / page_size(), far = 0;
	long max;
	int i;

	self->child = test_fork();
	if (!self->child)
		fill_holes(self->found, variant->engine, self->go[0], self->done[1]);
	/* read() returns 0 if the child, the only writer, is killed. */
	close(self->done[1]);
	ASSERT_EQ(wait_byte(self->done[0]), 0);
	ASSERT_EQ(memcg_add(self->child), 0);
	max = memcg_charged() + ROOM;
	ASSERT_EQ(memcg_set_max(max), 0);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	ASSERT_EQ(wait_byte(self->done[0]), 0);

	ASSERT_EQ(memcg_event("oom"), 0);
	ASSERT_EQ(memcg_event("oom_kill"), 0);
	ASSERT_GT(memcg_event("max"), 0);
	ASSERT_EQ(self->found->ret, 0);
	ASSERT_LE(memcg_charged(), max);
	ASSERT_EQ(self->found->call.done, MEMORY);
	ASSERT_EQ(self->found->call.moved + self->found->call.failed, npages);
	/* Some holes stay. More than half of the room is used. */
	ASSERT_GT(self->found->call.moved, ROOM / page_size() / 2);
	ASSERT_LE(self->found->call.moved,
		  ROOM / page_size() + STOCK * cpus_online());
	ASSERT_EQ(count_outcome(self->found->outcomes, npages, DRM_FERRY_NO_MEMORY),
		  self->found->call.failed);
	for (i = 0; i < FAR; i++)
		far += self->found->far[i].moved;
	ASSERT_LT(far, FAR);
	test_used(self->watch, self->found->call.moved + far);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	test_wait(self->child);
	ASSERT_EQ(waitpid(self->victim, NULL, WNOHANG), 0);
}

/*
 * Reclaim could swap the group's memory out to make room for holes. Device
 * pages cannot be swapped out. If holes took the room, reclaim would find
 * nothing in the group, and the next fault in the group would kill.
 */
TEST_F_TIMEOUT(limit, holes_push_nothing_out, 90)
{
	long swapped = -1;

	ASSERT_EQ(swap_on(), 0);
	ASSERT_EQ(write_file(MEMCG "/memory.swap.max", "max"), 0);
	self->child = test_fork();
	if (!self->child)
		fill_holes(self->found, variant->engine, self->go[0], self->done[1]);
	close(self->done[1]);
	ASSERT_EQ(wait_byte(self->done[0]), 0);
	ASSERT_EQ(memcg_add(self->child), 0);
	ASSERT_EQ(memcg_set_max(memcg_charged() + ROOM), 0);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	ASSERT_EQ(wait_byte(self->done[0]), 0);

	ASSERT_EQ(memcg_event("oom_kill"), 0);
	ASSERT_EQ(self->found->ret, 0);
	ASSERT_GT(self->found->call.moved, ROOM / page_size() / 2);
	ASSERT_EQ(read_number(MEMCG "/memory.swap.current", &swapped), 0);
	TH_LOG("%u of %zu pages moved, %ld bytes were swapped out",
	       (unsigned int)self->found->call.moved, MEMORY / page_size(), swapped);
	ASSERT_EQ(swapped, 0);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	test_wait(self->child);
	ASSERT_EQ(waitpid(self->victim, NULL, WNOHANG), 0);
}

static int add(struct ferry *ferry, uint8_t *memory, size_t n)
{
	struct drm_ferry_exec_op op = {
		.op = DRM_FERRY_OP_ADD, .addr = ptr(memory), .len = n };
	struct drm_ferry_exec exec = { .ops = ptr(&op), .nops = 1, .stride = sizeof(op) };

	return _test_ioctl(ferry, DRM_IOCTL_FERRY_EXEC, &exec);
}

/* All calls that must work while the usage is above the limit. */
static void go_below(struct found *found, uint32_t engine, int go, int done)
{
	struct ferry *ferry = open_warm(engine);
	uint8_t *memory = _test_map(MEMORY), *holes = _test_map(SMALL);
	int i, ret = 0;

	child_check(memory != MAP_FAILED && holes != MAP_FAILED);
	child_check(!send_byte(done) && !wait_byte(go));
	fill_pattern(memory, MEMORY, 1);
	found->call = make_request(engine, memory, MEMORY, TO_DEVICE, NULL);
	child_check(!_test_request(ferry, &found->call));
	/* The device's page table exists; its entries may be invalidated. */
	child_check(!add(ferry, memory, MEMORY));
	found->small[0] = make_request(engine, memory, SMALL, TO_SYSTEM, NULL);
	found->small[1] = make_request(engine, memory, SMALL, TO_DEVICE, NULL);
	found->small[2] = make_request(engine, holes, SMALL, TO_DEVICE, NULL);
	child_check(!send_byte(done) && !wait_byte(go));

	for (i = 0; i < 3; i++)
		ret = ret ?: _test_request(ferry, &found->small[i]);
	found->ret = ret;
	found->exec = add(ferry, memory, MEMORY);
	found->intact = find_difference(memory, MEMORY, 1);
	child_check(!send_byte(done) && !wait_byte(go));
	_exit(0);
}

/* Reclaim does not reach device pages: the usage may exceed a new limit. */
TEST_F_TIMEOUT(limit, lower_than_what_is_on_the_device, 90)
{
	unsigned long small = SMALL / page_size();
	long oom;

	self->child = test_fork();
	if (!self->child)
		go_below(self->found, variant->engine, self->go[0], self->done[1]);
	/* read() returns 0 if the child, the only writer, is killed. */
	close(self->done[1]);
	ASSERT_EQ(wait_byte(self->done[0]), 0);
	ASSERT_EQ(memcg_add(self->child), 0);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	ASSERT_EQ(wait_byte(self->done[0]), 0);
	ASSERT_EQ(self->found->call.moved, MEMORY / page_size());

	ASSERT_EQ(spare(self->child, true) ?: spare(self->victim, true), 0);
	ASSERT_EQ(memcg_set_max(VICTIM + MEMORY / 2), 0);
	ASSERT_EQ(spare(self->child, false) ?: spare(self->victim, false), 0);
	ASSERT_EQ(memcg_event("oom_kill"), 0);
	ASSERT_GT(memcg_charged(), VICTIM + MEMORY / 2);
	oom = memcg_event("oom");
	ASSERT_EQ(send_byte(self->go[1]), 0);
	ASSERT_EQ(wait_byte(self->done[0]), 0);

	ASSERT_EQ(memcg_event("oom"), oom);
	ASSERT_EQ(memcg_event("oom_kill"), 0);
	ASSERT_EQ(self->found->ret, 0);
	/* Charged pages move. Holes need a charge and stay. */
	ASSERT_EQ(self->found->small[0].moved, small);
	ASSERT_EQ(self->found->small[1].moved, small);
	ASSERT_EQ(self->found->small[2].failed, small);
	ASSERT_EQ(self->found->exec, 0);
	ASSERT_EQ(self->found->intact, MEMORY);
	ASSERT_EQ(send_byte(self->go[1]), 0);
	test_wait(self->child);
	ASSERT_EQ(waitpid(self->victim, NULL, WNOHANG), 0);
}

TEST_HARNESS_MAIN
