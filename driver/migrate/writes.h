/* SPDX-License-Identifier: GPL-2.0-only */
/* Device entries of mappings with tracked writes. writes.c has the argument. */
#ifndef FERRY_MIGRATE_WRITES_H
#define FERRY_MIGRATE_WRITES_H

#include <linux/kconfig.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

/* Soft-dirty tracking begins when clear_refs takes the mapping's flag off. */
static inline bool ferry_writes_soft_dirty(const struct vm_area_struct *vma)
{
	return IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) && !(vma->vm_flags & VM_SOFTDIRTY);
}

/*
 * Whether clear_refs was called in the address space, or in the parent before a
 * fork. clear_refs takes the flag off all mappings, and nothing sets the flag
 * again on the mapping of the program's code. (The stack never has the flag:
 * setup_arg_pages().) Without a mapping of the code the answer is yes. The
 * caller holds mmap_lock.
 */
static inline bool ferry_writes_cleared(struct mm_struct *mm)
{
	const struct vm_area_struct *code;

	if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) || !mm->start_code)
		return false;
	code = vma_lookup(mm, mm->start_code);
	return !code || ferry_writes_soft_dirty(code);
}

/* Whether an entry of the mapping must record writes now. */
static inline bool ferry_writes_tracked_now(struct vm_area_struct *vma)
{
	return ferry_writes_soft_dirty(vma) || userfaultfd_wp(vma);
}

/*
 * Whether an entry must record writes now, or after a merge of the mapping with
 * an older mapping. The caller holds mmap_lock.
 */
static inline bool ferry_writes_tracked(struct vm_area_struct *vma)
{
	return ferry_writes_tracked_now(vma) || ferry_writes_cleared(vma->vm_mm);
}

/*
 * Whether a non-present entry of a tracked mapping says that its page was
 * written. A page without the mark gets no right to write, whatever the mapping
 * says now.
 */
static inline bool ferry_writes_marked(pte_t pte)
{
	return !IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) || pte_swp_soft_dirty(pte);
}

#if IS_ENABLED(CONFIG_FERRY_MIGRATE)
bool ferry_writes_note(struct vm_area_struct *vma, unsigned long addr, const void *owner);
bool ferry_writes_trapped(struct vm_area_struct *vma, unsigned long addr);
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

static inline bool ferry_writes_trapped(struct vm_area_struct *vma, unsigned long addr)
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

/* Whether the functions above do anything on this kernel. */
static inline bool ferry_writes_can(void)
{
	return IS_ENABLED(CONFIG_FERRY_MIGRATE);
}

#endif
