// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eviction: pages leave the device, found by pfn. Two callers need eviction by
 * pfn:
 *
 * - A mirror is destroyed. The device knows the pages handed out to the
 *   mirror's owner; addresses do not help. mremap() may have moved the pages,
 *   fork() may have left the pages to a child, and pages of other files lie
 *   between.
 * - RELEASE takes away the whole memory of a device. The pages of all owners
 *   move, and no page is handed out during RELEASE.
 *
 * The engine's pfn forms unmap a page without any mmap_lock. Two things must be
 * stable during an eviction:
 *
 * - The page of a pfn. A page may be freed at any time, but the pool does not
 *   hand out the page again between evict_begin and evict_end.
 * - The anon_vma of the page. Between unmap and install no process maps the
 *   page, and the last process that mapped the page may exit. A reference on
 *   the anon_vma, taken while the page is still mapped, keeps the anon_vma. The
 *   own engine takes the reference; with core this file does (anon_vma.c). A
 *   page that is not mapped at that moment moves elsewhere in another call; the
 *   next pass looks again. On a kernel without the helper, mmap_lock of the
 *   mirror's mm protects the mirror's pages as far as possible; without an mm
 *   the pages stay on the device.
 *
 * Destination node: the node that a mapping of the page asks for (mbind()). The
 * rmap finds the mapping (placement.c). The caller's own mmap_lock is held, and
 * the caller's own mappings can always be asked. Without a mapping's policy the
 * task's policy decides.
 *
 * The lock order is the order of a migration by address: mmap_lock, page locks
 * by trylock, no lock of the driver. The duration of a run depends on processes
 * that share the pages (rmap walks), on memory (allocation) and on the
 * scheduling class of the caller. No other thread waits for a run: closing a
 * file without pages takes no sleeping lock, and closing a file with pages takes
 * no sleeping lock that another close takes. The close of a user's last file
 * takes the spinlock users_lock for a moment (quota.c).
 *
 * Waiting times:
 *
 * close()     Waits for the file's own pages. No run begins later than
 *             FERRY_CLOSE_MS, or after a fatal signal. Runs are short: close()
 *             passes the limit by one run at most, and a thread that faults on
 *             a page of a run does not wait for many other pages.
 * RELEASE     Waits for all pages, FERRY_RELEASE_PASSES passes with pauses. At
 *             the start pages may be in calls of other threads, or in other
 *             evictions.
 * work item   No caller waits. Pages left by close() are orphans
 *             (device/owner.c), and each device has one work item for
 *             orphans, on a kernel with anon_vma references (anon_vma.h). A
 *             pass moves all orphans that can move. The next pass comes after
 *             a pause that grows while orphans remain.
 *
 * The work item is work of the system: one thread for each device, with the
 * same priority for all owners, whether or not the process still exists. The
 * work item knows pages, one run at a time, and no owner. A page that is freed
 * before its run is not found, and no other caller has the pages of a run
 * (evict_begin). Orphans hold a reference on the module; the work item holds
 * no reference. When the module is unloaded, no orphan and no file exists, and
 * nothing queues the work item. ferry_orphans_fini() waits for the work item
 * before the memory is destroyed.
 *
 * Eviction is best effort. Destinations are allocated without the OOM killer,
 * and without the reserves of an OOM victim. A page without a destination stays
 * for the next pass.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "device/device.h"
#include "device/owner.h"
#include "device/plug.h"
#include "device/turns.h"
#include "evict.h"
#include "migrate/anon_vma.h"
#include "migrate/backend.h"
#include "mirror.h"
#include "populate.h"

/* Pages of one run: three arrays of this size are on the stack. */
#define FERRY_EVICT_PAGES	32

#define FERRY_CLOSE_MS		1000
#define FERRY_CLOSE_PASSES	10
#define FERRY_RELEASE_PASSES	100
#define FERRY_EVICT_PAUSE_MS	10

/*
 * Pause between two passes over orphans, in jiffies; at least twice the
 * duration of a pass, within the limits.
 */
#define FERRY_ORPHANS_FIRST_PAUSE	(HZ / 100 + 1)
#define FERRY_ORPHANS_LONGEST_PAUSE	HZ

#define FERRY_EVICT_GFP							\
	(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN)

