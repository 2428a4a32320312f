// SPDX-License-Identifier: MIT
/*
 * console_control.c - messages about ports (virtio 1.2 §5.3.6.2).
 *
 * How it works. What a port owes the driver is a set of bits, not a queue: a
 * driver that asks again and again, or gives no buffers, costs nothing.
 *
 *   driver                         device, for each port
 *   DEVICE_READY              -->
 *                             <--  PORT_ADD
 *   PORT_READY                -->
 *                             <--  CONSOLE_PORT or PORT_NAME; PORT_OPEN when
 *                                  a client is there; RESIZE
 *   PORT_OPEN 1               -->  input may go to the driver
 *
 * PORT_OPEN 1 and 0 follow as clients come and go, either way.
 */
#include <string.h>

#include "base/checked.h"
#include "base/iov.h"
#include "base/log.h"
#include "virtio/backend/chr.h"
#include "virtio/console_int.h"

/* virtio 1.2 §5.3.6.2 */
enum {
	DEVICE_READY = 0,
	PORT_ADD = 1,
	PORT_READY = 3,
	CONSOLE_PORT = 4,
	RESIZE = 5,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};

struct control {
	le32 id;
	le16 event;
	le16 value;
};

/*
 * As virtio 1.2 has it, and Linux since 6.15 and its stable kernels of that
 * time; older ones read the rows first.
 */
struct resize {
	le16 columns;
	le16 rows;
};

struct message {
	struct control head;
	uint8_t rest[VIRTIO_CONSOLE_NAME_MAX + 1];
	size_t len;
};

/* To the driver */

static void append(struct message *m, const void *data, size_t len)
{
	memcpy(m->rest, data, len);
	m->len += len;
}

static void make_message(struct message *m, const struct console_port *p,
			 uint8_t owed)
{
	const struct resize size = { le16_put(p->columns), le16_put(p->rows) };
	uint16_t event = PORT_ADD, value = 1;

	m->len = sizeof(m->head);
	switch ((enum console_owed)owed) {
	case CONSOLE_OWES_ADD:
		break;
	case CONSOLE_OWES_CONSOLE:
		event = CONSOLE_PORT;
		break;
	case CONSOLE_OWES_NAME:
		event = PORT_NAME;
		append(m, p->name, strlen(p->name));
		break;
	case CONSOLE_OWES_OPEN:
		event = PORT_OPEN;
		value = p->host_open;
		break;
	case CONSOLE_OWES_SIZE:
		event = RESIZE;
		append(m, &size, sizeof(size));
		break;
	}
	m->head.id = le32_put(virtio_console_number(p));
	m->head.event = le16_put(event);
	m->head.value = le16_put(value);
}

/* False when the driver has given no buffer. */
static bool send_one(struct console_port *p, uint8_t owed)
{
	struct console *c = p->console;
	struct message m;
	size_t n;

	if (!virtio_dev_pop(&c->dev, CONSOLE_Q_CONTROL_RX, &c->chain))
		return false;
	make_message(&m, p, owed);
	n = vq_chain_write(c->dev.ram, &c->chain, 0, &m.head, sizeof(m.head));
	n += vq_chain_write(c->dev.ram, &c->chain, n, m.rest,
			    m.len - sizeof(m.head));
	if (n < m.len)
		log_once(&c->said_odd, "%s: a control buffer is too short",
			 c->dev.name);
	virtio_dev_push(&c->dev, CONSOLE_Q_CONTROL_RX, &c->chain, (uint32_t)n);
	return true;
}

static bool pay_port(struct console_port *p)
{
	while (p->owed) {
		uint8_t first = p->owed & (uint8_t)-p->owed;

		if (!send_one(p, first))
			return false;
		p->owed &= (uint8_t)~first;
	}
	return true;
}

void virtio_console_pay(struct console *c)
{
	unsigned int i;

	if (!c->dev.active || !virtio_console_multiport(c))
		return;
	for (i = 0; i < c->nr_ports && pay_port(&c->ports[i]); i++)
		;
	virtio_dev_notify(&c->dev, CONSOLE_Q_CONTROL_RX);
}

void virtio_console_owe(struct console_port *p, uint8_t owed)
{
	p->owed |= owed;
	virtio_console_pay(p->console);
}

/* From the driver */

static void add_ports(struct console *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++)
		if (c->ports[i].stream)
			c->ports[i].owed |= CONSOLE_OWES_ADD;
}

static void port_is_ready(struct console_port *p)
{
	p->ready = true;
	p->owed |= p->name ? CONSOLE_OWES_NAME : CONSOLE_OWES_CONSOLE;
	if (p->host_open)
		p->owed |= CONSOLE_OWES_OPEN;
	if (!p->name && p->columns)
		p->owed |= CONSOLE_OWES_SIZE;
}

static void handle_port(struct console_port *p, uint16_t event, uint16_t value)
{
	switch (event) {
	case PORT_READY:
		if (value)
			port_is_ready(p);
		else
			log_once(&p->console->said_odd,
				 "%s: the driver could not add port %u",
				 p->console->dev.name,
				 virtio_console_number(p));
		break;
	case PORT_OPEN:
		p->guest_open = value;
		if (value)
			chr_resume(p->stream);
		break;
	default:
		log_once(&p->console->said_odd, "%s: control message %u",
			 p->console->dev.name, event);
	}
}

static void handle(struct console *c, const struct control *m)
{
	uint32_t id = le32_get(m->id);
	uint16_t event = le16_get(m->event), value = le16_get(m->value);

	if (event == DEVICE_READY) {
		if (value)
			add_ports(c);
	} else if (id < c->nr_ports && c->ports[id].stream) {
		handle_port(&c->ports[id], event, value);
	} else {
		log_once(&c->said_odd, "%s: a control message for port %u",
			 c->dev.name, id);
	}
}

void virtio_console_control_kick(struct console *c)
{
	struct control m;

	while (virtio_dev_pop(&c->dev, CONSOLE_Q_CONTROL_TX, &c->chain)) {
		size_t n = iov_read(c->chain.readable, c->chain.nr_readable, 0,
				    &m, sizeof(m));

		virtio_dev_push(&c->dev, CONSOLE_Q_CONTROL_TX, &c->chain, 0);
		if (n == sizeof(m))
			handle(c, &m);
		else
			log_once(&c->said_odd, "%s: a short control message",
				 c->dev.name);
	}
	virtio_console_pay(c);
}
