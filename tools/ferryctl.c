// SPDX-License-Identifier: MIT
/* ferryctl: the table of subcommands, one file for each subcommand. */
#include <argp.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "ferryctl.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "info", cmd_info, "the devices, or what this kernel lacks" },
	{ "demo", cmd_demo, "a file goes to the device and back, every byte checked" },
	{ "stats", cmd_stats, "what each process does with the devices" },
	{ "bench", cmd_bench, "what it costs to move pages, on this machine" },
};

#define NCOMMANDS (sizeof(commands) / sizeof(*commands))

static char *help_filter(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t size, i;
	FILE *stream;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	stream = open_memstream(&out, &size);
	if (!stream)
		return (char *)text;
	fprintf(stream, "Commands:\n");
	for (i = 0; i < NCOMMANDS; i++)
		fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(stream, "\nferryctl COMMAND --help tells more.\n"
		"Exit status: 0, 1 it failed, 2 wrong usage, 130 interrupted by SIGINT.\v");
	fclose(stream);
	return out;
}

struct choice {
	const struct command *command;
	int first;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;
	size_t i;

	if (key == ARGP_KEY_END && !choice->command)
		argp_error(state, "which command?");
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	for (i = 0; i < NCOMMANDS; i++)
		if (!strcmp(arg, commands[i].name))
			choice->command = &commands[i];
	if (!choice->command)
		argp_error(state, "there is no command '%s'", arg);
	/* The remaining arguments belong to the subcommand. */
	choice->first = state->next - 1;
	state->next = state->argc;
	return 0;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "Talk to Ferry devices.\vx",
	.help_filter = help_filter,
};

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "ferryctl %s\n", ferry_version());
}

int main(int argc, char **argv)
{
	struct choice choice = { 0 };
	char name[32];
	int status;

	check_output_at_exit();
	setlocale(LC_CTYPE, "");
	argp_err_exit_status = FERRYCTL_USAGE;
	argp_program_version_hook = print_version;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);

	snprintf(name, sizeof(name), "ferryctl %s", choice.command->name);
	argv[choice.first] = name;
	status = choice.command->run(argc - choice.first, argv + choice.first);
	if (status == FERRYCTL_FAILED && common.json)
		print_error();
	return status;
}
