// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's copy engine: whole pages, as two lists. The caller holds what keeps
 * the pages still: both locked, the source unmapped and the TLB flushed, as between
 * migrate_vma_setup() and migrate_vma_pages().
 *
 * Device pages mostly come in runs of consecutive pfns, whose contents are looked up
 * once a run; what is on the other side of the copy need not.
 *
 * What the compiler makes of a copy of known size and alignment is, on x86, a string
 * instruction of eight bytes a step. Rejected: copy_page() and clear_page(), which choose
 * by what the CPU says it is good at, and on QEMU's take three and eight times as many
 * steps.
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "copy.h"
#include "memory.h"

/*
 * Where the contents of a device page are, and for how many from it on that follow by
 * pfn they do so as well. Another driver's page is coherent: it is its own contents.
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
 * @dpages: device pages
 * @spages: system pages; NULL: the device page is cleared
 * @n: entries of both
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
 * @spages: system pages
 * @dpages: device pages; those of another driver's device are coherent
 * @n: entries of both
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
