// SPDX-License-Identifier: GPL-2.0-only
/*
 * The range of a test fixture. KUnit makes the address space for the test's
 * thread (kunit_vm_mmap()). The address space goes when the thread ends, before
 * the actions of the test run. Each page holds a different word: tests find
 * lost and exchanged pages.
 */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mmzone.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include <asm/tlbflush.h>

#include "compat.h"
#include "mm_internal.h"
#include "kunit.h"

/*
 * kthread_use_mm() in kunit_attach_mm() takes a reference. Only
 * kthread_unuse_mm() puts the reference, and KUnit's thread ends without a
 * call.
 */
static void drop_mm(void *mm)
{
	mmdrop(mm);
}

static void alloc_slots(struct ferry_kunit *t)
{
	struct kunit *test = t->test;

	t->src = kunit_kcalloc(test, t->npages, sizeof(*t->src), GFP_KERNEL);
	t->dst = kunit_kcalloc(test, t->npages, sizeof(*t->dst), GFP_KERNEL);
	t->outcome = kunit_kcalloc(test, t->npages, sizeof(*t->outcome), GFP_KERNEL);
	t->offered = kunit_kcalloc(test, t->npages, sizeof(*t->offered), GFP_KERNEL);
	t->puts = kunit_kcalloc(test, t->npages, sizeof(*t->puts), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, t->src && t->dst && t->outcome && t->offered && t->puts);
}

/**
 * ferry_kunit_create() - make a fixture with an anonymous mapping without pages
 * @test: the test; the fixture ends with the test
 * @before: pages of the mapping before slot 0, at the start of slot 0's page
 *	table; the fixture does not migrate them
 * @npages: number of slots
 *
 * The mapping has no huge pages unless the test asks for huge pages.
 *
 * Context: sleeps; asserts.
 * Return: the fixture.
 */
struct ferry_kunit *ferry_kunit_create(struct kunit *test, unsigned long before,
				       unsigned long npages)
{
	unsigned long size = (before + npages + 2 * PTRS_PER_PTE) * PAGE_SIZE, base;
	struct ferry_kunit *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->test = test;
	t->npages = npages;
	alloc_slots(t);

	base = kunit_vm_mmap(test, NULL, 0, size, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE, 0);
	KUNIT_ASSERT_TRUE(test, base && !IS_ERR_VALUE(base));
	t->mm = current->mm;
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, drop_mm, t->mm), 0);
	KUNIT_ASSERT_EQ(test, do_madvise(t->mm, base, size, MADV_NOHUGEPAGE), 0);
	t->start = ALIGN(base, PMD_SIZE) + before * PAGE_SIZE;
	return t;
}

/**
 * ferry_kunit_word() - the data of a slot
 * @slot: the slot
 *
 * Context: any.
 * Return: the word that ferry_kunit_write() writes.
 */
u64 ferry_kunit_word(unsigned long slot)
{
	return (slot + 1) * 0x9e3779b97f4a7c15ull;
}

/**
 * ferry_kunit_write() - let the CPU write to pages
 * @t: the fixture
 * @first: first slot
 * @n: number of slots
 *
 * On return no page is in a CPU's batch for the LRU lists.
 *
 * Context: sleeps; asserts; the caller does not hold mmap_lock.
 */
void ferry_kunit_write(struct ferry_kunit *t, unsigned long first, unsigned long n)
{
	unsigned long slot;

	for (slot = first; slot < first + n; slot++)
		KUNIT_ASSERT_EQ(t->test, 0,
				put_user(ferry_kunit_word(slot),
					 (u64 __user *)ferry_kunit_addr(t, slot)));
	lru_add_drain_all();
}

/**
 * ferry_kunit_read() - let the CPU read pages; holes get the zero page
 * @t: the fixture
 * @first: first slot
 * @n: number of slots
 *
 * Context: sleeps; asserts; the caller does not hold mmap_lock.
 */
void ferry_kunit_read(struct ferry_kunit *t, unsigned long first, unsigned long n)
{
	unsigned long slot;

	for (slot = first; slot < first + n; slot++)
		KUNIT_ASSERT_EQ(t->test, 0,
				fault_in_readable((char __user *)ferry_kunit_addr(t, slot),
						  1));
}

/**
 * ferry_kunit_wrong() - count the pages with wrong data
 * @t: the fixture
 * @first: first slot
 * @n: number of slots
 *
 * Context: sleeps; the caller does not hold mmap_lock.
 * Return: number of pages that cannot be read or hold another word than
 * ferry_kunit_word().
 */
