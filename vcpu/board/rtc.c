// SPDX-License-Identifier: MIT
/*
 * rtc.c - the MC146818 real-time clock and its CMOS RAM.
 *
 * How it works. The clock is the host's, in UTC, plus an offset in seconds
 * that the guest makes when it sets its clock. Nothing ticks: a read of a time
 * register converts the time of that moment. Only while register B's SET bit
 * stops the updates do the time registers hold bytes; they become the offset
 * when SET is cleared.
 *
 *   running -> (SET) -> stopped: plain bytes -> (SET cleared) -> running
 *
 * Flags of register C are found by comparing the time of the last look with
 * now (catch_up()). For an interrupt somebody has to look: arm() is asked for
 * the next event that is enabled, but for none while the line is still high,
 * so that a guest that does not read register C costs nothing.
 *
 * Reference: Motorola MC146818 data sheet ("146818 p."); the century byte is
 * where the FADT's CENTURY field says.
 */
#include "vcpu/board/rtc.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "memory/bus.h"
#include "memory/irq.h"
#include "memory/layout_x86.h"
#include "vcpu/board/byteio.h"

#define NSEC_PER_SEC 1000000000ull
#define SEC_PER_DAY  86400u
#define RTC_NEVER    UINT32_MAX

/* UIP goes up 244 us before an update that lasts 1948 us (146818 p. 12). */
#define RTC_UPDATE_NS 2192000ull

enum rtc_port {
	RTC_PORT_INDEX,
	RTC_PORT_DATA,
	RTC_NR_PORTS,
};

/* 146818 p. 10, figure 9; above 0x0d it is RAM */
enum rtc_register {
	RTC_SECOND = 0x00,
	RTC_SECOND_ALARM = 0x01,
	RTC_MINUTE = 0x02,
	RTC_MINUTE_ALARM = 0x03,
	RTC_HOUR = 0x04,
	RTC_HOUR_ALARM = 0x05,
	RTC_WEEKDAY = 0x06, /* 1: Sunday */
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	RTC_BASE_KIB = 0x15, /* 2 bytes */
	RTC_EXT_KIB = 0x17,  /* 2 bytes */
	RTC_EXT2_KIB = 0x30, /* 2 bytes, the same */
	RTC_CENTURY = 0x32,
	RTC_ABOVE_16M = 0x34, /* 2 bytes, in 64 KiB */
	RTC_ABOVE_4G = 0x5b,  /* 3 bytes, in 64 KiB */
	RTC_NR_REGISTERS = 0x80,
};

enum rtc_a {
	RTC_A_RATE = 0x0f,
	RTC_A_DIVIDER_32KHZ = 0x20,
	RTC_A_RATE_1024HZ = 0x06,
	RTC_A_UIP = 0x80,
};

enum rtc_b {
	RTC_B_24H = 0x02,
	RTC_B_BINARY = 0x04,
	RTC_B_UIE = 0x10,
	RTC_B_AIE = 0x20,
	RTC_B_PIE = 0x40,
	RTC_B_SET = 0x80,
};

/* Flags stand where their enables are in register B. */
enum rtc_c {
	RTC_C_UF = 0x10,
	RTC_C_AF = 0x20,
	RTC_C_PF = 0x40,
	RTC_C_FLAGS = 0x70,
	RTC_C_IRQF = 0x80,
};

#define RTC_D_VRT	   0x80u /* the battery is fine */
#define RTC_HOUR_PM	   0x80u
#define RTC_ALARM_DONTCARE 0xc0u /* and above (146818 p. 11) */

struct rtc {
	struct bus_dev dev;
	struct bus *bus;
	struct rtc_params p;
	pthread_mutex_t lock; /* all below; irqchip locks are taken inside */
	uint8_t index;
	uint8_t reg[RTC_NR_REGISTERS]; /* RTC_C: the flags without IRQF */
	int64_t offset_s;	       /* guest's time minus host's */
	uint64_t seen_ns;	       /* flags are right up to here */
	bool line;
	bool armed;
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t rtc_wall(const struct rtc *r)
{
	return r->p.wall ? r->p.wall(r->p.ctx) : clock_ns(CLOCK_REALTIME);
}

static uint64_t rtc_now(const struct rtc *r)
{
	return r->p.now ? r->p.now(r->p.ctx) : clock_ns(CLOCK_MONOTONIC);
}

static bool is_time_register(unsigned int i)
{
	switch (i) {
	case RTC_SECOND:
	case RTC_MINUTE:
	case RTC_HOUR:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY:
		return true;
	}
	return false;
}

/* Bytes of the registers, in the format that register B chooses. */

static uint8_t encode(const struct rtc *r, int v)
{
	if (r->reg[RTC_B] & RTC_B_BINARY)
		return (uint8_t)v;
	return (uint8_t)(v / 10 % 10 << 4 | v % 10);
}

static int decode(const struct rtc *r, uint8_t v)
{
	if (r->reg[RTC_B] & RTC_B_BINARY)
		return v;
	return (v >> 4) * 10 + (v & 0x0f);
}

static uint8_t encode_hour(const struct rtc *r, int hour)
{
	if (r->reg[RTC_B] & RTC_B_24H)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) |
	       (hour >= 12 ? RTC_HOUR_PM : 0);
}

