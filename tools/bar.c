// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "ferryctl.h"

#define BAR_WIDTH 32
#define MIB (1024.0 * 1024.0)
#define LOG_EVERY_S 5

static bool shown;

static void log_line(const char *what, unsigned long long done,
		     unsigned long long total)
{
	char of_done[SIZE_TEXT], of_total[SIZE_TEXT];
	static time_t last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!last)
		last = now.tv_sec;
	if (now.tv_sec < last + LOG_EVERY_S)
		return;
	last = now.tv_sec;
	fprintf(stderr, "%s: %s of %s\n", what, size_text(done, of_done),
		size_text(total, of_total));
}

void bar_show(const char *what, unsigned long long done, unsigned long long total,
	      double seconds)
{
	static const char full[] = "################################";
	int width = total ? (int)(done * BAR_WIDTH / total) : 0;

	if (!isatty(STDERR_FILENO)) {
		log_line(what, done, total);
		return;
	}
	shown = true;
	fprintf(stderr, "\r%-14s [%-*.*s] %3llu %%  %.1f MiB/s\033[K", what, BAR_WIDTH,
		width, full, total ? done * 100 / total : 0,
		seconds > 0 ? done / MIB / seconds : 0.0);
}

void bar_clear(void)
{
	if (shown)
		fputs("\r\033[K", stderr);
	shown = false;
}
