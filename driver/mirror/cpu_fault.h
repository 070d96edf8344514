/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_CPU_FAULT_H
#define FERRY_MIRROR_CPU_FAULT_H

#include <linux/mm_types.h>

#include "device/config.h"

struct vm_fault;

/*
 * Tries to move a page while other threads fault on the page: each thread holds
 * its reference only until do_swap_page() returns.
 */
#define FERRY_CPU_FAULT_TRIES	10

int ferry_cpu_fault_try(struct vm_area_struct *vma, unsigned long addr, void *owner,
			enum ferry_memory_kind kind, struct page *fault_page);
vm_fault_t ferry_cpu_fault(struct vm_fault *vmf);

#endif
