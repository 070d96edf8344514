// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built into the kernel: on which node a page belongs that was found by pfn.
 *
 * A migration by address has the VMA, and with it the NUMA policy (mbind()). By pfn
 * there is none, but the rmap has it: every VMA that the page was unmapped from has a
 * migration entry for the page. The first one that is found decides, for processes that
 * share a page may have different policies for it.
 *
 * What holds what: the caller holds the folio locked and its anon_vma. The walk holds
 * the anon_vma's lock, so that VMAs and their address spaces stay. A VMA's policy is
 * changed under mmap_lock for write; the walk takes that lock by trylock, since the
 * order is the other way round, or the caller has it already for its own address space.
 * The policy is kept by a reference, and the page is allocated with no lock held: reclaim
 * may need the same anon_vma.
 *
 * Where mmap_lock cannot be had, because somebody is changing that address space at this
 * moment, the next VMA is asked; without any, the page goes where the task's policy says.
 *
 * Rejected: migration by address for what is mapped by the process that closes a file.
 * Other files' pages lie among the file's, and a page that another process maps as well
 * needs the rmap anyway.
 */
#include <linux/export.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/rmap.h>
#include <linux/topology.h>

#include "placement.h"

#ifdef CONFIG_NUMA
/**
 * struct placement - what the walk looks for
 * @held: an address space whose mmap_lock the caller has, or NULL
 * @policy: out: with a reference; NULL: the task's
 * @index: out: for policies that interleave
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
	/* The others come with a reference. */
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
	mpol_put(placement->policy);
	return folio;
}

/**
 * ferry_placement_alloc() - a page where another one's mappings want it
 * @from: small and anonymous, locked, with migration entries for all its mappings, and
 *	with its anon_vma held
 * @held: an address space whose mmap_lock the caller has, or NULL
 * @gfp: how to allocate
 *
 * Context: as @gfp; sleeps.
 * Return: the page, or NULL.
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
