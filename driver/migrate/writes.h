/* SPDX-License-Identifier: GPL-2.0-only */
/* Device entries of mappings whose writes are tracked: see writes.c. */
#ifndef FERRY_MIGRATE_WRITES_H
#define FERRY_MIGRATE_WRITES_H

#include <linux/kconfig.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

/* Soft-dirty tracking begins when clear_refs takes the flag off the mapping. */
static inline bool ferry_writes_soft_dirty(const struct vm_area_struct *vma)
{
	return IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) && !(vma->vm_flags & VM_SOFTDIRTY);
}

/*
 * Whether clear_refs was called in this address space, or in one that it was forked from.
 * clear_refs takes the flag off all mappings, and nothing sets it again on that of the
 * program's code. (The stack's never has it: setup_arg_pages().) Code that is gone tells
 * nothing. The caller holds mmap_lock.
 */
static inline bool ferry_writes_cleared(struct mm_struct *mm)
{
	const struct vm_area_struct *code;

	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) || !mm->start_code)
		return false;
	code = vma_lookup(mm, mm->start_code);
	return !code || ferry_writes_soft_dirty(code);
}

/* Whether an entry of the mapping must tell now that its page was written. */
static inline bool ferry_writes_tracked_now(struct vm_area_struct *vma)
{
	return ferry_writes_soft_dirty(vma) || userfaultfd_wp(vma);
}

/*
 * Whether an entry must tell now, or once the mapping has been merged with an older one.
 * The caller holds mmap_lock.
 */
static inline bool ferry_writes_tracked(struct vm_area_struct *vma)
{
	return ferry_writes_tracked_now(vma) || ferry_writes_cleared(vma->vm_mm);
}

/*
 * Whether an entry of a tracked mapping, which is not present, tells that its page was
 * written. A page without the mark gets no right to write, whatever the mapping says now.
 */
static inline bool ferry_writes_marked(pte_t pte)
{
	return !IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) || pte_swp_soft_dirty(pte);
}

#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
bool ferry_writes_note(struct vm_area_struct *vma, unsigned long addr, const void *owner);
void ferry_writes_grant(struct vm_area_struct *vma, unsigned long start,
			unsigned long end);
void ferry_writes_protect(struct vm_area_struct *vma, unsigned long start,
			  unsigned long end);
#else
static inline bool ferry_writes_note(struct vm_area_struct *vma, unsigned long addr,
				     const void *owner)
{
	return false;
}

static inline void ferry_writes_grant(struct vm_area_struct *vma, unsigned long start,
				      unsigned long end)
{
}

static inline void ferry_writes_protect(struct vm_area_struct *vma, unsigned long start,
					unsigned long end)
{
}
#endif

/* Whether they do anything on this kernel. */
static inline bool ferry_writes_can(void)
{
	return IS_ENABLED(CONFIG_FERRY_MIGRATE);
}

#endif
