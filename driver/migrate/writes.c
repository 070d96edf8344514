// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built into the kernel: a device write is noted in the CPU's page table before
 * the device writes, as a CPU's write fault notes the CPU's write.
 *
 * A mapping is tracked in three cases:
 *
 * - after clear_refs (soft-dirty)
 * - while userfaultfd's write protection is registered
 * - if the mapping is younger than clear_refs. Such a mapping counts as
 *   soft-dirty as a whole (VM_SOFTDIRTY), but only until mm merges the mapping
 *   with an older neighbour and drops the flag (is_mergeable_vma(),
 *   mm/vma.c:24).
 *
 * mm loses writes of a writable device-private entry of a tracked mapping in
 * three ways:
 *
 * - clear_refs leaves the entry writable (clear_soft_dirty()).
 * - fork, mprotect, UFFDIO_WRITEPROTECT and NUMA balancing drop the soft-dirty
 *   bit together with the right to write (copy_nonpresent_pte(),
 *   change_pte_range()).
 * - PAGEMAP_SCAN protects the entry and leaves the entry writable
 *   (make_uffd_wp_pte(), and PAGE_TABLE_CHECK warns).
 *
 * A readable entry keeps its bits in all three cases. Hence two rules:
 *
 * - In a tracked mapping a device-private entry is readable. The entry's type
 *   does not say whether the device may write. The right follows from four
 *   facts, known under the lock of the page table: the mapping is writable, the
 *   page is exclusive to the process (AnonExclusive), the entry is not
 *   write-protected, and the entry is soft-dirty. can_change_pte_writable() has
 *   the same list for present entries, but asks for the mark only where the
 *   mapping is not soft-dirty as a whole.
 * - Elsewhere the entry's type says whether the device may write, as in mm.
 *
 * Who keeps the rules:
 *
 * - install.c and insert.c, for entries that the engine writes.
 * - A writable entry from before the tracking began stays writable until
 *   ferry_writes_note(). The driver does not trust the type of an entry in a
 *   tracked mapping (mirror/device_fault.c).
 * - core writes writable entries, and asks the type when core takes entries
 *   out. backend.c calls ferry_writes_grant() before and ferry_writes_protect()
 *   after core. In between, for the time of one call, mm may lose writes as
 *   above; fork and mprotect wait for mmap_lock.
 *
 * Order of a device write:
 *
 *  1. The driver reads the sequence number of its interval notifier.
 *  2. The driver notes the write with mmap_lock held for reading, under the
 *     lock of the page table.
 *  3. The driver writes its own entry if the sequence number has not moved.
 *  4. The device writes while the driver's entry exists.
 *
 * clear_refs, fork and mprotect hold mmap_lock for writing and call the
 * notifier before they look at the first entry. Either the note comes first,
 * and their notifier takes the device's entry away before the bit is cleared;
 * or the note comes after their change. PAGEMAP_SCAN, UFFDIO_WRITEPROTECT and
 * NUMA balancing hold mmap_lock for reading, and call the notifier before they
 * take the lock of the page table. Either the note sees the protection, or the
 * sequence number has moved.
 *
 * No TLB flush and no notifier section is needed: the entry is not present, and
 * the change gives a right and takes no right.
 *
 * Two kinds of pages are noted without a write: pages of a device access that
 * ended early (at most one step of 64 KiB; of test_hmm's WRITE, which faults
 * for all the rest, the rest of the request), and pages that become exclusive
 * to the device.
 */
#include <linux/export.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/swap.h>

#include "compat.h"
#include "entry.h"
#include "mm_internal.h"
#include "rmap.h"
#include "writes.h"

static pte_t *lock_table(struct vm_area_struct *vma, unsigned long addr, spinlock_t **ptl)
{
	pmd_t *pmdp = mm_find_pmd(vma->vm_mm, addr);

	return pmdp ? pte_offset_map_lock(vma->vm_mm, pmdp, addr, ptl) : NULL;
}

static bool is_device(pte_t pte)
{
	return ferry_coding_is_swap(pte) && ferry_type_is_device(ferry_coding_type(pte));
}

/* Under the lock of the page table, in a writable mapping. */
static bool may_write(pte_t pte, const void *owner)
{
	struct page *page;

	if (!is_device(pte) || pte_swp_uffd(pte))
		return false;
	page = pfn_to_page(ferry_coding_offset(pte));
	if (page_pgmap(page)->owner != owner)
		return false;
	return ferry_coding_type(pte) == FERRY_DEVICE_WRITE ||
	       ferry_folio_exclusive((struct folio *)page);
}

/**
 * ferry_writes_note() - note that a device is going to write one of its pages
 * @vma: the mapping, with its mm's mmap_lock held for reading at least
 * @addr: address of the page in @vma, page-aligned
 * @owner: pgmap owner of the device
 *
 * If the device may write its page at @addr, the entry is soft-dirty
 * afterwards. The page stays in place.
 *
 * Context: mmap_lock held; takes the lock of a page table; does not sleep. The
 * caller has read the sequence number of its notifier before, and checks the
 * number afterwards.
 * Return: true if the device may write. If false (no page of the device,
 * shared, write-protected, migrating), a CPU's write fault must decide.
 */
