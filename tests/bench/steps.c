// SPDX-License-Identifier: MIT
/*
 * The cost of each step for a page: the phase times of driver/migrate/timing.c,
 * in ticks per page, both engines in turn; and how many pages took the own
 * engine's fast path in install. Exclusive pages, calls of CALL_PAGES.
 *
 * usage: steps ROUNDS NPAGES
 * facts: steps.ENGINE.WAY.STEP, fast_path.known, fast_path.walked
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "ferry.h"

#define TIMING "/sys/kernel/debug/ferry_timing"
#define MAX_FIGURES 64

struct figure {
	char key[64];
	struct samples samples;
};

static struct figure figures[MAX_FIGURES];

static void turn(const char *text)
{
	int fd = open(TIMING, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %m (it is there where Ferry's engine is linked into the kernel)",
		    TIMING);
	close(fd);
}

static void collect(void)
{
	char engine[16], way[16], step[16], key[64];
	unsigned long long pages;
	long long took;
	FILE *file = fopen(TIMING, "re");
	int i;

	if (!file)
		die("%s: %m", TIMING);
	while (fscanf(file, "%15s %15s %15s %lld %llu", engine, way, step, &took, &pages) == 5) {
		snprintf(key, sizeof(key), "%s.%s.%s", engine, way, step);
		for (i = 0; figures[i].key[0] && strcmp(figures[i].key, key); i++)
			if (i == MAX_FIGURES - 1)
				die("more than %d steps in %s", MAX_FIGURES, TIMING);
		memcpy(figures[i].key, key, sizeof(key));
		sample(&figures[i].samples, (double)took / pages);
	}
	fclose(file);
}

static void move_all(const struct mover *mover, const struct memory *memory, enum way way)
{
	size_t i, n;

	for (i = 0; i < memory->npages; i += n) {
		n = memory->npages - i < CALL_PAGES ? memory->npages - i : CALL_PAGES;
		mover_move(mover, memory->start + i * page_size(), n, way);
	}
	mover_check(mover, memory, way);
}

static void round_trip(const struct mover *mover, const struct memory *memory, bool count)
{
	turn("1");
	move_all(mover, memory, TO_DEVICE);
	move_all(mover, memory, TO_SYSTEM);
	turn("0");
	if (count)
		collect();
}

/*
 * Returns a counter of the open device, or 0 without a line: a counter that is
 * 0 has no line.
 */
static double fdinfo(const struct mover *mover, const char *key)
{
	char path[64], line[128];
	double value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ferry_fd(mover_ferry(mover)));
	file = fopen(path, "re");
	if (!file)
		die("%s: %m", path);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtod(line + strlen(key) + 1, NULL);
	fclose(file);
	return value;
}

int main(int argc, char **argv)
{
	const struct mover *own, *core;
	struct memory memory;
	size_t round, rounds;
	int i;

	if (argc != 3)
		die("usage: %s ROUNDS NPAGES", argv[0]);
	rounds = number(argv[1]);
	own = mover_open("own");
	core = mover_open("core");
	memory_create(&memory, EXCLUSIVE, number(argv[2]));
	for (round = 0; round <= rounds; round++) {
		round_trip(own, &memory, round > 0);
		round_trip(core, &memory, round > 0);
	}
	for (i = 0; i < MAX_FIGURES && figures[i].key[0]; i++)
		fact(median(&figures[i].samples), "steps.%s", figures[i].key);
	fact(fdinfo(own, "ferry-installed-known"), "fast_path.known");
	fact(fdinfo(own, "ferry-installed-walked"), "fast_path.walked");
	memory_destroy(&memory);
	return 0;
}
