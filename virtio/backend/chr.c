// SPDX-License-Identifier: MIT
/*
 * chr.c - what all streams do alike: their owners' calls, and input that
 * waits for the guest.
 */
#include "virtio/backend/chr.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "virtio/backend/chr_int.h"

static void on_resume(struct loop_task *t)
{
	struct chr *c = container_of(t, struct chr, resume);

	if (chr_deliver(c))
		c->ops->read_more(c);
}

void chr_init(struct chr *c, const struct chr_ops *ops, struct loop *loop)
{
	c->ops = ops;
	c->loop = loop;
	c->resume.fn = on_resume;
}

void chr_attach(struct chr *c, const struct chr_events *ev)
{
	c->events = *ev;
}

void chr_start(struct chr *c)
{
	c->ops->start(c);
}

void chr_write(struct chr *c, const void *buf, size_t len)
{
	c->ops->write(c, buf, len);
}

size_t chr_send(struct chr *c, const void *buf, size_t len)
{
	return c->ops->send(c, buf, len);
}

void chr_resume(struct chr *c)
{
	loop_post(c->loop, &c->resume);
}

void chr_hang_up(struct chr *c)
{
	if (c->ops->hang_up)
		c->ops->hang_up(c);
}

void chr_resize(struct chr *c, uint16_t columns, uint16_t rows)
{
	if (columns == c->columns && rows == c->rows)
		return;
	c->columns = columns;
	c->rows = rows;
	if (c->events.resized)
		c->events.resized(c->events.ctx, columns, rows);
}

const char *chr_address(const struct chr *c)
{
	return c->address;
}

void chr_destroy(struct chr *c)
{
	if (c)
		c->ops->destroy(c);
}

bool chr_deliver(struct chr *c)
{
	size_t waits = c->input_len - c->input_used, taken = waits;

	if (waits && c->events.input)
		taken = c->events.input(c->events.ctx, c->input + c->input_used,
					waits);
	c->input_used += taken;
	if (c->input_used < c->input_len)
		return false;
	chr_forget_input(c);
	return true;
}

void chr_forget_input(struct chr *c)
{
	c->input_used = 0;
	c->input_len = 0;
}

void chr_set_open(struct chr *c, bool open)
{
	if (open == c->open)
		return;
	c->open = open;
	if (c->events.opened)
		c->events.opened(c->events.ctx, open);
}

int chr_explain(char *why, size_t len, int err, const char *what)
{
	snprintf(why, len, "%s: %s", what, strerror(-err));
	return err;
}
