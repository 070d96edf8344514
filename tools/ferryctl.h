/* SPDX-License-Identifier: MIT */
#ifndef FERRYCTL_H
#define FERRYCTL_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses. */
enum {
	FERRYCTL_OK = 0,
	FERRYCTL_FAILED = 1,
	FERRYCTL_USAGE = 2,
	FERRYCTL_INTERRUPTED = 130,
};

/* Subcommands: argv[0] is "ferryctl NAME". Each returns an exit status. */
int cmd_info(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/* error.c: "ferryctl: MESSAGE" on standard error; returns FERRYCTL_FAILED. */
int failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The first message, as JSON on standard output: what --json prints instead of a result.
 * Nothing after a result.
 */
void print_error(void);

/*
 * args.c: the options that subcommands share, as children of their parsers. What was
 * given is in common. A number is digits alone, at most @max; else the usage is wrong.
 */
struct common {
	bool json;
	unsigned int device;
};

extern struct common common;
extern const struct argp_child json_option[];
extern const struct argp_child json_and_device_options[];

unsigned long long parse_number(const char *arg, unsigned long long max,
				struct argp_state *state);

/*
 * device.c: open device common.device. On failure the reason is explained, and
 * FERRYCTL_FAILED returned.
 */
struct ferry;
int open_device(struct ferry **ferry);

/* lacks.c: what keeps this machine from having Ferry devices, each thing in a line. */
int explain_no_device(void);

/* The kernel and, after explain_no_device(), the same, as members of a JSON object. */
struct json;
void explain_json(struct json *json);

/*
 * json.c: a JSON object, printed by json_print() as a whole. Text that is not UTF-8 has
 * U+FFFD in place of what is wrong. @key is NULL for an element of an array.
 */
struct json *json_create(void);
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json);
void json_text(struct json *json, const char *key, const char *text);
void json_number(struct json *json, const char *key, unsigned long long value);
void json_ratio(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_print(struct json *json);
void json_drop(struct json *json);
bool json_was_printed(void);

/*
 * sheet.c: what a subcommand reports, a row for each thing: a table for people, or,
 * with --json, an array of objects. Columns have the same names in both; sizes are
 * exact in JSON. What is not set is left out. @json is the object that gets the array,
 * NULL for a table.
 */
enum sheet_kind {
	SHEET_TEXT,
	SHEET_NUMBER,
	SHEET_BYTES,
	SHEET_RATIO,
};

struct sheet_column {
	const char *name;
	enum sheet_kind kind;
};

struct sheet *sheet_create(struct json *json, const char *name,
			   const struct sheet_column *columns, size_t ncolumns);
void sheet_row(struct sheet *sheet);
void sheet_text(struct sheet *sheet, size_t column, const char *text);
void sheet_number(struct sheet *sheet, size_t column, unsigned long long value);
void sheet_ratio(struct sheet *sheet, size_t column, double value);
/* Prints the table, or closes the array; frees the sheet. */
void sheet_end(struct sheet *sheet);
/* Frees it without. */
void sheet_drop(struct sheet *sheet);

/* A size for people, such as "256 MiB", in a buffer of SIZE_TEXT bytes; returns it. */
#define SIZE_TEXT 24
char *size_text(unsigned long long bytes, char *text);

/* interrupt.c: from interrupt_catch() on the first SIGINT is noted, the second one kills. */
void interrupt_catch(void);
bool interrupted(void);

/* output.c: standard output is written, or ferryctl fails, however it ends. */
void check_output_at_exit(void);

/* tlb.c: the kernel's TLB flush counters, of all CPUs since boot. */
struct tlb_counts {
	bool known;	/* false: not counted by this kernel */
	unsigned long long local_all;
	unsigned long long local_one;
	unsigned long long remote;
};

struct tlb_counts tlb_read(void);
struct tlb_counts tlb_since(struct tlb_counts before);
void tlb_add(struct tlb_counts *sum, struct tlb_counts more);
/* Flushes of any kind for each of @npages. */
double tlb_per_page(const struct tlb_counts *counts, unsigned long long npages);

/* bar.c: a progress bar on a terminal, a line every few seconds elsewhere. */
void bar_show(const char *what, unsigned long long done, unsigned long long total,
	      double seconds);
void bar_clear(void);

#endif
