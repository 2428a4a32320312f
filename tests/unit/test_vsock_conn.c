// SPDX-License-Identifier: MIT
/*
 * test_vsock_conn.c - the protocol of one connection: who may say what when,
 * credit, half close, and ends in order and out of it.
 */
#include "tests/unit/unit.h"

#include "virtio/vsock_conn.h"

#define GUEST 5000
#define HOST  6000

static struct vsock_header packet(enum vsock_op op)
{
	return (struct vsock_header){
		.op = (uint16_t)op,
		.src_port = GUEST,
		.dst_port = HOST,
		.buf_alloc = 1000,
	};
}

static unsigned int receive(struct vsock_conn *c, enum vsock_op op)
{
	struct vsock_header h = packet(op);

	return virtio_vsock_conn_receive(c, &h);
}

static unsigned int receive_data(struct vsock_conn *c, uint32_t len)
{
	struct vsock_header h = packet(VSOCK_OP_RW);

	h.len = len;
	return virtio_vsock_conn_receive(c, &h);
}

static unsigned int receive_shut(struct vsock_conn *c, uint32_t flags)
{
	struct vsock_header h = packet(VSOCK_OP_SHUTDOWN);

	h.flags = flags;
	return virtio_vsock_conn_receive(c, &h);
}

/* The next packet must be @op; it is sent. */
static struct vsock_header sends(struct vsock_conn *c, enum vsock_op op)
{
	struct vsock_header h;

	assert_int_equal(virtio_vsock_conn_next(c), op);
	virtio_vsock_conn_send(c, op, 0, &h);
	assert_int_equal(h.op, op);
	assert_int_equal(h.src_port, HOST);
	assert_int_equal(h.dst_port, GUEST);
	return h;
}

static void silent(const struct vsock_conn *c)
{
	assert_int_equal(virtio_vsock_conn_next(c), VSOCK_OP_NONE);
}

static struct vsock_conn open_conn(void)
{
	struct vsock_header h = packet(VSOCK_OP_REQUEST);
	struct vsock_conn c;

	virtio_vsock_conn_asked(&c, &h);
	virtio_vsock_conn_accept(&c);
	sends(&c, VSOCK_OP_RESPONSE);
	silent(&c);
	return c;
}

static void what_the_host_asks_opens_with_the_guests_answer(void **state)
{
	struct vsock_conn c;
	struct vsock_header h;

	(void)state;
	virtio_vsock_conn_ask(&c, GUEST, HOST);
	assert_int_equal(virtio_vsock_conn_credit(&c), 0);
	h = sends(&c, VSOCK_OP_REQUEST);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_ALLOC);
	silent(&c);
	assert_int_equal(receive(&c, VSOCK_OP_RESPONSE), VSOCK_EVENT_OPEN);
	assert_int_equal(c.state, VSOCK_OPEN);
	assert_int_equal(virtio_vsock_conn_credit(&c), 1000);
}

static void what_the_guest_refuses_is_over_without_a_word(void **state)
{
	struct vsock_conn c;

	(void)state;
	virtio_vsock_conn_ask(&c, GUEST, HOST);
	sends(&c, VSOCK_OP_REQUEST);
	assert_int_equal(receive(&c, VSOCK_OP_RST), VSOCK_EVENT_BROKEN);
	assert_int_equal(c.state, VSOCK_OVER);
	silent(&c);
}

static void an_answer_before_the_question_is_a_breach(void **state)
{
	struct vsock_conn c;

	(void)state;
	virtio_vsock_conn_ask(&c, GUEST, HOST);
	assert_int_equal(receive(&c, VSOCK_OP_RESPONSE), VSOCK_EVENT_BROKEN);
	sends(&c, VSOCK_OP_RST);
	silent(&c);
}

static void what_the_guest_does_not_know_of_ends_silently(void **state)
{
	struct vsock_conn c;

	(void)state;
	virtio_vsock_conn_ask(&c, GUEST, HOST);
	virtio_vsock_conn_abort(&c);
	assert_int_equal(c.state, VSOCK_OVER);
	silent(&c);

	virtio_vsock_conn_ask(&c, GUEST, HOST);
	sends(&c, VSOCK_OP_REQUEST);
	virtio_vsock_conn_abort(&c);
	sends(&c, VSOCK_OP_RST);
}

static void data_before_the_connection_is_a_breach(void **state)
{
	struct vsock_header h = packet(VSOCK_OP_REQUEST);
	struct vsock_conn c;

	(void)state;
	virtio_vsock_conn_asked(&c, &h);
	silent(&c);
	assert_int_equal(receive_data(&c, 1), VSOCK_EVENT_BROKEN);
	sends(&c, VSOCK_OP_RST);
}

