/* SPDX-License-Identifier: MIT */
/*
 * The addresses of a program's memory, and the memory shared by its processes;
 * see prelude.h.
 */
#ifndef FERRY_FUZZ_LAYOUT_H
#define FERRY_FUZZ_LAYOUT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE 4096ul
#define PAGE_WORDS (PAGE / sizeof(uint64_t))
#define AREAS 5
#define AREA_PAGES 16
#define PAGES (AREAS * AREA_PAGES)
#define AREA_STRIDE 0x200000ul
#define AREA_BASE 0x100000000000ul
#define ODD_SHIFT (AREA_PAGES / 2 * PAGE)
#define FAULT (-EFAULT)

#define PROCESSES 4
#define THREADS 2

enum backend { NO_DEVICE, OWN, CORE, COHERENT, BACKENDS };

/* Shared by all processes of a run. */
struct shared {
	struct {
		_Atomic int pid;	/* 0: no process */
		_Atomic int reader_lost;	/* of op_storm() */
		uint8_t undefined[PAGES];	/* the shadow, after a step */
	} processes[PROCESSES];
	_Atomic bool pinned;		/* pages are pinned, or were */
	_Atomic bool spliced;		/* a pipe holds pages, or held */
	char group[64];			/* directory of the run's memory cgroup */
};

/*
 * Hides the constant: the compiler would fold it into an offset of thread-local
 * data, which cannot reach so far.
 */
static inline uint8_t *fixed_at(uintptr_t at)
{
	__asm__("" : "+r"(at));
	return (uint8_t *)at;
}

static inline uint8_t *area_at(int area)
{
	return fixed_at(AREA_BASE + area * AREA_STRIDE - (area & 1) * ODD_SHIFT);
}

/* Returns the address of page @page of all pages of the program. */
static inline uint8_t *page_at(int page)
{
	return area_at(page / AREA_PAGES) + page % AREA_PAGES * PAGE;
}

/* Returns the number of the page at an address; the inverse of page_at(). */
static inline int page_of(const void *at)
{
	uintptr_t from = (uintptr_t)at - AREA_BASE + ODD_SHIFT;
	int area = from / AREA_STRIDE;

	return area * AREA_PAGES + ((const uint8_t *)at - area_at(area)) / PAGE;
}

#endif
