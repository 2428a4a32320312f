// SPDX-License-Identifier: MIT
/*
 * i8042.c - as much of a keyboard controller as it takes to reset a PC.
 *
 * How it works. The controller answers its own commands, so that a driver
 * that looks for it finds out at once, rather than after time-outs, that
 * nothing is plugged in: both port tests fail, and bytes for a keyboard come
 * back as "transmit time-out". It never interrupts.
 *
 * Reference: IBM PS/2 Hardware Interface Technical Reference (1990),
 * "Keyboard and Auxiliary Device Controller".
 */
#include "vcpu/board/i8042.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/layout_x86.h"
#include "vcpu/board/board.h"

#define I8042_PORT_COMMAND (LAYOUT_PORT_I8042 + 4)

enum i8042_status {
	I8042_STATUS_OUTPUT_FULL = 0x01,
	I8042_STATUS_SYSTEM = 0x04, /* the self-test was passed */
	I8042_STATUS_TIMEOUT = 0x40,
};

enum i8042_command {
	I8042_READ_CONFIG = 0x20,
	I8042_WRITE_CONFIG = 0x60,
	I8042_TEST_AUX = 0xa9,
	I8042_SELF_TEST = 0xaa,
	I8042_TEST_KEYBOARD = 0xab,
	I8042_READ_OUTPUT_PORT = 0xd0,
	I8042_WRITE_OUTPUT_PORT = 0xd1,
	I8042_LOOP_KEYBOARD = 0xd2,
	I8042_LOOP_AUX = 0xd3,
	I8042_WRITE_AUX = 0xd4,
	I8042_PULSE = 0xf0, /* and above: bits 3:0 are pins to pull low */
};

enum i8042_reply {
	I8042_SELF_TEST_OK = 0x55,
	I8042_PORT_STUCK = 0x01, /* its clock line is low */
	I8042_RESEND = 0xfe,
};

#define I8042_PIN_RESET	  0x01u /* of the output port; low resets */
#define I8042_OUTPUT_IDLE 0x03u /* no reset, A20 open */
#define I8042_CONFIG_IDLE 0x34u /* both ports off, self-test passed */

struct i8042 {
	struct bus_dev data_dev;
	struct bus_dev command_dev;
	struct bus *bus;
	struct board_events ev;
	pthread_mutex_t lock; /* all below */
	uint8_t status;
	uint8_t output; /* valid with I8042_STATUS_OUTPUT_FULL */
	uint8_t config;
	uint8_t parameter_of; /* command whose parameter comes next, or 0 */
};

static void put_output(struct i8042 *k, uint8_t val, uint8_t flags)
{
	k->output = val;
	k->status = I8042_STATUS_SYSTEM | I8042_STATUS_OUTPUT_FULL | flags;
}

/* True when the command resets the machine. Caller holds the lock. */
static bool command(struct i8042 *k, uint8_t val)
{
	k->parameter_of = 0;
	switch (val) {
	case I8042_READ_CONFIG:
		put_output(k, k->config, 0);
		break;
	case I8042_TEST_AUX:
	case I8042_TEST_KEYBOARD:
		put_output(k, I8042_PORT_STUCK, 0);
		break;
	case I8042_SELF_TEST:
		put_output(k, I8042_SELF_TEST_OK, 0);
		break;
	case I8042_READ_OUTPUT_PORT:
		put_output(k, I8042_OUTPUT_IDLE, 0);
		break;
	case I8042_WRITE_CONFIG:
	case I8042_WRITE_OUTPUT_PORT:
	case I8042_LOOP_KEYBOARD:
	case I8042_LOOP_AUX:
	case I8042_WRITE_AUX:
		k->parameter_of = val;
		break;
	}
	return val >= I8042_PULSE && !(val & I8042_PIN_RESET);
}

/* A byte for port 0x60. True when it resets. Caller holds the lock. */
static bool parameter(struct i8042 *k, uint8_t val)
{
	uint8_t cmd = k->parameter_of;

	k->parameter_of = 0;
	switch (cmd) {
	case I8042_WRITE_CONFIG:
		k->config = val;
		return false;
	case I8042_WRITE_OUTPUT_PORT:
		return !(val & I8042_PIN_RESET);
	case I8042_LOOP_KEYBOARD:
		put_output(k, val, 0);
		return false;
	}
	/* For a device, and there is none. */
	put_output(k, I8042_RESEND, I8042_STATUS_TIMEOUT);
	return false;
}

static uint64_t data_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	struct i8042 *k = container_of(d, struct i8042, data_dev);
	uint8_t val;

	(void)off;
	(void)len;
	pthread_mutex_lock(&k->lock);
	val = k->output;
	k->status = I8042_STATUS_SYSTEM;
	pthread_mutex_unlock(&k->lock);
	return val;
}

static void data_write(struct bus_dev *d, uint64_t off, unsigned int len,
		       uint64_t val)
{
	struct i8042 *k = container_of(d, struct i8042, data_dev);
	bool reset;

	(void)off;
	(void)len;
	pthread_mutex_lock(&k->lock);
	reset = parameter(k, (uint8_t)val);
	pthread_mutex_unlock(&k->lock);
	if (reset && k->ev.reset)
		k->ev.reset(k->ev.ctx);
}

static uint64_t command_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	struct i8042 *k = container_of(d, struct i8042, command_dev);
	uint8_t val;

	(void)off;
	(void)len;
	pthread_mutex_lock(&k->lock);
	val = k->status;
	pthread_mutex_unlock(&k->lock);
	return val;
}

static void command_write(struct bus_dev *d, uint64_t off, unsigned int len,
			  uint64_t val)
{
	struct i8042 *k = container_of(d, struct i8042, command_dev);
	bool reset;

	(void)off;
	(void)len;
	pthread_mutex_lock(&k->lock);
	reset = command(k, (uint8_t)val);
	pthread_mutex_unlock(&k->lock);
	if (reset && k->ev.reset)
		k->ev.reset(k->ev.ctx);
}

static const struct bus_ops data_ops = { data_read, data_write };
static const struct bus_ops command_ops = { command_read, command_write };

int i8042_create(struct i8042 **out, struct bus *bus,
		 const struct board_events *ev)
{
	struct i8042 *k;
	int err;

	*out = NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->data_dev = (struct bus_dev){ "i8042 data", LAYOUT_PORT_I8042, 1,
					&data_ops };
	k->command_dev = (struct bus_dev){ "i8042", I8042_PORT_COMMAND, 1,
					   &command_ops };
	k->bus = bus;
	k->ev = *ev;
	k->config = I8042_CONFIG_IDLE;
	k->status = I8042_STATUS_SYSTEM;
	pthread_mutex_init(&k->lock, NULL);

	err = bus_add(bus, BUS_PIO, &k->data_dev);
	if (err)
		goto free_i8042;
	err = bus_add(bus, BUS_PIO, &k->command_dev);
	if (err)
		goto del_data;
	*out = k;
	return 0;

del_data:
	bus_del(bus, BUS_PIO, &k->data_dev);
free_i8042:
	free(k);
	return err;
}

void i8042_destroy(struct i8042 *k)
{
	if (!k)
		return;
	bus_del(k->bus, BUS_PIO, &k->command_dev);
	bus_del(k->bus, BUS_PIO, &k->data_dev);
	free(k);
}
