// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device faults: the device accesses pages for which the device's page table
 * has no entry, or no entry with the needed right.
 *
 * hmm_range_fault() faults the pages into the CPU's page table as a CPU access
 * would, and reports the pfns. hmm_range_fault() leaves this device's own
 * private pages in place. The sequence is the sequence of
 * Documentation/mm/hmm.rst: read_begin, then the fault under mmap_lock, then
 * read_retry and the new entries under window->lock.
 *
 * Own private pages: hmm_range_fault() returns an own private page as found,
 * even if a write was asked for and the CPU's entry is not writable, or does
 * not record writes (rights.c). Before a write the CPU's entry is corrected in
 * place if the page is exclusively mapped. Any other page must become writable
 * as for the CPU: a write fault without dev_private_owner moves the page to
 * system memory and unshares the page if necessary.
 *
 * Pages of another device move to system memory first: this device has no path
 * to the other memory. hmm_range_fault() moves private pages, as for a CPU.
 * hmm_range_fault() reports coherent pages like system pages, since a CPU can
 * access them. This file migrates coherent pages and tries again. A coherent
 * page that cannot move (pinned, no memory) is accessed in place, as by a CPU:
 * slower, but correct, and no error.
 *
 * An entry is writable if the CPU's entry is writable, even after a read: every
 * change that takes the right from the CPU's entry calls the notifier,
 * clear_refs included. The exception is an own private page of a mapping with
 * tracked writes: the first write to each page faults, and is noted.
 *
 * Memory that userfaultfd watches, and all memory with FERRY_UNLOCKED:
 * hmm_range_fault() runs without faults, and armed.c faults the pages in with no
 * lock held.
 *
 * Everything is bounded: after FERRY_FAULT_TRIES tries the result is -EBUSY.
 * Each try makes progress unless the CPU's page table changed in the window
 * during the try.
 */
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "armed.h"
#include "cpu_fault.h"
#include "device/device.h"
#include "device_fault.h"
#include "mirror.h"
#include "page_table.h"
#include "rights.h"

/*
 * More tries than pages of one access: each page may need one try to move to
 * system memory. The rest allows for a process that keeps changing mappings.
 */
#define FERRY_FAULT_TRIES	1000

/* Most pages of a fault whose pfn array is on the stack. */
#define FERRY_FAULT_FEW		64

/**
 * struct fault - one device fault
 * @window: window that contains the range
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned, in the same window
 * @access: wanted access
 * @wait: how a fault waits
 * @foreign: first byte of coherent pages of another device
 * @foreign_end: end of those pages, exclusive
 * @foreign_owner: pgmap owner of the other device
 * @in_place: at least one foreign page could not move; foreign pages are
 *	accessed in place
 * @range: arguments of hmm_range_fault()
 * @pfns: result of hmm_range_fault(), one word for each page
 */
struct fault {
	struct ferry_window *window;
	unsigned long addr;
	unsigned long end;
	enum ferry_access access;
	enum ferry_wait wait;
	unsigned long foreign;
	unsigned long foreign_end;
	void *foreign_owner;
	bool in_place;
	struct hmm_range range;
	unsigned long *pfns;
};

/*
 * Internal result: a coherent page of another device must move to system
 * memory.
 */
#define FOREIGN_PAGE	(-EXDEV)

static bool writes(const struct fault *fault)
{
	return fault->access == FERRY_ACCESS_WRITE || fault->access == FERRY_ACCESS_EXCLUSIVE;
}

static void *own_device(const struct fault *fault)
{
	return fault->access == FERRY_ACCESS_EXCLUSIVE ? NULL : fault->window->mirror->device;
}

/* @fault_in: fault in pages that are missing or lack the right. */
static int call_hmm(struct fault *fault, unsigned long addr, unsigned long end,
		    void *owner, bool fault_in)
{
	struct hmm_range *range = &fault->range;

	mmap_assert_locked(fault->window->mirror->mm);

	range->start = addr;
	range->end = end;
	range->hmm_pfns = &fault->pfns[(addr - fault->addr) / PAGE_SIZE];
	range->default_flags = 0;
	if (fault_in)
		range->default_flags |= HMM_PFN_REQ_FAULT;
	if (fault_in && writes(fault))
		range->default_flags |= HMM_PFN_REQ_WRITE;
	range->pfn_flags_mask = 0;
	range->dev_private_owner = owner;
	return hmm_range_fault(range);
}

