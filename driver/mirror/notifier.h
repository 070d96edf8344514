/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_MIRROR_NOTIFIER_H
#define FERRY_MIRROR_NOTIFIER_H

#include <linux/mmu_notifier.h>

extern const struct mmu_interval_notifier_ops ferry_window_notifier_ops;

#endif
