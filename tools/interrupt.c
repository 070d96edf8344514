// SPDX-License-Identifier: MIT
#include <signal.h>

#include "ferryctl.h"

static volatile sig_atomic_t caught;

static void note(int signal)
{
	(void)signal;
	caught = 1;
}

void interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESETHAND }, before;

	/* Started in the background, or by nohup(1): it stays ignored. */
	if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
}

bool interrupted(void)
{
	return caught;
}
