// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exclusive access: for a while the CPUs cannot access a page, and the device
 * can do atomic operations on the page. make_device_exclusive_range() puts
 * special entries into the CPU's page table. A CPU fault on a special entry
 * takes the page back. First the fault calls the notifier, and the notifier
 * drops the device's entry.
 *
 * One batch, in this order:
 *
 * fault    A device fault (FERRY_ACCESS_EXCLUSIVE) makes each page present,
 *          writable and unshared, and moves the page to system memory.
 *          Otherwise the step "take" would do the same through GUP, and
 *          invalidate the window of the batch. The device fault runs before the
 *          sequence number is read.
 * split    Large folios are split.
 * begin    mmu_interval_read_begin()
 * hold     A reference on each page, and a check: each page is small, and no
 *          page is on a device. A held page does not migrate to a device and is
 *          not collapsed.
 * take     make_device_exclusive_range() returns the pages locked. The
 *          invalidation of this step has the mirror as the owner, and
 *          notifier.c ignores the event. Any other invalidation changes the
 *          sequence number.
 * check    Under window->lock: all pages are taken, and the sequence number is
 *          unchanged. Then the entries are written.
 * unlock   The pages are unlocked. From now on a waiting CPU takes a page back.
 *
 * The page locks keep CPU faults away, because a fault needs the page lock to
 * restore an entry. The page locks do not keep MADV_DONTNEED away:
 * MADV_DONTNEED drops the entry and the page. The sequence number detects
 * MADV_DONTNEED.
 *
 * Why small pages: make_device_exclusive_range() refuses tail pages, but
 * accepts the head of a large folio, and takes the whole folio, however much of
 * the folio lies outside the range. A taken folio cannot be split any more, and
 * try_to_migrate() does not know the special entries.
 *
 * Why not on a device: a coherent page with a special entry has no mapping
 * left. An eviction by pfn would mistake the entry for a migration entry
 * (remove_migration_ptes() restores both kinds).
 *
 * A helper that is built into the kernel splits folios (migrate/split.c). Out
 * of tree the helper is missing. An engine that collects one page of a
 * PMD-mapped folio and gets no destination splits the folio as a side effect. A
 * module cannot split a large folio that is mapped by PTEs: the result is
 * -EBUSY.
 *
 * Bounded: after FERRY_EXCLUSIVE_TRIES tries for a batch the result is -EBUSY.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "device_fault.h"
#include "exclusive.h"
#include "migrate/backend.h"
#include "migrate/split.h"
#include "mirror.h"
#include "page_table.h"
#include "snapshot.h"

/* Pages held and locked in one batch. */
#define FERRY_EXCLUSIVE_PAGES	64
#define FERRY_EXCLUSIVE_TRIES	100

static_assert(FERRY_WINDOW_PAGES % FERRY_EXCLUSIVE_PAGES == 0);

/**
 * struct exclusive - one batch
 * @window: window that contains the range
 * @addr: first byte, page-aligned
 * @end: end, exclusive, page-aligned, in the same window
 * @seq: sequence number from mmu_interval_read_begin()
 * @held: pages with a reference, checked before the pages are taken
 * @nheld: number of entries of @held
 * @pages: taken pages, locked and with a reference; NULL: not taken
 * @npages: number of entries of @pages
 */
struct exclusive {
	struct ferry_window *window;
	unsigned long addr;
	unsigned long end;
	unsigned long seq;
	struct page *held[FERRY_EXCLUSIVE_PAGES];
	int nheld;
	struct page *pages[FERRY_EXCLUSIVE_PAGES];
	int npages;
};

#if IS_ENABLED(CONFIG_DEVICE_PRIVATE)
static int fault_batch(struct exclusive *batch)
{
	int ret;

	ret = ferry_window_fault_lock(batch->window, batch->addr, batch->end,
				      FERRY_ACCESS_EXCLUSIVE, FERRY_KILLABLE);
	if (!ret)
		mutex_unlock(&batch->window->lock);
	return ret;
}

/* Collects one page without a destination: the engine splits a huge mapping. */
static void split_by_engine(struct vm_area_struct *vma, unsigned long addr)
{
	const struct ferry_backend *backend = ferry_backend_get(FERRY_BACKEND_DEFAULT);
	unsigned long src = 0, dst = 0;
	struct ferry_migrate migrate = {
		.vma = {
			.vma = vma,
			.start = addr,
			.end = addr + PAGE_SIZE,
			.src = &src,
			.dst = &dst,
			.flags = MIGRATE_VMA_SELECT_SYSTEM,
		},
	};

	if (!ferry_backend_setup(backend, &migrate))
		ferry_backend_finalize(backend, &migrate);
}

