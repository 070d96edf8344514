// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chunks of a device's memory, from the making of the device to its end.
 *
 * Chunks can be taken away while the device is in use (unplug): no page is handed
 * out any more, the caller brings home what is there, and the chunks that have
 * become empty go. They come back with the next ferry_memory_plug(). The array of
 * chunks changes under chunks_lock and memory->lock together, so either is enough
 * to read it; chunks_lock is also held from evict_begin to evict_end, when pages
 * that may have been freed are looked at by pfn: their struct pages must stay. A
 * page that is mapped or referenced keeps its chunk by being handed out.
 * Whoever finds a page in a page table without the page-table lock and without a
 * reference (snapshot.c) does so in an RCU read section. Two grace periods keep its
 * struct page: zap_pte_range() puts a page before it clears the entry, both under the
 * page-table lock, which is an RCU read section too; so after the first
 * (synchronize_rcu(), once the chunk is empty) no page table names a page of it, and
 * after the second (in memunmap_pages(), by percpu_ref_kill()) nobody looks at one
 * that was named before.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "chunk.h"
#include "coherent.h"
#include "memory.h"

static void set_chunk(struct ferry_memory *memory, unsigned int index,
		      struct ferry_chunk *chunk)
{
	lockdep_assert_held(&memory->chunks_lock);

	spin_lock(&memory->lock);
	memory->chunks[index] = chunk;
	memory->nplugged += chunk ? 1 : -1;
	spin_unlock(&memory->lock);
}

static bool is_empty(struct ferry_chunk *chunk)
{
	bool empty;

	spin_lock(&chunk->memory->lock);
	empty = bitmap_empty(chunk->used, chunk->npages);
	spin_unlock(&chunk->memory->lock);
	return empty;
}

/**
 * ferry_memory_unplug_begin() - hand out no more pages
 * @memory: of which device; it looks full from now on
 *
 * The caller brings the pages home (ferry_memory_evict_begin() with no owner), and
 * calls ferry_memory_unplug_end().
 */
void ferry_memory_unplug_begin(struct ferry_memory *memory)
{
	spin_lock(&memory->lock);
	memory->unplugging++;
	spin_unlock(&memory->lock);
}

/* Returns -EBUSY if there is one that is not empty. */
static int take_empty(struct ferry_memory *memory, struct ferry_chunk **gone)
{
	struct ferry_chunk *chunk;
	unsigned int c;
	int ret = 0;

	for (c = 0; c < memory->nchunks; c++) {
		chunk = memory->chunks[c];
		if (!chunk)
			continue;
		if (!is_empty(chunk)) {
			ret = -EBUSY;
			continue;
		}
		set_chunk(memory, c, NULL);
		chunk->next_gone = *gone;
		*gone = chunk;
	}
	return ret;
}

static void destroy_all(struct ferry_chunk *chunk)
{
	struct ferry_chunk *next;

	for (; chunk; chunk = next) {
		next = chunk->next_gone;
		ferry_chunk_destroy(chunk);
	}
}

/**
 * ferry_memory_unplug_end() - take away the chunks that are empty
 * @memory: of which device
 *
 * As long as nothing is handed out an empty chunk stays empty, so that looking and
 * taking need not be one step. The others serve on.
 *
 * Context: sleeps.
 * Return: 0, or -EBUSY if a chunk had to stay.
 */
int ferry_memory_unplug_end(struct ferry_memory *memory)
{
	struct ferry_chunk *gone = NULL;
	int ret;

	mutex_lock(&memory->chunks_lock);
	ret = take_empty(memory, &gone);
	if (gone)
		synchronize_rcu();
	destroy_all(gone);
	spin_lock(&memory->lock);
	memory->unplugging--;
	spin_unlock(&memory->lock);
	mutex_unlock(&memory->chunks_lock);
	return ret;
}

