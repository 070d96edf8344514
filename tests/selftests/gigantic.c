// SPDX-License-Identifier: MIT
/*
 * Pages mapped by a PMD and by a PUD. Needs a guest that is booted with
 * hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=4.
 *
 * Shows: I11, SNAPSHOT, hugetlb
 * Guest: gigantic
 */
#include <linux/mman.h>

#include "dmirror.h"

#define GIGANTIC (1024 * MIB)

static uint8_t *_test_map_hugetlb(size_t size, int flag)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | flag, -1, 0);
}

static unsigned int order_of(struct ferry *ferry, const void *addr)
{
	uint32_t page = 0;

	if (ferry_snapshot(ferry, addr, page_size(), &page, NULL))
		return ~0u;
	return (page & DRM_FERRY_PAGE_ORDER_MASK) >> DRM_FERRY_PAGE_ORDER_SHIFT;
}

static void see(struct __test_metadata *_metadata, size_t size, int flag, int level,
		unsigned int order)
{
	uint8_t *huge = _test_map_hugetlb(size, flag), *data = test_map(page_size());
	struct ferry *ferry = test_open(0);
	int fd = test_dmirror_open(0);
	struct hmm_dmirror_cmd cmd;
	uint8_t *last;

	ASSERT_NE((void *)huge, MAP_FAILED);
	last = huge + size - page_size();
	test_byte(fd, last, HMM_DMIRROR_PROT_NONE);
	fill_pattern(last, page_size(), 3);
	test_byte(fd, huge, HMM_DMIRROR_PROT_WRITE | level);
	test_byte(fd, last, HMM_DMIRROR_PROT_WRITE | level);
	ASSERT_EQ(order_of(ferry, huge), order);
	ASSERT_EQ(order_of(ferry, last), order);

	/* The device finds the right page of the huge page. */
	test_cmd(fd, HMM_DMIRROR_READ, last, data, 1);
	test_pattern(data, page_size(), 3);
	fill_pattern(data, page_size(), 4);
	test_cmd(fd, HMM_DMIRROR_WRITE, last, data, 1);
	test_pattern(last, page_size(), 4);

	ASSERT_EQ(mprotect(huge, size, PROT_READ), 0);
	test_byte(fd, last, HMM_DMIRROR_PROT_READ | level);
	ASSERT_EQ(_test_cmd(fd, HMM_DMIRROR_MIGRATE_TO_DEV, last, data, 1, &cmd), -EINVAL);
	ASSERT_EQ(_test_cmd(fd, HMM_DMIRROR_EXCLUSIVE, huge, data, 1, &cmd), -EBUSY);
	munmap(huge, size);
	test_byte(fd, last, HMM_DMIRROR_PROT_ERROR);
	close(fd);
	ferry_close(ferry);
}

TEST(gigantic_pmd)
{
	see(_metadata, PMD_SIZE, MAP_HUGE_2MB, HMM_DMIRROR_PROT_PMD, 9);
}

TEST(gigantic_pud)
{
	see(_metadata, GIGANTIC, MAP_HUGE_1GB, HMM_DMIRROR_PROT_PUD, 18);
}

TEST_HARNESS_MAIN
