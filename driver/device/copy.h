/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_COPY_H
#define FERRY_DEVICE_COPY_H

struct page;

void ferry_copy_to_device(struct page *const *dpages, struct page *const *spages,
			  unsigned long n);
void ferry_copy_from_device(struct page *const *spages, struct page *const *dpages,
			    unsigned long n);

#endif
