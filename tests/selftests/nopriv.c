// SPDX-License-Identifier: MIT
/*
 * A kernel without CONFIG_DEVICE_PRIVATE: coherent devices, behind the node
 * numbers that hmm-tests expects, and no exclusive access.
 *
 * Shows: coherent device, exclusive access, RELEASE, close, test_hmm ABI
 * Guest: debian-6.12
 */
#include "dmirror.h"

#define PAGES 600	/* more than one page table */

FIXTURE(nopriv) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *data;
	size_t n;
	int fd;
};

FIXTURE_SETUP(nopriv)
{
	self->n = PAGES * page_size();
	self->ferry = test_open(0);
	self->fd = test_dmirror_open(FIRST_COHERENT);
	self->memory = test_map_pattern(self->n, 1);
	self->data = test_map(self->n);
}

FIXTURE_TEARDOWN(nopriv)
{
	close(self->fd);
	ferry_close(self->ferry);
}

TEST_F(nopriv, round_trip)
{
	struct hmm_dmirror_cmd cmd;

	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_pattern(self->data, self->n, 1);
	test_used(self->ferry, PAGES);
	/* In place. */
	test_pattern(self->memory, self->n, 1);
	fill_pattern(self->memory, self->n, 2);
	test_used(self->ferry, PAGES);
	test_cmd(self->fd, HMM_DMIRROR_READ, self->memory, self->data, PAGES);
	test_pattern(self->data, self->n, 2);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, self->memory, self->data,
			    PAGES, &cmd), 0);
	ASSERT_EQ(cmd.cpages, PAGES);
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 2);
}

TEST_F(nopriv, no_private_device)
{
	struct drm_ferry_query query;

	ASSERT_LT(_test_dmirror_open("hmm_dmirror", 0), 0);
	ASSERT_EQ(ferry_query(self->ferry, &query, sizeof(query)), 0);
	ASSERT_EQ(query.memory_kind, DRM_FERRY_MEMORY_COHERENT);
}

TEST_F(nopriv, no_exclusive_access)
{
	struct hmm_dmirror_cmd cmd;

	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, self->memory, self->data, PAGES,
			    &cmd), -EOPNOTSUPP);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, self->memory, NULL, PAGES,
			    &cmd), 0);
	test_pattern(self->memory, self->n, 1);
}

/*
 * Without the built-in helper, pages move to system memory under mmap_lock of
 * the file's mm.
 */
TEST_F(nopriv, close_brings_home)
{
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	test_used(self->ferry, PAGES);
	close(self->fd);
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 1);
	self->fd = test_dmirror_open(FIRST_COHERENT);
}

/*
 * Without the own engine RELEASE moves the caller's own pages alone; pages of
 * another file stay in place. With the own engine in the module (debian-6.12)
 * RELEASE moves all pages.
 */
TEST_F(nopriv, release_of_ones_own)
{
	int fd = test_dmirror_open(FIRST_COHERENT);
	struct drm_ferry_query query;
	struct hmm_dmirror_cmd cmd;
	bool all;

	ASSERT_EQ(ferry_query(self->ferry, &query, sizeof(query)), 0);
	all = query.backends & 1 << DRM_FERRY_BACKEND_OWN;
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	ASSERT_EQ(_test_cmd(fd, HMM_DMIRROR_RELEASE, self->memory, NULL, 1, &cmd),
		  all ? 0 : -EBUSY);
	test_used(self->ferry, all ? 0 : PAGES);
	test_pattern(self->memory, self->n, 1);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_RELEASE, self->memory, NULL, 1, &cmd), 0);
	test_used(self->ferry, 0);
	test_pattern(self->memory, self->n, 1);
	test_cmd(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, self->memory, self->data, PAGES);
	close(fd);
}

TEST_HARNESS_MAIN
