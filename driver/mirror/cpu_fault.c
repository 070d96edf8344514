// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU faults on a page in private device memory: the page moves to system
 * memory.
 *
 * do_swap_page() calls ferry_cpu_fault() with mmap_lock held for read and with
 * one reference on the page. The engine counts the reference as expected
 * (fault_page). The faulting process may be any process that maps the page. A
 * forked child, for example, has no mirror. The fault therefore uses no mirror,
 * and no lock of the driver is held over the migration. The page's pgmap leads
 * to this function (ops) and to the device (pgmap owner, device/device.h).
 *
 * Many threads may fault on the same page. Each thread holds a reference, and
 * the engine expects the reference of one thread. A bit in the page's metadata
 * selects one winner at a time. A loser returns at once, drops the reference,
 * and faults again. By then the loser meets a migration entry, and the kernel
 * lets the loser sleep without a reference. A loser that has not left yet makes
 * the winner's reference check fail. The winner therefore tries
 * FERRY_CPU_FAULT_TRIES times, then gives up the page and faults again like a
 * loser. A fault from within the kernel repeats without a return to user space;
 * hmm_range_fault() repeats in a loop that never yields. On a fault from within
 * the kernel a loser yields: otherwise on one CPU the winner would not run
 * again.
 *
 * A page that finds no system memory is VM_FAULT_OOM: the kernel decides which
 * process pays. The page stays on the device, intact. FAIL_ALLOC of the test_hmm
 * ABI has the same result, once, for a page of the file with FAIL_ALLOC.
 *
 * Fault-around: a CPU that accesses a page soon accesses the next pages, and
 * most of the cost of a CPU fault is the path into the engine and back. The
 * first try moves a range of pages around the faulting page in one engine call.
 * The range is fault_around= pages, aligned, hence within one page table, and
 * cut at the ends of the mapping. Neighbours on the same device move too, also
 * those of another file, as in a migration by address. The engine skips holes,
 * swapped pages, pages of other devices, and system pages. KSM pages are system
 * pages, and core is safe with KSM pages here (batch.c has the other case).
 * The faulting page alone decides the result of the fault.
 *
 * - Destinations of neighbours are allocated from free memory only, without
 *   reclaim and without a wakeup of kswapd. A neighbour without a destination
 *   stays. If the faulting page has no destination, the driver puts back all
 *   destinations. The faulting page then gets a page as in any fault, or
 *   nothing moves. No memory cgroup is charged: the charge moves with the page.
 * - A neighbour that is pinned or locked stays.
 * - A neighbour on which another thread faults stays. A thread that faulted
 *   before the migration entry holds a reference, and the engine's check finds
 *   the reference before or after the copy. A later thread waits for the entry.
 *   The winner bit is not taken for neighbours: the bit separates threads that
 *   fault on one page, and a thread that moves the page as a neighbour has no
 *   reference but the engine's.
 * - Another thread may already have collected the page. The winner then finds
 *   a migration entry or, after fork(), a locked page. The winner tries again,
 *   and then faults again to sleep on the entry. Of two threads with
 *   overlapping ranges, the first at the page-table lock collects the whole
 *   range, and puts back the other thread's page, because that page has the
 *   other thread's reference. With two address spaces, each thread may collect
 *   the page of the other. Further tries are for the faulting page alone, and
 *   single pages do not overlap.
 *
 * The device loses the entries of the whole range (I15), also for pages that
 * stay.
 *
 * Only the faulting page moves in two cases:
 *
 * - The fault is not from a CPU in the faulting process, but from a device
 *   (hmm_range_fault()) or from an access to another process
 *   (FAULT_FLAG_REMOTE). Each of these faults names the wanted pages. A device
 *   that writes to a read-only page would otherwise lose the pages in use.
 * - The page was moved through the test_hmm ABI; test_hmm has no fault-around.
 *
 * A fault by khugepaged counts as a CPU fault: khugepaged wants the whole page
 * table.
 *
 * A page in coherent device memory never gets here: the CPU accesses the page
 * in place.
 */
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "cpu_fault.h"
#include "device/device.h"
#include "device/memory.h"
#include "device/owner.h"
#include "migrate/backend.h"
#include "migrate/control.h"
#include "mirror.h"
#include "populate.h"

