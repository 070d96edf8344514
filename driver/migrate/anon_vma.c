// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built into the kernel: the reference on an anon_vma that a migration by pfn
 * needs, and that mm/ does not export.
 *
 * migrate_device_range() unmaps a folio without holding any mmap_lock, and
 * migrate_device_finalize() walks the folio's anon_vma again to map the new one.
 * In between the folio is mapped nowhere: a process that exits then passes over
 * the migration entry, drops its VMAs, and with the last of them the anon_vma is
 * freed under the walk to come. mm/migrate.c's migrate_folio_unmap() takes a
 * reference for that reason; core's migrate_device_range() does not. Ferry takes
 * it around the whole of it.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/rmap.h>

#include "anon_vma.h"

/**
 * ferry_anon_vma_get() - keep a folio's anon_vma
 * @folio: with a reference. It should be locked where it is a coherent page: those can
 *	change their anon_vma (folio_move_anon_rmap()), private ones cannot
 *
 * Follows folio_get_anon_vma().
 *
 * Return: the anon_vma, or NULL if @folio is not mapped anonymous memory; then it
 * must not be migrated by pfn.
 */
struct anon_vma *ferry_anon_vma_get(struct folio *folio)
{
	return folio_get_anon_vma(folio);
}
EXPORT_SYMBOL_GPL(ferry_anon_vma_get);

/**
 * ferry_anon_vma_put() - the reverse
 * @anon_vma: from ferry_anon_vma_get()
 *
 * Context: may sleep.
 */
void ferry_anon_vma_put(struct anon_vma *anon_vma)
{
	put_anon_vma(anon_vma);
}
EXPORT_SYMBOL_GPL(ferry_anon_vma_put);
