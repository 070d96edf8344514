// SPDX-License-Identifier: MIT
/*
 * ferryctl demo: a real file goes to the device and back.
 *
 * The file is read into anonymous memory, piece by piece as the device has room,
 * and each piece makes the whole way: checksummed by the CPU, moved, checksummed
 * by the device and compared, changed by the device (ADD), touched by the CPU,
 * which brings it home page by page, changed back, and compared with the file
 * byte by byte. From a coherent device, whose pages the CPU changes where they are,
 * it is called home.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

#define MIB (1024.0 * 1024.0)

/* What one ioctl is asked for, so that the bar moves. */
#define STEP_SIZE (4u << 20)

/* Any odd number changes every word. */
#define ADDEND 0x9e3779b1u

#define NOUTCOMES 256

struct demo {
	const char *path;
	unsigned int device;
	int coherent;

	struct ferry *ferry;
	int file;
	uint64_t size;
	size_t page_size;

	uint8_t *memory;	/* one piece, anonymous */
	uint8_t *compare;	/* as much of the file, to compare with */
	uint8_t *outcomes;	/* a byte for each page of a piece */
	size_t piece;

	uint64_t pages;
	uint64_t moved;
	uint64_t by_outcome[NOUTCOMES];
	double seconds_out;
	double seconds_back;
	struct tlb_counts tlb_out;
	struct tlb_counts tlb_back;
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

static void count_outcomes(struct demo *demo, size_t npages)
{
	size_t i;

	for (i = 0; i < npages; i++)
		demo->by_outcome[demo->outcomes[i]]++;
	demo->pages += npages;
}

/* One piece, a step at a time so that the bar moves; outcomes are of what goes out. */
static int migrate(struct demo *demo, uint64_t offset, size_t length, int out)
{
	uint32_t target = out ? DRM_FERRY_TARGET_DEVICE : DRM_FERRY_TARGET_SYSTEM;
	double *seconds = out ? &demo->seconds_out : &demo->seconds_back;
	const char *way = out ? "to the device" : "home";
	struct tlb_counts before = tlb_read();
	struct ferry_counts counts;
	double start = now();
	size_t done, n;
	int ret;

	for (done = 0; done < length; done += n) {
		n = length - done < STEP_SIZE ? length - done : STEP_SIZE;
		memset(demo->outcomes, 0, n / demo->page_size);
		ret = ferry_migrate(demo->ferry, demo->memory + done, n, target,
				    demo->outcomes, &counts);
		if (ret)
			return failed("moving %zu bytes %s, device %u: %s", n, way, demo->device,
				      strerror(-ret));
		if (out) {
			demo->moved += counts.moved;
			count_outcomes(demo, n / demo->page_size);
		}
		bar_show(way, offset + done + n, demo->size, *seconds + now() - start);
	}
	*seconds += now() - start;
	tlb_add(out ? &demo->tlb_out : &demo->tlb_back, tlb_since(before));
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

	ret = ferry_exec(demo->ferry, ops, 2, &at);
	if (ret)
		return failed("operation %u on device %u: %s", at, demo->device,
			      strerror(-ret));
	if (ops[0].value != expected)
		return failed("bytes %" PRIu64 " to %" PRIu64 ": the device's checksum is "
			      "%08" PRIx64 ", the CPU's %08" PRIx32, offset, offset + n,
			      (uint64_t)ops[0].value, expected);
	return FERRYCTL_OK;
}

/* The first touch of each page brings it home, from a private device. */
static void undo(struct demo *demo, uint64_t offset, size_t length)
{
	struct tlb_counts before = tlb_read();
	uint32_t *words = (uint32_t *)demo->memory;
	size_t per_page = demo->page_size / sizeof(*words), i;
	double start = now();

	for (i = 0; i < length / sizeof(*words); i++) {
		words[i] -= ADDEND;
		if (i % (STEP_SIZE / demo->page_size * per_page) == 0)
			bar_show("home", offset + i * sizeof(*words), demo->size,
				 demo->seconds_back + now() - start);
	}
	demo->seconds_back += now() - start;
	tlb_add(&demo->tlb_back, tlb_since(before));
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

static int one_piece(struct demo *demo, uint64_t offset, size_t n)
{
	size_t length = round_up(n, demo->page_size);
	uint32_t crc;
	int ret;

	ret = read_file(demo, demo->memory, offset, n);
	if (ret)
		return ret;
	memset(demo->memory + n, 0, length - n);
	crc = crc32_z(0, demo->memory, n);

	ret = migrate(demo, offset, length, 1);
	if (ret)
		return ret;
	ret = device_work(demo, offset, n, length, crc);
	if (ret)
		return ret;
	undo(demo, offset, length);
	/* Coherent pages stay where they are when the CPU touches them: call them. */
	if (demo->coherent) {
		ret = migrate(demo, offset, length, 0);
		if (ret)
			return ret;
	}
	return compare(demo, offset, n);
}

static int all_pieces(struct demo *demo)
{
	struct drm_ferry_stats stats;
	uint64_t offset;
	size_t n;
	int ret;

	for (offset = 0; offset < demo->size; offset += n) {
		n = demo->size - offset < demo->piece ? demo->size - offset : demo->piece;
		ret = one_piece(demo, offset, n);
		if (ret)
			return ret;
	}
	bar_clear();
	ret = ferry_stats(demo->ferry, &stats);
	if (ret)
		return failed("device %u did not tell its counters: %s", demo->device,
			      strerror(-ret));
	if (!demo->moved)
		return failed("no page moved to device %u", demo->device);
	if (stats.pages_held)
		return failed("%llu pages are still on device %u",
			      (unsigned long long)stats.pages_held, demo->device);
	return FERRYCTL_OK;
}

static void report_flushes(const char *way, struct tlb_counts tlb, uint64_t pages)
{
	printf("%-14s %.2f a page (%llu of one address, %llu of all, %llu sent to other CPUs)\n",
	       way, (double)(tlb.local_one + tlb.local_all + tlb.remote) / pages,
	       tlb.local_one, tlb.local_all, tlb.remote);
}

static void report_outcomes(struct demo *demo)
{
	struct libscols_table *table = scols_new_table();
	struct libscols_line *line;
	char text[24];
	int i;

	if (!table)
		return;
	scols_table_new_column(table, "OUTCOME", 0, 0);
	scols_table_new_column(table, "PAGES", 0, SCOLS_FL_RIGHT);
	for (i = 0; i < NOUTCOMES; i++) {
		if (!demo->by_outcome[i])
			continue;
		snprintf(text, sizeof(text), "%" PRIu64, demo->by_outcome[i]);
		line = scols_table_new_line(table, NULL);
		scols_line_set_data(line, 0, ferry_outcome_name(i));
		scols_line_set_data(line, 1, text);
	}
	scols_print_table(table);
	scols_unref_table(table);
}

static void report(struct demo *demo)
{
	printf("%s: %" PRIu64 " bytes\n", demo->path, demo->size);
	report_outcomes(demo);
	printf("to the device: %.1f MiB/s; home, %s: %.1f MiB/s (emulated: "
	       "compare, do not quote)\n", demo->size / MIB / demo->seconds_out,
	       demo->coherent ? "changed in place and called" : "one CPU fault a page",
	       demo->size / MIB / demo->seconds_back);
	if (demo->tlb_out.known) {
		printf("TLB flushes (whole machine, by the kernel's counters):\n");
		report_flushes("to the device", demo->tlb_out, demo->moved);
		report_flushes("home", demo->tlb_back, demo->moved);
	} else {
		printf("TLB flushes: this kernel does not count them (CONFIG_DEBUG_TLBFLUSH)\n");
	}
	printf("ferry: %" PRIu64 " pages to the device and back, checksum OK\n", demo->moved);
}

/* A piece is what the device has room for now, and no more than the file. */
static int choose_piece(struct demo *demo)
{
	struct drm_ferry_query query;
	uint64_t room;
	int ret;

	ret = ferry_query(demo->ferry, &query);
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
	return FERRYCTL_OK;
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
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "FILE",
		.doc = "Move FILE through a device and back, and check every byte.",
	};
	struct demo demo = { .page_size = sysconf(_SC_PAGESIZE) };
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
