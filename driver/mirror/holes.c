// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holes that stay holes.
 *
 * setup offers a hole as a page that may move. A hole whose slot is cleared
 * before the choice of destinations stays. Holes stay in two cases: the caller
 * asked for skip_holes, or the memory cgroup has no room for core's charge
 * (charge.c).
 *
 * Ranges that are mostly empty: an address range without page tables is
 * skipped, one page table at a time, without the engine. Where a page table
 * exists, the engine looks at each entry.
 *
 * A gap between mappings has no pages. Of the mappings only anonymous mappings
 * are skipped: pages of a file need no page table, and with userfaultfd for
 * missing pages each hole has another outcome. A page may appear during the
 * look, because a fault needs mmap_lock for read only. The page counts as later
 * than the call.
 *
 * Bounded: each hold of mmap_lock skips at most SKIP_LOOKS tables. The limit of
 * SKIP_PAGES pages bounds the outcomes to write.
 */
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

#include "batch.h"
#include "charge.h"
#include "holes.h"
#include "migrate.h"
#include "migrate/backend.h"
#include "snapshot.h"

#define SKIP_LOOKS	1024
#define SKIP_PAGES	BIT(20)

static unsigned long end_of_gap(struct mm_struct *mm, unsigned long addr, unsigned long end)
{
	struct vm_area_struct *next = find_vma(mm, addr);

	return next ? min(end, next->vm_start) : end;
}

static unsigned long end_of_absent(struct vm_area_struct *vma, unsigned long addr,
				   unsigned long end)
{
	unsigned long next;
	unsigned int looks;

	end = min(end, vma->vm_end);
	for (looks = 0; looks < SKIP_LOOKS && addr < end; looks++, addr = next)
		if (ferry_snapshot_has_table(vma->vm_mm, addr, &next))
			break;
	return min(addr, end);
}

/**
 * ferry_skip_holes() - count the leading addresses of a range without a page
 * @mm: the address space; mmap_lock is held for read
 * @vma: mapping of @addr that can migrate, or NULL for a gap
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned
 *
 * Context: mmap_lock is held for read.
 * Return: number of pages from @addr on; 0 if @addr has a page table, or lies
 * in a mapping whose holes have different outcomes.
 */
unsigned long ferry_skip_holes(struct mm_struct *mm, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long end)
{
	mmap_assert_locked(mm);

	end = min(end, addr + SKIP_PAGES * PAGE_SIZE);
	if (!vma)
		end = end_of_gap(mm, addr, end);
	else if (vma_is_anonymous(vma) && !userfaultfd_missing(vma))
		end = end_of_absent(vma, addr, end);
	else
		end = addr;
	return (end - addr) / PAGE_SIZE;
}

/*
 * Keeps all holes but the first @keep, with the outcome @why. With userfaultfd,
 * core offers holes that core does not fill; ferry_batch_judge() finds the
 * outcome.
 */
static void leave_holes(struct ferry_batch *batch, unsigned long keep, u8 why)
{
	bool judged_later = userfaultfd_missing(batch->migrate.vma.vma);
	unsigned long i;

	for (i = 0; i < batch->npages; i++) {
		if (batch->src[i] != MIGRATE_PFN_MIGRATE)
			continue;
		if (keep) {
			keep--;
			continue;
		}
		batch->src[i] = 0;
		if (!judged_later)
			batch->outcome[i] = why;
	}
}

static unsigned long count_holes(const struct ferry_batch *batch)
{
	unsigned long holes = 0, i;

	for (i = 0; i < batch->npages; i++)
		holes += batch->src[i] == MIGRATE_PFN_MIGRATE;
	return holes;
}

/**
 * ferry_batch_choose_holes() - clear the slots of holes that must stay
 * @batch: the batch, after the engine's setup()
 *
 * Context: mmap_lock held, pages locked; sleeps, does not reclaim.
 */
void ferry_batch_choose_holes(struct ferry_batch *batch)
{
	unsigned long holes, room;

	if (batch->range->target != FERRY_TARGET_DEVICE)
		return;
	if (batch->range->skip_holes) {
		leave_holes(batch, 0, FERRY_HOLE);
		return;
	}
	if (batch->range->backend->can & FERRY_CAN_KEEP_LIMIT)
		return;
	holes = count_holes(batch);
	room = holes ? ferry_charge_room(batch->mirror->mm, holes) : 0;
	if (room < holes)
		leave_holes(batch, room, FERRY_NO_MEMORY);
}
