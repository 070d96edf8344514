// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chunks of a device's memory, from the making of the device to its end.
 *
 * Chunks can be taken away while the device is in use (unplug): no page is handed
 * out any more, the caller brings home what is there, and the chunks that have
 * become empty go. They come back with the next ferry_memory_plug(). The array of
 * chunks changes under memory->lock, a spinlock that is held for the change alone. No
 * lock is held over what takes time: bringing pages home, making a chunk, destroying it.
 *
 * What keeps a chunk:
 *   a page of it that is handed out, or that an eviction has (FERRY_PAGE_EVICTING), for
 *     its bit in chunk->used is set, and a chunk with a bit set is not taken away. An
 *     eviction looks for pages in an RCU read section and without the lock. Where it
 *     gets a page, the page was handed out at that moment, and is not given back to the
 *     pool before evict_end. So if take_empty() found the chunk empty, that was before
 *     the page was handed out or after evict_end. Not before: between unplug_begin and
 *     unplug_end nothing is handed out. The memory that it looks at (chunk->pages,
 *     chunk->used) stays for the grace period (synchronize_rcu())
 *   an RCU read section of somebody who finds a page in a page table without the page-
 *     table lock and without a reference (snapshot.c). Two grace periods keep its struct
 *     page: zap_pte_range() puts a page before it clears the entry, both under the page-
 *     table lock, which is an RCU read section too; so after the first
 *     (synchronize_rcu(), once the chunk is empty) no page table names a page of it, and
 *     after the second (in memunmap_pages(), by percpu_ref_kill()) nobody looks at one
 *     that was named before.
 *
 * A chunk's place must be free before another one is made there. Making is done by one
 * work item of the device, so that there is one maker at a time, which is neither slow
 * because of its caller's scheduling class nor stops if the caller is killed. It begins
 * a chunk only while nobody unplugs; what unplugs takes away only chunks that are there.
 * So the maker's place stays empty meanwhile, and a chunk that is being destroyed, before
 * unplug_end, has no maker. Those that want memory wait for the work and can be killed.
 *
 * Rejected: a mutex around all this. Everybody's migration would wait for whoever has
 * it, to allocate memory or, with SCHED_IDLE, to run at all.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "chunk.h"
#include "coherent.h"
#include "memory.h"

static void set_chunk(struct ferry_memory *memory, unsigned int index,
		      struct ferry_chunk *chunk)
{
	lockdep_assert_held(&memory->lock);

	/* What is in it can be seen by whoever sees it (find_run()). */
	smp_store_release(&memory->chunks[index], chunk);
	memory->nplugged += chunk ? 1 : -1;
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

/* False for one that is not empty. */
static bool take_if_empty(struct ferry_memory *memory, unsigned int index,
			  struct ferry_chunk **gone)
{
	struct ferry_chunk *chunk;
	bool is_busy = false;