unsigned long ferry_kunit_wrong(struct ferry_kunit *t, unsigned long first,
				unsigned long n)
{
	unsigned long slot, wrong = 0;
	u64 word;

	for (slot = first; slot < first + n; slot++)
		wrong += get_user(word, (u64 __user *)ferry_kunit_addr(t, slot)) ||
			 word != ferry_kunit_word(slot);
	return wrong;
}

/**
 * ferry_kunit_pte_of() - the page-table entry of an address
 * @mm: the address space
 * @addr: the address
 *
 * Context: takes and drops the page-table lock.
 * Return: the entry; an empty entry without a page table.
 */
pte_t ferry_kunit_pte_of(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmdp = mm_find_pmd(mm, addr);
	spinlock_t *ptl;	/* page-table lock of ptep */
	pte_t *ptep, pte = __pte(0);

	ptep = pmdp ? pte_offset_map_lock(mm, pmdp, addr, &ptl) : NULL;
	if (!ptep)
		return pte;
	pte = ptep_get(ptep);
	pte_unmap_unlock(ptep, ptl);
	return pte;
}

/**
 * ferry_kunit_pte() - the page-table entry of a slot
 * @t: the fixture
 * @slot: the slot
 *
 * Context: takes and drops the page-table lock.
 * Return: the entry; an empty entry without a page table.
 */
pte_t ferry_kunit_pte(struct ferry_kunit *t, unsigned long slot)
{
	return ferry_kunit_pte_of(t->mm, ferry_kunit_addr(t, slot));
}

/**
 * ferry_kunit_page() - the page that the entry of a slot names
 * @t: the fixture
 * @slot: the slot
 *
 * Context: takes and drops the page-table lock.
 * Return: the page, without a new reference, or NULL.
 */
struct page *ferry_kunit_page(struct ferry_kunit *t, unsigned long slot)
{
	pte_t pte = ferry_kunit_pte(t, slot);

	if (pte_present(pte))
		return pte_page(pte);
	if (!pte_none(pte) && softleaf_has_pfn(softleaf_from_pte(pte)))
		return softleaf_to_page(softleaf_from_pte(pte));
	return NULL;
}

/**
 * ferry_kunit_set_pte() - replace the page-table entry of a slot
 * @t: the fixture
 * @slot: the slot; the page table must exist
 * @pte: the new entry
 *
 * Context: takes and drops the page-table lock; flushes the TLB.
 */
void ferry_kunit_set_pte(struct ferry_kunit *t, unsigned long slot, pte_t pte)
{
	unsigned long addr = ferry_kunit_addr(t, slot);
	pmd_t *pmdp = mm_find_pmd(t->mm, addr);
	spinlock_t *ptl;	/* page-table lock of ptep */
	pte_t *ptep;

	ptep = pmdp ? pte_offset_map_lock(t->mm, pmdp, addr, &ptl) : NULL;
	KUNIT_EXPECT_NOT_NULL(t->test, ptep);
	if (!ptep)
		return;
	ptep_get_and_clear(t->mm, addr, ptep);
	set_pte_at(t->mm, addr, ptep, pte);
	pte_unmap_unlock(ptep, ptl);
	flush_tlb_mm(t->mm);
}

/**
 * ferry_kunit_unshare() - make a page look as after the exit of a child
 * @t: the fixture
 * @slot: slot of a present page; the page becomes not writable and not
 *	PageAnonExclusive
 *
 * Context: takes and drops the page-table lock; flushes the TLB.
 */
void ferry_kunit_unshare(struct ferry_kunit *t, unsigned long slot)
{
	ferry_kunit_set_pte(t, slot, pte_wrprotect(ferry_kunit_pte(t, slot)));
	ClearPageAnonExclusive(ferry_kunit_page(t, slot));
}

static long count_node_item(enum node_stat_item item)
{
	struct pglist_data *node;
	long sum = 0;
	int cpu;

	for_each_online_pgdat(node) {
		sum += atomic_long_read(&node->vm_stat[item]);
		for_each_online_cpu(cpu)
			sum += per_cpu_ptr(node->per_cpu_nodestats,
					   cpu)->vm_node_stat_diff[item];
	}
	return sum;
}

static long count_zone_item(enum zone_stat_item item)
{
	struct zone *zone;
	long sum = 0;

	for_each_populated_zone(zone)
		sum += zone_page_state_snapshot(zone, item);
	return sum;
}

/**
 * ferry_kunit_memory() - read exact statistics
 * @t: the fixture
 * @memory: set to the statistics
 *
 * Context: sleeps.
 */