/* Destinations of neighbours: from free memory only. */
#define FERRY_AROUND_GFP	\
	((GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN) &	\
	 ~__GFP_RECLAIM)

/**
 * struct fault_move - one engine call for a CPU fault, or for a device fault on
 * another device's page
 * @backend: engine
 * @migrate: the engine's arguments, without an outcome array
 * @wanted: slot of the faulting page
 * @around: out: number of moved neighbours
 */
struct fault_move {
	const struct ferry_backend *backend;
	struct ferry_migrate migrate;
	unsigned long wanted;
	unsigned long around;
};

static int populate_slots(const struct fault_move *move, unsigned long first, unsigned long npages,
			  gfp_t gfp)
{
	const struct migrate_vma *args = &move->migrate.vma;
	const struct ferry_populate part = {
		.src = args->src + first,
		.dst = args->dst + first,
		.npages = npages,
		.vma = args->vma,
		.start = args->start + first * PAGE_SIZE,
		.gfp = gfp,
		.backend = move->backend,
		.way = ferry_timing_way(args->flags, args->fault_page),
	};

	return ferry_populate_system(&part);
}

static void give_back_slots(const struct migrate_vma *args)
{
	unsigned long i;

	for (i = 0; i < args->npages; i++)
		ferry_populate_give_back(&args->dst[i]);
}

/*
 * A CPU fault needs the page, even at the price of the OOM killer. A page
 * wanted for another device can stay.
 *
 * If the faulting page has no destination, no slot keeps one: pages() is not
 * called then, and core's finalize would treat a slot with a destination as
 * moved.
 */
