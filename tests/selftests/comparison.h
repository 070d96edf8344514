/* SPDX-License-Identifier: MIT */
/*
 * A comparison of the kernel's test_hmm with Ferry. Both get the same requests,
 * one after the other, on new memory in the same state. The results must be the
 * same: errors, counts, bytes and data. Both modules are loaded (tests/hmm/run
 * twin).
 *
 * The comparison leaves out two kinds of requests:
 * - docs/compat.md lists where Ferry differs on purpose.
 * - test_hmm reads invalid memory in a device fault over a range with private
 *   pages of its own that its page table has lost (after fork(), mprotect(),
 *   another device's MIGRATE_TO_DEV).
 */
#ifndef FERRY_COMPARISON_H
#define FERRY_COMPARISON_H

#include <stdarg.h>

#include "dmirror.h"

#define PAGES 8

/* The results of one of the two modules. */
struct side {
	const char *name;
	int fd[4];
	uint8_t *memory;
	uint8_t *data;
	char recorded[4096];
	size_t nrecorded;
};

static inline void record(struct side *side, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	side->nrecorded += vsnprintf(side->recorded + side->nrecorded,
				     sizeof(side->recorded) - side->nrecorded, format, args);
	va_end(args);
}

static inline size_t page(size_t i)
{
	return i * page_size();
}

static inline unsigned int checksum(const uint8_t *bytes, size_t n)
{
	unsigned int sum = 0;

	while (n--)
		sum = sum * 31 + *bytes++;
	return sum;
}

static const char *const request_names[] = {
	"READ", "WRITE", "MIGRATE_TO_DEV", "MIGRATE_TO_SYS", "SNAPSHOT", "EXCLUSIVE",
	"CHECK_EXCLUSIVE", "RELEASE",
};

/*
 * Makes one request on pages of the memory and records the result and the data
 * in the buffer.
 */
static inline void call_on(struct side *side, int device, unsigned long request, size_t first,
			   size_t npages)
{
	size_t n = npages < 512 ? npages : 512;
	struct hmm_dmirror_cmd cmd;
	int ret;

	if (request != HMM_DMIRROR_WRITE)
		memset(side->data, 0xaa, page(n));
	ret = _test_cmd(side->fd[device], request, side->memory + page(first), side->data,
			npages, &cmd);
	record(side, "%s(%d, %zu+%zu)=%d cpages %llu faults %llu data %08x\n",
	       request_names[_IOC_NR(request)], device, first, npages, ret,
	       (unsigned long long)cmd.cpages, (unsigned long long)cmd.faults,
	       request == HMM_DMIRROR_WRITE ? 0 : checksum(side->data, page(n)));
}

static inline void call(struct side *side, unsigned long request, size_t first, size_t npages)
{
	call_on(side, 0, request, first, npages);
}

static inline void snapshot_on(struct side *side, int device, size_t npages)
{
	size_t i;

	call_on(side, device, HMM_DMIRROR_SNAPSHOT, 0, npages);
	for (i = 0; i < npages && i < 16; i++)
		record(side, " %02x", side->data[i]);
	record(side, "\n");
}

static inline void write_device(struct side *side, size_t npages, unsigned int seed)
{
	fill_pattern(side->data, page(npages), seed);
	call(side, HMM_DMIRROR_WRITE, 0, npages);
}

static inline void fill_memory(struct side *side)
{
	fill_pattern(side->memory, page(PAGES), 1);
}

static inline void protect(struct side *side, size_t first, size_t npages, int prot)
{
	mprotect(side->memory + page(first), page(npages), prot);
}

/* Comparison ------------------------------------------------------------------ */

/* Shared memory, to keep the output of a child. */
static inline struct side *run_scene(const char *name, void (*scene)(struct side *side))
{
	struct side *side = mmap(NULL, sizeof(*side), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	if (side == MAP_FAILED)
		return NULL;
	side->name = name;
	for (i = 0; i < 4; i++)
		side->fd[i] = _test_dmirror_open(name, i);
	if (side->fd[3] < 0)
		return NULL;
	side->memory = _test_map(page(PAGES));
	side->data = _test_map(PMD_SIZE);
	/* Prevents sharing and merging with earlier mappings. */
	madvise(side->memory, page(PAGES), MADV_NOHUGEPAGE);
	madvise(side->data, PMD_SIZE, MADV_NOHUGEPAGE);
	scene(side);
	munmap(side->memory, page(PAGES));
	munmap(side->data, PMD_SIZE);
	for (i = 0; i < 4; i++)
		close(side->fd[i]);
	return side;
}

/* Logs the first line that differs. */
static inline void show_difference(struct __test_metadata *_metadata, const char *a, const char *b)
{
	size_t i = 0, line = 0;

	for (; a[i] && a[i] == b[i]; i++)
		if (a[i] == '\n')
			line = i + 1;
	TH_LOG("test_hmm: %.*s", (int)strcspn(a + line, "\n"), a + line);
	TH_LOG("ferry:    %.*s", (int)strcspn(b + line, "\n"), b + line);
}

static inline void compare(struct __test_metadata *_metadata, void (*scene)(struct side *side))
{
	struct side *test_hmm = run_scene("hmm_dmirror", scene);
	struct side *ferry = run_scene("ferry_dmirror", scene);

	ASSERT_NE(test_hmm, NULL);
	ASSERT_NE(ferry, NULL);
	ASSERT_GT(test_hmm->nrecorded, 0);
	ASSERT_LT(test_hmm->nrecorded, sizeof(test_hmm->recorded));
	if (strcmp(test_hmm->recorded, ferry->recorded))
		show_difference(_metadata, test_hmm->recorded, ferry->recorded);
	ASSERT_EQ(strcmp(test_hmm->recorded, ferry->recorded), 0);
	munmap(test_hmm, sizeof(*test_hmm));
	munmap(ferry, sizeof(*ferry));
}

#endif
