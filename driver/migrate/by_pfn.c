// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migrations by pfn, for device memory that is taken away: no address space, no
 * mapping, no mmap_lock. The kernel's signatures.
 *
 *   setup     lock_device_page()     this file    lock, reference, anon_vma
 *             ferry_unmap()          unmap.c      rmap, flush
 *   pages     ferry_metadata_move()  metadata.c   old page to new page
 *   finalize  ferry_install()        install.c    page table, locks
 *
 * Nothing is collected from a page table, and no LRU list has a device page. The
 * engine does not drain here: a page with an extra reference stays, and the
 * caller tries again.
 */
#include <linux/export.h>
#include <linux/memremap.h>
#include <linux/rmap.h>

#include "engine.h"
#include "mm_internal.h"

/*
 * Lock a device page, take a reference, and take a reference on the anon_vma,
 * from before unmap to after install (I18). In between the page is mapped
 * nowhere. The last process that mapped the page may exit, and its anon_vma may
 * be freed before finalize walks the rmap. The page's private field keeps the
 * anon_vma: the field is free while the engine has the page lock, for a device
 * page is never in the swap cache. A page that is not mapped is on its way
 * elsewhere and is left alone.
 */
static unsigned long lock_device_page(struct page *page)
{
	struct folio *folio = folio_get_nontail_page(page);
	struct anon_vma *anon_vma;

	if (!folio)
		return 0;
	if ((!folio_is_device_private(folio) && !folio_is_device_coherent(folio)) ||
	    !folio_trylock(folio))
		goto err_put;
	anon_vma = folio_get_anon_vma(folio);
	if (!anon_vma)
		goto err_unlock;
	folio->private = anon_vma;
	return migrate_pfn(folio_pfn(folio)) | MIGRATE_PFN_MIGRATE;

err_unlock:
	folio_unlock(folio);
err_put:
	folio_put(folio);
	return 0;
}

static void init_device_job(struct ferry_job *job, unsigned long *src,
			    unsigned long *dst, unsigned long npages,
			    struct ferry_migrate_counts *counts)
{
	*job = (struct ferry_job) {
		.src = src,
		.dst = dst,
		.npages = npages,
		.counts = counts,
		.mapped.place = FERRY_NO_PLACE,
		.drained = true,
		.want_unmap = true,
	};
	/* By pfn, rmap walks take out all entries and share one flush. */
	ferry_tlb_init(&job->tlb, FERRY_FLUSH_PER_CALL, false, &counts->flushes);
	ferry_job_init_offset(job);
}

static void unmap_device_pages(unsigned long *src, unsigned long npages)
{
	struct ferry_migrate_counts counts = {};
	struct ferry_job job;

	init_device_job(&job, src, NULL, npages, &counts);
	ferry_unmap(&job);
	ferry_control_pause(FERRY_PAUSE_AFTER_SETUP);
}

/**
 * ferry_migrate_device_range() - lock and unmap consecutive pages of a device
 * @src_pfns: out: one slot for each page, encoded as src[] of
 *	ferry_migrate_setup(); 0 for a page that is free, locked by another
 *	task, not mapped, referenced, or not a device's
 * @start: first pfn
 * @npages: number of pages
 *
 * Drop-in for migrate_device_range(), for memory that is to be freed. No
 * mmap_lock is needed: the engine holds the pages' anon_vmas until finalize.
 *
 * Context: sleeps; takes no mmap_lock and waits for no mmap_lock.
 * Return: 0.
 */
int ferry_migrate_device_range(unsigned long *src_pfns, unsigned long start,
			       unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++) {
		src_pfns[i] = lock_device_page(pfn_to_page(start + i));
		if (!((i + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	unmap_device_pages(src_pfns, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_range);

/**
 * ferry_migrate_device_pfns() - lock and unmap any pages of a device
 * @src_pfns: in: plain pfns; out: as for ferry_migrate_device_range()
 * @npages: number of pages
 *
 * Drop-in for migrate_device_pfns() of later kernels.
 *
 * Context: sleeps; takes no mmap_lock and waits for no mmap_lock.
 * Return: 0.
 */
int ferry_migrate_device_pfns(unsigned long *src_pfns, unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++) {
		src_pfns[i] = lock_device_page(pfn_to_page(src_pfns[i]));
		if (!((i + 1) % FERRY_SLOTS_AT_ONCE))
			cond_resched();
	}
	unmap_device_pages(src_pfns, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_pfns);

/**
 * ferry_migrate_device_pages() - destinations take the place of their sources
 * @src_pfns: from ferry_migrate_device_range() or ferry_migrate_device_pfns()
 * @dst_pfns: one slot for each page: a locked page with the data, or 0
 * @npages: number of pages
 *
 * Drop-in for migrate_device_pages().
 *
 * Context: sleeps.
 */
void ferry_migrate_device_pages(unsigned long *src_pfns, unsigned long *dst_pfns,
				unsigned long npages)
{
	struct ferry_migrate_counts counts = {};
	struct ferry_job job;

	init_device_job(&job, src_pfns, dst_pfns, npages, &counts);
	ferry_control_pause(FERRY_PAUSE_AFTER_COPY);
	ferry_metadata_move(&job);
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_pages);

/**
 * ferry_migrate_device_finalize() - map the new pages, or the old pages again
 * @src_pfns: from ferry_migrate_device_pages()
 * @dst_pfns: from ferry_migrate_device_pages()
 * @npages: number of pages
 *
 * Drop-in for migrate_device_finalize(). All pages are unlocked and put.
 *
 * Context: sleeps.
 */
void ferry_migrate_device_finalize(unsigned long *src_pfns, unsigned long *dst_pfns,
				   unsigned long npages)
{
	struct ferry_migrate_counts counts = {};
	struct ferry_job job;

	init_device_job(&job, src_pfns, dst_pfns, npages, &counts);
	ferry_control_pause(FERRY_PAUSE_BEFORE_FINALIZE);
	ferry_install(&job);
}
EXPORT_SYMBOL_GPL(ferry_migrate_device_finalize);
