// SPDX-License-Identifier: MIT
/*
 * vsock_conn.c - one connection of the virtio socket device (virtio 1.2
 * §5.10.6). The picture is in vsock_conn.h.
 */
#include "virtio/vsock_conn.h"

#include <string.h>

/* What a guest learns of room in one piece: it need not be told of each byte. */
#define UPDATE_STEP (VSOCK_BUF_ALLOC / 4)

static void owe(struct vsock_conn *c, enum vsock_op op)
{
	c->owed |= (uint8_t)(1u << op);
}

static bool owes(const struct vsock_conn *c, enum vsock_op op)
{
	return c->owed & (1u << op);
}

/* Of what was to be said, only @op is left. */
static void end(struct vsock_conn *c, enum vsock_op op)
{
	c->state = VSOCK_OVER;
	c->owed = 0;
	if (op != VSOCK_OP_NONE)
		owe(c, op);
}

static void note_credit(struct vsock_conn *c, const struct vsock_header *h)
{
	c->peer_alloc = h->buf_alloc;
	c->peer_passed_on = h->fwd_cnt;
	c->credit_asked = false;
}

void virtio_vsock_conn_ask(struct vsock_conn *c, uint32_t guest_port,
			   uint32_t host_port)
{
	*c = (struct vsock_conn){
		.state = VSOCK_ASKING,
		.guest_port = guest_port,
		.host_port = host_port,
	};
	owe(c, VSOCK_OP_REQUEST);
}

void virtio_vsock_conn_asked(struct vsock_conn *c, const struct vsock_header *h)
{
	*c = (struct vsock_conn){
		.state = VSOCK_ASKED,
		.guest_port = h->src_port,
		.host_port = h->dst_port,
	};
	note_credit(c, h);
}

void virtio_vsock_conn_accept(struct vsock_conn *c)
{
	c->state = VSOCK_OPEN;
	owe(c, VSOCK_OP_RESPONSE);
}

void virtio_vsock_conn_abort(struct vsock_conn *c)
{
	bool unheard = c->state == VSOCK_ASKING && owes(c, VSOCK_OP_REQUEST);

	if (c->state != VSOCK_OVER)
		end(c, unheard ? VSOCK_OP_NONE : VSOCK_OP_RST);
}

/* What the guest may not do now: both sides forget the connection. */
static unsigned int breach(struct vsock_conn *c)
{
	end(c, VSOCK_OP_RST);
	return VSOCK_EVENT_BROKEN;
}

/*
 * A guest that had said that it sends no more has lost nothing by a RST: it
 * gave up waiting for ours.
 */
static unsigned int receive_rst(struct vsock_conn *c)
{
	bool in_order = c->guest_shut & VSOCK_SHUT_SEND;

	end(c, VSOCK_OP_NONE);
	return in_order ? VSOCK_EVENT_OVER : VSOCK_EVENT_BROKEN;
}

static unsigned int receive_response(struct vsock_conn *c)
{
	/* Before it can know of us, the guest guesses. */
	if (c->state != VSOCK_ASKING || owes(c, VSOCK_OP_REQUEST))
		return breach(c);
	c->state = VSOCK_OPEN;
	return VSOCK_EVENT_OPEN;
}

/* virtio 1.2 §5.10.6.3: never more than we said there is room for. */
static unsigned int receive_data(struct vsock_conn *c,
				 const struct vsock_header *h)
{
	uint32_t held = c->received - c->passed_on;

	if (h->len > VSOCK_BUF_ALLOC - held || c->guest_shut & VSOCK_SHUT_SEND)
		return breach(c);
	c->received += h->len;
	return h->len ? VSOCK_EVENT_DATA : 0;
}

