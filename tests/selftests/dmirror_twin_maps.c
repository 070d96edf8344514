// SPDX-License-Identifier: MIT
/*
 * Comparison of test_hmm and Ferry: special mappings, files that change hands.
 *
 * Shows: test_hmm ABI
 * Guest: twin
 */
#include <sys/socket.h>

#include "twin.h"

static void shared_memory(struct twin *twin)
{
	munmap(twin->memory, page(PAGES));
	mmap(twin->memory, page(PAGES), PROT_READ | PROT_WRITE,
	     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	write_device(twin, PAGES, 2);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
}

/* A mapping of the node: its pages are neither anonymous nor of a file. */
static void mapped_device(struct twin *twin)
{
	munmap(twin->memory, page(PAGES));
	if (mmap(twin->memory, page(PAGES), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 twin->fd[0], 0) == MAP_FAILED)
		say(twin, "mmap %d\n", errno);
	look_on(twin, 0, PAGES);
	twin->memory[page(1)] = 1;
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
}

static void swapped_out(struct twin *twin)
{
	fill(twin);
	madvise(twin->memory, page(4), MADV_PAGEOUT);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 4, 4);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	look_on(twin, 0, PAGES);
}

static void huge_pages(struct twin *twin)
{
	uint8_t *small = twin->memory;

	twin->memory = _test_map_huge(PMD_SIZE);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	look_on(twin, 0, PAGES);	/* the huge zero page */
	memset(twin->memory, 1, PMD_SIZE);
	look_on(twin, 0, PAGES);
	protect(twin, 0, 512, PROT_READ);
	look_on(twin, 0, PAGES);
	protect(twin, 0, 512, PROT_READ | PROT_WRITE);
	write_device(twin, PAGES, 2);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, 0, 16);
	munmap(twin->memory, PMD_SIZE);
	twin->memory = small;
}

static void hugetlb_pages(struct twin *twin)
{
	uint8_t *small = twin->memory;

	twin->memory = mmap(NULL, PMD_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	say(twin, "%d\n", twin->memory == MAP_FAILED);
	look_on(twin, 0, 2);
	ask(twin, HMM_DMIRROR_READ, 0, 512);
	write_device(twin, PAGES, 2);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 512);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_SYS, 0, 512);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, 512);
	munmap(twin->memory, PMD_SIZE);
	twin->memory = small;
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
static void opener_is_gone(struct twin *twin)
{
	int pair[2], old = twin->fd[0];
	unsigned int request;
	pid_t pid;

	fill(twin);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = _test_fork();
	if (!pid) {
		send_fd(pair[1], _test_dmirror_open(twin->name, 0));
		_exit(0);
	}
	twin->fd[0] = receive_fd(pair[0]);
	waitpid(pid, NULL, 0);
	for (request = 0; request < 8; request++)
		ask(twin, _IOWR('H', request, struct hmm_dmirror_cmd), 0, PAGES);
	close(twin->fd[0]);
	twin->fd[0] = old;
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
