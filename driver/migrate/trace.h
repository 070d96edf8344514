/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the own engine, "ferry" in tracefs: one event for each phase
 * of a migration by address, and one event for each outcome that the engine
 * sets. Drop-in calls report outcomes too.
 *
 * No event reports an outcome that the caller stores (NO_MEMORY or QUOTA), a
 * hole that the driver skips, or a mapping that the driver refuses as a whole.
 * After a drain a page can have two events. The last event counts.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ferry

#if !defined(FERRY_MIGRATE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FERRY_MIGRATE_TRACE_H

#include <linux/tracepoint.h>

#include "migrate/outcome.h"

TRACE_EVENT(ferry_setup,
	TP_PROTO(unsigned long start, unsigned long npages, unsigned long cpages,
		 unsigned int passes, unsigned int drains, unsigned long flushes),
	TP_ARGS(start, npages, cpages, passes, drains, flushes),
	TP_STRUCT__entry(
		__field(unsigned long, start)
		__field(unsigned long, npages)
		__field(unsigned long, cpages)
		__field(unsigned int, passes)
		__field(unsigned int, drains)
		__field(unsigned long, flushes)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->npages = npages;
		__entry->cpages = cpages;
		__entry->passes = passes;
		__entry->drains = drains;
		__entry->flushes = flushes;
	),
	TP_printk("start=%#lx npages=%lu cpages=%lu passes=%u drains=%u flushes=%lu",
		  __entry->start, __entry->npages, __entry->cpages, __entry->passes,
		  __entry->drains, __entry->flushes)
);

TRACE_EVENT(ferry_pages,
	TP_PROTO(unsigned long start, unsigned long npages, unsigned long moved),
	TP_ARGS(start, npages, moved),
	TP_STRUCT__entry(
		__field(unsigned long, start)
		__field(unsigned long, npages)
		__field(unsigned long, moved)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->npages = npages;
		__entry->moved = moved;
	),
	TP_printk("start=%#lx npages=%lu moved=%lu", __entry->start, __entry->npages,
		  __entry->moved)
);

TRACE_EVENT(ferry_finalize,
	TP_PROTO(unsigned long start, unsigned long npages, unsigned long known,
		 unsigned long walked),
	TP_ARGS(start, npages, known, walked),
	TP_STRUCT__entry(
		__field(unsigned long, start)
		__field(unsigned long, npages)
		__field(unsigned long, known)
		__field(unsigned long, walked)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->npages = npages;
		__entry->known = known;
		__entry->walked = walked;
	),
	TP_printk("start=%#lx npages=%lu known=%lu walked=%lu", __entry->start,
		  __entry->npages, __entry->known, __entry->walked)
);

/* By pfn the address is 0. */
TRACE_EVENT(ferry_outcome,
	TP_PROTO(unsigned long addr, unsigned long slot, u8 outcome),
	TP_ARGS(addr, slot, outcome),
	TP_STRUCT__entry(
		__field(unsigned long, addr)
		__field(unsigned long, slot)
		__string(name, ferry_outcome_name(outcome))
	),
	TP_fast_assign(
		__entry->addr = addr;
		__entry->slot = slot;
		__assign_str(name);
	),
	TP_printk("addr=%#lx slot=%lu %s", __entry->addr, __entry->slot, __get_str(name))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH migrate
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
