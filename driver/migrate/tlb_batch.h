/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIGRATE_TLB_BATCH_H
#define FERRY_MIGRATE_TLB_BATCH_H

#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/rmap.h>

#include "migrate.h"

/**
 * struct ferry_tlb - TLB flushes that a migration owes
 * @strategy: when to flush; never %FERRY_FLUSH_DEFAULT
 * @cleared: present entries were cleared in the locked page table
 * @first: address of the first cleared entry
 * @last: address of the last cleared entry; entries are cleared in the order of
 *	addresses
 * @narrow: auto: range flushes that may still replace a deferred flush
 * @flushes: counter of flushes that were done or recorded
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
 * @vma: mapping of the entry
 * @addr: address of the entry, page-aligned
 * @ptep: place of the entry, with its table's lock held
 * @exclusive: true if the page is exclusive to the mapping
 *
 * Context: page-table lock held; does not sleep.
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
