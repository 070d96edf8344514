// SPDX-License-Identifier: GPL-2.0-only
/* The trace points of the engine, and the event for one page. */
#include "engine.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * ferry_trace_outcome() - emit the trace event for the outcome of a page
 * @job: the migration; the address in the event is 0 for a migration by pfn
 * @slot: index of the page in the call
 * @outcome: enum ferry_outcome
 *
 * Takes the job and not the address: the address as an argument cost the engine
 * four instructions a page in each phase that reports outcomes, without tracing.
 *
 * Context: any; the caller has checked that the tracepoint is enabled.
 */
void ferry_trace_outcome(const struct ferry_job *job, unsigned long slot, u8 outcome)
{
	trace_ferry_outcome(job->vma ? ferry_job_addr(job, slot) : 0, slot, outcome);
}