/* Bits stay set once they are (§5.10.6.6); both: the RST it waits for. */
static unsigned int receive_shutdown(struct vsock_conn *c,
				     const struct vsock_header *h)
{
	c->guest_shut |= h->flags & VSOCK_SHUT_BOTH;
	if (c->guest_shut != VSOCK_SHUT_BOTH)
		return VSOCK_EVENT_SHUT;
	end(c, VSOCK_OP_RST);
	return VSOCK_EVENT_SHUT | VSOCK_EVENT_OVER;
}

static unsigned int receive_open(struct vsock_conn *c,
				 const struct vsock_header *h)
{
	switch ((enum vsock_op)h->op) {
	case VSOCK_OP_RW:
		return receive_data(c, h);
	case VSOCK_OP_SHUTDOWN:
		return receive_shutdown(c, h);
	case VSOCK_OP_CREDIT_REQUEST:
		owe(c, VSOCK_OP_CREDIT_UPDATE);
		return 0;
	case VSOCK_OP_CREDIT_UPDATE:
		return 0;
	default:
		return breach(c);
	}
}

unsigned int virtio_vsock_conn_receive(struct vsock_conn *c,
				       const struct vsock_header *h)
{
	if (c->state == VSOCK_OVER)
		return 0;
	note_credit(c, h);
	if (h->op == VSOCK_OP_RST)
		return receive_rst(c);
	if (h->op == VSOCK_OP_RESPONSE)
		return receive_response(c);
	if (c->state != VSOCK_OPEN)
		return breach(c);
	return receive_open(c, h);
}

void virtio_vsock_conn_pass_on(struct vsock_conn *c, uint32_t n)
{
	c->passed_on += n;
	if (c->state == VSOCK_OPEN && c->passed_on - c->told >= UPDATE_STEP)
		owe(c, VSOCK_OP_CREDIT_UPDATE);
}

void virtio_vsock_conn_shut(struct vsock_conn *c, uint8_t how)
{
	c->host_shut |= how;
}

uint32_t virtio_vsock_conn_credit(const struct vsock_conn *c)
{
	uint32_t on_its_way = c->sent - c->peer_passed_on;

	if (c->state != VSOCK_OPEN || c->guest_shut & VSOCK_SHUT_RECEIVE ||
	    on_its_way > c->peer_alloc)
		return 0;
	return c->peer_alloc - on_its_way;
}

void virtio_vsock_conn_want_credit(struct vsock_conn *c)
{
	if (c->state == VSOCK_OPEN && !c->credit_asked)
		owe(c, VSOCK_OP_CREDIT_REQUEST);
	c->credit_asked = true;
}

enum vsock_op virtio_vsock_conn_next(const struct vsock_conn *c)
{
	static const enum vsock_op order[] = {
		VSOCK_OP_REQUEST,	VSOCK_OP_RESPONSE,	 VSOCK_OP_RST,
		VSOCK_OP_CREDIT_UPDATE, VSOCK_OP_CREDIT_REQUEST,
	};

	for (unsigned int i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (owes(c, order[i]))
			return order[i];
	if (c->state == VSOCK_OPEN && c->host_shut != c->told_shut)
		return VSOCK_OP_SHUTDOWN;
	return VSOCK_OP_NONE;
}

void virtio_vsock_conn_send(struct vsock_conn *c, enum vsock_op op,
			    uint32_t len, struct vsock_header *h)
{
	c->owed &= (uint8_t) ~(1u << op);
	if (op == VSOCK_OP_SHUTDOWN)
		c->told_shut = c->host_shut;
	c->sent += len;
	c->told = c->passed_on;
	/* Each packet says how much room there is: no need for another. */
	c->owed &= (uint8_t) ~(1u << VSOCK_OP_CREDIT_UPDATE);

	*h = (struct vsock_header){
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.len = len,
		.op = (uint16_t)op,
		.flags = op == VSOCK_OP_SHUTDOWN ? c->host_shut : 0,
		.buf_alloc = VSOCK_BUF_ALLOC,
		.fwd_cnt = c->passed_on,
	};
}
