/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_TLB_BATCH_H
#define FERRY_MIGRATE_TLB_BATCH_H

#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/rmap.h>

#include "migrate.h"

/**
 * struct ferry_tlb - the flushes that a migration owes
 * @strategy: never FERRY_FLUSH_DEFAULT
 * @cleared: present entries were cleared in the page table that is locked now
 * @first: address of the first of them
 * @last: address of the last of them; entries are cleared in the order of addresses
 * @narrow: auto: flushes of a range that may still be done instead of a deferred one
 * @flushes: counts those that were done or recorded
 */
struct ferry_tlb {
	enum ferry_flush strategy;
	bool cleared;
	unsigned long first;
	unsigned long last;
	unsigned int narrow;
	unsigned long *flushes;
};

void ferry_tlb_init(struct ferry_tlb *tlb, enum ferry_flush flush, bool one_table,
		    unsigned long *flushes);
void ferry_tlb_end_table(struct ferry_tlb *tlb, struct vm_area_struct *vma);
enum ttu_flags ferry_tlb_ttu_flags(const struct ferry_tlb *tlb);
void ferry_tlb_end_call(struct ferry_tlb *tlb);

/**
 * ferry_tlb_clear() - take an entry out of the page table
 * @tlb: the batch
 * @vma: mapping
 * @addr: address of the entry
 * @ptep: its table's lock is held
 * @exclusive: the page is exclusive to this mapping
 *
 * Return: the entry, read and cleared in one atomic step.
 */
static inline pte_t ferry_tlb_clear(struct ferry_tlb *tlb, struct vm_area_struct *vma,
				    unsigned long addr, pte_t *ptep, bool exclusive)
{
	pte_t pte;

	if (tlb->strategy == FERRY_FLUSH_PER_PAGE && exclusive) {
		pte = ptep_clear_flush(vma, addr, ptep);
		*tlb->flushes += pte_present(pte);
	} else {
		pte = ptep_get_and_clear(vma->vm_mm, addr, ptep);
	}
	if (likely(pte_accessible(vma->vm_mm, pte))) {
		if (!tlb->cleared)
			tlb->first = addr;
		tlb->cleared = true;
		tlb->last = addr;
	}
	return pte;
}

#endif