/*
 * Returns the address of the first page from @addr on without the wanted
 * access, or fault->end.
 */
static unsigned long find_wanted(struct fault *fault, unsigned long addr)
{
	unsigned long *pfns = &fault->pfns[(addr - fault->addr) / PAGE_SIZE];

	if (writes(fault))
		return ferry_rights_note(fault->window->mirror, addr, fault->end, pfns);
	while (addr < fault->end && *pfns++ & HMM_PFN_VALID)
		addr += PAGE_SIZE;
	return addr;
}

/*
 * Memory without userfaultfd: hmm_range_fault() faults in with mmap_lock held.
 */
static int fault_held(struct fault *fault)
{
	struct ferry_mirror *mirror = fault->window->mirror;
	unsigned long addr;
	int ret;

	ret = call_hmm(fault, fault->addr, fault->end, own_device(fault),
		       fault->access != FERRY_ACCESS_PEEK);
	if (ret)
		return ret;
	ferry_rights_forget(mirror, fault->addr, fault->end, fault->pfns);
	if (!writes(fault))
		return 0;
	addr = find_wanted(fault, fault->addr);
	if (addr == fault->end)
		return 0;
	return call_hmm(fault, addr, addr + PAGE_SIZE, NULL, true) ?: -EBUSY;
}

/* Returns true for a page that no fault makes accessible, as in VM_PFNMAP. */
static bool is_unfaultable(const struct fault *fault, unsigned long addr)
{
	return fault->pfns[(addr - fault->addr) / PAGE_SIZE] & HMM_PFN_ERROR;
}

/*
 * Memory that userfaultfd watches, or FERRY_UNLOCKED: hmm_range_fault() runs
 * without faults, and the missing pages are faulted in page by page.
 */
static int fault_armed(struct fault *fault, bool *locked)
{
	struct ferry_mirror *mirror = fault->window->mirror;
	unsigned long addr;
	int ret;

	ret = call_hmm(fault, fault->addr, fault->end, own_device(fault), false);
	if (ret)
		return ret;
	ferry_rights_forget(mirror, fault->addr, fault->end, fault->pfns);
	addr = find_wanted(fault, fault->addr);
	if (addr == fault->end)
		return 0;
	while (addr < fault->end && !ret && *locked) {
		if (is_unfaultable(fault, addr))
			return -EFAULT;
		ret = ferry_armed_fault(mirror->mm, addr, writes(fault), fault->wait, locked);
		if (*locked)
			addr = find_wanted(fault, addr + PAGE_SIZE);
	}
	return ret ?: -EBUSY;
}

static bool waits_unlocked(const struct fault *fault)
{
	if (fault->access == FERRY_ACCESS_PEEK)
		return false;
	return fault->wait == FERRY_UNLOCKED ||
	       ferry_armed(fault->window->mirror->mm, fault->addr, fault->end);
}

/* Returns -EBUSY for another try. */
static int fault_pages(struct fault *fault)
{
	struct ferry_mirror *mirror = fault->window->mirror;
	bool locked = true;
	int ret = 0;

	if (mmap_read_lock_killable(mirror->mm))
		return -EINTR;
	if (fault->access != FERRY_ACCESS_PEEK)
		ret = ferry_rights_check(mirror, fault->addr, fault->end, writes(fault));
	if (!ret && waits_unlocked(fault))
		ret = fault_armed(fault, &locked);
	else if (!ret)
		ret = fault_held(fault);
	if (locked)
		mmap_read_unlock(mirror->mm);
	return ret;
}

/* Foreign pages ------------------------------------------------------------ */

static struct page *faulted_page(const struct fault *fault, unsigned long i)
{
	if (!(fault->pfns[i] & HMM_PFN_VALID))
		return NULL;
	return hmm_pfn_to_page(fault->pfns[i]);
}

/* Returns the pgmap owner of a coherent page that must move first, or NULL. */
static void *foreign_owner(const struct fault *fault, unsigned long i)
{
	struct page *page = faulted_page(fault, i);

	if (!page || !is_device_coherent_page(page))
		return NULL;
	if (fault->access != FERRY_ACCESS_EXCLUSIVE &&
	    page_pgmap(page)->owner == fault->window->mirror->device)
		return NULL;
	return page_pgmap(page)->owner;
}