/* Scope of an eviction. */
enum eviction_scope {
	FERRY_EVICT_OWNED,
	FERRY_EVICT_ORPHANS,
	FERRY_EVICT_ALL,
};

/**
 * struct eviction - pages to evict, one run at a time
 * @backend: engine
 * @memory: memory of the device
 * @scope: scope of the eviction
 * @owner: owner of the pages with FERRY_EVICT_OWNED, otherwise NULL
 * @mm: address space whose mmap_lock is held over a run, or NULL. With anon_vma
 *	references: the caller's own, for the NUMA policy of the caller's
 *	mappings. Without: the mirror's, as the replacement for anon_vma
 *	references
 * @killable: a fatal signal ends the eviction
 * @deadline: time in jiffies after which no run begins
 * @cursor: position where the search for the next run begins
 * @src: the engine's array of sources
 * @dst: the engine's array of destinations
 * @anon_vma: reference for each page; NULL: the page must stay
 */
struct eviction {
	const struct ferry_backend *backend;
	struct ferry_memory *memory;
	enum eviction_scope scope;
	const struct ferry_owner *owner;
	struct mm_struct *mm;
	bool killable;
	unsigned long deadline;
	unsigned long cursor;
	unsigned long src[FERRY_EVICT_PAGES];
	unsigned long dst[FERRY_EVICT_PAGES];
	struct anon_vma *anon_vma[FERRY_EVICT_PAGES];
};

/**
 * struct orphanage - orphans of one device, and the work item
 * @work: work item, queued while the device has orphans
 * @device: the device
 * @pause: pause before the next pass, in jiffies; private to @work
 */
struct orphanage {
	struct delayed_work work;
	struct ferry_device *device;
	unsigned long pause;
};

static struct orphanage orphanages[FERRY_MAX_DEVICES];

static void evict_held(struct eviction *eviction, unsigned long pfn, unsigned long n)
{
	const struct ferry_backend *backend = eviction->backend;
	const struct ferry_populate wanted = {
		.src = eviction->src,
		.dst = eviction->dst,
		.npages = n,
		.mm = eviction->mm,
		.by_rmap = ferry_anon_vma_can_hold(),
		.gfp = FERRY_EVICT_GFP,
	};

	if (backend->device_range(eviction->src, pfn, n))
		return;
	memset(eviction->dst, 0, n * sizeof(*eviction->dst));
	ferry_populate_system(&wanted);
	backend->device_pages(eviction->src, eviction->dst, n);
	backend->device_finalize(eviction->src, eviction->dst, n);
}

/* An unmapped page moves in another call, or is held for exclusive access. */
static bool is_mapped(struct page *page)
{
	bool mapped;

	if (!get_page_unless_zero(page))
		return false;
	mapped = folio_mapped(page_folio(page));
	put_page(page);
	return mapped;
}

/* The anon_vma of a page that another task has locked may change: not now. */
static struct anon_vma *hold_anon_vma(struct page *page)
{
	struct anon_vma *anon_vma = NULL;

	if (!get_page_unless_zero(page))
		return NULL;
	if (trylock_page(page)) {
		anon_vma = ferry_anon_vma_get(page_folio(page));
		unlock_page(page);
	}
	put_page(page);
	return anon_vma;
}

/* With core: evicts consecutive runs of pages with an anon_vma reference. */
static void evict_holding(struct eviction *eviction, unsigned long pfn, unsigned long n)
{
	bool can_hold = ferry_anon_vma_can_hold();
	unsigned long i, first;

	for (i = 0; i < n; i++)
		eviction->anon_vma[i] = hold_anon_vma(pfn_to_page(pfn + i));

	for (i = 0; i < n; i++) {
		for (first = i; i < n; i++)
			if (can_hold ? !eviction->anon_vma[i] :
				       !is_mapped(pfn_to_page(pfn + i)))
				break;
		if (i > first)
			evict_held(eviction, pfn + first, i - first);
	}

	for (i = 0; i < n; i++)
		if (eviction->anon_vma[i])
			ferry_anon_vma_put(eviction->anon_vma[i]);
}

static void evict_pfns(struct eviction *eviction, unsigned long pfn, unsigned long n)
{
	if (eviction->backend->can & FERRY_CAN_HOLD_ANON_VMA)
		evict_held(eviction, pfn, n);
	else
		evict_holding(eviction, pfn, n);
}

