// SPDX-License-Identifier: MIT
/*
 * console_port.c - the bytes of a console or port, both directions.
 *
 * How it works. The driver's output goes from its buffers to the port's
 * stream. One that does not take all of a buffer has it wait in the port, and
 * with it the queue, until it says that there is room. Input is offered by
 * the stream; what finds no buffer of the driver stays there.
 *
 * Linux waits for each buffer of a console's output with a lock held: streams
 * of consoles take what they are given, see chr.h.
 */
#include "base/checked.h"
#include "virtio/backend/chr.h"
#include "virtio/console_int.h"

/* Output of one port in one turn of the loop; an empty buffer counts, too. */
#define TURN_MAX   (256u << 10)
#define BUFFER_MIN 64

unsigned int virtio_console_number(const struct console_port *p)
{
	return (unsigned int)(p - p->console->ports);
}

/* virtio 1.2 §5.3.2 */
uint16_t virtio_console_rx(const struct console_port *p)
{
	unsigned int n = virtio_console_number(p);

	return (uint16_t)(n ? 2 * n + 2 : 0);
}

static uint16_t tx_of(const struct console_port *p)
{
	return virtio_console_rx(p) + 1;
}

/* Output */

/* Put out up to @most bytes of what waits; returns how many went. */
static size_t put_out(struct console_port *p, size_t most)
{
	uint64_t skip = p->out_done;
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < p->out.nr_readable && done < most; i++) {
		const struct iovec *v = &p->out.readable[i];
		size_t len, n;

		if (skip >= v->iov_len) {
			skip -= v->iov_len;
			continue;
		}
		len = min_u64(v->iov_len - skip, most - done);
		n = chr_send(p->stream, (char *)v->iov_base + skip, len);
		done += n;
		if (n < len)
			break;
		skip = 0;
	}
	p->out_done += done;
	return done;
}

static bool next_out(struct console_port *p)
{
	if (!p->has_out) {
		p->has_out =
			virtio_dev_pop(&p->console->dev, tx_of(p), &p->out);
		p->out_done = 0;
	}
	return p->has_out;
}

static void end_out(struct console_port *p)
{
	p->has_out = false;
	virtio_dev_push(&p->console->dev, tx_of(p), &p->out, 0);
}

static void serve_output(struct console_port *p)
{
	size_t left = TURN_MAX, want, n;

	while (next_out(p)) {
		want = min_u64(p->out.readable_len - p->out_done, left);
		n = put_out(p, want);
		if (p->out_done == p->out.readable_len)
			end_out(p);
		else if (n < want)
			return; /* until the stream is writable */
		left -= min_u64(left, n + BUFFER_MIN);
		if (!left) {
			loop_post(p->console->dev.loop, &p->go_on);
			return;
		}
	}
}

static void go_on(struct console_port *p)
{
	if (!p->console->dev.active)
		return;
	serve_output(p);
	virtio_dev_notify(&p->console->dev, tx_of(p));
}

static void on_go_on(struct loop_task *t)
{
	go_on(container_of(t, struct console_port, go_on));
}

static void on_writable(void *port)
{
	go_on(port);
}

/* Input */

static size_t on_input(void *port, const uint8_t *buf, size_t len)
{
	struct console_port *p = port;
	struct console *c = p->console;
	uint16_t q = virtio_console_rx(p);
	unsigned int tries = CONSOLE_QUEUE_MAX; /* buffers may be empty */
	size_t done = 0, n;

	if (!p->guest_open)
		return 0;
	while (done < len && tries-- && virtio_dev_pop(&c->dev, q, &c->chain)) {
		n = vq_chain_write(c->dev.ram, &c->chain, 0, buf + done,
				   len - done);
		virtio_dev_push(&c->dev, q, &c->chain, (uint32_t)n);
		done += n;
	}
	virtio_dev_notify(&c->dev, q);
	return done;
}

/* The stream's other events */

static void on_opened(void *port, bool open)
{
	struct console_port *p = port;

	p->host_open = open;
	if (p->ready)
		virtio_console_owe(p, CONSOLE_OWES_OPEN);
}

static void on_resized(void *port, uint16_t columns, uint16_t rows)
{
	struct console_port *p = port;

	p->columns = columns;
	p->rows = rows;
	if (p->ready && !p->name)
		virtio_console_owe(p, CONSOLE_OWES_SIZE);
	if (virtio_console_number(p))
		return;
	p->console->size = columns | (unsigned int)rows << 16;
	virtio_dev_config_changed(&p->console->dev);
}

/* The device */

void virtio_console_connect(struct console_port *p)
{
	const struct chr_events events = {
		.input = on_input,
		.writable = on_writable,
		.opened = on_opened,
		.resized = on_resized,
		.ctx = p,
	};

	p->go_on.fn = on_go_on;
	chr_attach(p->stream, &events);
}

/* A queue that no port has: its buffers go back as they came. */
static void give_back(struct console *c, uint16_t q)
{
	while (virtio_dev_pop(&c->dev, q, &c->chain))
		virtio_dev_push(&c->dev, q, &c->chain, 0);
}

void virtio_console_port_kick(struct console *c, uint16_t q)
{
	struct console_port *p = &c->ports[q < 2 ? 0 : (q - 2) / 2];

	if (!p->stream && q & 1)
		give_back(c, q);
	else if (q & 1)
		serve_output(p);
	else if (p->stream && p->guest_open)
		chr_resume(p->stream);
}

void virtio_console_port_stop(struct console_port *p, uint16_t q)
{
	if (p->has_out && q == tx_of(p))
		end_out(p);
}

void virtio_console_port_reset(struct console_port *p)
{
	p->ready = false;
	p->guest_open = false;
	p->owed = 0;
	if (p->has_out)
		end_out(p);
}
