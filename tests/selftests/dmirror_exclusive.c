// SPDX-License-Identifier: MIT
/*
 * Exclusive access to 2 MB folios, mapped by a PMD or by PTEs, while a CPU
 * writes. Each try ends with success, or with an error that says the CPU was
 * faster. No increment of the CPU is lost. As soon as the CPU rests, a try must
 * succeed.
 *
 * Shows: exclusive access
 * Guest: dmirror, debug-dmirror
 */

#include "dmirror.h"
#include "page_refs.h"

/* A slow machine need not do all of them. */
#define ROUNDS 20
#define LEAST_ROUNDS 4
#define ENOUGH_SECONDS 20

FIXTURE(exclusive) {
	uint8_t *huge;
	uint8_t *data;
	size_t npages;
	int fd;
};

FIXTURE_VARIANT(exclusive) {
	int number;
	bool by_ptes;
};

FIXTURE_VARIANT_ADD(exclusive, pmd) {
	.number = 0,
};

FIXTURE_VARIANT_ADD(exclusive, ptes) {
	.number = 0,
	.by_ptes = true,
};

FIXTURE_VARIANT_ADD(exclusive, coherent_pmd) {
	.number = FIRST_COHERENT,
};

FIXTURE_VARIANT_ADD(exclusive, coherent_ptes) {
	.number = FIRST_COHERENT,
	.by_ptes = true,
};

FIXTURE_SETUP(exclusive)
{
	self->npages = PMD_SIZE / page_size();
	self->fd = test_dmirror_open(variant->number);
	self->data = test_map(PMD_SIZE);
}

FIXTURE_TEARDOWN(exclusive)
{
	close(self->fd);
}

struct writer {
	pthread_t thread;
	uint8_t *huge;
	size_t npages;
	volatile bool stop;
	uint64_t count[PMD_SIZE / 4096];
};

/* Increments a counter in each page and a second copy of the count. */
static void *write_counters(void *arg)
{
	struct writer *writer = arg;
	unsigned int i = 0;

	while (!writer->stop) {
		i = (i + 97) % writer->npages;
		++*(volatile uint64_t *)(writer->huge + i * page_size());
		writer->count[i]++;
		if (!(i % 8))
			usleep(50);
	}
	return NULL;
}

static size_t find_lost(const struct writer *writer, const uint8_t *pages)
{
	size_t i;

	for (i = 0; i < writer->npages; i++)
		if (*(const uint64_t *)(pages + i * page_size()) != writer->count[i])
			break;
	return i;
}

TEST_F_TIMEOUT(exclusive, racing_writer, 200)
{
	struct hmm_dmirror_cmd cmd;
	double end = seconds() + ENOUGH_SECONDS;
	unsigned int taken = 0;
	struct writer *writer;
	int round, ret;

	for (round = 0; round < ROUNDS && (round < LEAST_ROUNDS || seconds() < end); round++) {
		writer = calloc(1, sizeof(*writer));
		ASSERT_NE(writer, NULL);
		writer->npages = self->npages;
		writer->huge = _test_map_folio(self->fd, variant->by_ptes);
		ASSERT_NE(writer->huge, NULL);
		ASSERT_EQ(pthread_create(&writer->thread, NULL, write_counters, writer), 0);

		ret = _test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, writer->huge, self->data,
				self->npages, &cmd);
		/* Busy, or the CPU ended the access before the read. */
		if (ret && ret != -EBUSY)
			ASSERT_EQ(ret, -ENOENT);
		taken += !ret;
		usleep(1000);
		writer->stop = true;
		pthread_join(writer->thread, NULL);
		ASSERT_EQ(find_lost(writer, writer->huge), self->npages);

		/* Without a race all pages are taken, until the CPU reads. */
		test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, writer->huge, self->data,
			 self->npages);
		ASSERT_EQ(find_lost(writer, self->data), self->npages);
		ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, writer->huge, NULL,
				    self->npages, &cmd), -EPERM);
		ASSERT_EQ(find_lost(writer, writer->huge), self->npages);
		ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, writer->huge, NULL,
				    self->npages, &cmd), 0);
		munmap(writer->huge, PMD_SIZE);
		free(writer);
	}
	TH_LOG("%u of %d tries beat the writer", taken, round);
}

/* Exclusive access to a part of a folio. The rest keeps its data. */
TEST_F(exclusive, part_of_a_folio)
{
	uint8_t *huge = _test_map_folio(self->fd, variant->by_ptes);
	size_t page = page_size();
	struct hmm_dmirror_cmd cmd;

	ASSERT_NE(huge, NULL);
	fill_pattern(huge, PMD_SIZE, 5);
	test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, huge + 3 * page, self->data, 5);
	ASSERT_EQ(memcmp(self->data + page, huge + 4 * page, page), 0);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, huge, NULL, 3, &cmd), 0);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, huge + 4 * page, NULL, 1,
			    &cmd), 0);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, huge + 5 * page, NULL, 1,
			    &cmd), -EPERM);
	test_byte(self->fd, huge + 5 * page, HMM_DMIRROR_PROT_NONE);
	test_pattern(huge, PMD_SIZE, 5);
	munmap(huge, PMD_SIZE);
}

