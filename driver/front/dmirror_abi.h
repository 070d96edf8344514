/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctl ABI of the kernel's HMM test module, in Ferry's words: what programs
 * get from lib/test_hmm_uapi.h of the kernel's source. That header is not among
 * those that distributions install, so the module cannot include it; that both say
 * the same is checked when the selftests are built (tests/selftests/dmirror.h).
 */
#ifndef FERRY_FRONT_DMIRROR_ABI_H
#define FERRY_FRONT_DMIRROR_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct ferry_dmirror_cmd - the argument of each ioctl
 * @addr: in: first byte of a range of the mirrored address space, page-aligned
 * @ptr: in: where the device's data comes from or goes to, in the caller's
 * @npages: in: pages of the range; not 0
 * @cpages: out: pages dealt with
 * @faults: out: how often device faults were needed to go on
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

/* A byte of SNAPSHOT for each page: where, one of READ and WRITE, how large. */
#define FERRY_DMIRROR_PROT_NONE			0x00
#define FERRY_DMIRROR_PROT_READ			0x01
#define FERRY_DMIRROR_PROT_WRITE		0x02
#define FERRY_DMIRROR_PROT_PMD			0x04
#define FERRY_DMIRROR_PROT_PUD			0x08
#define FERRY_DMIRROR_PROT_ZERO			0x10
#define FERRY_DMIRROR_PROT_PRIVATE_LOCAL	0x20
#define FERRY_DMIRROR_PROT_PRIVATE_REMOTE	0x30	/* never seen: HMM hides it */
#define FERRY_DMIRROR_PROT_COHERENT_LOCAL	0x40
#define FERRY_DMIRROR_PROT_COHERENT_REMOTE	0x50
#define FERRY_DMIRROR_PROT_ERROR		0xff	/* not mapped, or not to be read */

#endif
