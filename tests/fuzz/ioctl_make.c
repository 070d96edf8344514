// SPDX-License-Identifier: MIT
/*
 * A random call: a sensible request, with some fields at a boundary, under a
 * number that may name too few or too many bytes, in a struct that may end at
 * the end of memory. The thread's seed decides everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctl.h"

#define DRM_TYPE 'd'
#define TEXT_WORDS 12

/* A failure is an error of the fuzz. */
static uint8_t *map_at(void *at, size_t n, int prot, int flags)
{
	uint8_t *map = mmap(at, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (map == MAP_FAILED)
		exit(3);
	return map;
}

static uint8_t *map_next(uint8_t **at, size_t n)
{
	uint8_t *map = map_at(*at, n, PROT_READ | PROT_WRITE, MAP_FIXED);

	*at += n + GAP;
	return map;
}

/* Gaps separate the regions: no range runs from one region into the next. */
void make_places(struct places *places)
{
	size_t n = (MOVED_PAGES + DATA_PAGES + 2 * CALLERS) * PAGE + (4 + CALLERS) * GAP;
	uint8_t *at = map_at(NULL, n, PROT_NONE, MAP_32BIT | MAP_NORESERVE);
	int caller;

	places->end = at + MOVED_PAGES * PAGE;
	places->moved = map_next(&at, MOVED_PAGES * PAGE);
	places->data = map_next(&at, DATA_PAGES * PAGE);
	places->args = at;
	for (caller = 0; caller < CALLERS; caller++)
		map_next(&at, PAGE);
}

/*
 * Another thread may unmap the memory: a read from a file copies the data or
 * fails.
 */
void put_bytes(int file, void *to, const void *from, size_t n)
{
	if (pwrite(file, from, n, 0) != (ssize_t)n)
		exit(3);
	if (pread(file, to, n, 0) < 0)
		return;
}

uint8_t *operations_at(const struct places *places, int caller)
{
	return places->data + (DATA_PAGES - 1 - caller) * PAGE;
}

/* Fields ---------------------------------------------------------------------- */

static const uint64_t edges[] = {
	0, 1, 2, 3, 4, 5, 7, 8, 255, 4095, 4096, 4097, 65535, 65536, 1u << 20, (1u << 20) + 1,
	0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff, 1ull << 32, (1ull << 32) + 4096,
	1ull << 40, (1ull << 47) - 8192, (1ull << 47) - 4096, 1ull << 47, 1ull << 51, 1ull << 52,
	1ull << 62, 1ull << 63, 0xffff800000000000, 0xffffffff81000000, -8192ull, -4096ull,
	-4095ull, -2ull, -1ull,
};

#define NEDGES (sizeof(edges) / sizeof(*edges))

static uint64_t edge(const struct places *places, struct chance *chance)
{
	switch (below(chance, 8)) {
	case 0:
		return any_word(chance);
	case 1:
		return (uintptr_t)places->end + below(chance, 3) * PAGE - PAGE;
	case 2:
		return (uintptr_t)places->data + below(chance, 2 * PAGE) - PAGE;
	default:
		return edges[below(chance, NEDGES)];
	}
}

static uint64_t sensible(const struct field *field, const struct places *places,
			 struct chance *chance)
{
	uint64_t odd = below(chance, 8) ? 0 : below(chance, PAGE);

	switch (field->kind) {
	case RANGE:
		return (uintptr_t)places->moved + below(chance, MOVED_PAGES - 16) * PAGE + odd;
	case LENGTH:
		return (1 + below(chance, 16)) * PAGE - odd;
	case NPAGES:
		return 1 + below(chance, 16);
	case OPERATIONS:
		return (uintptr_t)operations_at(places, below(chance, CALLERS)) + odd / 8 * 8;
	case BUFFER:
		return (uintptr_t)places->data + below(chance, DATA_PAGES / 2) * PAGE + odd / 8 * 8;
	case STRIDE:
		return 56 + below(chance, 3) * 8;
	case CHOICE:
		return below(chance, 2) ? 0 : below(chance, 5);
	default:
		return 0;
	}
}

static void set_field(uint8_t *bytes, const struct field *field, uint64_t value)
{
	memcpy(bytes + field->offset, &value, field->size);
}

/* The number of fields with a boundary value: usually 0, 1 or 2. */
static int count_edges(const struct request *request, struct chance *chance)
{
	static const uint8_t counts[] = { 0, 0, 0, 1, 1, 1, 2, 2, 3 };
	uint32_t i = below(chance, sizeof(counts) + 1);

	return i < sizeof(counts) ? counts[i] : request->nfields;
}

static void fill_fields(uint8_t *bytes, const struct request *request,
			const struct places *places, struct chance *chance)
{
	int i, n = count_edges(request, chance);

	for (i = 0; i < request->nfields; i++)
		set_field(bytes, &request->fields[i],
			  sensible(&request->fields[i], places, chance));
	for (i = 0; i < n; i++)
		set_field(bytes, &request->fields[below(chance, request->nfields)],
			  edge(places, chance));
}

/* EXEC's operations, one after the other, as many as fit. */
void make_operations(uint8_t *bytes, const struct places *places, struct chance *chance)
{
	size_t at, n = 56 + below(chance, 3) * 8;

	memset(bytes, 0, OPERATIONS_SIZE);
	for (at = 0; at + n <= OPERATIONS_SIZE; at += n)
		fill_fields(bytes + at, &operation, places, chance);
}

/* The number and the struct ---------------------------------------------------- */

static uint32_t any_size(uint32_t right, struct chance *chance)
{
	const uint32_t sizes[] = { 0, 1, 4, 8, right / 2, right - 8, right - 1, right + 1,
				   right + 8, 256, PAGE, MAX_SIZE - 1 };

	if (below(chance, 5) < 3)
		return right;
	return sizes[below(chance, sizeof(sizes) / sizeof(*sizes))] % MAX_SIZE;
}

/* A call of DRM core: any number, with a struct of boundary values. */
static void make_core_call(struct call *call, const struct places *places,
			   struct chance *chance)
{
	size_t at;
	uint64_t value;

	call->request = NULL;
	call->node = below(chance, 2);
	call->size = any_size(8 * (1 + below(chance, 8)), chance);
	for (at = 0; at + sizeof(value) <= sizeof(call->bytes); at += sizeof(value)) {
		value = below(chance, 2) ? 0 : edge(places, chance);
		memcpy(call->bytes + at, &value, sizeof(value));
	}
	call->number = _IOC(below(chance, 4), DRM_TYPE, below(chance, 256), call->size);
}

static void make_own_call(struct call *call, const struct places *places,
			  struct chance *chance)
{
	const struct request *request = &requests[below(chance, nrequests)];
	uint32_t dir = below(chance, 16) ? _IOC_DIR(request->number) : below(chance, 4);

	call->request = request;
	call->node = 2 * request->dmirror + below(chance, 2);
	call->size = any_size(_IOC_SIZE(request->number), chance);
	memset(call->bytes, below(chance, 8) ? 0 : 0xff, sizeof(call->bytes));
	fill_fields(call->bytes, request, places, chance);
	call->number = _IOC(dir, _IOC_TYPE(request->number), _IOC_NR(request->number),
			    call->size);
}

/*
 * The struct's place: at a page's start or end, across a page's end, or in
 * memory that another thread unmaps.
 */
static uint64_t any_place(const struct call *call, const struct places *places, int caller,
			  struct chance *chance)
{
	uint64_t page = (uintptr_t)places->args + caller * (PAGE + GAP);
	uint32_t room = call->size < PAGE ? PAGE - call->size : 0;

	switch (below(chance, 16)) {
	case 0:
		return edge(places, chance);
	case 1:
		return page + PAGE - below(chance, PAGE / 16);
	case 2:
	case 3:
		return (uintptr_t)places->data + (DATA_PAGES / 2 + below(chance, 8)) * PAGE;
	case 4:
	case 5:
		return page + room;
	case 6:
		return page + below(chance, room + 1);
	default:
		return page;
	}
}

void make_call(struct call *call, const struct places *places, int caller,
	       struct chance *chance)
{
	if (below(chance, 8))
		make_own_call(call, places, chance);
	else
		make_core_call(call, places, chance);
	if (!below(chance, 32))
		call->node = below(chance, NODES);
	call->compat = !below(chance, 3);
	call->arg = any_place(call, places, caller, chance);
}

void describe_call(const struct call *call, long result, char *text)
{
	uint64_t word;
	int i, n;

	n = snprintf(text, MAX_TEXT, "%s, node %d, number %#x, %s, struct at %#llx, result %ld:",
		     call->request ? call->request->name : "DRM core", call->node, call->number,
		     call->compat ? "32-bit" : "64-bit", (unsigned long long)call->arg, result);
	for (i = 0; i < TEXT_WORDS; i++) {
		memcpy(&word, call->bytes + 8 * i, sizeof(word));
		n += snprintf(text + n, MAX_TEXT - n, " %llx", (unsigned long long)word);
	}
}
