// SPDX-License-Identifier: MIT
/*
 * uart.c - the 16550A serial port.
 *
 * How it works. A byte written to THR is gone when the write returns: tx() is
 * called without the lock, and the transmitter is empty again. Received bytes
 * wait in a FIFO (of one byte while FIFOs are off). What does not fit stays
 * with the sender, who is told with rx_ready() once the FIFO was drained: so
 * there are no overruns, other than those a guest makes in loopback.
 *
 * The interrupt line is high while a cause in IIR is pending and OUT2, which
 * gates it on a PC, is set. It is an edge for the IO-APIC; each way that
 * makes a cause go away (IIR, RBR, LSR, MSR reads) lowers it.
 *
 * A character timeout, 4 character times after the last byte, is reported
 * at once: bytes below the trigger level interrupt too, only with the other
 * code in IIR. There is no timer in here and no byte waits for one.
 *
 * Baud rate, word length, parity and break mean nothing here.
 * Reference: National Semiconductor PC16550D data sheet ("16550D §").
 */
#include "vcpu/board/uart.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "vcpu/board/byteio.h"

/* 16550D §8.0, table II */
enum uart_register {
	UART_RBR_THR = 0, /* DLL when LCR.DLAB */
	UART_IER = 1,	  /* DLM when LCR.DLAB */
	UART_IIR_FCR = 2,
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
	UART_SCR = 7,
	UART_NR_PORTS = 8,
};

enum uart_ier {
	UART_IER_RDA = 0x01,
	UART_IER_THRE = 0x02,
	UART_IER_LINE = 0x04,
	UART_IER_MODEM = 0x08,
	UART_IER_ALL = 0x0f,
};

/* In the order of their priority, 16550D table IV */
enum uart_iir {
	UART_IIR_LINE = 0x06,
	UART_IIR_RDA = 0x04,
	UART_IIR_TIMEOUT = 0x0c,
	UART_IIR_THRE = 0x02,
	UART_IIR_MODEM = 0x00,
	UART_IIR_NONE = 0x01,
	UART_IIR_FIFOS = 0xc0,
};

enum uart_fcr {
	UART_FCR_ENABLE = 0x01,
	UART_FCR_CLEAR_RX = 0x02,
	UART_FCR_TRIGGER_SHIFT = 6,
};

#define UART_LCR_DLAB 0x80u

enum uart_mcr {
	UART_MCR_DTR = 0x01,
	UART_MCR_RTS = 0x02,
	UART_MCR_OUT1 = 0x04,
	UART_MCR_OUT2 = 0x08,
	UART_MCR_LOOP = 0x10,
	UART_MCR_ALL = 0x1f,
};

enum uart_lsr {
	UART_LSR_DR = 0x01,
	UART_LSR_OE = 0x02,
	UART_LSR_THRE = 0x20,
	UART_LSR_TEMT = 0x40,
};

enum uart_msr {
	UART_MSR_DELTA_SHIFT = 4, /* of a line below its delta bit */
	UART_MSR_TERI = 0x04,
	UART_MSR_CTS = 0x10,
	UART_MSR_DSR = 0x20,
	UART_MSR_RI = 0x40,
	UART_MSR_DCD = 0x80,
	/* A terminal is there, for ever */
	UART_MSR_CONNECTED = UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD,
};

#define UART_FIFO_SIZE 16

struct uart {
	struct bus_dev dev;
	struct bus *bus;
	struct uart_params p;
	pthread_mutex_t lock; /* all below; irqchip locks are taken inside */
	uint8_t dll, dlm;
	uint8_t ier;
	uint8_t lcr;
	uint8_t mcr;
	uint8_t scr;
	uint8_t msr_delta;
	uint8_t trigger; /* bytes that make RDA; 1 while FIFOs are off */
	bool fifos;
	bool overrun;
	bool thre_pending;
	bool line;
	bool rx_refused; /* rx_ready() is owed */
	uint8_t rx[UART_FIFO_SIZE];
	unsigned int rx_head;
	unsigned int rx_count;
};

static unsigned int rx_capacity(const struct uart *u)
{
	return u->fifos ? UART_FIFO_SIZE : 1;
}

static void rx_put(struct uart *u, uint8_t c)
{
	u->rx[(u->rx_head + u->rx_count) % UART_FIFO_SIZE] = c;
	u->rx_count++;
}

static uint8_t rx_get(struct uart *u)
{
	uint8_t c = u->rx[u->rx_head];

	if (!u->rx_count)
		return 0;
	u->rx_head = (u->rx_head + 1) % UART_FIFO_SIZE;
	u->rx_count--;
	return c;
}