	spin_lock(&memory->lock);
	chunk = memory->chunks[index];
	if (chunk) {
		is_busy = !bitmap_empty(chunk->used, chunk->npages);
		if (!is_busy) {
			set_chunk(memory, index, NULL);
			chunk->next_gone = *gone;
			*gone = chunk;
		}
	}
	spin_unlock(&memory->lock);
	return !is_busy;
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
 * The others serve on.
 *
 * Context: sleeps.
 * Return: 0, or -EBUSY if a chunk had to stay.
 */
int ferry_memory_unplug_end(struct ferry_memory *memory)
{
	struct ferry_chunk *gone = NULL;
	unsigned int c;
	int ret = 0;

	for (c = 0; c < memory->nchunks; c++)
		if (!take_if_empty(memory, c, &gone))
			ret = -EBUSY;
	if (gone)
		synchronize_rcu();
	destroy_all(gone);
	spin_lock(&memory->lock);
	memory->unplugging--;
	spin_unlock(&memory->lock);
	return ret;
}

/* Nobody unplugs, and there is none. */
static bool may_plug(struct ferry_memory *memory, unsigned int index)
{
	bool may;

	spin_lock(&memory->lock);
	may = !memory->unplugging && !memory->chunks[index];
	spin_unlock(&memory->lock);
	return may;
}

/* One at a time: when the memory is made, and then the work item. */
static int plug_chunks(struct ferry_memory *memory)
{
	struct ferry_chunk *chunk;
	unsigned int c;

	for (c = 0; c < memory->nchunks; c++) {
		if (!may_plug(memory, c))
			continue;
		chunk = ferry_chunk_create(memory, c);
		if (IS_ERR(chunk))
			return PTR_ERR(chunk);
		spin_lock(&memory->lock);
		set_chunk(memory, c, chunk);
		spin_unlock(&memory->lock);
	}
	return 0;
}

static void run_plug_work(struct work_struct *work)
{
	struct ferry_memory *memory = container_of(work, struct ferry_memory, plug_work);
	int ret;

	spin_lock(&memory->lock);
	memory->plugs_begun++;
	spin_unlock(&memory->lock);
	ret = plug_chunks(memory);
	spin_lock(&memory->lock);
	memory->plug_error = ret;
	memory->plugs_ended++;
	spin_unlock(&memory->lock);
	wake_up_all(&memory->plug_wait);
}

static bool has_plugged(struct ferry_memory *memory, unsigned int ticket)
{
	bool ended;

	spin_lock(&memory->lock);
	ended = (int)(memory->plugs_ended - ticket) >= 0;
	spin_unlock(&memory->lock);
	return ended;
}

/**
 * ferry_memory_plug() - bring back what was unplugged
 * @memory: of which device
 *
 * While somebody is at unplugging, nothing is brought back: the device looks full.
 *
 * Context: sleeps.
 * Return: 0 if there is any chunk now, or there would be if somebody were not at
 * unplugging; else -EINTR for a process that is being killed, or an error of
 * ferry_chunk_create().
 */
int ferry_memory_plug(struct ferry_memory *memory)
{
	unsigned int ticket;
	int ret;

	if (READ_ONCE(memory->nplugged) == memory->nchunks)
		return 0;
	/* One that is under way may be past what is missing: the next. */
	spin_lock(&memory->lock);
	ticket = memory->plugs_begun + 1;
	spin_unlock(&memory->lock);
	queue_work(system_unbound_wq, &memory->plug_work);
	if (wait_event_killable(memory->plug_wait, has_plugged(memory, ticket)))
		return -EINTR;
	spin_lock(&memory->lock);
	ret = memory->nplugged ? 0 : memory->plug_error;
	spin_unlock(&memory->lock);
	return ret;
}

/* Construction -------------------------------------------------------------- */

static int fill_memory(struct ferry_memory *memory)
{
	struct resource *claim;

	if (memory->config.kind == FERRY_MEMORY_COHERENT) {
		claim = ferry_coherent_claim(memory->config.start,
					     memory->config.memory_size);
		if (IS_ERR(claim))
			return PTR_ERR(claim);
		memory->claim = claim;
	}
	return plug_chunks(memory);
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
	spin_lock_init(&memory->lock);
	ferry_turns_init(&memory->turns);
	INIT_WORK(&memory->plug_work, run_plug_work);
	init_waitqueue_head(&memory->plug_wait);
	memory->config = *config;
	memory->npages = config->memory_size >> PAGE_SHIFT;
	memory->nchunks = DIV_ROUND_UP(memory->npages, FERRY_CHUNK_PAGES);
	ferry_quota_init(memory);
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
 * @memory: with no page handed out, and nobody who asks for one
 */
void ferry_memory_destroy(struct ferry_memory *memory)
{
	unsigned int c;

	cancel_work_sync(&memory->plug_work);
	for (c = 0; c < memory->nchunks && memory->chunks; c++)
		if (memory->chunks[c])
			ferry_chunk_destroy(memory->chunks[c]);
	if (memory->claim)
		ferry_coherent_unclaim(memory->claim);
	kfree(memory->chunks);
	kfree(memory);
}
