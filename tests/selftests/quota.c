// SPDX-License-Identifier: MIT
/*
 * The module is loaded with quota=50,25 (tests/run): all files of one user may
 * hold half of a device's memory, one file a quarter. A user over the quota
 * learns the reason from the outcome of the page, from ENOSPC if no page moved,
 * from STATS and from fdinfo.
 *
 * Shows: quota, STATS, fdinfo
 * Guest: quota
 */
#include "files.h"

FIXTURE(quota) {
	struct ferry *ferry;
	uint8_t *memory;
	uint8_t *outcomes;
	size_t all;	/* pages of the device */
};

FIXTURE_SETUP(quota)
{
	struct drm_ferry_query query;

	self->ferry = test_open(0);
	ASSERT_EQ(ferry_query(self->ferry, &query, sizeof(query)), 0);
	ASSERT_TRUE(query.features & DRM_FERRY_FEATURE_QUOTA);
	ASSERT_EQ(query.memory_used, 0);
	self->all = query.memory_size / page_size();
	self->memory = test_map(query.memory_size);
	self->outcomes = test_map(self->all);
}

FIXTURE_TEARDOWN(quota)
{
	ferry_close(self->ferry);
}

/* Returns the ioctl's status; @request receives the counts. */
static int fill_up(struct ferry *ferry, uint8_t *memory, size_t n, uint8_t *outcomes,
		   struct drm_ferry_migrate *request)
{
	*request = (struct drm_ferry_migrate) {
		.addr = ptr(memory), .len = n, .outcomes = ptr(outcomes) };
	return _test_ioctl(ferry, DRM_IOCTL_FERRY_MIGRATE, request);
}

static long from_fdinfo(struct ferry *ferry, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ferry_fd(ferry));
	return read_counter(path, key);
}

TEST_F(quota, of_a_file)
{
	size_t page = page_size(), quarter = self->all / 4;
	struct drm_ferry_migrate request;

	ASSERT_EQ(test_stats(self->ferry).quota, quarter);
	ASSERT_EQ(test_stats(self->ferry).quota_left, quarter);
	ASSERT_EQ(fill_up(self->ferry, self->memory, self->all * page, self->outcomes,
			  &request), 0);
	ASSERT_EQ(request.moved, quarter);
	ASSERT_GT(request.failed, 0);
	ASSERT_EQ(self->outcomes[quarter - 1], DRM_FERRY_ZERO_FILLED);
	ASSERT_EQ(self->outcomes[request.done / page - 1], DRM_FERRY_QUOTA);
	test_used(self->ferry, quarter);

	ASSERT_EQ(fill_up(self->ferry, self->memory + quarter * page, page, self->outcomes,
			  &request), -ENOSPC);
	ASSERT_EQ(self->outcomes[0], DRM_FERRY_QUOTA);
	ASSERT_EQ(test_stats(self->ferry).quota_left, 0);
	ASSERT_EQ(from_fdinfo(self->ferry, "ferry-quota-pages"), (long)quarter);
	ASSERT_EQ(from_fdinfo(self->ferry, "ferry-quota-left"), 0);
	ASSERT_GT(from_fdinfo(self->ferry, "ferry-pages-over-quota"), 0);

	/* A page that leaves the device frees quota. */
	test_to_system(self->ferry, self->memory, page);
	ASSERT_EQ(test_stats(self->ferry).quota_left, 1);
	test_to_device(self->ferry, self->memory, page);
}

/*
 * A user's files share the user's quota, however many files; another user gets
 * the rest of the memory.
 */
TEST_F(quota, of_a_user)
{
	size_t page = page_size(), quarter = self->all / 4;
	struct drm_ferry_migrate request;
	int ready[2], go[2];
	pid_t pid;

	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(go), 0);
	pid = test_fork();
	if (!pid) {
		struct ferry *files[3];
		size_t moved = 0;
		int i, ret = 0;

		child_check(!setuid(NOBODY));
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 3; i++) {
			child_check(!ferry_open_index(0, &files[i]));
			ret = fill_up(files[i], self->memory + moved * page,
				      (self->all - moved) * page, self->outcomes, &request);
			moved += request.moved;
		}
		child_check(ret == -ENOSPC);
		child_check(self->outcomes[0] == DRM_FERRY_QUOTA);
		child_check(moved == 2 * quarter);
		child_check(!send_byte(ready[1]) && !wait_byte(go[0]));
		_exit(0);
	}
	ASSERT_EQ(wait_byte(ready[0]), 0);
	test_used(self->ferry, 2 * quarter);
	test_to_device(self->ferry, self->memory, quarter * page);
	ASSERT_EQ(send_byte(go[1]), 0);
	test_wait(pid);
}

TEST_HARNESS_MAIN
