// SPDX-License-Identifier: MIT
/*
 * ferryctl demo: a real file moves to the device and back.
 *
 * The demo reads the file into anonymous memory, in pieces that fit into the
 * free memory of the device. Each piece makes a round trip with each engine:
 *
 * 1. The CPU computes a checksum.
 * 2. The piece moves to the device.
 * 3. The device computes the checksum, and the demo compares both.
 * 4. The device changes the piece (ADD).
 * 5. The piece moves back.
 * 6. The CPU undoes the change.
 * 7. The demo compares the piece with the file, byte by byte.
 *
 * The move back is by CPU fault for the first engine: the CPU undoes the
 * change, and the first access to each page moves the page to system memory. A
 * fault cannot choose an engine, and uses the engine of the module parameter.
 * The move back is by ioctl for the second engine, and always by ioctl from a
 * coherent device, because the CPU accesses coherent pages in place.
 *
 * The demo checks for SIGINT between pieces and between steps. After a SIGINT
 * the demo reports the counts so far, and closes the device; the close moves
 * the rest back.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "ferry.h"
#include "demo.h"
#include "ferryctl.h"

/* Bytes of one ioctl, small enough for a smooth progress bar. */
#define STEP_SIZE (4u << 20)

/* Any odd number changes every word. */
#define ADDEND 0x9e3779b1u

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
				      "is not written to", demo->path);
		done += got;
	}
	return FERRYCTL_OK;
}

/* Moves one step; 0 bytes are done if a signal came before any progress. */
static int migrate_step(struct demo *demo, struct engine *engine, size_t at, size_t n,
			bool out, struct ferry_counts *counts)
{
	const struct ferry_migrate_options options = {
		.size = sizeof(options),
		.target = out ? DRM_FERRY_TARGET_DEVICE : DRM_FERRY_TARGET_SYSTEM,
		.backend = engine->backend,
		.deadline = 1,
		.outcomes = demo->outcomes,
	};
	int ret = ferry_migrate_with(demo->ferry, demo->memory + at, n, &options, counts);
	size_t i;

	if (ret && ret != -EINTR)
		return failed("moving %zu bytes %s, device %u, engine %s: %s", n,
			      out ? "to the device" : "to system memory", common.device,
			      engine->name, strerror(-ret));
	for (i = 0; out && i < counts->done / demo->page_size; i++)
		engine->by_outcome[demo->outcomes[i]]++;
	if (out)
		engine->moved += counts->moved;
	return interrupted() ? FERRYCTL_INTERRUPTED : FERRYCTL_OK;
}

/*
 * Moves one piece in steps, for the progress bar. Counts outcomes on the way
 * out.
 */
static int migrate(struct demo *demo, struct engine *engine, uint64_t offset,
		   size_t length, bool out)
{
	double *seconds = out ? &engine->seconds_out : &engine->seconds_back, start = now();
	struct tlb_counts before = tlb_read();
	struct ferry_counts counts;
	size_t done, n;
	int ret = 0;

	for (done = 0; done < length && !ret; done += counts.done) {
		n = length - done < STEP_SIZE ? length - done : STEP_SIZE;
		ret = migrate_step(demo, engine, done, n, out, &counts);
		if (ret == FERRYCTL_FAILED)
			return ret;
		bar_show(out ? "to the device" : "to system", offset + done + counts.done,
			 demo->size, *seconds + now() - start);
	}
	*seconds += now() - start;
	tlb_add(out ? &engine->tlb_out : &engine->tlb_back, tlb_since(before));
	return ret;
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
		return failed("operation %u on device %u: %s", at, common.device,
			      strerror(-ret));
	if (ops[0].value != expected)
		return failed("bytes %" PRIu64 " to %" PRIu64 ": the device's checksum is "
			      "%08" PRIx64 ", the CPU's %08" PRIx32, offset, offset + n,
			      (uint64_t)ops[0].value, expected);
	return FERRYCTL_OK;
}

