// SPDX-License-Identifier: MIT
/*
 * The lower bound: the C library copies the same bytes between two populated
 * buffers, in one call and page by page. steps.c measures the kernel's own copy
 * of a page (step "copy").
 *
 * usage: floor ROUNDS NPAGES
 * facts: memcpy.whole, memcpy.pages, in ticks per page
 */
#include <string.h>

#include "bench.h"

static double timed(uint8_t *to, const uint8_t *from, size_t npages, size_t piece)
{
	uint64_t start = ticks();
	size_t i;

	for (i = 0; i < npages; i += piece)
		memcpy(to + i * page_size(), from + i * page_size(), piece * page_size());
	/* Without a reader the compiler could drop the copy. */
	__asm__ volatile("" : : "r" (to) : "memory");
	return (double)(ticks() - start) / npages;
}

int main(int argc, char **argv)
{
	struct samples whole = { 0 }, pages = { 0 };
	struct memory from, to;
	size_t rounds, npages;

	if (argc != 3)
		die("usage: %s ROUNDS NPAGES", argv[0]);
	npages = number(argv[2]);
	memory_create(&from, EXCLUSIVE, npages);
	memory_create(&to, EXCLUSIVE, npages);
	for (rounds = number(argv[1]); rounds; rounds--) {
		sample(&whole, timed(to.start, from.start, npages, npages));
		sample(&pages, timed(to.start, from.start, npages, 1));
	}
	fact(median(&whole), "memcpy.whole");
	fact(median(&pages), "memcpy.pages");
	memory_destroy(&from);
	memory_destroy(&to);
	return 0;
}
