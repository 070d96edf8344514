// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holes at a memory cgroup's limit, for an engine that charges as a fault does.
 *
 * core fills a hole with a page charged with GFP_KERNEL
 * (migrate_vma_insert_page(), mm/migrate_device.c:606 of 6.12). core allocates
 * page tables (:602) and an anon_vma (:604) with GFP_KERNEL too. At the limit
 * the OOM killer kills a process of the cgroup for these allocations, not
 * necessarily the caller. A migration is best effort: core sees no more holes
 * than the cgroup can charge.
 *
 * Far from the limit a look at the counters is enough. Near the limit the driver
 * tries the charge. The wanted number of pages is allocated and charged to the
 * cgroup of the address space, without reclaim and without the OOM killer. Then
 * the pages are freed. A charge that succeeded once can succeed again. A trial
 * knows more than the counters: the pages that this CPU has charged in advance,
 * and a memory+swap limit of cgroup v1. Pages that other CPUs have charged in
 * advance count as used, because only reclaim drains them: near the limit some
 * holes stay that would fit. insert.c says why no reclaim is tried.
 *
 * Remaining race: between the tentative charge and core's own charge, other
 * tasks of the cgroup may charge. Nothing can be held in between. core takes no
 * page with a charge (mem_cgroup_commit_charge() has a VM_BUG_ON), and a charge
 * held for core would be counted twice. The own engine needs no tentative
 * charge (insert.c).
 *
 * Rejected: PF_MEMALLOC around core's call. Each thread could then exceed the
 * limit by a whole batch.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "charge.h"
#include "mirror.h"

/* Page tables of one batch, one table of each higher level, an anon_vma. */
#define SPARE_PAGES	(FERRY_BATCH_TABLES + 1 + 4)

#ifdef CONFIG_MEMCG
/* Pages up to the nearest limit; charges in advance by CPUs count as used. */
static unsigned long margin(struct mem_cgroup *memcg)
{
	unsigned long room = ULONG_MAX, used, limit;

	for (; memcg; memcg = parent_mem_cgroup(memcg)) {
		used = page_counter_read(&memcg->memory);
		limit = READ_ONCE(memcg->memory.max);
		room = min(room, limit > used ? limit - used : 0);
	}
	return room;
}

/* For memory that progress does not need: no reclaim. */
#define CHARGE_GFP	((GFP_KERNEL_ACCOUNT & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN)

/*
 * Counts a meeting with the limit in memory.events. mm counts no charge without
 * reclaim. A task that polls the file is not woken: cgroup_file_notify() is not
 * exported.
 */
static void count_limit(struct mem_cgroup *memcg)
{
	atomic_long_inc(&memcg->memory_events_local[MEMCG_MAX]);
	/* Up to the root, which has no parent and no events. */
	for (; parent_mem_cgroup(memcg); memcg = parent_mem_cgroup(memcg))
		atomic_long_inc(&memcg->memory_events[MEMCG_MAX]);
}

/* Returns how many of @npages could be charged; the charge is undone. */
static unsigned long try_charge(struct mem_cgroup *memcg, unsigned long npages)
{
	struct mem_cgroup *former = set_active_memcg(memcg);
	struct page *page, *next;
	unsigned long got;
	LIST_HEAD(pages);

	for (got = 0; got < npages; got++) {
		page = alloc_page(CHARGE_GFP);
		if (!page)
			break;
		list_add(&page->lru, &pages);
	}
	set_active_memcg(former);
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
	return got;
}

/**
 * ferry_charge_room() - count pages that can be charged without a kill
 * @mm: address space of the memory cgroup
 * @npages: wanted number of pages, at most one batch
 *
 * Only the tentative charge considers a memory+swap limit of cgroup v1.
 *
 * Context: sleeps.
 * Return: number of pages, 0 to @npages.
 */
unsigned long ferry_charge_room(struct mm_struct *mm, unsigned long npages)
{
	unsigned long wanted = npages + SPARE_PAGES, got = wanted;
	struct mem_cgroup *memcg;

	if (mem_cgroup_disabled())
		return npages;
	memcg = get_mem_cgroup_from_mm(mm);
	if (margin(memcg) < wanted + MEMCG_CHARGE_BATCH * num_online_cpus())
		got = try_charge(memcg, wanted);
	if (got < wanted)
		count_limit(memcg);
	mem_cgroup_put(memcg);
	return got > SPARE_PAGES ? got - SPARE_PAGES : 0;
}
#else
unsigned long ferry_charge_room(struct mm_struct *mm, unsigned long npages)
{
	return npages;
}
#endif
