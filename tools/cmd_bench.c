// SPDX-License-Identifier: MIT
/*
 * ferryctl bench: the cost of a migration to a device and back, on this
 * machine, now.
 *
 * Each round moves the same pages to the device and back with each engine in
 * turn. The table has the median of the rounds, per page. The clock counts time
 * on an ordinary machine, and instructions under vm/guest --icount: the
 * duration of a loop of fixed length shows which. make bench has the whole
 * comparison, with test_hmm and others.
 *
 * ferryctl bench node: the same from NUMA node to NUMA node, beside
 * move_pages(2).
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ferry.h"
#include "ferryctl.h"

#define MAX_SIZES 16
#define MAX_ENGINES 2
#define MAX_ROUNDS 101
#define MAX_PAGES (1ull << 32)
#define DEFAULT_ROUNDS 9
#define MAX_NODES 1024
#define MOVE_FLAG 2	/* MPOL_MF_MOVE of linux/mempolicy.h */

struct engine {
	uint32_t backend;
	uint32_t flush;
	const char *name;
	bool chosen;
};

static const char *const flush_names[] = {
	[DRM_FERRY_FLUSH_PER_PAGE] = "per_page",
	[DRM_FERRY_FLUSH_PER_TABLE] = "per_table",
	[DRM_FERRY_FLUSH_PER_CALL] = "per_call",
	[DRM_FERRY_FLUSH_AUTO] = "auto",
};

#define NFLUSHES (sizeof(flush_names) / sizeof(*flush_names))

/* Columns of the result. */
enum { COL_PAGES, COL_ENGINE, COL_TO_DEVICE, COL_TO_SYSTEM, COL_FLUSHES };

static const struct sheet_column columns[] = {
	[COL_PAGES] = { "pages", SHEET_NUMBER },
	[COL_ENGINE] = { "engine", SHEET_TEXT },
	[COL_TO_DEVICE] = { "to-device", SHEET_RATIO },
	[COL_TO_SYSTEM] = { "to-system", SHEET_RATIO },
	[COL_FLUSHES] = { "flushes", SHEET_RATIO },
};

static const struct sheet_column node_columns[] = {
	[COL_PAGES] = { "pages", SHEET_NUMBER },
	[COL_ENGINE] = { "engine", SHEET_TEXT },
	[COL_TO_DEVICE] = { "to-node", SHEET_RATIO },
	[COL_TO_SYSTEM] = { "back", SHEET_RATIO },
	[COL_FLUSHES] = { "flushes", SHEET_RATIO },
};

/* Arguments of move_pages(2), prepared before the clock starts. */
struct node_call {
	void **pages;
	int *nodes[2];	/* there, back */
	int *status;
};

struct bench {
	uint32_t flush;
	size_t rounds;
	size_t sizes[MAX_SIZES];
	int nsizes;
	struct engine engines[MAX_ENGINES];

	struct ferry *ferry;
	size_t page_size;
	uint8_t *memory;
	uint64_t took[MAX_ENGINES][2][MAX_ROUNDS];	/* engine, target, round */
	struct tlb_counts tlb[MAX_ENGINES];

