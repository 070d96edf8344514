// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device may do with pages, beyond what hmm_range_fault() says of them.
 *
 * Mappings. hmm_range_fault() looks at VM_READ and VM_WRITE, and at the latter only if it
 * gets as far as faulting. GUP refuses two more, and so does the device: memory of
 * memfd_secret(), which is out of the kernel's own reach (vma_is_secretmem() is not
 * exported), and writes to shadow stacks, which hold return addresses and are written
 * by CALL and RET alone.
 *
 * Own private pages. hmm_range_fault() returns them as it finds them, even if a write was
 * asked for and the CPU's entry is not writable. It is so after fork(), after mprotect()
 * in either direction, after NUMA balancing's scan and after write protection by
 * userfaultfd; the kernel's test_hmm asserts that it never is, and oopses. Nor does it say
 * whether the entry is soft-dirty. So:
 *   in a mapping whose writes are tracked no entry gives the right to write by itself;
 *   before the device writes a page that it has no right to, the write is noted in the
 *     CPU's entry (migrate/writes.c). An exclusive page that is not write-protected stays
 *     on the device;
 *   a page for which that is refused must become writable the way the CPU would do it,
 *     in system memory (device_fault.c).
 * Where the helper that notes is not built in, the CPU's entry decides everywhere, and
 * soft-dirty is lost to writes after clear_refs: docs/findings.md.
 */
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/memremap.h>
#include <linux/mm.h>

#include "migrate/writes.h"
#include "mirror.h"
#include "rights.h"

static bool is_secret(const struct vm_area_struct *vma)
{
	return vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/**
 * ferry_rights_check() - may the device access a range
 * @mirror: its mm's mmap_lock is held
 * @addr: first byte
 * @end: exclusive
 * @write: the access is a write
 *
 * Return: 0; -EFAULT for an address that is not mapped, or not for devices; -EPERM for a
 * write to a mapping that must not be written.
 */
int ferry_rights_check(struct ferry_mirror *mirror, unsigned long addr, unsigned long end,
		       bool write)
{
	struct vm_area_struct *vma;

	for (; addr < end; addr = vma->vm_end) {
		vma = vma_lookup(mirror->mm, addr);
		if (!vma)
			return -EFAULT;
		if (!(vma->vm_flags & VM_READ) || vma->vm_flags & (VM_IO | VM_PFNMAP) ||
		    is_secret(vma))
			return -EFAULT;
		if (write && (!(vma->vm_flags & VM_WRITE) || vma->vm_flags & VM_SHADOW_STACK))
			return -EPERM;
	}
	return 0;
}

static bool is_own_private(const struct ferry_mirror *mirror, unsigned long pfn)
{
	struct page *page;

	if (!(pfn & HMM_PFN_VALID))
		return false;
	page = hmm_pfn_to_page(pfn);
	return is_device_private_page(page) && page->pgmap->owner == mirror->device;
}

static bool may_write_any(const struct ferry_mirror *mirror, const unsigned long *pfns,
			  unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		if (pfns[i] & HMM_PFN_WRITE && is_own_private(mirror, pfns[i]))
			return true;
	return false;
}

/**
 * ferry_rights_forget() - no right to write by a tracked mapping's entries
 * @mirror: its mm's mmap_lock is held
 * @addr: first byte, page-aligned
 * @end: exclusive
 * @pfns: of hmm_range_fault() for the range; own private pages of mappings whose writes
 *	are tracked lose HMM_PFN_WRITE
 */
void ferry_rights_forget(struct ferry_mirror *mirror, unsigned long addr,
			 unsigned long end, unsigned long *pfns)
{
	struct vm_area_struct *vma;
	unsigned long next, i;

	if (!ferry_writes_can())
		return;
	for (; addr < end; addr = next, pfns += i) {
		vma = find_vma(mirror->mm, addr);
		next = vma ? min(vma->vm_end, end) : end;
		i = (next - addr) / PAGE_SIZE;
		if (!vma || !may_write_any(mirror, pfns, i) || !ferry_writes_tracked(vma))
			continue;
		for (i = 0; addr < next; addr += PAGE_SIZE, i++)
			if (is_own_private(mirror, pfns[i]))
				pfns[i] &= ~HMM_PFN_WRITE;
	}
}

/**
 * ferry_rights_note() - the device is going to write every page of a range
 * @mirror: its mm's mmap_lock is held, and each mapping is writable
 * @addr: first byte, page-aligned
 * @end: exclusive
 * @pfns: for the range, after ferry_rights_forget(); own private pages that may be
 *	written, and are noted as written, get HMM_PFN_WRITE
 *
 * Return: the address of the first page that the device must not write where it is, or
 * @end.
 */
unsigned long ferry_rights_note(struct ferry_mirror *mirror, unsigned long addr,
				unsigned long end, unsigned long *pfns)
{
	for (; addr < end; addr += PAGE_SIZE, pfns++) {
		if (*pfns & HMM_PFN_WRITE)
			continue;
		if (!is_own_private(mirror, *pfns) ||
		    !ferry_writes_note(vma_lookup(mirror->mm, addr), addr, mirror->device))
			break;
		*pfns |= HMM_PFN_WRITE;
	}
	return addr;
}