static int decode_hour(const struct rtc *r, uint8_t v)
{
	if (r->reg[RTC_B] & RTC_B_24H)
		return decode(r, v);
	return decode(r, v & 0x7f) % 12 + (v & RTC_HOUR_PM ? 12 : 0);
}

/* Seconds since 1970, as the guest sees them. */
static int64_t guest_seconds(const struct rtc *r, uint64_t wall)
{
	return (int64_t)(wall / NSEC_PER_SEC) + r->offset_s;
}

/* Fill the time registers. */
static void store_time(struct rtc *r, uint64_t wall)
{
	time_t t = guest_seconds(r, wall);
	struct tm tm;
	int year;

	if (!gmtime_r(&t, &tm))
		return;
	year = tm.tm_year + 1900;
	r->reg[RTC_SECOND] = encode(r, tm.tm_sec);
	r->reg[RTC_MINUTE] = encode(r, tm.tm_min);
	r->reg[RTC_HOUR] = encode_hour(r, tm.tm_hour);
	r->reg[RTC_WEEKDAY] = encode(r, tm.tm_wday + 1);
	r->reg[RTC_DAY] = encode(r, tm.tm_mday);
	r->reg[RTC_MONTH] = encode(r, tm.tm_mon + 1);
	r->reg[RTC_YEAR] = encode(r, year % 100);
	r->reg[RTC_CENTURY] = encode(r, year / 100);
}

/* The guest's clock is now what its registers say: whatever they say. */
static void load_time(struct rtc *r, uint64_t wall)
{
	struct tm tm = {
		.tm_sec = decode(r, r->reg[RTC_SECOND]),
		.tm_min = decode(r, r->reg[RTC_MINUTE]),
		.tm_hour = decode_hour(r, r->reg[RTC_HOUR]),
		.tm_mday = decode(r, r->reg[RTC_DAY]),
		.tm_mon = decode(r, r->reg[RTC_MONTH]) - 1,
		.tm_year = decode(r, r->reg[RTC_CENTURY]) * 100 +
			   decode(r, r->reg[RTC_YEAR]) - 1900,
	};

	r->offset_s = (int64_t)timegm(&tm) - (int64_t)(wall / NSEC_PER_SEC);
}

/* 0: periodic interrupts are off (146818 p. 15, table 5). */
static uint64_t period_ns(const struct rtc *r)
{
	unsigned int rate = r->reg[RTC_A] & RTC_A_RATE;

	if (!rate)
		return 0;
	/* Rates 1 and 2 are 256 and 128 Hz, as 8 and 9 are. */
	if (rate <= 2)
		rate += 7;
	return NSEC_PER_SEC * (1u << (rate - 1)) / 32768;
}

static bool alarm_field_matches(uint8_t alarm, int wanted, uint32_t value)
{
	return alarm >= RTC_ALARM_DONTCARE || (uint32_t)wanted == value;
}

/* Seconds from @from, of a day, to the next alarm: 1 .. a day, or never. */
static uint32_t alarm_distance(const struct rtc *r, uint32_t from)
{
	uint8_t h = r->reg[RTC_HOUR_ALARM], m = r->reg[RTC_MINUTE_ALARM];
	uint8_t s = r->reg[RTC_SECOND_ALARM];
	uint32_t t = from + 1, in_day;

	while (t <= from + SEC_PER_DAY) {
		in_day = t % SEC_PER_DAY;
		if (!alarm_field_matches(h, decode_hour(r, h), in_day / 3600))
			t += 3600 - in_day % 3600;
		else if (!alarm_field_matches(m, decode(r, m),
					      in_day / 60 % 60))
			t += 60 - in_day % 60;
		else if (!alarm_field_matches(s, decode(r, s), in_day % 60))
			t++;
		else
			return t - from;
	}
	return RTC_NEVER;
}

