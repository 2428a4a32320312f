// SPDX-License-Identifier: MIT
/*
 * console.c - the virtio console device (virtio 1.2 §5.3): features,
 * configuration space, life. Knows no terminals or sockets: a stream
 * (backend/chr.h) carries the bytes of each port.
 */
#include "virtio/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "virtio/backend/chr.h"
#include "virtio/console_int.h"

static struct console *to_console(struct virtio_dev *d)
{
	return container_of(d, struct console, dev);
}

bool virtio_console_multiport(const struct console *c)
{
	return virtio_dev_has(&c->dev, CONSOLE_F_MULTIPORT);
}

static uint64_t console_features(struct virtio_dev *d)
{
	(void)d;
	return CONSOLE_F_SIZE | CONSOLE_F_MULTIPORT | CONSOLE_F_EMERG_WRITE;
}

static void console_config_read(struct virtio_dev *d, size_t off, void *buf,
				size_t len)
{
	struct console *c = to_console(d);
	unsigned int size = c->size;
	const struct console_config config = {
		.columns = le16_put((uint16_t)size),
		.rows = le16_put((uint16_t)(size >> 16)),
		.max_nr_ports = le32_put(c->nr_ports),
	};

	memcpy(buf, (const char *)&config + off, len);
}

/* Emergency write (virtio 1.2 §5.3.5): also before the driver is there. */

static void console_config_write(struct virtio_dev *d, size_t off,
				 const void *buf, size_t len)
{
	struct console *c = to_console(d);

	if (off != offsetof(struct console_config, emergency_write) || !len)
		return;
	pthread_mutex_lock(&c->emergency_lock);
	if (c->nr_emergency < sizeof(c->emergency))
		memcpy(&c->emergency[c->nr_emergency++], buf, 1);
	pthread_mutex_unlock(&c->emergency_lock);
	loop_post(d->loop, &c->emergency_task);
}

/* What does not go out now is lost. */
static void on_emergency(struct loop_task *t)
{
	struct console *c = container_of(t, struct console, emergency_task);
	uint8_t text[sizeof(c->emergency)];
	size_t len;

	pthread_mutex_lock(&c->emergency_lock);
	len = c->nr_emergency;
	memcpy(text, c->emergency, len);
	c->nr_emergency = 0;
	pthread_mutex_unlock(&c->emergency_lock);
	if (c->ports[0].stream && !c->ports[0].has_out)
		(void)chr_send(c->ports[0].stream, text, len);
}

/* Life */

/* Without MULTIPORT there is port 0 alone, and nobody opens it. */
static int console_activate(struct virtio_dev *d)
{
	struct console *c = to_console(d);

	if (!virtio_console_multiport(c) && c->ports[0].stream) {
		c->ports[0].guest_open = true;
		chr_resume(c->ports[0].stream);
	}
	return 0;
}

static void console_reset(struct virtio_dev *d)
{
	struct console *c = to_console(d);
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++)
		virtio_console_port_reset(&c->ports[i]);
}

static void console_stop(struct virtio_dev *d, uint16_t q)
{
	struct console *c = to_console(d);
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++)
		virtio_console_port_stop(&c->ports[i], q);
}

static void console_kick(struct virtio_dev *d, uint16_t q)
{
	struct console *c = to_console(d);

	if (q > 1 && !virtio_console_multiport(c))
		return;
	if (q == CONSOLE_Q_CONTROL_RX)
		virtio_console_pay(c);
	else if (q == CONSOLE_Q_CONTROL_TX)
		virtio_console_control_kick(c);
	else
		virtio_console_port_kick(c, q);
}

static void console_destroy(struct virtio_dev *d)
{
	struct console *c = to_console(d);
	unsigned int i;

	for (i = 0; i < c->nr_ports; i++)
		free(c->ports[i].name);
	pthread_mutex_destroy(&c->emergency_lock);
	virtio_dev_fini(d);
	free(c);
}

static const struct virtio_dev_ops console_ops = {
	.name = "console",
	.type = 3, /* virtio 1.2 §5.3.1 */
	.queue_max = CONSOLE_QUEUE_MAX,
	.config_len = sizeof(struct console_config),
	.features = console_features,
	.config_read = console_config_read,
	.config_write = console_config_write,
	.activate = console_activate,
	.reset = console_reset,
	.queue_stop = console_stop,
	.queue_kick = console_kick,
	.destroy = console_destroy,
};

/* The numbers that consoles take, at the least. */
static unsigned int count_consoles(const struct virtio_console_params *p)
{
	unsigned int i, n = 0;

	for (i = 0; i < p->nr_ports; i++)
		n += !p->ports[i].name;
	return n;
}

static unsigned int count_numbers(const struct virtio_console_params *p)
{
	unsigned int consoles = count_consoles(p);

	return p->nr_ports + (consoles ? 0 : 1);
}

static int add_port(struct console *c, unsigned int number,
		    const struct virtio_console_port *from)
{
	struct console_port *p = &c->ports[number];

	p->stream = from->stream;
	if (from->name) {
		p->name = strndup(from->name, VIRTIO_CONSOLE_NAME_MAX);
		if (!p->name)
			return -ENOMEM;
	}
	virtio_console_connect(p);
	return 0;
}

static int add_ports(struct console *c, const struct virtio_console_params *p)
{
	unsigned int console = 0,
		     named = (unsigned int)max_u64(1, count_consoles(p));
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < p->nr_ports; i++)
		err = add_port(c, p->ports[i].name ? named++ : console++,
			       &p->ports[i]);
	return err;
}

int virtio_console_create(struct virtio_dev **out, struct ram *ram,
			  struct loop *loop,
			  const struct virtio_console_params *p)
{
	unsigned int i, numbers = count_numbers(p);
	struct console *c;
	int err;

	*out = NULL;
	if (numbers > VIRTIO_CONSOLE_PORTS_MAX)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	err = virtio_dev_init(&c->dev, &console_ops, p->name, ram, loop,
			      (uint16_t)(2 * numbers + 2));
	if (err) {
		free(c);
		return err;
	}
	c->nr_ports = numbers;
	for (i = 0; i < VIRTIO_CONSOLE_PORTS_MAX; i++)
		c->ports[i].console = c;
	pthread_mutex_init(&c->emergency_lock, NULL);
	c->emergency_task.fn = on_emergency;
	err = add_ports(c, p);
	if (err) {
		console_destroy(&c->dev);
		return err;
	}
	*out = &c->dev;
	return 0;
}
