/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rmap's counts for one page-table entry of a small anonymous folio, as
 * folio_remove_rmap_pte() and folio_add_anon_rmap_pte() keep them: _mapcount in each
 * folio, NR_ANON_MAPPED in its node and memcg. The first changes page by page, the
 * second is added up while pages follow each other that are counted in the same place,
 * and given to the kernel once for all of them: that is most of what a page's rmap costs.
 *
 * The sum is paid before the lock of the page table drops. Until then preemption is off,
 * which the counters need; and the last folio, through which they are found, is held by
 * its entry or by us, and keeps its memcg: locked, or mapped by a table that is locked.
 *
 * mlock and munlock are not done here: mappings that are VM_LOCKED take the kernel's
 * own functions (ferry_rmap_is_plain()).
 */
#ifndef FERRY_MIGRATE_RMAP_H
#define FERRY_MIGRATE_RMAP_H

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/vmstat.h>

/* Whether two folios are counted in the same place, their memcg and node. */
static inline bool ferry_same_counters(const struct folio *a, const struct folio *b)
{
#ifdef CONFIG_MEMCG
	if (READ_ONCE(a->memcg_data) != READ_ONCE(b->memcg_data))
		return false;
#endif
	return folio_nid(a) == folio_nid(b);
}

/**
 * struct ferry_mapped - a change of NR_ANON_MAPPED that is due
 * @folio: the last one; all of them are of its node and memcg
 * @nr: pages
 */
struct ferry_mapped {
	struct folio *folio;
	int nr;
};

static inline bool ferry_rmap_is_plain(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & VM_LOCKED);
}

/* With preemption off. */
static inline void ferry_mapped_pay(struct ferry_mapped *mapped)
{
	if (mapped->nr)
		__lruvec_stat_mod_folio(mapped->folio, NR_ANON_MAPPED, mapped->nr);
	mapped->nr = 0;
}

static inline void ferry_mapped_owe(struct ferry_mapped *mapped, struct folio *folio,
				    int nr)
{
	if (mapped->nr && !ferry_same_counters(mapped->folio, folio))
		ferry_mapped_pay(mapped);
	mapped->folio = folio;
	mapped->nr += nr;
}

/* PageAnonExclusive() for what cannot be hugetlb, which keeps it elsewhere. */
static inline bool ferry_folio_exclusive(const struct folio *folio)
{
	return test_bit(PG_anon_exclusive, &folio->flags);
}

/* Returns whether it was the last entry. */
static inline bool ferry_rmap_remove(struct ferry_mapped *mapped, struct folio *folio,
				     struct vm_area_struct *vma)
{
	if (!ferry_rmap_is_plain(vma)) {
		folio_remove_rmap_pte(folio, folio_page(folio, 0), vma);
		return !folio_mapped(folio);
	}
	if (!atomic_add_negative(-1, &folio->_mapcount))
		return false;
	ferry_mapped_owe(mapped, folio, -1);
	return true;
}

static inline void ferry_rmap_add(struct ferry_mapped *mapped, struct folio *folio,
				  struct vm_area_struct *vma, unsigned long addr,
				  bool exclusive)
{
	if (!ferry_rmap_is_plain(vma)) {
		folio_add_anon_rmap_pte(folio, folio_page(folio, 0), vma, addr,
					exclusive ? RMAP_EXCLUSIVE : RMAP_NONE);
		return;
	}
	if (atomic_inc_and_test(&folio->_mapcount))
		ferry_mapped_owe(mapped, folio, 1);
	if (exclusive)
		set_bit(PG_anon_exclusive, &folio->flags);
}

#endif
