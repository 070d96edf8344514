/* SPDX-License-Identifier: MIT */
/*
 * Shared by the tests of data safety: clean pages, and ways to make a migration
 * fail.
 */
#ifndef FERRY_SAFETY_H
#define FERRY_SAFETY_H

#include <sched.h>
#include <sys/uio.h>

#include "control.h"

#define KPF_WRITEBACK (1ull << 8)
#define KPF_SWAPBACKED (1ull << 14)

static inline int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* Binds the calling thread to a CPU; the first CPU has number 0. */
static inline int pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % cpus(), &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* One call of the engine. Returns 0 or -errno; the request has the counts. */
static inline int _test_engine(struct ferry *ferry, struct drm_ferry_migrate *request,
			       void *addr, size_t n, uint8_t *outcomes)
{
	request->addr = ptr(addr);
	request->len = n;
	request->outcomes = ptr(outcomes);
	return ferry_migrate_raw(ferry, request, sizeof(*request));
}

/* Every page moves, by the engine of the fixture's variant. */
#define test_engine(ferry, variant, addr, n, to)			\
	do {								\
		struct drm_ferry_migrate __request = {			\
			.backend = (variant)->backend,			\
			.flush = (variant)->flush,			\
			.target = to,					\
		};							\
		ASSERT_EQ(_test_engine(ferry, &__request, addr, n, NULL), 0); \
		ASSERT_EQ(__request.moved, (n) / page_size());		\
	} while (0)

/* Tries until no page of the range is present. Returns 0 or -1. */
static inline int swap_out(uint8_t *memory, size_t n)
{
	size_t page = page_size(), i, left;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (drain_lru())
			return -1;
		madvise(memory, n, MADV_PAGEOUT);
		for (i = left = 0; i < n; i += page)
			left += !!(pagemap(memory + i) & PAGEMAP_PRESENT);
		if (!left)
			return 0;
		usleep(10000);
	}
	return -1;
}

/*
 * Returns true if the page is present, in the swap cache, and unchanged since
 * the page was written to the swap device.
 */
static inline bool is_clean(const uint8_t *addr)
{
	uint64_t flags = kpageflags(addr) & (KPF_SWAPCACHE | KPF_DIRTY | KPF_WRITEBACK);

	return pagemap(addr) & PAGEMAP_PRESENT && flags == KPF_SWAPCACHE;
}

static inline size_t count_clean(const uint8_t *memory, size_t n)
{
	size_t page = page_size(), i, clean = 0;

	for (i = 0; i < n; i += page)
		clean += is_clean(memory + i);
	return clean;
}

/*
 * Swaps the pages out and in again by a read: the pages are mapped writable and
 * clean, and the copies on the swap device stay. Returns 0 when every page is
 * clean, or -1.
 */
static inline int make_clean(uint8_t *memory, size_t n)
{
	size_t page = page_size(), i;
	int tries;

	if (swap_out(memory, n))
		return -1;
	for (i = 0; i < n; i += page)
		*(volatile uint8_t *)(memory + i);
	for (tries = 0; tries < 100; tries++) {
		if (count_clean(memory, n) == n / page)
			return 0;
		usleep(10000);
	}
	return -1;
}

/* Takes an unexplained reference on each page until let_go(). */
static inline int hold_in_pipe(void *memory, size_t n, int in_pipe[2])
{
	struct iovec iov = { memory, n };

	if (pipe(in_pipe))
		return -errno;
	return vmsplice(in_pipe[1], &iov, 1, 0) == (ssize_t)n ? 0 : -EIO;
}

static inline void let_go(int in_pipe[2])
{
	close(in_pipe[0]);
	close(in_pipe[1]);
}

/* Fills the device with cleared pages. Returns the mapping or MAP_FAILED. */
static inline void *_test_fill_device(struct ferry *ferry)
{
	struct drm_ferry_query query;
	void *filler = MAP_FAILED;
	size_t n;

	if (ferry_query(ferry, &query, sizeof(query)))
		return MAP_FAILED;
	n = query.memory_size - query.memory_used;
	filler = _test_map(n);
	if (filler == MAP_FAILED ||
	    ferry_migrate(ferry, filler, n, DRM_FERRY_TARGET_DEVICE, NULL, NULL) ||
	    _test_used(ferry) != query.memory_size)
		return MAP_FAILED;
	return filler;
}

/* Spins instead of sleeping, to be in time for another thread. */
static inline void spin_until(double when)
{
	while (seconds() < when)
		;
}

#endif
