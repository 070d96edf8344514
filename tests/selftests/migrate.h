/* SPDX-License-Identifier: MIT */
/* Migrations by a named engine, by one ioctl over the whole range. */
#ifndef FERRY_MIGRATE_H
#define FERRY_MIGRATE_H

#include "ferry_test.h"

#define TO_DEVICE DRM_FERRY_TARGET_DEVICE
#define TO_SYSTEM DRM_FERRY_TARGET_SYSTEM
#define OWN DRM_FERRY_BACKEND_OWN
#define CORE DRM_FERRY_BACKEND_CORE

/* @outcomes may be NULL. The caller may set more fields. */
static inline struct drm_ferry_migrate make_request(uint32_t engine, const void *memory, size_t n,
						    uint32_t target, const uint8_t *outcomes)
{
	return (struct drm_ferry_migrate) {
		.addr = ptr(memory),
		.len = n,
		.target = target,
		.backend = engine,
		.outcomes = ptr(outcomes),
	};
}

/* Returns 0 or -errno; the request has the counts. */
static inline int _test_request(struct ferry *ferry, struct drm_ferry_migrate *request)
{
	return ferry_migrate_raw(ferry, request, sizeof(*request));
}

/* The range and the outcomes are new, the other fields stay. */
static inline int _test_request_for(struct ferry *ferry, struct drm_ferry_migrate *request,
				    const void *memory, size_t n, uint8_t *outcomes)
{
	request->addr = ptr(memory);
	request->len = n;
	request->outcomes = ptr(outcomes);
	return _test_request(ferry, request);
}

/* Returns the count of moved pages or -errno. */
static inline int _test_moved(struct ferry *ferry, uint32_t engine, const void *memory, size_t n,
			      uint32_t target, uint8_t *outcomes)
{
	struct drm_ferry_migrate request = make_request(engine, memory, n, target, outcomes);

	return _test_request(ferry, &request) ?: (int)request.moved;
}

/* @outcomes may be NULL. Yields the request with its counts. */
#define test_engine(ferry, engine, memory, n, target, outcomes)		\
	({								\
		struct drm_ferry_migrate __request =			\
			make_request(engine, memory, n, target, outcomes); \
		ASSERT_EQ(_test_request(ferry, &__request), 0);		\
		ASSERT_EQ(__request.done, (uint64_t)(n));		\
		__request;						\
	})

/* Every page must move. */
#define test_engine_moves(ferry, engine, memory, n, target)		\
	do {								\
		struct drm_ferry_migrate __moved =			\
			test_engine(ferry, engine, memory, n, target, NULL); \
		ASSERT_EQ(__moved.moved, (n) / page_size());		\
		ASSERT_EQ(__moved.failed, 0);				\
	} while (0)

/* Every page must move, by the engine and the flush of the fixture's variant. */
#define test_variant_moves(ferry, variant, memory, n, target_)		\
	do {								\
		struct drm_ferry_migrate __request = {			\
			.backend = (variant)->backend,			\
			.flush = (variant)->flush,			\
			.target = target_,				\
		};							\
		ASSERT_EQ(_test_request_for(ferry, &__request, memory, n, NULL), 0); \
		ASSERT_EQ(__request.moved, (n) / page_size());		\
	} while (0)

static inline size_t count_outcome(const uint8_t *outcomes, size_t n, uint8_t outcome)
{
	size_t i, count = 0;

	for (i = 0; i < n; i++)
		count += outcomes[i] == outcome;
	return count;
}

/* Fills the device with cleared pages. Returns the mapping or MAP_FAILED. */
static inline void *_test_fill_device(struct ferry *ferry)
{
	struct drm_ferry_query query;
	void *filler = MAP_FAILED;
	size_t n;

	if (ferry_query(ferry, &query, sizeof(query)))
		return MAP_FAILED;
	n = query.memory_size - query.memory_used;
	filler = _test_map(n);
	if (filler == MAP_FAILED ||
	    ferry_migrate(ferry, filler, n, DRM_FERRY_TARGET_DEVICE, NULL, NULL) ||
	    _test_used(ferry) != query.memory_size)
		return MAP_FAILED;
	return filler;
}

/*
 * A migration in a thread of its own: the test acts while a control holds the
 * migration (control.h).
 */
struct background {
	struct ferry *ferry;
	struct drm_ferry_migrate request;
	int ret;
	pthread_t thread;
};

static inline void *background_run(void *arg)
{
	struct background *background = arg;

	background->ret = _test_request(background->ferry, &background->request);
	return NULL;
}

static inline int background_start(struct background *background)
{
	return -pthread_create(&background->thread, NULL, background_run, background);
}

/* Returns the result of the ioctl. */
static inline int background_join(struct background *background)
{
	pthread_join(background->thread, NULL);
	return background->ret;
}

#endif
