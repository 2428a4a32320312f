// SPDX-License-Identifier: MIT
/*
 * test_virtio_console.c - the console device: its ports, and the messages
 * about them.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_chr.h"
#include "tests/unit/fake_transport.h"
#include "virtio/console.h"

#define RAM_SIZE  (4ull << 20)
#define RING_AT	  0x1000
#define RING_STEP 0x1000
#define RING_SIZE 16
#define DATA_AT	  0x100000
#define F_MULTI	  2

enum {
	READY,
	ADD,
	REMOVE,
	PORT_READY,
	CONSOLE,
	RESIZE,
	OPEN,
	NAME
};

enum {
	STREAMS = 3
};

struct fixture {
	struct ram *ram;
	struct loop *loop;
	struct virtio_dev *dev;
	struct fake_transport t;
	struct ring r[VIRTIO_QUEUES_MAX];
	uint16_t used_desc[VIRTIO_QUEUES_MAX];
	gpa_t next_data;
	struct fake_chr chr[STREAMS];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || ram_create(&f->ram, RAM_SIZE) ||
	    loop_create(&f->loop, LOOP_AUTO, 1))
		return -1;
	for (int i = 0; i < STREAMS; i++)
		fake_chr_init(&f->chr[i], f->loop);
	f->next_data = DATA_AT;
	log_set_level(LOG_LEVEL_ERR);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fake_teardown(f->dev, f->loop, f->ram);
	free(f);
	return 0;
}

/* Names of up to three ports; NULL: a console, "": the end. */
static int try_create(struct fixture *f, const char *a, const char *b,
		      const char *c)
{
	const char *names[] = { a, b, c };
	struct virtio_console_port ports[STREAMS];
	struct virtio_console_params p = { .name = "console0", .ports = ports };

	for (int i = 0; i < STREAMS && !(names[i] && !*names[i]); i++) {
		ports[i].stream = &f->chr[i].chr;
		ports[i].name = names[i];
		p.nr_ports++;
	}
	return virtio_console_create(&f->dev, f->ram, f->loop, &p);
}

static void start(struct fixture *f, uint64_t features)
{
	uint16_t q;

	fake_attach(&f->t, f->dev);
	fake_negotiate(f->dev, features | VIRTIO_F_VERSION_1);
	for (q = 0; q < f->dev->nr_queues; q++) {
		ring_init(&f->r[q], f->ram, RING_AT + q * RING_STEP, RING_SIZE);
		fake_set_queue(f->dev, q, &f->r[q]);
		f->used_desc[q] = 0;
	}
	virtio_dev_set_status(f->dev, 1 | 2 | 8 | 4);
}

static void create(struct fixture *f, const char *a, const char *b,
		   const char *c)
{
	assert_int_equal(try_create(f, a, b, c), 0);
	start(f, F_MULTI);
}

/* The driver's side */

static void kick(struct fixture *f, uint16_t q)
{
	f->loop->inside = true; /* as on the real loop */
	virtio_dev_kick(f->dev, q);
	f->loop->inside = false;
	fake_loop_run(f->loop);
}

/* A buffer of one piece; returns where it is. */
static gpa_t offer(struct fixture *f, uint16_t q, uint32_t len, bool write)
{
	uint16_t i = f->used_desc[q]++ % RING_SIZE;
	gpa_t at = f->next_data;

	f->next_data += (len + 15) & ~15u;
	ring_desc(&f->r[q], i, at, len, write ? RING_WRITE : 0, 0);
	ring_offer(&f->r[q], i);
	return at;
}

static void tell_raw(struct fixture *f, const void *msg, uint32_t len)
{
	ram_write(f->ram, offer(f, 3, len, false), msg, len);
	kick(f, 3);
}

static void tell(struct fixture *f, uint32_t id, uint16_t event, uint16_t value)
{
	const struct {
		uint32_t id;
		uint16_t event, value;
	} m = { id, event, value };

	tell_raw(f, &m, sizeof(m));
}

static gpa_t give_control(struct fixture *f, uint32_t len)
{
	gpa_t at = offer(f, 2, len, true);

	kick(f, 2);
	return at;
}

