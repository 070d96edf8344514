// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device accesses virtual memory, through its own page table.
 *
 * An access goes step by step, each within one window. Under window->lock the
 * entries are good and the pages stay mapped where they are (the notifier waits
 * for the lock), so that bytes can be touched without a page lock or reference.
 * That holds for truncation as well: it unmaps before it lets go of a page, and
 * unmapping waits for us. It is what folio_mark_dirty() asks for.
 *
 * A write marks the folio dirty under the lock, before the notifier's section
 * ends (I14). It does not rely on the CPU's dirty bit: a page that was swapped in
 * and mapped writable may be clean in its PTE, and reclaim would drop it with the
 * device's data. set_page_dirty_lock() is no choice: a holder of the folio lock
 * may be waiting for the notifier.
 *
 * User buffers are never touched under the lock: a fault there may need the same
 * window. The data goes through a bounce buffer of one step.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mirror.h"
#include "page_table.h"

/* How long the notifier may have to wait, and what one call allocates. */
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
	ret = ferry_window_fault(window, addr & PAGE_MASK, PAGE_ALIGN(addr + n),
				 write ? FERRY_WRITES : FERRY_READS, wait);
	if (!ret) {
		access_window(window, addr, n, write, fn, arg);
		mutex_unlock(&window->lock);
	}
	ferry_window_put(window);
	return ret;
}

/*
 * A step is faulted in as a whole; where it fails, its first page alone may still
 * do. Returns 0 with *n what was accessed.
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
 * ferry_mirror_access() - the device touches every byte of a range, in order
 * @mirror: entered
 * @addr: first byte
 * @len: bytes, checked with ferry_mirror_check()
 * @flags: FERRY_ACCESS_WRITE if @fn writes
 * @fn: called for each piece within a page; must not sleep or allocate
 * @arg: for @fn
 *
 * Return: 0, or the error of ferry_window_fault() for the first page that could
 * not be accessed; what lies before it was touched. -EINTR for a process that is
 * being killed, or before anything was touched.
 */
int ferry_mirror_access(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			enum ferry_access_flags flags, ferry_access_fn fn, void *arg)
{
	enum ferry_wait wait = FERRY_INTERRUPTIBLE;
	size_t n;
	int ret;

	for (; len; len -= n, addr += n, wait = FERRY_KILLABLE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = step_size(addr, len);
		ret = access_step(mirror, addr, &n, flags & FERRY_ACCESS_WRITE, wait, fn, arg);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* Returns how many bytes from @addr on, @n at most, were accessed. */
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
 * ferry_mirror_access_mapped() - as ferry_mirror_access(), without device faults
 * @mirror: entered
 * @addr: first byte
 * @len: bytes, checked with ferry_mirror_check()
 * @flags: FERRY_ACCESS_WRITE if @fn writes
 * @fn: called for each piece within a page; must not sleep or allocate; NULL: the
 *	device only looks whether it could
 * @arg: for @fn
 * @done: out: bytes touched
 *
 * Return: 0; -ENOENT at the first page that the device's page table does not have,
 * or not with the right; -EINTR for a process that is being killed.
 */
int ferry_mirror_access_mapped(struct ferry_mirror *mirror, unsigned long addr, u64 len,
			       enum ferry_access_flags flags, ferry_access_fn fn,
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
		n = access_mapped(window, addr + *done, step, flags & FERRY_ACCESS_WRITE,
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
 * ferry_access_copy_out() - from memory to a buffer, piece by piece
 * @bytes: the piece
 * @n: its size
 * @arg: address of a pointer into the buffer; it moves on
 */
void ferry_access_copy_out(void *bytes, size_t n, void *arg)
{
	void **to = arg;

	memcpy(*to, bytes, n);
	*to += n;
}

/**
 * ferry_access_copy_in() - the reverse
 * @bytes: the piece
 * @n: its size
 * @arg: address of a pointer into the buffer; it moves on
 */
void ferry_access_copy_in(void *bytes, size_t n, void *arg)
{
	const void **from = arg;

	memcpy(bytes, *from, n);
	*from += n;
}

static int read_step(struct ferry_mirror *mirror, void *bounce, unsigned long addr,
		     size_t *n)
{
	void *to = bounce;
	int ret;

	ret = access_step(mirror, addr, n, false, FERRY_INTERRUPTIBLE,
			  ferry_access_copy_out, &to);
	if (!ret)
		atomic64_add(*n, &mirror->stats.bytes_read);
	return ret;
}

static int write_step(struct ferry_mirror *mirror, const void *bounce,
		      unsigned long addr, size_t *n)
{
	const void *from = bounce;
	int ret;

	ret = access_step(mirror, addr, n, true, FERRY_INTERRUPTIBLE, ferry_access_copy_in,
			  &from);
	if (!ret)
		atomic64_add(*n, &mirror->stats.bytes_written);
	return ret;
}

/**
 * ferry_mirror_read() - from virtual memory, through the device, to a buffer
 * @mirror: entered
 * @addr: first byte
 * @len: bytes, checked
 * @buffer: user memory
 * @done: out: bytes in @buffer
 *
 * Return: 0, also after a signal with some progress; else an error of
 * ferry_window_fault(), or -EFAULT for @buffer.
 */
int ferry_mirror_read(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		      void __user *buffer, u64 *done)
{
	void *bounce;
	int ret = 0;
	size_t n;

	bounce = kmalloc(FERRY_STEP_SIZE, FERRY_GFP_CALL);
	if (!bounce)
		return -ENOMEM;
	while (*done < len && !(*done && signal_pending(current))) {
		n = step_size(addr + *done, len - *done);
		ret = read_step(mirror, bounce, addr + *done, &n);
		if (!ret && copy_to_user(buffer + *done, bounce, n))
			ret = -EFAULT;
		if (ret)
			break;
		*done += n;
		cond_resched();
	}
	kfree(bounce);
	return ret;
}

/**
 * ferry_mirror_write() - from a buffer, through the device, to virtual memory
 * @mirror: entered
 * @addr: first byte
 * @len: bytes, checked
 * @buffer: user memory
 * @done: out: bytes written
 *
 * Return: as ferry_mirror_read().
 */
int ferry_mirror_write(struct ferry_mirror *mirror, unsigned long addr, u64 len,
		       const void __user *buffer, u64 *done)
{
	void *bounce;
	int ret = 0;
	size_t n;

	bounce = kmalloc(FERRY_STEP_SIZE, FERRY_GFP_CALL);
	if (!bounce)
		return -ENOMEM;
	while (*done < len && !(*done && signal_pending(current))) {
		n = step_size(addr + *done, len - *done);
		if (copy_from_user(bounce, buffer + *done, n))
			ret = -EFAULT;
		else
			ret = write_step(mirror, bounce, addr + *done, &n);
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
 * @mirror: entered
 * @dst: first byte to write
 * @src: first byte to read
 * @len: bytes, both ranges checked and not overlapping
 *
 * Return: 0 or an error of ferry_window_fault().
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
		ret = ret ?: read_step(mirror, bounce, src, &n);
		ret = ret ?: write_step(mirror, bounce, dst, &n);
		cond_resched();
	}
	kfree(bounce);
	return ret;
}
