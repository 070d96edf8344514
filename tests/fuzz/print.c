// SPDX-License-Identifier: MIT
/*
 * Prints a program as text, one line a step, and as C. The C program needs only
 * the headers of Ferry and libdrm. The parts of the C program are prelude.h and
 * ops_*.h unchanged, a function with a statement for each step, and
 * printed_main.h, which gives the threads their turns.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define EMBED(name, file)						\
	__asm__(".pushsection .rodata\n"				\
		"." #name ": .incbin \"tests/fuzz/" file "\"\n"	\
		".byte 0\n.globl " #name "\n" #name " = ." #name "\n"	\
		".popsection\n");					\
	extern const char name[]

EMBED(text_layout, "layout.h");
EMBED(text_prelude, "prelude.h");
EMBED(text_cpu, "ops_cpu.h");
EMBED(text_device, "ops_device.h");
EMBED(text_process, "ops_process.h");
EMBED(text_storm, "ops_storm.h");
EMBED(text_main, "printed_main.h");

static const char *const backend_words[BACKENDS] = { "none", "own", "core", "coherent" };

static void print_call(const struct step *step)
{
	printf("op_%s(page_at(%d), %d, 0x%x)", ops[step->op].name, step->page, step->n,
	       step->arg);
}

void print_steps(const struct program *program)
{
	const struct step *step;
	int i;

	for (i = 0; i < program->count; i++) {
		step = &program->steps[i];
		printf("# %2d process %d thread %d%s ", i, step->process, step->thread,
		       step->beside ? " beside" : "");
		print_call(step);
		printf("\n");
	}
}

/* Prints a file without its #include lines of the other printed files. */
static void print_file(const char *text)
{
	size_t length;

	for (; *text; text += length) {
		length = strcspn(text, "\n");
		length += text[length] == '\n';
		if (strncmp(text, "#include \"", 10))
			fwrite(text, 1, length, stdout);
	}
}

void print_program(const struct program *program, const struct finding *finding)
{
	const struct step *step;
	int i;

	printf("/*\n * Seed %llu: %s with backend %s, at step %d.\n * %s\n",
	       (unsigned long long)program->seed, difference_names[finding->what],
	       backend_words[finding->backend], finding->step, finding->text);
	printf(" *\n * gcc -O2 -Iuapi $(pkg-config --cflags libdrm) THIS.c -lpthread\n");
	printf(" * In the guest: tests/fuzz/guest ./a.out none (and %s), and compare.\n */\n",
	       backend_words[finding->backend]);
	printf("#define _GNU_SOURCE\n#define STEPS %d\n", program->count);
	print_file(text_layout);
	print_file(text_prelude);
	print_file(text_cpu);
	print_file(text_device);
	print_file(text_process);
	print_file(text_storm);
	print_file(text_main);
	printf("\nstatic void run_steps(void)\n{\n");
	for (i = 0; i < program->count; i++) {
		step = &program->steps[i];
		printf("\tSTEP(%d, %d, %d, ", i, step->process, step->thread);
		print_call(step);
		printf(");\n");
	}
	printf("}\n");
}
