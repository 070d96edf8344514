// SPDX-License-Identifier: MIT
/*
 * ferryctl demo: a real file goes to the device and back.
 *
 * The file is read into anonymous memory, piece by piece as the device has room,
 * and each piece makes the whole way once with each engine: checksummed by the CPU,
 * moved, checksummed by the device and compared, changed by the device (ADD), home,
 * changed back by the CPU, and compared with the file byte by byte.
 *
 * Home, with the first engine, is by touch: the CPU changes the pages back, and each
 * comes home when it is first touched (with the engine that the module was loaded
 * with: a fault cannot choose). With the second one it is by ioctl. From a coherent
 * device, whose pages the CPU changes where they are, it is by ioctl always.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "ferry.h"
#include "ferryctl.h"

/* What one ioctl is asked for, so that the bar moves. */
#define STEP_SIZE (4u << 20)

/* Any odd number changes every word. */
#define ADDEND 0x9e3779b1u

#define NOUTCOMES 256

/* One engine, and what it did. */
struct engine {
	uint32_t backend;
	const char *name;
	bool by_touch;
	uint64_t by_outcome[NOUTCOMES];
	uint64_t moved;
	double seconds_out;
	double seconds_back;
	struct tlb_counts tlb_out;
	struct tlb_counts tlb_back;
};

#define MAX_ENGINES 2

struct demo {
	const char *path;
	unsigned int device;
	int coherent;
	uint32_t backend;	/* the only one to use, or DEFAULT for all */

	struct engine engines[MAX_ENGINES];
	int nengines;

	struct ferry *ferry;
	int file;
	uint64_t size;
	size_t page_size;

