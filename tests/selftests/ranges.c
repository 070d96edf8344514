// SPDX-License-Identifier: MIT
/*
 * One call over a range with pages of every kind; the test checks the outcome
 * of each page by its address.
 *
 * The mixed range is not aligned to page tables. It covers parts of four page
 * tables, of which one does not exist, and mappings of several kinds.
 *
 * Broken engines or drivers that fail here:
 * - A slot stands for a wrong address, because an earlier address was skipped
 *   (I20).
 * - A page has a wrong outcome.
 * - A page moves although the page must stay.
 * - Pages are lost at the end of a piece. A range goes to the engine in pieces
 *   of at most 2,048 pages, and a piece ends with its mapping.
 *
 * Shows: I20, MIGRATE, outcomes
 * Guest: engine
 */
#include <sys/syscall.h>

#include "dmirror.h"
#include "migrate.h"
#include "page_refs.h"
#include "swap.h"
#include "uffd.h"

/* The kind of page at an address. */
enum kind {
	PRESENT,
	HOLE,
	ZERO,
	SWAPPED,
	REFERENCED,
	HERE,
	ELSEWHERE,
	COHERENT,
	EXCLUSIVE,
	NKINDS,
	/* The mapping decides the place of these kinds, not the turn. */
	FILE_PAGE = NKINDS,
	FILE_HOLE,
	FILE_COPY,
	UFFD_PAGE,
	UFFD_HOLE,
	NO_TABLE,
	ALL_KINDS,
};

/**
 * struct expected - the expected result for a page
 * @outcome: outcome by the own engine
 * @zero: the page's data is zero; else the pattern of the page's address
 */
static const struct expected {
	uint8_t outcome;
	bool zero;
} expected[ALL_KINDS] = {
	[PRESENT] = { DRM_FERRY_MOVED, false },
	[HOLE] = { DRM_FERRY_ZERO_FILLED, true },
	[ZERO] = { DRM_FERRY_ZERO_FILLED, true },
	[SWAPPED] = { DRM_FERRY_SWAPPED, false },
	[REFERENCED] = { DRM_FERRY_PINNED, false },
	[HERE] = { DRM_FERRY_ALREADY_THERE, false },
	[ELSEWHERE] = { DRM_FERRY_FOREIGN_DEVICE, false },
	[COHERENT] = { DRM_FERRY_FOREIGN_DEVICE, false },
	[EXCLUSIVE] = { DRM_FERRY_EXCLUSIVE, false },
	[FILE_PAGE] = { DRM_FERRY_FILE, true },
	[FILE_HOLE] = { DRM_FERRY_FILE, true },
	[FILE_COPY] = { DRM_FERRY_MOVED, false },
	[UFFD_PAGE] = { DRM_FERRY_MOVED, false },
	[UFFD_HOLE] = { DRM_FERRY_UFFD, true },
	[NO_TABLE] = { DRM_FERRY_ZERO_FILLED, true },
};

#define TABLE (PMD_SIZE / 4096)
#define FIRST 300
#define END (3 * TABLE + 100)
#define MIXED (END - FIRST)

FIXTURE(mixed) {
	struct ferry *ferry;
	struct ferry *private;
	struct ferry *coherent;
	uint8_t *memory;
	uint8_t *scratch;
	uint8_t outcomes[END];
	enum kind kinds[END];
	int dmirror;
	int pipe[2];
	int memfd;
	int uffd;
};

/*
 * The kind of page at index @i: the kinds take turns, in a different order in
 * each turn.
 */
static enum kind kind_of(size_t i)
{
	if (i >= 2 * TABLE && i < 3 * TABLE)
		return NO_TABLE;
	if (i >= TABLE + 60 && i < TABLE + 90)
		return FILE_PAGE + i % 3;
	if (i >= TABLE + 201 && i < TABLE + 217)
		return UFFD_PAGE + i % 2;
	return (i * 5 + i / NKINDS) % NKINDS;
}

/* Maps two areas of other kinds within the range. */
static int map_others(struct _test_data_mixed *self)
{
	uint8_t *missing = self->memory + (TABLE + 201) * page_size();
	void *file = self->memory + (TABLE + 60) * page_size();
	size_t i;

	self->memfd = memfd_create("file", MFD_CLOEXEC);
	if (self->memfd < 0 || ftruncate(self->memfd, 30 * page_size()))
		return -errno;
	if (mmap(file, 30 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 self->memfd, 0) != file)
		return -errno;
	/* Before the registration: a later write would wait for a monitor. */
	for (i = TABLE + 201; i < TABLE + 217; i++)
		if (kind_of(i) == UFFD_PAGE)
			fill_pattern(self->memory + i * page_size(), page_size(), i);
	self->uffd = uffd_open_for(0, missing, 16 * page_size(), UFFDIO_REGISTER_MODE_MISSING);
	return self->uffd < 0 ? self->uffd : 0;
}

static int to_device(struct ferry *ferry, uint8_t *page)
{
	struct ferry_counts counts;
	int ret = ferry_migrate(ferry, page, page_size(), DRM_FERRY_TARGET_DEVICE, NULL,
				&counts);

	return ret ?: counts.moved == 1 ? 0 : -EBUSY;
}

