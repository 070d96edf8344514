/* SPDX-License-Identifier: MIT */
/* The ioctl fuzz: what its files share. docs/fuzz.md says what it does. */
#ifndef FERRY_FUZZ_IOCTL_H
#define FERRY_FUZZ_IOCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
#define CALLERS 2
#define MAX_TEXT 512
#define NODES 4

/* SplitMix64; each thread has its own. */
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

/* What a field is for: how a value that makes sense is found. */
enum kind {
	RANGE,		/* an address of the memory that is moved */
	LENGTH,		/* bytes of it */
	NPAGES,		/* pages of it */
	BUFFER,		/* where data goes to or comes from */
	OPERATIONS,	/* the address of operations of EXEC */
	STRIDE,		/* bytes from one to the next */
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
	bool dmirror;		/* of the nodes with test_hmm's ioctls */
};

/* ioctl_requests.c */
extern const struct request requests[];
extern const int nrequests;
extern const struct request operation;	/* of EXEC; no request by itself */

/*
 * One call, ready to be made. @bytes is the struct as the caller knows it; what an ioctl
 * number can name is 16,383 bytes at the most.
 */
#define MAX_SIZE 16384

struct call {
	const struct request *request;	/* NULL: a number of DRM core */
	uint32_t number;
	int node;
	bool compat;		/* by the entry for 32-bit programs */
	uint64_t arg;		/* where the struct is to be */
	uint32_t size;		/* what the number says */
	uint8_t bytes[MAX_SIZE];
};

/* Where things are in the memory of a caller's process, all of it below 4 GiB. */
struct places {
	uint8_t *moved;		/* memory that the device works on */
	uint8_t *data;		/* buffers, outcomes, operations */
	uint8_t *args;		/* structs; a page for each caller, and nothing behind */
	uint8_t *end;		/* of @moved, @data and @args: what is not mapped */
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

/* A pointer as a user of the kernel gives it, not of an object of this program. */
static inline void *pointer(uint64_t at)
{
	__asm__("" : "+r"(at));
	return (void *)(uintptr_t)at;
}

/* Shared with the watchdog, which lives in another process. */
struct watched {
	struct {
		_Atomic uint64_t since;	/* ns, when the call began; 0: none is under way */
		char text[MAX_TEXT];	/* which */
		uint64_t calls, done;	/* made; with result 0 */
	} callers[CALLERS];
	_Atomic int found;
	char text[MAX_TEXT];		/* what was wrong, if anything */
};

/* ioctl.c */
uint64_t now_ns(void);

/* kernel_log.c */
void kernel_log_start(void);
bool kernel_log_bad(char *text, size_t size);

/* ioctl_callers.c */
void run_callers(struct watched *watched, uint64_t seed);

#endif
