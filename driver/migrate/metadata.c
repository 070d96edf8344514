// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fourth phase, after the copy: the new page becomes what the old one was. Both are
 * locked; the old one is mapped nowhere and in no TLB; the new one is known to nobody
 * but the caller. Up to the last check everything can be undone; after it nothing can
 * fail.
 *
 * In this order:
 *
 *  1. The destination: locked, of order 0, of a kind that can be mapped, and not
 *     mapped or in a mapping already (offered twice, say). The kernel's engine trusts
 *     its caller here; an unlocked page would be mapped while its lock is not ours,
 *     so it is refused for that page (I4), and finalize drops no lock of it.
 *  2. The swap cache. A device page is never in it (I21): do_swap_page() would find the
 *     device page by its swap entry and map it as memory. So the folio's swap space is
 *     given back, which marks it dirty, for the copy on the swap device is gone; if
 *     others still refer to it the page stays. The mapping is read again afterwards.
 *     Writeback cannot begin while we hold the lock, and was excluded before.
 *  3. References, again (I17). For a folio in the swap cache folio_migrate_mapping()
 *     does it, with the references frozen under the xarray's lock, so that a lookup that
 *     comes meanwhile finds either the old page whole or the new one; for the others a
 *     count, which is enough: the page is locked and unmapped, so no new reference
 *     leads to a change of its data or its flags.
 *  4. index and mapping, with it the anon_vma. Nobody else sees the new page yet, so
 *     plain stores do.
 *  5. Flags and the memcg charge, as folio_migrate_flags(). The dirty flag is copied
 *     after the last check and before the page can be seen (I3): for the swap cache
 *     inside the frozen section. It is not cleared for writeback on the way and
 *     nothing counts as dirtied: moving is not writing. The charge goes with the data,
 *     once (I10).
 *
 * A page that fails keeps everything; finalize maps it again.
 */
#include <linux/memremap.h>
#include <linux/page_owner.h>
#include <linux/page_idle.h>
#include <linux/bitops.h>
#include <linux/migrate.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include "engine.h"

static bool destination_fits(const struct folio *dst)
{
	if (folio_test_large(dst) || dst->mapping || !ferry_folio_unmapped(dst))
		return false;
	return !folio_is_zone_device(dst) || folio_is_device_private(dst) ||
	       folio_is_device_coherent(dst);
}

/* The device writes without the kernel: no other copy of the page may be good. */
static u8 leave_swap_cache(struct folio *src, struct folio *dst)
{
	if (!folio_is_zone_device(dst))
		return FERRY_NOT_ATTEMPTED;
	return folio_free_swap(src) ? FERRY_NOT_ATTEMPTED : FERRY_SHARED_BUSY;
}

/* What a small anonymous folio outside the swap cache takes along. */
#define MOVED_FLAGS	(BIT(PG_referenced) | BIT(PG_uptodate) | BIT(PG_active) |	\
			 BIT(PG_unevictable) | BIT(PG_workingset) | BIT(PG_checked) |	\
			 BIT(PG_mappedtodisk) | BIT(PG_dirty) | BIT(PG_swapbacked) |	\
			 BIT(PG_readahead))

/* As folio_migrate_flags(), in one step. */
static void move_flags_at_once(struct folio *src, struct folio *dst)
{
	unsigned long flags = READ_ONCE(src->flags) & MOVED_FLAGS;

	/* What was copied, before the page says that it is there. */
	smp_wmb();
	set_mask_bits(&dst->flags, 0, flags);
	if (flags & (BIT(PG_active) | BIT(PG_unevictable)))
		set_mask_bits(&src->flags, BIT(PG_active) | BIT(PG_unevictable), 0);
	if (folio_test_young(src))
		folio_set_young(dst);
	if (folio_test_idle(src))
		folio_set_idle(dst);
	src->private = NULL;
	folio_copy_owner(dst, src);
	pgalloc_tag_copy(dst, src);
	mem_cgroup_migrate(src, dst);
}

