// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's copy engine copies whole pages between two lists. The caller
 * keeps the pages still: source and destination locked, the source unmapped,
 * the TLB flushed, as between migrate_vma_setup() and migrate_vma_pages().
 *
 * Device pages mostly come in runs of consecutive pfns. The address of their
 * contents is looked up once per run. The system pages of the run need not be
 * consecutive.
 *
 * On x86 the compiler makes a string instruction from a copy of known size and
 * alignment, with eight bytes per step. Rejected: copy_page() and clear_page().
 * They choose code by CPU feature bits, and with QEMU's CPU take three and
 * eight times as many steps.
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "copy.h"
#include "memory.h"

/*
 * Sets the address of a device page's contents. Returns the number of pages
 * that are consecutive from @page on, by pfn and by address. A page of another
 * driver is coherent, and holds its own contents, as a system page does.
 */
static unsigned long locate(struct page *page, void **address)
{
	if (ferry_memory_owns(page))
		return ferry_memory_span(page, address);
	*address = page_address(page);
	return 1;
}

/* A type of known size and alignment. */
struct contents {
	u64 words[PAGE_SIZE / sizeof(u64)];
} __aligned(PAGE_SIZE);

static void copy_contents(void *to, const void *from)
{
	*(struct contents *)to = *(const struct contents *)from;
}

static void copy_in(void *to, struct page *spage)
{
	void *from = kmap_local_page(spage);

	copy_contents(to, from);
	kunmap_local(from);
}

static void copy_out(struct page *spage, const void *from)
{
	void *to = kmap_local_page(spage);

	copy_contents(to, from);
	flush_dcache_page(spage);
	kunmap_local(to);
}

/**
 * ferry_copy_to_device() - copy system pages into device pages
 * @dpages: array of @n device pages
 * @spages: array of @n system pages; NULL entry: the device page is cleared
 * @n: entries of @dpages and of @spages
 *
 * Context: any; the caller keeps the pages still, see above.
 */
void ferry_copy_to_device(struct page *const *dpages, struct page *const *spages,
			  unsigned long n)
{
	unsigned long i = 0, left;
	void *to;

	while (i < n) {
		left = min(locate(dpages[i], &to), n - i);
		do {
			if (spages[i])
				copy_in(to, spages[i]);
			else
				memset(to, 0, PAGE_SIZE);
			to += PAGE_SIZE;
			i++;
		} while (--left && dpages[i] == dpages[i - 1] + 1);
	}
}

/**
 * ferry_copy_from_device() - copy device pages into system pages
 * @spages: array of @n system pages
 * @dpages: array of @n device pages; pages of another driver's device are
 *	coherent. On the way to a node also system pages
 * @n: entries of @spages and of @dpages
 *
 * Context: any; the caller keeps the pages still, see above.
 */
void ferry_copy_from_device(struct page *const *spages, struct page *const *dpages,
			    unsigned long n)
{
	unsigned long i = 0, left;
	void *from;

	while (i < n) {
		left = min(locate(dpages[i], &from), n - i);
		do {
			copy_out(spages[i], from);
			from += PAGE_SIZE;
			i++;
		} while (--left && dpages[i] == dpages[i - 1] + 1);
	}
}
