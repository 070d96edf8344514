/* SPDX-License-Identifier: MIT */
#ifndef FERRYCTL_H
#define FERRYCTL_H

#include <stdbool.h>

/* Exit statuses. */
enum {
	FERRYCTL_OK = 0,
	FERRYCTL_FAILED = 1,
	FERRYCTL_USAGE = 2,
};

/* Subcommands: argv[0] is "ferryctl NAME". Each returns an exit status. */
int cmd_info(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/* error.c: "ferryctl: MESSAGE" on standard error; returns FERRYCTL_FAILED. */
int failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * table.c: parse the arguments of a subcommand whose only option is --json, and
 * begin its table. Returns NULL, after a message, when out of memory.
 */
struct libscols_table;
struct libscols_table *table_create(int argc, char **argv, const char *doc,
				    const char *name);

/*
 * lacks.c: say what keeps this kernel from having Ferry devices, each thing in a
 * line of its own on standard error. Returns FERRYCTL_FAILED.
 */
int explain_no_device(void);

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

/* bar.c: a progress bar on a terminal, a line every few seconds elsewhere. */
void bar_show(const char *what, unsigned long long done, unsigned long long total,
	      double seconds);
void bar_clear(void);

#endif
