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
 * The lock order stays that of a migration by address: mmap_lock, page locks by
 * trylock, and no lock of ours.
 *
 * Bounded: FERRY_EVICT_PASSES passes, with a pause, over what is left. Taking memory
 * away has more: pages are on their way in other threads' calls when it begins.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "device/device.h"
#include "migrate/anon_vma.h"
#include "migrate/backend.h"
#include "mirror.h"

#define FERRY_EVICT_PAGES	(PMD_SIZE / PAGE_SIZE)
#define FERRY_EVICT_PASSES	10
#define FERRY_RELEASE_PASSES	100
#define FERRY_EVICT_PAUSE_MS	10

/**
 * struct eviction - pages that are to come home, a run at a time
 * @backend: which engine
 * @memory: of which device
 * @owner: whose, NULL: anybody's
 * @mm: whose mmap_lock stands in for the anon_vmas, or NULL where they are held
 * @killable: give up for a process that is being killed
 * @src: the engine's array of sources
 * @dst: its array of destinations
 * @anon_vma: held for each page; NULL: the page is not to be touched
 */
struct eviction {
	const struct ferry_backend *backend;
	struct ferry_memory *memory;
	struct ferry_owner *owner;
	struct mm_struct *mm;
	bool killable;
	unsigned long src[FERRY_EVICT_PAGES];
	unsigned long dst[FERRY_EVICT_PAGES];
	struct anon_vma *anon_vma[FERRY_EVICT_PAGES];
};

static void evict_held(struct eviction *eviction, unsigned long pfn, unsigned long n)
{
	const struct ferry_backend *backend = eviction->backend;
	const struct ferry_fill wanted = {
		.src = eviction->src,
		.dst = eviction->dst,
		.npages = n,
		.gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN,
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

static void evict_pass(struct eviction *eviction)
{
	unsigned long cursor = 0, pfn, n;

	while ((n = ferry_memory_evict_begin(eviction->memory, eviction->owner, &cursor,
					     FERRY_EVICT_PAGES, &pfn))) {
		if (eviction->mm)
			mmap_read_lock(eviction->mm);
		evict_run(eviction, pfn, n);
		if (eviction->mm)
			mmap_read_unlock(eviction->mm);
		ferry_memory_evict_end(eviction->memory, pfn, n);
		cond_resched();
	}
}

static unsigned long pages_left(const struct eviction *eviction)
{
	return eviction->owner ? atomic_long_read(&eviction->owner->held) :
				 ferry_memory_used(eviction->memory);
}

static void evict_passes(struct eviction *eviction, int passes)
{
	int pass;

	for (pass = 0; pass < passes && pages_left(eviction); pass++) {
		if (eviction->killable && fatal_signal_pending(current))
			return;
		if (pass)
			msleep(FERRY_EVICT_PAUSE_MS);
		evict_pass(eviction);
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
static void evict(struct ferry_mirror *mirror, struct ferry_owner *owner, int passes)
{
	struct eviction *eviction;

	eviction = kvzalloc(sizeof(*eviction), GFP_KERNEL);
	if (!eviction)
		return;
	eviction->memory = mirror->device->memory;
	eviction->owner = owner;
	eviction->killable = !owner;
	eviction->backend = choose_backend(mirror->device);

	if (ferry_anon_vma_can_hold()) {
		evict_passes(eviction, passes);
	} else if (mmget_not_zero(mirror->mm)) {
		eviction->owner = &mirror->owner;
		eviction->mm = mirror->mm;
		evict_passes(eviction, passes);
		mmput(mirror->mm);
	}
	kvfree(eviction);
}

/**
 * ferry_mirror_evict() - bring home all pages of a mirror
 * @mirror: with nobody in it, so that it gets no new ones
 *
 * Best effort: what is left in mirror->owner could not come.
 *
 * Context: sleeps.
 */
void ferry_mirror_evict(struct ferry_mirror *mirror)
{
	struct ferry_memory *memory = mirror->device->memory;

	if (atomic_long_read(&mirror->owner.held))
		evict(mirror, &mirror->owner, FERRY_EVICT_PASSES);
	/* What earlier files left behind: nothing calls a coherent page home. */
	if (ferry_anon_vma_can_hold() && atomic_long_read(&memory->orphans.held))
		evict(mirror, &memory->orphans, 1);
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
 * Context: sleeps.
 * Return: 0, or -EBUSY if pages could not come home, after a bounded time; the
 * chunks that they are in stay.
 */
int ferry_mirror_release_device(struct ferry_mirror *mirror)
{
	struct ferry_memory *memory = mirror->device->memory;

	ferry_memory_unplug_begin(memory);
	evict(mirror, NULL, FERRY_RELEASE_PASSES);
	return ferry_memory_unplug_end(memory);
}