static int plug_chunks(struct ferry_memory *memory)
{
	struct ferry_chunk *chunk;
	unsigned int c;

	lockdep_assert_held(&memory->chunks_lock);

	for (c = 0; c < memory->nchunks; c++) {
		if (memory->chunks[c])
			continue;
		chunk = ferry_chunk_create(memory, c);
		if (IS_ERR(chunk))
			return PTR_ERR(chunk);
		set_chunk(memory, c, chunk);
	}
	return 0;
}

/**
 * ferry_memory_plug() - bring back what was unplugged
 * @memory: of which device
 *
 * While somebody is at unplugging, nothing is brought back: the device looks full.
 *
 * Context: sleeps.
 * Return: 0 if there is any chunk now; else -EINTR for a process that is being
 * killed, or an error of ferry_chunk_create().
 */
int ferry_memory_plug(struct ferry_memory *memory)
{
	int ret = 0;

	if (READ_ONCE(memory->nplugged) == memory->nchunks)
		return 0;
	if (mutex_lock_killable(&memory->chunks_lock))
		return -EINTR;
	if (!READ_ONCE(memory->unplugging))
		ret = plug_chunks(memory);
	if (memory->nplugged)
		ret = 0;
	mutex_unlock(&memory->chunks_lock);
	return ret;
}

/* Construction -------------------------------------------------------------- */

static int fill_memory(struct ferry_memory *memory)
{
	struct resource *claim;
	int ret;

	if (memory->config.kind == FERRY_MEMORY_COHERENT) {
		claim = ferry_coherent_claim(memory->config.start,
					     memory->config.memory_size);
		if (IS_ERR(claim))
			return PTR_ERR(claim);
		memory->claim = claim;
	}
	mutex_lock(&memory->chunks_lock);
	ret = plug_chunks(memory);
	mutex_unlock(&memory->chunks_lock);
	return ret;
}

/**
 * ferry_memory_create() - make a device's memory
 * @config: its kind, size and place
 * @pgmap_owner: what migrate_vma and HMM know the device by
 * @migrate_to_ram: called when a CPU touches a private device page
 *
 * Return: the memory; ERR_PTR(-ENOMEM) if the backing store could not be had,
 * ERR_PTR(-ENXIO) if there is no free RAM at config->start, another error if there
 * is no room in the physical address space.
 */
struct ferry_memory *
ferry_memory_create(const struct ferry_device_config *config, void *pgmap_owner,
		    vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf))
{
	struct ferry_memory *memory;
	int ret;

	memory = kzalloc(sizeof(*memory), GFP_KERNEL);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	mutex_init(&memory->chunks_lock);
	spin_lock_init(&memory->lock);
	memory->config = *config;
	memory->npages = config->memory_size >> PAGE_SHIFT;
	memory->nchunks = DIV_ROUND_UP(memory->npages, FERRY_CHUNK_PAGES);
	memory->ops.page_free = ferry_memory_page_free;
	memory->ops.migrate_to_ram = migrate_to_ram;
	memory->pgmap_owner = pgmap_owner;
	memory->chunks = kcalloc(memory->nchunks, sizeof(*memory->chunks), GFP_KERNEL);
	if (!memory->chunks) {
		ferry_memory_destroy(memory);
		return ERR_PTR(-ENOMEM);
	}
	ret = fill_memory(memory);
	if (ret) {
		ferry_memory_destroy(memory);
		return ERR_PTR(ret);
	}
	return memory;
}

/**
 * ferry_memory_destroy() - the reverse of ferry_memory_create()
 * @memory: with no page handed out
 */
void ferry_memory_destroy(struct ferry_memory *memory)
{
	unsigned int c;

	for (c = 0; c < memory->nchunks && memory->chunks; c++)
		if (memory->chunks[c])
			ferry_chunk_destroy(memory->chunks[c]);
	if (memory->claim)
		ferry_coherent_unclaim(memory->claim);
	kfree(memory->chunks);
	mutex_destroy(&memory->chunks_lock);
	kfree(memory);
}
