// SPDX-License-Identifier: MIT
/*
 * The ioctls that DRM core adds to a render node, as uid 65534: each number, in
 * each direction and with odd sizes, by the 64-bit and the 32-bit entry. Some
 * of the core's handlers use data that a driver without DRIVER_GEM and
 * DRIVER_SYNCOBJ has not initialised. Two threads in PRIME_FD_TO_HANDLE with
 * another exporter's dma-buf ended in an oops in __mutex_lock().
 *
 * Shows: DRM core
 * Guest: selftests, debug
 */
#include <linux/udmabuf.h>
#include <sys/syscall.h>
#include <xf86drm.h>

#include "ferry_test.h"

#define IA32_IOCTL 54
#define THREADS 4
#define ROUNDS 2000
#define BUFFER_SIZE 16384	/* an ioctl number has 14 bits of size */

static long ioctl_64(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

/* Enters the kernel as a 32-bit program does. @arg lies below 4 GiB. */
static long ioctl_32(int fd, unsigned long request, void *arg)
{
	long ret = IA32_IOCTL;

	asm volatile("int $0x80" : "+a" (ret)
		     : "b" ((long)fd), "c" (request), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static void *map_low(size_t n)
{
	return mmap(NULL, n, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}

/* A dma-buf of one page, by udmabuf; -1 without udmabuf. */
static int make_dmabuf(void)
{
	struct udmabuf_create create = { .size = page_size() };
	int node = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd = -1;

	create.memfd = memfd_create("drm_core", MFD_ALLOW_SEALING);
	if (node >= 0 && create.memfd != (__u32)-1 &&
	    !ftruncate(create.memfd, page_size()) &&
	    !fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		fd = ioctl(node, UDMABUF_CREATE, &create);
	close(create.memfd);
	close(node);
	return fd;
}

FIXTURE(drm_core) {
	struct ferry *ferry;
	uint8_t *buffer;
	int fd;
	int dmabuf;
};

FIXTURE_VARIANT(drm_core) {
	long (*ioctl)(int fd, unsigned long request, void *arg);
};

FIXTURE_VARIANT_ADD(drm_core, 64_bit) {
	.ioctl = ioctl_64,
};

FIXTURE_VARIANT_ADD(drm_core, 32_bit) {
	.ioctl = ioctl_32,
};

FIXTURE_SETUP(drm_core)
{
	self->dmabuf = make_dmabuf();
	ASSERT_GE(self->dmabuf, 0);
	ASSERT_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	self->ferry = test_open(0);
	self->fd = ferry_fd(self->ferry);
	self->buffer = map_low(BUFFER_SIZE);
	ASSERT_NE(self->buffer, MAP_FAILED);
}

FIXTURE_TEARDOWN(drm_core)
{
	ferry_close(self->ferry);
	close(self->dmabuf);
}

static bool is_ours(unsigned int nr)
{
	return nr >= DRM_COMMAND_BASE && nr < DRM_COMMAND_END;
}

static bool is_let_through(unsigned int nr)
{
	return nr == _IOC_NR(DRM_IOCTL_VERSION) || nr == _IOC_NR(DRM_IOCTL_GET_CAP);
}

static bool is_refusal(long ret)
{
	return ret == -EOPNOTSUPP || ret == -EACCES || ret == -EINVAL;
}

/* Every number, each direction, some sizes: refused for any struct contents. */
TEST_F(drm_core, every_number)
{
	static const unsigned int sizes[] = { 0, 4, 8, 12, 64, 256, BUFFER_SIZE - 1 };
	unsigned int nr, dir, i, fill;
	long ret;

	for (nr = 0; nr < 256; nr++) {
		if (is_ours(nr) || is_let_through(nr))
			continue;
		for (dir = 0; dir < 4 * 7 * 3; dir++) {
			i = dir / 4 % 7;
			fill = dir / 28;
			memset(self->buffer, fill == 2 ? 0xff : 0, BUFFER_SIZE);
			if (fill == 1)
				fill_pattern(self->buffer, BUFFER_SIZE, nr);
			ret = variant->ioctl(self->fd, _IOC(dir % 4, DRM_IOCTL_BASE, nr,
							    sizes[i]), self->buffer);
			ASSERT_TRUE(is_refusal(ret)) {
				TH_LOG("%#x, direction %u, size %u: %ld", nr, dir % 4,
				       sizes[i], ret);
			}
		}
	}
}

/* Another ioctl type is unknown, also for numbers with a compat handler. */
TEST_F(drm_core, another_type)
{
	unsigned int nr;

	for (nr = 0; nr < 256; nr++)
		ASSERT_EQ(variant->ioctl(self->fd, _IOC(_IOC_READ | _IOC_WRITE, 'H', nr, 64),
					 self->buffer), -ENOTTY);
}

static const unsigned long unsupported[] = {
	DRM_IOCTL_GEM_CLOSE, DRM_IOCTL_PRIME_HANDLE_TO_FD, DRM_IOCTL_PRIME_FD_TO_HANDLE,
	DRM_IOCTL_SYNCOBJ_CREATE, DRM_IOCTL_SYNCOBJ_DESTROY, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD,
	DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, DRM_IOCTL_SYNCOBJ_WAIT, DRM_IOCTL_SYNCOBJ_RESET,
	DRM_IOCTL_SYNCOBJ_SIGNAL, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, DRM_IOCTL_SYNCOBJ_QUERY,
	DRM_IOCTL_SYNCOBJ_TRANSFER, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
};

/* libdrm of Debian 12 lacks SYNCOBJ_EVENTFD; every_number has its number. */
TEST_F(drm_core, what_is_not_supported)
{
	size_t i;

	for (i = 0; i < sizeof(unsupported) / sizeof(*unsupported); i++) {
		memset(self->buffer, 0, BUFFER_SIZE);
		ASSERT_EQ(variant->ioctl(self->fd, unsupported[i], self->buffer), -EOPNOTSUPP) {
			TH_LOG("%#lx", unsupported[i]);
		}
	}
}

struct prime {
	long (*ioctl)(int fd, unsigned long request, void *arg);
	int fd;
	int dmabuf;
	struct drm_prime_handle *handle;
	unsigned int wrong;
};

static void *use_prime(void *arg)
{
	struct prime *prime = arg;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		*prime->handle = (struct drm_prime_handle) { .fd = prime->dmabuf };
		prime->wrong += prime->ioctl(prime->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE,
					     prime->handle) != -EOPNOTSUPP;
		*prime->handle = (struct drm_prime_handle) { .handle = 1 };
		prime->wrong += prime->ioctl(prime->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD,
					     prime->handle) != -EOPNOTSUPP;
	}
	return NULL;
}

/* Without refusal: "key that was not registered" on debug, an oops on any. */
TEST_F(drm_core, prime_by_threads)
{
	pthread_t threads[THREADS];
	struct prime primes[THREADS];
	int i;

	for (i = 0; i < THREADS; i++) {
		primes[i] = (struct prime) {
			.ioctl = variant->ioctl,
			.fd = self->fd,
			.dmabuf = self->dmabuf,
			.handle = (void *)(self->buffer + 64 * i),
		};
		ASSERT_EQ(pthread_create(&threads[i], NULL, use_prime, &primes[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ASSERT_EQ(primes[i].wrong, 0);
	}
}

static long get_cap(struct _test_data_drm_core *self, uint64_t capability, uint64_t *value,
		    long (*call)(int fd, unsigned long request, void *arg))
{
	struct drm_get_cap *cap = (void *)self->buffer;
	long ret;

	*cap = (struct drm_get_cap) { .capability = capability, .value = 99 };
	ret = call(self->fd, DRM_IOCTL_GET_CAP, cap);
	*value = cap->value;
	return ret;
}

/* The node does not offer a refused feature. */
TEST_F(drm_core, capabilities)
{
	uint64_t *words = (void *)self->buffer, value;

	ASSERT_EQ(get_cap(self, DRM_CAP_PRIME, &value, variant->ioctl), 0);
	ASSERT_EQ(value, 0);
	ASSERT_EQ(get_cap(self, DRM_CAP_SYNCOBJ, &value, variant->ioctl), 0);
	ASSERT_EQ(value, 0);
	ASSERT_EQ(get_cap(self, DRM_CAP_TIMESTAMP_MONOTONIC, &value, variant->ioctl), 0);
	ASSERT_EQ(value, 1);
	ASSERT_EQ(get_cap(self, DRM_CAP_DUMB_BUFFER, &value, variant->ioctl), -EOPNOTSUPP);

	/* No byte is written behind a struct without room for the value. */
	words[0] = DRM_CAP_PRIME;
	words[1] = 99;
	ASSERT_EQ(variant->ioctl(self->fd, DRM_IOWR(0x0c, uint64_t), words), 0);
	ASSERT_EQ(words[1], 99);
}

/* The core's 32-bit VERSION has its own struct; libdrm uses the other. */
TEST_F(drm_core, what_libdrm_asks)
{
	drmVersionPtr version = drmGetVersion(self->fd);
	uint32_t version32[9] = { 0 };

	ASSERT_NE(version, NULL);
	ASSERT_EQ(strcmp(version->name, "ferry"), 0);
	drmFreeVersion(version);
	ASSERT_EQ(drmIsMaster(self->fd), 0);
	if (variant->ioctl != ioctl_32)
		return;
	memcpy(self->buffer, version32, sizeof(version32));
	ASSERT_EQ(ioctl_32(self->fd, DRM_IOWR(0, version32), self->buffer), 0);
	memcpy(version32, self->buffer, sizeof(version32));
	ASSERT_EQ(version32[0], 1);		/* major */
	ASSERT_EQ(version32[3], 5);		/* length of the name */
}

TEST_HARNESS_MAIN
