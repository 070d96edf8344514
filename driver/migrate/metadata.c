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
 *  3. References, again (I17). folio_migrate_mapping() does it: for a folio in the swap
 *     cache with the references frozen under the xarray's lock, so that a lookup that
 *     comes meanwhile finds either the old page whole or the new one; for the others a
 *     count, which is enough: the page is locked and unmapped, so no new reference
 *     leads to a change of its data or its flags.
 *  4. index and mapping, with it the anon_vma, and swapbacked.
 *  5. Flags and the memcg charge, folio_migrate_flags(). The dirty flag is copied
 *     after the last check and before the page can be seen (I3): for the swap cache
 *     inside the frozen section. It is not cleared for writeback on the way and
 *     nothing counts as dirtied: moving is not writing. The charge goes with the data,
 *     once (I10).
 *
 * A page that fails keeps everything; finalize maps it again.
 */
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include "engine.h"

/**
 * ferry_metadata_references_right() - whether all references are accounted for
 * @job: the caller's page that faulted has one more
 * @folio: locked, unmapped; ours is one reference
 */
bool ferry_metadata_references_right(const struct ferry_job *job, struct folio *folio)
{
	int expected = folio_expected_ref_count(folio) + 1;

	if (job->fault_page && page_folio(job->fault_page) == folio)
		expected++;
	return folio_ref_count(folio) == expected;
}

static bool destination_fits(const struct ferry_job *job, unsigned long slot,
			     struct folio *dst)
{
	if (job->dst[slot] & FERRY_PFN_UNLOCKED)
		return false;
	if (folio_test_large(dst) || dst->mapping || folio_mapped(dst))
		return false;
	return !folio_is_zone_device(dst) || folio_is_device_private(dst) ||
	       folio_is_device_coherent(dst);
}

/* The device writes without the kernel: no other copy of the page may be good. */
static u8 leave_swap_cache(struct folio *src, struct folio *dst)
{
	if (!folio_test_swapcache(src) || !folio_is_zone_device(dst))
		return FERRY_NOT_ATTEMPTED;
	return folio_free_swap(src) ? FERRY_NOT_ATTEMPTED : FERRY_SHARED_BUSY;
}

/* folio_migrate_flags() clears the old page's private field; ours is in it. */
static void move_flags(struct folio *src, struct folio *dst, bool held)
{
	void *anon_vma = src->private;

	folio_migrate_flags(dst, src);
	if (held)
		src->private = anon_vma;
}

static u8 move(struct ferry_job *job, unsigned long slot, struct folio *src,
	       struct folio *dst)
{
	int extra = job->fault_page && page_folio(job->fault_page) == src;
	u8 why;

	if (folio_test_writeback(src))
		return FERRY_WRITEBACK;
	why = leave_swap_cache(src, dst);
	if (why)
		return why;
	if (folio_migrate_mapping(folio_mapping(src), dst, src, extra) !=
	    MIGRATEPAGE_SUCCESS)
		return FERRY_PINNED;
	move_flags(src, dst, job->src[slot] & FERRY_PFN_HELD);
	return FERRY_NOT_ATTEMPTED;
}

/* Why a page that could move was offered nothing, unless the caller has said so. */
static void tell_no_destination(struct ferry_job *job, unsigned long slot)
{
	if (!job->outcome || job->outcome[slot] == FERRY_NOT_ATTEMPTED)
		ferry_job_tell(job, slot, job->src[slot] & MIGRATE_PFN_VALID ?
			       FERRY_NO_DESTINATION : FERRY_HOLE);
}

static void refuse(struct ferry_job *job, unsigned long slot, u8 why)
{
	job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
	ferry_job_tell(job, slot, why);
}

static void move_slot(struct ferry_job *job, unsigned long slot)
{
	struct folio *dst = ferry_job_offered(job, slot);
	struct folio *src = ferry_job_source(job, slot);
	u8 why;

	if (!dst) {
		tell_no_destination(job, slot);
		job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
	} else if (!destination_fits(job, slot, dst)) {
		refuse(job, slot, FERRY_NO_DESTINATION);
	} else if (src) {
		why = move(job, slot, src, dst);
		if (why) {
			refuse(job, slot, why);
			return;
		}
		job->dst[slot] |= FERRY_PFN_USED;
		ferry_job_tell(job, slot, FERRY_MOVED);
	}
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
		dst = ferry_job_offered(job, slot);
		if (dst && !folio_test_locked(dst))
			job->dst[slot] |= FERRY_PFN_UNLOCKED;
		if (job->src[slot] & MIGRATE_PFN_MIGRATE)
			move_slot(job, slot);
	}
}
