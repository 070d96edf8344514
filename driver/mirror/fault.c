// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-side faults: the device wants to access pages that its page table does
 * not have, or not with the right it needs.
 *
 * hmm_range_fault() faults them into the CPU's page table as a CPU access would
 * and reports their pfns; it leaves this device's own private pages where they
 * are. Pages of other devices come home on the way. The sequence is the one of
 * Documentation/mm/hmm.rst: read_begin, fault under mmap_lock, then under
 * window->lock read_retry and fill in.
 *
 * One thing hmm_range_fault() does not do: it returns an own device page as it
 * finds it, even if a write was asked for and the CPU's entry is not writable. It
 * is so after fork(), after mprotect() in either direction and after write
 * protection by userfaultfd; the kernel's test_hmm asserts that it never is, and
 * oopses. Such a page must become writable the way the CPU would do it: it comes
 * home by a write fault in which we pretend not to know the device (no
 * dev_private_owner), which unshares it if need be.
 *
 * Not kept: the soft-dirty bit of a device page. clear_refs clears it and leaves
 * the entry writable, so that not even a CPU's write, which brings the page home
 * to a writable PTE, sets it again; what the device does cannot be better.
 *
 * Everything is bounded: FERRY_FAULT_TRIES times, then -EBUSY. Each try makes
 * progress unless the CPU changed its page table in the window meanwhile.
 */
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "device/device.h"
#include "mirror.h"
#include "page_table.h"

/*
 * More than the pages of one access (each may need a try of its own to come
 * home), plus what a process that keeps changing its mappings can spoil.
 */
#define FERRY_FAULT_TRIES	1000

/**
 * struct fault - one device fault
 * @window: where
 * @addr: first byte, page-aligned
 * @end: exclusive, page-aligned, in the same window
 * @write: the access is a write
 * @range: for hmm_range_fault()
 * @pfns: its result, one for each page
 */
struct fault {
	struct ferry_window *window;
	unsigned long addr;
	unsigned long end;
	bool write;
	struct hmm_range range;
	unsigned long pfns[FERRY_WINDOW_PAGES];
};

static int call_hmm(struct fault *fault, unsigned long addr, unsigned long end,
		    void *owner)
{
	struct hmm_range *range = &fault->range;

	mmap_assert_locked(fault->window->mirror->mm);

	range->start = addr;
	range->end = end;
	range->hmm_pfns = &fault->pfns[(addr - fault->addr) / PAGE_SIZE];
	range->default_flags = HMM_PFN_REQ_FAULT;
	if (fault->write)
		range->default_flags |= HMM_PFN_REQ_WRITE;
	range->pfn_flags_mask = 0;
	range->dev_private_owner = owner;
	return hmm_range_fault(range);
}

/* The first page that a device write must not touch as it is, or fault->end. */
static unsigned long find_unwritable(const struct fault *fault)
{
	unsigned long addr = fault->addr;
	unsigned long i;

	for (i = 0; addr < fault->end; addr += PAGE_SIZE, i++)
		if (!(fault->pfns[i] & HMM_PFN_WRITE))
			break;
	return addr;
}

/*
 * Memory of memfd_secret() is out of the kernel's own reach. GUP refuses it, HMM
 * does not, and vma_is_secretmem() is not exported.
 */
