// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU touches a device page: it comes home.
 *
 * Called by do_swap_page() with mmap_lock held for read and one reference on the
 * page, for the engine's count of expected references (fault_page). Any process
 * that maps the page may be here, not only one that has a mirror: a forked child
 * has none. So nothing of a mirror is used, and no lock of the driver is held over
 * the migration.
 *
 * Many threads may touch one page at once. Each holds a reference, and the engine
 * accepts one, so a page has one winner at a time (a bit in its metadata); the
 * others return at once, drop their references and fault again, by then onto a
 * migration entry, where the kernel lets them sleep without a reference. A loser
 * that has not left yet makes the winner's check fail; so the winner tries a few
 * times before it lets go of the page and faults again like the rest. A fault
 * from within the kernel is tried again without a return to user space, for
 * hmm_range_fault() in a loop that never yields: there a loser yields, or on one
 * CPU the winner would not run again.
 *
 * A page that cannot come home for want of memory is VM_FAULT_OOM: the kernel
 * decides who pays. It stays on the device, intact.
 *
 * A coherent page never comes here: the CPU reaches it where it is.
 */
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "device/memory.h"
#include "migrate/backend.h"
#include "migrate/control.h"
#include "mirror.h"

static int migrate_home(const struct ferry_backend *backend,
			struct ferry_migrate *migrate)
{
	struct migrate_vma *args = &migrate->vma;
	struct page *page = migrate_pfn_to_page(*args->src);
	const struct ferry_fill wanted = {
		.src = args->src,
		.dst = args->dst,
		.npages = 1,
		.vma = args->vma,
		.start = args->start,
		.gfp = GFP_HIGHUSER_MOVABLE,
		.backend = backend,
		.way = ferry_stamp_way(args->flags, args->fault_page),
	};
	int ret;

	if (!page || !(*args->src & MIGRATE_PFN_MIGRATE))
		return -EBUSY;
	if (args->fault_page && page != args->fault_page)
		return -EBUSY;
	ret = ferry_fill_home(&wanted);
	if (ret)
		return ret;
	backend->pages(migrate);
	return *args->src & MIGRATE_PFN_MIGRATE ? 0 : -EBUSY;
}

/**
 * ferry_home_try() - one try at bringing one page of a device home
 * @vma: its mm's mmap_lock is held for read
 * @addr: in it, page-aligned
 * @owner: pgmap owner of the device; a page of any other is left alone
 * @kind: of the device's memory
 * @fault_page: the page, if the caller has a reference on it, else NULL
 *
 * Context: sleeps.
 * Return: 0; -ENOMEM; -EBUSY if no such page is there or somebody else is at it;
 * -EINVAL for a mapping that cannot migrate.
 */
int ferry_home_try(struct vm_area_struct *vma, unsigned long addr, void *owner,
		   enum ferry_memory_kind kind, struct page *fault_page)
{
	const struct ferry_backend *backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	unsigned long src = 0, dst = 0;
	struct ferry_migrate migrate = {
		.flush = ferry_backend_flush(backend, FERRY_FLUSH_DEFAULT),
		.vma = {
			.vma = vma,
			.start = addr,
			.end = addr + PAGE_SIZE,
			.src = &src,
			.dst = &dst,
			.pgmap_owner = owner,
			.flags = kind == FERRY_MEMORY_COHERENT ?
				 MIGRATE_VMA_SELECT_DEVICE_COHERENT :
				 MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
			.fault_page = fault_page,
		},
	};
	int ret;

	ret = backend->setup(&migrate);
	if (ret)
		return ret;
	ret = migrate_home(backend, &migrate);
	backend->finalize(&migrate);
	return ret;
}

static vm_fault_t fault_result(int ret)
{
	switch (ret) {
	case -EINVAL:
		return VM_FAULT_SIGBUS;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return 0;
	}
}

/**
 * ferry_cpu_fault() - migrate_to_ram of every private Ferry device
 * @vmf: the fault; @vmf->page is the device page, with a reference
 *
 * Follows the contract of struct dev_pagemap_ops.
 *
 * Context: mmap_lock held for read; sleeps, unless another thread has the page
 * and the fault is a user's.
 * Return: 0 (touch again: it is home, or somebody is at it), VM_FAULT_OOM.
 */
vm_fault_t ferry_cpu_fault(struct vm_fault *vmf)
{
	const struct ferry_backend *backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	cycles_t start = ferry_stamp_begin();
	struct page *page = vmf->page;
	int ret = -EBUSY, tries;

	if (!ferry_memory_fault_begin(page)) {
		if (!(vmf->flags & FAULT_FLAG_USER))
			cond_resched();
		return 0;
	}
	ferry_control_pause(FERRY_PAUSE_CPU_FAULT);
	for (tries = 0; tries < FERRY_HOME_TRIES && ret == -EBUSY; tries++) {
		if (tries)
			cond_resched();
		ret = ferry_home_try(vmf->vma, vmf->address & PAGE_MASK,
				     page->pgmap->owner, FERRY_MEMORY_PRIVATE, page);
	}
	ferry_memory_fault_end(page, !ret);
	ferry_stamp_end(backend->stamp, FERRY_STAMP_CPU_FAULT, FERRY_STAMP_DRIVER, start);
	return fault_result(ret);
}