void ferry_kunit_memory(struct ferry_kunit *t, struct ferry_kunit_memory *memory)
{
	lru_add_drain_all();
	*memory = (struct ferry_kunit_memory) {
		.rss = get_mm_counter_sum(t->mm, MM_ANONPAGES),
		.swap = get_mm_counter_sum(t->mm, MM_SWAPENTS),
		.lru = count_node_item(NR_ACTIVE_ANON) +
		       count_node_item(NR_INACTIVE_ANON) +
		       count_node_item(NR_UNEVICTABLE),
		.mapped = count_node_item(NR_ANON_MAPPED),
		.isolated = count_node_item(NR_ISOLATED_ANON),
		.mlocked = count_zone_item(NR_MLOCK),
	};
}

static int note_start(struct mmu_notifier *notifier,
		      const struct mmu_notifier_range *range)
{
	struct ferry_kunit *t = container_of(notifier, struct ferry_kunit, notifier);

	t->events[range->event]++;
	return 0;
}

static void note_end(struct mmu_notifier *notifier,
		     const struct mmu_notifier_range *range)
{
	struct ferry_kunit *t = container_of(notifier, struct ferry_kunit, notifier);

	if (range->event == MMU_NOTIFY_MIGRATE && t->on_collected)
		t->on_collected(t);
}

static void note_secondary(struct mmu_notifier *notifier, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	struct ferry_kunit *t = container_of(notifier, struct ferry_kunit, notifier);

	t->secondary.calls++;
	t->secondary.start = start;
	t->secondary.end = end;
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = note_start,
	.invalidate_range_end = note_end,
};

/* mmu_notifier_register() accepts only one of the two kinds. */
static const struct mmu_notifier_ops secondary_ops = {
	.arch_invalidate_secondary_tlbs = note_secondary,
};

static void unwatch(void *data)
{
	struct ferry_kunit *t = data;

	mmu_notifier_unregister(&t->notifier, t->mm);
}

/**
 * ferry_kunit_watch() - begin to count invalidations
 * @t: the fixture, not watched yet
 *
 * Context: takes mmap_lock for write; sleeps; asserts.
 */
void ferry_kunit_watch(struct ferry_kunit *t)
{
	t->notifier.ops = &notifier_ops;
	KUNIT_ASSERT_EQ(t->test, mmu_notifier_register(&t->notifier, t->mm), 0);
	KUNIT_ASSERT_EQ(t->test, kunit_add_action(t->test, unwatch, t), 0);
}

/**
 * ferry_kunit_watch_secondary() - begin to record secondary MMUs' invalidations
 * @t: the fixture, not watched yet
 *
 * Context: takes mmap_lock for write; sleeps; asserts.
 */
void ferry_kunit_watch_secondary(struct ferry_kunit *t)
{
	t->notifier.ops = &secondary_ops;
	KUNIT_ASSERT_EQ(t->test, mmu_notifier_register(&t->notifier, t->mm), 0);
	KUNIT_ASSERT_EQ(t->test, kunit_add_action(t->test, unwatch, t), 0);
}

static int child_main(void *data)
{
	struct ferry_kunit_child *child = data;

	child->mm = current->mm;
	mmget(child->mm);
	complete(&child->ready);
	wait_for_completion(&child->end);
	kthread_exit(0);
}

static void end_child(void *child)
{
	ferry_kunit_child_end(child);
}

/**
 * ferry_kunit_fork() - start a process with a copy of the address space
 * @t: the fixture
 *
 * The process sleeps until ferry_kunit_child_end(), or until the end of the
 * test.
 *
 * Context: sleeps; asserts.
 * Return: the process.
 */
struct ferry_kunit_child *ferry_kunit_fork(struct ferry_kunit *t)
{
	struct kernel_clone_args args = {
		.flags = CLONE_FS | CLONE_FILES | CLONE_UNTRACED,
		.exit_signal = SIGCHLD,
		.fn = child_main,
		.kthread = 1,
		.name = "ferry_kunit",
	};
	struct ferry_kunit_child *child;

	child = kunit_kzalloc(t->test, sizeof(*child), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(t->test, child);
	init_completion(&child->ready);
	init_completion(&child->end);
	args.fn_arg = child;
	KUNIT_ASSERT_GT(t->test, kernel_clone(&args), 0);
	wait_for_completion(&child->ready);
	KUNIT_ASSERT_EQ(t->test, kunit_add_action(t->test, end_child, child), 0);
	return child;
}

/**
 * ferry_kunit_child_end() - let a process exit, and free its page tables
 * @child: process from ferry_kunit_fork(); a second call does nothing
 *
 * Context: sleeps.
 */
void ferry_kunit_child_end(struct ferry_kunit_child *child)
{
	struct mm_struct *mm = child->mm;

	if (!mm)
		return;
	child->mm = NULL;
	complete(&child->end);
	/*
	 * The last user frees the page tables. The loop makes this thread the
	 * last user.
	 */
	while (atomic_read(&mm->mm_users) > 1)
		schedule_timeout_uninterruptible(1);
	mmput(mm);
}
