/* SPDX-License-Identifier: MIT */
/*
 * console_int.h - what the files of the console device share.
 *
 *   console.c          features, configuration space, life
 *   console_port.c     the bytes of a port, both directions
 *   console_control.c  messages about ports (virtio 1.2 §5.3.6.2)
 */
#ifndef MINIVMM_VIRTIO_CONSOLE_INT_H
#define MINIVMM_VIRTIO_CONSOLE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/le.h"
#include "virtio/console.h"

#define CONSOLE_QUEUE_MAX 128

/* virtio 1.2 §5.3.3 */
#define CONSOLE_F_SIZE	      (1ull << 0)
#define CONSOLE_F_MULTIPORT   (1ull << 1)
#define CONSOLE_F_EMERG_WRITE (1ull << 2)

/* Queues, virtio 1.2 §5.3.2: of port 0, of control, of port 1 ... */
#define CONSOLE_Q_CONTROL_RX 2 /* to the driver */
#define CONSOLE_Q_CONTROL_TX 3

/* virtio 1.2 §5.3.4 */
struct console_config {
	le16 columns;
	le16 rows;
	le32 max_nr_ports;
	le32 emergency_write;
};

/* Messages that a port owes to the driver: bits, sent in this order. */
enum console_owed {
	CONSOLE_OWES_ADD = 1,
	CONSOLE_OWES_CONSOLE = 2,
	CONSOLE_OWES_NAME = 4,
	CONSOLE_OWES_OPEN = 8, /* or closed */
	CONSOLE_OWES_SIZE = 16,
};

struct console_port {
	struct console *console;
	struct chr *stream; /* NULL: no port of this number */
	char *name;	    /* NULL: a console */
	bool ready;	    /* the driver knows it */
	bool guest_open;    /* and takes input */
	bool host_open;
	uint8_t owed;
	uint16_t columns, rows;

	bool has_out;	   /* out was popped, and waits: */
	uint64_t out_done; /* bytes that have gone out */
	struct vq_chain out;
	struct loop_task go_on; /* with the output, after others had a turn */
};

struct console {
	struct virtio_dev dev;
	unsigned int nr_ports; /* numbers, with or without a port */
	struct console_port ports[VIRTIO_CONSOLE_PORTS_MAX];
	struct vq_chain chain; /* of input, or of control messages */
	atomic_uint size;      /* of port 0: columns, rows << 16 */
	atomic_bool said_odd;

	pthread_mutex_t emergency_lock; /* the two below */
	uint8_t emergency[256];
	size_t nr_emergency;
	struct loop_task emergency_task;
};

bool virtio_console_multiport(const struct console *c);
unsigned int virtio_console_number(const struct console_port *p);

/* Ports. Loop thread only. */

uint16_t virtio_console_rx(const struct console_port *p); /* to the driver */
void virtio_console_connect(struct console_port *p);
/* Queue @q, which is a port's, was kicked. */
void virtio_console_port_kick(struct console *c, uint16_t q);
/* Give back what waits of queue @q, if it is the port's. */
void virtio_console_port_stop(struct console_port *p, uint16_t q);
void virtio_console_port_reset(struct console_port *p);

/* Control. Loop thread only. */

void virtio_console_control_kick(struct console *c);
/* @p owes the driver more messages. */
void virtio_console_owe(struct console_port *p, uint8_t owed);
/* Send what is owed, as far as there are buffers. */
void virtio_console_pay(struct console *c);

#endif
