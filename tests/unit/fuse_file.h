/* SPDX-License-Identifier: MIT */
/*
 * fuse_file.h - a file whose Nth read, write, sync or fallocate fails as it is
 * told to: a FUSE file system of one file (linux/fuse.h), served by a thread
 * of the test.
 *
 * The root of the file system is the file itself, mounted over an empty one,
 * in a mount namespace of the test's own.
 */
#ifndef MINIVMM_TESTS_UNIT_FUSE_FILE_H
#define MINIVMM_TESTS_UNIT_FUSE_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/thread.h"

#define FUSE_FILE_MAX (1u << 20)

/* Instead of an errno: move half of the bytes, or none. */
#define FUSE_FILE_HALF -1
#define FUSE_FILE_NONE -2

struct fuse_file {
	char path[64];
	int dev;
	uint8_t data[FUSE_FILE_MAX];
	bool no_fallocate;
	atomic_int calls_left; /* until one fails; 0: none does */
	atomic_int how;	       /* errno, or one of the above */
	atomic_bool for_ever;  /* all fail from then on */
	pthread_t thread;
};

/*
 * Before any thread: mounts of this process are its own from here on. False
 * where that is not allowed.
 */
static inline bool fuse_file_prepare(void)
{
	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	return !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static inline void fuse_file_arm(struct fuse_file *f, int call, int how,
				 bool for_ever)
{
	f->how = how;
	f->for_ever = for_ever;
	f->calls_left = call;
}

/* 0, or what this call is to fail as. */
static inline int fuse_file_due(struct fuse_file *f)
{
	int left = f->calls_left;

	if (!left)
		return 0;
	if (left == 1 && f->for_ever)
		return f->how;
	f->calls_left = left - 1;
	return left == 1 ? f->how : 0;
}

static inline void fuse_file_reply(struct fuse_file *f,
				   const struct fuse_in_header *in, int err,
				   const void *out, size_t len)
{
	struct fuse_out_header h = { .unique = in->unique, .error = -err };
	struct iovec iov[2] = { { &h, sizeof(h) },
				{ (void *)(uintptr_t)out, err ? 0 : len } };

	h.len = (uint32_t)(sizeof(h) + iov[1].iov_len);
	/* An interrupted request is gone: no error of the test. */
	(void)!writev(f->dev, iov, 2);
}

static inline struct fuse_attr fuse_file_attr(void)
{
	return (struct fuse_attr){
		.ino = FUSE_ROOT_ID,
		.size = FUSE_FILE_MAX,
		.blocks = FUSE_FILE_MAX / 512,
		.mode = S_IFREG | 0600,
		.nlink = 1,
		.blksize = 4096,
	};
}

static inline void fuse_file_transfer(struct fuse_file *f,
				      const struct fuse_in_header *in)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	const struct fuse_write_in *w = (const void *)(in + 1);
	bool write = in->opcode == FUSE_WRITE;
	uint64_t off = write ? w->offset : r->offset;
	uint32_t len = write ? w->size : r->size;
	struct fuse_write_out out = { 0 };
	int how = fuse_file_due(f);

	if (how > 0) {
		fuse_file_reply(f, in, how, NULL, 0);
		return;
	}
	if (how)
		len = how == FUSE_FILE_HALF ? len / 2 / 512 * 512 : 0;
	if (off >= FUSE_FILE_MAX)
		len = 0;
	else
		len = (uint32_t)min_u64(len, FUSE_FILE_MAX - off);
	if (!write) {
		fuse_file_reply(f, in, 0, f->data + off, len);
		return;
	}
	memcpy(f->data + off, w + 1, len);
	out.size = len;
	fuse_file_reply(f, in, 0, &out, sizeof(out));
}

static inline void fuse_file_hole(struct fuse_file *f,
				  const struct fuse_in_header *in)
{
	const struct fuse_fallocate_in *a = (const void *)(in + 1);
	int how = f->no_fallocate ? EOPNOTSUPP : fuse_file_due(f);

	if (how <= 0 && a->offset < FUSE_FILE_MAX)
		memset(f->data + a->offset, 0,
		       min_u64(a->length, FUSE_FILE_MAX - a->offset));
	fuse_file_reply(f, in, how > 0 ? how : 0, NULL, 0);
}

static inline void fuse_file_serve(struct fuse_file *f,
				   const struct fuse_in_header *in)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 0,
		.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES,
		.max_write = FUSE_FILE_MAX,
		.max_pages = FUSE_FILE_MAX / 4096,
	};
	struct fuse_attr_out attr = { .attr = fuse_file_attr() };
	struct fuse_open_out open = { .open_flags = FOPEN_DIRECT_IO };
	int how;

	switch (in->opcode) {
	case FUSE_INIT:
		fuse_file_reply(f, in, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		fuse_file_reply(f, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		fuse_file_reply(f, in, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
	case FUSE_WRITE:
		fuse_file_transfer(f, in);
		break;
	case FUSE_FSYNC:
		how = fuse_file_due(f);
		fuse_file_reply(f, in, how > 0 ? how : 0, NULL, 0);
		break;
	case FUSE_FALLOCATE:
		fuse_file_hole(f, in);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		fuse_file_reply(f, in, 0, NULL, 0);
		break;
	case FUSE_INTERRUPT:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		fuse_file_reply(f, in, ENOSYS, NULL, 0);
		break;
	}
}

static inline void *fuse_file_thread(void *arg)
{
	static _Alignas(8) char buf[FUSE_FILE_MAX + 65536];
	struct fuse_file *f = arg;
	ssize_t n;

	for (;;) {
		n = read(f->dev, buf, sizeof(buf));
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			fuse_file_serve(f, (const void *)buf);
		else if (n < 0 && errno != EINTR && errno != ENOENT &&
			 errno != EAGAIN)
			return NULL; /* unmounted */
	}
}

/* 0 or -errno. */
static inline int fuse_file_start(struct fuse_file *f)
{
	char options[96];
	int fd;

	memset(f, 0, sizeof(*f));
	strcpy(f->path, "/tmp/minivmm-fuse-XXXXXX");
	fd = mkostemp(f->path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	f->dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (f->dev < 0)
		goto unlink_file;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100000,user_id=%u,group_id=%u", f->dev,
		 getuid(), getgid());
	if (mount("minivmm", f->path, "fuse", MS_NOSUID | MS_NODEV, options))
		goto unlink_file;
	return thread_start(&f->thread, "fuse", fuse_file_thread, f);

unlink_file:
	fd = -errno;
	unlink(f->path);
	return fd;
}

/* Nobody has the file open any more. */
static inline void fuse_file_stop(struct fuse_file *f)
{
	umount2(f->path, MNT_FORCE);
	umount2(f->path, MNT_DETACH);
	thread_join(f->thread);
	close(f->dev);
	unlink(f->path);
}

#endif
