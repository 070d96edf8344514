/* SPDX-License-Identifier: GPL-2.0-only */
/* What the KUnit tests of the device layer share. */
#ifndef FERRY_DEVICE_KUNIT_H
#define FERRY_DEVICE_KUNIT_H

#include <linux/mm_types.h>

/**
 * ferry_device_no_fault() - handler of CPU faults for a device without a mirror
 * @vmf: the fault
 *
 * Return: VM_FAULT_SIGBUS; no KUnit test maps a device page.
 */
static inline vm_fault_t ferry_device_no_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

#endif
