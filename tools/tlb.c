// SPDX-License-Identifier: MIT
/*
 * The counters of CONFIG_DEBUG_TLBFLUSH in /proc/vmstat. The counters are for
 * the whole machine: a difference includes flushes of all other work.
 */
#include <stdio.h>
#include <string.h>

#include "ferryctl.h"

struct tlb_counts tlb_read(void)
{
	struct tlb_counts counts = { 0 };
	unsigned long long value;
	char name[64];
	FILE *file;

	file = fopen("/proc/vmstat", "re");
	if (!file)
		return counts;
	while (fscanf(file, "%63s %llu", name, &value) == 2) {
		if (!strcmp(name, "nr_tlb_local_flush_all")) {
			counts.known = true;
			counts.local_all = value;
		} else if (!strcmp(name, "nr_tlb_local_flush_one")) {
			counts.local_one = value;
		} else if (!strcmp(name, "nr_tlb_remote_flush")) {
			counts.remote = value;
		}
	}
	fclose(file);
	return counts;
}

struct tlb_counts tlb_since(struct tlb_counts before)
{
	struct tlb_counts now = tlb_read();

	now.local_all -= before.local_all;
	now.local_one -= before.local_one;
	now.remote -= before.remote;
	return now;
}

double tlb_per_page(const struct tlb_counts *counts, unsigned long long npages)
{
	return (double)(counts->local_one + counts->local_all + counts->remote) / npages;
}

void tlb_add(struct tlb_counts *sum, struct tlb_counts more)
{
	sum->known = more.known;
	sum->local_all += more.local_all;
	sum->local_one += more.local_one;
	sum->remote += more.remote;
}
