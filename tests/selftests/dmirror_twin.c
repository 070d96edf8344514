// SPDX-License-Identifier: MIT
/*
 * The same requests to the kernel's test_hmm and to Ferry, one after the other, each
 * on fresh memory in the same state: what is returned must be the same, errors,
 * counts, bytes and data. Run with both modules loaded (tests/hmm/run twin); where
 * Ferry differs on purpose is in docs/compat.md, and not asked here. Nor is what
 * test_hmm does not survive: a device fault over a range with private pages of its
 * own that its page table has lost (after fork(), mprotect(), another device's
 * MIGRATE_TO_DEV) makes it read where no memory is.
 */
#include <limits.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "dmirror.h"

#define PAGES 8

/* What happened on one of the two. */
struct twin {
	const char *name;
	int fd[4];
	uint8_t *memory;
	uint8_t *data;
	char said[4096];
	size_t nsaid;
};

static void say(struct twin *twin, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	twin->nsaid += vsnprintf(twin->said + twin->nsaid, sizeof(twin->said) - twin->nsaid,
				 format, args);
	va_end(args);
}

static size_t page(size_t i)
{
	return i * page_size();
}

static unsigned int checksum(const uint8_t *bytes, size_t n)
{
	unsigned int sum = 0;

	while (n--)
		sum = sum * 31 + *bytes++;
	return sum;
}

static const char *const request_names[] = {
	"READ", "WRITE", "MIGRATE_TO_DEV", "MIGRATE_TO_SYS", "SNAPSHOT", "EXCLUSIVE",
	"CHECK_EXCLUSIVE", "RELEASE",
};

/* One request on pages of the memory; the result, and what is in the buffer then. */
static void ask_on(struct twin *twin, int device, unsigned long request, size_t first,
		   size_t npages)
{
	size_t n = npages < 512 ? npages : 512;
	struct hmm_dmirror_cmd cmd;
	int ret;

	if (request != HMM_DMIRROR_WRITE)
		memset(twin->data, 0xaa, page(n));
	ret = _test_cmd(twin->fd[device], request, twin->memory + page(first), twin->data,
			npages, &cmd);
	say(twin, "%s(%d, %zu+%zu)=%d cpages %llu faults %llu data %08x\n",
	    request_names[_IOC_NR(request)], device, first, npages, ret,
	    (unsigned long long)cmd.cpages, (unsigned long long)cmd.faults,
	    request == HMM_DMIRROR_WRITE ? 0 : checksum(twin->data, page(n)));
}

static void ask(struct twin *twin, unsigned long request, size_t first, size_t npages)
{
	ask_on(twin, 0, request, first, npages);
}

static void look_on(struct twin *twin, int device, size_t npages)
{
	size_t i;

	ask_on(twin, device, HMM_DMIRROR_SNAPSHOT, 0, npages);
	for (i = 0; i < npages && i < 16; i++)
		say(twin, " %02x", twin->data[i]);
	say(twin, "\n");
}

static void write_device(struct twin *twin, size_t npages, unsigned int seed)
{
	fill_pattern(twin->data, page(npages), seed);
	ask(twin, HMM_DMIRROR_WRITE, 0, npages);
}

static void fill(struct twin *twin)
{
	fill_pattern(twin->memory, page(PAGES), 1);
}

static void protect(struct twin *twin, size_t first, size_t npages, int prot)
{
	mprotect(twin->memory + page(first), page(npages), prot);
}

/* Scenes ---------------------------------------------------------------------- */

static void bad_arguments(struct twin *twin)
{
	static const struct hmm_dmirror_cmd wrong[] = {
		{ .addr = 1, .npages = 1 },
		{ .addr = 0x10000, .npages = 0 },
		{ .addr = 0xfffffffffffff000, .npages = 1 },
		{ .addr = 0xfffffffffffff000, .npages = 2 },
		{ .addr = 0, .npages = 1 },
		{ .addr = 0x7ffffffff000, .npages = 1 },
		{ .addr = 0x7fffffffe000, .npages = 3 },
		{ .addr = 0xffff888000000000, .npages = 1 },
	};
	struct hmm_dmirror_cmd cmd;
	unsigned int request;
	size_t i;

	for (request = 0; request < 10; request++) {
		for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
			cmd = wrong[i];
			cmd.ptr = ptr(twin->data);
			say(twin, "%u.%zu=%d ", request, i,
			    ioctl(twin->fd[0], _IOWR('H', request, struct hmm_dmirror_cmd),
				  &cmd) ? -errno : 0);
		}
		say(twin, "%d\n", ioctl(twin->fd[0],
					_IOWR('H', request, struct hmm_dmirror_cmd), NULL) ?
		    -errno : 0);
	}
	say(twin, "%d\n", ioctl(twin->fd[0], _IOWR('G', 0, struct hmm_dmirror_cmd), &cmd) ?
	    -errno : 0);
}

