// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's memory: struct pages without memory behind them, a backing store
 * that stands for the memory chips, and the pool that hands pages out.
 *
 * Pages come from memremap_pages() over a free region of the physical address
 * space (MEMORY_DEVICE_PRIVATE): the kernel can name them in page tables and no
 * CPU can reach them. Their contents are in blocks of ordinary memory, allocated
 * when the device is made, so that a full device is the only way to run out of
 * device memory and nothing is allocated on the way of a migration.
 *
 * A page that is handed out holds what its last user left there. Whoever asks
 * for one overwrites it whole, by a copy or by ferry_copy_clear(), before the
 * page is installed anywhere; a page that is not installed goes back unread.
 *
 * Who owns what: a free page has no reference and belongs to the pool. A page
 * handed out by ferry_memory_alloc() is the caller's, still without reference;
 * zone_device_page_init() makes it live (one reference, locked), from then on the
 * kernel counts, and the last put, wherever that is, comes back through
 * page_free(). A live page holds its pgmap, so memunmap_pages() waits for it.
 *
 * Each page remembers the ferry_owner it was handed out to, under the pool's
 * lock. That is how a mirror finds its pages by pfn, wherever mremap() and
 * fork() have taken them. An owner that goes away leaves what it could not bring
 * home to memory->orphans; while there is an orphan the module stays.
 *
 * Rejected: a list of pages in each owner (two more pointers a page, to find in
 * order what a scan of the metadata finds in order too), and vmalloc for the
 * backing store (it may take pages of another node, and its page tables stay
 * allocated after rmmod).
 */
#include <linux/bitmap.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "memory.h"

#define FERRY_BLOCK_ORDER	(PMD_SHIFT - PAGE_SHIFT)
#define FERRY_BLOCK_PAGES	BIT(FERRY_BLOCK_ORDER)

static_assert(FERRY_MEMORY_ALIGN % (PAGE_SIZE << FERRY_BLOCK_ORDER) == 0);

static struct ferry_chunk *page_chunk(const struct page *page)
{
	return container_of(page->pgmap, struct ferry_chunk, pagemap);
}

static struct ferry_page *page_meta(const struct page *page)
{
	return page->zone_device_data;
}

static unsigned long page_index(const struct ferry_chunk *chunk,
				const struct page *page)
{
	return page_to_pfn(page) - chunk->first_pfn;
}

/* The pool ---------------------------------------------------------------- */

static unsigned long take_run(struct ferry_chunk *chunk, struct ferry_owner *owner,
			      unsigned long n, struct page **pages)
{
	unsigned long first, end, i;

	lockdep_assert_held(&chunk->memory->lock);

	first = find_next_zero_bit(chunk->used, chunk->npages, chunk->next_free);
	if (first == chunk->npages) {
		chunk->next_free = first;
		return 0;
	}
	end = find_next_bit(chunk->used, min(chunk->npages, first + n), first);

	bitmap_set(chunk->used, first, end - first);
	chunk->next_free = end;
	for (i = first; i < end; i++) {
		chunk->pages[i].owner = owner;
		*pages++ = pfn_to_page(chunk->first_pfn + i);
	}
	return end - first;
}

/**
 * ferry_memory_alloc() - hand out device pages
 * @memory: of which device
 * @owner: to whom
 * @n: how many are wanted
 * @pages: room for @n; filled in runs of consecutive pfns
 *
 * The pages have no reference yet and hold stale data: the caller overwrites or
 * clears each, and either passes it through zone_device_page_init() or gives it
 * back with ferry_memory_free().
 *
 * Context: any.
 * Return: how many there were, 0 to @n.
 */
unsigned long ferry_memory_alloc(struct ferry_memory *memory,
				 struct ferry_owner *owner, unsigned long n,
				 struct page **pages)
{
	unsigned long got = 0, run, flags;
	unsigned int i;

