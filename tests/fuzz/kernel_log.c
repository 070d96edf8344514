// SPDX-License-Identifier: MIT
/* The kernel log of a run: a line that vm/guest calls bad is a difference. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

/* Printed lines of an OOM report, without the list of processes. */
#define OOM_LINES 48

static int log_fd = -1;

static const char *const bad_words[] = {
	"WARNING:", "BUG:", "BUG ", "Oops", "general protection fault", "KASAN", "KCSAN",
	"UBSAN", "ad page", "bad pmd", "ad rss-counter", "possible circular",
	"possible recursive", "inconsistent lock state", "suspicious RCU",
	"sleeping function called", "refcount_t:", "soft lockup", "rcu_sched self-detected",
};

void kernel_log_start(void)
{
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(log_fd, 0, SEEK_END);
}

/* The last report of the OOM killer: the caller and its stack. */
static char oom[OOM_LINES * 100];
static int oom_left;

static void note_oom(const char *line)
{
	const char *text = strchr(line, ';');
	size_t used = strlen(oom);

	if (!text)
		return;
	if (strstr(text, "invoked oom-killer")) {
		used = 0;
		oom_left = OOM_LINES;
	}
	if (oom_left > 0) {
		oom_left--;
		snprintf(oom + used, sizeof(oom) - used, "# kernel: %.*s\n",
			 (int)strcspn(text + 1, "\n"), text + 1);
	}
}

/* Reads the next line since the last call, or since the start. */
static bool next_line(char *line, size_t size)
{
	ssize_t got;

	do
		got = read(log_fd, line, size - 1);
	while (got < 0 && errno == EPIPE);
	if (got <= 0)
		return false;
	line[got] = 0;
	note_oom(line);
	return true;
}

/* Returns whether the unread lines contain a bad line. */
bool kernel_log_bad(char *text, size_t size)
{
	bool bad = false;
	char line[2048];
	size_t i;

	while (next_line(line, sizeof(line))) {
		for (i = 0; i < sizeof(bad_words) / sizeof(*bad_words) && !bad; i++) {
			if (!strstr(line, bad_words[i]))
				continue;
			bad = true;
			snprintf(text, size, "%.*s", (int)strcspn(line, "\n"), line);
		}
	}
	return bad;
}

/* Prints the start of the OOM killer's last report: the caller and its stack. */
void kernel_log_print_oom(void)
{
	char line[2048];

	while (next_line(line, sizeof(line)))
		;
	printf("%s", oom);
}
