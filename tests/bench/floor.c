// SPDX-License-Identifier: MIT
/*
 * The floor: the same bytes copied by the C library between two buffers that were touched,
 * in one call and page by page. What the kernel's own copy of a page takes is told by
 * steps.c (its step "copy").
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
	/* What nobody reads, the compiler need not copy. */
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
