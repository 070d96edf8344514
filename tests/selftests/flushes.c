// SPDX-License-Identifier: MIT
/*
 * The purpose of the own engine: the number of TLB flushes to move 2,048 pages
 * of four page tables to the device, by the kernel's counters
 * (CONFIG_DEBUG_TLBFLUSH).
 *
 * The counters are counters of the whole machine. So each figure is the
 * difference around the ioctl, less the flushes of an equally long idle time,
 * and the median of seven rounds. A remote flush needs another CPU that runs in
 * the address space: a round in which the sibling lost its CPU does not count.
 * With one CPU no remote flush happens, and the local flushes count.
 *
 * Engines that fail:
 * - an engine that flushes for each page;
 * - an engine that flushes for each table where one flush for the call is
 *   promised;
 * - an engine whose rmap walks do not share the flush.
 *
 * Shows: I2
 * Guest: engine
 */
#include "files.h"
#include "lru.h"
#include "migrate.h"
#include "threads.h"

#define TABLES 4
#define SIZE (TABLES * PMD_SIZE)
#define PAGES (SIZE / page_size())
#define ROUNDS 7
#define TRIES (20 * ROUNDS)

struct flushes {
	long remote;
	long local;
};

struct strategy {
	const char *name;
	uint32_t backend;
	uint32_t flush;
};

enum { BY_CORE, PER_PAGE, PER_TABLE, PER_CALL, NSTRATEGIES };

static const struct strategy strategies[NSTRATEGIES] = {
	[BY_CORE] = { "core", DRM_FERRY_BACKEND_CORE, DRM_FERRY_FLUSH_PER_PAGE },
	[PER_PAGE] = { "per_page", DRM_FERRY_BACKEND_OWN, DRM_FERRY_FLUSH_PER_PAGE },
	[PER_TABLE] = { "per_table", DRM_FERRY_BACKEND_OWN, DRM_FERRY_FLUSH_PER_TABLE },
	[PER_CALL] = { "per_call", DRM_FERRY_BACKEND_OWN, DRM_FERRY_FLUSH_PER_CALL },
};

/* A task on another CPU: reads all pages on request, spins on the last page. */
struct sibling {
	volatile pid_t tid;
	volatile uint64_t asked;
	volatile uint64_t touched;
	volatile uint64_t spins;
	volatile bool is_thread;
	volatile bool stop;
};

FIXTURE(flushes) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *reference;
	uint8_t *copy;
	struct sibling *sibling;
};

FIXTURE_SETUP(flushes)
{
	uint8_t *map = test_map(SIZE + PMD_SIZE);

	if (!has_flush_counters())
		SKIP(return, NO_FLUSH_COUNTERS);
	ASSERT_EQ(run_on_cpu(0), 0);
	self->ferry = test_open(0);
	/* Aligned to page tables, without huge pages. */
	self->memory = (void *)(((uintptr_t)map + PMD_SIZE - 1) & -PMD_SIZE);
	ASSERT_EQ(madvise(map, SIZE + PMD_SIZE, MADV_NOHUGEPAGE), 0);
	self->reference = test_map_pattern(SIZE, 1);
	self->copy = test_map(SIZE);
	memcpy(self->memory, self->reference, SIZE);
	memset(self->copy, 0, SIZE);
	self->sibling = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->sibling, MAP_FAILED);
}

FIXTURE_TEARDOWN(flushes)
{
	ferry_close(self->ferry);
}

static void touch_all(const volatile uint8_t *memory)
{
	size_t i;

	for (i = 0; i < SIZE; i += page_size())
		memory[i];
}

static void *be_sibling(void *arg)
{
	struct _test_data_flushes *self = arg;
	struct sibling *sibling = self->sibling;
	const volatile uint8_t *last = self->memory + SIZE - 1;

	run_on_cpu(1);
	sibling->tid = gettid();
	for (; !sibling->stop; sibling->spins++) {
		if (sibling->touched != sibling->asked) {
			touch_all(self->memory);
			sibling->touched = sibling->asked;
		}
		/* A sibling process does not access pages after the move. */
		if (sibling->is_thread)
			*last;
	}
	return NULL;
}

