// SPDX-License-Identifier: MIT
/*
 * forward.c - a rule such as tcp:127.0.0.1:2222-:22, in numbers.
 *
 *   [tcp|udp]:[HOST-ADDRESS]:PORT-[GUEST-ADDRESS]:PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

/* The text up to @end, which must be there, into @buf; @at goes behind it. */
static bool piece(const char **at, char end, char *buf, size_t size)
{
	const char *stop = strchr(*at, end);
	size_t len;

	if (!stop)
		return false;
	len = (size_t)(stop - *at);
	if (len >= size)
		return false;
	memcpy(buf, *at, len);
	buf[len] = '\0';
	*at = stop + 1;
	return true;
}

static bool parse_protocol(const char *s, bool *udp)
{
	*udp = strcmp(s, "udp") == 0;
	return *udp || !*s || strcmp(s, "tcp") == 0;
}

static bool parse_port(const char *s, uint16_t *port)
{
	unsigned long n;
	size_t len = strlen(s);

	if (!len || len > 5 || strspn(s, "0123456789") != len)
		return false;
	n = strtoul(s, NULL, 10);
	*port = (uint16_t)n;
	return n >= 1 && n <= 65535;
}

/* Nothing is 0, any address. */
static bool parse_address(const char *s, uint32_t *addr)
{
	struct in_addr in = { 0 };

	if (*s && inet_pton(AF_INET, s, &in) != 1)
		return false;
	*addr = ntohl(in.s_addr);
	return true;
}

int config_parse_forward(const char *text, struct config_forward *out)
{
	char protocol[4], host[16], host_port[6], guest[16];

	if (!piece(&text, ':', protocol, sizeof(protocol)) ||
	    !piece(&text, ':', host, sizeof(host)) ||
	    !piece(&text, '-', host_port, sizeof(host_port)) ||
	    !piece(&text, ':', guest, sizeof(guest)))
		return -EINVAL;
	if (!parse_protocol(protocol, &out->udp) ||
	    !parse_address(host, &out->host) ||
	    !parse_port(host_port, &out->host_port) ||
	    !parse_address(guest, &out->guest) ||
	    !parse_port(text, &out->guest_port))
		return -EINVAL;
	return 0;
}
