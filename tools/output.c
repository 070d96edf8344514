// SPDX-License-Identifier: MIT
/*
 * Standard output. ferryctl fails if the output cannot be written (a full file
 * system, a closed descriptor): otherwise the caller would take a part of the
 * output for the whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ferryctl.h"

/*
 * A closed standard descriptor would become the number of the next opened file,
 * the device for example. A placeholder with the opposite mode makes reads and
 * writes fail.
 */
static void hold_closed_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static void check_output(void)
{
	bool lost = ferror(stdout);

	errno = 0;
	if (!fflush(stdout) && !lost && !close(STDOUT_FILENO))
		return;
	failed("standard output could not be written: %s",
	       errno ? strerror(errno) : "some of it is lost");
	_exit(FERRYCTL_FAILED);
}

void check_output_at_exit(void)
{
	hold_closed_descriptors();
	atexit(check_output);
}
