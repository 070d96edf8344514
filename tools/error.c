// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "ferryctl.h"

int failed(const char *format, ...)
{
	va_list args;

	bar_clear();
	fflush(stdout);
	fputs("ferryctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return FERRYCTL_FAILED;
}