static unsigned long begin_run(struct eviction *eviction, unsigned long *pfn)
{
	if (eviction->scope == FERRY_EVICT_ORPHANS)
		return ferry_memory_evict_orphans_begin(eviction->memory, &eviction->cursor,
							FERRY_EVICT_PAGES, pfn);
	return ferry_memory_evict_begin(eviction->memory, eviction->owner,
					&eviction->cursor, FERRY_EVICT_PAGES, pfn);
}

static bool must_end(const struct eviction *eviction)
{
	return time_after(jiffies, eviction->deadline) ||
	       (eviction->killable && fatal_signal_pending(current));
}

/* Waits for the writers of mmap_lock, but not beyond the deadline. */
static bool lock_mm(const struct eviction *eviction)
{
	while (eviction->mm && !mmap_read_trylock(eviction->mm)) {
		if (must_end(eviction))
			return false;
		schedule_timeout_killable(1);
	}
	return true;
}

/* Runs from the cursor on. Returns false if the pass ended early. */
static bool evict_pass(struct eviction *eviction)
{
	unsigned long pfn, n;

	while (!must_end(eviction)) {
		n = begin_run(eviction, &pfn);
		if (!n)
			return true;
		if (!lock_mm(eviction)) {
			ferry_memory_evict_end(eviction->memory, pfn, n);
			return false;
		}
		evict_pfns(eviction, pfn, n);
		if (eviction->mm)
			mmap_read_unlock(eviction->mm);
		ferry_memory_evict_end(eviction->memory, pfn, n);
		cond_resched();
	}
	return false;
}

static bool any_left(const struct eviction *eviction)
{
	return eviction->owner ? ferry_owner_held(eviction->owner) :
				 !ferry_memory_is_empty(eviction->memory);
}

static void evict_passes(struct eviction *eviction, int passes)
{
	int pass;

	for (pass = 0; pass < passes && any_left(eviction); pass++) {
		if (pass)
			schedule_timeout_killable(msecs_to_jiffies(FERRY_EVICT_PAUSE_MS));
		eviction->cursor = 0;
		if (!evict_pass(eviction))
			return;
	}
}

/*
 * A coherent page can change the anon_vma while the page is not locked, and
 * core locks the page after evict_holding() took the reference. Coherent
 * devices use the own engine if the kernel has the own engine.
 */
static const struct ferry_backend *choose_backend(const struct ferry_device *device)
{
	const struct ferry_backend *own = ferry_backend_get(FERRY_BACKEND_OWN);

	if (device->config.kind == FERRY_MEMORY_COHERENT && !IS_ERR(own))
		return own;
	return ferry_backend_get(FERRY_BACKEND_DEFAULT);
}

/* Keeps pages stable by anon_vma references, or by the mirror's mm. */
static void evict(struct ferry_mirror *mirror, struct eviction *eviction, int passes)
{
	if (ferry_anon_vma_can_hold()) {
		/* The task keeps its mm during this call. */
		eviction->mm = num_online_nodes() > 1 ? current->mm : NULL;
		evict_passes(eviction, passes);
	} else if (mmget_not_zero(mirror->mm)) {
		eviction->scope = FERRY_EVICT_OWNED;
		eviction->owner = mirror->owner;
		eviction->mm = mirror->mm;
		evict_passes(eviction, passes);
		mmput(mirror->mm);
	}
}

/* Orphans ------------------------------------------------------------------ */

static struct orphanage *orphanage_of(const struct ferry_device *device)
{
	return &orphanages[device->index];
}

static void queue_orphans(struct orphanage *orphanage, unsigned long delay)
{
	/* A running pass may have gone past new orphans: queue another pass. */
	queue_delayed_work(system_unbound_wq, &orphanage->work, delay);
}

static void evict_orphans(struct work_struct *work)
{
	struct orphanage *orphanage = container_of(to_delayed_work(work), struct orphanage,
						   work);
	struct ferry_memory *memory = orphanage->device->memory;
	unsigned long began = jiffies;
	struct eviction eviction = {
		.backend = choose_backend(orphanage->device),
		.memory = memory,
		.scope = FERRY_EVICT_ORPHANS,
		.deadline = began + MAX_JIFFY_OFFSET,
	};

	evict_pass(&eviction);
	if (!atomic_long_read(&memory->norphaned)) {
		orphanage->pause = FERRY_ORPHANS_FIRST_PAUSE;
		return;
	}
	orphanage->pause = clamp(2 * max(orphanage->pause, jiffies - began),
				 FERRY_ORPHANS_FIRST_PAUSE, FERRY_ORPHANS_LONGEST_PAUSE);
	queue_orphans(orphanage, orphanage->pause);
}