/* Steps 3 to 5 for a page that was in the swap cache when it was looked at. */
static u8 move_cached(struct ferry_job *job, struct folio *src, struct folio *dst)
{
	int extra = job->fault_page && page_folio(job->fault_page) == src;
	u8 why = leave_swap_cache(src, dst);

	if (why)
		return why;
	if (folio_migrate_mapping(folio_mapping(src), dst, src, extra) !=
	    MIGRATEPAGE_SUCCESS)
		return FERRY_PINNED;
	folio_migrate_flags(dst, src);
	return FERRY_NOT_ATTEMPTED;
}

/* The same for the others. */
static u8 move_plain(struct ferry_job *job, struct folio *src, struct folio *dst)
{
	if (!ferry_job_references_right(job, src))
		return FERRY_PINNED;
	dst->index = src->index;
	dst->mapping = src->mapping;
	/* What NUMA balancing notes of a page is the kernel's affair. */
	if (IS_ENABLED(CONFIG_NUMA_BALANCING)) {
		if (folio_test_swapbacked(src))
			__folio_set_swapbacked(dst);
		folio_migrate_flags(dst, src);
	} else {
		move_flags_at_once(src, dst);
	}
	return FERRY_NOT_ATTEMPTED;
}

static u8 move(struct ferry_job *job, unsigned long slot, struct folio *src,
	       struct folio *dst)
{
	void *anon_vma = src->private;
	u8 why;

	if (folio_test_writeback(src))
		return FERRY_WRITEBACK;
	why = folio_test_swapcache(src) ? move_cached(job, src, dst) :
					  move_plain(job, src, dst);
	/* The old page's private field was cleared; ours is in it. */
	if (!why && job->src[slot] & FERRY_PFN_HELD)
		src->private = anon_vma;
	return why;
}

/* Why a page that could move was offered nothing, unless the caller has said so. */
static void tell_no_destination(struct ferry_job *job, unsigned long slot)
{
	if (!job->outcome || job->outcome[slot] == FERRY_NOT_ATTEMPTED)
		ferry_job_tell(job, slot, job->src[slot] & MIGRATE_PFN_VALID ?
			       FERRY_NO_DESTINATION : FERRY_HOLE);
}

/* @dst: what is offered, or NULL */
static void move_slot(struct ferry_job *job, unsigned long slot, struct folio *dst)
{
	u8 why;

	if (!dst) {
		tell_no_destination(job, slot);
		job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
		return;
	}
	if (job->dst[slot] & FERRY_PFN_UNLOCKED || !destination_fits(dst)) {
		ferry_job_refuse(job, slot, FERRY_NO_DESTINATION);
		return;
	}
	if (!(job->src[slot] & MIGRATE_PFN_VALID)) {
		job->holes = true;
		return;
	}
	why = move(job, slot, ferry_job_source(job, slot), dst);
	if (why) {
		ferry_job_refuse(job, slot, why);
		return;
	}
	job->dst[slot] |= FERRY_PFN_USED;
	ferry_job_tell(job, slot, FERRY_MOVED);
}

/**
 * ferry_metadata_move() - the destinations take the place of their sources
 * @job: what does not work out loses MIGRATE_PFN_MIGRATE, and is told
 *
 * Slots without a page are left to ferry_hole_fill().
 *
 * Context: sleeps.
 */
void ferry_metadata_move(struct ferry_job *job)
{
	unsigned long slot;
	struct folio *dst;

	for (slot = 0; slot < job->npages; slot++) {
		dst = NULL;
		if (job->dst[slot] & MIGRATE_PFN_VALID)
			dst = page_folio(migrate_pfn_to_page(job->dst[slot]));
		if (dst && !folio_test_locked(dst))
			job->dst[slot] |= FERRY_PFN_UNLOCKED;
		if (job->src[slot] & MIGRATE_PFN_MIGRATE)
			move_slot(job, slot, dst);
	}
}