static int populate_range(const struct fault_move *move)
{
	const struct migrate_vma *args = &move->migrate.vma;

	if (args->npages > 1)
		populate_slots(move, 0, args->npages, FERRY_AROUND_GFP);
	if (args->dst[move->wanted])
		return 0;
	give_back_slots(args);
	return populate_slots(move, move->wanted, 1, args->fault_page ? GFP_HIGHUSER_MOVABLE :
			      GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

static unsigned long count_around(const struct fault_move *move)
{
	const unsigned long *src = move->migrate.vma.src;
	unsigned long n = 0, i;

	for (i = 0; i < move->migrate.vma.npages; i++)
		n += i != move->wanted && src[i] & MIGRATE_PFN_MIGRATE;
	return n;
}

static int migrate_collected(struct fault_move *move)
{
	struct migrate_vma *args = &move->migrate.vma;
	unsigned long *src = args->src + move->wanted;
	struct page *page = migrate_pfn_to_page(*src);
	int ret;

	if (!page || !(*src & MIGRATE_PFN_MIGRATE))
		return -EBUSY;
	if (args->fault_page && page != args->fault_page)
		return -EBUSY;
	ret = populate_range(move);
	if (ret)
		return ret;
	ferry_backend_pages(move->backend, &move->migrate);
	move->around = count_around(move);
	return *src & MIGRATE_PFN_MIGRATE ? 0 : -EBUSY;
}

static int move_to_system(struct fault_move *move)
{
	int ret;

	move->backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	move->migrate.flush = ferry_backend_flush(move->backend, FERRY_FLUSH_DEFAULT);
	ret = ferry_backend_setup(move->backend, &move->migrate);
	if (ret)
		return ret;
	ret = migrate_collected(move);
	ferry_backend_finalize(move->backend, &move->migrate);
	return ret;
}

/**
 * ferry_cpu_fault_try() - one try to move one device page to system memory
 * @vma: the mapping
 * @addr: address of the page in @vma, page-aligned
 * @owner: pgmap owner of the device; a page of another device stays
 * @kind: kind of the device's memory
 * @fault_page: the page, if the caller has a reference on the page, otherwise
 *	NULL
 *
 * Context: mmap_lock of @vma's mm is held for read; sleeps.
 * Return:
 * * 0: the page moved
 * * -ENOMEM: no system memory
 * * -EBUSY: no page of the device is mapped at @addr, or the page is in use
 * * -EINVAL: the mapping cannot migrate
 */
int ferry_cpu_fault_try(struct vm_area_struct *vma, unsigned long addr, void *owner,
			enum ferry_memory_kind kind, struct page *fault_page)
{
	unsigned long src = 0, dst = 0;
	struct fault_move move = {
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

	return move_to_system(&move);
}

/*
 * Fault-around range in bytes, a power of two, at most one page table. A page
 * table may map only 32 pages.
 */
static unsigned long around_size(const struct vm_fault *vmf)
{
	const struct ferry_device *device = page_pgmap(vmf->page)->owner;

	if (vmf->flags & FAULT_FLAG_REMOTE || ferry_memory_comes_alone(vmf->page))
		return PAGE_SIZE;
	return min(device->config.fault_around * PAGE_SIZE, PMD_SIZE);
}

/* With neighbours. The caller provides zeroed slots: src[], then dst[]. */
static int try_range(struct vm_fault *vmf, unsigned long start, unsigned long end,
		     unsigned long *slots, unsigned long *around)
{
	struct fault_move move = {
		.migrate.vma = {
			.vma = vmf->vma,
			.start = start,
			.end = end,
			.src = slots,
			.dst = slots + (end - start) / PAGE_SIZE,
			.pgmap_owner = page_pgmap(vmf->page)->owner,
			.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
			.fault_page = vmf->page,
		},
		.wanted = ((vmf->address & PAGE_MASK) - start) / PAGE_SIZE,
	};
	int ret = move_to_system(&move);

	*around = move.around;
	return ret;
}

static int try_alone(struct vm_fault *vmf)
{
	return ferry_cpu_fault_try(vmf->vma, vmf->address & PAGE_MASK, page_pgmap(vmf->page)->owner,
				   FERRY_MEMORY_PRIVATE, vmf->page);
}

/*
 * Usually the slots are on the stack. Without memory for more slots the
 * faulting page moves alone.
 */
static int try_around(struct vm_fault *vmf, unsigned long *around)
{
	unsigned long size = around_size(vmf);
	unsigned long start = max(ALIGN_DOWN(vmf->address, size), vmf->vma->vm_start);
	unsigned long end = min(ALIGN_DOWN(vmf->address, size) + size, vmf->vma->vm_end);
	unsigned long few[2 * FERRY_DEFAULT_FAULT_AROUND] = {}, *many;
	int ret;

	if (end - start == PAGE_SIZE)
		return try_alone(vmf);
	if (end - start <= FERRY_DEFAULT_FAULT_AROUND * PAGE_SIZE)
		return try_range(vmf, start, end, few, around);
	many = kcalloc(2 * (end - start) / PAGE_SIZE, sizeof(*many), GFP_NOWAIT | __GFP_NOWARN);
	if (!many)
		return try_alone(vmf);
	ret = try_range(vmf, start, end, many, around);
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
 * Implements migrate_to_ram of struct dev_pagemap_ops.
 *
 * Context: mmap_lock held for read. Sleeps, except if another thread is the
 * winner and the fault is from user mode.
 * Return:
 * * 0: the CPU accesses the address again; the page moved, or another thread
 *   moves the page
 * * VM_FAULT_OOM: no system memory
 * * VM_FAULT_SIGBUS: the mapping cannot migrate
 */
vm_fault_t ferry_cpu_fault(struct vm_fault *vmf)
{
	const struct ferry_backend *backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	struct page *page = vmf->page;
	unsigned long around = 0;
	int ret = 0, tries;

	if (!ferry_memory_fault_begin(page)) {
		if (!(vmf->flags & FAULT_FLAG_USER))
			cond_resched();
		return 0;
	}
	ferry_timed(ferry_timer(backend->timing, FERRY_TIMING_CPU_FAULT,
				FERRY_TIMING_DRIVER)) {
		ferry_control_pause(FERRY_PAUSE_CPU_FAULT);
		ret = ferry_memory_take_failure(page) ? -ENOMEM : try_around(vmf, &around);
		for (tries = 1; tries < FERRY_CPU_FAULT_TRIES && ret == -EBUSY; tries++) {
			cond_resched();
			ret = try_alone(vmf);
		}
		ferry_memory_fault_end(page, !ret, around);
	}
	return fault_result(ret);
}
