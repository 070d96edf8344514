/* SPDX-License-Identifier: MIT */
/* Shared by the files of the ioctl fuzz. docs/fuzz.md explains the fuzz. */
#ifndef FERRY_FUZZ_IOCTL_H
#define FERRY_FUZZ_IOCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
#define CALLERS 2
#define MAX_TEXT 512
#define NODES 4

/* SplitMix64; each thread has its own state. */
struct chance {
	uint64_t state;
};

static inline uint64_t any_word(struct chance *chance)
{
	uint64_t x = chance->state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static inline uint32_t below(struct chance *chance, uint32_t limit)
{
	return (any_word(chance) >> 32) * limit >> 32;
}

/* The use of a field, which decides the field's sensible values. */
enum kind {
	RANGE,		/* an address of the moved memory */
	LENGTH,		/* bytes of the moved memory */
	NPAGES,		/* pages of the moved memory */
	BUFFER,		/* the source or target of data */
	OPERATIONS,	/* the address of EXEC's operations */
	STRIDE,		/* bytes between two operations */
	CHOICE,		/* an enum, a few flags, a small number */
	ZERO,		/* reserved, or reported */
};

struct field {
	uint16_t offset;
	uint8_t size;
	uint8_t kind;
};

struct request {
	const char *name;
	unsigned long number;
	const struct field *fields;
	int nfields;
	bool dmirror;		/* for the nodes with test_hmm's ioctls */
};

/* ioctl_requests.c */
extern const struct request requests[];
extern const int nrequests;
extern const struct request operation;	/* of EXEC; not a request */

/*
 * A call that is ready to be made. @bytes: the struct, by the caller's
 * definition. An ioctl number can name 16,383 bytes at most.
 */
#define MAX_SIZE 16384

struct call {
	const struct request *request;	/* NULL: a number of DRM core */
	uint32_t number;
	int node;
	bool compat;		/* through the entry for 32-bit programs */
	uint64_t arg;		/* address of the struct */
	uint32_t size;		/* size in the number */
	uint8_t bytes[MAX_SIZE];
};

/* Regions of a caller's process, all below 4 GiB. */
struct places {
	uint8_t *moved;		/* memory for the device */
	uint8_t *data;		/* buffers, outcomes, operations */
	uint8_t *args;		/* structs; a page a caller, no page behind */
	uint8_t *end;		/* end of @moved, @data and @args: not mapped */
};

#define MOVED_PAGES 64
#define DATA_PAGES 32
#define GAP (64 * PAGE)

#define OPERATIONS_SIZE 512

/* ioctl_make.c */
void make_places(struct places *places);
uint8_t *operations_at(const struct places *places, int caller);
void make_operations(uint8_t *bytes, const struct places *places, struct chance *chance);
void make_call(struct call *call, const struct places *places, int caller,
	       struct chance *chance);
void put_bytes(int file, void *to, const void *from, size_t n);
void describe_call(const struct call *call, long result, char *text);

/* A pointer from user space's point of view: not an object of this program. */
static inline void *pointer(uint64_t at)
{
	__asm__("" : "+r"(at));
	return (void *)(uintptr_t)at;
}

/* Shared with the watchdog, which is another process. */
struct watched {
	struct {
		_Atomic uint64_t since;	/* ns, start of the call; 0: no call */
		char text[MAX_TEXT];	/* description of the call */
		uint64_t calls, done;	/* calls made; calls with result 0 */
	} callers[CALLERS];
	_Atomic int found;
	char text[MAX_TEXT];		/* description of an error */
};

/* ioctl.c */
uint64_t now_ns(void);

/* kernel_log.c */
void kernel_log_start(void);
bool kernel_log_bad(char *text, size_t size);

/* ioctl_callers.c */
void run_callers(struct watched *watched, uint64_t seed);

#endif
