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

/* Whether an entry of the mapping must tell that its page was written. */
static inline bool ferry_writes_tracked(struct vm_area_struct *vma)
{
	return ferry_writes_soft_dirty(vma) || userfaultfd_wp(vma);
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
