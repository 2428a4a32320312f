/* SPDX-License-Identifier: MIT */
/*
 * chr_int.h - what the kinds of streams share.
 *
 *   chr.c          owners' calls, input that waits
 *   chr_history.c  the output that was last written
 *   chr_line.c     a client at the other end of a descriptor, one at a time
 */
#ifndef MINIVMM_VIRTIO_BACKEND_CHR_INT_H
#define MINIVMM_VIRTIO_BACKEND_CHR_INT_H

#include <pthread.h>

#include "virtio/backend/chr.h"

void chr_init(struct chr *c, const struct chr_ops *ops, struct loop *loop);

/*
 * Offer what waits in c->input to the owner. True when it took all of it:
 * then c->input may be filled again.
 */
bool chr_deliver(struct chr *c);

/* Drop the input that waits. */
void chr_forget_input(struct chr *c);

/* Tells the owner when that is a change. */
void chr_set_open(struct chr *c, bool open);

/* The last CHR_HISTORY of all bytes ever written; positions count them. */
struct chr_history {
	pthread_mutex_t lock; /* the members below */
	uint64_t end;
	uint8_t buf[CHR_HISTORY];
};

void chr_history_init(struct chr_history *h);
void chr_history_fini(struct chr_history *h);

/* Any thread. */
void chr_history_put(struct chr_history *h, const uint8_t *buf, size_t len);
uint64_t chr_history_end(struct chr_history *h);

/*
 * Copy up to @len bytes from position *@at on, which moves up to the oldest
 * that is there; returns the bytes copied. Any thread.
 */
size_t chr_history_get(struct chr_history *h, uint64_t *at, void *buf,
		       size_t len);

/*
 * A client and its descriptor.
 *
 * How it works. One poll operation waits for whatever can go on; it is ended
 * and started again when that changes. A client may end its two directions
 * apart:
 *
 *   input_over    it sends no more (end of file)
 *   output_over   it takes no more (hung up, broken pipe)
 *   is_leaving    one of the two, or the end of file is on its way
 *
 * and is gone when both are over and the owner has taken what it sent.
 */
struct chr_line {
	struct chr chr;
	struct chr_history history;
	bool keep_all;
	bool fell_short; /* writable() is owed */
	uint64_t sent;	 /* of the history, to the client */

	int fd; /* -1: no client */
	bool is_socket;
	bool blocked; /* it takes nothing at the moment */
	bool input_over, output_over;
	bool hung_up;
	bool is_leaving;
	uint64_t taken; /* bytes read from clients, ever */
	bool dropped;	/* wait for poll, then it is gone */
	uint32_t polled;
	struct loop_op poll;
	struct loop_task flush;

	/* The client began to leave: see chr_line_is_spent(). */
	void (*leaving)(struct chr_line *l);
	/* It has gone, and @fd is nobody's any more: close it. */
	void (*gone)(struct chr_line *l, int fd);
};

void chr_line_init(struct chr_line *l, const struct chr_ops *ops,
		   struct loop *loop, bool keep_all);
void chr_line_fini(struct chr_line *l);

/* A client has come, on the non-blocking @fd. There is none at the moment. */
void chr_line_connect(struct chr_line *l, int fd);

/* The client sends no more and the owner has all of it: it may be dropped. */
bool chr_line_is_spent(const struct chr_line *l);

/* Have the client leave at once; gone() follows, not from inside. */
void chr_line_drop(struct chr_line *l);

/* Members of chr_ops. */
void chr_line_write(struct chr *c, const uint8_t *buf, size_t len);
size_t chr_line_send(struct chr *c, const uint8_t *buf, size_t len);
void chr_line_read_more(struct chr *c);

/* Put "what: reason" into @why; returns @err. */
int chr_explain(char *why, size_t len, int err, const char *what);

#endif
