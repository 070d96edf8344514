// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fourth phase, after the copy: the new page becomes what the old page was.
 * Both pages are locked. The old page is mapped nowhere and in no TLB. Only the
 * caller knows the new page. Up to the last check everything can be undone;
 * after the last check nothing can fail.
 *
 * In this order:
 *
 *  1. The destination is locked, of order 0, of a kind that can be mapped, not
 *     mapped and in no mapping (a page may be offered twice). The kernel's
 *     engine trusts its caller here. An unlocked page would be mapped while the
 *     lock is not the engine's, so the engine refuses the page's slot (I4), and
 *     finalize drops no lock.
 *  2. The swap cache never contains a device page (I21): do_swap_page() would
 *     find the device page by its swap entry and map the device page as memory.
 *     So the folio's swap space is given back. The folio becomes dirty, for the
 *     copy on the swap device is gone. If other entries still refer to the swap
 *     space the page stays. The mapping is read again afterwards. Writeback was
 *     excluded before, and cannot begin while the engine holds the page lock.
 *  3. References are checked again (I17). In the swap cache
 *     folio_migrate_mapping() checks with the references frozen under the
 *     xarray's lock: a lookup in between finds either the whole old page or the
 *     whole new page. Elsewhere a count is enough: the page is locked and
 *     unmapped, so no new reference leads to a change of the data or the flags.
 *  4. index and mapping, with the anon_vma in mapping. No other task sees the
 *     new page yet, so plain stores do.
 *  5. Flags and the memcg charge, as in folio_migrate_flags(). The dirty flag
 *     is copied after the last check and before the page can be seen (I3); in
 *     the swap cache, inside the frozen section. The engine does not clear the
 *     dirty flag for writeback on the way and counts nothing as dirtied: moving
 *     is not writing. The charge goes with the data, once (I10).
 *
 * A page of a file goes to a node by the kernel's generic steps, or by the
 * filesystem's migrate_folio operation, which copies the page and does steps 3
 * to 5 in one (ferry_move_file()).
 *
 * A page that fails keeps everything; finalize maps the page again.
 */
#include <linux/export.h>
#include <linux/memremap.h>
#include <linux/page_owner.h>
#include <linux/page_idle.h>
#include <linux/bitops.h>
#include <linux/migrate.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/sysctl.h>
#include <linux/swap.h>

#include "engine.h"

/* @dst: locked; @device: @dst is a device's. */
static __always_inline bool destination_fits(const struct folio *dst, bool device)
{
	if (dst->mapping || !ferry_folio_unmapped(dst))
		return false;
	return !device || page_pgmap(&dst->page)->type == MEMORY_DEVICE_PRIVATE ||
	       page_pgmap(&dst->page)->type == MEMORY_DEVICE_COHERENT;
}

/* The device writes without the kernel: no other copy may stay valid. */
static u8 leave_swap_cache(struct folio *src, struct folio *dst)
{
	if (!folio_is_zone_device(dst))
		return FERRY_NOT_ATTEMPTED;
	return folio_free_swap(src) ? FERRY_NOT_ATTEMPTED : FERRY_SHARED_BUSY;
}

/* Flags that move with a small anonymous folio outside the swap cache. */
#define MOVED_FLAGS	(BIT(PG_referenced) | BIT(PG_uptodate) | BIT(PG_active) |	\
			 BIT(PG_unevictable) | BIT(PG_workingset) | BIT(PG_checked) |	\
			 BIT(PG_mappedtodisk) | BIT(PG_dirty) | BIT(PG_swapbacked) |	\
			 BIT(PG_readahead))

/* As folio_migrate_flags(), in one step. */
static __always_inline void move_flags_at_once(struct folio *src, struct folio *dst,
					       void *private)
{
	unsigned long flags = READ_ONCE(*ferry_flags(src)) & MOVED_FLAGS;

	/* Orders the copied data before the uptodate flag of the new page. */
	smp_wmb();
	set_mask_bits(ferry_flags(dst), 0, flags);
	if (flags & (BIT(PG_active) | BIT(PG_unevictable)))
		set_mask_bits(ferry_flags(src), BIT(PG_active) | BIT(PG_unevictable), 0);
	if (folio_test_young(src))
		folio_set_young(dst);
	if (folio_test_idle(src))
		folio_set_idle(dst);
	folio_migrate_refs(dst, src);
	src->private = private;
	folio_copy_owner(dst, src);
	pgalloc_tag_swap(dst, src);
	mem_cgroup_migrate(src, dst);
}

