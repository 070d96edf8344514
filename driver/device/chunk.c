// SPDX-License-Identifier: GPL-2.0-only
/*
 * A chunk of device memory: a piece of the physical address space with struct
 * pages (memremap_pages()), and the bytes behind them.
 *
 * Private (MEMORY_DEVICE_PRIVATE): the piece is an unused range that the kernel
 * found. Page tables can name the pages, and no CPU can access them. The
 * contents are in blocks of ordinary memory, allocated at creation of the
 * chunk. A migration therefore allocates no backing store, and device memory
 * ends only when the device is full.
 *
 * Coherent (MEMORY_DEVICE_COHERENT): the piece is RAM that was reserved at
 * boot. CPUs map the pages as any other page, and the pages hold their own
 * contents.
 *
 * Rejected: vmalloc for the backing store. vmalloc may take pages of another
 * node, and its page tables stay allocated after rmmod.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/ioport.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/slab.h>

#include "chunk.h"
#include "memory.h"

static_assert(FERRY_MEMORY_ALIGN % (PAGE_SIZE << FERRY_BLOCK_ORDER) == 0);
static_assert(FERRY_CHUNK_SIZE % FERRY_MEMORY_ALIGN == 0);

static void free_backing(struct ferry_chunk *chunk)
{
	unsigned long i;

	if (!chunk->backing)
		return;
	for (i = 0; i < chunk->npages / FERRY_BLOCK_PAGES && chunk->backing[i]; i++)
		__free_pages(chunk->backing[i], FERRY_BLOCK_ORDER);
	kvfree(chunk->backing);
}

/*
 * A MIGRATE may make a chunk again. MIGRATE is best effort and calls no OOM
 * killer.
 */
#define CHUNK_GFP	(GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

/*
 * Allocates on the chosen node, or fails. A placement test that silently
 * measures another node is worse than a test that does not start.
 */
static int alloc_backing(struct ferry_chunk *chunk, int node)
{
	gfp_t gfp = CHUNK_GFP;
	unsigned long i, nblocks = chunk->npages / FERRY_BLOCK_PAGES;

	if (node != NUMA_NO_NODE)
		gfp |= __GFP_THISNODE;
	chunk->backing = kvcalloc(nblocks, sizeof(*chunk->backing), CHUNK_GFP);
	if (!chunk->backing)
		return -ENOMEM;
	for (i = 0; i < nblocks; i++) {
		chunk->backing[i] = alloc_pages_node(node, gfp, FERRY_BLOCK_ORDER);
		if (!chunk->backing[i]) {
			free_backing(chunk);
			chunk->backing = NULL;
			return -ENOMEM;
		}
		cond_resched();
	}
	return 0;
}

static int place_private(struct ferry_chunk *chunk, u64 size)
{
	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE))
		return -EOPNOTSUPP;
	chunk->resource = request_free_mem_region(&iomem_resource, size, "ferry");
	if (IS_ERR(chunk->resource))
		return PTR_ERR(chunk->resource);
	chunk->pagemap.type = MEMORY_DEVICE_PRIVATE;
	chunk->pagemap.range.start = chunk->resource->start;
	return 0;
}

static void place_coherent(struct ferry_chunk *chunk, unsigned int index)
{
	chunk->pagemap.type = MEMORY_DEVICE_COHERENT;
	chunk->pagemap.range.start = chunk->memory->config.start +
				     (u64)index * FERRY_CHUNK_SIZE;
}

static void unplace(struct ferry_chunk *chunk)
{
	if (chunk->resource)
		release_mem_region(chunk->resource->start,
				   resource_size(chunk->resource));
}

/* The struct pages name the node of the bytes. */
static int page_node(const struct ferry_chunk *chunk)
{
	int node = chunk->memory->config.node;

	if (chunk->pagemap.type == MEMORY_DEVICE_COHERENT)
		node = phys_to_target_node(chunk->pagemap.range.start);
	return node == NUMA_NO_NODE ? numa_mem_id() : node;
}

/*
 * Pages for page tables and other allocations of memremap_pages(), beside the
 * struct pages.
 */
#define FERRY_MEMMAP_SLACK	16

/*
 * Checks that memory for the struct pages is available. Without memory x86's
 * add_pages(), called by memremap_pages(), warns as if the kernel had a fault.
 * Another task may take the memory after the check; the machine is then in
 * worse trouble.
 */
