// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a page is at the moment, for SNAPSHOT, and for the reason why a page
 * did not move.
 *
 * hmm_range_fault() cannot distinguish a hole, a swapped page, a migration
 * entry and an entry for exclusive access, and walk_page_range() is not
 * exported. This file therefore reads the CPU's page table: one page at a time,
 * without the page-table lock, and without a write.
 *
 * mmap_lock  keeps the mapping (held for read)
 * RCU        keeps a page table that khugepaged removes during the look
 *            (pte_free_defer()), and the struct pages of device memory that an
 *            unplug removes (device/plug.c)
 * PMD        is read once, and the code uses the read value
 *
 * The answer may be stale on return, as with any snapshot. Without a reference
 * this file reads only these fields of a struct page:
 *
 * - Kind and owner of the memory; both never change.
 * - PageKsm(), PageAnon() of a huge page, and PG_anon_exclusive; each may be
 *   stale.
 *
 * ferry_snapshot_judge() takes a reference before the judge reads more.
 */
#include <linux/ksm.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "device/device.h"
#include "migrate/compat.h"
#include "migrate/entry.h"
#include "migrate/writes.h"
#include "mirror.h"
#include "snapshot.h"

/* Pages for one hold of mmap_lock; the array of SNAPSHOT is on the stack. */
#define PAGES_AT_ONCE	128

static u32 page_place(struct ferry_device *device, struct page *page)
{
	if (!is_device_private_page(page) && !is_device_coherent_page(page))
		return FERRY_STATE_SYSTEM;
	if (page_pgmap(page)->owner == device)
		return FERRY_STATE_THIS_DEVICE;
	return FERRY_STATE_OTHER_DEVICE;
}

/* Reason why a folio in memory would not migrate, as far as visible. */
static u8 folio_outcome(struct folio *folio)
{
	if (folio_test_hwpoison(folio))
		return FERRY_HWPOISON;
	if (folio_test_ksm(folio))
		return FERRY_KSM;
	if (!folio_test_anon(folio))
		return FERRY_FILE;
	if (folio_test_large(folio))
		return FERRY_LARGE_SPLIT_FAILED;
	if (folio_test_writeback(folio))
		return FERRY_WRITEBACK;
	if (!folio_is_zone_device(folio) && folio_maybe_dma_pinned(folio))
		return FERRY_PINNED;
	return FERRY_NOT_MOVED;
}

static void see_present(struct ferry_page_state *state, struct ferry_device *device,
			unsigned long pfn, bool special, bool write)
{
	if (write)
		state->flags |= FERRY_STATE_WRITABLE;
	if (is_zero_pfn(pfn)) {
		state->flags |= FERRY_STATE_SYSTEM | FERRY_STATE_ZERO;
		state->outcome = FERRY_NOT_MOVED;
	} else if (special || !pfn_valid(pfn)) {
		state->flags |= FERRY_STATE_SPECIAL;
		state->outcome = FERRY_SPECIAL;
	} else {
		state->flags |= page_place(device, pfn_to_page(pfn));
		state->coherent = is_device_coherent_page(pfn_to_page(pfn));
		state->outcome = FERRY_NOT_MOVED;
		/* Device memory can be removed (plug.c): keep no pointer. */
		if (!is_zone_device_page(pfn_to_page(pfn)))
			state->page = pfn_to_page(pfn);
	}
}

/*
 * Place of the page behind a non-present entry, from the outcome of the entry.
 */
static u32 entry_place(u8 outcome)
{
	switch (outcome) {
	case FERRY_SWAPPED:
		return FERRY_STATE_SWAPPED;
	case FERRY_MIGRATING:
		return FERRY_STATE_MIGRATING;
	case FERRY_EXCLUSIVE:
		return FERRY_STATE_SYSTEM | FERRY_STATE_EXCLUSIVE;
	case FERRY_UFFD:
		return FERRY_STATE_NONE;
	default:
		return FERRY_STATE_SPECIAL;
	}
}

/*
 * Returns whether the device can write the page without another fault: see
 * migrate/writes.c. PageAnonExclusive() cannot be used: it asserts that the
 * page is still mapped.
 */
static bool snapshot_writable(struct vm_area_struct *vma, pte_t pte)
{
	swp_entry_t entry = softleaf_from_pte(pte);

	if (!ferry_writes_can())
		return softleaf_is_device_private_write(entry);
	if (!(vma->vm_flags & VM_WRITE) || pte_swp_uffd(pte))
		return false;
	/* core fills holes without the mark. */
	if (softleaf_is_device_private_write(entry))
		return ferry_writes_marked(pte) || !ferry_writes_tracked(vma);
	return ferry_writes_marked(pte) &&
	       test_bit(PG_anon_exclusive, ferry_flags(softleaf_to_page(entry))) &&
	       ferry_writes_tracked(vma);
}

static void see_entry(struct ferry_page_state *state, struct ferry_device *device,
		      struct vm_area_struct *vma, pte_t pte)
{
	swp_entry_t entry = softleaf_from_pte(pte);