/*
 * The pfns are valid: window->lock is held and the sequence number is
 * unchanged.
 */
static bool find_foreign(struct fault *fault, unsigned long n)
{
	unsigned long i, end;
	void *owner = NULL;

	lockdep_assert_held(&fault->window->lock);

	for (i = 0; i < n && !owner; i++)
		owner = foreign_owner(fault, i);
	if (!owner)
		return false;
	for (end = i--; end < n && foreign_owner(fault, end) == owner; end++)
		;
	fault->foreign = fault->addr + i * PAGE_SIZE;
	fault->foreign_end = fault->addr + end * PAGE_SIZE;
	fault->foreign_owner = owner;
	return true;
}

static int move_page_to_system(struct mm_struct *mm, unsigned long addr, void *owner)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	int tries, ret = -EBUSY;

	if (!vma)
		return -EFAULT;
	for (tries = 0; tries < FERRY_CPU_FAULT_TRIES && ret == -EBUSY; tries++) {
		if (tries)
			cond_resched();
		ret = ferry_cpu_fault_try(vma, addr, owner, FERRY_MEMORY_COHERENT, NULL);
	}
	return ret;
}

static int move_foreign_page(struct fault *fault)
{
	struct mm_struct *mm = fault->window->mirror->mm;
	unsigned long addr;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (addr = fault->foreign; addr < fault->foreign_end; addr += PAGE_SIZE)
		if (move_page_to_system(mm, addr, fault->foreign_owner))
			fault->in_place = true;
	mmap_read_unlock(mm);
	return -EBUSY;
}

/* Writing entries ---------------------------------------------------------- */

static ferry_entry_t make_entry(const struct fault *fault, unsigned long i)
{
	return ferry_entry_make(page_to_pfn(faulted_page(fault, i)),
				fault->pfns[i] & HMM_PFN_WRITE);
}

static void fill_all(struct fault *fault, ferry_entry_t *entries, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		entries[i] = make_entry(fault, i);
}

static bool is_resident(const struct fault *fault, unsigned long i)
{
	struct page *page = faulted_page(fault, i);

	return page && (is_device_private_page(page) || is_device_coherent_page(page)) &&
	       page_pgmap(page)->owner == fault->window->mirror->device;
}

/*
 * Writes entries for pages on this device only. Returns -ENOENT if any page is
 * elsewhere.
 */
static int fill_resident(struct fault *fault, ferry_entry_t *entries, unsigned long n)
{
	unsigned long i;
	int ret = 0;

	for (i = 0; i < n; i++) {
		if (is_resident(fault, i))
			entries[i] = make_entry(fault, i);
		else
			ret = -ENOENT;
	}
	return ret;
}

/*
 * Finds pages taken for exclusive access since the read of the sequence number:
 * the driver's own taking leaves the number unchanged. The next try faults, and
 * the fault ends the exclusive access in the normal order.
 */
static bool has_exclusive_entry(const ferry_entry_t *entries, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		if (entries[i] & FERRY_ENTRY_EXCLUSIVE)
			return true;
	return false;
}

/* Returns 0 with window->lock held. */
static int fill_entries(struct fault *fault)
{
	struct ferry_window *window = fault->window;
	ferry_entry_t *entries = window->entries + (fault->addr - window->start) / PAGE_SIZE;
	unsigned long n = (fault->end - fault->addr) / PAGE_SIZE;
	int ret = 0;

	mutex_lock(&window->lock);
	if (mmu_interval_read_retry(&window->notifier, fault->range.notifier_seq))
		ret = -EBUSY;
	else if (fault->access == FERRY_ACCESS_PEEK)
		ret = fill_resident(fault, entries, n);
	else if (has_exclusive_entry(entries, n))
		ret = -EBUSY;
	else if (!fault->in_place && find_foreign(fault, n))
		ret = FOREIGN_PAGE;
	else
		fill_all(fault, entries, n);
	if (ret)
		mutex_unlock(&window->lock);
	return ret;
}

static int fault_once(struct fault *fault)
{
	struct ferry_window *window = fault->window;
	int ret;

	fault->range.notifier = &window->notifier;
	fault->range.notifier_seq = mmu_interval_read_begin(&window->notifier);
	ret = fault_pages(fault);
	ret = ret ?: fill_entries(fault);
	return ret == FOREIGN_PAGE ? move_foreign_page(fault) : ret;
}

