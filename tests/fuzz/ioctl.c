// SPDX-License-Identifier: MIT
/*
 * The ioctl fuzz, in the guest: processes run one after the other and make
 * random calls (ioctl_callers.c); a watchdog observes the process. Half of the
 * processes are killed at a random time, and all get signals. After each
 * process the devices must be empty. Prints KTAP.
 *
 * usage: ioctl SECONDS SEED
 * exit status: 0; 1 a test failed; 2 the fuzz could not run
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drm/ferry_drm.h>

#include "ioctl.h"

#define SECOND 1000000000ull
#define CALL_LIMIT (30 * SECOND)	/* of a call, and of a killed process */
#define EMPTY_LIMIT (10 * SECOND)
#define PROGRESS_EVERY (10 * SECOND)
#define LOOK_EVERY 2000			/* microseconds */
#define FIRST_NODE 128
#define LAST_NODE 144

uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

enum test { CALLS_END, DEVICES_EMPTY, LOG_CLEAN, TESTS };

static const char *const test_names[TESTS] = {
	[CALLS_END] = "calls_end_as_documented",
	[DEVICES_EMPTY] = "devices_are_empty",
	[LOG_CLEAN] = "log_is_clean",
};

struct work {
	struct watched *watched;
	struct chance chance;
	uint64_t seed;
	uint64_t calls, done;
	bool failed[TESTS];
};

static void fail(struct work *work, enum test test, const char *what, const char *text)
{
	if (!work->failed[test])
		printf("# seed %llu: %s%s\n", (unsigned long long)work->seed, what, text);
	fflush(stdout);
	work->failed[test] = true;
}

static bool anything_failed(const struct work *work)
{
	return work->failed[CALLS_END] || work->failed[DEVICES_EMPTY] ||
	       work->failed[LOG_CLEAN];
}

static void look_at_calls(struct work *work, uint64_t killed)
{
	uint64_t since;
	int i;

	for (i = 0; i < CALLERS; i++) {
		since = work->watched->callers[i].since;
		if (since && now_ns() > (since > killed ? since : killed) + CALL_LIMIT)
			fail(work, CALLS_END, killed ? "does not end though killed: " : "hangs: ",
			     work->watched->callers[i].text);
	}
}

/*
 * Waits for the end of the process and kills the process at @until. Returns the
 * process's status.
 */
static int watch(struct work *work, pid_t pid, uint64_t until)
{
	uint64_t killed = 0;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (!killed && (now_ns() > until || work->failed[CALLS_END])) {
			kill(pid, SIGKILL);
			killed = now_ns();
		} else if (!killed && !below(&work->chance, 4)) {
			kill(pid, SIGUSR1);
		}
		look_at_calls(work, killed);
		if (killed && now_ns() > killed + 2 * CALL_LIMIT) {
			fail(work, CALLS_END, "a killed process does not end", "");
			break;
		}
		usleep(LOOK_EVERY);
	}
	return killed ? 0 : status;
}

static bool is_used(const char *path)
{
	struct drm_ferry_query query = { 0 };
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool used = fd >= 0 && !ioctl(fd, DRM_IOCTL_FERRY_QUERY, &query) &&
		    query.memory_used;

	close(fd);
	return used;
}

/* A page that cannot move at once moves soon afterwards (evict.c). */
static void look_at_devices(struct work *work)
{
	uint64_t end = now_ns() + EMPTY_LIMIT;
	char path[64];
	int node;

	for (node = FIRST_NODE; node < LAST_NODE; node++) {
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", node);
		while (is_used(path) && now_ns() < end)
			usleep(LOOK_EVERY);
		if (is_used(path))
			fail(work, DEVICES_EMPTY, "still used, with nobody there: ", path);
	}
}

static void count_calls(struct work *work)
{
	int i;

	for (i = 0; i < CALLERS; i++) {
		work->calls += work->watched->callers[i].calls;
		work->done += work->watched->callers[i].done;
	}
}

/* Runs one process; every second process is killed at a random time. */
static void one_process(struct work *work)
{
	uint64_t until = now_ns() + 4 * CALL_LIMIT;
	char text[MAX_TEXT];
	int status;
	pid_t pid;

	memset(work->watched, 0, sizeof(*work->watched));
	work->chance.state = work->seed;
	if (work->seed & 1)
		until = now_ns() + below(&work->chance, SECOND);
	pid = fork();
	if (!pid)
		run_callers(work->watched, work->seed);
	status = watch(work, pid, until);
	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		fprintf(stderr, "# a process could not begin: status %d\n", WEXITSTATUS(status));
		exit(2);
	}
	if (WIFSIGNALED(status))
		fail(work, CALLS_END, strsignal(WTERMSIG(status)), " ended a process");
	if (work->watched->found)
		fail(work, CALLS_END, work->watched->text, "");
	count_calls(work);
	look_at_devices(work);
	if (kernel_log_bad(text, sizeof(text)))
		fail(work, LOG_CLEAN, text, "");
}

static void say_progress(const struct work *work, uint64_t start)
{
	printf("# %llu s: %llu calls, %llu of them successful, next seed %llu\n",
	       (now_ns() - start) / SECOND, (unsigned long long)work->calls,
	       (unsigned long long)work->done, (unsigned long long)work->seed);
	fflush(stdout);
}

static void ignore(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = ignore };
	uint64_t start = now_ns(), said = start;
	struct work work = { 0 };
	int test;

	if (argc != 3)
		return 2;
	work.seed = strtoull(argv[2], NULL, 0);
	work.watched = mmap(NULL, sizeof(*work.watched), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR1, &action, NULL);
	kernel_log_start();
	printf("TAP version 13\n1..%d\n# seed %s\n", TESTS, argv[2]);
	fflush(stdout);
	while (!anything_failed(&work) && now_ns() < start + strtoull(argv[1], NULL, 0) * SECOND) {
		one_process(&work);
		work.seed++;
		if (now_ns() > said + PROGRESS_EVERY) {
			said = now_ns();
			say_progress(&work, start);
		}
	}
	say_progress(&work, start);
	for (test = 0; test < TESTS; test++)
		printf("%sok %d ioctl.%s\n", work.failed[test] ? "not " : "", test + 1,
		       test_names[test]);
	return anything_failed(&work);
}
