// SPDX-License-Identifier: MIT
/*
 * Hold device memory until killed.
 *
 * usage: hold BYTES        move BYTES to device 0, print "ready", wait
 *        hold BYTES kill   run the above in a child, kill the child, and expect
 *                          the device to be empty within 2 s
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ferry.h"

#define LIMIT_S 2.0

static struct ferry *open_device(void)
{
	struct ferry *ferry;
	int ret = ferry_open_index(0, &ferry);

	if (ret) {
		fprintf(stderr, "hold: device 0: %s\n", strerror(-ret));
		exit(1);
	}
	return ferry;
}

static void hold(size_t n, int ready)
{
	struct ferry *ferry = open_device();
	struct ferry_counts counts;
	void *memory;
	int ret;

	memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		exit(1);
	memset(memory, 1, n);
	ret = ferry_migrate(ferry, memory, n, DRM_FERRY_TARGET_DEVICE, NULL, &counts);
	if (ret || counts.failed) {
		fprintf(stderr, "hold: %s, %llu pages stayed\n", strerror(-ret),
			(unsigned long long)counts.failed);
		exit(1);
	}
	if (write(ready, "ready\n", 6) != 6)
		exit(1);
	for (;;)
		pause();
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static unsigned long long used(struct ferry *ferry)
{
	struct drm_ferry_query query;

	return ferry_query(ferry, &query, sizeof(query)) ? ~0ull : query.memory_used;
}

static int kill_one(size_t n)
{
	struct ferry *ferry = open_device();
	int ready[2];
	char text[6];
	double start;
	pid_t pid;

	if (pipe(ready))
		return 1;
	pid = fork();
	if (!pid)
		hold(n, ready[1]);
	close(ready[1]);
	if (read(ready[0], text, sizeof(text)) <= 0 || used(ferry) < n) {
		fprintf(stderr, "hold: the child did not get its pages to the device\n");
		return 1;
	}
	kill(pid, SIGKILL);
	for (start = now(); used(ferry); usleep(1000)) {
		if (now() < start + LIMIT_S)
			continue;
		fprintf(stderr, "hold: %llu bytes still used %.0f s after SIGKILL\n",
			used(ferry), LIMIT_S);
		return 1;
	}
	waitpid(pid, NULL, 0);
	ferry_close(ferry);
	return 0;
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;

	if (!n || argc > 3 || (argc == 3 && strcmp(argv[2], "kill"))) {
		fprintf(stderr, "usage: hold BYTES [kill]\n");
		return 2;
	}
	if (argc == 3)
		return kill_one(n);
	hold(n, STDOUT_FILENO);
}