	bool to_node;
	unsigned int node[2];	/* there, back */
	struct node_call call;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_RAW, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

/* A loop iteration has two instructions. */
static bool counts_instructions(void)
{
#ifdef __x86_64__
	uint64_t start, took, n, loops = 1000000;
	int tries;

	for (tries = 0; tries < 3; tries++) {
		n = loops;
		start = now();
		__asm__ volatile("1: dec %0; jnz 1b" : "+r" (n) : : "cc");
		took = now() - start;
		if (took < 2 * loops - loops / 50 || took > 2 * loops + loops / 50)
			return false;
	}
	return true;
#else
	return false;
#endif
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int by_move_pages(struct bench *bench, size_t npages, int way, struct ferry_counts *counts)
{
	size_t i;

	if (syscall(SYS_move_pages, 0, npages, bench->call.pages, bench->call.nodes[way],
		    bench->call.status, MOVE_FLAG) < 0)
		return -errno;
	*counts = (struct ferry_counts){ 0 };
	for (i = 0; i < npages; i++)
		counts->moved += bench->call.status[i] == (int)bench->node[way];
	return 0;
}

static int by_ferry(struct bench *bench, const struct engine *engine, size_t npages, int way,
		    struct ferry_counts *counts)
{
	static const uint32_t targets[] = { DRM_FERRY_TARGET_DEVICE, DRM_FERRY_TARGET_SYSTEM };
	const struct ferry_migrate_options options = {
		.size = sizeof(options),
		.target = bench->to_node ? DRM_FERRY_TARGET_NODE : targets[way],
		.target_id = bench->to_node ? bench->node[way] : 0,
		.flags = bench->to_node ? DRM_FERRY_MIGRATE_STRICT : 0,
		.backend = engine->backend,
		.flush = engine->flush,
	};

	return ferry_migrate_with(bench->ferry, bench->memory, npages * bench->page_size, &options,
				  counts);
}

/* Signals are checked after the call: a part of a call is no measurement. */
static int move(struct bench *bench, const struct engine *engine, size_t npages, int way,
		uint64_t *took)
{
	bool core_to_node = bench->to_node && engine->backend == DRM_FERRY_BACKEND_CORE;
	struct ferry_counts counts;
	uint64_t start = now();
	int ret = core_to_node ? by_move_pages(bench, npages, way, &counts) :
				 by_ferry(bench, engine, npages, way, &counts);

	*took = now() - start;
	if (interrupted())
		return FERRYCTL_INTERRUPTED;
	if (ret)
		return failed("moving %zu pages, device %u, engine %s: %s", npages,
			      common.device, engine->name, strerror(-ret));
	if (counts.moved != npages && bench->to_node)
		return failed("%" PRIu64 " of %zu pages moved to node %u with engine %s: has the "
			      "node free memory? (/sys/devices/system/node)", counts.moved, npages,
			      bench->node[way], engine->name);
	if (counts.moved != npages)
		return failed("%" PRIu64 " of %zu pages moved with engine %s: is there room on "
			      "device %u? (ferryctl info)", counts.moved, npages, engine->name,
			      common.device);
	return FERRYCTL_OK;
}

static int round_trip(struct bench *bench, int i, size_t npages, size_t round)
{
	const struct engine *engine = &bench->engines[i];
	struct tlb_counts before = tlb_read();
	int ret;

	ret = move(bench, engine, npages, 0, &bench->took[i][0][round]);
	tlb_add(&bench->tlb[i], tlb_since(before));
	return ret ?: move(bench, engine, npages, 1, &bench->took[i][1][round]);
}

static void add_row(struct bench *bench, struct sheet *sheet, int i, size_t npages)
{
	int way;

	sheet_row(sheet);
	sheet_number(sheet, COL_PAGES, npages);
	sheet_text(sheet, COL_ENGINE, bench->engines[i].name);
	for (way = 0; way < 2; way++) {
		qsort(bench->took[i][way], bench->rounds, sizeof(uint64_t), compare);
		sheet_ratio(sheet, COL_TO_DEVICE + way,
			    (double)bench->took[i][way][bench->rounds / 2] / npages);
	}
	if (bench->tlb[i].known)
		sheet_ratio(sheet, COL_FLUSHES,
			    tlb_per_page(&bench->tlb[i], npages * (bench->rounds + 1)));
}

static int one_size(struct bench *bench, struct sheet *sheet, size_t npages)
{
	size_t round, n;
	int i, ret = 0;

	memset(bench->tlb, 0, sizeof(bench->tlb));
	/*
	 * The first round warms up, and the next round overwrites the result.
	 */
	for (round = 0; round <= bench->rounds && !ret; round++) {
		n = round ? round - 1 : 0;
		for (i = 0; i < MAX_ENGINES && !ret; i++)
			if (bench->engines[i].chosen)
				ret = round_trip(bench, i, npages, n);
	}
	for (i = 0; i < MAX_ENGINES && !ret; i++)
		if (bench->engines[i].chosen)
			add_row(bench, sheet, i, npages);
	return ret;
}

static void end_json(const struct bench *bench, struct json *json, int measured)
{
	json_text(json, "unit", counts_instructions() ? "instructions" : "ns");
	json_number(json, "device", common.device);
	json_number(json, "rounds", bench->rounds);
	json_number(json, "sizes", bench->nsizes);
	json_number(json, "sizes-measured", measured);
	json_bool(json, "interrupted", measured < bench->nsizes);
	json_print(json);
}

static int measure(struct bench *bench)
{
	struct json *json = common.json ? json_create() : NULL;
	struct sheet *sheet = sheet_create(json, "bench", bench->to_node ? node_columns : columns,
					   sizeof(columns) / sizeof(*columns));
	int i, ret = FERRYCTL_OK;

	for (i = 0; i < bench->nsizes; i++) {
		ret = one_size(bench, sheet, bench->sizes[i]);
		if (ret)
			break;
	}
	if (ret == FERRYCTL_FAILED)
		return ret;
	sheet_end(sheet);
	if (json)
		end_json(bench, json, i);
	else
		printf("%s per page, the median of %zu rounds; TLB flushes per page to the "
		       "%s\n", counts_instructions() ? "instructions" :
		       "ns (this machine's clock does not count instructions)",
		       bench->rounds, bench->to_node ? "node" : "device");
	if (ret)
		failed("interrupted: %d of %d sizes are measured", i, bench->nsizes);
	return ret;
}

static size_t most_pages(const struct bench *bench)
{
	size_t most = 0;
	int i;

	for (i = 0; i < bench->nsizes; i++)
		most = bench->sizes[i] > most ? bench->sizes[i] : most;
	return most;
}

/* Small pages, all faulted in, for the largest size. */
static int allocate(struct bench *bench)
{
	size_t most = most_pages(bench), size;

	size = most * bench->page_size;
	bench->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	if (bench->memory == MAP_FAILED)
		return failed("no memory for %zu pages: %s", most, strerror(errno));
	madvise(bench->memory, size, MADV_NOHUGEPAGE);
	memset(bench->memory, 1, size);
	return FERRYCTL_OK;
}

static int node_of(void *page)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1ul, &page, NULL, &status, 0) < 0 ? -errno : status;
}