static void rx_clear(struct uart *u)
{
	u->rx_head = 0;
	u->rx_count = 0;
}

/* The modem lines; in loopback MCR drives them (16550D §8.6.7). */
static uint8_t modem_lines(const struct uart *u)
{
	uint8_t lines = 0;

	if (!(u->mcr & UART_MCR_LOOP))
		return UART_MSR_CONNECTED;
	if (u->mcr & UART_MCR_RTS)
		lines |= UART_MSR_CTS;
	if (u->mcr & UART_MCR_DTR)
		lines |= UART_MSR_DSR;
	if (u->mcr & UART_MCR_OUT1)
		lines |= UART_MSR_RI;
	if (u->mcr & UART_MCR_OUT2)
		lines |= UART_MSR_DCD;
	return lines;
}

/* The cause with the highest priority: bits 3:0 of IIR. */
static uint8_t pending_cause(const struct uart *u)
{
	if ((u->ier & UART_IER_LINE) && u->overrun)
		return UART_IIR_LINE;
	if ((u->ier & UART_IER_RDA) && u->rx_count)
		return u->rx_count >= u->trigger ? UART_IIR_RDA
						 : UART_IIR_TIMEOUT;
	if ((u->ier & UART_IER_THRE) && u->thre_pending)
		return UART_IIR_THRE;
	if ((u->ier & UART_IER_MODEM) && u->msr_delta)
		return UART_IIR_MODEM;
	return UART_IIR_NONE;
}

/* Bring the interrupt line up to date. Caller holds the lock. */
static void update_line(struct uart *u)
{
	/* Loopback makes the OUT2 pin inactive (16550D §8.6.7). */
	bool gate = (u->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2;
	bool line = gate && pending_cause(u) != UART_IIR_NONE;

	if (line == u->line)
		return;
	u->line = line;
	irq_set(u->p.irq, line);
}

/*
 * The other end of the line sends only while RTS asks it to, or while the
 * guest waits for the interrupt: what is piped in before the guest's driver
 * has reset the FIFO waits and is not lost. Loopback disconnects the input
 * pin (16550D §8.6.7).
 */
static bool is_listening(const struct uart *u)
{
	if (u->mcr & UART_MCR_LOOP)
		return false;
	return (u->mcr & UART_MCR_RTS) || (u->ier & UART_IER_RDA);
}

/* Whether rx_ready() is to be called now. Caller holds the lock. */
static bool take_rx_ready(struct uart *u)
{
	if (!u->rx_refused || u->rx_count || !is_listening(u))
		return false;
	u->rx_refused = false;
	return true;
}

static uint8_t read_iir(struct uart *u)
{
	uint8_t cause = pending_cause(u);

	if (cause == UART_IIR_THRE)
		u->thre_pending = false;
	return cause | (u->fifos ? UART_IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart *u)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT;

	if (u->rx_count)
		lsr |= UART_LSR_DR;
	if (u->overrun)
		lsr |= UART_LSR_OE;
	u->overrun = false;
	return lsr;
}

static uint8_t read_msr(struct uart *u)
{
	uint8_t msr = modem_lines(u) | u->msr_delta;

	u->msr_delta = 0;
	return msr;
}

/* Caller holds the lock. */
static uint8_t read_register(struct uart *u, uint64_t off)
{
	bool dlab = u->lcr & UART_LCR_DLAB;

	switch ((enum uart_register)off) {
	case UART_RBR_THR:
		return dlab ? u->dll : rx_get(u);
	case UART_IER:
		return dlab ? u->dlm : u->ier;
	case UART_IIR_FCR:
		return read_iir(u);
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		return read_lsr(u);
	case UART_MSR:
		return read_msr(u);
	case UART_SCR:
		return u->scr;
	case UART_NR_PORTS:
		break;
	}
	return 0xff;
}

static void write_ier(struct uart *u, uint8_t val)
{
	/* Enabling THRE while the transmitter is empty interrupts (§8.6.4). */
	if ((val & ~u->ier) & UART_IER_THRE)
		u->thre_pending = true;
	u->ier = val & UART_IER_ALL;
}

static void write_fcr(struct uart *u, uint8_t val)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };
	bool enable = val & UART_FCR_ENABLE;

	/* Turning FIFOs on or off clears them (16550D §8.6.3). */
	if (enable != u->fifos || (enable && (val & UART_FCR_CLEAR_RX)))
		rx_clear(u);
	u->fifos = enable;
	u->trigger = enable ? levels[val >> UART_FCR_TRIGGER_SHIFT] : 1;
}

