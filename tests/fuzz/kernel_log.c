// SPDX-License-Identifier: MIT
/* What the kernel says meanwhile: a line that vm/guest would call bad is a difference. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

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

/* A bad line since the last call, or since the start. */
bool kernel_log_bad(char *text, size_t size)
{
	bool bad = false;
	char line[2048];
	ssize_t got;
	size_t i;

	while ((got = read(log_fd, line, sizeof(line) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		if (got < 0)
			continue;
		line[got] = 0;
		for (i = 0; i < sizeof(bad_words) / sizeof(*bad_words) && !bad; i++) {
			if (!strstr(line, bad_words[i]))
				continue;
			bad = true;
			snprintf(text, size, "%.*s", (int)strcspn(line, "\n"), line);
		}
	}
	return bad;
}
