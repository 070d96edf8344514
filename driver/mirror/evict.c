// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mirror goes away: its pages come home, found by what the device knows it
 * handed out to it and not by address. mremap() may have moved them, fork() may
 * have left them to a child, and other files' pages lie among them.
 * Or the whole memory of a device is taken away: then everybody's pages come home,
 * and nothing is handed out meanwhile.
 *
 * The engine's pfn-based form unmaps a page without any mmap_lock. Two things must
 * hold still meanwhile:
 *   which page a pfn is: a page may be freed at any time, but the pool does not
 *     hand it out anew between evict_begin and evict_end;
 *   its anon_vma: between unmap and install the page is mapped nowhere, and the
 *     last process that had it mapped may exit. A reference is held on it, taken
 *     while the page was still mapped: by the own engine itself, with core by us
 *     (anon_vma.c). A page that is not mapped just then is on its way elsewhere and
 *     is left to the next pass. Where that helper is not built in, mmap_lock of our
 *     own mm stands in for it, as far as it goes, and without an mm the pages stay
 *     with the device.
 * Where they go: to the node that a mapping of the page asks for (mbind()), which the
 * rmap finds (placement.c); the caller's own mmap_lock is held meanwhile, so that its
 * own mappings can always be asked. Without such a policy the task's holds.
 * The lock order stays that of a migration by address: mmap_lock, page locks by
 * trylock, and no lock of ours. How long a run takes is up to those who share its pages
 * (rmap walks), to memory (allocation) and to the scheduling class of the caller; so
 * nobody else waits for it: a file that is closed with no page left takes no lock at all,
 * one with pages none that another file's close takes.
 *
 * Who waits, and for how long:
 *   close() for its own pages, FERRY_CLOSE_MS at the most, and no longer than the
 *     process lives that is being killed. Runs are short, so that the time is kept to,
 *     and so that whoever faults on a page of the run does not wait for many others
 *   what close() leaves are orphans (device/owner.c). A work item of the device brings
 *     them home, all that can come in one pass, and again after a pause that grows while
 *     some cannot. It is the system's work: one thread for each device, at the same
 *     priority whosever the pages are, and whatever becomes of their process. It knows no
 *     owner, but only pages, a run at a time: those that are freed before their turn it
 *     does not find, and a run that it has is kept from everybody (evict_begin). It has
 *     no reference on the module: the orphans have one. When the module goes there are no
 *     orphans and no files, so that nothing queues it; ferry_orphans_fini() waits for it
 *     before the memory goes
 *   RELEASE for everybody's pages, FERRY_RELEASE_PASSES passes with a pause: pages are
 *     on their way in other threads' calls, or other evictions have them, when it begins
 *
 * Best effort: destinations are allocated without the OOM killer and without the
 * reserves of a process that it has killed; what has none stays for the next pass.
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
#include "device/turns.h"
#include "migrate/anon_vma.h"
#include "migrate/backend.h"
#include "mirror.h"

/* One run: three arrays of this many entries on the stack. */
#define FERRY_EVICT_PAGES	32

#define FERRY_CLOSE_MS		1000
#define FERRY_CLOSE_PASSES	10
#define FERRY_RELEASE_PASSES	100
#define FERRY_EVICT_PAUSE_MS	10

/* Between two passes over orphans, in jiffies; at least as long as a pass took. */
#define FERRY_ORPHANS_FIRST_PAUSE	(HZ / 100 + 1)
#define FERRY_ORPHANS_LONGEST_PAUSE	HZ

#define FERRY_EVICT_GFP							\
	(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN)

/* Whose pages. */
enum eviction_scope {
	FERRY_EVICT_OWNED,
	FERRY_EVICT_ORPHANS,
	FERRY_EVICT_ALL,
};

/**
 * struct eviction - pages that are to come home, a run at a time
 * @backend: which engine
 * @memory: of which device
 * @scope: whose
 * @owner: FERRY_EVICT_OWNED: whose
 * @mm: whose mmap_lock is held over a run, or NULL: where anon_vmas can be held the
 *	caller's own, so that its mappings say where their pages belong; else what stands
 *	in for the anon_vmas
 * @killable: give up for a process that is being killed
 * @deadline: jiffies after which no run begins
 * @cursor: where the next run is looked for
 * @src: the engine's array of sources
 * @dst: its array of destinations
 * @anon_vma: held for each page; NULL: the page is not to be touched
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
 * struct orphanage - orphans of one device, and the work item that brings them home
 * @work: is queued as long as there are any
 * @device: which
 * @pause: jiffies before the next pass; the work item's own
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
	const struct ferry_fill wanted = {
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
	ferry_fill_home(&wanted);
	backend->device_pages(eviction->src, eviction->dst, n);
	backend->device_finalize(eviction->src, eviction->dst, n);
}

/* Not mapped: on its way elsewhere, or held for exclusive access. */
static bool is_mapped(struct page *page)
{
	bool mapped;

	if (!get_page_unless_zero(page))
		return false;
	mapped = folio_mapped(page_folio(page));
	put_page(page);
	return mapped;
}