	spin_lock_irqsave(&memory->lock, flags);
	for (i = 0; i < memory->nchunks && got < n; i++) {
		do {
			run = take_run(memory->chunks[i], owner, n - got, pages + got);
			got += run;
		} while (run && got < n);
	}
	memory->nused += got;
	owner->held += got;
	spin_unlock_irqrestore(&memory->lock, flags);
	return got;
}

static void make_free(struct ferry_chunk *chunk, unsigned long i)
{
	lockdep_assert_held(&chunk->memory->lock);

	__clear_bit(i, chunk->used);
	chunk->next_free = min(chunk->next_free, i);
}

static void give_back(struct ferry_memory *memory, struct page *page)
{
	struct ferry_chunk *chunk = page_chunk(page);
	unsigned long i = page_index(chunk, page);
	struct ferry_owner *owner = chunk->pages[i].owner;

	lockdep_assert_held(&memory->lock);

	chunk->pages[i].owner = NULL;
	memory->nused--;
	if (!test_bit(FERRY_PAGE_EVICTING, &chunk->pages[i].flags))
		make_free(chunk, i);
	/* The reference was taken for the first orphan: see disown_chunk(). */
	if (!--owner->held && owner == &memory->orphans)
		module_put(THIS_MODULE);
}

/**
 * ferry_memory_free() - take back pages that were never made live
 * @memory: of which device
 * @pages: from ferry_memory_alloc()
 * @n: how many
 *
 * Context: any.
 */
void ferry_memory_free(struct ferry_memory *memory, struct page **pages,
		       unsigned long n)
{
	unsigned long flags;

	spin_lock_irqsave(&memory->lock, flags);
	while (n--)
		give_back(memory, *pages++);
	spin_unlock_irqrestore(&memory->lock, flags);
}

/*
 * The flags that a life as anonymous memory leaves behind are cleared here, as
 * free_pages_prepare() does for system pages; free_zone_device_folio() does not.
 * The next user would inherit a dirty bit, find a lazily freed page swap-backed,
 * or meet a BUG over a page that is active and unevictable. munlock() passes over
 * device pages, so that one may still count as mlocked.
 */
static void clear_flags(struct folio *folio)
{
	if (folio_test_clear_mlocked(folio))
		zone_stat_mod_folio(folio, NR_MLOCK, -1);
	folio_clear_unevictable(folio);
	folio_clear_dirty(folio);
	folio_clear_uptodate(folio);
	folio_clear_swapbacked(folio);
	folio_clear_referenced(folio);
	folio_clear_workingset(folio);
	folio_clear_active(folio);
	folio_clear_checked(folio);
	folio_clear_mappedtodisk(folio);
}

/* The last reference is gone. */
static void page_free(struct page *page)
{
	struct ferry_memory *memory = page_chunk(page)->memory;
	struct folio *folio = page_folio(page);
	unsigned long flags;

	clear_flags(folio);
	spin_lock_irqsave(&memory->lock, flags);
	give_back(memory, page);
	spin_unlock_irqrestore(&memory->lock, flags);
}

/**
 * ferry_memory_used() - how much of a device is taken
 * @memory: of which device
 *
 * Return: pages handed out.
 */
unsigned long ferry_memory_used(struct ferry_memory *memory)
{
	return READ_ONCE(memory->nused);
}

static void disown_chunk(struct ferry_chunk *chunk, struct ferry_owner *owner)
{
	struct ferry_owner *orphans = &chunk->memory->orphans;
	unsigned long i, flags;

	spin_lock_irqsave(&chunk->memory->lock, flags);
	for_each_set_bit(i, chunk->used, owner->held ? chunk->npages : 0) {
		if (chunk->pages[i].owner != owner)
			continue;
		chunk->pages[i].owner = orphans;
		owner->held--;
		if (!orphans->held++)
			__module_get(THIS_MODULE);
	}
	spin_unlock_irqrestore(&chunk->memory->lock, flags);
}

