// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-side faults: the device wants to access pages that its page table does
 * not have, or not with the right it needs.
 *
 * hmm_range_fault() faults them into the CPU's page table as a CPU access would
 * and reports their pfns; it leaves this device's own private pages where they
 * are. The sequence is the one of
 * Documentation/mm/hmm.rst: read_begin, fault under mmap_lock, then under
 * window->lock read_retry and fill in.
 *
 * One thing hmm_range_fault() does not do: it returns an own device page as it
 * finds it, even if a write was asked for and the CPU's entry is not writable, or does
 * not tell that the page was written (rights.c). Before a write that is put right where
 * the page is, if the page is the process's alone. Else it must become writable the way
 * the CPU would do it: it comes to system memory by a write fault in which we pretend
 * not to know the device (no dev_private_owner), which unshares it if need be.
 *
 * Pages of another device come home first: this device has no path to its memory.
 * For private ones hmm_range_fault() sees to that, as for a CPU. Coherent ones it
 * reports like any page, since a CPU reaches them; they are migrated by hand, and
 * tried again. One that cannot come (pinned, no memory left) is accessed where it
 * is, as the CPU would: late, but not wrong, and no reason for an error.
 *
 * An entry is writable if the CPU's is, even if only a read was asked for: each way
 * in which the CPU's loses the right is reported to the notifier, clear_refs included.
 * Own private pages of a mapping whose writes are tracked are the exception: each first
 * write is a fault of its own, and is noted.
 *
 * Memory that userfaultfd watches is looked at by hmm_range_fault() and faulted in with
 * no lock held (armed.c).
 *
 * Everything is bounded: FERRY_FAULT_TRIES times, then -EBUSY. Each try makes
 * progress unless the CPU changed its page table in the window meanwhile.
 */
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "armed.h"
#include "device/device.h"
#include "mirror.h"
#include "page_table.h"
#include "rights.h"

/*
 * More than the pages of one access (each may need a try of its own to come
 * home), plus what a process that keeps changing its mappings can spoil.
 */
#define FERRY_FAULT_TRIES	1000

/* Pages of the largest fault that needs no memory of its own. */
#define FERRY_FAULT_FEW		64

/**
 * struct fault - one device fault
 * @window: where
 * @addr: first byte, page-aligned
 * @end: exclusive, page-aligned, in the same window
 * @access: what it is to end in
 * @wait: what ends a wait for a monitor
 * @foreign: first byte of coherent pages of another device
 * @foreign_end: exclusive
 * @foreign_owner: pgmap owner of that device
 * @in_place: what is foreign could not come home and is used where it is
 * @range: for hmm_range_fault()
 * @pfns: its result, one for each page
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

/* Means "somebody else's coherent page: bring it home"; never leaves this file. */
#define FOREIGN_PAGE	(-EXDEV)

static bool writes(const struct fault *fault)
{
	return fault->access == FERRY_WRITES || fault->access == FERRY_OWNS;
}

static void *own_device(const struct fault *fault)
{
	return fault->access == FERRY_OWNS ? NULL : fault->window->mirror->device;
}

/* @fault_in: what is not there, or not with the right, is faulted in. */
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

/* The first page from @addr on that the device cannot access as wanted, or fault->end. */
static unsigned long find_wanted(struct fault *fault, unsigned long addr)
{
	unsigned long *pfns = &fault->pfns[(addr - fault->addr) / PAGE_SIZE];

	if (writes(fault))
		return ferry_rights_note(fault->window->mirror, addr, fault->end, pfns);
	while (addr < fault->end && *pfns++ & HMM_PFN_VALID)
		addr += PAGE_SIZE;
	return addr;
}

/* What hmm_range_fault() can do: it faults everything in, with mmap_lock held. */
static int fault_held(struct fault *fault)
{
	struct ferry_mirror *mirror = fault->window->mirror;
	unsigned long addr;
	int ret;

	ret = call_hmm(fault, fault->addr, fault->end, own_device(fault),
		       fault->access != FERRY_LOOKS);
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

/* In memory that userfaultfd watches: it only looks, and page by page is faulted in. */
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
		ret = ferry_armed_fault(mirror->mm, addr, writes(fault), fault->wait, locked);
		if (*locked)
			addr = find_wanted(fault, addr + PAGE_SIZE);
	}
	return ret ?: -EBUSY;
}

/* Returns -EBUSY for another try. */
static int fault_pages(struct fault *fault)
{
	struct ferry_mirror *mirror = fault->window->mirror;
	bool locked = true;
	int ret = 0;

	if (mmap_read_lock_killable(mirror->mm))
		return -EINTR;
	if (fault->access != FERRY_LOOKS)
		ret = ferry_rights_check(mirror, fault->addr, fault->end, writes(fault));
	if (!ret && fault->access != FERRY_LOOKS &&
	    ferry_armed(mirror->mm, fault->addr, fault->end))
		ret = fault_armed(fault, &locked);
	else if (!ret)
		ret = fault_held(fault);
	if (locked)
		mmap_read_unlock(mirror->mm);
	return ret;
}