/* Steps 2 to 5 for a page in the swap cache. */
static u8 move_cached(struct ferry_job *job, struct folio *src, struct folio *dst)
{
	int extra = job->fault_page && page_folio(job->fault_page) == src;
	u8 why = leave_swap_cache(src, dst);

	if (why)
		return why;
	if (folio_migrate_mapping(folio_mapping(src), dst, src, extra))
		return FERRY_PINNED;
	folio_migrate_flags(dst, src);
	return FERRY_NOT_ATTEMPTED;
}

/* Steps 3 to 5 for other pages; @private: new private of the old page. */
static __always_inline u8 move_plain(struct ferry_job *job, struct folio *src,
				     struct folio *dst, void *private)
{
	if (!ferry_job_references_right(job, src, false))
		return FERRY_PINNED;
	dst->index = src->index;
	dst->mapping = src->mapping;
	/*
	 * The kernel's function moves the notes of NUMA balancing. A new page has none,
	 * as if no task had used the page: right also if balancing begins now.
	 */
	if (sysctl_numa_balancing_mode) {
		if (folio_test_swapbacked(src))
			__folio_set_swapbacked(dst);
		folio_migrate_flags(dst, src);
		src->private = private;
	} else {
		move_flags_at_once(src, dst, private);
	}
	return FERRY_NOT_ATTEMPTED;
}

/*
 * Whether a page of a file needs nothing but the kernel's generic steps: shmem,
 * and filesystems over iomap, with private data that moves by its pointer. As in
 * the kernel, a dirty page of a filesystem without the operation stays.
 */
static bool is_plain_file(const struct address_space *mapping, const struct folio *folio)
{
	if (mapping->a_ops->migrate_folio == filemap_migrate_folio)
		return true;
	if (folio_has_private(folio))
		return false;
	return mapping->a_ops->migrate_folio ? mapping->a_ops->migrate_folio == migrate_folio :
					       !folio_test_dirty(folio);
}

/**
 * ferry_migrate_wants_copy() - whether the caller copies the data of a page
 * @folio: a small folio from src[], between setup and pages
 *
 * A filesystem with a migrate_folio operation of its own copies its pages
 * itself. For all other pages the caller copies the data before the pages phase.
 *
 * Context: any; the page is locked by the engine.
 * Return: true, except for such a page of a file.
 */
bool ferry_migrate_wants_copy(struct folio *folio)
{
	struct address_space *mapping;

	if (folio_test_anon(folio))
		return true;
	mapping = folio_mapping(folio);
	return !mapping || is_plain_file(mapping, folio);
}
EXPORT_SYMBOL_GPL(ferry_migrate_wants_copy);

static int move_plain_file(struct address_space *mapping, struct folio *src, struct folio *dst)
{
	int ret = folio_migrate_mapping(mapping, dst, src, 0);

	if (ret)
		return ret;
	if (folio_test_private(src))
		folio_attach_private(dst, folio_detach_private(src));
	folio_migrate_flags(dst, src);
	return 0;
}

/**
 * ferry_move_file() - a folio takes the place of a folio of a file
 * @src: the folio of the file: locked, isolated, mapped nowhere
 * @dst: the destination, locked, with the data if ferry_migrate_wants_copy()
 *
 * folio_migrate_mapping() does steps 3 and 4 with the references frozen under the
 * xarray's lock: the dirty flag moves there, and the counters of node and zone. A
 * filesystem's own operation also copies the page, and moves its private data.
 * MIGRATE_ASYNC: the operation waits for nothing, as the engine holds other page
 * locks (I16).
 *
 * Context: page locks held, no spinlock; takes the xarray's lock; sleeps.
 * Return: 0, or why the folio stays, enum ferry_outcome.
 */
u8 ferry_move_file(struct folio *src, struct folio *dst)
{
	struct address_space *mapping = folio_mapping(src);
	int ret;

	if (!mapping)
		return FERRY_RACED;
	if (is_plain_file(mapping, src))
		ret = move_plain_file(mapping, src, dst);
	else if (!mapping->a_ops->migrate_folio)
		ret = -EBUSY;
	else
		ret = mapping->a_ops->migrate_folio(mapping, dst, src, MIGRATE_ASYNC);
	switch (ret) {
	case 0:
		/* Only anonymous pages keep their mapping until the page is free. */
		src->mapping = NULL;
		return FERRY_NOT_ATTEMPTED;
	case -EAGAIN:
		return FERRY_PINNED;
	case -EHWPOISON:
	case -EFAULT:
		return FERRY_COPY_FAILED;
	default:
		return FERRY_PRIVATE_DATA;
	}
}