static uint32_t second_of_day(const struct rtc *r, uint64_t wall)
{
	int64_t s = guest_seconds(r, wall) % (int64_t)SEC_PER_DAY;

	return (uint32_t)(s < 0 ? s + (int64_t)SEC_PER_DAY : s);
}

/* Set the flags of what happened since the last look. */
static void catch_up(struct rtc *r, uint64_t wall)
{
	uint64_t period = period_ns(r), seconds;

	/* The host's clock may have been set back: start anew. */
	if (wall < r->seen_ns)
		r->seen_ns = wall;
	if (period && wall / period != r->seen_ns / period)
		r->reg[RTC_C] |= RTC_C_PF;
	seconds = wall / NSEC_PER_SEC - r->seen_ns / NSEC_PER_SEC;
	if (seconds && !(r->reg[RTC_B] & RTC_B_SET)) {
		r->reg[RTC_C] |= RTC_C_UF;
		if (seconds >= alarm_distance(r, second_of_day(r, r->seen_ns)))
			r->reg[RTC_C] |= RTC_C_AF;
	}
	r->seen_ns = wall;
}

static bool irq_pending(const struct rtc *r)
{
	return r->reg[RTC_C] & r->reg[RTC_B] & RTC_C_FLAGS;
}

/* Nanoseconds to the next event that interrupts; UINT64_MAX: none. */
static uint64_t next_event(const struct rtc *r, uint64_t wall)
{
	uint64_t to_second = NSEC_PER_SEC - wall % NSEC_PER_SEC;
	uint64_t period = period_ns(r), next = UINT64_MAX;
	uint32_t alarm;

	if ((r->reg[RTC_B] & RTC_B_PIE) && period)
		next = period - wall % period;
	if (r->reg[RTC_B] & RTC_B_SET)
		return next;
	if (r->reg[RTC_B] & RTC_B_UIE)
		next = min_u64(next, to_second);
	if (r->reg[RTC_B] & RTC_B_AIE) {
		alarm = alarm_distance(r, second_of_day(r, wall));
		if (alarm != RTC_NEVER)
			next = min_u64(next,
				       to_second + (alarm - 1) * NSEC_PER_SEC);
	}
	return next;
}

/* Bring line and timer up to date, after catch_up(). */
static void update_line(struct rtc *r, uint64_t wall)
{
	uint64_t wait = UINT64_MAX;
	bool line = irq_pending(r);

	if (line != r->line) {
		r->line = line;
		irq_set(r->p.irq, line);
	}
	if (!r->p.arm)
		return;
	if (!line)
		wait = next_event(r, wall);
	if (wait == UINT64_MAX && !r->armed)
		return;
	r->armed = wait != UINT64_MAX;
	r->p.arm(r->p.ctx, r->armed ? rtc_now(r) + wait : UINT64_MAX);
}

void rtc_expired(struct rtc *r)
{
	uint64_t wall;

	pthread_mutex_lock(&r->lock);
	wall = rtc_wall(r);
	catch_up(r, wall);
	update_line(r, wall);
	pthread_mutex_unlock(&r->lock);
}

static uint8_t read_a(const struct rtc *r, uint64_t wall)
{
	uint8_t a = r->reg[RTC_A];

	if (!(r->reg[RTC_B] & RTC_B_SET) &&
	    wall % NSEC_PER_SEC >= NSEC_PER_SEC - RTC_UPDATE_NS)
		a |= RTC_A_UIP;
	return a;
}

static uint8_t read_c(struct rtc *r)
{
	uint8_t c = r->reg[RTC_C];

	if (irq_pending(r))
		c |= RTC_C_IRQF;
	r->reg[RTC_C] = 0;
	return c;
}

static uint8_t read_register(struct rtc *r, uint64_t wall)
{
	switch (r->index) {
	case RTC_A:
		return read_a(r, wall);
	case RTC_C:
		return read_c(r);
	case RTC_D:
		return RTC_D_VRT;
	}
	if (is_time_register(r->index) && !(r->reg[RTC_B] & RTC_B_SET))
		store_time(r, wall);
	return r->reg[r->index];
}

static void write_b(struct rtc *r, uint8_t val, uint64_t wall)
{
	bool was_set = r->reg[RTC_B] & RTC_B_SET;

	if (!was_set && (val & RTC_B_SET))
		store_time(r, wall);
	/* SET stops an update and with it the interrupt (146818 p. 15). */
	if (val & RTC_B_SET)
		val &= (uint8_t)~RTC_B_UIE;
	r->reg[RTC_B] = val;
	if (was_set && !(val & RTC_B_SET))
		load_time(r, wall);
}