/* The next message: all of its @len bytes, from one buffer. */
static void expect_raw(struct fixture *f, uint32_t id, uint16_t event,
		       uint16_t value, const void *rest, uint32_t len)
{
	gpa_t at = give_control(f, 128);
	struct ring_used u;
	uint8_t got[128];

	assert_true(ring_take(&f->r[2], &u));
	assert_int_equal(u.len, 8 + len);
	ram_read(f->ram, at, got, sizeof(got));
	assert_int_equal(got[0] | got[1] << 8 | got[2] << 16 | got[3] << 24,
			 id);
	assert_int_equal(got[4] | got[5] << 8, event);
	assert_int_equal(got[6] | got[7] << 8, value);
	if (len)
		assert_memory_equal(got + 8, rest, len);
}

static void expect(struct fixture *f, uint32_t id, uint16_t event,
		   uint16_t value)
{
	expect_raw(f, id, event, value, NULL, 0);
}

/* A buffer that is offered now stays with the device. */
static void expect_silence(struct fixture *f)
{
	struct ring_used u;

	give_control(f, 128);
	assert_false(ring_take(&f->r[2], &u));
	virtio_dev_queue_enable(f->dev, 2, false); /* take it back */
	f->dev->regs[2].enabled = true;
	ring_init(&f->r[2], f->ram, RING_AT + 2 * RING_STEP, RING_SIZE);
	vq_setup(&f->dev->queues[2], RING_SIZE, f->r[2].desc, f->r[2].avail,
		 f->r[2].used, 0);
}

/* Up to where input may come. */
static void open_port(struct fixture *f, uint32_t id)
{
	tell(f, id, PORT_READY, 1);
	tell(f, id, OPEN, 1);
}

static void has_out(struct fake_chr *c, const char *text)
{
	assert_int_equal(c->nr_out, strlen(text));
	assert_memory_equal(c->out, text, strlen(text));
}

static bool came_back(struct fixture *f, uint16_t q, uint32_t len)
{
	struct ring_used u;

	return ring_take(&f->r[q], &u) && u.len == len;
}

static void send(struct fixture *f, uint16_t q, const char *text)
{
	ram_write(f->ram, offer(f, q, (uint32_t)strlen(text), false), text,
		  strlen(text));
	kick(f, q);
}

static void set_open(struct fake_chr *c, bool open)
{
	chr_set_open(&c->chr, open);
}

/* Ports and numbers */

static uint32_t config_at(struct fixture *f, uint64_t off, size_t len)
{
	uint32_t v = 0;

	virtio_dev_config_read(f->dev, off, &v, len);
	return v;
}

static void device_is_a_console_with_queues_for_each_number(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "a", "b");
	assert_int_equal(f->dev->ops->type, 3);
	assert_int_equal(f->dev->nr_queues, 8);
	assert_int_equal(f->dev->ops->config_len, 12);
	assert_int_equal(config_at(f, 4, 4), 3);
	assert_int_equal(virtio_dev_features(f->dev, 0) & 7, 7);
}

static void number_0_is_for_consoles_only(void **state)
{
	struct fixture *f = *state;

	create(f, "a", "b", "");
	assert_int_equal(config_at(f, 4, 4), 3);
	tell(f, 0, READY, 1);
	expect(f, 1, ADD, 1);
	expect(f, 2, ADD, 1);
	expect_silence(f);
}

static void consoles_come_before_named_ports(void **state)
{
	struct fixture *f = *state;

	create(f, "a", NULL, NULL);
	for (uint32_t id = 0; id < 3; id++)
		tell(f, id, PORT_READY, 1);
	expect(f, 0, CONSOLE, 1);
	expect(f, 1, CONSOLE, 1);
	expect_raw(f, 2, NAME, 1, "a", 1);
	send(f, 7, "for a");
	has_out(&f->chr[0], "for a");
	send(f, 5, "second");
	has_out(&f->chr[2], "second");
}

static void too_many_ports_are_refused(void **state)
{
	struct fixture *f = *state;
	struct virtio_console_port ports[VIRTIO_CONSOLE_PORTS_MAX];
	struct virtio_console_params p = { .name = "c", .ports = ports };

	for (int i = 0; i < VIRTIO_CONSOLE_PORTS_MAX; i++)
		ports[i] = (struct virtio_console_port){ &f->chr[0].chr, "x" };
	p.nr_ports = VIRTIO_CONSOLE_PORTS_MAX;
	assert_int_equal(virtio_console_create(&f->dev, f->ram, f->loop, &p),
			 -EINVAL);
	assert_null(f->dev);
	ports[0].name = NULL;
	assert_int_equal(virtio_console_create(&f->dev, f->ram, f->loop, &p),
			 0);
	assert_int_equal(f->dev->nr_queues, VIRTIO_QUEUES_MAX);
}