static void split_by_engine_all(struct exclusive *batch)
{
	struct ferry_mirror *mirror = batch->window->mirror;
	struct ferry_page_state state;
	struct vm_area_struct *vma;
	unsigned long addr;

	for (addr = batch->addr; addr < batch->end; addr += PAGE_SIZE) {
		vma = vma_lookup(mirror->mm, addr);
		/*
		 * Mergeable: see batch.c. A PMD-mapped page is not merged
		 * yet.
		 */
		if (!vma || !vma_is_anonymous(vma) || vma->vm_flags & VM_MERGEABLE)
			continue;
		state = ferry_snapshot_page(mirror->device, vma, addr);
		if (state.flags & FERRY_STATE_ORDER_MASK)
			split_by_engine(vma, addr);
	}
}

static void split_large(struct exclusive *batch)
{
	if (ferry_split_can())
		ferry_split_range(batch->window->mirror->mm, batch->addr, batch->end);
	else
		split_by_engine_all(batch);
}

static void put_held(struct exclusive *batch)
{
	while (batch->nheld > 0)
		put_page(batch->held[--batch->nheld]);
}

/* Returns -EBUSY for another try. After any error no page is held. */
static int hold_pages(struct exclusive *batch)
{
	struct mm_struct *mm = batch->window->mirror->mm;
	int n = (batch->end - batch->addr) / PAGE_SIZE, ret = 0, i;

	batch->nheld = get_user_pages_remote(mm, batch->addr, n, FOLL_GET | FOLL_WRITE,
					     batch->held, NULL);
	if (batch->nheld < 0)
		return batch->nheld;
	if (batch->nheld < n)
		ret = -EBUSY;
	for (i = 0; i < batch->nheld; i++)
		if (PageCompound(batch->held[i]) || is_zone_device_page(batch->held[i]))
			ret = -EBUSY;
	if (ret)
		put_held(batch);
	return ret;
}

static void drop_pages(struct exclusive *batch)
{
	int i;

	for (i = 0; i < batch->npages; i++) {
		if (!batch->pages[i])
			continue;
		unlock_page(batch->pages[i]);
		put_page(batch->pages[i]);
	}
}

static bool took_all(const struct exclusive *batch)
{
	int i;

	if (batch->npages != (batch->end - batch->addr) / PAGE_SIZE)
		return false;
	/*
	 * Since the hold, MADV_DONTNEED and a fault have brought another page.
	 */
	for (i = 0; i < batch->npages; i++)
		if (batch->pages[i] != batch->held[i])
			return false;
	return true;
}

static int write_entries(struct exclusive *batch)
{
	struct ferry_window *window = batch->window;
	unsigned long first = (batch->addr - window->start) / PAGE_SIZE;
	int ret = -EBUSY, i;

	mutex_lock(&window->lock);
	if (!mmu_interval_read_retry(&window->notifier, batch->seq)) {
		for (i = 0; i < batch->npages; i++)
			window->entries[first + i] =
				ferry_entry_make_exclusive(page_to_pfn(batch->pages[i]));
		ret = 0;
	}
	mutex_unlock(&window->lock);
	return ret;
}

/* mmap_lock is held. Returns -EBUSY for another try. */
static int take_pages(struct exclusive *batch)
{
	struct ferry_mirror *mirror = batch->window->mirror;
	int ret;

	ret = hold_pages(batch);
	if (ret)
		return ret;
	ret = -EBUSY;
	batch->npages = ferry_make_device_exclusive(mirror->mm, batch->addr, batch->end,
						    batch->pages, mirror);
	if (batch->npages < 0)
		ret = batch->npages;
	else if (took_all(batch))
		ret = write_entries(batch);
	drop_pages(batch);
	put_held(batch);
	return ret;
}

static int try_batch(struct exclusive *batch)
{
	struct mm_struct *mm = batch->window->mirror->mm;
	int ret;

	ret = fault_batch(batch);
	if (ret)
		return ret;
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	split_large(batch);
	mmap_read_unlock(mm);

	batch->seq = mmu_interval_read_begin(&batch->window->notifier);
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = take_pages(batch);
	mmap_read_unlock(mm);
	return ret;
}

