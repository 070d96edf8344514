// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holes at a memory cgroup's limit, for an engine that charges as a fault does.
 *
 * core fills a hole with a page that it charges with GFP_KERNEL
 * (migrate_vma_insert_page(), mm/migrate_device.c:606 of 6.12), and allocates page tables
 * (:602) and an anon_vma (:604) alike. At the limit these calls kill a process of the
 * cgroup, which need not be the caller. A migration is best effort, so core is shown no
 * more holes than the cgroup has room for.
 *
 * Far from the limit one look at the counters says so. Near it the counters say little,
 * since CPUs have charged in advance. There the charge is tried: so many pages are
 * allocated and charged to the cgroup of the address space, without reclaim and without
 * the OOM killer, and then freed. What was had once can be had again. Why without
 * reclaim: insert.c.
 *
 * What remains: between the trial and core's own charge other tasks of the cgroup may
 * take the room. Nothing can be held in between: core takes no page that is charged
 * already (mem_cgroup_commit_charge() has a VM_BUG_ON for it), and charges that are held
 * for core would be counted twice. The own engine needs none of this (insert.c).
 *
 * Rejected: PF_MEMALLOC around core's call. mm would exceed the limit by a whole batch
 * for each thread instead.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "mirror.h"

/* Page tables of one batch, one table of each level above, an anon_vma. */
#define SPARE_PAGES	(FERRY_BATCH_TABLES + 1 + 4)

#ifdef CONFIG_MEMCG
/* How far it is to the nearest limit, in pages, with what CPUs have charged in advance. */
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

#define CHARGE_GFP	((GFP_KERNEL_ACCOUNT & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN)

/*
 * memory.events counts that the limit was met, which mm does not do for a charge without
 * reclaim. Who polls the file is not woken: cgroup_file_notify() is not exported.
 */
static void count_limit(struct mem_cgroup *memcg)
{
	atomic_long_inc(&memcg->memory_events_local[MEMCG_MAX]);
	/* Up to the root, which has no parent and no events. */
	for (; parent_mem_cgroup(memcg); memcg = parent_mem_cgroup(memcg))
		atomic_long_inc(&memcg->memory_events[MEMCG_MAX]);
}

/* Returns how many of @npages could be charged; none is afterwards. */
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
 * ferry_charge_room() - how many new pages can be charged, with no process killed
 * @mm: to whose memory cgroup
 * @npages: how many are wanted; of one batch
 *
 * A limit of cgroup v1's memory+swap is not looked at until the charge is tried.
 *
 * Context: sleeps.
 * Return: 0 to @npages.
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
