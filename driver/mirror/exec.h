/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_EXEC_H
#define FERRY_MIRROR_EXEC_H

struct drm_ferry_exec_op;
struct ferry_mirror;

int ferry_exec_check(const struct ferry_mirror *mirror,
		     const struct drm_ferry_exec_op *op);
int ferry_exec_run(struct ferry_mirror *mirror, struct drm_ferry_exec_op *op);

#endif