/* The range is good; the buffer is not. */
static void bad_buffer(struct twin *twin)
{
	unsigned int request;
	struct hmm_dmirror_cmd cmd;

	fill(twin);
	for (request = 0; request < 6; request++)
		say(twin, "%u=%d\n", request,
		    _test_cmd(twin->fd[0], _IOWR('H', request, struct hmm_dmirror_cmd),
			      twin->memory, (void *)8, 2, &cmd));
	look_on(twin, 0, PAGES);
}

static void access_counts(struct twin *twin)
{
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);	/* holes */
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	look_on(twin, 0, PAGES);
	write_device(twin, PAGES, 2);
	ask(twin, HMM_DMIRROR_READ, 2, 3);
	look_on(twin, 0, PAGES);
}

static void access_touched(struct twin *twin)
{
	fill(twin);
	ask(twin, HMM_DMIRROR_READ, 0, 4);
	ask(twin, HMM_DMIRROR_READ, 2, 6);	/* half of it is known */
	write_device(twin, PAGES, 2);
	write_device(twin, PAGES, 3);
	madvise(twin->memory + page(3), page(2), MADV_DONTNEED);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
}

static void access_rights(struct twin *twin)
{
	fill(twin);
	protect(twin, 2, 2, PROT_READ);
	protect(twin, 5, 1, PROT_NONE);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_READ, 0, 5);
	write_device(twin, 2, 2);
	write_device(twin, 4, 3);	/* the end may not be written */
	ask(twin, HMM_DMIRROR_READ, 4, 3);	/* the middle may not be read */
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 5);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 4, 3);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 6, 2);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 5, 2);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 2, 2);
}

static void hole_in_the_middle(struct twin *twin)
{
	fill(twin);
	munmap(twin->memory + page(3), page(1));
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	write_device(twin, PAGES, 2);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
}

static void there_and_back_on(struct twin *twin, int device)
{
	volatile uint8_t byte;

	fill_pattern(twin->memory, page(4), 1);
	byte = twin->memory[page(5)];	/* the zero page; 4, 6 and 7 are holes */
	(void)byte;
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, device, PAGES);
	ask_on(twin, device, HMM_DMIRROR_READ, 0, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	fill_pattern(twin->data, page(PAGES), 2);
	ask_on(twin, device, HMM_DMIRROR_WRITE, 0, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, 2, 3);
	look_on(twin, device, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, 0, PAGES);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
}

static void there_and_back(struct twin *twin)
{
	there_and_back_on(twin, 0);
}

static void there_and_back_coherent(struct twin *twin)
{
	there_and_back_on(twin, 2);
}

static void read_only_there(struct twin *twin)
{
	fill(twin);
	protect(twin, 0, PAGES, PROT_READ);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
	write_device(twin, PAGES, 2);
	look_on(twin, 0, PAGES);
}

static void other_devices(struct twin *twin)
{
	int device;

	fill(twin);
	for (device = 0; device < 4; device++)
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 2 * device, 2);
	for (device = 0; device < 4; device++)
		look_on(twin, device, PAGES);
	for (device = 0; device < 4; device++)
		ask_on(twin, device, HMM_DMIRROR_READ, 0, PAGES);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
}

static void other_devices_do_not_take(struct twin *twin)
{
	int device;

	fill(twin);
	for (device = 0; device < 4; device++)
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 2 * device, 2);
	for (device = 0; device < 4; device++) {
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, (2 * device + 2) % 8, 2);
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_SYS, (2 * device + 2) % 8, 2);
		look_on(twin, device, PAGES);
	}
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
}

static void exclusive(struct twin *twin)
{
	fill_pattern(twin->memory, page(4), 1);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	ask_on(twin, 1, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	twin->memory[page(2)]++;
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 2, 1);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	write_device(twin, 4, 2);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, 4);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 4, 4);
	ask_on(twin, 1, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	ask_on(twin, 1, HMM_DMIRROR_CHECK_EXCLUSIVE, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 2);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, PAGES);
	look_on(twin, 0, PAGES);
}

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

/* The file's own pages, which are neither anonymous nor of a file. */
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

	twin->memory = _test_map_huge(HUGE_SIZE);
	ask(twin, HMM_DMIRROR_READ, 0, PAGES);
	look_on(twin, 0, PAGES);	/* the huge zero page */
	memset(twin->memory, 1, HUGE_SIZE);
	look_on(twin, 0, PAGES);
	protect(twin, 0, 512, PROT_READ);
	look_on(twin, 0, PAGES);
	protect(twin, 0, 512, PROT_READ | PROT_WRITE);
	write_device(twin, PAGES, 2);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, PAGES);
	look_on(twin, 0, 16);
	munmap(twin->memory, HUGE_SIZE);
	twin->memory = small;
}

