// SPDX-License-Identifier: GPL-2.0-only
/* The trace points of the engine, and the event for one page. */
#include "engine.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * ferry_trace_outcome() - emit the trace event for the outcome of a page
 * @addr: address of the page, or 0 for a migration by pfn
 * @slot: index of the page in the call
 * @outcome: enum ferry_outcome
 *
 * Context: any; the caller has checked that the tracepoint is enabled.
 */
void ferry_trace_outcome(unsigned long addr, unsigned long slot, u8 outcome)
{
	trace_ferry_outcome(addr, slot, outcome);
}