static void write_mcr(struct uart *u, uint8_t val)
{
	uint8_t before = modem_lines(u), changed;

	u->mcr = val & UART_MCR_ALL;
	changed = before ^ modem_lines(u);
	/* RI's delta bit notes only its trailing edge. */
	if ((changed & UART_MSR_RI) && !(before & UART_MSR_RI))
		changed &= (uint8_t)~UART_MSR_RI;
	u->msr_delta |= changed >> UART_MSR_DELTA_SHIFT;
}

static void loop_back(struct uart *u, uint8_t c)
{
	if (u->rx_count >= rx_capacity(u))
		u->overrun = true;
	else
		rx_put(u, c);
}

static void write_thr(struct uart *u, uint8_t val)
{
	if (u->mcr & UART_MCR_LOOP)
		loop_back(u, val);
	u->thre_pending = true;
}

/* Caller holds the lock. */
static void write_register(struct uart *u, uint64_t off, uint8_t val)
{
	bool dlab = u->lcr & UART_LCR_DLAB;

	switch ((enum uart_register)off) {
	case UART_RBR_THR:
		if (dlab)
			u->dll = val;
		else
			write_thr(u, val);
		break;
	case UART_IER:
		if (dlab)
			u->dlm = val;
		else
			write_ier(u, val);
		break;
	case UART_IIR_FCR:
		write_fcr(u, val);
		break;
	case UART_LCR:
		u->lcr = val;
		break;
	case UART_MCR:
		write_mcr(u, val);
		break;
	case UART_SCR:
		u->scr = val;
		break;
	case UART_LSR: /* for factory tests */
	case UART_MSR:
	case UART_NR_PORTS:
		break;
	}
}

static uint8_t uart_get(struct bus_dev *d, uint64_t off)
{
	struct uart *u = container_of(d, struct uart, dev);
	bool ready;
	uint8_t val;

	pthread_mutex_lock(&u->lock);
	val = read_register(u, off);
	ready = take_rx_ready(u);
	update_line(u);
	pthread_mutex_unlock(&u->lock);

	if (ready && u->p.rx_ready)
		u->p.rx_ready(u->p.ctx);
	return val;
}

/* Whether a write to @off leaves through the port. */
static bool goes_out(struct uart *u, uint64_t off)
{
	bool out;

	if (off != UART_RBR_THR || !u->p.tx)
		return false;
	pthread_mutex_lock(&u->lock);
	out = !(u->lcr & UART_LCR_DLAB) && !(u->mcr & UART_MCR_LOOP);
	pthread_mutex_unlock(&u->lock);
	return out;
}

static void uart_put(struct bus_dev *d, uint64_t off, uint8_t val)
{
	struct uart *u = container_of(d, struct uart, dev);
	bool ready;

	/* Out first: the interrupt says that the transmitter is empty. */
	if (goes_out(u, off))
		u->p.tx(u->p.ctx, &val, 1);

	pthread_mutex_lock(&u->lock);
	write_register(u, off, val);
	ready = take_rx_ready(u);
	update_line(u);
	pthread_mutex_unlock(&u->lock);

	if (ready && u->p.rx_ready)
		u->p.rx_ready(u->p.ctx);
}

static uint64_t uart_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	return byteio_read(d, off, len, uart_get);
}

static void uart_write(struct bus_dev *d, uint64_t off, unsigned int len,
		       uint64_t val)
{
	byteio_write(d, off, len, val, uart_put);
}

static const struct bus_ops uart_ops = {
	.read = uart_read,
	.write = uart_write,
};

size_t uart_rx(struct uart *u, const uint8_t *buf, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&u->lock);
	if (is_listening(u)) {
		while (n < len && u->rx_count < rx_capacity(u))
			rx_put(u, buf[n++]);
	}
	u->rx_refused |= n < len;
	update_line(u);
	pthread_mutex_unlock(&u->lock);
	return n;
}

int uart_create(struct uart **out, struct bus *bus, const struct uart_params *p)
{
	struct uart *u;
	int err;

	*out = NULL;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->dev = (struct bus_dev){ "uart", p->port, UART_NR_PORTS, &uart_ops };
	u->bus = bus;
	u->p = *p;
	u->trigger = 1;
	pthread_mutex_init(&u->lock, NULL);

	err = bus_add(bus, BUS_PIO, &u->dev);
	if (err) {
		free(u);
		return err;
	}
	*out = u;
	return 0;
}

void uart_destroy(struct uart *u)
{
	if (!u)
		return;
	bus_del(u->bus, BUS_PIO, &u->dev);
	free(u);
}
