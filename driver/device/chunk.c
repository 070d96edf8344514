// SPDX-License-Identifier: GPL-2.0-only
/*
 * What device memory is made of: a piece of the physical address space that has
 * struct pages (memremap_pages()), and the bytes behind them.
 *
 * Private (MEMORY_DEVICE_PRIVATE): the piece is a hole that the kernel found; it
 * can name the pages in page tables and no CPU can reach them. Their contents are
 * in blocks of ordinary memory, allocated here, so that a full device is the only
 * way to run out of device memory and nothing is allocated on the way of a
 * migration.
 *
 * Coherent (MEMORY_DEVICE_COHERENT): the piece is RAM that was kept aside; the
 * pages are mapped by the CPU as any other and are their own contents.
 *
 * Rejected: vmalloc for the backing store (it may take pages of another node, and
 * its page tables stay allocated after rmmod).
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

/* A chunk comes back for a MIGRATE, which is best effort: nobody is killed for it. */
#define CHUNK_GFP	(GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

/*
 * Of the chosen node or not at all: a test of placement that silently measures
 * another node is worse than one that does not start.
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

/* The node that the struct pages name: where the bytes are. */
static int page_node(const struct ferry_chunk *chunk)
{
	int node = chunk->memory->config.node;

	if (chunk->pagemap.type == MEMORY_DEVICE_COHERENT)
		node = phys_to_target_node(chunk->pagemap.range.start);
	return node == NUMA_NO_NODE ? numa_mem_id() : node;
}

/* Page tables and the like, beside the struct pages. */
#define FERRY_MEMMAP_SLACK	16

/*
 * Is there memory for the struct pages? x86's add_pages(), below memremap_pages(), warns
 * where there is none, as if the kernel had a fault. Others may take it between here and
 * there, but then the machine is in worse trouble.
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
 * @memory: its config, ops and pgmap_owner are set
 * @index: which
 *
 * Context: sleeps.
 * Return: the chunk; ERR_PTR(-ENOMEM) if the backing store could not be had,
 * another error if there is no room in the physical address space.
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
 * ferry_chunk_destroy() - the reverse of ferry_chunk_create()
 * @chunk: with no page handed out
 *
 * Context: sleeps, until whoever still puts the last page has done so.
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
 * ferry_chunk_address() - where the contents of a page are
 * @chunk: of the page
 * @i: which
 *
 * Return: kernel address of PAGE_SIZE bytes, valid as long as the chunk.
 */
void *ferry_chunk_address(const struct ferry_chunk *chunk, unsigned long i)
{
	if (!chunk->backing)
		return page_address(pfn_to_page(chunk->first_pfn + i));
	return page_address(chunk->backing[i / FERRY_BLOCK_PAGES]) +
	       (i % FERRY_BLOCK_PAGES) * PAGE_SIZE;
}
