/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces of mm/ that the engine uses and that differ between Linux 6.12 and
 * 7.3: page-table entries, userfaultfd, accounting. The engine is written for
 * 7.3; this file has the rest for 6.12. driver/compat.h has the interfaces that
 * the engine shares with the driver.
 */
#ifndef FERRY_MIGRATE_COMPAT_H
#define FERRY_MIGRATE_COMPAT_H

#include <linux/memcontrol.h>
#include <linux/pgtable.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/userfaultfd_k.h>
#include <linux/vmstat.h>

#ifdef FERRY_HAS_LEAFOPS
#include <linux/leafops.h>
#endif
#ifdef FERRY_HAS_FOLIO_BATCH_H
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

#include "../compat.h"

/* Non-present entries: 7.x calls them leaves of the page table. */
#ifndef FERRY_HAS_LEAFOPS
#ifndef softleaf_from_pte
#define softleaf_from_pte(pte)			pte_to_swp_entry(pte)
#endif
#define softleaf_is_swap(entry)			(!non_swap_entry(entry))
#define softleaf_is_migration(entry)		is_migration_entry(entry)
#define softleaf_is_migration_write(entry)	is_writable_migration_entry(entry)
#define softleaf_is_device_private(entry)	is_device_private_entry(entry)
#define softleaf_is_device_private_write(entry)	is_writable_device_private_entry(entry)
#define softleaf_is_device_exclusive(entry)	is_device_exclusive_entry(entry)
#define softleaf_is_hwpoison(entry)		is_hwpoison_entry(entry)
#define softleaf_is_poison_marker(entry)	is_poisoned_swp_entry(entry)
#define softleaf_is_marker(entry)		is_pte_marker_entry(entry)
#define softleaf_has_pfn(entry)			is_pfn_swap_entry(entry)
#define softleaf_to_page(entry)			pfn_swap_entry_to_page(entry)
#define pmd_is_migration_entry(pmd)		is_pmd_migration_entry(pmd)
#define softleaf_to_pmd(entry)			swp_entry_to_pmd(entry)
#endif

/* Huge entries that are not present. */
#if defined(CONFIG_ARCH_ENABLE_THP_MIGRATION) || defined(CONFIG_ARCH_HAS_PMD_SOFTLEAVES)
#define FERRY_HAS_HUGE_ENTRIES
#endif

/* 7.x has huge pages of devices, and no other huge entry of a device. */
#ifdef FERRY_HAS_DEVMAP_PMD
static inline bool pmd_is_device_private_entry(pmd_t pmd)
{
	return false;
}
#else
static inline bool pmd_devmap(pmd_t pmd)
{
	return false;
}
#endif

/*
 * userfaultfd's mark on an entry. On 6.12 the mark means write protection; on
 * 7.x read-write protection too, by the mapping's mode.
 */
#ifndef FERRY_HAS_UFFD_RWP
#define pte_uffd(pte)		pte_uffd_wp(pte)
#define pte_mkuffd(pte)		pte_mkuffd_wp(pte)
#define pte_swp_uffd(pte)	pte_swp_uffd_wp(pte)
#define pte_swp_mkuffd(pte)	pte_swp_mkuffd_wp(pte)
#define _PAGE_SWP_UFFD		_PAGE_SWP_UFFD_WP
static inline bool userfaultfd_rwp(struct vm_area_struct *vma)
{
	return false;
}
#endif

#ifndef FERRY_HAS_LAZY_MMU_ENABLE
#define lazy_mmu_mode_enable()	arch_enter_lazy_mmu_mode()
#define lazy_mmu_mode_disable()	arch_leave_lazy_mmu_mode()
#endif

#ifndef FOLIO_MAPPING_ANON
#define FOLIO_MAPPING_ANON	PAGE_MAPPING_ANON
#define FOLIO_MAPPING_KSM	PAGE_MAPPING_KSM
#define FOLIO_MAPPING_FLAGS	PAGE_MAPPING_FLAGS
#endif

#ifndef FERRY_HAS_MIGRATE_REFS
static inline void folio_migrate_refs(struct folio *new, const struct folio *old)
{
}
#endif

/* Whether more than one process maps a folio, as well as the kernel knows. */
#ifdef FERRY_HAS_MAYBE_SHARED
#define ferry_folio_mapped_shared(folio)	folio_maybe_mapped_shared(folio)
#else
#define ferry_folio_mapped_shared(folio)	folio_likely_mapped_shared(folio)
#endif

#ifndef FERRY_HAS_LRUVEC_UNLOCK
#define lruvec_unlock_irq(lruvec)	unlock_page_lruvec_irq(lruvec)
#endif

/*
 * PageTail() of a page without PG_head. On 6.12 PageTail() also looks for a fake
 * head, which has PG_head.
 */
#ifdef FERRY_HAS_COMPOUND_HEAD
#define ferry_page_is_tail(page)	(READ_ONCE((page)->compound_head) & 1)
#else
#define ferry_page_is_tail(page)	PageTail(page)
#endif

/* With preemption off. */
#ifdef FERRY_HAS_STAT_MOD_ANY_CONTEXT
#define ferry_lruvec_stat_mod_folio	lruvec_stat_mod_folio
#else
#define ferry_lruvec_stat_mod_folio	__lruvec_stat_mod_folio
#endif

#ifndef FERRY_HAS_ALLOC_TAG_SWAP
#define pgalloc_tag_swap(new, old)	pgalloc_tag_copy(new, old)
#endif

/* For the KUnit suites. */
#ifndef FERRY_HAS_LEAFOPS
#define make_device_exclusive_entry(pfn)	make_writable_device_exclusive_entry(pfn)
#endif
#ifndef FERRY_HAS_UFFD_RWP
#define pte_clear_uffd(pte)			pte_clear_uffd_wp(pte)
#endif
#ifdef EMPTY_VMA_FLAGS
#define ferry_shmem_file(name, size)	shmem_kernel_file_setup(name, size, EMPTY_VMA_FLAGS)
#else
#define ferry_shmem_file(name, size)	shmem_kernel_file_setup(name, size, 0)
#endif
#ifndef FERRY_HAS_MM_FLAGS_SET
#define mm_flags_set(bit, mm)		set_bit(bit, &(mm)->flags)
#define mm_flags_clear(bit, mm)		clear_bit(bit, &(mm)->flags)
#endif
#ifndef FERRY_HAS_ZAP_VMA_RANGE
#define zap_vma_range(vma, addr, size)	zap_page_range_single(vma, addr, size, NULL)
#endif

/* Whether do_swap_page() calls migrate_to_ram with the device page locked. */
#ifdef FERRY_HAS_LOCKED_FAULT_PAGE
#define FERRY_FAULT_PAGE_LOCKED	true
#else
#define FERRY_FAULT_PAGE_LOCKED	false
#endif

/* Bits of src[] and dst[] that this kernel's encoding does not use. */
#ifdef MIGRATE_PFN_COMPOUND
#define FERRY_PFN_KERNELS	(MIGRATE_PFN_VALID | MIGRATE_PFN_MIGRATE | MIGRATE_PFN_WRITE | \
				 MIGRATE_PFN_COMPOUND)
#else
#define FERRY_PFN_KERNELS	(MIGRATE_PFN_VALID | MIGRATE_PFN_MIGRATE | MIGRATE_PFN_WRITE)
#endif

#endif