/* Messages */

static void a_driver_is_told_of_its_ports(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "org.agent.0", "");
	set_open(&f->chr[1], true);
	tell(f, 0, READY, 1);
	expect(f, 0, ADD, 1);
	expect(f, 1, ADD, 1);
	tell(f, 0, PORT_READY, 1);
	tell(f, 1, PORT_READY, 1);
	expect(f, 0, CONSOLE, 1);
	expect_raw(f, 1, NAME, 1, "org.agent.0", 11);
	expect(f, 1, OPEN, 1);
	expect_silence(f);
}

static void messages_wait_for_buffers(void **state)
{
	struct fixture *f = *state;
	unsigned int before = f->t.interrupts[2];

	create(f, NULL, "", "");
	tell(f, 0, READY, 1);
	tell(f, 0, READY, 1);
	tell(f, 0, PORT_READY, 1);
	assert_int_equal(f->t.interrupts[2], before);
	expect(f, 0, ADD, 1);
	expect(f, 0, CONSOLE, 1);
	expect_silence(f);
}

static void clients_that_come_and_go_are_told(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "", "");
	set_open(&f->chr[0], true);
	set_open(&f->chr[0], false);
	tell(f, 0, PORT_READY, 1);
	expect(f, 0, CONSOLE, 1);
	expect_silence(f);
	set_open(&f->chr[0], true);
	expect(f, 0, OPEN, 1);
	set_open(&f->chr[0], false);
	set_open(&f->chr[0], true);
	set_open(&f->chr[0], false);
	expect(f, 0, OPEN, 0);
	expect_silence(f);
}

static void sizes_are_told(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "", "");
	chr_resize(&f->chr[0].chr, 80, 25);
	assert_int_equal(config_at(f, 0, 2), 80);
	assert_int_equal(config_at(f, 2, 2), 25);
	assert_int_equal(f->t.config_interrupts, 1);
	tell(f, 0, PORT_READY, 1);
	expect(f, 0, CONSOLE, 1);
	expect_raw(f, 0, RESIZE, 1, "\x50\0\x19\0", 4);
	chr_resize(&f->chr[0].chr, 300, 25);
	expect_raw(f, 0, RESIZE, 1, "\x2c\1\x19\0", 4);
}

static void a_port_has_no_size(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "a", "");
	chr_resize(&f->chr[1].chr, 80, 25);
	assert_int_equal(config_at(f, 0, 4), 0);
	tell(f, 1, PORT_READY, 1);
	expect_raw(f, 1, NAME, 1, "a", 1);
	chr_resize(&f->chr[1].chr, 90, 25);
	expect_silence(f);
}

/* Output */

static void output_reaches_the_stream_from_all_pieces(void **state)
{
	struct fixture *f = *state;
	struct ring *r;

	create(f, NULL, "", "");
	r = &f->r[1];
	ram_write(f->ram, DATA_AT, "onetwothree", 11);
	ring_desc(r, 0, DATA_AT, 3, RING_NEXT, 1);
	ring_desc(r, 1, DATA_AT + 3, 3, RING_NEXT, 2);
	ring_desc(r, 2, DATA_AT + 6, 5, 0, 0);
	ring_offer(r, 0);
	kick(f, 1);
	has_out(&f->chr[0], "onetwothree");
	assert_true(came_back(f, 1, 0));
	assert_int_equal(f->t.interrupts[1], 1);
}

static void a_full_stream_holds_the_queue(void **state)
{
	struct fixture *f = *state;

	create(f, "a", "", "");
	f->chr[0].room = 4;
	send(f, 5, "first ");
	send(f, 5, "second");
	has_out(&f->chr[0], "firs");
	assert_false(came_back(f, 5, 0));
	fake_chr_drain(&f->chr[0], 1);
	has_out(&f->chr[0], "first");
	assert_false(came_back(f, 5, 0));
	fake_chr_drain(&f->chr[0], 3);
	has_out(&f->chr[0], "first se");
	assert_true(came_back(f, 5, 0));
	fake_chr_drain(&f->chr[0], 100);
	has_out(&f->chr[0], "first second");
	assert_true(came_back(f, 5, 0));
}

