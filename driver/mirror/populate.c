// SPDX-License-Identifier: GPL-2.0-only
/*
 * Destinations and data for the pages that an engine has collected: the step
 * between setup and pages.
 *
 * The step goes in pieces of at most FERRY_PIECE_PAGES slots; the lists of a
 * piece fit on the stack. For each piece:
 *
 * 1. List the pages to move.
 * 2. Allocate the destinations at once, make the destinations ready, and write
 *    them to the slots.
 * 3. Give both lists to the copy engine.
 *
 * Device pages come from the pool and never from the page allocator: to the
 * device no destination is allocated with folios locked. (The engine allocates
 * page tables and charges for holes, migrate/insert.c.) A migration
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
#include "migrate/compat.h"
#include "migrate/migrate.h"
#include "migrate/placement.h"
#include "mirror.h"
#include "populate.h"

/* Slots of one piece: three lists of this size are on the stack. */
#define FERRY_PIECE_PAGES	48

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
	u16 slot[FERRY_PIECE_PAGES];
	struct page *from[FERRY_PIECE_PAGES];
	struct page *to[FERRY_PIECE_PAGES];
};

/**
 * struct direction - what differs between the two directions
 * @is_wanted: the page of a slot is wanted; sets the source page
 * @alloc: allocates destinations, from the first page on; returns the number
 * @init: makes a new destination ready: locked, and to the device with one
 *	reference; no other task knows the page yet
 * @copy: copies to, from, number
 * @why_none: outcome of a page without a destination
 * @error: error of a call in which at least one page has no destination
 */
struct direction {
	bool (*is_wanted)(const struct ferry_populate *request, unsigned long slot,
			  struct page **from);
	unsigned long (*alloc)(const struct ferry_populate *request, struct piece *piece);
	void (*init)(struct page *page);
	void (*copy)(struct page *const *to, struct page *const *from, unsigned long n);
	u8 (*why_none)(const struct ferry_populate *request);
	int error;
};

static __always_inline void list_pages(const struct ferry_populate *request, unsigned long *next,
				       struct piece *piece, const struct direction *direction)
{
	unsigned long n = 0, slot = *next;

	for (; slot < request->npages && n < FERRY_PIECE_PAGES; slot++) {
		if (!direction->is_wanted(request, slot, &piece->from[n]))
			continue;
		piece->slot[n++] = slot;
	}
	piece->n = n;
	*next = slot;
}

static void refuse_rest(const struct ferry_populate *request, struct piece *piece,
			unsigned long first, u8 outcome)
{
	unsigned long i;

	for (i = first; i < piece->n && request->outcome; i++)
		request->outcome[piece->slot[i]] = outcome;
}

static struct ferry_timer populate_timer(const struct ferry_populate *request,
					 enum ferry_timing_step step)
{
	if (!request->backend)
		return (struct ferry_timer) { };
	return ferry_timer(request->backend->timing, request->way, step);
}

/* Inline, with a constant direction: the list has no indirect call for a page. */
static __always_inline int populate(const struct ferry_populate *request,
				    const struct direction *direction)
{
	unsigned long next = 0, got = 0, i;
	struct piece piece __uninitialized;
	int ret = 0;

	while (next < request->npages) {
		if (next)
			cond_resched();
		ferry_timed(populate_timer(request, FERRY_TIMING_ALLOC)) {
			list_pages(request, &next, &piece, direction);
			got = direction->alloc(request, &piece);
			for (i = 0; i < got; i++) {
				direction->init(piece.to[i]);
				request->dst[piece.slot[i]] = migrate_pfn(page_to_pfn(piece.to[i]));
			}
		}
		ferry_timed(populate_timer(request, FERRY_TIMING_COPY))
			direction->copy(piece.to, piece.from, got);
		if (got == piece.n)
			continue;
		refuse_rest(request, &piece, got, direction->why_none(request));
		ret = direction->error;
	}
	return ret;
}

/* To the device ------------------------------------------------------------ */

/* A hole or the zero page has no source page. */
static bool may_go(const struct ferry_populate *request, struct page *page)
{
	unsigned long mapping;

	if (request->backend->can & FERRY_CAN_SELECT_ANON || !page)
		return true;
	mapping = (unsigned long)READ_ONCE(page_folio(page)->mapping);
	return (mapping & FOLIO_MAPPING_FLAGS) == FOLIO_MAPPING_ANON;
}

static __always_inline bool wanted_on_device(const struct ferry_populate *request,
					     unsigned long slot, struct page **from)
{
	unsigned long src = request->src[slot];

	if (!(src & MIGRATE_PFN_MIGRATE))
		return false;
	*from = migrate_pfn_to_page(src);
	return may_go(request, *from);
}

static unsigned long alloc_device(const struct ferry_populate *request, struct piece *piece)
{
	return ferry_memory_alloc(request->memory, request->owner, piece->n, piece->to);
}

static u8 why_no_device_page(const struct ferry_populate *request)
{
	return ferry_owner_quota_left(request->memory, request->owner) ? FERRY_NO_MEMORY :
									   FERRY_QUOTA;
}

static const struct direction to_device = {
	.is_wanted = wanted_on_device,
	.alloc = alloc_device,
	.init = ferry_zone_device_page_init,
	.copy = ferry_copy_to_device,
	.why_none = why_no_device_page,
	.error = -ENOSPC,
};

/**
 * ferry_populate_device() - device pages for system pages, holes and zero pages
 * @request: the request, with @memory, @owner and @backend
 *
 * Context: mmap_lock held, pages locked; may reschedule; takes
 * ferry_memory.lock.
 * Return: 0, or -ENOSPC if at least one slot got no page, because the device is
 * full or a quota is used up. The other slots have destinations in both cases.
 */