/**
 * ferry_memory_disown() - forget an owner
 * @memory: of which device
 * @owner: to whom nothing is handed out any more, and which is gone when this
 *	returns; pages it still has become orphans
 *
 * The module stays loaded as long as there are orphans.
 */
void ferry_memory_disown(struct ferry_memory *memory, struct ferry_owner *owner)
{
	unsigned int c;

	for (c = 0; c < memory->nchunks; c++)
		disown_chunk(memory->chunks[c], owner);
}

/* A chunk at a time: interrupts are off meanwhile. */
static unsigned long evict_run(struct ferry_chunk *chunk,
			       const struct ferry_owner *owner,
			       unsigned long *first, unsigned long max)
{
	unsigned long n, flags;

	spin_lock_irqsave(&chunk->memory->lock, flags);
	if (!owner->held)
		*first = chunk->npages;
	for_each_set_bit_from(*first, chunk->used, chunk->npages)
		if (chunk->pages[*first].owner == owner)
			break;
	*first = min(*first, chunk->npages);
	for (n = 0; n < max && *first + n < chunk->npages; n++) {
		if (chunk->pages[*first + n].owner != owner)
			break;
		set_bit(FERRY_PAGE_EVICTING, &chunk->pages[*first + n].flags);
	}
	spin_unlock_irqrestore(&chunk->memory->lock, flags);
	return n;
}

/**
 * ferry_memory_evict_begin() - find an owner's pages, to migrate them by pfn
 * @memory: of which device
 * @owner: whose; not NULL. One caller at a time for an owner
 * @cursor: where to go on; 0 at first
 * @max: pages at most
 * @pfn: the first page of the run that was found
 *
 * The pages may be freed at any time, but are not handed out anew before
 * ferry_memory_evict_end(): a page of the run is what it was, or it is free.
 *
 * Return: length of the run of consecutive pfns, 0 when there are no more.
 */
unsigned long ferry_memory_evict_begin(struct ferry_memory *memory,
				       const struct ferry_owner *owner,
				       unsigned long *cursor, unsigned long max,
				       unsigned long *pfn)
{
	unsigned long base = 0, n;
	unsigned int c;

	for (c = 0; c < memory->nchunks; base += memory->chunks[c++]->npages) {
		struct ferry_chunk *chunk = memory->chunks[c];

		if (*cursor >= base + chunk->npages)
			continue;
		*cursor = max(*cursor, base) - base;
		n = evict_run(chunk, owner, cursor, max);
		*pfn = chunk->first_pfn + *cursor;
		*cursor += base + n;
		if (n)
			return n;
	}
	return 0;
}

/**
 * ferry_memory_evict_end() - let a run be handed out again
 * @memory: of which device
 * @pfn: from ferry_memory_evict_begin()
 * @n: what that returned
 */
void ferry_memory_evict_end(struct ferry_memory *memory, unsigned long pfn,
			    unsigned long n)
{
	struct ferry_chunk *chunk = page_chunk(pfn_to_page(pfn));
	unsigned long i = pfn - chunk->first_pfn;
	unsigned long flags;

	spin_lock_irqsave(&memory->lock, flags);
	for (; n--; i++) {
		clear_bit(FERRY_PAGE_EVICTING, &chunk->pages[i].flags);
		if (!chunk->pages[i].owner)
			make_free(chunk, i);
	}
	spin_unlock_irqrestore(&memory->lock, flags);
}

/* One page ------------------------------------------------------------------ */

/**
 * ferry_memory_owns() - is this a page of some Ferry device
 * @page: any page with a reference, or named by a page table that is held
 *
 * Return: true if ferry_memory_address() may be asked.
 */
bool ferry_memory_owns(const struct page *page)
{
	return is_zone_device_page(page) && page->pgmap->ops &&
	       page->pgmap->ops->page_free == page_free;
}

