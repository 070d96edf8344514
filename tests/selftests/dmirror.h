/* SPDX-License-Identifier: MIT */
/*
 * For tests of the test_hmm ABI. The ABI is the kernel's header, from the
 * source package. The assertions below compare Ferry's own header with the
 * kernel's. The requests of 7.3 are not in the header of 6.12, and have the names of
 * Ferry's header.
 */
#ifndef FERRY_TEST_DMIRROR_H
#define FERRY_TEST_DMIRROR_H

#include <assert.h>
#include <lib/test_hmm_uapi.h>

#include "../../driver/front/dmirror_abi.h"
#include "thp.h"

static_assert(sizeof(struct ferry_dmirror_cmd) == sizeof(struct hmm_dmirror_cmd), "");
static_assert(offsetof(struct ferry_dmirror_cmd, cpages) ==
	      offsetof(struct hmm_dmirror_cmd, cpages), "");
static_assert(offsetof(struct ferry_dmirror_cmd, faults) ==
	      offsetof(struct hmm_dmirror_cmd, faults), "");
static_assert(FERRY_DMIRROR_READ == HMM_DMIRROR_READ, "");
static_assert(FERRY_DMIRROR_WRITE == HMM_DMIRROR_WRITE, "");
static_assert(FERRY_DMIRROR_MIGRATE_TO_DEV == HMM_DMIRROR_MIGRATE_TO_DEV, "");
static_assert(FERRY_DMIRROR_MIGRATE_TO_SYS == HMM_DMIRROR_MIGRATE_TO_SYS, "");
static_assert(FERRY_DMIRROR_SNAPSHOT == HMM_DMIRROR_SNAPSHOT, "");
static_assert(FERRY_DMIRROR_EXCLUSIVE == HMM_DMIRROR_EXCLUSIVE, "");
static_assert(FERRY_DMIRROR_CHECK_EXCLUSIVE == HMM_DMIRROR_CHECK_EXCLUSIVE, "");
static_assert(FERRY_DMIRROR_RELEASE == HMM_DMIRROR_RELEASE, "");

#define SAME_BYTE(ours, theirs)						\
	static_assert((int)FERRY_DMIRROR_PROT_##ours == (int)HMM_DMIRROR_PROT_##theirs, "")
SAME_BYTE(NONE, NONE);
SAME_BYTE(READ, READ);
SAME_BYTE(WRITE, WRITE);
SAME_BYTE(PMD, PMD);
SAME_BYTE(PUD, PUD);
SAME_BYTE(ZERO, ZERO);
SAME_BYTE(ERROR, ERROR);
SAME_BYTE(PRIVATE_LOCAL, DEV_PRIVATE_LOCAL);
SAME_BYTE(PRIVATE_REMOTE, DEV_PRIVATE_REMOTE);
SAME_BYTE(COHERENT_LOCAL, DEV_COHERENT_LOCAL);
SAME_BYTE(COHERENT_REMOTE, DEV_COHERENT_REMOTE);

static inline int _test_dmirror_open(const char *name, int number)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s%d", name, number);
	return open(path, O_RDWR | O_CLOEXEC);
}

#define test_dmirror_open(number)					\
	({								\
		int __fd = _test_dmirror_open("hmm_dmirror", number);	\
		ASSERT_GE(__fd, 0);					\
		__fd;							\
	})

static inline int _test_cmd(int fd, unsigned long request, const void *addr,
			    const void *data, size_t npages,
			    struct hmm_dmirror_cmd *cmd)
{
	*cmd = (struct hmm_dmirror_cmd) {
		.addr = ptr(addr),
		.ptr = ptr(data),
		.npages = npages,
	};
	return ioctl(fd, request, cmd) ? -errno : 0;
}

/* The request must process all pages. */
#define test_cmd(fd, request, addr, data, npages)			\
	do {								\
		struct hmm_dmirror_cmd __cmd;				\
		ASSERT_EQ(_test_cmd(fd, request, addr, data, npages, &__cmd), 0); \
		ASSERT_EQ(__cmd.cpages, (npages));			\
	} while (0)

/* Returns the byte of SNAPSHOT, or -errno. */
static inline int _test_byte(int fd, const void *addr)
{
	struct hmm_dmirror_cmd cmd;
	uint8_t byte = 0;
	int ret = _test_cmd(fd, HMM_DMIRROR_SNAPSHOT, addr, &byte, 1, &cmd);

	return ret ?: byte;
}

#define test_byte(fd, addr, byte) ASSERT_EQ(_test_byte(fd, addr), (int)(byte))

static inline int local_byte(int number)
{
	return number < FIRST_COHERENT ? HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL :
					 HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL;
}

/* A huge folio, mapped by a PMD or by PTEs; NULL without a huge folio. */
static inline uint8_t *_test_map_folio(int fd, bool by_ptes)
{
	uint8_t *huge = _test_map_huge(PMD_SIZE);
	int byte;

	if (huge == MAP_FAILED)
		return NULL;
	memset(huge, 0, PMD_SIZE);
	if (by_ptes) {
		mprotect(huge, page_size(), PROT_READ);
		mprotect(huge, page_size(), PROT_READ | PROT_WRITE);
		*(volatile uint8_t *)huge = 0;
	}
	byte = _test_byte(fd, huge + page_size());
	if (!is_in_thp(huge + page_size()) || !!(byte & HMM_DMIRROR_PROT_PMD) == by_ptes)
		return NULL;
	return huge;
}

#endif
