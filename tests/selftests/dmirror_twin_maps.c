// SPDX-License-Identifier: MIT
/*
 * Comparison of test_hmm and Ferry: special mappings, files that change hands.
 *
 * Shows: test_hmm ABI
 * Guest: twin
 */
#include <sys/socket.h>

#include "comparison.h"

static void shared_memory(struct side *side)
{
	munmap(side->memory, page(PAGES));
	mmap(side->memory, page(PAGES), PROT_READ | PROT_WRITE,
	     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	write_device(side, PAGES, 2);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	call(side, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	record(side, "%08x\n", checksum(side->memory, page(PAGES)));
}

/* A mapping of the node: its pages are neither anonymous nor of a file. */
static void mapped_device(struct side *side)
{
	munmap(side->memory, page(PAGES));
	if (mmap(side->memory, page(PAGES), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 side->fd[0], 0) == MAP_FAILED)
		record(side, "mmap %d\n", errno);
	snapshot_on(side, 0, PAGES);
	side->memory[page(1)] = 1;
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_READ, 0, PAGES);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	call(side, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
}

static void swapped_out(struct side *side)
{
	fill_memory(side);
	madvise(side->memory, page(4), MADV_PAGEOUT);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 4, 4);
	call(side, HMM_DMIRROR_READ, 0, PAGES);
	snapshot_on(side, 0, PAGES);
}

static void huge_pages(struct side *side)
{
	uint8_t *small = side->memory;

	side->memory = _test_map_huge(PMD_SIZE);
	call(side, HMM_DMIRROR_READ, 0, PAGES);
	snapshot_on(side, 0, PAGES);	/* the huge zero page */
	memset(side->memory, 1, PMD_SIZE);
	snapshot_on(side, 0, PAGES);
	protect(side, 0, 512, PROT_READ);
	snapshot_on(side, 0, PAGES);
	protect(side, 0, 512, PROT_READ | PROT_WRITE);
	write_device(side, PAGES, 2);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	snapshot_on(side, 0, 16);
	munmap(side->memory, PMD_SIZE);
	side->memory = small;
}

static void hugetlb_pages(struct side *side)
{
	uint8_t *small = side->memory;

	side->memory = mmap(NULL, PMD_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	record(side, "%d\n", side->memory == MAP_FAILED);
	snapshot_on(side, 0, 2);
	call(side, HMM_DMIRROR_READ, 0, 512);
	write_device(side, PAGES, 2);
	snapshot_on(side, 0, PAGES);
	call(side, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 512);
	call(side, HMM_DMIRROR_MIGRATE_TO_SYS, 0, 512);
	call(side, HMM_DMIRROR_EXCLUSIVE, 0, 512);
	munmap(side->memory, PMD_SIZE);
	side->memory = small;
}

union fd_message {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void send_fd(int socket, int fd)
{
	union fd_message control = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sendmsg(socket, &message, 0);
}

static int receive_fd(int socket)
{
	union fd_message control = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &message, 0) == 1)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* The file outlives the process that opened the file. */
static void opener_is_gone(struct side *side)
{
	int pair[2], old = side->fd[0];
	unsigned int request;
	pid_t pid;

	fill_memory(side);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = _test_fork();
	if (!pid) {
		send_fd(pair[1], _test_dmirror_open(side->name, 0));
		_exit(0);
	}
	side->fd[0] = receive_fd(pair[0]);
	waitpid(pid, NULL, 0);
	for (request = 0; request < 8; request++)
		call(side, _IOWR('H', request, struct hmm_dmirror_cmd), 0, PAGES);
	close(side->fd[0]);
	side->fd[0] = old;
	close(pair[0]);
	close(pair[1]);
}

TEST(twin_shared_memory)
{
	compare(_metadata, shared_memory);
}

TEST(twin_mapped_device)
{
	compare(_metadata, mapped_device);
}

TEST(twin_swapped_out)
{
	compare(_metadata, swapped_out);
}

TEST(twin_huge_pages)
{
	compare(_metadata, huge_pages);
}

TEST(twin_hugetlb_pages)
{
	compare(_metadata, hugetlb_pages);
}

TEST(twin_opener_is_gone)
{
	compare(_metadata, opener_is_gone);
}

TEST_HARNESS_MAIN