static void packets_out_of_place_are_a_breach(void **state)
{
	const unsigned int ops[] = { 0, 1, 2, 8, 65535 };

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		struct vsock_conn c = open_conn();

		assert_int_equal(receive(&c, (enum vsock_op)ops[i]),
				 VSOCK_EVENT_BROKEN);
		sends(&c, VSOCK_OP_RST);
		silent(&c);
	}
}

static void credit_is_what_the_guest_has_room_for(void **state)
{
	struct vsock_conn c = open_conn();
	struct vsock_header h;

	(void)state;
	virtio_vsock_conn_send(&c, VSOCK_OP_RW, 600, &h);
	assert_int_equal(h.len, 600);
	assert_int_equal(virtio_vsock_conn_credit(&c), 400);
	virtio_vsock_conn_send(&c, VSOCK_OP_RW, 400, &h);
	assert_int_equal(virtio_vsock_conn_credit(&c), 0);
	h = packet(VSOCK_OP_CREDIT_UPDATE);
	h.fwd_cnt = 700;
	assert_int_equal(virtio_vsock_conn_receive(&c, &h), 0);
	assert_int_equal(virtio_vsock_conn_credit(&c), 700);
	/* Less room than is on its way: none. */
	h.buf_alloc = 100;
	virtio_vsock_conn_receive(&c, &h);
	assert_int_equal(virtio_vsock_conn_credit(&c), 0);
}

static void counters_go_round(void **state)
{
	struct vsock_conn c = open_conn();
	struct vsock_header h;

	(void)state;
	c.sent = c.peer_passed_on = UINT32_MAX - 10;
	c.received = c.passed_on = c.told = UINT32_MAX - 10;
	virtio_vsock_conn_send(&c, VSOCK_OP_RW, 300, &h);
	assert_int_equal(virtio_vsock_conn_credit(&c), 700);
	assert_int_equal(receive_data(&c, 300), VSOCK_EVENT_DATA);
	virtio_vsock_conn_pass_on(&c, 300);
	assert_int_equal(receive_data(&c, VSOCK_BUF_ALLOC), VSOCK_EVENT_DATA);
	assert_int_equal(receive_data(&c, 1), VSOCK_EVENT_BROKEN);
}

static void a_guest_that_lies_about_what_it_got_gets_nothing(void **state)
{
	struct vsock_conn c = open_conn();
	struct vsock_header h = packet(VSOCK_OP_CREDIT_UPDATE);

	(void)state;
	h.fwd_cnt = 1; /* of nothing */
	virtio_vsock_conn_receive(&c, &h);
	assert_int_equal(virtio_vsock_conn_credit(&c), 0);
}

static void credit_is_asked_for_once(void **state)
{
	struct vsock_conn c = open_conn();

	(void)state;
	virtio_vsock_conn_want_credit(&c);
	sends(&c, VSOCK_OP_CREDIT_REQUEST);
	virtio_vsock_conn_want_credit(&c);
	silent(&c);
	receive(&c, VSOCK_OP_CREDIT_UPDATE);
	virtio_vsock_conn_want_credit(&c);
	sends(&c, VSOCK_OP_CREDIT_REQUEST);
}

