// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device accesses virtual memory through the device's page table.
 *
 * An access goes in steps, each within one window. Under window->lock the
 * entries are valid, and the pages stay mapped where they are, because the
 * notifier waits for the lock. The bytes can be accessed without a page lock or
 * a page reference. The same holds for truncation: truncation unmaps a page
 * before the page is released, and the unmap waits for window->lock.
 * folio_mark_dirty() asks for exactly this guarantee.
 *
 * A write marks the folio dirty under the lock, before the notifier's section
 * ends (I14). The CPU's dirty bit is not enough: a page that was swapped in and
 * mapped writable may have a clean PTE, and reclaim would drop the page with
 * the device's data. Rejected: set_page_dirty_lock(), because a holder of the
 * folio lock may wait for the notifier.
 *
 * User buffers are never accessed under the lock: a fault on the buffer may
 * need the same window. The data goes through a bounce buffer of one step.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "access.h"
#include "device_fault.h"
#include "mirror.h"
#include "page_table.h"

/* Bounds the wait of the notifier and the allocation of one call. */
#define FERRY_STEP_SIZE		SZ_64K

static_assert(FERRY_WINDOW_SIZE % FERRY_STEP_SIZE == 0);

static void access_page(ferry_entry_t entry, unsigned long offset, size_t n,
			bool write, ferry_access_fn fn, void *arg)
{
	struct page *page = pfn_to_page(ferry_entry_pfn(entry));
	void *bytes;

	if (ferry_memory_owns(page)) {
		fn(ferry_memory_address(page) + offset, n, arg);
	} else {
		bytes = kmap_local_page(page);
		fn(bytes + offset, n, arg);
		if (write)
			flush_dcache_page(page);
		kunmap_local(bytes);
	}
	if (write)
		folio_mark_dirty(page_folio(page));
}

static void access_window(struct ferry_window *window, unsigned long addr, size_t n,
			  bool write, ferry_access_fn fn, void *arg)
{
	unsigned long i = (addr - window->start) / PAGE_SIZE;
	size_t piece;

	lockdep_assert_held(&window->lock);

	for (; fn && n; n -= piece, addr += piece, i++) {
		piece = min(n, PAGE_SIZE - offset_in_page(addr));
		access_page(window->entries[i], offset_in_page(addr), piece, write,
			    fn, arg);
	}
}

static size_t step_size(unsigned long addr, u64 len)
{
	return min_t(u64, len, FERRY_STEP_SIZE - addr % FERRY_STEP_SIZE);
}

static int access_all(struct ferry_mirror *mirror, unsigned long addr, size_t n,
		      bool write, enum ferry_wait wait, ferry_access_fn fn, void *arg)
{
	struct ferry_window *window;
	int ret;

	window = ferry_window_get(mirror, addr);
	if (IS_ERR(window))
		return PTR_ERR(window);
	ret = ferry_window_fault_lock(window, addr & PAGE_MASK, PAGE_ALIGN(addr + n),
				      write ? FERRY_ACCESS_WRITE : FERRY_ACCESS_READ, wait);
	if (!ret) {
		access_window(window, addr, n, write, fn, arg);
		mutex_unlock(&window->lock);
	}
	ferry_window_put(window);
	return ret;
}

/*
 * A step is faulted in as a whole. If the whole step fails, the first page
 * alone may still succeed. Returns 0 with *n set to the accessed bytes.
 */
static int access_step(struct ferry_mirror *mirror, unsigned long addr, size_t *n,
		       bool write, enum ferry_wait wait, ferry_access_fn fn, void *arg)
{
	size_t first = min(*n, PAGE_SIZE - offset_in_page(addr));
	int ret;

	ret = access_all(mirror, addr, *n, write, wait, fn, arg);
	if ((ret != -EFAULT && ret != -EPERM) || first == *n)
		return ret;
	*n = first;
	return access_all(mirror, addr, first, write, wait, fn, arg);
}