static void a_full_stream_leaves_the_other_ports_alone(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "a", "");
	f->chr[1].room = 0;
	send(f, 5, "stuck");
	send(f, 1, "goes on");
	has_out(&f->chr[0], "goes on");
	has_out(&f->chr[1], "");
}

static void huge_buffers_take_several_turns(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "", "");
	for (uint16_t i = 0; i < 3; i++)
		ring_desc(&f->r[1], i, 0, RAM_SIZE, i < 2 ? RING_NEXT : 0,
			  i + 1);
	ring_offer(&f->r[1], 0);
	f->loop->inside = true;
	virtio_dev_kick(f->dev, 1);
	assert_true(f->chr[0].nr_out > 0 && f->chr[0].nr_out < RAM_SIZE);
	f->loop->inside = false;
	fake_loop_run(f->loop);
	assert_int_equal(f->chr[0].nr_out, 3 * RAM_SIZE);
	assert_true(came_back(f, 1, 0));
}

static void a_reset_takes_back_what_waits(void **state)
{
	struct fixture *f = *state;

	create(f, "a", "", "");
	open_port(f, 1);
	f->chr[0].room = 2;
	send(f, 5, "waits");
	virtio_dev_set_status(f->dev, 0);
	assert_int_equal(virtio_dev_get_status(f->dev), 0);
	fake_chr_drain(&f->chr[0], 100);
	has_out(&f->chr[0], "wa");
	fake_chr_type(&f->chr[0], "hello", 5);
	assert_int_equal(fake_chr_waiting(&f->chr[0]), 5);
	start(f, F_MULTI);
	send(f, 5, "!");
	has_out(&f->chr[0], "wa!");
	assert_true(came_back(f, 5, 0));
	offer(f, 4, 100, true);
	open_port(f, 1);
	assert_int_equal(fake_chr_waiting(&f->chr[0]), 0);
	assert_true(came_back(f, 4, 5));
}

/* Input */

static void input_fills_buffers_in_order(void **state)
{
	struct fixture *f = *state;
	gpa_t one, two;

	create(f, NULL, "", "");
	open_port(f, 0);
	one = offer(f, 0, 4, true);
	two = offer(f, 0, 100, true);
	fake_chr_type(&f->chr[0], "abcdef", 6);
	assert_true(came_back(f, 0, 4));
	assert_true(came_back(f, 0, 2));
	assert_memory_equal(ram_ptr(f->ram, one, 4), "abcd", 4);
	assert_memory_equal(ram_ptr(f->ram, two, 2), "ef", 2);
	assert_true(f->t.interrupts[0] > 0);
}

static void a_queue_stops_while_its_client_is_slow(void **state)
{
	struct fixture *f = *state;

	create(f, "a", "", "");
	open_port(f, 1);
	f->chr[0].room = 2;
	send(f, 5, "waits");
	virtio_dev_queue_enable(f->dev, 5, false);
	assert_false(virtio_dev_queue_enabled(f->dev, 5));
	assert_false(came_back(f, 5, 0));
	fake_chr_drain(&f->chr[0], 100);
	has_out(&f->chr[0], "wa");
}

static void input_waits_for_buffers(void **state)
{
	struct fixture *f = *state;
	gpa_t at;

	create(f, NULL, "", "");
	open_port(f, 0);
	fake_chr_type(&f->chr[0], "abcdef", 6);
	assert_int_equal(fake_chr_waiting(&f->chr[0]), 6);
	offer(f, 0, 2, true);
	kick(f, 0);
	assert_int_equal(fake_chr_waiting(&f->chr[0]), 4);
	at = offer(f, 0, 100, true);
	kick(f, 0);
	assert_memory_equal(ram_ptr(f->ram, at, 4), "cdef", 4);
	assert_int_equal(fake_chr_waiting(&f->chr[0]), 0);
}

