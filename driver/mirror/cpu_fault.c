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
 * Fault-around: who touches a page will touch the next ones, and most of what a touch
 * costs is the way into the engine and out again. So the first try is for a window of
 * pages around the touched one (fault_around=, aligned, so within one page table, and
 * cut off at the ends of the mapping), in one call of the engine: what is on the same
 * device comes along, whoever it was handed out to, as in a migration by address.
 * Holes, system pages, what is swapped and other devices' pages the engine passes over;
 * KSM pages are system pages, which core does not touch on the way home (see mirror/migrate.c).
 * The touched page alone decides what the fault returns:
 *   destinations are allocated at once, from what is free: nobody has to give up memory
 *     for neighbours, nor is anybody woken; where there is none they stay. If the touched
 *     page has none then, the others' go back, and it gets one as in any fault, or nothing
 *     moves. No memory cgroup is asked: the charge moves with the page
 *   a neighbour that is pinned, or locked by somebody, stays
 *   a neighbour that other threads touch just now stays: each that was there before
 *     the migration entry holds a reference, and the engine's check finds it, before
 *     the copy or after it; those that come later wait for the entry. So the winner's
 *     bit is not taken for neighbours: it keeps apart those who fault on one page, and
 *     who brings it home as a neighbour has no reference on it but the engine's
 *   a winner that finds its page in somebody else's window (a migration entry, or a
 *     page lock, if that is of a forked process) tries again, and then faults again, to
 *     sleep on the entry. Of two whose windows overlap the first to take the page table's
 *     lock gets all of it, and gives back the other's page, which has the other's
 *     reference. Over two address spaces each may get the other's; but
 *   further tries are for the touched page alone, and those do not meet
 * The device loses its entries for the window (I15), also for what stays there.
 *
 * No window, but the page alone:
 *   for faults that are no CPU's: a device's (hmm_range_fault()), or of somebody who
 *     reaches into another process (FAULT_FLAG_REMOTE). They ask for the pages they
 *     want, and a device that writes to a page that it may only read would lose those
 *     that it works on
 *   for pages that were moved through the test_hmm ABI, which has it so
 * What khugepaged touches is taken for a CPU's: it wants the whole page table.
 *
 * A coherent page never comes here: the CPU reaches it where it is.
 */
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "device/device.h"
#include "device/memory.h"
#include "migrate/backend.h"
#include "migrate/control.h"
#include "mirror.h"

/* For neighbours: from what is free, and no more than that. */
#define FERRY_AROUND_GFP	\
	((GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN) &	\
	 ~__GFP_RECLAIM)

/**
 * struct homecoming - one call of the engine
 * @backend: which
 * @migrate: for it; its outcome array is not used
 * @wanted: slot of the page that must come
 * @around: out: how many others came
 */
struct homecoming {
	const struct ferry_backend *backend;
	struct ferry_migrate migrate;
	unsigned long wanted;
	unsigned long around;
};

static int fill(const struct homecoming *home, unsigned long first, unsigned long npages,
		gfp_t gfp)
{
	const struct migrate_vma *args = &home->migrate.vma;
	const struct ferry_fill part = {
		.src = args->src + first,
		.dst = args->dst + first,
		.npages = npages,
		.vma = args->vma,
		.start = args->start + first * PAGE_SIZE,
		.gfp = gfp,
		.backend = home->backend,
		.way = ferry_stamp_way(args->flags, args->fault_page),
	};

	return ferry_fill_home(&part);
}

static void give_back(const struct migrate_vma *args)
{
	struct page *page;
	unsigned long i;

	for (i = 0; i < args->npages; i++) {
		page = migrate_pfn_to_page(args->dst[i]);
		if (!page)
			continue;
		unlock_page(page);
		put_page(page);
		args->dst[i] = 0;
	}
}

/*
 * A CPU fault needs its page to go on, whoever is killed for it. A page that is called home
 * for another device can stay.
 *
 * Without a destination for the wanted page there is none at all: where pages() is not
 * called, core's finalize takes what has one for moved.
 */
