// SPDX-License-Identifier: GPL-2.0-only
/*
 * Destinations and data for the pages that an engine has collected: the step
 * between setup and pages.
 *
 * The step goes in pieces of at most FERRY_FILL_PAGES slots; the lists of a
 * piece fit on the stack. For each piece:
 *
 * 1. List the pages to move.
 * 2. Allocate the destinations at once.
 * 3. Give both lists to the copy engine, and write the destinations to the
 *    slots.
 *
 * Device pages come from the pool and never from the page allocator: a
 * migration to the device allocates no memory with folios locked. A migration
 * to system memory does allocate with folios locked, as do_swap_page()
 * allocates for a page that do_swap_page() has unmapped. No memory cgroup is
 * charged for destinations: the engine moves the charge from the old page to
 * the new page.
 *
 * System pages come in bulk if no NUMA policy decides the node. The bulk
 * allocator does not know a mapping's policy and falls back to the default
 * policy, the node of the CPU first. With a policy of the mapping or of the
 * task, pages come one by one by the policy. If the mapping is unknown, on a
 * machine with more than one node, the rmap finds a policy for each page
 * (placement.c).
 */
#include <linux/gfp.h>
#include <linux/mempolicy.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include "device/copy.h"
#include "device/memory.h"
#include "device/quota.h"
#include "migrate/backend.h"
#include "migrate/placement.h"
#include "mirror.h"

/* Slots of one piece: three lists of this size are on the stack. */
#define FERRY_FILL_PAGES	48

static_assert(BIT(16) >= FERRY_BATCH_PAGES);

/**
 * struct piece - pages of one piece
 * @n: number of pages
 * @slot: slot of each page
 * @from: source page; NULL for a hole or the zero page
 * @to: destination page
 */
struct piece {
	unsigned long n;
	u16 slot[FERRY_FILL_PAGES];
	struct page *from[FERRY_FILL_PAGES];
	struct page *to[FERRY_FILL_PAGES];
};

static void refuse_slots(const struct ferry_fill *fill, struct piece *piece, unsigned long first,
			 u8 outcome)
{
	unsigned long i;

	for (i = first; i < piece->n && fill->outcome; i++)
		fill->outcome[piece->slot[i]] = outcome;
}

static void stamp_step(const struct ferry_fill *fill, enum ferry_stamp_step step, cycles_t start)
{
	if (fill->backend)
		ferry_stamp_end(fill->backend->stamp, fill->way, step, start);
}

/* To the device ------------------------------------------------------------ */

/* A hole or the zero page has no source page. */
static bool may_go(const struct ferry_fill *fill, struct page *page)
{
	unsigned long mapping;

	if (fill->backend->anon_only || !page)
		return true;
	mapping = (unsigned long)READ_ONCE(page_folio(page)->mapping);
	return (mapping & PAGE_MAPPING_FLAGS) == PAGE_MAPPING_ANON;
}

static void list_for_device(const struct ferry_fill *fill, unsigned long *next,
			    struct piece *piece)
{
	unsigned long n = 0, slot = *next, src;
	struct page *page;

	for (; slot < fill->npages && n < FERRY_FILL_PAGES; slot++) {
		src = fill->src[slot];
		if (!(src & MIGRATE_PFN_MIGRATE))
			continue;
		page = migrate_pfn_to_page(src);
		if (!may_go(fill, page))
			continue;
		piece->slot[n] = slot;
		piece->from[n++] = page;
	}
	piece->n = n;
	*next = slot;
}

static u8 why_none(const struct ferry_fill *fill)
{
	return ferry_owner_quota_left(fill->memory, fill->owner) ? FERRY_NO_MEMORY :
								    FERRY_QUOTA;
}

/**
 * ferry_fill_device() - device pages for system pages, holes and zero pages
 * @fill: the request, with @memory, @owner and @backend
 *
 * Context: mmap_lock held, pages locked; may reschedule; takes
 * ferry_memory.lock.
 * Return: 0, or -ENOSPC if at least one slot got no page, because the device is
 * full or a quota is used up. The other slots have destinations in both cases.
 */
