// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built into the kernel: splitting large folios, which mm/ does not export, and
 * which what handles single pages only must do first.
 *
 * A folio is found in the page table under its lock, gets a reference and its page
 * lock (by trylock) there, and is split once the page-table lock is dropped: the
 * order of split_huge_pages_pid(). While it is split its pages are mapped by
 * migration entries, so CPUs that touch them wait.
 *
 * Best effort and bounded: each folio is tried once a call. One that somebody else
 * has a reference on or has locked stays large, and the caller tries again. Pages in
 * this CPU's batches for the LRU lists have such a reference, hence the drain.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/swap.h>

#include "split.h"

/* Returns the folio at @addr, locked and with a reference, if it is to be split. */
static struct folio *get_large(struct vm_area_struct *vma, unsigned long addr)
{
	struct folio_walk walk;
	struct folio *folio;

	folio = folio_walk_start(&walk, vma, addr, 0);
	if (!folio)
		return NULL;
	if (folio_test_large(folio) && folio_test_anon(folio) && folio_trylock(folio))
		folio_get(folio);
	else
		folio = NULL;
	folio_walk_end(&walk, vma);
	return folio;
}

/* Returns the first byte behind what was dealt with. */
static unsigned long split_at(struct vm_area_struct *vma, unsigned long addr)
{
	struct folio *folio = get_large(vma, addr);
	unsigned long next = addr + PAGE_SIZE;

	if (!folio)
		return next;
	/* One that stays large and is mapped in order is not looked at again. */
	if (split_folio(folio))
		next = ALIGN(next, folio_size(folio));
	folio_unlock(folio);
	folio_put(folio);
	return next;
}

/**
 * ferry_split_range() - split the large anonymous folios of a range
 * @mm: mmap_lock is held for read
 * @start: first byte, page-aligned
 * @end: exclusive
 *
 * Each folio that is mapped in the range is split to single pages, however it is
 * mapped, and as a whole, also where it reaches beyond the range. Follows
 * split_huge_pages_pid().
 *
 * Context: sleeps; no page lock is held.
 */
void ferry_split_range(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	unsigned long addr;

	mmap_assert_locked(mm);
	lru_add_drain();

	for (addr = start; addr < end;) {
		vma = vma_lookup(mm, addr);
		if (!vma)
			return;
		if (vma->vm_flags & (VM_SPECIAL | VM_HUGETLB))
			addr = vma->vm_end;
		else
			addr = split_at(vma, addr);
		cond_resched();
	}
}
EXPORT_SYMBOL_GPL(ferry_split_range);
