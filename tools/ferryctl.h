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

/*
 * Subcommands. argv[0] is "ferryctl NAME". Each function returns an exit
 * status.
 */
int cmd_info(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/*
 * error.c: prints "ferryctl: MESSAGE" on standard error; returns
 * FERRYCTL_FAILED.
 */
int failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Prints the first message as JSON on standard output, for --json without a
 * result. Prints nothing after a result.
 */
void print_error(void);

/*
 * args.c: options shared by subcommands, as children of the subcommands'
 * parsers. common has the given values. A number consists of digits and is at
 * most @max; otherwise the usage is wrong.
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
 * device.c: opens device common.device. On failure the function explains the
 * reason, and returns FERRYCTL_FAILED.
 */
struct ferry;
int open_device(struct ferry **ferry);

/*
 * lacks.c: explains why this machine has no Ferry devices, one reason a line.
 */
int explain_no_device(void);

/*
 * Adds the kernel to a JSON object; after explain_no_device() also the reasons.
 */
struct json;
void explain_json(struct json *json);

/*
 * json.c: a JSON object. json_print() prints the whole object. U+FFFD replaces
 * invalid UTF-8. @key is NULL for an element of an array.
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
 * sheet.c: the report of a subcommand, one row for each item. A report is a
 * table for people, or, with --json, an array of objects. Both have the same
 * columns; sizes in JSON are exact. A value that is not set is left out. @json
 * is the object of the array, or NULL for a table.
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
/* Frees the sheet without output. */
void sheet_drop(struct sheet *sheet);

/*
 * Writes a readable size, such as "256 MiB", to a buffer of SIZE_TEXT bytes,
 * and returns the buffer.
 */
#define SIZE_TEXT 24
char *size_text(unsigned long long bytes, char *text);

/*
 * interrupt.c: after interrupt_catch() the first SIGINT is noted, and the
 * second SIGINT kills.
 */
void interrupt_catch(void);
bool interrupted(void);

/*
 * output.c: ferryctl fails if standard output cannot be written, at any exit.
 */
void check_output_at_exit(void);

/* tlb.c: the kernel's counters of TLB flushes, for all CPUs, since boot. */
struct tlb_counts {
	bool known;	/* false: the kernel does not count flushes */
	unsigned long long local_all;
	unsigned long long local_one;
	unsigned long long remote;
};

struct tlb_counts tlb_read(void);
struct tlb_counts tlb_since(struct tlb_counts before);
void tlb_add(struct tlb_counts *sum, struct tlb_counts more);
/* Returns flushes of any kind per page, for @npages pages. */
double tlb_per_page(const struct tlb_counts *counts, unsigned long long npages);

/* bar.c: a progress bar on a terminal; otherwise one line every few seconds. */
void bar_show(const char *what, unsigned long long done, unsigned long long total,
	      double seconds);
void bar_clear(void);

#endif
