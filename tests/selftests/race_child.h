/* SPDX-License-Identifier: MIT */
/*
 * A child process works on pages that the child shares with the test, while the
 * test holds the pages' migration. The child has an mmap_lock of its own: the
 * child can wait for the pages only, not for the lock.
 */
#ifndef FERRY_RACE_CHILD_H
#define FERRY_RACE_CHILD_H

#include "race.h"
#include "threads.h"

struct child;

/**
 * struct child_op - an operation of the child
 * @during: runs while the migration is held; returns 0 on success
 * @after: runs after the migration; returns 0 if the memory is as expected
 * @may_wait: @during may wait for the pages
 * @leaves: @during does not return: the child exits
 */
struct child_op {
	int (*during)(struct child *child);
	int (*after)(struct child *child);
	bool may_wait;
	bool leaves;
};

/**
 * struct child - the other process
 * @op: the operation of the child
 * @memory: PAGES pages with pattern 1, at the start of an aligned area of
 *   PMD_SIZE bytes, which MADV_COLLAPSE can collapse
 * @spare: an area like that of @memory, the target of mremap()
 * @device: number of a device to which the child may try to move the pages
 * @ferry: the device, opened by the child
 * @grandchild: pid of the child's own child, which waits for @check
 * @check: pipe to the grandchild; a byte starts the check of the memory
 * @pid: pid of the child
 * @go: pipe to the child; each byte starts the next step
 * @told: pipe from the child; each byte reports a finished step, and end of
 *   file reports the child's exit
 */
struct child {
	const struct child_op *op;
	uint8_t *memory;
	uint8_t *spare;
	unsigned int device;
	struct ferry *ferry;
	pid_t grandchild;
	int check[2];
	pid_t pid;
	int go[2];
	int told[2];
};

/*
 * Checks that the data is unchanged and writable. Only these pages of the area
 * hold data.
 */
static inline int check_and_write(uint8_t *memory)
{
	size_t n = PAGES * page_size();

	if (!holds(memory, 0, n, 1))
		return -EIO;
	fill_pattern(memory, n, 2);
	return holds(memory, 0, n, 2) ? 0 : -EIO;
}

static inline int child_check_all(struct child *child)
{
	return check_and_write(child->memory);
}

static inline int child_nothing(struct child *child)
{
	return 0;
}

static inline int child_mprotect(struct child *child)
{
	return mprotect(child->memory, PMD_SIZE, PROT_READ);
}

/* The memory stays read-only until mprotect() permits writes again. */
static inline int child_after_mprotect(struct child *child)
{
	size_t n = PAGES * page_size();
	int in_pipe[2];

	if (!holds(child->memory, 0, n, 1) || pipe(in_pipe) || send_byte(in_pipe[1]))
		return -EIO;
	if (read(in_pipe[0], child->memory, 1) >= 0 || errno != EFAULT)
		return -EIO;
	return mprotect(child->memory, PMD_SIZE, PROT_READ | PROT_WRITE) ?:
	       check_and_write(child->memory);
}

static inline int child_munmap(struct child *child)
{
	return munmap(child->memory, PMD_SIZE);
}

static inline int child_exit(struct child *child)
{
	_exit(0);
}

static inline int child_fork(struct child *child)
{
	if (pipe(child->check))
		return -errno;
	child->grandchild = _test_fork();
	if (!child->grandchild) {
		wait_byte(child->check[0]);
		_exit(check_and_write(child->memory) ? 1 : 0);
	}
	return child->grandchild > 0 ? 0 : -errno;
}

static inline int child_after_fork(struct child *child)
{
	int status, ret = check_and_write(child->memory);

	if (ret || send_byte(child->check[1]))
		return -EIO;
	if (waitpid(child->grandchild, &status, 0) != child->grandchild || status)
		return -EIO;
	return 0;
}

static inline int child_mremap(struct child *child)
{
	void *moved = mremap(child->memory, PMD_SIZE, PMD_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     child->spare);

	return moved == child->spare ? 0 : -1;
}

static inline int child_after_mremap(struct child *child)
{
	return check_and_write(child->spare);
}

static inline int child_dontneed(struct child *child)
{
	return madvise(child->memory, PAGES / 2 * page_size(), MADV_DONTNEED);
}