	uint8_t *memory;	/* one piece, anonymous */
	uint8_t *compare;	/* as much of the file, to compare with */
	uint8_t *outcomes;	/* a byte for each page of a piece */
	size_t piece;

};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static int read_file(struct demo *demo, uint8_t *to, uint64_t offset, size_t n)
{
	size_t done = 0;
	ssize_t got;

	while (done < n) {
		got = pread(demo->file, to + done, n - done, offset + done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failed("%s cannot be read: %s", demo->path, strerror(errno));
		if (!got)
			return failed("%s became shorter while it was read: try a file that "
				      "nobody writes to", demo->path);
		done += got;
	}
	return FERRYCTL_OK;
}

/* One piece, a step at a time so that the bar moves; outcomes are of what goes out. */
static int migrate(struct demo *demo, struct engine *engine, uint64_t offset,
		   size_t length, bool out)
{
	double *seconds = out ? &engine->seconds_out : &engine->seconds_back, start = now();
	const char *way = out ? "to the device" : "home";
	struct tlb_counts before = tlb_read();
	struct drm_ferry_migrate request;
	size_t done, n, i;
	int ret;

	for (done = 0; done < length; done += request.done) {
		n = length - done < STEP_SIZE ? length - done : STEP_SIZE;
		request = (struct drm_ferry_migrate) {
			.addr = (uintptr_t)demo->memory + done,
			.len = n,
			.target = out ? DRM_FERRY_TARGET_DEVICE : DRM_FERRY_TARGET_SYSTEM,
			.backend = engine->backend,
			.outcomes = (uintptr_t)demo->outcomes,
		};
		ret = ferry_migrate_raw(demo->ferry, &request, sizeof(request));
		if (ret)
			return failed("moving %zu bytes %s, device %u, engine %s: %s", n, way,
				      demo->device, engine->name, strerror(-ret));
		for (i = 0; out && i < request.done / demo->page_size; i++)
			engine->by_outcome[demo->outcomes[i]]++;
		if (out)
			engine->moved += request.moved;
		bar_show(way, offset + done + request.done, demo->size,
			 *seconds + now() - start);
	}
	*seconds += now() - start;
	tlb_add(out ? &engine->tlb_out : &engine->tlb_back, tlb_since(before));
	return FERRYCTL_OK;
}

static int device_work(struct demo *demo, uint64_t offset, size_t n, size_t length,
		       uint32_t expected)
{
	uint64_t addr = (uintptr_t)demo->memory;
	struct drm_ferry_exec_op ops[] = {
		{ .op = DRM_FERRY_OP_CHECKSUM, .addr = addr, .len = n },
		{ .op = DRM_FERRY_OP_ADD, .addr = addr, .len = length, .value = ADDEND },
	};
	uint32_t at;
	int ret;

	ret = ferry_exec(demo->ferry, ops, sizeof(*ops), 2, NULL, &at);
	if (ret)
		return failed("operation %u on device %u: %s", at, demo->device,
			      strerror(-ret));
	if (ops[0].value != expected)
		return failed("bytes %" PRIu64 " to %" PRIu64 ": the device's checksum is "
			      "%08" PRIx64 ", the CPU's %08" PRIx32, offset, offset + n,
			      (uint64_t)ops[0].value, expected);
	return FERRYCTL_OK;
}

/* The first touch of each page that is on a private device brings it home. */
static void undo(struct demo *demo, struct engine *engine, uint64_t offset, size_t length)
{
	struct tlb_counts before = tlb_read();
	uint32_t *words = (uint32_t *)demo->memory;
	size_t per_page = demo->page_size / sizeof(*words), i;
	double start = now();

	for (i = 0; i < length / sizeof(*words); i++) {
		words[i] -= ADDEND;
		if (i % (STEP_SIZE / demo->page_size * per_page) == 0)
			bar_show("home", offset + i * sizeof(*words), demo->size,
				 engine->seconds_back + now() - start);
	}
	if (!engine->by_touch)
		return;
	engine->seconds_back += now() - start;
	tlb_add(&engine->tlb_back, tlb_since(before));
}

static int compare(struct demo *demo, uint64_t offset, size_t n)
{
	size_t i;

	if (read_file(demo, demo->compare, offset, n))
		return FERRYCTL_FAILED;
	if (!memcmp(demo->compare, demo->memory, n))
		return FERRYCTL_OK;
	for (i = 0; demo->compare[i] == demo->memory[i]; i++)
		;
	return failed("byte %" PRIu64 " came back as %#x, in %s it is %#x", offset + i,
		      demo->memory[i], demo->path, demo->compare[i]);
}

static int one_piece(struct demo *demo, struct engine *engine, uint64_t offset, size_t n)
{
	size_t length = round_up(n, demo->page_size);
	uint32_t crc;
	int ret;

	ret = read_file(demo, demo->memory, offset, n);
	if (ret)
		return ret;
	memset(demo->memory + n, 0, length - n);
	crc = crc32_z(0, demo->memory, n);

	ret = migrate(demo, engine, offset, length, true);
	if (ret)
		return ret;
	ret = device_work(demo, offset, n, length, crc);
	if (ret)
		return ret;
	if (!engine->by_touch)
		ret = migrate(demo, engine, offset, length, false);
	if (ret)
		return ret;
	undo(demo, engine, offset, length);
	return compare(demo, offset, n);
}

static int all_pieces(struct demo *demo)
{
	struct drm_ferry_stats stats;
	uint64_t offset;
	int ret = 0, i;
	size_t n;

	for (offset = 0; offset < demo->size; offset += n) {
		n = demo->size - offset < demo->piece ? demo->size - offset : demo->piece;
		for (i = 0; i < demo->nengines && !ret; i++)
			ret = one_piece(demo, &demo->engines[i], offset, n);
		if (ret)
			return ret;
	}
	bar_clear();
	ret = ferry_stats(demo->ferry, &stats, sizeof(stats));
	if (ret)
		return failed("device %u did not tell its counters: %s", demo->device,
			      strerror(-ret));
	for (i = 0; i < demo->nengines; i++)
		if (!demo->engines[i].moved)
			return failed("engine %s moved no page to device %u",
				      demo->engines[i].name, demo->device);
	if (stats.pages_held)
		return failed("%llu pages are still on device %u",
			      (unsigned long long)stats.pages_held, demo->device);
	return FERRYCTL_OK;
}

static bool outcome_seen(const struct demo *demo, int outcome)
{
	int i;

	for (i = 0; i < demo->nengines; i++)
		if (demo->engines[i].by_outcome[outcome])
			return true;
	return false;
}

static void add_outcomes(const struct demo *demo, struct libscols_table *table)
{
	struct libscols_line *line;
	char text[24];
	int i, o;

	for (o = 0; o < NOUTCOMES; o++) {
		if (!outcome_seen(demo, o))
			continue;
		line = scols_table_new_line(table, NULL);
		snprintf(text, sizeof(text), "pages %s", ferry_outcome_name(o));
		scols_line_set_data(line, 0, text);
		for (i = 0; i < demo->nengines; i++) {
			snprintf(text, sizeof(text), "%" PRIu64,
				 demo->engines[i].by_outcome[o]);
			scols_line_set_data(line, i + 1, text);
		}
	}
}

static void add_flushes(const struct demo *demo, struct libscols_table *table, bool out)
{
	const struct tlb_counts *tlb;
	struct libscols_line *line;
	char text[24];
	int i;

	line = scols_table_new_line(table, NULL);
	scols_line_set_data(line, 0, out ? "TLB flushes a page, to the device" :
					   "TLB flushes a page, home");
	for (i = 0; i < demo->nengines; i++) {
		tlb = out ? &demo->engines[i].tlb_out : &demo->engines[i].tlb_back;
		snprintf(text, sizeof(text), "%.4f",
			 (double)(tlb->local_one + tlb->local_all + tlb->remote) /
			 demo->engines[i].moved);
		scols_line_set_data(line, i + 1, text);
	}
}

static void add_ways_home(const struct demo *demo, struct libscols_table *table)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	int i;

	scols_line_set_data(line, 0, "way home");
	for (i = 0; i < demo->nengines; i++)
		scols_line_set_data(line, i + 1, demo->engines[i].by_touch ? "touch" : "ioctl");
}