/* Foreign pages ------------------------------------------------------------- */

static struct page *fault_page(const struct fault *fault, unsigned long i)
{
	if (!(fault->pfns[i] & HMM_PFN_VALID))
		return NULL;
	return hmm_pfn_to_page(fault->pfns[i]);
}

/* The pgmap owner of a coherent page that is to come home first, or NULL. */
static void *foreign_owner(const struct fault *fault, unsigned long i)
{
	struct page *page = fault_page(fault, i);

	if (!page || !is_device_coherent_page(page))
		return NULL;
	if (fault->access != FERRY_OWNS &&
	    page->pgmap->owner == fault->window->mirror->device)
		return NULL;
	return page->pgmap->owner;
}

/* The entries are good: window->lock is held and nothing changed. */
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

static int bring_home(struct mm_struct *mm, unsigned long addr, void *owner)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	int tries, ret = -EBUSY;

	if (!vma)
		return -EFAULT;
	for (tries = 0; tries < FERRY_HOME_TRIES && ret == -EBUSY; tries++) {
		if (tries)
			cond_resched();
		ret = ferry_home_try(vma, addr, owner, FERRY_MEMORY_COHERENT, NULL);
	}
	return ret;
}

static int bring_foreign_home(struct fault *fault)
{
	struct mm_struct *mm = fault->window->mirror->mm;
	unsigned long addr;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (addr = fault->foreign; addr < fault->foreign_end; addr += PAGE_SIZE)
		if (bring_home(mm, addr, fault->foreign_owner))
			fault->in_place = true;
	mmap_read_unlock(mm);
	return -EBUSY;
}

/* Filling in ---------------------------------------------------------------- */

static ferry_entry_t make_entry(const struct fault *fault, unsigned long i)
{
	return ferry_entry_make(page_to_pfn(fault_page(fault, i)),
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
	struct page *page = fault_page(fault, i);

	return page && (is_device_private_page(page) || is_device_coherent_page(page)) &&
	       page->pgmap->owner == fault->window->mirror->device;
}

/* Only what is on this device; returns -ENOENT if that is not all. */
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
 * Taken for exclusive access since the sequence number was read: our own taking does
 * not move it. Another try gives the pages back to all in good order.
 */
static bool any_exclusive(const ferry_entry_t *entries, unsigned long n)
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
	else if (fault->access == FERRY_LOOKS)
		ret = fill_resident(fault, entries, n);
	else if (any_exclusive(entries, n))
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
	return ret == FOREIGN_PAGE ? bring_foreign_home(fault) : ret;
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

	if (access != FERRY_LOOKS)
		atomic64_inc(&stats->device_faults);
	for (tries = 0; tries < FERRY_FAULT_TRIES; tries++) {
		ret = fault_once(&fault);
		if (ret != -EBUSY)
			break;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		atomic64_inc(&stats->device_fault_retries);
		cond_resched();
	}
	if (fault.pfns != few)
		kfree(fault.pfns);
	return ret;
}

/**
 * ferry_window_fault() - make pages accessible to the device
 * @window: with a reference, not locked
 * @addr: first byte, page-aligned
 * @end: exclusive, page-aligned, in the same window
 * @access: what the device wants
 * @wait: what ends a wait for userfaultfd's monitor
 *
 * Follows the driver's part of hmm_range_fault(), Documentation/mm/hmm.rst.
 *
 * Context: sleeps, takes mmap_lock.
 * Return: 0 with window->lock held and all entries there; they are good until it
 * is released. Else, not locked: -EFAULT, -EPERM, -ENOMEM, -EINTR, -EBUSY after
 * FERRY_FAULT_TRIES tries; FERRY_LOOKS: -ENOENT for a page that is not on this
 * device, with the entries of those that are.
 */
int ferry_window_fault(struct ferry_window *window, unsigned long addr, unsigned long end,
		       enum ferry_access access, enum ferry_wait wait)
{
	unsigned long first = (addr - window->start) / PAGE_SIZE;
	unsigned long n = (end - addr) / PAGE_SIZE;

	if (access == FERRY_READS || access == FERRY_WRITES) {
		mutex_lock(&window->lock);
		if (ferry_window_count(window, first, n, access == FERRY_WRITES) == n)
			return 0;
		mutex_unlock(&window->lock);
	}
	return fault_slow(window, addr, end, access, wait);
}

/**
 * ferry_mirror_map() - fill the device's page table over a range
 * @mirror: entered
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size, checked; of no more than
 *	FERRY_MAX_WINDOWS / 2 windows, or the first entries are given up for the last
 * @access: what the device wants; not FERRY_OWNS
 *
 * The entries are there when it returns, but nothing holds them.
 *
 * Return: 0, or an error of ferry_window_fault(): -ENOENT after the whole range, any
 * other where it was met.
 */
int ferry_mirror_map(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		     enum ferry_access access)
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
		ret = ferry_window_fault(window, addr, next, access, FERRY_KILLABLE);
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
