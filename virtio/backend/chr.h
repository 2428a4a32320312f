/* SPDX-License-Identifier: MIT */
/*
 * chr.h - a stream of bytes on the host: one interface, a file for each kind
 * (chr_fd.c, chr_pty.c, chr_socket.c). Knows nothing of UARTs or virtio.
 *
 * How it works. Who owns a stream is the guest's side of it: a serial port, a
 * port of a console device.
 *
 *   owner                                     stream
 *   write()  all of it, on any thread ----->  a file; or the history, from
 *   send()   what fits now            ----->  which a client gets its bytes
 *            fell short; stop       <-------  writable(), once
 *   input()  returns what it took     <-----  bytes of the user, or client
 *            took less than all
 *   chr_resume()  takes again         ----->  input() with the rest, and on
 *   opened() a client came, or went   <-----
 *
 * Input that the owner does not take stays with the stream, which then reads
 * no more: so the host's side waits, and nothing is lost.
 *
 * A stream with clients (pty, sockets) never waits for them. What the owner
 * wrote goes to a history of CHR_HISTORY bytes; a client that comes late gets
 * that first, and one that is slower than the guest misses what left the
 * history before it was there. With keep_all it is a pipe instead: send()
 * takes no more than fits, each byte goes to one client, and what a client
 * left unread goes with it.
 *
 * Loop thread only, where the header does not say otherwise; before
 * loop_run() the thread that created the loop.
 */
#ifndef MINIVMM_VIRTIO_BACKEND_CHR_H
#define MINIVMM_VIRTIO_BACKEND_CHR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/loop.h"

#define CHR_HISTORY	65536
#define CHR_INPUT_MAX	4096
#define CHR_ADDRESS_MAX 128

struct chr;

/* What the owner is told, on the loop thread. Unset members are not called. */
struct chr_events {
	/* Bytes for the guest: returns how many it took. Unset: all. */
	size_t (*input)(void *ctx, const uint8_t *buf, size_t len);
	/* send() fell short and there is room again. */
	void (*writable)(void *ctx);
	/* Somebody is there to read and write, or has gone. At first: not. */
	void (*opened)(void *ctx, bool open);
	/* The size of the user's terminal. */
	void (*resized)(void *ctx, uint16_t columns, uint16_t rows);
	void *ctx;
};

struct chr_ops {
	const char *kind; /* "pty", for logs */
	void (*start)(struct chr *c);
	/* See chr_write() and chr_send(). */
	void (*write)(struct chr *c, const uint8_t *buf, size_t len);
	size_t (*send)(struct chr *c, const uint8_t *buf, size_t len);
	/* The owner has taken all input: get more. */
	void (*read_more)(struct chr *c);
	/* NULL: write() never waits. */
	void (*hang_up)(struct chr *c);
	void (*destroy)(struct chr *c);
};

/* Embedded first in every kind; members belong to chr.c. */
struct chr {
	const struct chr_ops *ops;
	struct loop *loop;
	struct chr_events events;
	struct loop_task resume;
	char address[CHR_ADDRESS_MAX];
	bool open;
	uint16_t columns, rows;	      /* 0: not known */
	uint8_t input[CHR_INPUT_MAX]; /* not taken by the owner yet: */
	size_t input_used, input_len; /* [input_used, input_len) */
};

/* For owners */

/* Before chr_start(). What happened before is not told again. */
void chr_attach(struct chr *c, const struct chr_events *ev);

/* Events come from here on. Once. */
void chr_start(struct chr *c);

/*
 * Put out all of it. May wait for a file of the host (a slow reader of
 * stdout), until chr_hang_up(); never for a client. Any thread but the
 * loop's, one at a time, and not with send() on the same stream.
 */
void chr_write(struct chr *c, const void *buf, size_t len);

/* Put out what fits now: returns how many bytes. See writable(). */
size_t chr_send(struct chr *c, const void *buf, size_t len);

/* The owner takes input again. Any thread; input() is called later. */
void chr_resume(struct chr *c);

/*
 * chr_write() is to wait no longer: what does not go out at once is dropped
 * from now on. Any thread; who waits right now is woken by a signal only.
 */
void chr_hang_up(struct chr *c);

/* The terminal has a new size; tells the owner if it is another one. */
void chr_resize(struct chr *c, uint16_t columns, uint16_t rows);

/* Where clients find it ("/dev/pts/3", "127.0.0.1:4000"); "": nowhere. */
const char *chr_address(const struct chr *c);

/* The loop is drained. NULL is allowed. */
void chr_destroy(struct chr *c);

/*
 * The kinds. Each opens what it needs of the host: 0, or -errno and, where
 * there is @why, the reason in words.
 */

struct chr_fd_params {
	int in_fd;  /* -1: no input */
	int out_fd; /* -1: output is dropped */
	bool owned; /* out_fd is closed by destroy */
	/*
	 * For keys that are not the guest's: takes them out of the @len bytes
	 * that were read, in place, and returns how many are left. With it
	 * input is read also while the guest takes none, and what it leaves
	 * behind beyond CHR_INPUT_MAX bytes is lost. NULL: all are the
	 * guest's.
	 */
	size_t (*filter)(void *ctx, uint8_t *buf, size_t len);
	void *ctx;
};

/* Two descriptors, such as stdin and stdout, or one or none of them. */
int chr_open_fd(struct chr **out, struct loop *loop,
		const struct chr_fd_params *p);

/* For chr_open_fd() streams, before chr_start(). */
void chr_fd_set_filter(struct chr *c,
		       size_t (*filter)(void *ctx, uint8_t *buf, size_t len),
		       void *ctx);
void chr_fd_stop_input(struct chr *c);

/* A pseudo-terminal in raw mode; programs open its address. */
int chr_open_pty(struct chr **out, struct loop *loop, bool keep_all, char *why,
		 size_t why_len);

struct chr_socket_params {
	const char *path; /* of a UNIX socket; NULL: TCP */
	const char *host; /* an IPv4 or IPv6 address in numbers */
	uint16_t port;	  /* 0: any that is free, see chr_address() */
	bool keep_all;
};

/*
 * Listens on a socket and serves one client at a time; the next one waits
 * until that has gone, or has only stopped to send. The file of a UNIX socket
 * that nobody listens on any more is replaced, and ours is removed at the end.
 */
int chr_open_socket(struct chr **out, struct loop *loop,
		    const struct chr_socket_params *p, char *why,
		    size_t why_len);

#endif