static int fill_window(const struct homecoming *home)
{
	const struct migrate_vma *args = &home->migrate.vma;

	if (args->npages > 1)
		fill(home, 0, args->npages, FERRY_AROUND_GFP);
	if (args->dst[home->wanted])
		return 0;
	give_back(args);
	return fill(home, home->wanted, 1, args->fault_page ? GFP_HIGHUSER_MOVABLE :
		    GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

static unsigned long count_around(const struct homecoming *home)
{
	const unsigned long *src = home->migrate.vma.src;
	unsigned long n = 0, i;

	for (i = 0; i < home->migrate.vma.npages; i++)
		n += i != home->wanted && src[i] & MIGRATE_PFN_MIGRATE;
	return n;
}

static int migrate_home(struct homecoming *home)
{
	struct migrate_vma *args = &home->migrate.vma;
	unsigned long *src = args->src + home->wanted;
	struct page *page = migrate_pfn_to_page(*src);
	int ret;

	if (!page || !(*src & MIGRATE_PFN_MIGRATE))
		return -EBUSY;
	if (args->fault_page && page != args->fault_page)
		return -EBUSY;
	ret = fill_window(home);
	if (ret)
		return ret;
	home->backend->pages(&home->migrate);
	home->around = count_around(home);
	return *src & MIGRATE_PFN_MIGRATE ? 0 : -EBUSY;
}

static int bring_home(struct homecoming *home)
{
	int ret;

	home->backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	home->migrate.flush = ferry_backend_flush(home->backend, FERRY_FLUSH_DEFAULT);
	ret = home->backend->setup(&home->migrate);
	if (ret)
		return ret;
	ret = migrate_home(home);
	home->backend->finalize(&home->migrate);
	return ret;
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
	unsigned long src = 0, dst = 0;
	struct homecoming home = {
		.migrate.vma = {
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

	return bring_home(&home);
}

/* In bytes, a power of two; at most a page table's, which may map no more than 32 pages. */
static unsigned long window_size(const struct vm_fault *vmf)
{
	const struct ferry_device *device = vmf->page->pgmap->owner;

	if (vmf->flags & FAULT_FLAG_REMOTE || ferry_memory_comes_alone(vmf->page))
		return PAGE_SIZE;
	return min(device->config.fault_around * PAGE_SIZE, PMD_SIZE);
}

/* With the neighbours, in slots from 0 on that the caller has made. */
static int try_window(struct vm_fault *vmf, unsigned long start, unsigned long end,
		      unsigned long *slots, unsigned long *around)
{
	struct homecoming home = {
		.migrate.vma = {
			.vma = vmf->vma,
			.start = start,
			.end = end,
			.src = slots,
			.dst = slots + (end - start) / PAGE_SIZE,
			.pgmap_owner = vmf->page->pgmap->owner,
			.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
			.fault_page = vmf->page,
		},
		.wanted = ((vmf->address & PAGE_MASK) - start) / PAGE_SIZE,
	};
	int ret = bring_home(&home);

	*around = home.around;
	return ret;
}

static int try_alone(struct vm_fault *vmf)
{
	return ferry_home_try(vmf->vma, vmf->address & PAGE_MASK, vmf->page->pgmap->owner,
			      FERRY_MEMORY_PRIVATE, vmf->page);
}

/* Without memory for the slots the page comes alone; most often they are on the stack. */
static int try_around(struct vm_fault *vmf, unsigned long *around)
{
	unsigned long size = window_size(vmf);
	unsigned long start = max(ALIGN_DOWN(vmf->address, size), vmf->vma->vm_start);
	unsigned long end = min(ALIGN_DOWN(vmf->address, size) + size, vmf->vma->vm_end);
	unsigned long few[2 * FERRY_DEFAULT_FAULT_AROUND] = {}, *many;
	int ret;

	if (end - start == PAGE_SIZE)
		return try_alone(vmf);
	if (end - start <= FERRY_DEFAULT_FAULT_AROUND * PAGE_SIZE)
		return try_window(vmf, start, end, few, around);
	many = kcalloc(2 * (end - start) / PAGE_SIZE, sizeof(*many), GFP_NOWAIT | __GFP_NOWARN);
	if (!many)
		return try_alone(vmf);
	ret = try_window(vmf, start, end, many, around);
	kfree(many);
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
 * Return: 0 (touch again: it is home, or somebody is at it), VM_FAULT_OOM,
 * VM_FAULT_SIGBUS for a mapping that cannot migrate.
 */
vm_fault_t ferry_cpu_fault(struct vm_fault *vmf)
{
	const struct ferry_backend *backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	cycles_t start = ferry_stamp_begin();
	struct page *page = vmf->page;
	unsigned long around = 0;
	int ret, tries;

	if (!ferry_memory_fault_begin(page)) {
		if (!(vmf->flags & FAULT_FLAG_USER))
			cond_resched();
		return 0;
	}
	ferry_control_pause(FERRY_PAUSE_CPU_FAULT);
	ret = try_around(vmf, &around);
	for (tries = 1; tries < FERRY_HOME_TRIES && ret == -EBUSY; tries++) {
		cond_resched();
		ret = try_alone(vmf);
	}
	ferry_memory_fault_end(page, !ret, around);
	ferry_stamp_end(backend->stamp, FERRY_STAMP_CPU_FAULT, FERRY_STAMP_DRIVER, start);
	return fault_result(ret);
}
