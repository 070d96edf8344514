/* SPDX-License-Identifier: MIT */
/* Write protection by userfaultfd. */
#ifndef FERRY_WP_H
#define FERRY_WP_H

#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/syscall.h>

#include "ferry_test.h"

/* Opens a userfaultfd for write protection of a range. Returns fd or -errno. */
static inline int wp_open(void *addr, size_t n, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register range = {
		.range = { .start = ptr(addr), .len = n },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0)
		return -errno;
	if (!ioctl(uffd, UFFDIO_API, &api) && !ioctl(uffd, UFFDIO_REGISTER, &range))
		return uffd;
	close(uffd);
	return -EIO;
}

/*
 * Protects a range, or removes the protection and wakes the waiting threads.
 * Returns 0 or -errno.
 */
static inline int wp_set(int uffd, void *addr, size_t n, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = ptr(addr), .len = n },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

/* Returns the address of a stopped write, or 0 after 5 idle seconds. */
static inline uint64_t wp_wait(int uffd)
{
	struct pollfd poll_uffd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg message;

	if (poll(&poll_uffd, 1, 5000) != 1 ||
	    read(uffd, &message, sizeof(message)) != sizeof(message) ||
	    message.event != UFFD_EVENT_PAGEFAULT ||
	    !(message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP))
		return 0;
	return message.arg.pagefault.address;
}

/* Newer than the headers of some distributions. */
#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN (1 << 1)
#define PM_SCAN_WP_MATCHING (1 << 0)
#define PM_SCAN_CHECK_WPASYNC (1 << 1)

struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};
#endif

#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/*
 * Returns the number of pages written since the last protection, or -errno.
 * With @protect the scan protects the written pages again. The range is
 * registered with UFFD_FEATURE_WP_ASYNC.
 */
static inline long wp_scan(void *addr, size_t n, bool protect)
{
	struct page_region regions[64] = { 0 };
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.flags = PM_SCAN_CHECK_WPASYNC | (protect ? PM_SCAN_WP_MATCHING : 0),
		.start = ptr(addr),
		.end = ptr(addr) + n,
		.vec = ptr(regions),
		.vec_len = 64,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	long i, found, pages = 0;

	found = ioctl(fd, PAGEMAP_SCAN, &scan);
	if (found < 0)
		pages = -errno;
	for (i = 0; i < found; i++)
		pages += (regions[i].end - regions[i].start) / page_size();
	close(fd);
	return pages;
}

#endif