int ferry_populate_device(const struct ferry_populate *request)
{
	return populate(request, &to_device);
}

/* To system memory --------------------------------------------------------- */

static __always_inline bool wanted_in_system(const struct ferry_populate *request,
					     unsigned long slot, struct page **from)
{
	const unsigned long wanted = MIGRATE_PFN_MIGRATE | MIGRATE_PFN_VALID;
	unsigned long src = request->src[slot];

	if ((src & wanted) != wanted)
		return false;
	*from = pfn_to_page(src >> MIGRATE_PFN_SHIFT);
	return true;
}

static bool has_policy(const struct ferry_populate *request)
{
#ifdef CONFIG_NUMA
	const struct vm_area_struct *vma = request->vma;

	if (current->mempolicy || (request->by_rmap && num_online_nodes() > 1))
		return true;
	return vma && (vma->vm_policy || (vma->vm_ops && vma->vm_ops->get_policy));
#else
	return false;
#endif
}

/* Returns the number of allocated pages; stops at the first failure. */
static unsigned long alloc_system_by_policy(const struct ferry_populate *request,
					    struct piece *piece)
{
	struct folio *folio;
	unsigned long i;

	for (i = 0; i < piece->n; i++) {
		if (request->vma)
			folio = ferry_vma_alloc_folio(request->gfp, request->vma, request->start +
						      piece->slot[i] * PAGE_SIZE);
		else if (request->by_rmap)
			folio = ferry_placement_alloc((struct folio *)piece->from[i], request->mm,
						      request->gfp);
		else
			folio = folio_alloc(request->gfp, 0);
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
static unsigned long alloc_in_bulk(const struct ferry_populate *request, struct piece *piece)
{
	unsigned long got = 0, before;

	memset(piece->to, 0, piece->n * sizeof(*piece->to));
	do {
		before = got;
		got = alloc_pages_bulk(request->gfp, piece->n, piece->to);
	} while (got > before && got < piece->n);
	return got;
}

static unsigned long alloc_system(const struct ferry_populate *request, struct piece *piece)
{
	return has_policy(request) ? alloc_system_by_policy(request, piece) :
				     alloc_in_bulk(request, piece);
}

static __always_inline void lock_system_page(struct page *page)
{
	__folio_set_locked((struct folio *)page);
}

static u8 why_no_system_page(const struct ferry_populate *request)
{
	return FERRY_NO_MEMORY;
}

static const struct direction to_system = {
	.is_wanted = wanted_in_system,
	.alloc = alloc_system,
	.init = lock_system_page,
	.copy = ferry_copy_from_device,
	.why_none = why_no_system_page,
	.error = -ENOMEM,
};

/**
 * ferry_populate_system() - system pages for device pages
 * @request: the request, with @gfp, and with @vma except in the pfn forms
 *
 * Context: pages locked; as @request->gfp.
 * Return: 0, or -ENOMEM if at least one slot got no page. The other slots have
 * destinations in both cases.
 */
int ferry_populate_system(const struct ferry_populate *request)
{
	return populate(request, &to_system);
}

/* To a node ---------------------------------------------------------------- */

/*
 * Without __GFP_THISNODE a page may come from another node than the wanted one.
 * A page of the source's own node is no use, and ends the list.
 */
static unsigned long alloc_on_node(const struct ferry_populate *request, struct piece *piece)
{
	unsigned long got = 0, before, useful;

	memset(piece->to, 0, piece->n * sizeof(*piece->to));
	do {
		before = got;
		got = alloc_pages_bulk_node(request->gfp, request->node, piece->n, piece->to);
	} while (got > before && got < piece->n);

	for (useful = 0; useful < got; useful++)
		if (page_to_nid(piece->to[useful]) != request->node &&
		    page_to_nid(piece->to[useful]) == page_to_nid(piece->from[useful]))
			break;
	while (got > useful)
		__free_page(piece->to[--got]);
	return useful;
}

/* Some filesystems copy their pages themselves. */
static void copy_to_node(struct page *const *to, struct page *const *from, unsigned long n)
{
	unsigned long i, first = 0;

	for (i = 0; i < n; i++) {
		if (likely(ferry_migrate_wants_copy(page_folio(from[i]))))
			continue;
		ferry_copy_from_device(to + first, from + first, i - first);
		first = i + 1;
	}
	ferry_copy_from_device(to + first, from + first, n - first);
}

static const struct direction to_node = {
	.is_wanted = wanted_in_system,
	.alloc = alloc_on_node,
	.init = lock_system_page,
	.copy = copy_to_node,
	.why_none = why_no_system_page,
	.error = -ENOMEM,
};

/**
 * ferry_populate_node() - pages of a NUMA node for pages of other nodes and of
 *	the device
 * @request: the request, with @gfp and @node
 *
 * Context: pages locked; as @request->gfp.
 * Return: 0, or -ENOMEM if at least one slot got no page. The other slots have
 * destinations in both cases.
 */
int ferry_populate_node(const struct ferry_populate *request)
{
	return populate(request, &to_node);
}

/**
 * ferry_populate_give_back() - give back the destination of a slot
 * @dst: slot of the engine's array of destinations; 0 afterwards
 *
 * Context: before the engine's pages().
 */
void ferry_populate_give_back(unsigned long *dst)
{
	struct page *page = migrate_pfn_to_page(*dst);

	if (!page)
		return;
	unlock_page(page);
	put_page(page);
	*dst = 0;
}