/**
 * ferry_mirror_access() - the device accesses every byte of a range, in order
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, of any alignment
 * @len: bytes; the range is checked with ferry_mirror_check()
 * @access: FERRY_ACCESS_WRITE if @fn writes, otherwise FERRY_ACCESS_READ
 * @fn: called for each piece of the range within a page, with window->lock
 *	held; must not sleep or allocate
 * @arg: argument for @fn
 *
 * Context: sleeps; takes mmap_lock and window->lock.
 * Return: 0, or the error of the first page without access; the bytes before
 * that page are accessed:
 * * -EFAULT, -EPERM, -ENOMEM, -EBUSY: as ferry_window_fault_lock() and
 *   ferry_window_get()
 * * -EINTR: the process is being killed, or a signal came before the first
 *   access
 */
int ferry_mirror_access(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			enum ferry_access access, ferry_access_fn fn, void *arg)
{
	enum ferry_wait wait = FERRY_INTERRUPTIBLE;
	size_t n;
	int ret;

	for (; len; len -= n, addr += n, wait = FERRY_KILLABLE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = step_size(addr, len);
		ret = access_step(mirror, addr, &n, access == FERRY_ACCESS_WRITE, wait, fn, arg);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* Returns the number of accessed bytes from @addr on, at most @n. */
static size_t access_mapped(struct ferry_window *window, unsigned long addr, size_t n,
			    bool write, ferry_access_fn fn, void *arg)
{
	unsigned long first = (addr - window->start) / PAGE_SIZE;
	unsigned long npages;

	mutex_lock(&window->lock);
	npages = ferry_window_count(window, first,
				    DIV_ROUND_UP(offset_in_page(addr) + n, PAGE_SIZE),
				    write);
	n = npages ? min(n, npages * PAGE_SIZE - offset_in_page(addr)) : 0;
	access_window(window, addr, n, write, fn, arg);
	mutex_unlock(&window->lock);
	return n;
}

/**
 * ferry_mirror_access_mapped() - access a range without device faults
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, of any alignment
 * @len: bytes; the range is checked with ferry_mirror_check()
 * @access: FERRY_ACCESS_WRITE for a write, otherwise FERRY_ACCESS_READ
 * @fn: called for each piece of the range within a page, with window->lock
 *	held; must not sleep or allocate. NULL checks the access without an
 *	access
 * @arg: argument for @fn
 * @done: out: accessed bytes
 *
 * As ferry_mirror_access(), but an access without an entry in the device's page
 * table ends the call.
 *
 * Context: sleeps; takes window->lock.
 * Return:
 * * 0: the whole range is accessed
 * * -ENOENT: the device's page table lacks the next page, or the right to
 *   access the page
 * * -EINTR: the process is being killed
 */
int ferry_mirror_access_mapped(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			       enum ferry_access access, ferry_access_fn fn,
			       void *arg, u64 *done)
{
	struct ferry_window *window;
	size_t n, step;

	for (*done = 0; *done < len; *done += n) {
		if (fatal_signal_pending(current))
			return -EINTR;
		window = ferry_window_find(mirror, addr + *done);
		if (!window)
			return -ENOENT;
		step = step_size(addr + *done, len - *done);
		n = access_mapped(window, addr + *done, step, access == FERRY_ACCESS_WRITE,
				  fn, arg);
		ferry_window_put(window);
		if (n < step) {
			*done += n;
			return -ENOENT;
		}
		cond_resched();
	}
	return 0;
}

/**
 * ferry_access_copy_out() - copy one piece of memory to a buffer
 * @bytes: the piece
 * @n: bytes of the piece
 * @arg: address of a pointer into the buffer; the pointer advances by @n
 *
 * Context: any.
 */
void ferry_access_copy_out(void *bytes, size_t n, void *arg)
{
	void **to = arg;

	memcpy(*to, bytes, n);
	*to += n;
}

/**
 * ferry_access_copy_in() - copy from a buffer to one piece of memory
 * @bytes: the piece
 * @n: bytes of the piece
 * @arg: address of a pointer into the buffer; the pointer advances by @n
 *
 * Context: any.
 */
void ferry_access_copy_in(void *bytes, size_t n, void *arg)
{
	const void **from = arg;

	memcpy(bytes, *from, n);
	*from += n;
}

/* Moves one step between the mirror and the bounce buffer. */
static int bounce_step(struct ferry_mirror *mirror, unsigned long addr, size_t *n,
		       enum ferry_access access, void *bounce)
{
	bool write = access == FERRY_ACCESS_WRITE;
	int ret;

	ret = access_step(mirror, addr, n, write, FERRY_INTERRUPTIBLE,
			  write ? ferry_access_copy_in : ferry_access_copy_out, &bounce);
	if (!ret)
		ferry_stats_count(&mirror->stats, write ? FERRY_STAT_BYTES_WRITTEN :
							  FERRY_STAT_BYTES_READ, *n);
	return ret;
}

/* One step between the mirror and a buffer of the user. */
static int transfer_step(struct ferry_mirror *mirror, unsigned long addr, size_t *n,
			 enum ferry_access access, void *bounce, void __user *buffer)
{
	int ret;

	if (access == FERRY_ACCESS_WRITE && copy_from_user(bounce, buffer, *n))
		return -EFAULT;
	ret = bounce_step(mirror, addr, n, access, bounce);
	if (!ret && access == FERRY_ACCESS_READ && copy_to_user(buffer, bounce, *n))
		return -EFAULT;
	return ret;
}

/**
 * ferry_mirror_transfer() - the device reads or writes a range for the user
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @addr: first byte, of any alignment
 * @len: bytes; the range is checked with ferry_mirror_check()
 * @access: FERRY_ACCESS_READ: the range is copied to @buffer;
 *	FERRY_ACCESS_WRITE: @buffer is copied to the range
 * @buffer: user memory of @len bytes
 * @done: in: 0; out: copied bytes
 *
 * Context: sleeps; takes mmap_lock and window->lock; no lock held.
 * Return: 0, also after a signal with some progress; otherwise
 * * -EFAULT: @buffer cannot be accessed, or as ferry_window_fault_lock()
 * * -EPERM, -ENOMEM, -EBUSY: as ferry_window_fault_lock() and ferry_window_get()
 * * -EINTR: a signal came
 */
int ferry_mirror_transfer(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			  enum ferry_access access, void __user *buffer, u64 *done)
{
	void *bounce;
	int ret = 0;
	size_t n;

	bounce = kmalloc(FERRY_STEP_SIZE, FERRY_GFP_CALL);
	if (!bounce)
		return -ENOMEM;
	while (*done < len && !(*done && signal_pending(current))) {
		n = step_size(addr + *done, len - *done);
		ret = transfer_step(mirror, addr + *done, &n, access, bounce, buffer + *done);
		if (ret)
			break;
		*done += n;
		cond_resched();
	}
	kfree(bounce);
	return ret;
}

/**
 * ferry_mirror_copy() - the device copies from one range to another
 * @mirror: the mirror, entered with ferry_mirror_enter_own()
 * @dst: first byte to write, of any alignment
 * @src: first byte to read, of any alignment
 * @len: bytes; both ranges are checked with ferry_mirror_check() and do not
 *	overlap
 *
 * Context: sleeps; takes mmap_lock and window->lock; no lock held.
 * Return: 0, or an error of ferry_mirror_access() with a part of the range
 * copied.
 */
int ferry_mirror_copy(struct ferry_mirror *mirror, unsigned long dst,
		      unsigned long src, u64 len)
{
	void *bounce;
	int ret = 0;
	size_t n;

	bounce = kmalloc(FERRY_STEP_SIZE, FERRY_GFP_CALL);
	if (!bounce)
		return -ENOMEM;
	for (; len && !ret; len -= n, src += n, dst += n) {
		if (fatal_signal_pending(current))
			ret = -EINTR;
		n = min(step_size(src, len), step_size(dst, len));
		ret = ret ?: bounce_step(mirror, src, &n, FERRY_ACCESS_READ, bounce);
		ret = ret ?: bounce_step(mirror, dst, &n, FERRY_ACCESS_WRITE, bounce);
		cond_resched();
	}
	kfree(bounce);
	return ret;
}
