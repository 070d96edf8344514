// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device of few pages for the engine's KUnit suites: a private range in an
 * unused part of the physical address space, as in driver/device/chunk.c, with
 * one word of data per page. A CPU fault moves no page to system memory: a test
 * that accesses a device page gets SIGBUS.
 */
#include <linux/atomic.h>
#include <linux/ioport.h>
#include <linux/memremap.h>
#include <linux/numa.h>

#include "kunit.h"

#define DEVICE_PAGES	512
#define DEVICE_SIZE	(DEVICE_PAGES * PAGE_SIZE)

/**
 * struct ferry_kunit_device - device memory of a test
 * @pagemap: all pages; the address of the struct is the pgmap owner
 * @resource: range in the physical address space
 * @next: index of the next page to hand out
 * @used: pages that are handed out
 * @words: data, one word per page
 */
struct ferry_kunit_device {
	struct dev_pagemap pagemap;
	struct resource *resource;
	unsigned long next;
	atomic_long_t used;
	u64 words[DEVICE_PAGES];
};

static struct ferry_kunit_device *device_of(const struct page *page)
{
	return container_of(page_pgmap(page), struct ferry_kunit_device, pagemap);
}

static void free_device_page(ferry_freed *freed)
{
	atomic_long_dec(&device_of((struct page *)freed)->used);
}

static vm_fault_t refuse_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct dev_pagemap_ops device_ops = {
	.ferry_free_op = free_device_page,
	.migrate_to_ram = refuse_fault,
};

/* Waits for pages that are still mapped in the test's address space. */
static void destroy(void *data)
{
	struct ferry_kunit_device *device = data;

	memunmap_pages(&device->pagemap);
	release_mem_region(device->resource->start, resource_size(device->resource));
}

/**
 * ferry_kunit_device_create() - make a device
 * @test: the test; the device ends with the test
 *
 * Context: sleeps; asserts.
 * Return: the device.
 */
struct ferry_kunit_device *ferry_kunit_device_create(struct kunit *test)
{
	struct ferry_kunit_device *device;
	void *address;

	device = kunit_kzalloc(test, sizeof(*device), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, device);
	device->resource = request_free_mem_region(&iomem_resource, DEVICE_SIZE, "ferry");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, device->resource);
	device->pagemap.type = MEMORY_DEVICE_PRIVATE;
	device->pagemap.range.start = device->resource->start;
	device->pagemap.range.end = device->resource->end;
	device->pagemap.nr_range = 1;
	device->pagemap.ops = &device_ops;
	device->pagemap.owner = device;
	address = memremap_pages(&device->pagemap, numa_mem_id());
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, address);
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, destroy, device), 0);
	return device;
}

/**
 * ferry_kunit_device_pfn() - first pfn of a device
 * @device: the device
 *
 * Context: any.
 * Return: the pfn.
 */
unsigned long ferry_kunit_device_pfn(const struct ferry_kunit_device *device)
{
	return PHYS_PFN(device->pagemap.range.start);
}

/**
 * ferry_kunit_device_alloc() - hand out a locked page
 * @device: the device; each page is handed out only once
 *
 * Context: any.
 * Return: the page, locked, with one reference; NULL when no page is left.
 */
struct page *ferry_kunit_device_alloc(struct ferry_kunit_device *device)
{
	struct page *page;

	if (device->next == DEVICE_PAGES)
		return NULL;
	page = pfn_to_page(ferry_kunit_device_pfn(device) + device->next++);
	ferry_zone_device_page_init(page);
	atomic_long_inc(&device->used);
	return page;
}

/**
 * ferry_kunit_device_used() - count the pages that are handed out
 * @device: the device
 *
 * Context: any.
 * Return: number of pages.
 */
unsigned long ferry_kunit_device_used(const struct ferry_kunit_device *device)
{
	return atomic_long_read(&device->used);
}

/**
 * ferry_kunit_device_word() - data of a device page
 * @page: page of a ferry_kunit_device
 *
 * Context: any.
 * Return: address of the word of @page.
 */
u64 *ferry_kunit_device_word(const struct page *page)
{
	struct ferry_kunit_device *device = device_of(page);

	return &device->words[page_to_pfn(page) - ferry_kunit_device_pfn(device)];
}