static struct flushes read_flushes(void)
{
	return (struct flushes){
		.remote = read_counter("/proc/vmstat", "nr_tlb_remote_flush"),
		.local = read_counter("/proc/vmstat", "nr_tlb_local_flush_all") +
			 read_counter("/proc/vmstat", "nr_tlb_local_flush_one"),
	};
}

/* How often the sibling lost its CPU. */
static long read_switches(const struct sibling *sibling)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", sibling->tid, sibling->tid);
	return read_counter(path, "nonvoluntary_ctxt_switches");
}

static struct flushes difference(struct flushes a, struct flushes b)
{
	return (struct flushes){ a.remote - b.remote, a.local - b.local };
}

static int compare_long(const void *a, const void *b)
{
	return *(const long *)a < *(const long *)b ? -1 : *(const long *)a > *(const long *)b;
}

static long median(long *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare_long);
	return values[ROUNDS / 2];
}

/*
 * A page that another CPU's fault returned waits in that CPU's batch for its
 * LRU list. The own engine drains the batch and collects again; core drains and
 * goes on. settle() drains the batch before the migration.
 */
static void settle(struct __test_metadata *_metadata)
{
	ASSERT_EQ(drain_lru(), 0);
}

static void wait_spinning(const struct sibling *sibling)
{
	uint64_t spins = sibling->spins;

	while (sibling->spins < spins + 2)
		usleep(100);
}

/*
 * Both tasks access all pages in system memory, then the pages move to the
 * device. Returns whether the round counts.
 */
static bool one_round(struct __test_metadata *_metadata, struct _test_data_flushes *self,
		      const struct strategy *strategy, long may_lose, struct flushes *flushes)
{
	struct flushes before, during, idle;
	double start, took;
	long switches;

	touch_all(self->memory);
	self->sibling->asked++;
	while (self->sibling->touched != self->sibling->asked)
		usleep(100);
	if (!may_lose)
		settle(_metadata);
	wait_spinning(self->sibling);

	switches = read_switches(self->sibling);
	start = seconds();
	before = read_flushes();
	test_variant_moves(self->ferry, strategy, self->memory, SIZE, DRM_FERRY_TARGET_DEVICE);
	during = difference(read_flushes(), before);
	took = seconds() - start;
	switches = read_switches(self->sibling) - switches;

	before = read_flushes();
	usleep(took * 1e6);
	idle = difference(read_flushes(), before);
	*flushes = difference(during, idle);
	return switches <= may_lose || cpus_online() == 1;
}

static void bring_home(struct __test_metadata *_metadata, struct _test_data_flushes *self)
{
	ASSERT_EQ(ferry_migrate(self->ferry, self->memory, SIZE, DRM_FERRY_TARGET_SYSTEM, NULL,
				NULL), 0);
}

static struct flushes measure(struct __test_metadata *_metadata, struct _test_data_flushes *self,
			      const struct strategy *strategy, long may_lose, const char *what)
{
	long remote[ROUNDS], local[ROUNDS];
	struct flushes flushes;
	int tries, counted = 0;

	for (tries = 0; tries < TRIES && counted < ROUNDS; tries++) {
		if (one_round(_metadata, self, strategy, may_lose, &flushes)) {
			remote[counted] = flushes.remote;
			local[counted++] = flushes.local;
		}
		if (counted == ROUNDS) {
			ASSERT_EQ(ferry_read(self->ferry, self->memory, SIZE, self->copy, NULL), 0);
			ASSERT_EQ(memcmp(self->copy, self->reference, SIZE), 0);
		}
		bring_home(_metadata, self);
	}
	ASSERT_EQ(counted, ROUNDS);
	flushes.remote = median(remote);
	flushes.local = median(local);
	printf("# %llu %s pages, %s: %ld remote flushes (%ld to %ld), ", PAGES, what,
	       strategy->name, flushes.remote, remote[0], remote[ROUNDS - 1]);
	printf("%ld local (%ld to %ld), %d rounds\n", flushes.local, local[0],
	       local[ROUNDS - 1], tries);
	return flushes;
}

