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
 * Best effort and bounded: each folio is tried once for each entry that maps it. One
 * that somebody else has a reference on or has locked stays large. Pages in
 * this CPU's batches for the LRU lists have such a reference, hence the drain.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/swap.h>

#include "mm_internal.h"
#include "split.h"

/*
 * Returns the large folio at @addr, locked and with a reference; NULL if there is none;
 * ERR_PTR(-EBUSY) if somebody has it locked, with @next behind it.
 */
static struct folio *get_large(struct vm_area_struct *vma, unsigned long addr,
			       unsigned long *next)
{
	struct folio_walk walk;
	struct folio *folio;

	folio = folio_walk_start(&walk, vma, addr, 0);
	if (!folio)
		return NULL;
	if (!folio_test_large(folio) || !folio_test_anon(folio)) {
		folio = NULL;
	} else {
		*next = walk.level == FW_LEVEL_PMD ? ALIGN(addr + 1, PMD_SIZE) :
						     addr + PAGE_SIZE;
		if (folio_trylock(folio))
			folio_get(folio);
		else
			folio = ERR_PTR(-EBUSY);
	}
	folio_walk_end(&walk, vma);
	return folio;
}

/**
 * ferry_split_at() - split the large anonymous folio that is mapped at an address
 * @vma: mmap_lock is held for read
 * @addr: in it, page-aligned
 * @next: out: the next address to look at: behind a PMD that mapped a large folio
 *
 * The huge zero page is not split, its mapping is.
 *
 * Context: sleeps.
 * Return: 1 if one was split; 0 if there was none, or the zero page; -EBUSY for one that
 * somebody else has locked; -EAGAIN for one that did not split.
 */
int ferry_split_at(struct vm_area_struct *vma, unsigned long addr, unsigned long *next)
{
	struct folio *folio;
	pmd_t *pmdp;
	int ret;

	*next = addr + PAGE_SIZE;
	folio = get_large(vma, addr, next);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	if (!folio) {
		pmdp = mm_find_pmd(vma->vm_mm, addr);
		if (pmdp && pmd_trans_huge(pmdp_get_lockless(pmdp)))
			split_huge_pmd(vma, pmdp, addr);
		return 0;
	}
	ret = split_folio(folio) ? -EAGAIN : 1;
	folio_unlock(folio);
	folio_put(folio);
	return ret;
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
			ferry_split_at(vma, addr, &addr);
		cond_resched();
	}
}
EXPORT_SYMBOL_GPL(ferry_split_range);
