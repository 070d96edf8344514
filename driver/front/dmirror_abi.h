/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctl ABI of the kernel's HMM test module, as in lib/test_hmm_uapi.h of
 * the kernel's source, with Ferry's names. Distributions do not install that
 * header, and the module cannot include the header. The build of the selftests
 * checks that both headers agree (tests/selftests/dmirror.h).
 *
 * FLAGS and READ_UNLOCKED are of 7.3. The nodes have both on every kernel.
 */
#ifndef FERRY_FRONT_DMIRROR_ABI_H
#define FERRY_FRONT_DMIRROR_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct ferry_dmirror_cmd - argument of each ioctl
 * @addr: in: first byte of a range of the mirrored address space, page-aligned
 * @ptr: in: address of the data buffer in the caller's address space
 * @npages: in: pages of the range; not 0. FLAGS: FERRY_DMIRROR_FLAG_* bits
 * @cpages: out: completed pages
 * @faults: out: number of passes with device faults
 */
struct ferry_dmirror_cmd {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

#define FERRY_DMIRROR_IO(number)	_IOWR('H', number, struct ferry_dmirror_cmd)
#define FERRY_DMIRROR_READ		FERRY_DMIRROR_IO(0x00)
#define FERRY_DMIRROR_WRITE		FERRY_DMIRROR_IO(0x01)
#define FERRY_DMIRROR_MIGRATE_TO_DEV	FERRY_DMIRROR_IO(0x02)
#define FERRY_DMIRROR_MIGRATE_TO_SYS	FERRY_DMIRROR_IO(0x03)
#define FERRY_DMIRROR_SNAPSHOT		FERRY_DMIRROR_IO(0x04)
#define FERRY_DMIRROR_EXCLUSIVE		FERRY_DMIRROR_IO(0x05)
#define FERRY_DMIRROR_CHECK_EXCLUSIVE	FERRY_DMIRROR_IO(0x06)
#define FERRY_DMIRROR_RELEASE		FERRY_DMIRROR_IO(0x07)
#define FERRY_DMIRROR_FLAGS		FERRY_DMIRROR_IO(0x08)
#define FERRY_DMIRROR_READ_UNLOCKED	FERRY_DMIRROR_IO(0x09)

/* FLAGS: the next allocation for a page of the file fails, once. */
#define FERRY_DMIRROR_FLAG_FAIL_ALLOC	0x01ULL

/* One byte of SNAPSHOT for each page: place, READ or WRITE, and order. */
#define FERRY_DMIRROR_PROT_NONE			0x00
#define FERRY_DMIRROR_PROT_READ			0x01
#define FERRY_DMIRROR_PROT_WRITE		0x02
#define FERRY_DMIRROR_PROT_PMD			0x04
#define FERRY_DMIRROR_PROT_PUD			0x08
#define FERRY_DMIRROR_PROT_ZERO			0x10
#define FERRY_DMIRROR_PROT_PRIVATE_LOCAL	0x20
#define FERRY_DMIRROR_PROT_PRIVATE_REMOTE	0x30	/* never: hidden by HMM */
#define FERRY_DMIRROR_PROT_COHERENT_LOCAL	0x40
#define FERRY_DMIRROR_PROT_COHERENT_REMOTE	0x50
#define FERRY_DMIRROR_PROT_ERROR		0xff	/* not mapped, or not readable */

#endif