/**
 * ferry_memory_address() - where the contents of a device page are
 * @page: of a Ferry device
 *
 * Return: kernel address of PAGE_SIZE bytes, valid as long as the device.
 */
void *ferry_memory_address(const struct page *page)
{
	struct ferry_chunk *chunk = page_chunk(page);
	unsigned long i = page_index(chunk, page);

	return page_address(chunk->backing[i / FERRY_BLOCK_PAGES]) +
	       (i % FERRY_BLOCK_PAGES) * PAGE_SIZE;
}

/**
 * ferry_memory_fault_begin() - compete for bringing a page home
 * @page: a device page with a reference
 *
 * Return: true for the one winner, which ends with ferry_memory_fault_end().
 */
bool ferry_memory_fault_begin(struct page *page)
{
	struct ferry_memory *memory = page_chunk(page)->memory;
	struct ferry_page *meta = page_meta(page);
	unsigned long flags;

	if (!test_and_set_bit_lock(FERRY_PAGE_COMING_HOME, &meta->flags))
		return true;

	spin_lock_irqsave(&memory->lock, flags);
	if (meta->owner)
		meta->owner->cpu_fault_races++;
	spin_unlock_irqrestore(&memory->lock, flags);
	return false;
}

/**
 * ferry_memory_fault_end() - the winner is done
 * @page: the page, still with a reference
 * @came_home: whether its data is in system memory now
 */
void ferry_memory_fault_end(struct page *page, bool came_home)
{
	struct ferry_memory *memory = page_chunk(page)->memory;
	struct ferry_page *meta = page_meta(page);
	unsigned long flags;

	spin_lock_irqsave(&memory->lock, flags);
	if (came_home && meta->owner)
		meta->owner->cpu_faults++;
	spin_unlock_irqrestore(&memory->lock, flags);
	clear_bit_unlock(FERRY_PAGE_COMING_HOME, &meta->flags);
}

/* Construction -------------------------------------------------------------- */

static void free_backing(struct ferry_chunk *chunk)
{
	unsigned long i;

	for (i = 0; i < chunk->npages / FERRY_BLOCK_PAGES && chunk->backing[i]; i++)
		__free_pages(chunk->backing[i], FERRY_BLOCK_ORDER);
	kvfree(chunk->backing);
}

/*
 * Of the chosen node or not at all: a test of placement that silently measures
 * another node is worse than one that does not start.
 */
static int alloc_backing(struct ferry_chunk *chunk, int node)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	unsigned long i, nblocks = chunk->npages / FERRY_BLOCK_PAGES;

	if (node != NUMA_NO_NODE)
		gfp |= __GFP_THISNODE;
	chunk->backing = kvcalloc(nblocks, sizeof(*chunk->backing), GFP_KERNEL);
	if (!chunk->backing)
		return -ENOMEM;
	for (i = 0; i < nblocks; i++) {
		chunk->backing[i] = alloc_pages_node(node, gfp, FERRY_BLOCK_ORDER);
		if (!chunk->backing[i]) {
			free_backing(chunk);
			return -ENOMEM;
		}
		cond_resched();
	}
	return 0;
}

static int map_chunk(struct ferry_chunk *chunk, int node, void *pgmap_owner)
{
	unsigned long size = chunk->npages << PAGE_SHIFT;
	unsigned long i;
	void *ret;

	chunk->resource = request_free_mem_region(&iomem_resource, size, "ferry");
	if (IS_ERR(chunk->resource))
		return PTR_ERR(chunk->resource);

	chunk->pagemap.type = MEMORY_DEVICE_PRIVATE;
	chunk->pagemap.range.start = chunk->resource->start;
	chunk->pagemap.range.end = chunk->resource->start + size - 1;
	chunk->pagemap.nr_range = 1;
	chunk->pagemap.ops = &chunk->memory->ops;
	chunk->pagemap.owner = pgmap_owner;
	ret = memremap_pages(&chunk->pagemap,
			     node == NUMA_NO_NODE ? numa_mem_id() : node);
	if (IS_ERR(ret)) {
		release_mem_region(chunk->resource->start,
				   resource_size(chunk->resource));
		return PTR_ERR(ret);
	}

	chunk->first_pfn = PHYS_PFN(chunk->pagemap.range.start);
	for (i = 0; i < chunk->npages; i++)
		pfn_to_page(chunk->first_pfn + i)->zone_device_data = &chunk->pages[i];
	return 0;
}

