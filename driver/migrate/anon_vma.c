// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built into the kernel: the reference on an anon_vma for a migration by pfn,
 * which mm/ does not export.
 *
 * migrate_device_range() unmaps a folio without any mmap_lock, and
 * migrate_device_finalize() walks the folio's anon_vma again to map the new
 * folio. In between the folio is mapped nowhere. A process that exits then
 * passes over the migration entry and drops its VMAs; with the last VMA the
 * anon_vma is freed before the second walk. mm/migrate.c's
 * migrate_folio_unmap() takes a reference for this reason; core's
 * migrate_device_range() does not. Ferry holds a reference around both calls.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/rmap.h>

#include "anon_vma.h"
#include "mm_internal.h"

/**
 * ferry_anon_vma_get() - take a reference on a folio's anon_vma
 * @folio: a folio that the caller has locked: the anon_vma of an unlocked folio
 *	can change (folio_move_anon_rmap())
 *
 * Follows folio_get_anon_vma().
 *
 * Context: any; takes no lock.
 * Return: the anon_vma, to be given to ferry_anon_vma_put(). NULL if @folio is
 * not mapped anonymous memory; @folio must then not be migrated by pfn.
 */
struct anon_vma *ferry_anon_vma_get(struct folio *folio)
{
	return folio_get_anon_vma(folio);
}
EXPORT_SYMBOL_GPL(ferry_anon_vma_get);

/**
 * ferry_anon_vma_put() - put a reference on an anon_vma
 * @anon_vma: from ferry_anon_vma_get()
 *
 * Context: may sleep.
 */
void ferry_anon_vma_put(struct anon_vma *anon_vma)
{
	put_anon_vma(anon_vma);
}
EXPORT_SYMBOL_GPL(ferry_anon_vma_put);