/**
 * ferry_orphans_init() - prepare for pages left by closed files
 * @device: the device; no mirror exists yet
 */
void ferry_orphans_init(struct ferry_device *device)
{
	struct orphanage *orphanage = orphanage_of(device);

	orphanage->device = device;
	orphanage->pause = FERRY_ORPHANS_FIRST_PAUSE;
	INIT_DELAYED_WORK(&orphanage->work, evict_orphans);
}

/**
 * ferry_orphans_fini() - stop the work item for orphans
 * @device: the device; no mirror exists, and no page is handed out
 *
 * Context: sleeps; no lock held.
 */
void ferry_orphans_fini(struct ferry_device *device)
{
	cancel_delayed_work_sync(&orphanage_of(device)->work);
}

/* From outside ------------------------------------------------------------- */

/**
 * ferry_mirror_evict() - move all pages of a mirror to system memory
 * @mirror: the mirror; no call uses the mirror, and no new pages arrive
 *
 * Best effort, for at most FERRY_CLOSE_MS. mirror->owner still counts the pages
 * that stayed.
 *
 * Context: sleeps, except if the mirror has no page; takes mmap_lock.
 */
void ferry_mirror_evict(struct ferry_mirror *mirror)
{
	struct eviction eviction = {
		.backend = choose_backend(mirror->device),
		.memory = mirror->device->memory,
		.scope = FERRY_EVICT_OWNED,
		.owner = mirror->owner,
		.killable = true,
		.deadline = jiffies + msecs_to_jiffies(FERRY_CLOSE_MS),
	};

	if (ferry_owner_held(mirror->owner))
		evict(mirror, &eviction, FERRY_CLOSE_PASSES);
}

/**
 * ferry_mirror_disown() - leave the remaining pages of a mirror to the device
 * @mirror: the mirror; no call uses the mirror. mirror->owner is NULL
 *	afterwards
 *
 * The work item for orphans moves the pages later, on a kernel with anon_vma
 * references.
 *
 * Context: does not sleep.
 */
void ferry_mirror_disown(struct ferry_mirror *mirror)
{
	struct ferry_memory *memory = mirror->device->memory;

	ferry_memory_disown(memory, mirror->owner);
	mirror->owner = NULL;
	if (ferry_anon_vma_can_hold() && atomic_long_read(&memory->norphaned))
		queue_orphans(orphanage_of(mirror->device), FERRY_ORPHANS_FIRST_PAUSE);
}

/**
 * ferry_mirror_release_device() - take away all memory of the mirror's device
 * @mirror: the mirror; need not be entered
 *
 * The pages of all processes move to system memory, then the chunks of memory
 * are removed. The device stays usable: the next migration to the device brings
 * the chunks back. Until the return the device looks full.
 *
 * On a kernel without the anon_vma helper only pages of this mirror can move.
 *
 * Context: sleeps; takes mmap_lock; waits for a turn (turns.c), for a bounded
 * time.
 * Return:
 * * 0: all memory is taken away
 * * -EBUSY: pages did not move after a bounded number of tries, and the chunks
 *   with those pages stay; or other threads called RELEASE all the time
 * * -EINTR: the process is being killed
 */
int ferry_mirror_release_device(struct ferry_mirror *mirror)
{
	struct ferry_memory *memory = mirror->device->memory;
	struct eviction eviction = {
		.backend = choose_backend(mirror->device),
		.memory = memory,
		.scope = FERRY_EVICT_ALL,
		.killable = true,
		.deadline = jiffies + MAX_JIFFY_OFFSET,
	};
	int ret;

	ret = ferry_turns_release_begin(&memory->turns);
	if (ret)
		return ret;
	ferry_memory_unplug_begin(memory);
	evict(mirror, &eviction, FERRY_RELEASE_PASSES);
	ret = ferry_memory_unplug_end(memory);
	ferry_turns_release_end(&memory->turns);
	return ret;
}
