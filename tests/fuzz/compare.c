// SPDX-License-Identifier: MIT
/*
 * Compares two runs of one program, without a device and with a device, and
 * finds the first difference in the order of the steps.
 *
 * This file holds every permitted difference, with the reason. The table of
 * docs/fuzz.md uses the same names:
 *
 * where           A device page is not present for the CPU and is not swapped
 *                 out. The comparison asks whether a page exists, not where.
 * filled          MIGRATE makes cleared pages from holes and zero pages: a page
 *                 may exist with a device only. The page reads zero in both
 *                 runs.
 * over-reported   A page without a write may be soft-dirty: the bit is set
 *                 where the exact state cannot be kept. The bit is never lost.
 * midway          An access that faulted midway may have read a hole before the
 *                 fault: the zero page may exist in one run only.
 * mapcount        "Mapped once" is compared only if the page is present in both
 *                 runs and the program has not swapped: the order of accesses
 *                 decides which process maps a swapped page again. After an
 *                 access that faulted midway, "mapped once" is not compared
 *                 either: how much of the access was done, and unshared, is not
 *                 defined.
 * freed           After MADV_FREE a read returns the old data or zero, and the
 *                 page may be gone. The same holds after an access that faulted
 *                 midway.
 * dirty           With a device more pages may be dirty: a page that MADV_FREE
 *                 skips, a page that the device wrote. Fewer dirty pages are
 *                 permitted in two cases. The program may have swapped: a page
 *                 that was swapped in is clean, and reclaim decides which pages
 *                 are swapped out. Or the program pinned pages for writing after
 *                 a MIGRATE that fills holes: the fault of a pin makes a hole
 *                 dirty, and a filled page comes back writable and clean. Who
 *                 writes through a pin marks the page dirty at the end of the
 *                 pin.
 * ksm             KSM merges at its thread's pace, and drops the soft-dirty and
 *                 uffd-wp bits of merged pages (replace_page()). After a
 *                 program has asked for KSM, smaps and the bits of a page are
 *                 not compared.
 * core-zero-page  The core engine drops the uffd-wp bit when it replaces a zero
 *                 page (docs/findings.md).
 * core-pinned     A hole that the core engine fills is not soft-dirty, and
 *                 clear_refs leaves a pinned page writable: a later CPU write is
 *                 not recorded (docs/findings.md). Permitted with core, after
 *                 the program pinned pages.
 * moved           mremap() marks moved entries as soft-dirty. mprotect() and fork
 *                 drop the mark of a writable device entry: an entry from before
 *                 clear_refs (docs/findings.md). A soft-dirty bit is not compared
 *                 after mremap().
 * batches         The CPUs add up counters in batches: RssAnon is exact within
 *                 64 pages a CPU, memory.stat within 16 pages. memory.stat is
 *                 not compared if the program made the group give back memory
 *                 of any kind.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define RSS_BATCH 64
#define STAT_BATCH 16

const char *const difference_names[DIFFERENCES] = {
	[SAME] = "none",
	[RESULT] = "result",
	[WHO_LIVES] = "who lives",
	[OOM_KILL] = "OOM kill",
	[PAGE_LOST] = "page lost",
	[SOFT_DIRTY_LOST] = "soft-dirty lost",
	[UFFD_WP_CHANGED] = "uffd-wp changed",
	[EXCLUSIVE_CHANGED] = "mapped-once changed",
	[LEFT_MIGRATING] = "migration entry left",
	[SMAPS_OFF] = "smaps",
	[DIRTY_LOST] = "dirty lost",
	[LOCKED_CHANGED] = "VmLck",
	[CONTENTS] = "contents",
	[RSS_OFF] = "rss",
	[STAT_OFF] = "memory.stat",
	[HUNG] = "hung",
	[KERNEL_LOG] = "kernel log",
};

/* Earlier steps that make the comparison less exact. */
struct past {
	bool swapped;
	bool reclaimed;
	bool merged;
	bool pinned;
	bool filled;
	bool filled_pinned;	/* for writing, after a MIGRATE that fills holes */
	bool moved;
	bool midway;	/* an access faulted, maybe after a part */
};