int ferry_fill_device(const struct ferry_fill *fill)
{
	unsigned long next = 0, got, i;
	struct piece piece __uninitialized;
	cycles_t start;
	int ret = 0;

	while (next < fill->npages) {
		if (next)
			cond_resched();
		start = ferry_stamp_begin();
		list_for_device(fill, &next, &piece);
		got = ferry_memory_alloc(fill->memory, fill->owner, piece.n, piece.to);
		for (i = 0; i < got; i++) {
			zone_device_page_init(piece.to[i]);
			fill->dst[piece.slot[i]] = migrate_pfn(page_to_pfn(piece.to[i]));
		}
		stamp_step(fill, FERRY_STAMP_ALLOC, start);
		start = ferry_stamp_begin();
		ferry_copy_to_device(piece.to, piece.from, got);
		stamp_step(fill, FERRY_STAMP_COPY, start);
		if (got == piece.n)
			continue;
		refuse_slots(fill, &piece, got, why_none(fill));
		ret = -ENOSPC;
	}
	return ret;
}

/* To system memory --------------------------------------------------------- */

static void list_for_home(const struct ferry_fill *fill, unsigned long *next,
			  struct piece *piece)
{
	const unsigned long wanted = MIGRATE_PFN_MIGRATE | MIGRATE_PFN_VALID;
	unsigned long n = 0, slot = *next;

	for (; slot < fill->npages && n < FERRY_FILL_PAGES; slot++) {
		if ((fill->src[slot] & wanted) != wanted)
			continue;
		piece->slot[n] = slot;
		piece->from[n++] = pfn_to_page(fill->src[slot] >> MIGRATE_PFN_SHIFT);
	}
	piece->n = n;
	*next = slot;
}

static bool has_policy(const struct ferry_fill *fill)
{
#ifdef CONFIG_NUMA
	const struct vm_area_struct *vma = fill->vma;

	if (current->mempolicy || (fill->by_rmap && num_online_nodes() > 1))
		return true;
	return vma && (vma->vm_policy || (vma->vm_ops && vma->vm_ops->get_policy));
#else
	return false;
#endif
}

/* Returns the number of allocated pages; stops at the first failure. */
static unsigned long alloc_system_by_policy(const struct ferry_fill *fill, struct piece *piece)
{
	struct folio *folio;
	unsigned long i;

	for (i = 0; i < piece->n; i++) {
		if (fill->vma)
			folio = vma_alloc_folio(fill->gfp, 0, fill->vma, fill->start +
						piece->slot[i] * PAGE_SIZE, false);
		else if (fill->by_rmap)
			folio = ferry_placement_alloc((struct folio *)piece->from[i], fill->mm,
						      fill->gfp);
		else
			folio = folio_alloc(fill->gfp, 0);
		if (!folio)
			break;
		piece->to[i] = folio_page(folio, 0);
	}
	return i;
}

/*
 * With low memory the bulk allocator stops early, and then returns one page a
 * call.
 */
static unsigned long alloc_in_bulk(const struct ferry_fill *fill, struct piece *piece)
{
	unsigned long got = 0, before;

	memset(piece->to, 0, piece->n * sizeof(*piece->to));
	do {
		before = got;
		got = alloc_pages_bulk_array(fill->gfp, piece->n, piece->to);
	} while (got > before && got < piece->n);
	return got;
}

/**
 * ferry_fill_home() - system pages for device pages
 * @fill: the request, with @gfp, and with @vma except in the pfn forms
 *
 * Context: pages locked; as @fill->gfp.
 * Return: 0, or -ENOMEM if at least one slot got no page. The other slots have
 * destinations in both cases.
 */
int ferry_fill_home(const struct ferry_fill *fill)
{
	bool by_policy = has_policy(fill);
	unsigned long next = 0, got, i;
	struct piece piece __uninitialized;
	cycles_t start;
	int ret = 0;

	while (next < fill->npages) {
		if (next)
			cond_resched();
		start = ferry_stamp_begin();
		list_for_home(fill, &next, &piece);
		got = by_policy ? alloc_system_by_policy(fill, &piece) :
				  alloc_in_bulk(fill, &piece);
		stamp_step(fill, FERRY_STAMP_ALLOC, start);
		start = ferry_stamp_begin();
		ferry_copy_from_device(piece.to, piece.from, got);
		stamp_step(fill, FERRY_STAMP_COPY, start);
		for (i = 0; i < got; i++) {
			/* No other task knows the page yet. */
			__folio_set_locked((struct folio *)piece.to[i]);
			fill->dst[piece.slot[i]] = migrate_pfn(page_to_pfn(piece.to[i]));
		}
		if (got == piece.n)
			continue;
		refuse_slots(fill, &piece, got, FERRY_NO_MEMORY);
		ret = -ENOMEM;
	}
	return ret;
}
