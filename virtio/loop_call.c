// SPDX-License-Identifier: MIT
/*
 * loop_call.c - the system call that an operation stands for.
 *
 * @syscalls: preadv pwritev preadv2 pwritev2 readv writev fdatasync fallocate
 * @syscalls: accept4 fcntl
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/checked.h"
#include "virtio/loop_int.h"

/* What is copied on the loop thread; some microseconds. */
#define CACHED_MAX (64u << 10)

static bool is_write(const struct loop_op *op)
{
	return op->kind == LOOP_OP_WRITE || op->kind == LOOP_OP_WRITEV;
}

/* @flags: RWF_*. The result, or -1 with errno. */
static ssize_t transfer(const struct loop_op *op, const struct iovec *iov,
			int nr, int flags)
{
	if (is_write(op))
		return pwritev2(op->fd, iov, nr, op->off, flags);
	return preadv2(op->fd, iov, nr, op->off, flags);
}

/* The call is made where it may block. */
static ssize_t call(const struct loop_op *op)
{
	switch ((enum loop_op_kind)op->kind) {
	case LOOP_OP_READ:
	case LOOP_OP_WRITE:
	case LOOP_OP_READV:
	case LOOP_OP_WRITEV:
		return transfer(op, op->iov, (int)op->len, 0);
	case LOOP_OP_FDATASYNC:
		return fdatasync(op->fd);
	case LOOP_OP_FALLOCATE:
		return fallocate(op->fd, (int)op->flags, op->off,
				 (off_t)op->len);
	case LOOP_OP_ACCEPT:
		return accept4(op->fd, NULL, NULL, SOCK_CLOEXEC);
	case LOOP_OP_POLL:
	case LOOP_OP_TIMEOUT:
		break;
	}
	errno = EINVAL;
	return -1;
}

int loop_call(struct loop_op *op)
{
	ssize_t n;

	do
		n = call(op);
	while (n < 0 && (errno == EINTR || loop_is_again(op, -errno)));
	return n < 0 ? -errno : (int)n;
}

/*
 * For files that do not know RWF_NOWAIT (ttys, old kernels). Ready for
 * writing means room for PIPE_BUF bytes at least: with no more than that, a
 * blocking pipe does not block.
 */
static ssize_t transfer_small(const struct loop_op *op)
{
	struct iovec first = { NULL, 0 };

	if (!is_write(op))
		return transfer(op, op->iov, (int)op->len, 0);
	for (uint64_t i = 0; i < op->len && !first.iov_len; i++)
		first = op->iov[i];
	first.iov_len = min_u64(first.iov_len, PIPE_BUF);
	return transfer(op, &first, 1, 0);
}

static ssize_t call_ready(const struct loop_op *op)
{
	ssize_t n;

	if (op->kind == LOOP_OP_ACCEPT)
		return call(op);
	n = transfer(op, op->iov, (int)op->len, RWF_NOWAIT);
	if (n < 0 && (errno == EOPNOTSUPP || errno == EINVAL))
		n = transfer_small(op);
	return n;
}

int loop_call_ready(const struct loop_op *op)
{
	ssize_t n;

	do
		n = call_ready(op);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

static uint64_t bytes_of(const struct loop_op *op, uint64_t max)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < op->len && sum <= max; i++)
		sum += min_u64(op->iov[i].iov_len, max + 1);
	return sum;
}

bool loop_call_cached(const struct loop_op *op, int *res)
{
	uint64_t len = bytes_of(op, CACHED_MAX);
	int flags = fcntl(op->fd, F_GETFL);
	ssize_t n;

	/* With O_DIRECT, even RWF_NOWAIT waits for the disk. */
	if (is_write(op) || len > CACHED_MAX || flags < 0 || flags & O_DIRECT)
		return false;
	n = transfer(op, op->iov, (int)op->len, RWF_NOWAIT);
	if (n < 0 || (uint64_t)n < len)
		return false;
	*res = (int)n;
	return true;
}