static struct anon_vma *hold(struct page *page)
{
	struct anon_vma *anon_vma;

	if (!get_page_unless_zero(page))
		return NULL;
	anon_vma = ferry_anon_vma_get(page_folio(page));
	put_page(page);
	return anon_vma;
}

/* With core: runs of pages whose anon_vma is held, one after the other. */
static void evict_holding(struct eviction *eviction, unsigned long pfn, unsigned long n)
{
	bool can_hold = ferry_anon_vma_can_hold();
	unsigned long i, first;

	for (i = 0; i < n; i++)
		eviction->anon_vma[i] = hold(pfn_to_page(pfn + i));

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

static void evict_run(struct eviction *eviction, unsigned long pfn, unsigned long n)
{
	if (eviction->backend->holds_anon_vma)
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

/* Whoever changes the address space is waited for, but not beyond the deadline. */
static bool lock_mm(const struct eviction *eviction)
{
	while (eviction->mm && !mmap_read_trylock(eviction->mm)) {
		if (must_end(eviction))
			return false;
		schedule_timeout_killable(1);
	}
	return true;
}

/* From the cursor on; false if it was to end before it had been through. */
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
		evict_run(eviction, pfn, n);
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
 * Coherent pages can change their anon_vma while they are not locked, and core locks
 * them after we took hold of it: there the own engine is used wherever there is one.
 */
static const struct ferry_backend *choose_backend(const struct ferry_device *device)
{
	const struct ferry_backend *own = ferry_backend_get(FERRY_BACKEND_OWN);

	if (device->config.kind == FERRY_MEMORY_COHERENT && !IS_ERR(own))
		return own;
	return ferry_backend_get(FERRY_BACKEND_DEFAULT);
}

/* As far as pages can be held still: by their anon_vma, or by the mirror's mm. */
static void evict(struct ferry_mirror *mirror, struct eviction *eviction, int passes)
{
	if (ferry_anon_vma_can_hold()) {
		/* It keeps its users as long as we run. */
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

/* Orphans ------------------------------------------------------------------- */

static struct orphanage *orphanage_of(const struct ferry_device *device)
{
	return &orphanages[device->index];
}

static void queue_orphans(struct orphanage *orphanage, unsigned long delay)
{
	/* Those of a pass that is under way may have been passed: another one. */
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
 * ferry_orphans_init() - be ready for pages that closed files leave behind
 * @device: of which nobody has a mirror yet
 */
void ferry_orphans_init(struct ferry_device *device)
{
	struct orphanage *orphanage = orphanage_of(device);

	orphanage->device = device;
	orphanage->pause = FERRY_ORPHANS_FIRST_PAUSE;
	INIT_DELAYED_WORK(&orphanage->work, evict_orphans);
}

/**
 * ferry_orphans_fini() - the reverse
 * @device: of which nobody has a mirror any more, with no page handed out
 *
 * Context: sleeps.
 */
void ferry_orphans_fini(struct ferry_device *device)
{
	cancel_delayed_work_sync(&orphanage_of(device)->work);
}

/* From outside -------------------------------------------------------------- */

/**
 * ferry_mirror_evict() - bring home all pages of a mirror
 * @mirror: with nobody in it, so that it gets no new ones
 *
 * Best effort, and for a bounded time: what is left in mirror->owner did not come.
 *
 * Context: sleeps, unless there is no page.
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
 * ferry_mirror_disown() - leave the rest of a mirror's pages to the device
 * @mirror: with nobody in it; it has no owner any more
 *
 * They come home later, where they can be held still without the process.
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
 * @mirror: it need not be entered
 *
 * The pages of all processes come home, then the chunks of memory go. The device
 * goes on: they come back with the next migration to it. Until this returns the
 * device looks full.
 *
 * Where the anon_vma helper is not built in only the caller's own pages can come.
 *
 * Context: sleeps; waits for its turn (turns.c), a bounded time.
 * Return: 0; -EBUSY if pages could not come home, after a bounded number of tries (the
 * chunks that they are in stay), or if others take the memory away all the time; -EINTR.
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
