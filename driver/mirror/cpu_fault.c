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
 */
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "device/copy.h"
#include "device/memory.h"
#include "migrate/backend.h"
#include "mirror.h"

/* Losers need as long as it takes to return from do_swap_page(). */
#define FERRY_HOME_TRIES	10

/* Returns 0, VM_FAULT_OOM, or VM_FAULT_RETRY for another try. */
static vm_fault_t try_home(struct vm_fault *vmf, const struct ferry_backend *backend)
{
	unsigned long src = 0, dst = 0;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.start = vmf->address & PAGE_MASK,
		.end = (vmf->address & PAGE_MASK) + PAGE_SIZE,
		.src = &src,
		.dst = &dst,
		.pgmap_owner = vmf->page->pgmap->owner,
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = vmf->page,
	};
	vm_fault_t ret = VM_FAULT_RETRY;
	struct folio *folio;

	if (backend->setup(&args))
		return VM_FAULT_SIGBUS;
	if (!(src & MIGRATE_PFN_MIGRATE) || migrate_pfn_to_page(src) != vmf->page)
		goto out_finalize;

	folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vmf->vma, args.start, false);
	if (!folio) {
		ret = VM_FAULT_OOM;
		goto out_finalize;
	}
	folio_lock(folio);
	ferry_copy_from_device(folio_page(folio, 0), vmf->page, 1);
	dst = migrate_pfn(folio_pfn(folio));

	backend->pages(&args);
	if (src & MIGRATE_PFN_MIGRATE)
		ret = 0;
out_finalize:
	backend->finalize(&args);
	return ret;
}

/**
 * ferry_cpu_fault() - migrate_to_ram of every Ferry device
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
	struct page *page = vmf->page;
	vm_fault_t ret = VM_FAULT_RETRY;
	int tries;

	if (!ferry_memory_fault_begin(page)) {
		if (!(vmf->flags & FAULT_FLAG_USER))
			cond_resched();
		return 0;
	}
	for (tries = 0; tries < FERRY_HOME_TRIES && ret == VM_FAULT_RETRY; tries++) {
		if (tries)
			cond_resched();
		ret = try_home(vmf, backend);
	}
	ferry_memory_fault_end(page, !ret);
	return ret == VM_FAULT_RETRY ? 0 : ret;
}