/* Makes the page at index @i a page of @kind. Returns 0 or -errno. */
static int make(struct _test_data_mixed *self, size_t i, enum kind kind)
{
	uint8_t *page = self->memory + i * page_size();
	struct hmm_dmirror_cmd cmd;

	if (kind == UFFD_PAGE || kind == UFFD_HOLE)
		return 0;
	if (!expected[kind].zero)
		fill_pattern(page, page_size(), i);
	switch (kind) {
	case ZERO:
	case FILE_PAGE:
		return *(volatile uint8_t *)page;
	case SWAPPED:
		return page_out(page, page_size());
	case REFERENCED:
		return put_in_pipe(self->pipe[1], page, page_size());
	case HERE:
		return to_device(self->ferry, page);
	case ELSEWHERE:
		return to_device(self->private, page);
	case COHERENT:
		return to_device(self->coherent, page);
	case EXCLUSIVE:
		return _test_cmd(self->dmirror, HMM_DMIRROR_EXCLUSIVE, page,
				 self->scratch, 1, &cmd);
	default:
		return 0;
	}
}

FIXTURE_SETUP(mixed)
{
	size_t i;

	ASSERT_EQ(swap_on(), 0);
	self->ferry = test_open(0);
	self->private = test_open(1);
	self->coherent = test_open(FIRST_COHERENT);
	self->dmirror = test_dmirror_open(0);
	ASSERT_EQ(pipe(self->pipe), 0);
	ASSERT_GE(fcntl(self->pipe[1], F_SETPIPE_SZ, MIB), (int)MIB);
	self->memory = _test_map_huge(4 * PMD_SIZE);
	ASSERT_NE(self->memory, MAP_FAILED);
	self->scratch = test_map(page_size());
	ASSERT_EQ(madvise(self->memory, 4 * PMD_SIZE, MADV_NOHUGEPAGE), 0);
	ASSERT_EQ(map_others(self), 0);
	for (i = FIRST; i < END; i++) {
		self->kinds[i] = kind_of(i);
		ASSERT_EQ(make(self, i, self->kinds[i]), 0) {
			TH_LOG("page %zu, kind %d", i, self->kinds[i]);
		}
	}
}

FIXTURE_TEARDOWN(mixed)
{
	close(self->uffd);
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->memfd);
	close(self->dmirror);
	ferry_close(self->coherent);
	ferry_close(self->private);
	ferry_close(self->ferry);
}

/* Closes the userfaultfd first: afterwards no access waits for the monitor. */
static size_t find_wrong_data(struct _test_data_mixed *self)
{
	uint8_t *page;
	size_t i;

	close(self->uffd);
	for (i = FIRST; i < END; i++) {
		page = self->memory + i * page_size();
		if (expected[self->kinds[i]].zero ?
		    find_nonzero(page, page_size()) != page_size() :
		    find_difference(page, page_size(), i) != page_size())
			break;
	}
	return i;
}

static bool is_to_move(enum kind kind)
{
	return expected[kind].outcome == DRM_FERRY_MOVED ||
	       expected[kind].outcome == DRM_FERRY_ZERO_FILLED;
}

/*
 * The core engine cannot always report why a page stays: any outcome of a page
 * that stays is right.
 */
static bool is_right(unsigned int backend, enum kind kind, uint8_t outcome)
{
	if (outcome == expected[kind].outcome)
		return true;
	return backend == DRM_FERRY_BACKEND_CORE && !is_to_move(kind) &&
	       outcome != DRM_FERRY_NOT_ATTEMPTED && outcome != DRM_FERRY_MOVED &&
	       outcome != DRM_FERRY_ZERO_FILLED;
}

static void go(struct __test_metadata *_metadata, struct _test_data_mixed *self,
	       unsigned int backend)
{
	uint8_t *first = self->memory + FIRST * page_size();
	struct drm_ferry_migrate request;
	size_t i, moved = 0, here = 0;
	uint32_t where;

	memset(self->outcomes, 0xee, sizeof(self->outcomes));
	request = test_engine(self->ferry, backend, first, MIXED * page_size(), TO_DEVICE,
			      self->outcomes + FIRST);
	ASSERT_EQ(self->outcomes[FIRST - 1], 0xee);
	for (i = FIRST; i < END; i++) {
		ASSERT_TRUE(is_right(backend, self->kinds[i], self->outcomes[i])) {
			TH_LOG("page %zu, kind %d: outcome %u", i, self->kinds[i],
			       self->outcomes[i]);
		}
		moved += is_to_move(self->kinds[i]);
		here += self->kinds[i] == HERE;
		where = _test_where(self->ferry, self->memory + i * page_size());
		ASSERT_EQ(where == DRM_FERRY_PAGE_THIS_DEVICE,
			  is_to_move(self->kinds[i]) || self->kinds[i] == HERE);
	}
	ASSERT_EQ(request.moved, moved);
	ASSERT_EQ(request.already, here);
	ASSERT_EQ(request.failed, MIXED - moved - here);
	test_used(self->ferry, moved + here);

	/* And back to system memory, all pages on the device. */
	request = make_request(backend, first, MIXED * page_size(), TO_SYSTEM,
			       self->outcomes + FIRST);
	ASSERT_EQ(_test_request(self->ferry, &request), 0);
	for (i = FIRST; i < END; i++) {
		ASSERT_EQ(self->outcomes[i] == DRM_FERRY_MOVED,
			  is_to_move(self->kinds[i]) || self->kinds[i] == HERE);
	}
	ASSERT_EQ(request.moved, moved + here);
	test_used(self->ferry, 0);
	ASSERT_EQ(find_wrong_data(self), END);
}

TEST_F_TIMEOUT(mixed, by_own, 120)
{
	go(_metadata, self, DRM_FERRY_BACKEND_OWN);
}

TEST_F_TIMEOUT(mixed, by_core, 120)
{
	go(_metadata, self, DRM_FERRY_BACKEND_CORE);
}

TEST_HARNESS_MAIN
