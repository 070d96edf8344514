// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holes that stay holes.
 *
 * A hole is offered by setup as a page that may move, and is left alone if its slot is
 * cleared before the destinations are chosen. It is so if the caller said so, and for
 * core if the memory cgroup has no room (charge.c).
 *
 * Ranges that are mostly empty: what holds nothing is passed over, a page table at a
 * time, without the engine. Where a page table is, the engine looks at each entry.
 *
 * A gap between mappings holds nothing. Of mappings only anonymous ones are passed
 * over: a file's pages need no page table to be there, and where userfaultfd waits for
 * missing pages each hole has a reason of its own. What appears while this looks (a
 * fault needs mmap_lock for reading alone) is as if it had come after the call.
 *
 * Bounded: SKIP_LOOKS tables for each hold of mmap_lock, and SKIP_PAGES, for each has an
 * outcome that may have to be written.
 */
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

#include <drm/ferry_drm.h>

#include "batch.h"
#include "migrate/backend.h"

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
 * ferry_skip_holes() - how much of a range holds no page
 * @mm: mmap_lock is held for reading
 * @vma: the mapping of @addr, one that can migrate, or NULL
 * @addr: first byte, page-aligned
 * @end: exclusive
 *
 * Return: pages from @addr on; 0: there is a page table, or a mapping whose holes are
 * not all alike.
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
 * From the hole after the first @keep on, holes keep what they are. With userfaultfd
 * core offers holes that it does not fill; why is found by judge().
 */
static void leave_holes(struct ferry_batch *batch, unsigned long keep, u8 why)
{
	bool untold = userfaultfd_missing(batch->migrate.vma.vma);
	unsigned long i;

	for (i = 0; i < batch->npages; i++) {
		if (batch->src[i] != MIGRATE_PFN_MIGRATE)
			continue;
		if (keep) {
			keep--;
			continue;
		}
		batch->src[i] = 0;
		if (!untold)
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
 * ferry_batch_choose_holes() - take back holes that setup offers and that are to stay
 * @batch: after the engine's setup()
 *
 * Context: mmap_lock held, pages locked; may reclaim.
 */
void ferry_batch_choose_holes(struct ferry_batch *batch)
{
	unsigned long holes, room;

	if (batch->range->target != FERRY_TARGET_DEVICE)
		return;
	if (batch->range->skip_holes) {
		leave_holes(batch, 0, DRM_FERRY_HOLE);
		return;
	}
	if (batch->range->backend->survives_limit)
		return;
	holes = count_holes(batch);
	room = holes ? ferry_charge_room(batch->mirror->mm, holes) : 0;
	if (room < holes)
		leave_holes(batch, room, DRM_FERRY_NO_MEMORY);
}
