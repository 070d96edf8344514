// SPDX-License-Identifier: MIT
/*
 * libferry beyond its ioctls: the device list, options of a migration, texts.
 *
 * Shows: libferry
 * Guest: selftests, debug
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "ferry_test.h"

FIXTURE(library) {
	struct ferry *ferry;
	uint8_t *memory;
	size_t n;
};

FIXTURE_SETUP(library)
{
	self->ferry = test_open(0);
	self->n = 16 * page_size();
	self->memory = test_map_pattern(self->n, 1);
}

FIXTURE_TEARDOWN(library)
{
	ferry_close(self->ferry);
}

TEST(version)
{
	char text[16];

	snprintf(text, sizeof(text), "%d.%d", FERRY_VERSION_MAJOR, FERRY_VERSION_MINOR);
	ASSERT_STREQ(ferry_version(), text);
	ASSERT_EQ(ferry_version_number(), FERRY_VERSION);
}

/* Number of Ferry's devices, according to sysfs. */
static size_t count_devices(void)
{
	char path[64];
	size_t n;

	for (n = 0; ; n++) {
		snprintf(path, sizeof(path), "/sys/bus/platform/devices/ferry%zu", n);
		if (access(path, F_OK))
			return n;
	}
}

TEST(list)
{
	struct drm_ferry_query query;
	struct ferry_list *list;
	struct ferry *ferry;
	size_t i;

	ASSERT_EQ(ferry_list_create(&list), 0);
	ASSERT_EQ(ferry_list_count(list), count_devices());
	ASSERT_GT(ferry_list_count(list), 0);
	for (i = 0; i < ferry_list_count(list); i++) {
		ASSERT_EQ(ferry_list_number(list, i), i);
		ASSERT_EQ(ferry_open_path(ferry_list_path(list, i), &ferry), 0);
		ASSERT_EQ(ferry_query(ferry, &query, sizeof(query)), 0);
		ASSERT_EQ(query.index, i);
		ferry_close(ferry);
	}
	ferry_list_free(list);
	ferry_list_free(NULL);
}

TEST(no_such_device)
{
	struct ferry *unchanged = (void *)1, *ferry = unchanged;

	ASSERT_EQ(ferry_open_index(count_devices(), &ferry), -ENODEV);
	ASSERT_EQ(ferry_open_index(~0u, &ferry), -ENODEV);
	ASSERT_EQ(ferry_open_path("/dev/null", &ferry), -ENODEV);
	ASSERT_EQ(ferry_open_path("/proc/self/exe", &ferry), -ETXTBSY);
	ASSERT_EQ(ferry_open_path("/dev", &ferry), -EISDIR);
	ASSERT_EQ(ferry_open_path("/dev/dri/none", &ferry), -ENOENT);
	ASSERT_EQ(ferry, unchanged);
}