static void input_waits_for_the_guest_to_open_its_port(void **state)
{
	struct fixture *f = *state;

	create(f, "a", "", "");
	offer(f, 4, 100, true);
	kick(f, 4);
	fake_chr_type(&f->chr[0], "early", 5);
	tell(f, 1, PORT_READY, 1);
	assert_false(came_back(f, 4, 5));
	tell(f, 1, OPEN, 1);
	assert_true(came_back(f, 4, 5));
	tell(f, 1, OPEN, 0);
	offer(f, 4, 100, true);
	kick(f, 4);
	fake_chr_type(&f->chr[0], "late", 4);
	assert_false(came_back(f, 4, 4));
	tell(f, 1, OPEN, 1);
	assert_true(came_back(f, 4, 4));
}

static void buffers_that_take_nothing_are_passed_over(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "", "");
	open_port(f, 0);
	offer(f, 0, 50, false);
	offer(f, 0, 50, true);
	fake_chr_type(&f->chr[0], "x", 1);
	assert_true(came_back(f, 0, 0));
	assert_true(came_back(f, 0, 1));
}

/* Drivers without MULTIPORT */

static void without_multiport_port_0_is_a_console(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_create(f, NULL, "a", ""), 0);
	start(f, 0);
	send(f, 1, "out");
	has_out(&f->chr[0], "out");
	offer(f, 0, 10, true);
	fake_chr_type(&f->chr[0], "in", 2);
	assert_true(came_back(f, 0, 2));
	set_open(&f->chr[0], true);
	set_open(&f->chr[1], true);
	tell(f, 0, READY, 1);
	give_control(f, 128);
	assert_false(came_back(f, 2, 8));
	send(f, 5, "nothing");
	has_out(&f->chr[1], "");
	chr_resize(&f->chr[0].chr, 80, 25);
	assert_int_equal(f->t.config_interrupts, 1);
}

static void without_multiport_and_console_nothing_happens(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_create(f, "a", "", ""), 0);
	start(f, 0);
	send(f, 1, "out");
	assert_true(came_back(f, 1, 0));
	offer(f, 0, 10, true);
	kick(f, 0);
	fake_chr_type(&f->chr[0], "in", 2);
	assert_int_equal(fake_chr_waiting(&f->chr[0]), 2);
}

/* Emergency write */

static void emergency_writes_need_no_driver(void **state)
{
	struct fixture *f = *state;
	uint32_t v;

	assert_int_equal(try_create(f, NULL, "", ""), 0);
	fake_attach(&f->t, f->dev);
	for (const char *s = "oops"; *s; s++) {
		v = (uint32_t)*s | 0x100u;
		virtio_dev_config_write(f->dev, 8, &v, 4);
	}
	has_out(&f->chr[0], "oops");
	assert_int_equal(config_at(f, 8, 4), 0);
}

static void other_config_writes_do_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t v = 'x';

	create(f, NULL, "", "");
	for (uint64_t off = 0; off < 16; off++)
		if (off != 8)
			virtio_dev_config_write(f->dev, off, &v, 1);
	has_out(&f->chr[0], "");
	assert_int_equal(config_at(f, 4, 4), 1);
}

static void emergency_without_a_console_is_dropped(void **state)
{
	struct fixture *f = *state;
	uint32_t v = 'x';

	create(f, "a", "", "");
	virtio_dev_config_write(f->dev, 8, &v, 4);
	has_out(&f->chr[0], "");
}

static void a_flood_of_emergencies_is_bounded(void **state)
{
	struct fixture *f = *state;
	uint32_t v = 'x';

	create(f, NULL, "", "");
	f->loop->hold = true;
	for (int i = 0; i < 10000; i++)
		virtio_dev_config_write(f->dev, 8, &v, 1);
	fake_loop_run(f->loop);
	assert_int_equal(f->chr[0].nr_out, 256);
}

/* Hostile drivers */

static void odd_messages_are_ignored(void **state)
{
	struct fixture *f = *state;
	uint8_t big[200] = { 0 };

	create(f, NULL, "a", "");
	tell_raw(f, "\0", 1);
	tell_raw(f, "\0\0\0\0\3\0\1", 7);
	for (uint16_t event = 0; event < 12; event++) {
		tell(f, 2, event, 1);
		tell(f, 8, event, 1);
		tell(f, UINT32_MAX, event, 1);
	}
	for (uint16_t event = 8; event < 100; event++)
		tell(f, 1, event, 1);
	tell(f, 1, ADD, 1);
	tell(f, 1, PORT_READY, 0);
	assert_int_equal(virtio_dev_get_status(f->dev) & 64, 0);
	/* DEVICE_READY has no port; one of them was the device's. */
	expect(f, 0, ADD, 1);
	expect(f, 1, ADD, 1);
	expect_silence(f);
	/* One that is longer counts by its beginning. */
	big[4] = PORT_READY;
	big[6] = 1;
	tell_raw(f, big, sizeof(big));
	expect(f, 0, CONSOLE, 1);
}