static void hugetlb_pages(struct twin *twin)
{
	uint8_t *small = twin->memory;

	twin->memory = mmap(NULL, HUGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	say(twin, "%d\n", twin->memory == MAP_FAILED);
	look_on(twin, 0, 2);
	ask(twin, HMM_DMIRROR_READ, 0, 512);
	write_device(twin, PAGES, 2);
	look_on(twin, 0, PAGES);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 512);
	ask(twin, HMM_DMIRROR_MIGRATE_TO_SYS, 0, 512);
	ask(twin, HMM_DMIRROR_EXCLUSIVE, 0, 512);
	munmap(twin->memory, HUGE_SIZE);
	twin->memory = small;
}

static void release(struct twin *twin)
{
	int device;

	fill(twin);
	for (device = 0; device < 4; device += 2) {
		ask_on(twin, device, HMM_DMIRROR_MIGRATE_TO_DEV, 0, 4);
		ask_on(twin, device, HMM_DMIRROR_RELEASE, 0, PAGES);
		look_on(twin, device, PAGES);
		ask_on(twin, device, HMM_DMIRROR_READ, 0, PAGES);
		ask_on(twin, device, HMM_DMIRROR_RELEASE, 0, PAGES);
	}
}

/* A child with its parent's file reads its parent's memory. */
static void inherited_file(struct twin *twin)
{
	pid_t pid;

	fill(twin);
	pid = _test_fork();
	if (!pid) {
		fill_pattern(twin->memory, page(PAGES), 7);
		ask(twin, HMM_DMIRROR_READ, 0, PAGES);
		fill_pattern(twin->data, page(PAGES), 8);
		ask(twin, HMM_DMIRROR_WRITE, 0, 2);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	say(twin, "%08x\n", checksum(twin->memory, page(PAGES)));
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

/* The file is left, the process that opened it is not. */
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

/* Comparison ------------------------------------------------------------------ */

/* Shared, so that what a child says is heard. */
static struct twin *play(const char *name, void (*scene)(struct twin *twin))
{
	struct twin *twin = mmap(NULL, sizeof(*twin), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	if (twin == MAP_FAILED)
		return NULL;
	twin->name = name;
	for (i = 0; i < 4; i++)
		twin->fd[i] = _test_dmirror_open(name, i);
	if (twin->fd[3] < 0)
		return NULL;
	twin->memory = _test_map(page(PAGES));
	twin->data = _test_map(HUGE_SIZE);
	/* Not shared with what was mapped before, and not merged with it. */
	madvise(twin->memory, page(PAGES), MADV_NOHUGEPAGE);
	madvise(twin->data, HUGE_SIZE, MADV_NOHUGEPAGE);
	scene(twin);
	munmap(twin->memory, page(PAGES));
	munmap(twin->data, HUGE_SIZE);
	for (i = 0; i < 4; i++)
		close(twin->fd[i]);
	return twin;
}

/* The first line in which they differ, for the log. */
static void show_difference(struct __test_metadata *_metadata, const char *a, const char *b)
{
	size_t i = 0, line = 0;

	for (; a[i] && a[i] == b[i]; i++)
		if (a[i] == '\n')
			line = i + 1;
	TH_LOG("test_hmm: %.*s", (int)strcspn(a + line, "\n"), a + line);
	TH_LOG("ferry:    %.*s", (int)strcspn(b + line, "\n"), b + line);
}

static void compare(struct __test_metadata *_metadata, void (*scene)(struct twin *twin))
{
	struct twin *test_hmm = play("hmm_dmirror", scene);
	struct twin *ferry = play("ferry_dmirror", scene);

	ASSERT_NE(test_hmm, NULL);
	ASSERT_NE(ferry, NULL);
	ASSERT_GT(test_hmm->nsaid, 0);
	ASSERT_LT(test_hmm->nsaid, sizeof(test_hmm->said));
	if (strcmp(test_hmm->said, ferry->said))
		show_difference(_metadata, test_hmm->said, ferry->said);
	ASSERT_EQ(strcmp(test_hmm->said, ferry->said), 0);
	munmap(test_hmm, sizeof(*test_hmm));
	munmap(ferry, sizeof(*ferry));
}

#define TWIN_TEST(scene) TEST(twin_##scene) { compare(_metadata, scene); }

TWIN_TEST(bad_arguments)
TWIN_TEST(bad_buffer)
TWIN_TEST(access_counts)
TWIN_TEST(access_touched)
TWIN_TEST(access_rights)
TWIN_TEST(hole_in_the_middle)
TWIN_TEST(there_and_back)
TWIN_TEST(there_and_back_coherent)
TWIN_TEST(read_only_there)
TWIN_TEST(other_devices)
TWIN_TEST(other_devices_do_not_take)
TWIN_TEST(exclusive)
TWIN_TEST(shared_memory)
TWIN_TEST(mapped_device)
TWIN_TEST(swapped_out)
TWIN_TEST(huge_pages)
TWIN_TEST(hugetlb_pages)
TWIN_TEST(release)
TWIN_TEST(inherited_file)
TWIN_TEST(opener_is_gone)

TEST_HARNESS_MAIN
