// SPDX-License-Identifier: MIT
/*
 * The first SIGINT asks for an end and a report. The second SIGINT ends the
 * process at once. timeout(1) sends each signal twice, to the process and to
 * the process group: signals within TWIN_NS of the first count as the first.
 */
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "ferryctl.h"

#define NS_PER_S 1000000000ll
#define TWIN_NS (NS_PER_S / 10)

static volatile sig_atomic_t caught;
static int64_t caught_at;	/* private to the handler */

static void note(int number)
{
	struct timespec time;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = time.tv_sec * NS_PER_S + time.tv_nsec;
	if (!caught) {
		caught_at = now;
		caught = 1;
	} else if (now - caught_at > TWIN_NS) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

void interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = note }, before;

	/*
	 * SIGINT stays ignored for a process in the background or under
	 * nohup(1).
	 */
	if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
}

bool interrupted(void)
{
	return caught;
}