/* @src: value of the slot in src[]. */
static __always_inline u8 move(struct ferry_job *job, unsigned long src, struct folio *dst)
{
	const unsigned long rare = BIT(PG_writeback) | BIT(PG_swapcache);
	struct folio *folio = ferry_slot_folio(src);

	/* The page lock keeps both from being set. */
	if (unlikely(READ_ONCE(*ferry_flags(folio)) & rare)) {
		if (folio_test_writeback(folio))
			return FERRY_WRITEBACK;
		if (ferry_folio_in_swap_cache(folio))
			return move_cached(job, folio, dst);
	}
	if (unlikely(job->to_node) && !folio_test_anon(folio))
		return ferry_move_file(folio, dst);
	/* By pfn, private holds the anon_vma. */
	return move_plain(job, folio, dst, job->vma ? NULL : folio->private);
}

/* No destination was offered. An outcome that the caller stored stays. */
static void refuse_without(struct ferry_job *job, unsigned long slot)
{
	job->src[slot] &= ~MIGRATE_PFN_MIGRATE;
	if (!job->outcome || job->outcome[slot] == FERRY_NOT_ATTEMPTED)
		ferry_job_report(job, slot, job->src[slot] & MIGRATE_PFN_VALID ?
				 FERRY_NO_DESTINATION : FERRY_HOLE);
}

/* An offered page that is unlocked, or part of a large folio. */
static noinline void refuse_offered(struct ferry_job *job, unsigned long slot,
				    struct page *page)
{
	if (!folio_test_locked(page_folio(page)))
		job->dst[slot] |= FERRY_PFN_UNLOCKED;
	if (job->src[slot] & MIGRATE_PFN_MIGRATE)
		ferry_job_refuse(job, slot, FERRY_NO_DESTINATION);
}

/* A destination was offered. */
static __always_inline void move_slot(struct ferry_job *job, unsigned long slot)
{
	unsigned long offered = job->dst[slot], src = job->src[slot], flags;
	struct folio *dst = ferry_slot_folio(offered);
	bool device = folio_is_zone_device(dst);
	u8 why;

	flags = READ_ONCE(*ferry_flags(dst));
	if (unlikely((flags & (BIT(PG_locked) | BIT(PG_head))) != BIT(PG_locked) ||
		     ferry_page_is_tail(&dst->page))) {
		refuse_offered(job, slot, &dst->page);
		return;
	}
	if (!(src & MIGRATE_PFN_MIGRATE))
		return;
	if (!destination_fits(dst, device)) {
		ferry_job_refuse(job, slot, FERRY_NO_DESTINATION);
		return;
	}
	if (!(src & MIGRATE_PFN_VALID)) {
		job->holes = true;
		return;
	}
	why = move(job, src, dst);
	if (why) {
		ferry_job_refuse(job, slot, why);
		return;
	}
	job->dst[slot] = offered | FERRY_PFN_USED;
	if (device)
		job->src[slot] = src | FERRY_PFN_LISTED;
	ferry_job_report(job, slot, FERRY_MOVED);
}

/**
 * ferry_metadata_move() - destinations take the place of their sources
 * @job: the migration, with dst[] set by the caller; a refused page loses
 *	MIGRATE_PFN_MIGRATE and gets its outcome
 *
 * Slots without a page are left to ferry_insert_pages().
 *
 * Context: page locks of sources and destinations held, no spinlock; takes the
 * xarray's lock of the swap cache; sleeps.
 */
void ferry_metadata_move(struct ferry_job *job)
{
	unsigned long slot = 0, end;

	while (slot < job->npages) {
		end = min(job->npages, slot + FERRY_SLOTS_AT_ONCE);
		for (; slot < end; slot++) {
			if (job->dst[slot] & MIGRATE_PFN_VALID)
				move_slot(job, slot);
			else if (job->src[slot] & MIGRATE_PFN_MIGRATE)
				refuse_without(job, slot);
		}
		ferry_job_resched(job, slot);
	}
}