/* The first node with memory except @not, or MAX_NODES. */
static unsigned int other_node(unsigned int not)
{
	unsigned int node;
	char path[64];

	for (node = 0; node < MAX_NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
		if (node != not && !access(path, R_OK))
			break;
	}
	return node;
}

/* All pages are on one node at first. */
static int prepare_nodes(struct bench *bench)
{
	size_t most = most_pages(bench), i;
	int home = node_of(bench->memory), way;
	uint64_t unused;

	if (home < 0)
		return failed("this machine has no move_pages(2): %s", strerror(-home));
	bench->node[0] = other_node(home);
	bench->node[1] = home;
	if (bench->node[0] == MAX_NODES)
		return failed("this machine has one NUMA node: in a guest, vm/guest --numa 2");
	bench->call.pages = calloc(most, sizeof(*bench->call.pages));
	bench->call.status = calloc(most, sizeof(*bench->call.status));
	for (way = 0; way < 2; way++)
		bench->call.nodes[way] = calloc(most, sizeof(*bench->call.nodes[way]));
	if (!bench->call.pages || !bench->call.status || !bench->call.nodes[0] ||
	    !bench->call.nodes[1])
		return failed("no memory for the addresses of %zu pages", most);
	for (i = 0; i < most; i++) {
		bench->call.pages[i] = bench->memory + i * bench->page_size;
		for (way = 0; way < 2; way++)
			bench->call.nodes[way][i] = bench->node[way];
	}
	/* move_pages(2), which counts pages that are there already. */
	return move(bench, &bench->engines[1], most, 1, &unused);
}

static void free_nodes(struct bench *bench)
{
	free(bench->call.pages);
	free(bench->call.status);
	free(bench->call.nodes[0]);
	free(bench->call.nodes[1]);
}

static int check_device(struct bench *bench)
{
	struct drm_ferry_query query;
	int i, n = 0, ret;

	ret = ferry_query(bench->ferry, &query, sizeof(query));
	if (ret)
		return failed("device %u does not answer: %s", common.device, strerror(-ret));
	if (bench->to_node)
		return query.features & DRM_FERRY_FEATURE_NODE ? FERRYCTL_OK :
		       failed("this kernel has no own engine, and core moves to no node");
	if (most_pages(bench) > (query.memory_size - query.memory_used) / bench->page_size)
		return failed("device %u has no room for %zu pages: see ferryctl info",
			      common.device, most_pages(bench));
	for (i = 0; i < MAX_ENGINES; i++) {
		bench->engines[i].chosen &= !!(query.backends & 1u << bench->engines[i].backend);
		n += bench->engines[i].chosen;
	}
	return n ? FERRYCTL_OK : failed("device %u does not have that engine: see ferryctl info",
					common.device);
}

