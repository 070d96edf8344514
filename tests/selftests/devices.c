// SPDX-License-Identifier: MIT
/*
 * The devices as programs find them. Needs four devices: devices=4 memory=16M.
 *
 * Shows: devices
 * Guest: devices
 */
#include <xf86drm.h>

#include "ferry_test.h"

#define NDEVICES 4

TEST(libdrm_lists_each)
{
	drmDevicePtr devices[64];
	int n, i, found = 0;

	n = drmGetDevices2(0, devices, 64);
	ASSERT_GE(n, NDEVICES);
	for (i = 0; i < n; i++) {
		drmVersionPtr version;
		int fd;

		ASSERT_TRUE(devices[i]->available_nodes & 1 << DRM_NODE_RENDER);
		fd = open(devices[i]->nodes[DRM_NODE_RENDER], O_RDWR);
		ASSERT_GE(fd, 0);
		version = drmGetVersion(fd);
		ASSERT_NE(version, NULL);
		found += !strcmp(version->name, "ferry");
		drmFreeVersion(version);
		close(fd);
	}
	drmFreeDevices(devices, n);
	ASSERT_EQ(found, NDEVICES);
}

TEST(each_opens_by_index)
{
	struct drm_ferry_query query;
	struct ferry *ferry;
	unsigned int i;

	for (i = 0; i < NDEVICES; i++) {
		ferry = test_open(i);
		ASSERT_EQ(ferry_query(ferry, &query, sizeof(query)), 0);
		ASSERT_EQ(query.index, i);
		ASSERT_EQ(query.memory_size, 16 * MIB);
		ASSERT_EQ(query.memory_kind, DRM_FERRY_MEMORY_PRIVATE);
		ASSERT_EQ(query.backends, 1u << DRM_FERRY_BACKEND_CORE |
					  1u << DRM_FERRY_BACKEND_OWN);
		ferry_close(ferry);
	}
	ASSERT_EQ(ferry_open_index(NDEVICES, &ferry), -ENODEV);
	ASSERT_EQ(ferry_open_path("/dev/null", &ferry), -ENODEV);
	ASSERT_EQ(ferry_open_path("/dev/no-such-node", &ferry), -ENOENT);
}

TEST(render_nodes_are_for_everybody)
{
	pid_t pid = test_fork();

	if (!pid) {
		struct ferry *ferry = NULL;
		int tries;

		child_check(!setgid(65534) && !setuid(65534));
		/* As with udev, the node gets its mode a moment later. */
		for (tries = 0; tries < 50 && ferry_open_index(0, &ferry); tries++)
			usleep(20000);
		child_check(ferry);
		_exit(0);
	}
	test_wait(pid);
}

TEST(library_says_what_it_is)
{
	ASSERT_STREQ(ferry_version(), "0.2");
	ASSERT_STREQ(ferry_outcome_name(DRM_FERRY_MOVED), "moved");
	ASSERT_STREQ(ferry_outcome_name(250), "unknown");
}

TEST_HARNESS_MAIN