	if (softleaf_is_device_private(entry)) {
		state->flags |= page_place(device, softleaf_to_page(entry));
		if (snapshot_writable(vma, pte))
			state->flags |= FERRY_STATE_WRITABLE;
		state->outcome = FERRY_NOT_MOVED;
	} else {
		state->outcome = ferry_entry_outcome(entry);
		state->flags |= entry_place(state->outcome);
	}
}

static void see_pmd(struct ferry_page_state *state, struct ferry_device *device,
		    pmd_t pmd, unsigned long addr, bool anon)
{
	state->flags |= (PMD_SHIFT - PAGE_SHIFT) << FERRY_STATE_ORDER_SHIFT;
	if (!pmd_present(pmd)) {
		state->flags |= FERRY_STATE_MIGRATING;
		state->outcome = FERRY_MIGRATING;
	} else if (anon && !folio_test_anon(pmd_folio(pmd))) {
		/*
		 * The huge zero page: nothing else is possible, and
		 * huge_zero_pfn is not exported.
		 */
		state->flags |= FERRY_STATE_SYSTEM | FERRY_STATE_ZERO;
		state->outcome = FERRY_NOT_MOVED;
	} else {
		see_present(state, device,
			    pmd_pfn(pmd) + (addr & ~PMD_MASK) / PAGE_SIZE, false,
			    pmd_write(pmd));
	}
}

/* hugetlb or DAX. */
static void see_pud(struct ferry_page_state *state, struct ferry_device *device,
		    pud_t pud, unsigned long addr)
{
	state->flags |= (PUD_SHIFT - PAGE_SHIFT) << FERRY_STATE_ORDER_SHIFT;
	see_present(state, device, pud_pfn(pud) + (addr & ~PUD_MASK) / PAGE_SIZE, false,
		    pud_write(pud));
}

static void see_pte(struct ferry_page_state *state, struct ferry_device *device,
		    struct vm_area_struct *vma, pte_t pte)
{
	if (pte_none(pte)) {
		state->flags |= FERRY_STATE_NONE;
		state->outcome = FERRY_HOLE;
	} else if (pte_present(pte)) {
		see_present(state, device, pte_pfn(pte), pte_special(pte),
			    pte_write(pte));
	} else {
		see_entry(state, device, vma, pte);
	}
}

/* read_pud() and read_pmd() return an empty entry below an empty level. */
static pud_t read_pud(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgdp = pgd_offset(mm, addr);
	p4d_t *p4dp;

	if (pgd_none(*pgdp) || pgd_bad(*pgdp))
		return __pud(0);
	p4dp = p4d_offset(pgdp, addr);
	if (p4d_none(*p4dp) || p4d_bad(*p4dp))
		return __pud(0);
	return READ_ONCE(*pud_offset(p4dp, addr));
}

static pmd_t read_pmd(pud_t pud, unsigned long addr)
{
	if (pud_none(pud) || pud_leaf(pud) || pud_bad(pud))
		return __pmd(0);
	return pmdp_get_lockless(pmd_offset(&pud, addr));
}

/**
 * ferry_snapshot_page() - look at one page
 * @device: the device that counts as "this device"
 * @vma: mapping of @addr
 * @addr: address of the page, page-aligned
 *
 * Context: mmap_lock of @vma's mm is held.
 * Return: place, rights, order and outcome of the page.
 */
struct ferry_page_state ferry_snapshot_page(struct ferry_device *device,
					    struct vm_area_struct *vma,
					    unsigned long addr)
{
	struct ferry_page_state state = { .outcome = FERRY_HOLE };
	pud_t pud;
	pmd_t pmd;

	mmap_assert_locked(vma->vm_mm);

	if (vma->vm_flags & VM_READ)
		state.flags = FERRY_STATE_READABLE;
	if (vma->vm_flags & (VM_IO | VM_PFNMAP)) {
		state.flags |= FERRY_STATE_SPECIAL;
		state.outcome = FERRY_SPECIAL;
		return state;
	}

	guard(rcu)();
	pud = read_pud(vma->vm_mm, addr);
	pmd = read_pmd(pud, addr);
	if (pud_present(pud) && pud_leaf(pud))
		see_pud(&state, device, pud, addr);
	else if (pmd_none(pmd))
		return state;
	else if (!pmd_present(pmd) || pmd_leaf(pmd))
		see_pmd(&state, device, pmd, addr, vma_is_anonymous(vma));
	else if (!pmd_bad(pmd))
		see_pte(&state, device, vma, ptep_get(pte_offset_kernel(&pmd, addr)));
	return state;
}

/**
 * ferry_snapshot_judge() - look closer at a page that did not move
 * @state: in: result of ferry_snapshot_page(); out: a refined @state->outcome
 *
 * The page may have left the address since the snapshot; the outcome is then
 * about the page, not about the address.
 *
 * Context: any; takes and puts a folio reference.
 */