static void a_message_without_a_readable_part_is_ignored(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "", "");
	offer(f, 3, 8, true);
	kick(f, 3);
	assert_true(came_back(f, 3, 0));
	expect_silence(f);
}

static void short_control_buffers_get_what_fits(void **state)
{
	struct fixture *f = *state;

	create(f, "name", "", "");
	tell(f, 1, PORT_READY, 1);
	give_control(f, 10);
	assert_true(came_back(f, 2, 10));
	tell(f, 1, PORT_READY, 1);
	give_control(f, 1);
	assert_true(came_back(f, 2, 1));
	tell(f, 1, PORT_READY, 1);
	offer(f, 2, 1, false);
	kick(f, 2);
	assert_true(came_back(f, 2, 0));
	assert_int_equal(virtio_dev_get_status(f->dev) & 64, 0);
}

static void endless_messages_need_no_memory(void **state)
{
	struct fixture *f = *state;

	create(f, NULL, "a", "");
	for (int i = 0; i < 5000; i++) {
		f->next_data = DATA_AT;
		tell(f, 0, READY, 1);
		tell(f, 1, PORT_READY, 1);
		tell(f, 1, OPEN, (uint16_t)i);
		set_open(&f->chr[1], !(i & 1));
	}
	f->next_data = DATA_AT;
	expect(f, 0, ADD, 1);
	expect(f, 1, ADD, 1);
	expect_raw(f, 1, NAME, 1, "a", 1);
	expect(f, 1, OPEN, 0);
	expect_silence(f);
}

static void a_damaged_ring_breaks_the_device_until_its_reset(void **state)
{
	struct fixture *f = *state;

	create(f, "a", "", "");
	f->chr[0].room = 1;
	send(f, 5, "ab");
	ring_offer(&f->r[3], 77);
	kick(f, 3);
	assert_int_equal(virtio_dev_get_status(f->dev) & 64, 64);
	fake_chr_drain(&f->chr[0], 100);
	set_open(&f->chr[0], true);
	fake_chr_type(&f->chr[0], "x", 1);
	virtio_dev_set_status(f->dev, 0);
	start(f, F_MULTI);
	tell(f, 0, READY, 1);
	expect(f, 1, ADD, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(device_is_a_console_with_queues_for_each_number),
	TEST(number_0_is_for_consoles_only),
	TEST(consoles_come_before_named_ports),
	TEST(too_many_ports_are_refused),
	TEST(a_driver_is_told_of_its_ports),
	TEST(messages_wait_for_buffers),
	TEST(clients_that_come_and_go_are_told),
	TEST(sizes_are_told),
	TEST(a_port_has_no_size),
	TEST(output_reaches_the_stream_from_all_pieces),
	TEST(a_full_stream_holds_the_queue),
	TEST(a_full_stream_leaves_the_other_ports_alone),
	TEST(huge_buffers_take_several_turns),
	TEST(a_reset_takes_back_what_waits),
	TEST(input_fills_buffers_in_order),
	TEST(a_queue_stops_while_its_client_is_slow),
	TEST(input_waits_for_buffers),
	TEST(input_waits_for_the_guest_to_open_its_port),
	TEST(buffers_that_take_nothing_are_passed_over),
	TEST(without_multiport_port_0_is_a_console),
	TEST(without_multiport_and_console_nothing_happens),
	TEST(emergency_writes_need_no_driver),
	TEST(other_config_writes_do_nothing),
	TEST(emergency_without_a_console_is_dropped),
	TEST(a_flood_of_emergencies_is_bounded),
	TEST(odd_messages_are_ignored),
	TEST(a_message_without_a_readable_part_is_ignored),
	TEST(short_control_buffers_get_what_fits),
	TEST(endless_messages_need_no_memory),
	TEST(a_damaged_ring_breaks_the_device_until_its_reset),
};

UNIT_MAIN(tests)
