// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks for reserved, unused RAM at the address of coherent=.
 *
 * The user names a physical address. A wrong address should end in an error,
 * and not in memory that is in use. (The firmware describes its own memory as
 * reserved too; to the kernel such memory looks like RAM that was reserved at
 * boot.) Four checks, in an order in which each check is safe after the
 * previous checks:
 *   1. The machine can address the range. Otherwise ioremap() warns.
 *   2. The range is not System RAM, which the kernel uses. The user reserves
 *     RAM at boot.
 *   3. The range is reserved, by the firmware or at boot, and no driver has it.
 *     A write to device registers or to another driver's memory does harm.
 *   4. The range holds written data. A word of each page is written over the
 *     whole range, then all words are read. The test finds missing memory, and
 *     memory that appears twice.
 *
 * The claim (request_mem_region()) lasts as long as the device, also while
 * chunks are unplugged.
 */
#define pr_fmt(fmt) "ferry: " fmt

#include <linux/err.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "coherent.h"
#include "../compat.h"
#include "config.h"

/* Bytes that the test maps at a time. */
#define FERRY_PROBE_SIZE	FERRY_MEMORY_ALIGN

/*
 * The range must be described as reserved. Device registers often have no
 * description.
 */
static bool is_reserved(u64 start, u64 size)
{
	return region_intersects(start, size, IORESOURCE_MEM, IORES_DESC_RESERVED) ==
		REGION_INTERSECTS ||
	       region_intersects(start, size, IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED) ==
		REGION_INTERSECTS;
}

/*
 * A claim lies in the smallest region around it, and inherits its description:
 * registers may lie in memory that the firmware reserved.
 */
static bool is_described_as_reserved(const struct resource *claim)
{
	return claim->desc == IORES_DESC_RESERVED || claim->desc == IORES_DESC_SOFT_RESERVED;
}

static bool has_pagemap(u64 addr)
{
	struct dev_pagemap *pagemap = ferry_get_dev_pagemap(PHYS_PFN(addr));

	if (pagemap)
		put_dev_pagemap(pagemap);
	return pagemap;
}

/* Each chunk of another device begins and ends on this alignment. */
static bool is_taken(u64 start, u64 size)
{
	u64 offset;

	for (offset = 0; offset < size; offset += FERRY_MEMORY_ALIGN)
		if (has_pagemap(start + offset))
			return true;
	return false;
}

static u64 pattern(u64 addr)
{
	return addr * 0x9e3779b97f4a7c15ULL ^ 0x6665727279ULL;
}

/* Writes a word of each page, or adds the pages with a wrong word to @wrong. */
static int visit_piece(u64 start, bool write, unsigned long *wrong)
{
	u64 *words, *word;
	unsigned long offset;

	words = memremap(start, FERRY_PROBE_SIZE, MEMREMAP_WB);
	if (!words)
		return -ENOMEM;
	for (offset = 0; offset < FERRY_PROBE_SIZE; offset += PAGE_SIZE) {
		word = words + offset / sizeof(*words);
		if (write)
			WRITE_ONCE(*word, pattern(start + offset));
		else
			*wrong += READ_ONCE(*word) != pattern(start + offset);
	}
	memunmap(words);
	return 0;
}

static int test_ram(u64 start, u64 size)
{
	unsigned long wrong = 0;
	bool write = true;
	u64 offset;
	int ret;

	do {
		for (offset = 0; offset < size; offset += FERRY_PROBE_SIZE) {
			ret = visit_piece(start + offset, write, &wrong);
			if (ret)
				return ret;
			cond_resched();
		}
		write = !write;
	} while (!write);
	return wrong ? -ENXIO : 0;
}

#define KEEP_ASIDE "keep RAM aside at boot with memmap=SIZE$ADDR"

/* Returns NULL, or the error message. */
static const char *find_objection(u64 start, u64 size)
{
	if (start + size - 1 > iomem_resource.end)
		return "is beyond what this machine can address";
	if (region_intersects(start, size, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT)
		return "is System RAM, which the kernel uses; " KEEP_ASIDE;
	if (!is_reserved(start, size))
		return "is not reserved memory (see /proc/iomem); " KEEP_ASIDE;
	if (is_taken(start, size))
		return "is another driver's device memory (is test_hmm loaded?)";
	return NULL;
}

/**
 * ferry_coherent_claim() - claim and test a range of physical memory
 * @start: physical address, a multiple of FERRY_MEMORY_ALIGN
 * @size: bytes, a multiple of FERRY_MEMORY_ALIGN
 *
 * The test overwrites data in the range.
 *
 * Context: sleeps.
 * Return: the claim, to be ended with ferry_coherent_unclaim(), or an
 * ERR_PTR(): -ENXIO, after a line in the kernel log with the reason, or -ENOMEM
 * without memory for a mapping.
 */
struct resource *ferry_coherent_claim(u64 start, u64 size)
{
	const char *objection = find_objection(start, size);
	struct resource *resource = NULL;
	int ret = -ENXIO;

	if (!objection) {
		resource = request_mem_region(start, size, "ferry");
		if (!resource)
			objection = "is in use by another driver (see /proc/iomem)";
		else if (!is_described_as_reserved(resource))
			objection = "is a device's, in reserved memory (see /proc/iomem)";
	}
	if (!objection) {
		ret = test_ram(start, size);
		if (ret == -ENXIO)
			objection = "does not hold what is written to it: no RAM, or not all of it";
	}
	if (objection)
		pr_err("coherent=%#llx,%lluM %s\n", start, size / SZ_1M, objection);
	if (!ret)
		return resource;
	if (resource)
		ferry_coherent_unclaim(resource);
	return ERR_PTR(ret);
}

/**
 * ferry_coherent_unclaim() - undo ferry_coherent_claim()
 * @resource: claim from ferry_coherent_claim()
 *
 * Context: sleeps.
 */
void ferry_coherent_unclaim(struct resource *resource)
{
	release_mem_region(resource->start, resource_size(resource));
}
