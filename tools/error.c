// SPDX-License-Identifier: MIT
#include <stdarg.h>

#include "ferryctl.h"

static char first[512];

int failed(const char *format, ...)
{
	va_list args;

	bar_clear();
	fflush(stdout);
	if (!*first) {
		va_start(args, format);
		vsnprintf(first, sizeof(first), format, args);
		va_end(args);
	}
	fputs("ferryctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return FERRYCTL_FAILED;
}

void print_error(void)
{
	struct json *json;

	if (json_was_printed())
		return;
	json = json_create();
	json_open(json, "error", '{');
	json_text(json, "message", first);
	explain_json(json);
	json_close(json);
	json_print(json);
}