static int take_batch(struct ferry_mirror *mirror, unsigned long addr,
		      unsigned long end)
{
	struct exclusive *batch;
	int tries, ret = -EBUSY;

	batch = kzalloc(sizeof(*batch), FERRY_GFP_CALL);
	if (!batch)
		return -ENOMEM;
	batch->addr = addr;
	batch->end = end;
	batch->window = ferry_window_get(mirror, addr);
	if (IS_ERR(batch->window)) {
		ret = PTR_ERR(batch->window);
		goto out_free;
	}
	for (tries = 0; tries < FERRY_EXCLUSIVE_TRIES && ret == -EBUSY; tries++) {
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			ret = try_batch(batch);
		cond_resched();
	}
	ferry_window_put(batch->window);
out_free:
	kfree(batch);
	return ret;
}

/* Only private mappings, except hugetlb, can be taken. */
static int check_mappings(struct ferry_mirror *mirror, unsigned long addr,
			  unsigned long end)
{
	struct vm_area_struct *vma;
	int ret = 0;

	if (mmap_read_lock_killable(mirror->mm))
		return -EINTR;
	for (; addr < end && !ret; addr = vma->vm_end) {
		vma = vma_lookup(mirror->mm, addr);
		if (!vma)
			ret = -EFAULT;
		else if (vma->vm_flags & VM_SHARED || is_vm_hugetlb_page(vma))
			ret = -EINVAL;
		if (ret)
			break;
	}
	mmap_read_unlock(mirror->mm);
	return ret;
}

/**
 * ferry_mirror_make_exclusive() - take exclusive access to a range
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size; the range is checked with
 *	ferry_mirror_check()
 *
 * Built on make_device_exclusive_range(). The device has exclusive access to
 * each page until a CPU accesses the page; ferry_mirror_is_exclusive() reports
 * the state. After an error the pages before the failing batch are exclusive.
 *
 * Context: sleeps; takes mmap_lock, page locks and window->lock.
 * Return:
 * * 0: the device has taken exclusive access to all pages
 * * -EOPNOTSUPP: the kernel lacks CONFIG_DEVICE_PRIVATE
 * * -EFAULT: an address is not mapped or not readable
 * * -EPERM: a mapping is not writable
 * * -EINVAL: a mapping is shared, or hugetlb
 * * -EBUSY: a page has other references, or a large folio does not split, after
 *   a bounded number of tries
 * * -ENOMEM: no memory
 * * -EINTR: the process is being killed, or a signal came
 */
int ferry_mirror_make_exclusive(struct ferry_mirror *mirror, unsigned long addr,
				u64 len)
{
	unsigned long end = addr + len, next;
	int ret;

	ret = check_mappings(mirror, addr, end);
	for (; addr < end && !ret; addr = next) {
		next = min(end, ALIGN_DOWN(addr, FERRY_EXCLUSIVE_PAGES * PAGE_SIZE) +
			   FERRY_EXCLUSIVE_PAGES * PAGE_SIZE);
		ret = take_batch(mirror, addr, next);
	}
	return ret;
}
#else
int ferry_mirror_make_exclusive(struct ferry_mirror *mirror, unsigned long addr,
				u64 len)
{
	return -EOPNOTSUPP;
}
#endif

static bool window_has_exclusive(struct ferry_window *window, unsigned long start,
				 unsigned long last)
{
	unsigned long i, end;
	bool found = false;

	i = start > window->start ? (start - window->start) / PAGE_SIZE : 0;
	end = min((last - window->start) / PAGE_SIZE + 1, FERRY_WINDOW_PAGES);
	mutex_lock(&window->lock);
	for (; i < end && !found; i++)
		found = window->entries[i] & FERRY_ENTRY_EXCLUSIVE;
	mutex_unlock(&window->lock);
	return found;
}

/**
 * ferry_mirror_is_exclusive() - check a range for exclusive access
 * @mirror: the mirror; need not be entered
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size, not 0; @addr + @len must not wrap,
 *	but may lie beyond user space
 *
 * Context: sleeps; takes window->lock.
 * Return: true if the device has exclusive access to any page of the range.
 */
bool ferry_mirror_is_exclusive(struct ferry_mirror *mirror, unsigned long addr,
			       u64 len)
{
	unsigned long last = addr + len - 1, at = addr;
	struct ferry_window *window;
	bool found;

	while ((window = ferry_window_next(mirror, &at, last))) {
		found = window_has_exclusive(window, addr, last);
		ferry_window_put(window);
		if (found)
			return true;
		if (last - at < FERRY_WINDOW_SIZE)
			return false;
		at += FERRY_WINDOW_SIZE;
		cond_resched();
	}
	return false;
}
