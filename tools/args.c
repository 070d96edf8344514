// SPDX-License-Identifier: MIT
/* Options that subcommands share. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "ferryctl.h"

struct common common;

unsigned long long parse_number(const char *arg, unsigned long long max,
				struct argp_state *state)
{
	unsigned long long value;
	char *end;

	/* strtoull() takes signs and spaces, and turns -1 into a large number. */
	errno = 0;
	value = strtoull(arg, &end, 10);
	if (!isdigit((unsigned char)*arg) || *end || errno || value > max)
		argp_error(state, "'%s' is not a number from 0 to %llu", arg, max);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'j':
		common.json = true;
		return 0;
	case 'd':
		common.device = parse_number(arg, UINT_MAX, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

#define JSON { "json", 'j', NULL, 0, "print JSON, sizes in bytes", 1 }

static const struct argp_option json[] = {
	JSON,
	{ 0 },
};

static const struct argp_option json_and_device[] = {
	{ "device", 'd', "N", 0, "device number (0)", 1 },
	JSON,
	{ 0 },
};

static const struct argp json_argp = { .options = json, .parser = parse };
static const struct argp json_and_device_argp = { .options = json_and_device, .parser = parse };

const struct argp_child json_option[] = {
	{ &json_argp, 0, NULL, 0 },
	{ 0 },
};

const struct argp_child json_and_device_options[] = {
	{ &json_and_device_argp, 0, NULL, 0 },
	{ 0 },
};
