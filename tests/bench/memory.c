// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define HUGE_PAGE (2ul << 20)
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN ((1ull << 55) - 1)
#define KPF_WRITEBACK (1ull << 8)
#define KPF_SWAPCACHE (1ull << 13)
#define KPF_THP (1ull << 22)
#define TRIES 200
#define MAX_LOOKS 4096

const char *const source_names[NSOURCES] = {
	[EXCLUSIVE] = "exclusive",
	[FORK_SHARED] = "fork_shared",
	[THP] = "thp",
	[SWAP_CACHE] = "swap_cache",
	[PAGE_CACHE] = "page_cache",
};

enum source source_named(const char *name)
{
	int i;

	for (i = 0; i < NSOURCES; i++)
		if (!strcmp(name, source_names[i]))
			return i;
	die("there is no source '%s'", name);
}

size_t memory_stride(const struct memory *memory)
{
	return (memory->npages + MAX_LOOKS - 1) / MAX_LOOKS;
}

static uint64_t read_word(int *fd, const char *path, uint64_t index)
{
	uint64_t word = 0;

	if (*fd < 0)
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(*fd, &word, sizeof(word), index * sizeof(word)) != sizeof(word))
		die("%s cannot be read: %m", path);
	return word;
}

static uint64_t pagemap(const uint8_t *addr)
{
	static int fd = -1;

	return read_word(&fd, "/proc/self/pagemap", (uintptr_t)addr / page_size());
}

static uint64_t flags_of(const uint8_t *addr)
{
	uint64_t entry = pagemap(addr);
	static int fd = -1;

	if (!(entry & PAGEMAP_PRESENT))
		return 0;
	return read_word(&fd, "/proc/kpageflags", entry & PAGEMAP_PFN);
}

/*
 * Returns true if the flags in @mask of each page have @value. Of a long range
 * a few thousand pages are checked.
 */
static bool all_have(const struct memory *memory, uint64_t mask, uint64_t value)
{
	size_t i;

	for (i = 0; i < memory->npages; i += memory_stride(memory))
		if ((flags_of(memory->start + i * page_size()) & mask) != value)
			return false;
	return true;
}

static void touch(const struct memory *memory)
{
	size_t i;

	/* All words differ: a mix-up of pages is visible. */
	for (i = 0; i < memory->npages; i++)
		*(volatile uint64_t *)(memory->start + i * page_size()) = i + 1;
}

static void share(struct memory *memory)
{
	memory->child = fork();
	if (memory->child < 0)
		die("no child: %m");
	if (memory->child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void swap_out(const struct memory *memory)
{
	size_t i, left = 1;
	int tries;

	for (tries = 0; left && tries < TRIES; tries++) {
		madvise(memory->start, memory->npages * page_size(), MADV_PAGEOUT);
		for (i = left = 0; i < memory->npages; i++)
			left += !!(pagemap(memory->start + i * page_size()) & PAGEMAP_PRESENT);
		if (left)
			usleep(1000);
	}
	if (left)
		die("%zu of %zu pages are not swapped out: is there swap?", left,
		    memory->npages);
}

static void put_in_swap_cache(const struct memory *memory)
{
	uint64_t mask = KPF_SWAPCACHE | KPF_WRITEBACK;
	size_t i;
	int tries;

	swap_out(memory);
	for (i = 0; i < memory->npages; i++)
		*(volatile uint64_t *)(memory->start + i * page_size());
	for (tries = 0; !all_have(memory, mask, KPF_SWAPCACHE); tries++) {
		if (tries == TRIES)
			die("not all of %zu pages are in the swap cache: is the swap zram, "
			    "which skips it?", memory->npages);
		usleep(1000);
	}
}

void memory_create(struct memory *memory, enum source source, size_t npages)
{
	size_t size = npages * page_size();

	*memory = (struct memory){ .npages = npages };
	/* The mapping has room for a whole last huge page. */
	memory->mapped = (size + 2 * HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE + HUGE_PAGE;
	memory->map = mmap(NULL, memory->mapped, PROT_READ | PROT_WRITE,
			   (source == PAGE_CACHE ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS,
			   -1, 0);
	if (memory->map == MAP_FAILED)
		die("no %zu bytes of memory: %m", memory->mapped);
	memory->start = (void *)(((uintptr_t)memory->map + HUGE_PAGE - 1) & -HUGE_PAGE);
	if (madvise(memory->map, memory->mapped,
		    source == THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("no choice of the size of pages: %m");
	touch(memory);
	if (source == FORK_SHARED)
		share(memory);
	if (source == SWAP_CACHE)
		put_in_swap_cache(memory);
	if (!all_have(memory, KPF_THP, source == THP ? KPF_THP : 0))
		die("%zu pages are not all %s", npages, source_names[source]);
}

static void check_contents(const struct memory *memory)
{
	size_t i;

	for (i = 0; i < memory->npages; i++)
		if (*(volatile uint64_t *)(memory->start + i * page_size()) != i + 1)
			die("page %zu of %zu has lost its contents", i, memory->npages);
}

void memory_destroy(struct memory *memory)
{
	check_contents(memory);
	if (memory->child > 0) {
		kill(memory->child, SIGKILL);
		waitpid(memory->child, NULL, 0);
	}
	munmap(memory->map, memory->mapped);
}