/* Without a DRM device /dev/dri does not exist, and libdrm returns ENOENT. */
TEST(no_directory)
{
	pid_t pid = test_fork();

	if (!pid) {
		struct ferry_list *list;
		struct ferry *ferry;

		child_check(!unshare(CLONE_NEWNS));
		child_check(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
		child_check(!mount("none", "/dev", "tmpfs", 0, NULL));
		child_check(ferry_open_index(0, &ferry) == -ENODEV);
		child_check(!ferry_list_create(&list));
		child_check(!ferry_list_count(list));
		ferry_list_free(list);
		_exit(0);
	}
	test_wait(pid);
}

/* A device without permission is listed, and the open reports the reason. */
TEST(no_permission)
{
	struct ferry_list *list;
	struct stat stat_before;
	pid_t pid;

	ASSERT_EQ(ferry_list_create(&list), 0);
	ASSERT_EQ(stat(ferry_list_path(list, 0), &stat_before), 0);
	ASSERT_EQ(chmod(ferry_list_path(list, 0), 0600), 0);
	pid = test_fork();
	if (!pid) {
		struct ferry_list *own;
		struct ferry *ferry;

		child_check(!setuid(NOBODY));
		child_check(ferry_open_index(0, &ferry) == -EACCES);
		child_check(ferry_open_index(count_devices(), &ferry) == -ENODEV);
		child_check(!ferry_list_create(&own));
		child_check(ferry_list_count(own) == ferry_list_count(list));
		child_check(ferry_open_path(ferry_list_path(own, 0), &ferry) == -EACCES);
		_exit(0);
	}
	test_wait(pid);
	ASSERT_EQ(chmod(ferry_list_path(list, 0), stat_before.st_mode & 07777), 0);
	ferry_list_free(list);
}

#define with(...)								\
	(&(const struct ferry_migrate_options) {				\
		.size = sizeof(struct ferry_migrate_options), __VA_ARGS__ })

static int _test_with(struct _test_data_library *self, const struct ferry_migrate_options *options)
{
	return ferry_migrate_with(self->ferry, self->memory, self->n, options, NULL);
}

/* The library passes all values on, and the kernel refuses unknown values. */
TEST_F(library, options)
{
	struct drm_ferry_query query;
	struct ferry_counts counts;

	ASSERT_EQ(ferry_query(self->ferry, &query, sizeof(query)), 0);
	ASSERT_EQ(_test_with(self, with(.backend = 77)), -EINVAL);
	ASSERT_EQ(_test_with(self, with(.flush = 77)), -EINVAL);
	ASSERT_EQ(_test_with(self, with(.flags = 1u << 31)), -EINVAL);
	ASSERT_EQ(_test_with(self, with(.pad = 1)), -EINVAL);
	ASSERT_EQ(_test_with(self, with(.target = 77)), -EINVAL);
	ASSERT_EQ(_test_with(self, with(.target_id = 1)), -EINVAL);
	ASSERT_EQ(_test_with(self, with(.flags = DRM_FERRY_MIGRATE_FAULT_IN)), -EOPNOTSUPP);
	ASSERT_EQ(_test_with(self, with(.target = DRM_FERRY_TARGET_OTHER_DEVICE, .target_id = 1)),
		  -EOPNOTSUPP);
	ASSERT_EQ(_test_with(self, with(.backend = DRM_FERRY_BACKEND_CORE,
					.flush = DRM_FERRY_FLUSH_PER_TABLE)), -EOPNOTSUPP);
	test_used(self->ferry, 0);

	ASSERT_EQ(ferry_migrate_with(self->ferry, self->memory, self->n,
				     with(.backend = DRM_FERRY_BACKEND_CORE), &counts), 0);
	ASSERT_EQ(counts.done, self->n);
	ASSERT_EQ(counts.moved, 16);
	test_used(self->ferry, 16);
	ASSERT_EQ(ferry_migrate_with(self->ferry, self->memory, self->n,
				     with(.target = DRM_FERRY_TARGET_SYSTEM), &counts), 0);
	ASSERT_EQ(counts.moved, 16);
	if (query.backends & 1 << DRM_FERRY_BACKEND_OWN)
		ASSERT_EQ(_test_with(self, with(.backend = DRM_FERRY_BACKEND_OWN,
						.flush = DRM_FERRY_FLUSH_PER_TABLE)), 0);
	test_pattern(self->memory, self->n, 1);
}

/* Options of an older program and of a newer program. */
TEST_F(library, options_of_another_size)
{
	struct {
		struct ferry_migrate_options it;
		uint64_t later;
	} newer = { .it.size = sizeof(newer) };
	struct ferry_migrate_options older = {
		.size = offsetof(struct ferry_migrate_options, backend), .backend = 77 };

	ASSERT_EQ(_test_with(self, &newer.it), 0);
	test_used(self->ferry, 16);
	newer.later = 1;
	ASSERT_EQ(_test_with(self, &newer.it), -E2BIG);
	older.target = DRM_FERRY_TARGET_SYSTEM;
	ASSERT_EQ(_test_with(self, &older), 0);
	test_used(self->ferry, 0);
	older.size = 0;
	ASSERT_EQ(_test_with(self, &older), -EINVAL);
	test_pattern(self->memory, self->n, 1);
}

TEST_F(library, page_words)
{
	char text[64], little[8];
	uint32_t page;

	test_to_device(self->ferry, self->memory, page_size());
	ASSERT_EQ(ferry_snapshot(self->ferry, self->memory, page_size(), &page, NULL), 0);
	ASSERT_STREQ(ferry_page_place(page), "this device");
	ASSERT_EQ(ferry_page_text(page, text, sizeof(text)), strlen(text));
	ASSERT_STREQ(text, "this device, readable, writable");
	ASSERT_EQ(ferry_page_text(page, little, sizeof(little)), strlen(text));
	ASSERT_STREQ(little, "this de");
	ASSERT_EQ(ferry_page_text(page, NULL, 0), strlen(text));

	ferry_page_text(DRM_FERRY_PAGE_SYSTEM | DRM_FERRY_PAGE_READABLE | DRM_FERRY_PAGE_ZERO |
			9 << DRM_FERRY_PAGE_ORDER_SHIFT, text, sizeof(text));
	ASSERT_STREQ(text, "system, readable, zero page, order 9");
	ferry_page_text(0xf | 1u << 31, text, sizeof(text));
	ASSERT_STREQ(text, "unknown, unknown 0x80000000");
	ASSERT_STREQ(ferry_page_place(0), "none");
	ASSERT_STREQ(ferry_outcome_name(DRM_FERRY_COPY_FAILED), "copy failed");
	ASSERT_STREQ(ferry_outcome_name(255), "unknown");
}

TEST_HARNESS_MAIN