static bool is_secret(const struct vm_area_struct *vma)
{
	return vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/*
 * A failed fault in a write may mean a mapping that is not writable; hmm says
 * -EPERM only when it gets as far as faulting.
 */
static int check_rights(struct fault *fault)
{
	struct mm_struct *mm = fault->window->mirror->mm;
	struct vm_area_struct *vma;
	unsigned long addr;

	for (addr = fault->addr; addr < fault->end; addr = vma->vm_end) {
		vma = vma_lookup(mm, addr);
		if (!vma)
			return -EFAULT;
		if (fault->write && !(vma->vm_flags & VM_WRITE))
			return -EPERM;
		if (!(vma->vm_flags & VM_READ) || is_secret(vma))
			return -EFAULT;
	}
	return 0;
}

/* Returns -EBUSY for another try. */
static int fault_pages(struct fault *fault)
{
	struct ferry_mirror *mirror = fault->window->mirror;
	unsigned long addr;
	int ret;

	if (mmap_read_lock_killable(mirror->mm))
		return -EINTR;
	ret = check_rights(fault);
	if (!ret)
		ret = call_hmm(fault, fault->addr, fault->end, mirror->device);
	if (!ret && fault->write) {
		addr = find_unwritable(fault);
		if (addr < fault->end) {
			ret = call_hmm(fault, addr, addr + PAGE_SIZE, NULL);
			ret = ret ?: -EBUSY;
		}
	}
	mmap_read_unlock(mirror->mm);
	return ret;
}

/* Returns 0 with window->lock held. */
static int fill_entries(struct fault *fault)
{
	struct ferry_window *window = fault->window;
	unsigned long first = (fault->addr - window->start) / PAGE_SIZE;
	unsigned long n = (fault->end - fault->addr) / PAGE_SIZE;
	unsigned long i;

	mutex_lock(&window->lock);
	if (mmu_interval_read_retry(&window->notifier, fault->range.notifier_seq)) {
		mutex_unlock(&window->lock);
		return -EBUSY;
	}
	/*
	 * Only the right that was asked for: a writable entry made by a read
	 * would let a later write pass without find_unwritable().
	 */
	for (i = 0; i < n; i++)
		window->entries[first + i] =
			ferry_entry_make(page_to_pfn(hmm_pfn_to_page(fault->pfns[i])),
					 fault->write);
	return 0;
}

static int fault_once(struct fault *fault)
{
	struct ferry_window *window = fault->window;
	int ret;

	fault->range.notifier = &window->notifier;
	fault->range.notifier_seq = mmu_interval_read_begin(&window->notifier);
	ret = fault_pages(fault);
	return ret ?: fill_entries(fault);
}

static int fault_slow(struct ferry_window *window, unsigned long addr,
		      unsigned long end, bool write)
{
	struct ferry_mirror_stats *stats = &window->mirror->stats;
	struct fault *fault;
	int tries, ret;

	fault = kmalloc(sizeof(*fault), GFP_KERNEL_ACCOUNT);
	if (!fault)
		return -ENOMEM;
	fault->window = window;
	fault->addr = addr;
	fault->end = end;
	fault->write = write;

	atomic64_inc(&stats->device_faults);
	for (tries = 0; tries < FERRY_FAULT_TRIES; tries++) {
		ret = fault_once(fault);
		if (ret != -EBUSY)
			break;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		atomic64_inc(&stats->device_fault_retries);
		cond_resched();
	}
	kfree(fault);
	return ret;
}

/**
 * ferry_window_fault() - make pages accessible to the device
 * @window: with a reference, not locked
 * @addr: first byte, page-aligned
 * @end: exclusive, page-aligned, in the same window
 * @write: the device wants to write
 *
 * Follows the driver's part of hmm_range_fault(), Documentation/mm/hmm.rst.
 *
 * Context: sleeps, takes mmap_lock.
 * Return: 0 with window->lock held and all entries there; they are good until it
 * is released. Else, not locked: -EFAULT, -EPERM, -ENOMEM, -EINTR, or -EBUSY
 * after FERRY_FAULT_TRIES tries.
 */
int ferry_window_fault(struct ferry_window *window, unsigned long addr,
		       unsigned long end, bool write)
{
	unsigned long first = (addr - window->start) / PAGE_SIZE;

	mutex_lock(&window->lock);
	if (ferry_window_allows(window, first, (end - addr) / PAGE_SIZE, write))
		return 0;
	mutex_unlock(&window->lock);

	return fault_slow(window, addr, end, write);
}