bool ferry_writes_note(struct vm_area_struct *vma, unsigned long addr, const void *owner)
{
	spinlock_t *ptl;
	pte_t *ptep, old, new;
	bool may;

	mmap_assert_locked(vma->vm_mm);

	if (!(vma->vm_flags & VM_WRITE))
		return false;
	ptep = lock_table(vma, addr, &ptl);
	if (!ptep)
		return false;
	old = ptep_get(ptep);
	may = may_write(old, owner);
	if (may) {
		new = ferry_coding_make(ferry_writes_tracked(vma) ? FERRY_DEVICE_READ :
					FERRY_DEVICE_WRITE, ferry_coding_offset(old));
		new = pte_swp_mksoft_dirty(new);
		if (!pte_same(old, new))
			set_pte_at(vma->vm_mm, addr, ptep, new);
	}
	pte_unmap_unlock(ptep, ptl);
	return may;
}
EXPORT_SYMBOL_GPL(ferry_writes_note);

/**
 * ferry_writes_trapped() - whether userfaultfd traps each access to a device page
 * @vma: the mapping, with its mm's mmap_lock held for reading at least
 * @addr: address of the page in @vma, page-aligned
 *
 * Read-write protection (7.x) is a bit of the entry. hmm_range_fault() reports a
 * device entry with the bit as a page like any other.
 *
 * Context: mmap_lock held; takes the lock of a page table; does not sleep. The
 * caller has read the sequence number of its notifier before, and checks the
 * number afterwards: UFFDIO_RWPROTECT calls the notifier before the first entry
 * changes.
 * Return: true if the device must not read the page before the monitor has
 * answered.
 */
bool ferry_writes_trapped(struct vm_area_struct *vma, unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *ptep;
	bool trapped;

	mmap_assert_locked(vma->vm_mm);

	if (!userfaultfd_rwp(vma))
		return false;
	ptep = lock_table(vma, addr, &ptl);
	if (!ptep)
		return false;
	trapped = is_device(ptep_get(ptep)) && pte_swp_uffd(ptep_get(ptep));
	pte_unmap_unlock(ptep, ptl);
	return trapped;
}
EXPORT_SYMBOL_GPL(ferry_writes_trapped);

/* May an engine that asks the type alone make the page writable? */
static bool is_granted(const struct vm_area_struct *vma, pte_t pte)
{
	if (!(vma->vm_flags & VM_WRITE) || pte_swp_uffd(pte))
		return false;
	if (!ferry_writes_marked(pte))
		return false;
	return ferry_folio_exclusive((struct folio *)pfn_to_page(ferry_coding_offset(pte)));
}

static void change_table(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			 bool grant)
{
	unsigned long addr = start, type;
	pte_t *table, *ptep, old;
	spinlock_t *ptl;

	table = lock_table(vma, start, &ptl);
	if (!table)
		return;
	for (ptep = table; addr < end; addr += PAGE_SIZE, ptep++) {
		old = ptep_get(ptep);
		if (!is_device(old))
			continue;
		type = grant && is_granted(vma, old) ? FERRY_DEVICE_WRITE : FERRY_DEVICE_READ;
		if (type != ferry_coding_type(old))
			set_pte_at(vma->vm_mm, addr, ptep,
				   ferry_coding_replace(old, type, ferry_coding_offset(old)));
	}
	pte_unmap_unlock(table, ptl);
}

static void change_range(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			 bool grant)
{
	unsigned long next;

	mmap_assert_locked(vma->vm_mm);

	if (!ferry_writes_tracked(vma))
		return;
	for (; start < end; start = next) {
		next = min(end, ALIGN_DOWN(start, PMD_SIZE) + PMD_SIZE);
		change_table(vma, start, next, grant);
		cond_resched();
	}
}

/**
 * ferry_writes_grant() - prepare device entries of a tracked mapping for core
 * @vma: the mapping, with its mm's mmap_lock held for reading at least
 * @start: first byte, page-aligned
 * @end: exclusive, page-aligned, in @vma
 *
 * core makes a page writable if its entry was writable, whatever is tracked. So
 * before core takes entries out, an entry becomes writable if its page may be
 * written without another fault, and readable otherwise. ferry_writes_protect()
 * follows. A mapping that is not tracked is left alone.
 *
 * Context: mmap_lock held; takes locks of page tables, one after the other;
 * sleeps.
 */
void ferry_writes_grant(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	change_range(vma, start, end, true);
}
EXPORT_SYMBOL_GPL(ferry_writes_grant);

/**
 * ferry_writes_protect() - make device entries of a tracked mapping readable
 * @vma: the mapping, with its mm's mmap_lock held for reading at least
 * @start: first byte, page-aligned
 * @end: exclusive, page-aligned, in @vma
 *
 * For the entries that core wrote. A mapping that is not tracked is left alone.
 *
 * Context: mmap_lock held; takes locks of page tables, one after the other;
 * sleeps.
 */
void ferry_writes_protect(struct vm_area_struct *vma, unsigned long start,
			  unsigned long end)
{
	change_range(vma, start, end, false);
}
EXPORT_SYMBOL_GPL(ferry_writes_protect);
