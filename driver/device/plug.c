// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chunks of a device's memory, from creation to destruction of the device.
 *
 * Unplugging takes chunks away from a device in use. The pool stops handing out
 * pages, the caller evicts the pages, and the empty chunks go. The next
 * ferry_memory_plug() makes the missing chunks again. The array of chunks
 * changes under memory->lock, a spinlock held for the change alone. No lock is
 * held over slow work: eviction, creation and destruction of a chunk.
 *
 * Two things keep a chunk.
 *
 * 1. A page that is handed out, or that an eviction has (FERRY_PAGE_EVICTING).
 *   The bit of the page in chunk->used is set, and a chunk with a set bit is
 *   not taken away. An eviction searches in an RCU read section and without the
 *   lock:
 *   - A page that the search gets was handed out at that moment, and its bit
 *     stays set until evict_end.
 *   - take_if_empty() therefore finds the chunk empty either before the page
 *     was handed out or after evict_end.
 *   - "Before" is impossible: between unplug_begin and unplug_end the pool
 *     hands out no page.
 *   - chunk->pages and chunk->used, which the search reads, stay for the grace
 *     period (synchronize_rcu()).
 *
 * 2. An RCU read section that finds a page in a page table, without the
 *   page-table lock and without a reference (snapshot.c). Two grace periods
 *   keep the struct page:
 *   - zap_pte_range() puts a page before it clears the entry, both under the
 *     page-table lock. The locked section is an RCU read section too.
 *   - The first grace period (synchronize_rcu(), with the chunk empty) ends
 *     after the entry is cleared. From then on no page table names a page of
 *     the chunk.
 *   - The second (percpu_ref_kill() in memunmap_pages()) ends after the last
 *     reader of an earlier entry.
 *
 * The place of a chunk must be free before another chunk is made at the place.
 * One work item of the device makes all chunks. The device thus has one maker
 * at a time. The maker does not depend on the scheduling class of a caller, and
 * does not stop when a caller is killed. The maker begins a chunk only while no
 * unplug is under way, and an unplug takes away existing chunks only. The place
 * of the maker therefore stays empty until the maker sets the chunk. A chunk is
 * destroyed before unplug_end permits new chunks, and has no maker until then.
 * Callers that need memory wait for the work, and can be killed.
 *
 * Rejected: a mutex around chunks. Every migration would wait until the holder
 * has allocated memory or, with SCHED_IDLE, until the holder runs at all.
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
#include "plug.h"
#include "quota.h"

static void set_chunk(struct ferry_memory *memory, unsigned int index,
		      struct ferry_chunk *chunk)
{
	lockdep_assert_held(&memory->lock);

	/*
	 * Pairs with smp_load_acquire() in find_run(): a reader of the pointer
	 * sees the contents of the chunk.
	 */
	smp_store_release(&memory->chunks[index], chunk);
	memory->nplugged += chunk ? 1 : -1;
}

/**
 * ferry_memory_unplug_begin() - stop handing out pages
 * @memory: memory of the device; from now on the device looks full
 *
 * The caller then evicts the pages (ferry_memory_evict_begin() with a NULL
 * owner) and calls ferry_memory_unplug_end().
 *
 * Context: process context; takes memory->lock.
 */
void ferry_memory_unplug_begin(struct ferry_memory *memory)
{
	spin_lock(&memory->lock);
	memory->unplugging++;
	spin_unlock(&memory->lock);
}

/* Returns false if the chunk has a page in use. */
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

static void destroy_chunks(struct ferry_chunk *chunk)
{
	struct ferry_chunk *next;

	for (; chunk; chunk = next) {
		next = chunk->next_gone;
		ferry_chunk_destroy(chunk);
	}
}

/**
 * ferry_memory_unplug_end() - take away the empty chunks
 * @memory: memory of the device, after ferry_memory_unplug_begin()
 *
 * Chunks with pages stay in use. The pool hands out pages again.
 *
 * Context: sleeps; takes memory->lock.
 * Return: 0, or -EBUSY if a chunk had pages and stayed.
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
	destroy_chunks(gone);
	spin_lock(&memory->lock);
	memory->unplugging--;
	spin_unlock(&memory->lock);
	return ret;
}

/* No unplug is under way, and the place is empty. */
static bool may_plug(struct ferry_memory *memory, unsigned int index)
{
	bool may;

	spin_lock(&memory->lock);
	may = !memory->unplugging && !memory->chunks[index];
	spin_unlock(&memory->lock);
	return may;
}

/*
 * Callers run one at a time: ferry_memory_create() first, then the work item.
 */
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
 * ferry_memory_plug() - make the unplugged chunks again
 * @memory: memory of the device
 *
 * While an unplug is under way no chunk is made, and the device looks full.
 *
 * Context: sleeps; takes memory->lock.
 * Return: 0 if a chunk exists, or if only an unplug under way prevents a chunk;
 * -EINTR if the caller is being killed; otherwise the error of
 * ferry_chunk_create(): no chunk exists.
 */
int ferry_memory_plug(struct ferry_memory *memory)
{
	unsigned int ticket;
	int ret;

	if (READ_ONCE(memory->nplugged) == memory->nchunks)
		return 0;
	/*
	 * A run under way may be past the missing chunks. Waits for the run
	 * after it.
	 */
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

/* Construction ------------------------------------------------------------- */

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
 * @config: kind, size and place of the memory, checked by ferry_config_parse()
 * @pgmap_owner: the owner by which migrate_vma and HMM know the device
 * @migrate_to_ram: handler of CPU faults on private device pages
 *
 * Context: sleeps.
 * Return: the memory, or an ERR_PTR(): -ENXIO without free RAM at
 * config->start, -ENOMEM without memory, or an error of ferry_chunk_create().
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
	memory->ops.ferry_free_op = ferry_memory_page_free;
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
 * ferry_memory_destroy() - undo ferry_memory_create()
 * @memory: memory without a page that is handed out, and without callers
 *
 * Context: sleeps; waits for the work item and for the last puts.
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
