// SPDX-License-Identifier: MIT
/* What the subcommands that print a table share. */
#include <argp.h>
#include <libsmartcols/libsmartcols.h>

#include "ferryctl.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	bool *json = state->input;

	(void)arg;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*json = true;
	return 0;
}

struct libscols_table *table_create(int argc, char **argv, const char *doc,
				    const char *name)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "print JSON", 0 },
		{ 0 },
	};
	const struct argp argp = { .options = options, .parser = parse, .doc = doc };
	struct libscols_table *table;
	bool json = false;

	argp_parse(&argp, argc, argv, 0, NULL, &json);
	scols_init_debug(0);
	table = scols_new_table();
	if (!table) {
		failed("out of memory");
		return NULL;
	}
	scols_table_enable_json(table, json);
	scols_table_set_name(table, name);
	return table;
}