void ferry_snapshot_judge(struct ferry_page_state *state)
{
	struct folio *folio;

	if (!state->page)
		return;
	folio = page_folio(state->page);
	if (!folio_try_get(folio))
		return;
	/*
	 * If the folio was split or freed before the reference, the page has
	 * another folio.
	 */
	if (page_folio(state->page) == folio)
		state->outcome = folio_outcome(folio);
	folio_put(folio);
}

/**
 * ferry_snapshot_has_table() - check for a page table or a huge page
 * @mm: the address space
 * @addr: any address
 * @next: out: end of the address range of @addr's page table, or of an empty
 *	upper-level entry
 *
 * Context: mmap_lock of @mm is held.
 * Return: false if @addr has neither a page table nor a huge page.
 */
bool ferry_snapshot_has_table(struct mm_struct *mm, unsigned long addr,
			      unsigned long *next)
{
	pud_t pud;

	mmap_assert_locked(mm);

	guard(rcu)();
	pud = read_pud(mm, addr);
	if (pud_none(pud)) {
		*next = ALIGN_DOWN(addr, PUD_SIZE) + PUD_SIZE;
		return false;
	}
	*next = ALIGN_DOWN(addr, PMD_SIZE) + PMD_SIZE;
	return pud_leaf(pud) || !pmd_none(read_pmd(pud, addr));
}

static bool is_ksm(pte_t pte)
{
	return pte_present(pte) && !pte_special(pte) && pfn_valid(pte_pfn(pte)) &&
	       folio_test_ksm(page_folio(pte_page(pte)));
}

/**
 * ferry_snapshot_find_ksm() - find the first KSM page
 * @vma: mapping of the range
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned, in the same page table
 *
 * Context: mmap_lock of @vma's mm is held.
 * Return: address of the first KSM page, or @end.
 */
unsigned long ferry_snapshot_find_ksm(struct vm_area_struct *vma,
				      unsigned long addr, unsigned long end)
{
	pte_t *ptep;
	pmd_t pmd;

	mmap_assert_locked(vma->vm_mm);

	guard(rcu)();
	pmd = read_pmd(read_pud(vma->vm_mm, addr), addr);
	/* KSM pages are never mapped by a PMD. */
	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd) || pmd_bad(pmd))
		return end;
	for (ptep = pte_offset_kernel(&pmd, addr); addr < end; ptep++, addr += PAGE_SIZE)
		if (is_ksm(ptep_get(ptep)))
			break;
	return addr;
}

static struct ferry_page_state see(struct ferry_device *device,
				   struct vm_area_struct *vma, unsigned long addr)
{
	const struct ferry_page_state nothing = { .flags = FERRY_STATE_NONE };

	return vma ? ferry_snapshot_page(device, vma, addr) : nothing;
}

/**
 * ferry_mirror_look() - look at a few pages
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, page-aligned
 * @n: number of pages; small, because mmap_lock is held over all pages
 * @fn: called for each page with mmap_lock held; must not sleep
 * @arg: argument for @fn
 *
 * Context: sleeps; takes mmap_lock.
 * Return: 0, or -EINTR for a process that is being killed.
 */
int ferry_mirror_look(struct ferry_mirror *mirror, unsigned long addr, unsigned long n,
		      ferry_look_fn fn, void *arg)
{
	struct vm_area_struct *vma = NULL;
	struct ferry_page_state state;
	unsigned long i;

	if (mmap_read_lock_killable(mirror->mm))
		return -EINTR;
	for (i = 0; i < n; i++, addr += PAGE_SIZE) {
		if (!vma || addr >= vma->vm_end)
			vma = vma_lookup(mirror->mm, addr);
		state = see(mirror->device, vma, addr);
		fn(i, &state, arg);
	}
	mmap_read_unlock(mirror->mm);
	return 0;
}

static void keep_flags(unsigned long i, const struct ferry_page_state *state, void *arg)
{
	u32 *flags = arg;

	flags[i] = state->flags;
}

/**
 * ferry_mirror_snapshot() - look at a range
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size; the range is checked with
 *	ferry_mirror_check()
 * @pages: user memory, one u32 for each page
 * @done: in: 0; out: bytes of the range with a written word
 *
 * Context: sleeps; takes mmap_lock; no lock held.
 * Return:
 * * 0: success, also after a signal with some progress
 * * -EFAULT: @pages cannot be written
 * * -EINTR: the process is being killed
 */
int ferry_mirror_snapshot(struct ferry_mirror *mirror, unsigned long addr,
			  unsigned long len, u32 __user *pages, u64 *done)
{
	u32 flags[PAGES_AT_ONCE];
	unsigned long n;
	int ret;

	while (*done < len && !(*done && signal_pending(current))) {
		n = min((len - *done) / PAGE_SIZE, PAGES_AT_ONCE);
		ret = ferry_mirror_look(mirror, addr + *done, n, keep_flags, flags);
		if (ret)
			return *done ? 0 : ret;
		if (copy_to_user(&pages[*done / PAGE_SIZE], flags, n * sizeof(*flags)))
			return -EFAULT;
		*done += n * PAGE_SIZE;
		cond_resched();
	}
	return 0;
}