static void parse_sizes(struct bench *bench, char *arg, struct argp_state *state)
{
	char *size, *rest;

	bench->nsizes = 0;
	for (size = strtok_r(arg, ",", &rest); size; size = strtok_r(NULL, ",", &rest)) {
		if (bench->nsizes == MAX_SIZES)
			argp_error(state, "more than %d sizes", MAX_SIZES);
		bench->sizes[bench->nsizes] = parse_number(size, MAX_PAGES, state);
		if (!bench->sizes[bench->nsizes++])
			argp_error(state, "a size is 1 page or more");
	}
	if (!bench->nsizes)
		argp_error(state, "no sizes");
}

static void parse_flush(struct bench *bench, const char *arg, struct argp_state *state)
{
	size_t i;

	for (i = DRM_FERRY_FLUSH_PER_PAGE; i < NFLUSHES; i++)
		if (!strcmp(arg, flush_names[i]))
			bench->flush = i;
	if (!bench->flush)
		argp_error(state, "'%s' is none of per_page, per_table, per_call, auto", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench *bench = state->input;
	int i;

	switch (key) {
	case 'r':
		bench->rounds = parse_number(arg, MAX_ROUNDS, state);
		if (!bench->rounds)
			argp_error(state, "rounds are 1 to %d", MAX_ROUNDS);
		return 0;
	case 's':
		parse_sizes(bench, arg, state);
		return 0;
	case 'f':
		parse_flush(bench, arg, state);
		return 0;
	case 'b':
		for (i = 0; i < MAX_ENGINES; i++)
			bench->engines[i].chosen = !strcmp(arg, bench->engines[i].name);
		if (strcmp(arg, "own") && strcmp(arg, "core"))
			argp_error(state, "'%s' is neither own nor core", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (strcmp(arg, "node"))
			argp_error(state, "'%s' is not node", arg);
		bench->to_node = true;
		return 0;
	case ARGP_KEY_END:
		if (bench->to_node) {
			if (!bench->engines[0].chosen || !bench->engines[1].chosen)
				argp_error(state, "--backend is not for node");
			bench->engines[0].flush = bench->flush;
			bench->engines[1].name = "move_pages";
			return 0;
		}
		/* core flushes for each page and has no other strategy. */
		for (i = 0; i < MAX_ENGINES; i++)
			if (bench->engines[i].backend == DRM_FERRY_BACKEND_OWN)
				bench->engines[i].flush = bench->flush;
			else if (bench->flush && !bench->engines[!i].chosen)
				argp_error(state, "--flush is for the own engine");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_bench(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "backend", 'b', "own|core", 0, "one engine (both, where there are two)", 0 },
		{ "flush", 'f', "WHEN", 0,
		  "of own: per_page, per_table, per_call or auto (the module's)", 0 },
		{ "sizes", 's', "PAGES,...", 0, "pages in a call (1,64,512,4096)", 0 },
		{ "rounds", 'r', "N", 0, "rounds (9)", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "[node]",
		.doc = "Report what it costs to move pages to a device and back, per page. With "
		       "node: to another NUMA node and back, beside move_pages(2).",
		.children = json_and_device_options,
	};
	struct bench bench = {
		.rounds = DEFAULT_ROUNDS,
		.sizes = { 1, 64, 512, 4096 },
		.nsizes = 4,
		.engines = {
			{ DRM_FERRY_BACKEND_OWN, 0, "own", true },
			{ DRM_FERRY_BACKEND_CORE, 0, "core", true },
		},
		.page_size = sysconf(_SC_PAGESIZE),
	};
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &bench);
	ret = open_device(&bench.ferry);
	if (ret)
		return ret;
	interrupt_catch();
	ret = check_device(&bench);
	ret = ret ?: allocate(&bench);
	if (!ret && bench.to_node)
		ret = prepare_nodes(&bench);
	ret = ret ?: measure(&bench);
	free_nodes(&bench);
	ferry_close(bench.ferry);
	return ret;
}
