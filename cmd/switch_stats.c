// SPDX-License-Identifier: MIT
/*
 * switch_stats.c - `minivmm switch --stats PATH`: asks a switch that runs, and
 * prints a line for each port.
 *
 * Scripts read this: columns are only added at the end of a line, fields are
 * never empty and have no blanks in them.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/status.h"
#include "cmd/switch.h"
#include "virtio/backend/switch_link.h"

#define ANSWER_MS 5000

/* 0 with the answer in @st, SWITCH_STATS_BYTES long; or -errno. */
static int ask(int sock, struct switch_stats *st)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct switch_hello h;
	ssize_t n;
	int err;

	switch_link_fill_hello(&h, SWITCH_WISH_STATS, "stats");
	err = switch_link_send(sock, &h, sizeof(h), -1);
	if (err)
		return err;
	do {
		n = poll(&p, 1, ANSWER_MS);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	n = recv(sock, st, SWITCH_STATS_BYTES, 0);
	if (n < 0)
		return -errno;
	return switch_link_check_stats(st, (size_t)n);
}

static const char *state_name(uint32_t state)
{
	switch (state) {
	case SWITCH_STATE_DOWN:
		return "down";
	case SWITCH_STATE_UP:
		return "up";
	case SWITCH_STATE_FULL:
		return "full";
	default:
		return "?";
	}
}

/* Whoever connected chose it: one word, nothing that a terminal obeys. */
static void print_name(const struct switch_stats_port *p)
{
	char name[SWITCH_NAME_LEN + 1] = { 0 };

	memcpy(name, p->name, SWITCH_NAME_LEN);
	for (char *c = name; *c; c++)
		if (!isascii(*c) || !isgraph((unsigned char)*c))
			*c = '_';
	printf(" %-12s", *name ? name : "-");
}

static void print_port(const struct switch_stats_port *p)
{
	const le64 numbers[] = { p->rx_frames, p->rx_bytes, p->tx_frames,
				 p->tx_bytes,  p->drops,    p->flood_drops,
				 p->refused,   p->unlearnt };
	static const int widths[] = { 10, 13, 10, 13, 8, 11, 8, 8 };

	printf("%-4u", le32_get(p->number));
	print_name(p);
	printf(" %-5s %5u", state_name(le32_get(p->state)), le32_get(p->macs));
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		printf(" %*" PRIu64, widths[i], le64_get(numbers[i]));
	putchar('\n');
}

static int print(const struct switch_stats *st)
{
	const struct switch_stats_port *ports = (const void *)(st + 1);

	printf("%-4s %-12s %-5s %5s %10s %13s %10s %13s %8s %11s %8s %8s\n",
	       "port", "name", "state", "macs", "rx-frames", "rx-bytes",
	       "tx-frames", "tx-bytes", "drops", "flood-drops", "refused",
	       "unlearnt");
	for (uint32_t i = 0; i < le32_get(st->nr_ports); i++)
		print_port(&ports[i]);
	if (fflush(stdout))
		return status_fail("stdout: %s", strerror(errno));
	return 0;
}

int switch_print_stats(const char *path)
{
	struct switch_stats *st;
	int sock, err, status;

	sock = switch_link_connect(path);
	if (sock == -ECONNREFUSED)
		return status_fail("%s: no switch is running there", path);
	if (sock < 0)
		return status_fail("%s: %s", path, strerror(-sock));
	st = malloc(SWITCH_STATS_BYTES);
	err = st ? ask(sock, st) : -ENOMEM;
	if (err)
		status = status_fail("%s: no answer from a switch: %s", path,
				     strerror(-err));
	else
		status = print(st);
	free(st);
	close(sock);
	return status;
}
