// SPDX-License-Identifier: MIT
/*
 * switch_link.c - what a switch and a port on it agree on.
 */
#include "virtio/backend/switch_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fd_unix.h"

#define PAGE_BYTES 4096u
#define SEALS	   (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert(2 * sizeof(struct switch_ring_shared) <= PAGE_BYTES,
	       "both in one page");

static const char magic[8] = { 'm', 'i', 'n', 'i', 'v', 'm', 's', 'w' };

/* Memory */

static uint64_t link_bytes(uint32_t ring_size)
{
	return PAGE_BYTES + 2ull * ring_size;
}

/* @size bytes at @off of @memfd, twice in a row. */
static int map_twice(uint8_t **out, int memfd, uint64_t off, uint32_t size)
{
	uint8_t *at = mmap(NULL, 2ull * size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < 2; i++) {
		if (mmap(at + (size_t)i * size, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, memfd,
			 (off_t)off) == MAP_FAILED) {
			int err = -errno;

			munmap(at, 2ull * size);
			return err;
		}
	}
	*out = at;
	return 0;
}

static int map_link(struct switch_link *k, uint32_t ring_size, int memfd)
{
	struct switch_ring_shared *shared;
	int err;

	*k = (struct switch_link){ .ring_size = ring_size };
	k->page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		       memfd, 0);
	if (k->page == MAP_FAILED) {
		k->page = NULL;
		return -errno;
	}
	for (unsigned int i = 0; i < 2; i++) {
		err = map_twice(&k->data[i], memfd,
				PAGE_BYTES + (uint64_t)i * ring_size,
				ring_size);
		if (err)
			goto unmap;
	}
	shared = k->page;
	switch_ring_init(&k->to_switch, &shared[0], k->data[0], ring_size);
	switch_ring_init(&k->to_port, &shared[1], k->data[1], ring_size);
	return 0;

unmap:
	switch_link_unmap(k);
	return err;
}

void switch_link_unmap(struct switch_link *k)
{
	if (k->page)
		munmap(k->page, PAGE_BYTES);
	for (unsigned int i = 0; i < 2; i++)
		if (k->data[i])
			munmap(k->data[i], 2ull * k->ring_size);
	*k = (struct switch_link){ 0 };
}

int switch_link_create(struct switch_link *k, uint32_t ring_size, int *memfd)
{
	int fd =
		memfd_create("minivmm-switch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)link_bytes(ring_size)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		err = -errno;
		goto close_fd;
	}
	err = map_link(k, ring_size, fd);
	if (err)
		goto close_fd;
	*memfd = fd;
	return 0;

close_fd:
	close(fd);
	return err;
}

static bool is_ring_size(uint32_t size)
{
	return size >= SWITCH_RING_MIN && size <= SWITCH_RING_MAX &&
	       !(size & (size - 1));
}

/* Memory that shrinks would kill whoever reads it. */
static bool is_sealed(int memfd, uint64_t size)
{
	int seals = fcntl(memfd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & F_SEAL_SHRINK) &&
	       !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) &&
	       !fstat(memfd, &st) && (uint64_t)st.st_size == size;
}

int switch_link_map(struct switch_link *k, const struct switch_welcome *w,
		    int memfd)
{
	uint32_t size = le32_get(w->ring_size);

	if (memfd < 0 || !is_ring_size(size) ||
	    !is_sealed(memfd, link_bytes(size)))
		return -EPROTO;
	return map_link(k, size, memfd);
}

/* Messages */

void switch_link_fill_hello(struct switch_hello *h, enum switch_wish wish,
			    const char *name)
{
	*h = (struct switch_hello){
		.version = le32_put(SWITCH_VERSION),
		.wish = le32_put(wish),
	};
	memcpy(h->magic, magic, sizeof(magic));
	memcpy(h->name, name, strnlen(name, sizeof(h->name)));
}

int switch_link_check_hello(const struct switch_hello *h, size_t len)
{
	if (len != sizeof(*h) || memcmp(h->magic, magic, sizeof(magic)) != 0)
		return -EPROTO;
	if (le32_get(h->version) != SWITCH_VERSION)
		return -EPROTONOSUPPORT;
	return 0;
}

void switch_link_fill_welcome(struct switch_welcome *w, unsigned int port,
			      uint32_t ring_size, int error)
{
	*w = (struct switch_welcome){
		.version = le32_put(SWITCH_VERSION),
		.error = le32_put((uint32_t)error),
		.ring_size = le32_put(ring_size),
		.port = le32_put(port),
	};
	memcpy(w->magic, magic, sizeof(magic));
}

void switch_link_fill_stats(struct switch_stats *st, uint32_t nr_ports)
{
	*st = (struct switch_stats){
		.version = le32_put(SWITCH_VERSION),
		.nr_ports = le32_put(nr_ports),
	};
	memcpy(st->magic, magic, sizeof(magic));
}

int switch_link_check_stats(const struct switch_stats *st, size_t len)
{
	uint32_t nr;

	if (len < sizeof(*st) || memcmp(st->magic, magic, sizeof(magic)) != 0 ||
	    le32_get(st->version) != SWITCH_VERSION)
		return -EPROTO;
	nr = le32_get(st->nr_ports);
	if (nr > SWITCH_STATS_PORTS ||
	    len != sizeof(*st) + nr * sizeof(struct switch_stats_port))
		return -EPROTO;
	return 0;
}

int switch_link_send(int sock, const void *msg, size_t len, int pass)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)msg, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	/* A packet goes as a whole or not at all. */
	return sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The one file that fits into the buffer; more of them are not taken. */
static int passed_file(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

int switch_link_recv_welcome(int sock, struct switch_welcome *w, int *memfd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { w, sizeof(*w) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		/* Not CMSG_SPACE(): a second file would fit into that. */
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*memfd = -1;
	if (n < 0)
		return -errno;
	*memfd = passed_file(&m);
	if (n == sizeof(*w) && !(m.msg_flags & MSG_TRUNC) &&
	    !memcmp(w->magic, magic, sizeof(magic)) &&
	    le32_get(w->version) == SWITCH_VERSION)
		return 0;
	fd_close(memfd);
	return n ? -EPROTO : -ECONNRESET;
}

void switch_link_ring_bell(int sock)
{
	/* Full means that it has not heard the last ones yet. */
	(void)switch_link_send(sock, "", 1, -1);
}

int switch_link_connect(const char *path)
{
	return fd_unix_connect(path, SOCK_SEQPACKET);
}
