// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built into the kernel: the NUMA node for a page that was found by pfn.
 *
 * A migration by address has the VMA and the VMA's NUMA policy (mbind()). A
 * migration by pfn has no VMA, but the rmap does: every VMA that the page was
 * unmapped from has a migration entry for the page. Processes that share a page
 * may have different policies. The first found VMA decides.
 *
 * Locks and references:
 *
 *   folio, anon_vma	the caller holds the folio locked, and a reference on
 *			its anon_vma
 *   VMA, mm		the rmap walk holds the anon_vma's lock, which keeps
 *			both
 *   policy		changes under mmap_lock for writing. The walk takes
 *			mmap_lock by trylock, for the lock order is the other
 *			way round; for its own address space the caller may hold
 *			mmap_lock already. A reference keeps the policy
 *   allocation		with no lock of the walk held: reclaim may need the same
 *			anon_vma
 *
 * If the trylock fails, for another task changes the address space at the
 * moment, the next VMA is asked. Without any VMA the task's policy decides.
 *
 * Rejected: migration by address for pages that the process which closes a file
 * maps. Pages of other files lie between the file's pages, and a page that
 * another process maps as well needs the rmap anyway.
 */
#include <linux/export.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/rmap.h>
#include <linux/topology.h>

#include "mm_internal.h"
#include "placement.h"

#ifdef CONFIG_NUMA
/**
 * struct placement - argument of the rmap walk
 * @held: an address space whose mmap_lock the caller holds, or NULL
 * @policy: out: the policy, with a reference; NULL for the task's policy
 * @index: out: index for policies that interleave
 */
struct placement {
	struct mm_struct *held;
	struct mempolicy *policy;
	pgoff_t index;
};

static bool was_mapped(struct folio *folio, struct vm_area_struct *vma, unsigned long addr)
{
	DEFINE_FOLIO_VMA_WALK(walk, folio, vma, addr, PVMW_SYNC | PVMW_MIGRATION);

	if (!page_vma_mapped_walk(&walk))
		return false;
	page_vma_mapped_walk_done(&walk);
	return true;
}

static void take_policy(struct placement *placement, struct vm_area_struct *vma,
			unsigned long addr)
{
	if (!vma->vm_policy && !(vma->vm_ops && vma->vm_ops->get_policy))
		return;
	placement->policy = get_vma_policy(vma, addr, 0, &placement->index);
	/* Shared policies, and no others, come with a reference. */
	if (!mpol_needs_cond_ref(placement->policy))
		mpol_get(placement->policy);
}

/* Returns false to end the walk. */
static bool look_at(struct folio *folio, struct vm_area_struct *vma, unsigned long addr,
		    void *arg)
{
	struct placement *placement = arg;

	if (!was_mapped(folio, vma, addr))
		return true;
	if (vma->vm_mm == placement->held) {
		take_policy(placement, vma, addr);
		return false;
	}
	if (!mmap_read_trylock(vma->vm_mm))
		return true;
	take_policy(placement, vma, addr);
	mmap_read_unlock(vma->vm_mm);
	return false;
}

static struct folio *alloc_by_policy(struct placement *placement, gfp_t gfp)
{
	struct folio *folio;

	folio = folio_alloc_mpol(gfp, 0, placement->policy, placement->index, numa_node_id());
	ferry_mpol_put(placement->policy);
	return folio;
}

/**
 * ferry_placement_alloc() - allocate a page by the policy of a mapping
 * @from: a small anonymous folio, locked, with migration entries in all its
 *	mappings, and with a reference on its anon_vma
 * @held: an address space whose mmap_lock the caller holds, or NULL
 * @gfp: flags of the allocation
 *
 * Context: page lock of @from held; takes the anon_vma's lock, page-table locks
 * and mmap_locks by trylock, one after the other; sleeps; allocates as @gfp
 * says.
 * Return: the new folio, or NULL.
 */
struct folio *ferry_placement_alloc(struct folio *from, struct mm_struct *held, gfp_t gfp)
{
	struct placement placement = { .held = held };
	struct rmap_walk_control control = {
		.rmap_one = look_at,
		.arg = &placement,
	};

	rmap_walk(from, &control);
	return placement.policy ? alloc_by_policy(&placement, gfp) : folio_alloc(gfp, 0);
}
#else
struct folio *ferry_placement_alloc(struct folio *from, struct mm_struct *held, gfp_t gfp)
{
	return folio_alloc(gfp, 0);
}
#endif
EXPORT_SYMBOL_GPL(ferry_placement_alloc);