static void report_table(const struct demo *demo)
{
	struct libscols_table *table = scols_new_table();
	int i;

	if (!table)
		return;
	scols_table_new_column(table, "ENGINE", 0, 0);
	for (i = 0; i < demo->nengines; i++)
		scols_table_new_column(table, demo->engines[i].name, 0, SCOLS_FL_RIGHT);
	add_outcomes(demo, table);
	add_ways_home(demo, table);
	if (demo->engines[0].tlb_out.known) {
		add_flushes(demo, table, true);
		add_flushes(demo, table, false);
	}
	scols_print_table(table);
	scols_unref_table(table);
}

static void report(const struct demo *demo)
{
	printf("%s: %" PRIu64 " bytes\n", demo->path, demo->size);
	report_table(demo);
	if (!demo->engines[0].tlb_out.known)
		printf("TLB flushes: this kernel does not count them (CONFIG_DEBUG_TLBFLUSH)\n");
	printf("ferry: %" PRIu64 " pages to the device and back, checksum OK\n",
	       demo->engines[0].moved);
}

/* Those that there are, or the one that was asked for. */
static int choose_engines(struct demo *demo, uint32_t backends)
{
	static const struct engine known[MAX_ENGINES] = {
		{ .backend = DRM_FERRY_BACKEND_OWN, .name = "own" },
		{ .backend = DRM_FERRY_BACKEND_CORE, .name = "core" },
	};
	int i;

	for (i = 0; i < MAX_ENGINES; i++)
		if (backends & 1u << known[i].backend &&
		    (!demo->backend || demo->backend == known[i].backend))
			demo->engines[demo->nengines++] = known[i];
	if (!demo->nengines)
		return failed("device %u does not have that engine: see ferryctl info",
			      demo->device);
	demo->engines[0].by_touch = !demo->coherent;
	return FERRYCTL_OK;
}

