// SPDX-License-Identifier: MIT
/*
 * switch-rate.c - how many frames a second get from one port of a switch to
 * another: a thread sends as fast as it can, another receives.
 *
 *   switch-rate rings PATH PID LENGTH   two ports of minivmm switch at PATH
 *   switch-rate dgram A B PID LENGTH    UNIX datagrams: from A.port to A, and
 *                                       from B to B.port
 *   switch-rate taps A B PID LENGTH     two tap interfaces
 *
 * Prints thousands of received frames a second; ns of CPU for each of the
 * process PID (0: there is none); and ns of CPU for each of PID and of this
 * program, that is of both ports.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "virtio/backend/switch_link.h"

#define WARM_UP	 0.2
#define DURATION 1.0

struct port {
	int fd;
	bool rings;
	bool tap;
	struct switch_link k;
};

struct bench {
	struct port from, to;
	pid_t pid; /* of the switch, or 0 */
	uint32_t len;
	atomic_bool stop;
};

static const uint8_t mac_from[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t mac_to[6] = { 2, 0, 0, 0, 0, 2 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, 100);
}

static void hear_bells(struct port *p)
{
	char b[64];

	wait_for(p->fd, POLLIN);
	(void)!recv(p->fd, b, sizeof(b), MSG_DONTWAIT);
}

/* Ports of all kinds */

static void open_rings(struct port *p, const char *path, const char *name)
{
	struct switch_welcome w;
	struct switch_hello h;
	int memfd;

	p->rings = true;
	p->fd = switch_link_connect(path);
	if (p->fd < 0)
		die(path);
	switch_link_fill_hello(&h, SWITCH_WISH_PORT, name);
	switch_link_send(p->fd, &h, sizeof(h), -1);
	wait_for(p->fd, POLLIN);
	if (switch_link_recv_welcome(p->fd, &w, &memfd) ||
	    switch_link_map(&p->k, &w, memfd))
		die("welcome");
	close(memfd);
}

static void fill_address(struct sockaddr_un *sun, const char *path,
			 const char *ending)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s%s", path, ending);
}

static void open_dgram(struct port *p, const char *path)
{
	struct sockaddr_un here, there;

	fill_address(&here, path, ".port");
	fill_address(&there, path, "");
	p->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(p->fd, (struct sockaddr *)&here, sizeof(here)) ||
	    connect(p->fd, (struct sockaddr *)&there, sizeof(there)))
		die(path);
}

static void open_tap(struct port *p, const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	p->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	p->tap = true;
	if (p->fd < 0 || ioctl(p->fd, TUNSETIFF, &r))
		die(name);
}

/* One frame in; waits for room, up to a while. */
static void push(struct port *p, const uint8_t *frame, uint32_t len)
{
	uint8_t *at;

	if (!p->rings) {
		ssize_t n = p->tap ? write(p->fd, frame, len)
				   : send(p->fd, frame, len, MSG_DONTWAIT);

		if (n < 0)
			wait_for(p->fd, POLLOUT);
		return;
	}
	if (switch_ring_reserve(&p->k.to_switch, len, &at)) {
		if (switch_ring_want_room(&p->k.to_switch, len))
			hear_bells(p);
		return;
	}
	memcpy(at, frame, len);
	switch_ring_push(&p->k.to_switch, len);
	if (switch_ring_publish(&p->k.to_switch))
		switch_link_ring_bell(p->fd);
}

/* The length of the next frame, copied to @frame; 0: none for a while. */
static uint32_t pull(struct port *p, uint8_t *frame, uint32_t room)
{
	const uint8_t *at;
	uint32_t len;

	if (!p->rings) {
		ssize_t n = p->tap ? read(p->fd, frame, room)
				   : recv(p->fd, frame, room, MSG_DONTWAIT);

		if (n <= 0)
			wait_for(p->fd, POLLIN);
		return n > 0 ? (uint32_t)n : 0;
	}
	if (switch_ring_peek(&p->k.to_port, &at, &len) != 1) {
		if (switch_ring_want_frames(&p->k.to_port))
			hear_bells(p);
		return 0;
	}
	if (len <= room)
		memcpy(frame, at, len);
	switch_ring_pop(&p->k.to_port, len);
	switch_ring_release(&p->k.to_port);
	return len;
}

/* Measuring */

static void fill_frame(uint8_t *frame, uint32_t len, const uint8_t *to,
		       const uint8_t *from)
{
	memset(frame, 0, len);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	/* For local experiments: nobody above takes it for anything. */
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

static void *send_all(void *arg)
{
	struct bench *b = arg;
	uint8_t frame[2048];

	fill_frame(frame, b->len, mac_to, mac_from);
	while (!atomic_load_explicit(&b->stop, memory_order_relaxed))
		push(&b->from, frame, b->len);
	return NULL;
}

static uint64_t receive_for(struct bench *b, double duration)
{
	double end = seconds(CLOCK_MONOTONIC) + duration;
	uint8_t frame[2048];
	uint64_t n = 0;

	for (unsigned int i = 0;; i++) {
		uint32_t got = pull(&b->to, frame, sizeof(frame));

		n += got == b->len;
		if ((!got || i % 256 == 0) && seconds(CLOCK_MONOTONIC) >= end)
			return n;
	}
}

static double switch_cpu(const struct bench *b)
{
	clockid_t clock;

	if (!b->pid || clock_getcpuclockid(b->pid, &clock))
		return 0;
	return seconds(clock);
}

static void measure(struct bench *b)
{
	double start, cpu, own, passed;
	uint8_t frame[64];
	pthread_t t;
	uint64_t n;

	/* The switch learns where they are. */
	fill_frame(frame, 60, mac_from, mac_to);
	push(&b->to, frame, 60);
	fill_frame(frame, 60, mac_to, mac_from);
	push(&b->from, frame, 60);
	if (pthread_create(&t, NULL, send_all, b))
		die("thread");
	receive_for(b, WARM_UP);
	start = seconds(CLOCK_MONOTONIC);
	cpu = switch_cpu(b);
	own = seconds(CLOCK_PROCESS_CPUTIME_ID);
	n = receive_for(b, DURATION);
	passed = seconds(CLOCK_MONOTONIC) - start;
	cpu = switch_cpu(b) - cpu;
	own = seconds(CLOCK_PROCESS_CPUTIME_ID) - own;
	atomic_store(&b->stop, true);
	pthread_join(t, NULL);
	printf("%.0f %.0f %.0f\n", (double)n / passed / 1e3,
	       n ? cpu / (double)n * 1e9 : 0,
	       n ? (cpu + own) / (double)n * 1e9 : 0);
}

static int usage(void)
{
	fputs("usage: switch-rate rings PATH PID LENGTH\n"
	      "       switch-rate dgram|taps A B PID LENGTH\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static struct bench b;

	if (argc < 5)
		return usage();
	b.pid = (pid_t)strtol(argv[argc - 2], NULL, 10);
	b.len = (uint32_t)strtoul(argv[argc - 1], NULL, 10);
	if (b.len < 60 || b.len > 1514)
		return usage();
	if (strcmp(argv[1], "rings") == 0) {
		open_rings(&b.from, argv[2], "from");
		open_rings(&b.to, argv[2], "to");
	} else if (strcmp(argv[1], "dgram") == 0 && argc == 6) {
		open_dgram(&b.from, argv[2]);
		open_dgram(&b.to, argv[3]);
	} else if (strcmp(argv[1], "taps") == 0 && argc == 6) {
		open_tap(&b.from, argv[2]);
		open_tap(&b.to, argv[3]);
	} else {
		return usage();
	}
	measure(&b);
	return 0;
}