static void destroy_chunk(struct ferry_chunk *chunk)
{
	memunmap_pages(&chunk->pagemap);
	release_mem_region(chunk->resource->start, resource_size(chunk->resource));
	free_backing(chunk);
	bitmap_free(chunk->used);
	kvfree(chunk->pages);
	kfree(chunk);
}

static struct ferry_chunk *create_chunk(struct ferry_memory *memory,
					unsigned long npages, int node,
					void *pgmap_owner)
{
	struct ferry_chunk *chunk;
	int ret = -ENOMEM;

	chunk = kzalloc(sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	chunk->memory = memory;
	chunk->npages = npages;

	chunk->pages = kvcalloc(npages, sizeof(*chunk->pages), GFP_KERNEL);
	if (!chunk->pages)
		goto err_free_chunk;
	chunk->used = bitmap_zalloc(npages, GFP_KERNEL);
	if (!chunk->used)
		goto err_free_pages;
	ret = alloc_backing(chunk, node);
	if (ret)
		goto err_free_used;
	ret = map_chunk(chunk, node, pgmap_owner);
	if (ret)
		goto err_free_backing;
	return chunk;

err_free_backing:
	free_backing(chunk);
err_free_used:
	bitmap_free(chunk->used);
err_free_pages:
	kvfree(chunk->pages);
err_free_chunk:
	kfree(chunk);
	return ERR_PTR(ret);
}

/**
 * ferry_memory_create() - make a device's memory
 * @config: its size and node
 * @pgmap_owner: what migrate_vma and HMM know the device by
 * @migrate_to_ram: called when a CPU touches a device page
 *
 * Return: the memory; ERR_PTR(-ENOMEM) if the backing store could not be had,
 * another error if there is no room in the physical address space.
 */
struct ferry_memory *
ferry_memory_create(const struct ferry_device_config *config, void *pgmap_owner,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf))
{
	unsigned int n = DIV_ROUND_UP_ULL(config->memory_size, FERRY_CHUNK_SIZE);
	struct ferry_memory *memory;
	struct ferry_chunk *chunk;
	unsigned long npages;

	memory = kzalloc(sizeof(*memory), GFP_KERNEL);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&memory->lock);
	memory->ops.page_free = page_free;
	memory->ops.migrate_to_ram = migrate_to_ram;
	memory->chunks = kcalloc(n, sizeof(*memory->chunks), GFP_KERNEL);
	if (!memory->chunks) {
		kfree(memory);
		return ERR_PTR(-ENOMEM);
	}

	while (memory->nchunks < n) {
		npages = min_t(u64, FERRY_CHUNK_SIZE >> PAGE_SHIFT,
			       (config->memory_size >> PAGE_SHIFT) - memory->npages);
		chunk = create_chunk(memory, npages, config->node, pgmap_owner);
		if (IS_ERR(chunk)) {
			ferry_memory_destroy(memory);
			return ERR_CAST(chunk);
		}
		memory->chunks[memory->nchunks++] = chunk;
		memory->npages += npages;
	}
	return memory;
}

/**
 * ferry_memory_destroy() - the reverse of ferry_memory_create()
 * @memory: with no page handed out
 */
void ferry_memory_destroy(struct ferry_memory *memory)
{
	WARN_ON_ONCE(memory->nused);
	while (memory->nchunks)
		destroy_chunk(memory->chunks[--memory->nchunks]);
	kfree(memory->chunks);
	kfree(memory);
}