/*
 * A pipe has a reference, so the folio does not split. No page of the folio is
 * made exclusive, least of all a page outside of the request. The request
 * succeeds when the reference is gone.
 */
TEST_F(exclusive, held_folio)
{
	uint8_t *huge = _test_map_folio(self->fd, variant->by_ptes);
	size_t page = page_size();
	struct hmm_dmirror_cmd cmd;
	int in_pipe[2];

	ASSERT_NE(huge, NULL);
	fill_pattern(huge, PMD_SIZE, 5);
	ASSERT_EQ(hold_in_pipe(huge + 300 * page, page, in_pipe), 0);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, huge, self->data, 8, &cmd), -EBUSY);
	ASSERT_EQ(_test_byte(self->fd, huge + 100 * page) & HMM_DMIRROR_PROT_WRITE,
		  HMM_DMIRROR_PROT_WRITE);
	ASSERT_EQ(_test_byte(self->fd, huge) & HMM_DMIRROR_PROT_WRITE, HMM_DMIRROR_PROT_WRITE);
	let_go(in_pipe);
	test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, huge, self->data, self->npages);
	test_pattern(self->data, PMD_SIZE, 5);
	test_pattern(huge, PMD_SIZE, 5);
	munmap(huge, PMD_SIZE);
}

/* CHECK_EXCLUSIVE accepts a range of any size at any address. */
TEST_F(exclusive, check_of_any_range)
{
	uint8_t *page = test_map(page_size());
	struct hmm_dmirror_cmd cmd;
	double begin = seconds();

	*page = 1;
	test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, page, self->data, 1);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, (void *)0xffffffffffe00000,
			    NULL, 1, &cmd), 0);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, (void *)0x7ffffffff000,
			    NULL, 1ull << 50, &cmd), 0);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, NULL, NULL, 1ull << 50, &cmd),
		  -EPERM);
	*page = 2;
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_CHECK_EXCLUSIVE, NULL, NULL, 1ull << 50, &cmd),
		  0);
	ASSERT_LT(seconds() - begin, 5);
	munmap(page, page_size());
}

/* One MADV_DONTNEED in each round, a little later in each round. */
struct dropper {
	pthread_t thread;
	pthread_barrier_t begin;
	pthread_barrier_t end;
	uint8_t *memory;
	size_t n;
};

#define DROPS 400
#define DROP_PAGES 8

static void *drop_pages(void *arg)
{
	struct dropper *dropper = arg;
	int round, i;

	for (round = 0; round < DROPS; round++) {
		pthread_barrier_wait(&dropper->begin);
		for (i = 0; i < round * 20; i++)
			__asm__ volatile("" : : : "memory");
		madvise(dropper->memory, dropper->n, MADV_DONTNEED);
		pthread_barrier_wait(&dropper->end);
	}
	return NULL;
}

/*
 * MADV_DONTNEED removes pages without their page locks, also while the pages
 * become exclusive. The device must not keep an entry for a removed page: the
 * device would read the removed page's data, not the CPU's later writes.
 */
TEST_F_TIMEOUT(exclusive, racing_dontneed, 200)
{
	struct dropper dropper = { .n = DROP_PAGES * page_size() };
	struct hmm_dmirror_cmd cmd;
	int round, taken = 0;

	pthread_barrier_init(&dropper.begin, NULL, 2);
	pthread_barrier_init(&dropper.end, NULL, 2);
	dropper.memory = _test_map_huge(PMD_SIZE);
	ASSERT_NE((void *)dropper.memory, MAP_FAILED);
	if (variant->by_ptes)
		madvise(dropper.memory, PMD_SIZE, MADV_NOHUGEPAGE);
	ASSERT_EQ(pthread_create(&dropper.thread, NULL, drop_pages, &dropper), 0);
	for (round = 0; round < DROPS; round++) {
		fill_pattern(dropper.memory, dropper.n, 2 * round);
		pthread_barrier_wait(&dropper.begin);
		taken += !_test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, dropper.memory,
				    self->data, DROP_PAGES, &cmd);
		pthread_barrier_wait(&dropper.end);

		fill_pattern(dropper.memory, dropper.n, 2 * round + 1);
		test_cmd(self->fd, HMM_DMIRROR_READ, dropper.memory, self->data, DROP_PAGES);
		test_pattern(self->data, dropper.n, 2 * round + 1);
	}
	pthread_join(dropper.thread, NULL);
	TH_LOG("%d of %d times taken", taken, DROPS);
	munmap(dropper.memory, PMD_SIZE);
}

TEST_HARNESS_MAIN