/* On a private device the first access to each page moves the page back. */
static int undo(struct demo *demo, struct engine *engine, uint64_t offset, size_t length)
{
	struct tlb_counts before = tlb_read();
	uint32_t *words = (uint32_t *)demo->memory;
	size_t per_page = demo->page_size / sizeof(*words), i;
	double start = now();

	for (i = 0; i < length / sizeof(*words); i++) {
		words[i] -= ADDEND;
		if (i % (STEP_SIZE / demo->page_size * per_page))
			continue;
		if (interrupted())
			break;
		bar_show("to system", offset + i * sizeof(*words), demo->size,
			 engine->seconds_back + now() - start);
	}
	if (engine->by_fault) {
		engine->seconds_back += now() - start;
		tlb_add(&engine->tlb_back, tlb_since(before));
	}
	return interrupted() ? FERRYCTL_INTERRUPTED : FERRYCTL_OK;
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
	if (!engine->by_fault)
		ret = migrate(demo, engine, offset, length, false);
	ret = ret ?: undo(demo, engine, offset, length);
	return ret ?: compare(demo, offset, n);
}

static int check_counters(struct demo *demo)
{
	struct drm_ferry_stats stats;
	int ret, i;

	ret = ferry_stats(demo->ferry, &stats, sizeof(stats));
	if (ret)
		return failed("device %u did not report its counters: %s", common.device,
			      strerror(-ret));
	for (i = 0; i < demo->nengines; i++)
		if (!demo->engines[i].moved)
			return failed("engine %s moved no page to device %u",
				      demo->engines[i].name, common.device);
	if (stats.pages_held)
		return failed("%llu pages are still on device %u",
			      (unsigned long long)stats.pages_held, common.device);
	return FERRYCTL_OK;
}

static int all_pieces(struct demo *demo)
{
	size_t n;
	int ret, i;

	for (; demo->checked < demo->size; demo->checked += n) {
		n = demo->size - demo->checked < demo->piece ? demo->size - demo->checked :
							       demo->piece;
		for (i = 0; i < demo->nengines; i++) {
			ret = one_piece(demo, &demo->engines[i], demo->checked, n);
			if (!ret && interrupted())
				ret = FERRYCTL_INTERRUPTED;
			if (ret)
				return ret;
		}
	}
	bar_clear();
	return check_counters(demo);
}

/* Chooses all available engines, or the requested engine. */
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
			      common.device);
	demo->engines[0].by_fault = !demo->coherent;
	return FERRYCTL_OK;
}

/* A piece fits into the free memory of the device and is at most the file. */
static int choose_piece(struct demo *demo)
{
	char used[SIZE_TEXT], size[SIZE_TEXT];
	struct drm_ferry_query query;
	uint64_t room;
	int ret;

	ret = ferry_query(demo->ferry, &query, sizeof(query));
	if (ret)
		return failed("device %u does not answer: %s", common.device, strerror(-ret));
	demo->coherent = query.memory_kind == DRM_FERRY_MEMORY_COHERENT;
	room = query.memory_size - query.memory_used;
	if (room < demo->page_size)
		return failed("device %u is full: %s of %s are in use (ferryctl stats says by "
			      "which processes)", common.device,
			      size_text(query.memory_used, used),
			      size_text(query.memory_size, size));
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

/* Without O_NONBLOCK the open of a FIFO waits for a writer. */
static int open_file(struct demo *demo)
{
	struct stat stat;

	demo->file = open(demo->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (demo->file < 0 || fstat(demo->file, &stat))
		return failed("%s cannot be opened: %s", demo->path, strerror(errno));
	if (!S_ISREG(stat.st_mode))
		return failed("%s is %s, not a regular file", demo->path,
			      S_ISFIFO(stat.st_mode) ? "a FIFO" :
			      S_ISDIR(stat.st_mode) ? "a directory" : "a device or a socket");
	if (!stat.st_size)
		return failed("%s has nothing in it, or does not say how much", demo->path);
	demo->size = stat.st_size;
	return FERRYCTL_OK;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct demo *demo = state->input;

	switch (key) {
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
		{ "backend", 'b', "own|core", 0, "one engine (both, where there are two)", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "FILE",
		.doc = "Move FILE to a device and back with each engine, and check every byte.",
		.children = json_and_device_options,
	};
	struct demo demo = {
		.page_size = sysconf(_SC_PAGESIZE),
		.backend = DRM_FERRY_BACKEND_DEFAULT,
	};
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &demo);
	ret = open_file(&demo);
	ret = ret ?: open_device(&demo.ferry);
	if (ret)
		return ret;
	interrupt_catch();
	ret = choose_piece(&demo);
	ret = ret ?: allocate(&demo);
	if (!ret)
		ret = demo_report(&demo, all_pieces(&demo));
	ferry_close(demo.ferry);
	return ret;
}