/* A piece is what the device has room for now, and no more than the file. */
static int choose_piece(struct demo *demo)
{
	struct drm_ferry_query query;
	uint64_t room;
	int ret;

	ret = ferry_query(demo->ferry, &query, sizeof(query));
	if (ret)
		return failed("device %u does not answer: %s", demo->device, strerror(-ret));
	demo->coherent = query.memory_kind == DRM_FERRY_MEMORY_COHERENT;
	room = query.memory_size - query.memory_used;
	if (room < demo->page_size)
		return failed("device %u is full: %llu of %llu bytes are in use (ferryctl stats "
			      "tells by whom)", demo->device,
			      (unsigned long long)query.memory_used,
			      (unsigned long long)query.memory_size);
	demo->piece = room < demo->size ? room : round_up(demo->size, demo->page_size);
	return choose_engines(demo, query.backends);
}

static int allocate(struct demo *demo)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	demo->memory = mmap(NULL, demo->piece, PROT_READ | PROT_WRITE, flags, -1, 0);
	demo->compare = mmap(NULL, demo->piece, PROT_READ | PROT_WRITE, flags, -1, 0);
	demo->outcomes = malloc(STEP_SIZE / demo->page_size);
	if (demo->memory == MAP_FAILED || demo->compare == MAP_FAILED || !demo->outcomes)
		return failed("no memory for two copies of %zu bytes", demo->piece);
	return FERRYCTL_OK;
}

static int open_file(struct demo *demo)
{
	struct stat stat;

	demo->file = open(demo->path, O_RDONLY | O_CLOEXEC);
	if (demo->file < 0 || fstat(demo->file, &stat))
		return failed("%s cannot be opened: %s", demo->path, strerror(errno));
	if (!S_ISREG(stat.st_mode) || !stat.st_size)
		return failed("%s is not a regular file with something in it", demo->path);
	demo->size = stat.st_size;
	return FERRYCTL_OK;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct demo *demo = state->input;
	char *end;

	switch (key) {
	case 'd':
		demo->device = strtoul(arg, &end, 10);
		if (end == arg || *end)
			argp_error(state, "'%s' is not the number of a device", arg);
		return 0;
	case 'b':
		if (!strcmp(arg, "own"))
			demo->backend = DRM_FERRY_BACKEND_OWN;
		else if (!strcmp(arg, "core"))
			demo->backend = DRM_FERRY_BACKEND_CORE;
		else
			argp_error(state, "'%s' is neither own nor core", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (demo->path)
			argp_error(state, "one file at a time");
		demo->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!demo->path)
			argp_error(state, "which file?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_demo(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "device", 'd', "N", 0, "device number (0)", 0 },
		{ "backend", 'b', "own|core", 0, "one engine (both, where there are two)", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "FILE",
		.doc = "Move FILE to a device and back with each engine, and check every byte.",
	};
	struct demo demo = {
		.page_size = sysconf(_SC_PAGESIZE),
		.backend = DRM_FERRY_BACKEND_DEFAULT,
	};
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &demo);
	scols_init_debug(0);

	ret = open_file(&demo);
	if (ret)
		return ret;
	ret = ferry_open_index(demo.device, &demo.ferry);
	if (ret == -ENODEV)
		return demo.device ? failed("there is no device %u: see ferryctl info",
					    demo.device) : explain_no_device();
	if (ret)
		return failed("device %u cannot be opened: %s", demo.device, strerror(-ret));
	ret = choose_piece(&demo);
	if (!ret)
		ret = allocate(&demo);
	if (!ret)
		ret = all_pieces(&demo);
	if (!ret)
		report(&demo);
	ferry_close(demo.ferry);
	return ret;
}
