/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_FRONT_DRM_H
#define FERRY_FRONT_DRM_H

/**
 * DOC: Ownership and lock order of the front ends
 *
 * A device has two nodes: the DRM render node (drm.c, request.c) and the
 * test_hmm node (dmirror.c, dmirror_request.c, dmirror_data.c). Each open file
 * owns one struct ferry_mirror, from open to release. main.c owns the nodes and
 * the devices; a device outlives both nodes.
 *
 * A front end has no lock, and calls the mirror with no lock held. Each ioctl
 * enters the mirror (ferry_mirror_enter_own()). Only RELEASE and
 * CHECK_EXCLUSIVE of the test_hmm node, and fdinfo, also work without entry,
 * after the address space has ended. The lock order of the mirror is in
 * mirror/mirror.h. A front end accesses no page table and calls no phase of the
 * engine.
 *
 * A new ioctl changes:
 *
 *   - uapi/drm/ferry_drm.h: number, struct, the table of errors, version,
 *     feature bit
 *   - request.h and request.c: the function, and the feature bit in
 *     ferry_request_query()
 *   - abi.c: the size of the struct, and each value that a layer shares
 *   - drm.c: FERRY_IOCTL_FUNC() and ferry_ioctls[]
 *   - mirror/: one function with the work; Kbuild, if the file is new
 *   - libferry (userlib/), tests, documents
 */

struct ferry_device;
struct ferry_drm;

struct ferry_drm *ferry_drm_create(struct ferry_device *device);
void ferry_drm_destroy(struct ferry_drm *front);

#endif