#define test_about(seen, expected)					\
	do {								\
		ASSERT_GE(seen, (expected) - (expected) / 10);		\
		ASSERT_LE(seen, (expected) + (expected) / 10);		\
	} while (0)

static void measure_exclusive(struct __test_metadata *_metadata,
			      struct _test_data_flushes *self, int first, long may_lose,
			      const char *what, struct flushes *flushes)
{
	pthread_t thread;
	int i;

	self->sibling->is_thread = true;
	ASSERT_EQ(pthread_create(&thread, NULL, be_sibling, self), 0);
	for (i = first; i < NSTRATEGIES; i++)
		flushes[i] = measure(_metadata, self, &strategies[i], may_lose, what);
	self->sibling->stop = true;
	pthread_join(thread, NULL);
	ASSERT_EQ(memcmp(self->memory, self->reference, SIZE), 0);
}

TEST_F_TIMEOUT(flushes, exclusive, 250)
{
	struct flushes flushes[NSTRATEGIES];

	measure_exclusive(_metadata, self, BY_CORE, 0, "exclusive", flushes);
	ASSERT_GE(flushes[BY_CORE].local, 1900);
	test_about(flushes[PER_PAGE].local, flushes[BY_CORE].local);
	ASSERT_LE(flushes[PER_TABLE].local, 2 * TABLES);
	ASSERT_LE(flushes[PER_CALL].local, 2);
	/* Zero flushes would be an error. */
	ASSERT_GE(flushes[PER_TABLE].local, TABLES);
	ASSERT_GE(flushes[PER_CALL].local, 1);
	if (cpus_online() == 1)
		return;
	ASSERT_GE(flushes[BY_CORE].remote, 1900);
	test_about(flushes[PER_PAGE].remote, flushes[BY_CORE].remote);
	ASSERT_LE(flushes[PER_TABLE].remote, 2 * TABLES);
	ASSERT_LE(flushes[PER_CALL].remote, 2);
	ASSERT_GE(flushes[PER_TABLE].remote, TABLES);
	ASSERT_GE(flushes[PER_CALL].remote, 1);
}

/* The last page is in another CPU's batch: a drain adds no further flush. */
TEST_F_TIMEOUT(flushes, exclusive_and_a_drain, 250)
{
	struct flushes flushes[NSTRATEGIES];

	measure_exclusive(_metadata, self, PER_TABLE, 1, "unsettled exclusive", flushes);
	ASSERT_LE(flushes[PER_TABLE].local, 2 * TABLES);
	ASSERT_LE(flushes[PER_CALL].local, 2);
	ASSERT_LE(flushes[PER_TABLE].remote, 2 * TABLES);
	ASSERT_LE(flushes[PER_CALL].remote, 2);
}

TEST_F_TIMEOUT(flushes, shared, 250)
{
	struct flushes flushes[NSTRATEGIES];
	pid_t pid;
	int i;

	pid = test_fork();
	if (!pid) {
		be_sibling(self);
		child_check(!memcmp(self->memory, self->reference, SIZE));
		_exit(0);
	}
	for (i = PER_TABLE; i < NSTRATEGIES; i++)
		flushes[i] = measure(_metadata, self, &strategies[i], 0, "shared");
	self->sibling->stop = true;
	test_wait(pid);
	ASSERT_EQ(memcmp(self->memory, self->reference, SIZE), 0);

	ASSERT_LE(flushes[PER_TABLE].local, 4 * TABLES);
	ASSERT_LE(flushes[PER_CALL].local, 3);
	ASSERT_LE(flushes[PER_TABLE].remote, 4 * TABLES);
	ASSERT_LE(flushes[PER_CALL].remote, 3);
	ASSERT_GE(flushes[PER_CALL].remote, cpus_online() > 1);
}

TEST_HARNESS_MAIN