static struct past past_of(const struct program *program, const struct run *plain, int last)
{
	struct past past = { 0 };
	int i;

	for (i = 0; i <= last; i++) {
		past.midway |= plain->steps[i].done && plain->steps[i].result == FAULT;
		past.swapped |= !!(ops[program->steps[i].op].flags & OP_SWAPS);
		past.reclaimed |= !!(ops[program->steps[i].op].flags & OP_RECLAIMS);
		past.pinned |= !!(ops[program->steps[i].op].flags & OP_PINS);
		past.filled_pinned |= past.filled && program->steps[i].arg & 1 &&
				      ops[program->steps[i].op].flags & OP_PINS;
		past.filled |= !!(ops[program->steps[i].op].flags & OP_FILLS);
		past.moved |= !!(ops[program->steps[i].op].flags & OP_MOVES);
		past.merged |= !!(ops[program->steps[i].op].flags & OP_MERGES);
	}
	return past;
}

static void found(struct finding *finding, enum difference what, int step,
		  const char *format, ...)
{
	va_list args;

	finding->what = what;
	finding->step = step;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

/* Compares a page without a device and with a device; SAME if permitted. */
static enum difference compare_page(uint8_t plain, uint8_t device, enum backend which,
				    struct past past)
{
	uint8_t changed = plain ^ device;

	if (device & PAGE_MIGRATING)
		return LEFT_MIGRATING;
	if (past.merged)
		return SAME;
	if (plain & PAGE_THERE && !(device & PAGE_THERE) &&
	    (plain & PAGE_REAL || !past.midway))
		return PAGE_LOST;
	if (plain & PAGE_SOFT_DIRTY && !(device & PAGE_SOFT_DIRTY) && !past.moved &&
	    !(which == CORE && past.pinned))
		return SOFT_DIRTY_LOST;
	if (changed & PAGE_UFFD_WP && plain & PAGE_THERE &&
	    (which == OWN || plain & PAGE_REAL))
		return UFFD_WP_CHANGED;
	if (changed & PAGE_EXCLUSIVE && plain & device & PAGE_PRESENT &&
	    plain & device & PAGE_REAL && !past.swapped && !past.midway)
		return EXCLUSIVE_CHANGED;
	return SAME;
}

static void compare_pages(const struct process_state *plain,
			  const struct process_state *device, struct past past,
			  struct finding *finding)
{
	enum difference what;
	int page;

	for (page = 0; page < PAGES; page++) {
		if (plain->undefined[page] || device->undefined[page])
			continue;
		what = compare_page(plain->pages[page], device->pages[page],
				    finding->backend, past);
		if (what) {
			found(finding, what, finding->step,
			      "page %d: %02x without a device, %02x with", page,
			      plain->pages[page], device->pages[page]);
			return;
		}
	}
}

static bool any_undefined(const struct process_state *state, int area)
{
	int i;

	for (i = 0; i < AREA_PAGES; i++)
		if (state->undefined[area * AREA_PAGES + i])
			return true;
	return false;
}

/*
 * Compares smaps with pagemap in the same run, and dirty pages with the other
 * run.
 */
static void compare_areas(const struct process_state *plain,
			  const struct process_state *device, struct past past,
			  struct finding *finding)
{
	const struct area_state *p, *d;
	int area;

	if (past.merged)
		return;
	for (area = 0; area < AREAS; area++) {
		p = &plain->areas[area];
		d = &device->areas[area];
		if (d->rss + d->swap != d->real) {
			found(finding, SMAPS_OFF, finding->step,
			      "area %d: rss %d, swap %d, pages %d", area, d->rss, d->swap,
			      d->real);
			return;
		}
		if (d->dirty < p->dirty && !past.swapped && !past.filled_pinned &&
		    !any_undefined(plain, area) && !any_undefined(device, area)) {
			found(finding, DIRTY_LOST, finding->step,
			      "area %d: %d dirty without a device, %d with", area, p->dirty,
			      d->dirty);
			return;
		}
	}
}

static void compare_process(const struct process_state *plain,
			    const struct process_state *device, struct past past,
			    bool closely, struct finding *finding)
{
	if (plain->alive != device->alive)
		found(finding, WHO_LIVES, finding->step, "%s", device->alive ?
		      "alive with a device only" : "dead with a device only");
	if (!plain->alive || finding->what)
		return;
	if (plain->locked != device->locked)
		found(finding, LOCKED_CHANGED, finding->step, "%ld KiB without, %ld with",
		      plain->locked, device->locked);
	if (!finding->what)
		compare_pages(plain, device, past, finding);
	if (!finding->what && closely)
		compare_areas(plain, device, past, finding);
}

static void compare_step(const struct observation *plain,
			 const struct observation *device, struct past past,
			 struct finding *finding)
{
	int slot, step = finding->step;

	if (plain->done && device->done && plain->result != device->result)
		found(finding, RESULT, step, "%ld without a device, %ld with",
		      plain->result, device->result);
	if (finding->what || !plain->observed || !device->observed)
		return;
	if (device->oom_kills > plain->oom_kills)
		found(finding, OOM_KILL, step, "%ld without a device, %ld with",
		      plain->oom_kills, device->oom_kills);
	for (slot = 0; slot < PROCESSES && !finding->what; slot++) {
		compare_process(&plain->processes[slot], &device->processes[slot], past,
				plain->closely && device->closely, finding);
		if (finding->what)
			snprintf(finding->text + strnlen(finding->text, MAX_TEXT - 16), 16,
				 " (process %d)", slot);
	}
}

static void compare_contents(const struct run *plain, const struct run *device,
			     const struct observation *p, const struct observation *d,
			     struct finding *finding)
{
	int slot, page;

	for (slot = 0; slot < PROCESSES; slot++) {
		if (!p->processes[slot].alive)
			continue;
		for (page = 0; page < PAGES; page++) {
			if (p->processes[slot].undefined[page] ||
			    d->processes[slot].undefined[page] ||
			    plain->ending.hash[slot][page] == device->ending.hash[slot][page])
				continue;
			found(finding, CONTENTS, finding->step, "process %d, page %d", slot,
			      page);
			return;
		}
	}
}

static void compare_accounts(const struct run *plain, const struct run *device,
			     struct past past, struct finding *finding)
{
	long limit = RSS_BATCH * sysconf(_SC_NPROCESSORS_ONLN);
	int slot;

	for (slot = 0; slot < PROCESSES; slot++)
		if (labs(device->ending.rss_off[slot]) > limit)
			found(finding, RSS_OFF, finding->step,
			      "process %d: RssAnon is off by %ld pages", slot,
			      device->ending.rss_off[slot]);
	if (!past.reclaimed &&
	    labs(device->ending.stat_off - plain->ending.stat_off) > STAT_BATCH)
		found(finding, STAT_OFF, finding->step,
		      "anon but for the areas' pages: %ld without a device, %ld with",
		      plain->ending.stat_off, device->ending.stat_off);
}

/* @finding->backend is the backend of run @device. */
void compare(const struct program *program, const struct run *plain,
	     const struct run *device, struct finding *finding)
{
	int last = program->count - 1, i;

	finding->what = SAME;
	for (i = 0; i <= last && !finding->what; i++) {
		finding->step = i;
		compare_step(&plain->steps[i], &device->steps[i], past_of(program, plain, i),
			     finding);
	}
	if (finding->what)
		return;
	finding->step = last;
	if (device->ending.hung || device->ending.reached != plain->ending.reached)
		found(finding, HUNG, last, "the run did not come to its end");
	if (finding->what || last < 0)
		return;
	compare_contents(plain, device, &plain->steps[last], &device->steps[last], finding);
	if (!finding->what)
		compare_accounts(plain, device, past_of(program, plain, last), finding);
}
