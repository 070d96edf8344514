/* SPDX-License-Identifier: MIT */
/*
 * Operations of a process on its memory without a device, alike for all
 * backends.
 */
#ifndef FERRY_FUZZ_OPS_CPU_H
#define FERRY_FUZZ_OPS_CPU_H

#include "prelude.h"

static long op_write(uint8_t *at, int n, uint32_t value)
{
	long ret;

	make_data(at, n, value);
	ret = copy_guarded(at, buffer, n * PAGE);
	set_undefined(at, n, ret != 0);
	return ret;
}

/* Writes one word in each page. */
static long op_poke(uint8_t *at, int n, uint32_t value)
{
	uint64_t word = value;
	int i;

	for (i = 0; i < n; i++)
		if (copy_guarded(at + i * PAGE + value % PAGE_WORDS * sizeof(word),
				 &word, sizeof(word)))
			return FAULT;
	return 0;
}

static long op_read(uint8_t *at, int n, uint32_t unused)
{
	(void)unused;
	return copy_guarded(buffer, at, n * PAGE) ?: hash_defined(at, n);
}

/* Replaces the range by a new mapping, which begins written: see prelude.h. */
static long op_map(uint8_t *at, int n, uint32_t value)
{
	void *map = mmap(at, n * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	set_undefined(at, n, false);
	/*
	 * Earlier madvise() calls and process flags may apply to the new
	 * mapping too.
	 */
	return op_write(at, 1, value);
}

static long op_unmap(uint8_t *at, int n, uint32_t unused)
{
	(void)unused;
	return munmap(at, n * PAGE) ? -errno : 0;
}

static long op_protect(uint8_t *at, int n, uint32_t prot)
{
	return mprotect(at, n * PAGE, prot) ? -errno : 0;
}

/* Moves the range to page @to. */
static long op_move(uint8_t *at, int n, uint32_t to)
{
	uint8_t *there = page_at(to);

	if (mremap(at, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there) != there)
		return -errno;
	memcpy(undefined + to, undefined + page_of(at), n);
	return 0;
}

/* After advice that frees pages, contents are undefined until a write. */
static long op_advise(uint8_t *at, int n, uint32_t advice)
{
	long ret;

	if (advice == MADV_PAGEOUT || advice == MADV_FREE)
		drain_batches();
	ret = madvise(at, n * PAGE, advice) ? -errno : 0;
	if (advice == MADV_FREE)
		set_undefined(at, n, true);
	if (advice == MADV_DONTNEED && !ret)
		set_undefined(at, n, false);
	if (advice == MADV_FREE)
		drain_batches();
	return ret;
}

static long op_lock(uint8_t *at, int n, uint32_t on_fault)
{
	return syscall(SYS_mlock2, at, n * PAGE, on_fault & 1) ? -errno : 0;
}

static long op_unlock(uint8_t *at, int n, uint32_t unused)
{
	(void)unused;
	return munlock(at, n * PAGE) ? -errno : 0;
}

/* @policy: MPOL_* in the low byte, a node above; pages on other nodes move. */
static long op_bind(uint8_t *at, int n, uint32_t policy)
{
	unsigned long node = 1ul << (policy >> 8);
	unsigned int mode = policy & 0xff;
	unsigned long flags = 1 << 1;

	return syscall(SYS_mbind, at, n * PAGE, mode, mode ? &node : NULL, 8 * sizeof(node),
		       flags) ? -errno : 0;
}

/* @what: 4 starts the tracking of written pages (soft-dirty), 1 ages pages. */
static long op_clear_refs(uint8_t *at, int n, uint32_t what)
{
	char text[8];

	(void)at;
	(void)n;
	snprintf(text, sizeof(text), "%u", what);
	return put_text("/proc/self/clear_refs", text);
}

/* The group gives back @pages pages of memory; reclaim decides which. */
static long op_reclaim(uint8_t *at, int n, uint32_t pages)
{
	char path[128], text[24];

	(void)at;
	(void)n;
	drain_batches();
	snprintf(path, sizeof(path), "%s/memory.reclaim", shared->group);
	snprintf(text, sizeof(text), "%lu", pages * PAGE);
	put_text(path, text);
	return 0;
}

#endif
