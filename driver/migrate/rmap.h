/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rmap's counts for one page-table entry of a small anonymous folio, as in
 * folio_remove_rmap_pte() and folio_add_anon_rmap_pte():
 *
 *   _mapcount		in each folio; changes page by page
 *   NR_ANON_MAPPED	in the folio's node and memcg; consecutive pages of one
 *			node and memcg are added up, and the kernel gets the sum
 *			once. The saved calls are most of a page's rmap cost
 *
 * The sum is paid before the lock of the page table drops. Until then
 * preemption is off, as the counters need. The counters are found through the
 * first folio. The folio's entry or the engine holds the first folio. The folio
 * keeps its memcg: the folio is locked, or mapped by a locked table.
 *
 * mlock and munlock are not done here: mappings with VM_LOCKED use the kernel's
 * own functions (ferry_rmap_is_plain()).
 */
#ifndef FERRY_MIGRATE_RMAP_H
#define FERRY_MIGRATE_RMAP_H

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/vmstat.h>

/**
 * struct ferry_place - where a folio is counted
 * @memcg: the folio's memcg, as in folio->memcg_data
 * @node: NUMA node; NUMA_NO_NODE: no folio yet
 */
struct ferry_place {
	unsigned long memcg;
	int node;
};

#define FERRY_NO_PLACE	((struct ferry_place) { .node = NUMA_NO_NODE })

static inline unsigned long ferry_folio_memcg(const struct folio *folio)
{
#ifdef CONFIG_MEMCG
	return READ_ONCE(folio->memcg_data);
#else
	return 0;
#endif
}

static inline struct ferry_place ferry_folio_place(const struct folio *folio)
{
	return (struct ferry_place) {
		.memcg = ferry_folio_memcg(folio),
		.node = folio_nid(folio),
	};
}

static inline bool ferry_same_place(struct ferry_place a, struct ferry_place b)
{
	return a.memcg == b.memcg && a.node == b.node;
}

/**
 * struct ferry_mapped - a change of NR_ANON_MAPPED that is due
 * @folio: the first folio of the sum; gives access to the counters
 * @place: place of all counted folios; FERRY_NO_PLACE before the first folio
 * @nr: the sum, in pages; negative for removed mappings
 */
struct ferry_mapped {
	struct folio *folio;
	struct ferry_place place;
	int nr;
};

static inline bool ferry_rmap_is_plain(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & VM_LOCKED);
}

/* Preemption is off. */
static inline void ferry_mapped_pay(struct ferry_mapped *mapped)
{
	if (mapped->nr)
		ferry_lruvec_stat_mod_folio(mapped->folio, NR_ANON_MAPPED, mapped->nr);
	mapped->place = FERRY_NO_PLACE;
	mapped->nr = 0;
}

static inline void ferry_mapped_owe(struct ferry_mapped *mapped, struct folio *folio,
				    int nr)
{
	struct ferry_place place = ferry_folio_place(folio);

	if (unlikely(!ferry_same_place(mapped->place, place))) {
		ferry_mapped_pay(mapped);
		mapped->folio = folio;
		mapped->place = place;
	}
	mapped->nr += nr;
}

/* PageAnonExclusive() without hugetlb, which keeps the flag elsewhere. */
static inline bool ferry_folio_exclusive(const struct folio *folio)
{
	return test_bit(PG_anon_exclusive, ferry_flags(folio));
}

/* Returns whether the removed entry was the last entry of the page. */
static inline bool ferry_rmap_remove(struct ferry_mapped *mapped, struct folio *folio,
				     struct vm_area_struct *vma)
{
	if (unlikely(!ferry_rmap_is_plain(vma))) {
		folio_remove_rmap_pte(folio, folio_page(folio, 0), vma);
		return !folio_mapped(folio);
	}
	if (unlikely(!atomic_add_negative(-1, &folio->_mapcount)))
		return false;
	ferry_mapped_owe(mapped, folio, -1);
	return true;
}

static inline void ferry_rmap_add(struct ferry_mapped *mapped, struct folio *folio,
				  struct vm_area_struct *vma, unsigned long addr,
				  bool exclusive)
{
	if (unlikely(!ferry_rmap_is_plain(vma))) {
		folio_add_anon_rmap_pte(folio, folio_page(folio, 0), vma, addr,
					exclusive ? RMAP_EXCLUSIVE : RMAP_NONE);
		return;
	}
	if (likely(atomic_inc_and_test(&folio->_mapcount)))
		ferry_mapped_owe(mapped, folio, 1);
	if (likely(exclusive))
		set_bit(PG_anon_exclusive, ferry_flags(folio));
}

#endif
