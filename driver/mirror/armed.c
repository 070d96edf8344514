// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device faults on memory that userfaultfd watches: a missing page, or a write to a
 * protected one, has to wait for the monitor.
 *
 * hmm_range_fault() cannot: on 6.12 it faults with mmap_lock held and without
 * FAULT_FLAG_ALLOW_RETRY. handle_userfault() then fails with SIGBUS, and where DEBUG_VM is
 * set it prints a stack. So wherever a mapping of the range is registered,
 * hmm_range_fault() only looks, and what it finds missing is faulted in here, as a CPU
 * access would be. handle_userfault() drops mmap_lock before it waits, and the device
 * fault begins anew when the monitor has answered.
 *
 * Who waits holds no lock: neither mmap_lock nor window->lock, and no interval notifier
 * section. The monitor may change the address space, or close the file, meanwhile. The
 * wait has no end of its own, as a CPU's has none; a signal ends it: any signal as long
 * as the access has touched nothing, then SIGKILL alone. A monitor that wakes without an
 * answer costs one of the tries of device_fault.c, which are bounded.
 *
 * A file of userfaultfd(2) that was opened with UFFD_USER_MODE_ONLY hears of no fault
 * of a device, nor of read(2): the access fails with -EFAULT.
 *
 * Rejected: fixup_user_fault(), which goes on waiting after any signal but SIGKILL, and
 * spins if it is asked to be interruptible.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "armed.h"

/**
 * ferry_armed() - does userfaultfd watch any mapping of a range
 * @mm: mmap_lock is held
 * @addr: first byte
 * @end: exclusive
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
 * ferry_armed_fault() - fault one page in, and wait for the monitor if need be
 * @mm: current->mm; mmap_lock is held for reading
 * @addr: first byte of the page
 * @write: the access is a write
 * @wait: which signals end the wait
 * @locked: out: false if mmap_lock was dropped
 *
 * Context: sleeps, holding no lock while it waits for the monitor.
 * Return: 0: look again; -EFAULT; -EINTR.
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