static void the_guest_learns_of_room_in_large_pieces(void **state)
{
	struct vsock_conn c = open_conn();
	struct vsock_header h;

	(void)state;
	receive_data(&c, VSOCK_BUF_ALLOC);
	virtio_vsock_conn_pass_on(&c, VSOCK_BUF_ALLOC / 4 - 1);
	silent(&c);
	virtio_vsock_conn_pass_on(&c, 1);
	h = sends(&c, VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(h.fwd_cnt, VSOCK_BUF_ALLOC / 4);
	silent(&c);
	/* Or by any other packet. */
	virtio_vsock_conn_pass_on(&c, VSOCK_BUF_ALLOC / 2);
	virtio_vsock_conn_send(&c, VSOCK_OP_RW, 1, &h);
	assert_int_equal(h.fwd_cnt, 3 * VSOCK_BUF_ALLOC / 4);
	silent(&c);
}

static void the_guest_is_told_of_room_when_it_asks(void **state)
{
	struct vsock_conn c = open_conn();

	(void)state;
	assert_int_equal(receive(&c, VSOCK_OP_CREDIT_REQUEST), 0);
	sends(&c, VSOCK_OP_CREDIT_UPDATE);
	silent(&c);
}

static void more_than_the_room_is_a_breach(void **state)
{
	struct vsock_conn c = open_conn();

	(void)state;
	assert_int_equal(receive_data(&c, VSOCK_BUF_ALLOC), VSOCK_EVENT_DATA);
	assert_int_equal(receive_data(&c, 0), 0);
	assert_int_equal(receive_data(&c, 1), VSOCK_EVENT_BROKEN);
	sends(&c, VSOCK_OP_RST);
	c = open_conn();
	assert_int_equal(receive_data(&c, UINT32_MAX), VSOCK_EVENT_BROKEN);
}

static void directions_are_shut_one_by_one(void **state)
{
	struct vsock_conn c = open_conn();
	struct vsock_header h;

	(void)state;
	virtio_vsock_conn_shut(&c, VSOCK_SHUT_SEND);
	h = sends(&c, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUT_SEND);
	silent(&c);
	assert_int_equal(receive_data(&c, 10), VSOCK_EVENT_DATA);
	virtio_vsock_conn_shut(&c, VSOCK_SHUT_RECEIVE);
	h = sends(&c, VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUT_BOTH);
	assert_int_equal(c.state, VSOCK_OPEN);
	assert_int_equal(receive(&c, VSOCK_OP_RST), VSOCK_EVENT_BROKEN);
	silent(&c);
}

static void what_the_guest_has_shut_stays_shut(void **state)
{
	struct vsock_conn c = open_conn();

	(void)state;
	assert_int_equal(receive_shut(&c, VSOCK_SHUT_RECEIVE),
			 VSOCK_EVENT_SHUT);
	assert_int_equal(virtio_vsock_conn_credit(&c), 0);
	assert_int_equal(receive_shut(&c, 0), VSOCK_EVENT_SHUT);
	assert_int_equal(c.guest_shut, VSOCK_SHUT_RECEIVE);
	assert_int_equal(receive_data(&c, 1), VSOCK_EVENT_DATA);
	assert_int_equal(receive_shut(&c, VSOCK_SHUT_SEND | 0xfff0),
			 VSOCK_EVENT_SHUT | VSOCK_EVENT_OVER);
	sends(&c, VSOCK_OP_RST);
	silent(&c);
}

static void data_after_the_end_is_a_breach(void **state)
{
	struct vsock_conn c = open_conn();

	(void)state;
	receive_shut(&c, VSOCK_SHUT_SEND);
	assert_int_equal(receive_data(&c, 1), VSOCK_EVENT_BROKEN);
}

static void a_reset_after_the_last_byte_loses_nothing(void **state)
{
	struct vsock_conn c = open_conn();

	(void)state;
	receive_shut(&c, VSOCK_SHUT_SEND);
	assert_int_equal(receive(&c, VSOCK_OP_RST), VSOCK_EVENT_OVER);
	silent(&c);
}

static void what_is_over_stays_so(void **state)
{
	struct vsock_conn c = open_conn();

	(void)state;
	receive(&c, VSOCK_OP_RST);
	for (unsigned int op = 0; op < 9; op++)
		assert_int_equal(receive(&c, (enum vsock_op)op), 0);
	virtio_vsock_conn_pass_on(&c, VSOCK_BUF_ALLOC);
	virtio_vsock_conn_want_credit(&c);
	virtio_vsock_conn_shut(&c, VSOCK_SHUT_BOTH);
	virtio_vsock_conn_abort(&c);
	silent(&c);
	assert_int_equal(virtio_vsock_conn_credit(&c), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_the_host_asks_opens_with_the_guests_answer),
	cmocka_unit_test(what_the_guest_refuses_is_over_without_a_word),
	cmocka_unit_test(an_answer_before_the_question_is_a_breach),
	cmocka_unit_test(what_the_guest_does_not_know_of_ends_silently),
	cmocka_unit_test(data_before_the_connection_is_a_breach),
	cmocka_unit_test(packets_out_of_place_are_a_breach),
	cmocka_unit_test(credit_is_what_the_guest_has_room_for),
	cmocka_unit_test(counters_go_round),
	cmocka_unit_test(a_guest_that_lies_about_what_it_got_gets_nothing),
	cmocka_unit_test(credit_is_asked_for_once),
	cmocka_unit_test(the_guest_learns_of_room_in_large_pieces),
	cmocka_unit_test(the_guest_is_told_of_room_when_it_asks),
	cmocka_unit_test(more_than_the_room_is_a_breach),
	cmocka_unit_test(directions_are_shut_one_by_one),
	cmocka_unit_test(what_the_guest_has_shut_stays_shut),
	cmocka_unit_test(data_after_the_end_is_a_breach),
	cmocka_unit_test(a_reset_after_the_last_byte_loses_nothing),
	cmocka_unit_test(what_is_over_stays_so),
};

UNIT_MAIN(tests)
