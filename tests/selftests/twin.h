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
#ifndef FERRY_TEST_TWIN_H
#define FERRY_TEST_TWIN_H

#include <stdarg.h>

#include "dmirror.h"

#define PAGES 8

/* The results of one of the two modules. */
struct twin {
	const char *name;
	int fd[4];
	uint8_t *memory;
	uint8_t *data;
	char said[4096];
	size_t nsaid;
};

static inline void say(struct twin *twin, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	twin->nsaid += vsnprintf(twin->said + twin->nsaid, sizeof(twin->said) - twin->nsaid,
				 format, args);
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
static inline void ask_on(struct twin *twin, int device, unsigned long request, size_t first,
			  size_t npages)
{
	size_t n = npages < 512 ? npages : 512;
	struct hmm_dmirror_cmd cmd;
	int ret;

	if (request != HMM_DMIRROR_WRITE)
		memset(twin->data, 0xaa, page(n));
	ret = _test_cmd(twin->fd[device], request, twin->memory + page(first), twin->data,
			npages, &cmd);
	say(twin, "%s(%d, %zu+%zu)=%d cpages %llu faults %llu data %08x\n",
	    request_names[_IOC_NR(request)], device, first, npages, ret,
	    (unsigned long long)cmd.cpages, (unsigned long long)cmd.faults,
	    request == HMM_DMIRROR_WRITE ? 0 : checksum(twin->data, page(n)));
}

static inline void ask(struct twin *twin, unsigned long request, size_t first, size_t npages)
{
	ask_on(twin, 0, request, first, npages);
}

static inline void look_on(struct twin *twin, int device, size_t npages)
{
	size_t i;

	ask_on(twin, device, HMM_DMIRROR_SNAPSHOT, 0, npages);
	for (i = 0; i < npages && i < 16; i++)
		say(twin, " %02x", twin->data[i]);
	say(twin, "\n");
}

static inline void write_device(struct twin *twin, size_t npages, unsigned int seed)
{
	fill_pattern(twin->data, page(npages), seed);
	ask(twin, HMM_DMIRROR_WRITE, 0, npages);
}

static inline void fill(struct twin *twin)
{
	fill_pattern(twin->memory, page(PAGES), 1);
}

static inline void protect(struct twin *twin, size_t first, size_t npages, int prot)
{
	mprotect(twin->memory + page(first), page(npages), prot);
}

/* Comparison ------------------------------------------------------------------ */

/* Shared memory, to keep the output of a child. */
static inline struct twin *play(const char *name, void (*scene)(struct twin *twin))
{
	struct twin *twin = mmap(NULL, sizeof(*twin), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	if (twin == MAP_FAILED)
		return NULL;
	twin->name = name;
	for (i = 0; i < 4; i++)
		twin->fd[i] = _test_dmirror_open(name, i);
	if (twin->fd[3] < 0)
		return NULL;
	twin->memory = _test_map(page(PAGES));
	twin->data = _test_map(PMD_SIZE);
	/* Prevents sharing and merging with earlier mappings. */
	madvise(twin->memory, page(PAGES), MADV_NOHUGEPAGE);
	madvise(twin->data, PMD_SIZE, MADV_NOHUGEPAGE);
	scene(twin);
	munmap(twin->memory, page(PAGES));
	munmap(twin->data, PMD_SIZE);
	for (i = 0; i < 4; i++)
		close(twin->fd[i]);
	return twin;
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

static inline void compare(struct __test_metadata *_metadata, void (*scene)(struct twin *twin))
{
	struct twin *test_hmm = play("hmm_dmirror", scene);
	struct twin *ferry = play("ferry_dmirror", scene);

	ASSERT_NE(test_hmm, NULL);
	ASSERT_NE(ferry, NULL);
	ASSERT_GT(test_hmm->nsaid, 0);
	ASSERT_LT(test_hmm->nsaid, sizeof(test_hmm->said));
	if (strcmp(test_hmm->said, ferry->said))
		show_difference(_metadata, test_hmm->said, ferry->said);
	ASSERT_EQ(strcmp(test_hmm->said, ferry->said), 0);
	munmap(test_hmm, sizeof(*test_hmm));
	munmap(ferry, sizeof(*ferry));
}

#endif
