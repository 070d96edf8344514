// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built into the kernel: splits of large folios, which mm/ does not export. A
 * caller that handles small folios alone splits first.
 *
 * Order, as in split_huge_pages_pid(): under the page-table lock the folio is
 * found, gets a reference, and is locked by trylock. After the page-table lock
 * drops the folio is split. During the split migration entries map the folio's
 * pages, and CPU faults wait.
 *
 * A split is best effort and bounded: each folio is tried once for each entry
 * that maps the folio. A folio that another task has locked or referenced stays
 * large. Pages in this CPU's LRU batches have an extra reference, hence the
 * drain.
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
 * Returns the large folio at @addr, locked and with a reference; NULL without a
 * large folio; ERR_PTR(-EBUSY) if another task has locked the folio, with @next
 * after it.
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
 * ferry_split_at() - split the large anonymous folio at an address
 * @vma: the mapping, with its mm's mmap_lock held for reading
 * @addr: address in @vma, page-aligned
 * @next: out: next address to look at; after the PMD if a PMD maps a large
 *	folio
 *
 * Of the huge zero page, the mapping is split and not the page.
 *
 * Context: mmap_lock held; takes the page lock by trylock, anon_vma and
 * page-table locks; sleeps.
 * Return: 1 if a folio was split; 0 if no large anonymous folio or the huge
 * zero page is mapped; -EBUSY if another task has locked the folio; -EAGAIN if
 * the folio did not split.
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
 * @mm: address space, with mmap_lock held for reading
 * @start: first byte, page-aligned
 * @end: exclusive, page-aligned
 *
 * Each folio with a mapping in the range is split to single pages, whether PMDs
 * or PTEs map the folio. The whole folio is split, also where the folio exceeds
 * the range. Follows split_huge_pages_pid().
 *
 * Context: mmap_lock held, no page lock held; takes page locks by trylock,
 * anon_vma and page-table locks; sleeps.
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