static void write_time(struct rtc *r, uint8_t val, uint64_t wall)
{
	bool stopped = r->reg[RTC_B] & RTC_B_SET;

	if (!stopped)
		store_time(r, wall);
	r->reg[r->index] = val;
	if (!stopped)
		load_time(r, wall);
}

static void write_register(struct rtc *r, uint8_t val, uint64_t wall)
{
	if (is_time_register(r->index)) {
		write_time(r, val, wall);
		return;
	}
	switch (r->index) {
	case RTC_A:
		r->reg[RTC_A] = val & (uint8_t)~RTC_A_UIP;
		break;
	case RTC_B:
		write_b(r, val, wall);
		break;
	case RTC_C:
	case RTC_D:
		break; /* read-only */
	default:
		r->reg[r->index] = val;
	}
}

static uint8_t rtc_get(struct bus_dev *d, uint64_t off)
{
	struct rtc *r = container_of(d, struct rtc, dev);
	uint64_t wall;
	uint8_t val;

	if (off == RTC_PORT_INDEX)
		return 0xff; /* write-only */
	pthread_mutex_lock(&r->lock);
	wall = rtc_wall(r);
	catch_up(r, wall);
	val = read_register(r, wall);
	/* Only a read of C changes what the line depends on. */
	if (r->index == RTC_C)
		update_line(r, wall);
	pthread_mutex_unlock(&r->lock);
	return val;
}

static void rtc_put(struct bus_dev *d, uint64_t off, uint8_t val)
{
	struct rtc *r = container_of(d, struct rtc, dev);
	uint64_t wall;

	pthread_mutex_lock(&r->lock);
	if (off == RTC_PORT_INDEX) {
		/* Bit 7 masks NMIs, of which there are none. */
		r->index = val % RTC_NR_REGISTERS;
	} else {
		wall = rtc_wall(r);
		catch_up(r, wall);
		write_register(r, val, wall);
		update_line(r, wall);
	}
	pthread_mutex_unlock(&r->lock);
}

static uint64_t rtc_read(struct bus_dev *d, uint64_t off, unsigned int len)
{
	return byteio_read(d, off, len, rtc_get);
}

static void rtc_write(struct bus_dev *d, uint64_t off, unsigned int len,
		      uint64_t val)
{
	byteio_write(d, off, len, val, rtc_put);
}

static const struct bus_ops rtc_ops = { rtc_read, rtc_write };

static void put_bytes(struct rtc *r, unsigned int at, unsigned int n,
		      uint64_t val)
{
	while (n--) {
		r->reg[at++] = (uint8_t)val;
		val >>= 8;
	}
}

/* What a PC's firmware leaves in CMOS RAM about memory. */
static void store_memory_size(struct rtc *r)
{
	uint64_t low = r->p.ram_low;
	uint64_t ext = low > (1u << 20) ? low - (1u << 20) : 0;
	uint64_t high = low > (16u << 20) ? low - (16u << 20) : 0;

	put_bytes(r, RTC_BASE_KIB, 2, min_u64(low >> 10, 640));
	put_bytes(r, RTC_EXT_KIB, 2, min_u64(ext >> 10, 0xffff));
	put_bytes(r, RTC_EXT2_KIB, 2, min_u64(ext >> 10, 0xffff));
	put_bytes(r, RTC_ABOVE_16M, 2, min_u64(high >> 16, 0xffff));
	put_bytes(r, RTC_ABOVE_4G, 3, min_u64(r->p.ram_high >> 16, 0xffffff));
}

int rtc_create(struct rtc **out, struct bus *bus, const struct rtc_params *p)
{
	struct rtc *r;
	int err;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->dev = (struct bus_dev){ "rtc", LAYOUT_PORT_RTC, RTC_NR_PORTS,
				   &rtc_ops };
	r->bus = bus;
	r->p = *p;
	r->reg[RTC_A] = RTC_A_DIVIDER_32KHZ | RTC_A_RATE_1024HZ;
	r->reg[RTC_B] = RTC_B_24H;
	store_memory_size(r);
	r->seen_ns = rtc_wall(r);
	pthread_mutex_init(&r->lock, NULL);

	err = bus_add(bus, BUS_PIO, &r->dev);
	if (err) {
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

void rtc_destroy(struct rtc *r)
{
	if (!r)
		return;
	bus_del(r->bus, BUS_PIO, &r->dev);
	free(r);
}
