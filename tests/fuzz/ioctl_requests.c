// SPDX-License-Identifier: MIT
/* The ioctls of both front ends, field by field. */
#include <drm/ferry_drm.h>

#include "../../driver/front/dmirror_abi.h"
#include "ioctl.h"

#define FIELD(type, member, kind)					\
	{ offsetof(type, member), sizeof(((type *)0)->member), kind }
#define WORD(type, member, i)						\
	{ offsetof(type, member) + 8 * (i), 8, ZERO }

#define QUERY(member) FIELD(struct drm_ferry_query, member, ZERO)
static const struct field query[] = {
	QUERY(abi_version), QUERY(memory_kind), QUERY(features), QUERY(memory_size),
	QUERY(memory_used), QUERY(page_size), QUERY(node), QUERY(backends), QUERY(index),
	WORD(struct drm_ferry_query, rsvd, 0), WORD(struct drm_ferry_query, rsvd, 3),
};

#define MIGRATE(member, kind) FIELD(struct drm_ferry_migrate, member, kind)
static const struct field migrate[] = {
	MIGRATE(addr, RANGE), MIGRATE(len, LENGTH), MIGRATE(target, CHOICE),
	MIGRATE(target_id, ZERO), MIGRATE(backend, CHOICE), MIGRATE(flush, CHOICE),
	MIGRATE(flags, CHOICE), MIGRATE(num_syncs, ZERO), MIGRATE(syncs, ZERO),
	MIGRATE(outcomes, BUFFER), MIGRATE(done, ZERO), MIGRATE(moved, ZERO),
	MIGRATE(already, ZERO), MIGRATE(failed, ZERO),
	WORD(struct drm_ferry_migrate, rsvd, 0), WORD(struct drm_ferry_migrate, rsvd, 3),
};

#define SNAPSHOT(member, kind) FIELD(struct drm_ferry_snapshot, member, kind)
static const struct field snapshot[] = {
	SNAPSHOT(addr, RANGE), SNAPSHOT(len, LENGTH), SNAPSHOT(pages, BUFFER),
	SNAPSHOT(done, ZERO), SNAPSHOT(flags, ZERO), SNAPSHOT(pad, ZERO),
	WORD(struct drm_ferry_snapshot, rsvd, 0), WORD(struct drm_ferry_snapshot, rsvd, 1),
};

/* READ and WRITE have the same fields. */
#define TRANSFER(member, kind) FIELD(struct drm_ferry_read, member, kind)
static const struct field transfer[] = {
	TRANSFER(addr, RANGE), TRANSFER(len, LENGTH), TRANSFER(buffer, BUFFER),
	TRANSFER(done, ZERO), TRANSFER(flags, ZERO), TRANSFER(pad, ZERO),
	WORD(struct drm_ferry_read, rsvd, 0), WORD(struct drm_ferry_read, rsvd, 1),
};

#define EXEC(member, kind) FIELD(struct drm_ferry_exec, member, kind)
static const struct field exec[] = {
	EXEC(ops, OPERATIONS), EXEC(nops, CHOICE), EXEC(stride, STRIDE), EXEC(failed, ZERO),
	EXEC(flags, ZERO), EXEC(num_syncs, ZERO), EXEC(done, ZERO), EXEC(syncs, ZERO),
	WORD(struct drm_ferry_exec, rsvd, 0), WORD(struct drm_ferry_exec, rsvd, 3),
};

#define OPERATION(member, kind) FIELD(struct drm_ferry_exec_op, member, kind)
static const struct field exec_op[] = {
	OPERATION(op, CHOICE), OPERATION(flags, ZERO), OPERATION(addr, RANGE),
	OPERATION(len, LENGTH), OPERATION(src, RANGE), OPERATION(value, ZERO),
	WORD(struct drm_ferry_exec_op, rsvd, 0), WORD(struct drm_ferry_exec_op, rsvd, 1),
};

#define STATS(member) FIELD(struct drm_ferry_stats, member, ZERO)
static const struct field stats[] = {
	STATS(to_device), STATS(pages_held), STATS(quota_left),
	WORD(struct drm_ferry_stats, rsvd, 0),
};

#define DMIRROR(member, kind) FIELD(struct ferry_dmirror_cmd, member, kind)
static const struct field dmirror[] = {
	DMIRROR(addr, RANGE), DMIRROR(ptr, BUFFER), DMIRROR(npages, NPAGES),
	DMIRROR(cpages, ZERO), DMIRROR(faults, ZERO),
};

static const struct field dmirror_flags[] = {
	DMIRROR(addr, RANGE), DMIRROR(ptr, ZERO), DMIRROR(npages, CHOICE),
	DMIRROR(cpages, ZERO), DMIRROR(faults, ZERO),
};

#define COUNT(fields) (sizeof(fields) / sizeof(*(fields)))
#define REQUEST(name, number, fields, of_dmirror)			\
	{ name, number, fields, COUNT(fields), of_dmirror }

const struct request requests[] = {
	REQUEST("QUERY", DRM_IOCTL_FERRY_QUERY, query, false),
	REQUEST("MIGRATE", DRM_IOCTL_FERRY_MIGRATE, migrate, false),
	REQUEST("SNAPSHOT", DRM_IOCTL_FERRY_SNAPSHOT, snapshot, false),
	REQUEST("READ", DRM_IOCTL_FERRY_READ, transfer, false),
	REQUEST("WRITE", DRM_IOCTL_FERRY_WRITE, transfer, false),
	REQUEST("EXEC", DRM_IOCTL_FERRY_EXEC, exec, false),
	REQUEST("STATS", DRM_IOCTL_FERRY_STATS, stats, false),
	REQUEST("dmirror READ", FERRY_DMIRROR_READ, dmirror, true),
	REQUEST("dmirror WRITE", FERRY_DMIRROR_WRITE, dmirror, true),
	REQUEST("dmirror MIGRATE_TO_DEV", FERRY_DMIRROR_MIGRATE_TO_DEV, dmirror, true),
	REQUEST("dmirror MIGRATE_TO_SYS", FERRY_DMIRROR_MIGRATE_TO_SYS, dmirror, true),
	REQUEST("dmirror SNAPSHOT", FERRY_DMIRROR_SNAPSHOT, dmirror, true),
	REQUEST("dmirror EXCLUSIVE", FERRY_DMIRROR_EXCLUSIVE, dmirror, true),
	REQUEST("dmirror CHECK_EXCLUSIVE", FERRY_DMIRROR_CHECK_EXCLUSIVE, dmirror, true),
	REQUEST("dmirror RELEASE", FERRY_DMIRROR_RELEASE, dmirror, true),
	REQUEST("dmirror FLAGS", FERRY_DMIRROR_FLAGS, dmirror_flags, true),
	REQUEST("dmirror READ_UNLOCKED", FERRY_DMIRROR_READ_UNLOCKED, dmirror, true),
};

const int nrequests = COUNT(requests);

const struct request operation = REQUEST("operation", 0, exec_op, false);
