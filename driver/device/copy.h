/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_DEVICE_COPY_H
#define FERRY_DEVICE_COPY_H

struct page;

void ferry_copy_to_device(struct page *dpage, struct page *spage, unsigned long n);
void ferry_copy_from_device(struct page *spage, struct page *dpage, unsigned long n);
void ferry_copy_clear(struct page *dpage, unsigned long n);

#endif
