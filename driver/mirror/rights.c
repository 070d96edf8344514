// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rights of the device to pages, beyond the checks of hmm_range_fault().
 *
 * Mappings: hmm_range_fault() checks VM_READ, and checks VM_WRITE only before a
 * fault. GUP refuses two more kinds of mapping, and the device refuses both
 * too:
 *
 * - memfd_secret() memory, which even the kernel cannot access
 *   (vma_is_secretmem() is not exported)
 * - writes to shadow stacks: shadow stacks hold return addresses, and only CALL
 *   and RET write shadow stacks
 *
 * Own private pages: hmm_range_fault() returns an own private page as found,
 * even if a write was asked for and the CPU's entry is not writable. The CPU's
 * entry is not writable after fork(), after mprotect() in either direction,
 * after a scan for NUMA balancing and after write protection by userfaultfd.
 * The kernel's test_hmm asserts that the entry is always writable, and oopses.
 * hmm_range_fault() does not report soft-dirty either. Therefore:
 *
 * - In a mapping with tracked writes no CPU entry grants the device the right
 *   to write. Before the device writes a page without the right, the write is
 *   noted in the CPU's entry (migrate/writes.c). An exclusive page that is not
 *   write-protected stays on the device.
 * - A page whose write cannot be noted must become writable as for the CPU, in
 *   system memory (device_fault.c).
 *
 * - Read-write protection by userfaultfd (7.x) traps reads too, and
 *   hmm_range_fault() does not report the protection of an own private page. The
 *   page counts as missing: the CPU's fault handler moves the page to system
 *   memory, and asks the monitor.
 *
 * Without the helper that notes writes, the CPU's entry decides in all
 * mappings. Soft-dirty then misses writes after clear_refs: docs/findings.md.
 * Read-write protection then traps no access of the device to its own pages.
 */
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

#include "migrate/writes.h"
#include "mirror.h"
#include "rights.h"

static bool is_secret(const struct vm_area_struct *vma)
{
	return vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/**
 * ferry_rights_check() - check whether the device may access a range
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned
 * @write: the access is a write
 *
 * Context: mmap_lock of the mirror's mm is held.
 * Return:
 * * 0: the device may access the range
 * * -EFAULT: an address is not mapped or not readable, or the mapping is closed
 *   to devices
 * * -EPERM: a write to a mapping that must not be written
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
	return is_device_private_page(page) && page_pgmap(page)->owner == mirror->device;
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

static void forget_mapping(struct ferry_mirror *mirror, struct vm_area_struct *vma,
			   unsigned long addr, unsigned long *pfns, unsigned long n)
{
	bool tracked = may_write_any(mirror, pfns, n) && ferry_writes_tracked(vma);
	unsigned long i;

	if (!tracked && !userfaultfd_armed(vma))
		return;
	for (i = 0; i < n; i++, addr += PAGE_SIZE) {
		if (!is_own_private(mirror, pfns[i]))
			continue;
		if (tracked)
			pfns[i] &= ~HMM_PFN_WRITE;
		if (ferry_writes_trapped(vma, addr))
			pfns[i] = 0;
	}
}

/**
 * ferry_rights_forget() - drop rights that userfaultfd or tracking must see used
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned
 * @pfns: in: result of hmm_range_fault() for the range; out: own private pages
 *	in mappings with tracked writes lose HMM_PFN_WRITE, and own private pages
 *	with read-write protection are zero, as if they were missing
 *
 * Context: mmap_lock of the mirror's mm is held.
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
		if (vma)
			forget_mapping(mirror, vma, addr, pfns, i);
	}
}

/**
 * ferry_rights_note() - note that the device writes every page of a range
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned; each mapping of the range is writable
 * @pfns: in: result of hmm_range_fault() for the range, after
 *	ferry_rights_forget(); out: own private pages with a noted write get
 *	HMM_PFN_WRITE
 *
 * Context: mmap_lock of the mirror's mm is held.
 * Return: address of the first page that the device must not write in place, or
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