static int find_memmap(unsigned long npages, int node)
{
	unsigned long n = DIV_ROUND_UP(npages * sizeof(struct page), PAGE_SIZE);
	struct page *page, *next;
	LIST_HEAD(pages);
	int ret = 0;

	for (n += FERRY_MEMMAP_SLACK; n && !ret; n--) {
		page = alloc_pages_node(node, GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL, 0);
		if (page)
			list_add(&page->lru, &pages);
		else
			ret = -ENOMEM;
	}
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
	return ret;
}

static int map_chunk(struct ferry_chunk *chunk, unsigned int index)
{
	u64 size = (u64)chunk->npages << PAGE_SHIFT;
	unsigned long i;
	void *address;
	int ret;

	if (chunk->memory->config.kind == FERRY_MEMORY_COHERENT) {
		place_coherent(chunk, index);
	} else {
		ret = place_private(chunk, size);
		if (ret)
			return ret;
	}
	chunk->pagemap.range.end = chunk->pagemap.range.start + size - 1;
	chunk->pagemap.nr_range = 1;
	chunk->pagemap.ops = &chunk->memory->ops;
	chunk->pagemap.owner = chunk->memory->pgmap_owner;
	ret = find_memmap(chunk->npages, page_node(chunk));
	if (ret) {
		unplace(chunk);
		return ret;
	}
	address = memremap_pages(&chunk->pagemap, page_node(chunk));
	if (IS_ERR(address)) {
		unplace(chunk);
		return PTR_ERR(address);
	}

	chunk->first_pfn = PHYS_PFN(chunk->pagemap.range.start);
	for (i = 0; i < chunk->npages; i++)
		pfn_to_page(chunk->first_pfn + i)->zone_device_data = &chunk->pages[i];
	return 0;
}

/**
 * ferry_chunk_create() - make one chunk of a device's memory
 * @memory: memory of the device, with config, npages, ops and pgmap_owner set
 * @index: index of the chunk, from 0
 *
 * Context: sleeps.
 * Return: the chunk, or an ERR_PTR(): -ENOMEM without memory for the backing
 * store, the metadata or the struct pages, -EOPNOTSUPP for private memory on a
 * kernel without CONFIG_DEVICE_PRIVATE, or an error of
 * request_free_mem_region() or memremap_pages(), for example without room in
 * the physical address space.
 */
struct ferry_chunk *ferry_chunk_create(struct ferry_memory *memory,
				       unsigned int index)
{
	struct ferry_chunk *chunk;
	int ret = -ENOMEM;

	chunk = kzalloc(sizeof(*chunk), CHUNK_GFP);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	chunk->memory = memory;
	chunk->first = index * FERRY_CHUNK_PAGES;
	chunk->npages = min(FERRY_CHUNK_PAGES, memory->npages - chunk->first);

	chunk->pages = kvcalloc(chunk->npages, sizeof(*chunk->pages), CHUNK_GFP);
	if (!chunk->pages)
		goto err_free_chunk;
	chunk->used = bitmap_zalloc(chunk->npages, CHUNK_GFP);
	if (!chunk->used)
		goto err_free_pages;
	if (memory->config.kind == FERRY_MEMORY_PRIVATE) {
		ret = alloc_backing(chunk, memory->config.node);
		if (ret)
			goto err_free_used;
	}
	ret = map_chunk(chunk, index);
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
 * ferry_chunk_destroy() - undo ferry_chunk_create()
 * @chunk: chunk without a page that is handed out or in an eviction
 *
 * Context: sleeps until the last put of each page has ended.
 */
void ferry_chunk_destroy(struct ferry_chunk *chunk)
{
	memunmap_pages(&chunk->pagemap);
	WARN_ON_ONCE(atomic_long_read(&chunk->nheld));
	unplace(chunk);
	free_backing(chunk);
	bitmap_free(chunk->used);
	kvfree(chunk->pages);
	kfree(chunk);
}

/**
 * ferry_chunk_address() - address of the contents of a page
 * @chunk: chunk of the page
 * @i: index of the page in @chunk
 *
 * Context: any.
 * Return: kernel address of PAGE_SIZE bytes, valid as long as @chunk.
 */
void *ferry_chunk_address(const struct ferry_chunk *chunk, unsigned long i)
{
	if (!chunk->backing)
		return page_address(pfn_to_page(chunk->first_pfn + i));
	return page_address(chunk->backing[i / FERRY_BLOCK_PAGES]) +
	       (i % FERRY_BLOCK_PAGES) * PAGE_SIZE;
}