static int fault_slow(struct ferry_window *window, unsigned long addr, unsigned long end,
		      enum ferry_access access, enum ferry_wait wait)
{
	struct ferry_mirror_stats *stats = &window->mirror->stats;
	unsigned long n = (end - addr) / PAGE_SIZE, few[FERRY_FAULT_FEW];
	struct fault fault = {
		.window = window, .addr = addr, .end = end, .access = access,
		.wait = wait, .pfns = few };
	int tries, ret;

	if (n > FERRY_FAULT_FEW) {
		fault.pfns = kmalloc_array(n, sizeof(*fault.pfns), FERRY_GFP_CALL);
		if (!fault.pfns)
			return -ENOMEM;
	}

	if (access != FERRY_ACCESS_PEEK)
		ferry_stats_count(stats, FERRY_STAT_DEVICE_FAULTS, 1);
	for (tries = 0; tries < FERRY_FAULT_TRIES; tries++) {
		ret = fault_once(&fault);
		if (ret != -EBUSY)
			break;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		ferry_stats_count(stats, FERRY_STAT_DEVICE_FAULT_RETRIES, 1);
		cond_resched();
	}
	if (fault.pfns != few)
		kfree(fault.pfns);
	return ret;
}

/**
 * ferry_window_fault_lock() - make pages accessible to the device
 * @window: the window, with a reference, not locked
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned, in the same window
 * @access: wanted access
 * @wait: how a fault waits
 *
 * Implements the driver's part of hmm_range_fault(), Documentation/mm/hmm.rst.
 *
 * Context: sleeps; takes mmap_lock and window->lock.
 * Return: 0 with window->lock held and valid entries for all pages. The entries
 * are valid until the caller unlocks window->lock. Otherwise an error with
 * window->lock not held:
 * * -EFAULT: an address is not mapped, or a page could not be faulted in
 * * -EPERM: write access to a mapping that is not writable
 * * -ENOMEM: no memory
 * * -EINTR: a signal ended a wait, or the process is being killed
 * * -EBUSY: no success after FERRY_FAULT_TRIES tries
 * * -ENOENT: FERRY_ACCESS_PEEK only: a page is not on this device; the pages on this
 *   device have entries
 */
int ferry_window_fault_lock(struct ferry_window *window, unsigned long addr, unsigned long end,
			    enum ferry_access access, enum ferry_wait wait)
{
	unsigned long first = (addr - window->start) / PAGE_SIZE;
	unsigned long n = (end - addr) / PAGE_SIZE;

	if (access == FERRY_ACCESS_READ || access == FERRY_ACCESS_WRITE) {
		mutex_lock(&window->lock);
		if (ferry_window_count(window, first, n, access == FERRY_ACCESS_WRITE) == n)
			return 0;
		mutex_unlock(&window->lock);
	}
	return fault_slow(window, addr, end, access, wait);
}

/**
 * ferry_mirror_map() - write the device's page table for a range
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size; the range is checked with
 *	ferry_mirror_check(). In a range of more than FERRY_MAX_WINDOWS / 2
 *	windows the last entries may replace the first
 * @access: wanted access, other than FERRY_ACCESS_EXCLUSIVE
 * @wait: how a fault waits
 *
 * No lock protects the entries after the return.
 *
 * Context: sleeps; takes mmap_lock and window->lock.
 * Return: 0, or an error of ferry_window_fault_lock() or ferry_window_get(). -ENOENT
 * comes after the whole range; any other error ends the call at the failing
 * window.
 */
int ferry_mirror_map(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		     enum ferry_access access, enum ferry_wait wait)
{
	unsigned long end = addr + len, next;
	struct ferry_window *window;
	int ret = 0, missing = 0;

	for (; addr < end && !ret; addr = next) {
		if (fatal_signal_pending(current))
			return -EINTR;
		next = min(end, ALIGN_DOWN(addr, FERRY_WINDOW_SIZE) + FERRY_WINDOW_SIZE);
		window = ferry_window_get(mirror, addr);
		if (IS_ERR(window))
			return PTR_ERR(window);
		ret = ferry_window_fault_lock(window, addr, next, access, wait);
		if (!ret)
			mutex_unlock(&window->lock);
		ferry_window_put(window);
		if (ret == -ENOENT) {
			missing = ret;
			ret = 0;
		}
		cond_resched();
	}
	return ret ?: missing;
}
