// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device faults that hold no lock while they wait: on memory that userfaultfd
 * watches, and on all memory for READ_UNLOCKED of the test_hmm ABI. A missing
 * page, or a write to a write-protected page, must wait for the monitor.
 *
 * hmm_range_fault() cannot wait: on 6.12 hmm_range_fault() faults with
 * mmap_lock held and without FAULT_FLAG_ALLOW_RETRY. handle_userfault() then
 * fails with SIGBUS, and prints a stack trace with DEBUG_VM. If any mapping of
 * the range is registered, hmm_range_fault() therefore runs without faults, and
 * this file faults in each missing page as a CPU access would.
 * handle_userfault() drops mmap_lock before the wait, and the device fault
 * starts again after the answer of the monitor.
 *
 * The waiting thread holds no lock: neither mmap_lock nor window->lock, and no
 * interval notifier section. During the wait the monitor may change the address
 * space or close the file. The wait has no time limit, as for a CPU. A signal
 * ends the wait. The caller chooses which signals (enum ferry_wait): any signal
 * if the caller can report a part, or can repeat the whole access; otherwise
 * SIGKILL only.
 * A monitor that wakes the thread without an answer costs one of the bounded
 * tries of device_fault.c.
 *
 * A userfaultfd opened with UFFD_USER_MODE_ONLY gets no device faults, as for
 * read(2): the access fails with -EFAULT.
 *
 * Rejected: fixup_user_fault(). After any signal but SIGKILL the function
 * continues to wait; with an interruptible wait the function spins.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "armed.h"
#include "device_fault.h"

/**
 * ferry_armed() - check for a mapping that userfaultfd watches
 * @mm: the address space; mmap_lock is held
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned
 *
 * Context: mmap_lock is held.
 * Return: true if userfaultfd watches any mapping of the range.
 */
bool ferry_armed(struct mm_struct *mm, unsigned long addr, unsigned long end)
{
	VMA_ITERATOR(vmi, mm, addr);
	struct vm_area_struct *vma;

	for_each_vma_range(vmi, vma, end)
		if (userfaultfd_armed(vma))
			return true;
	return false;
}

/**
 * ferry_armed_fault() - fault in one page; may wait for the monitor
 * @mm: current->mm; mmap_lock is held for read
 * @addr: first byte of the page
 * @write: the access is a write
 * @wait: signals that end the wait
 * @locked: in: true; out: false if mmap_lock was dropped
 *
 * Context: sleeps; no lock is held during the wait for the monitor.
 * Return:
 * * 0: look at the page again
 * * -EFAULT: the page cannot be faulted in, or is not mapped
 * * -EINTR: a signal ended the wait
 */
int ferry_armed_fault(struct mm_struct *mm, unsigned long addr, bool write,
		      enum ferry_wait wait, bool *locked)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	vm_fault_t ret;

	mmap_assert_locked(mm);

	if (!vma)
		return -EFAULT;
	if (write)
		flags |= FAULT_FLAG_WRITE;
	if (wait == FERRY_INTERRUPTIBLE)
		flags |= FAULT_FLAG_INTERRUPTIBLE;
	ret = handle_mm_fault(vma, addr, flags, NULL);
	if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED))
		*locked = false;
	if (ret & VM_FAULT_ERROR)
		return -EFAULT;
	if (*locked)
		return 0;
	if (wait == FERRY_INTERRUPTIBLE ? signal_pending(current) :
					  fatal_signal_pending(current))
		return -EINTR;
	return 0;
}