static inline int child_after_dontneed(struct child *child)
{
	size_t half = PAGES / 2 * page_size();

	if (find_nonzero(child->memory, half) != half ||
	    !holds(child->memory, half, 2 * half, 1))
		return -EIO;
	fill_part(child->memory, 0, half, 1);
	return check_and_write(child->memory);
}

/* The result is ignored: the kernel may refuse to collapse. */
static inline int child_collapse(struct child *child)
{
	madvise(child->memory, PMD_SIZE, MADV_COLLAPSE);
	return 0;
}

static inline int child_write(struct child *child)
{
	return check_and_write(child->memory);
}

static inline int child_after_write(struct child *child)
{
	return holds(child->memory, 0, PAGES * page_size(), 2) ? 0 : -EIO;
}

/* The call returns at once and moves no page. */
static inline int child_migrate(struct child *child)
{
	struct ferry_counts counts;
	int ret = ferry_migrate(child->ferry, child->memory, PAGES * page_size(),
				DRM_FERRY_TARGET_DEVICE, NULL, &counts);

	return ret ?: counts.moved ? -EIO : 0;
}

static const struct child_op op_mprotect = {
	.during = child_mprotect, .after = child_after_mprotect,
};

static const struct child_op op_munmap = {
	.during = child_munmap, .after = child_nothing,
};

static const struct child_op op_exit = {
	.during = child_exit, .after = child_nothing, .leaves = true
};

static const struct child_op op_fork = {
	.during = child_fork, .after = child_after_fork,
};

static const struct child_op op_mremap = {
	.during = child_mremap, .after = child_after_mremap,
};

static const struct child_op op_dontneed = {
	.during = child_dontneed, .after = child_after_dontneed,
};

static const struct child_op op_migrate = {
	.during = child_migrate, .after = child_check_all,
};

static const struct child_op op_collapse = {
	.during = child_collapse, .after = child_check_all, .may_wait = true
};

static const struct child_op op_write = {
	.during = child_write, .after = child_after_write, .may_wait = true
};

static inline void child_main(struct child *child)
{
	close(child->told[0]);
	if (ferry_open_index(child->device, &child->ferry))
		_exit(1);
	child_check(!send_byte(child->told[1]));
	child_check(!wait_byte(child->go[0]));
	child_check(!send_byte(child->told[1]));
	child_check(!child->op->during(child));
	child_check(!send_byte(child->told[1]));
	child_check(!wait_byte(child->go[0]));
	child_check(!child->op->after(child));
	_exit(0);
}

/*
 * Creates the child and waits until the child is ready. Returns 0 or -errno.
 * @before runs first in the child.
 */
static inline int _test_child(struct child *child, const struct child_op *op,
			      void (*before)(void *arg), void *arg)
{
	child->op = op;
	if (pipe(child->go) || pipe(child->told))
		return -errno;
	child->pid = _test_fork();
	if (child->pid < 0)
		return -errno;
	if (!child->pid) {
		if (before)
			before(arg);
		child_main(child);
	}
	close(child->told[1]);
	return wait_byte(child->told[0]) ? -EIO : 0;
}

/* Runs @during while the migration is held at @point. Returns 0 or an error. */
static inline int _test_child_during(struct child *child, const char *point)
{
	char path[128];
	long held = 0;
	int tries;

	if (send_byte(child->go[1]) || wait_byte(child->told[0]))
		return -EIO;
	snprintf(path, sizeof(path), "/proc/%d/stat", child->pid);
	for (tries = 0; child->op->may_wait && tries < 20; tries++) {
		usleep(1000);
		if (state_of(path) == 'D')
			return 0;
	}
	if (child->op->may_wait)
		return 0;
	if (child->op->leaves) {
		if (waitpid(child->pid, NULL, 0) != child->pid)
			return -ECHILD;
	} else if (wait_byte(child->told[0])) {
		return -EIO;
	}
	/* The child did not wait for the end of the migration. */
	snprintf(path, sizeof(path), CONTROL "%s/waiting", point);
	return read_number(path, &held) ?: held == 1 ? 0 : -ETIMEDOUT;
}

/*
 * Runs @after when the migration is over. Returns 0 if the child finds the
 * memory as expected.
 */
static inline int _test_child_after(struct child *child)
{
	int status;

	if (child->op->leaves)
		return 0;
	if (child->op->may_wait && wait_byte(child->told[0]))
		return -EIO;
	if (send_byte(child->go[1]) || waitpid(child->pid, &status, 0) != child->pid)
		return -ECHILD;
	return status;
}

#endif
