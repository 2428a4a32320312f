// SPDX-License-Identifier: MIT
/*
 * stream.c - the two ends of stream connections, for guest and host.
 *
 *   stream serve ADDRESS            take connections, send back what comes
 *   stream stall ADDRESS            take connections and never read
 *   stream echo ADDRESS N BYTES     N connections at once, which each send so
 *                                   many bytes, shut that direction, and must
 *                                   get the same back
 *   stream refused ADDRESS          nobody may be there
 *   stream push ADDRESS             send until nothing goes for two seconds;
 *                                   prints how many bytes went
 *   stream leave ADDRESS BYTES      send so many, and go without a word
 *
 * ADDRESS is vsock:CID:PORT (CID 4294967295 to listen), unix:PATH,
 * hybrid:PATH:PORT, a port of the guest behind the socket of its VMM, or
 * tcp:IP:PORT (IP 0.0.0.0 to listen).
 *
 * Exit status 0: as it should be.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define CHUNK	(64 << 10)
#define BACKLOG 128
#define PATIENT 120000 /* milliseconds */

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
	struct sockaddr_in in;
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Addresses */

static socklen_t set_unix(union address *a, const char *path, size_t len)
{
	a->un.sun_family = AF_UNIX;
	if (len >= sizeof(a->un.sun_path))
		die("path too long");
	memcpy(a->un.sun_path, path, len);
	return sizeof(a->un);
}

static socklen_t set_vsock(union address *a, const char *s)
{
	char *end;

	a->vm.svm_family = AF_VSOCK;
	a->vm.svm_cid = (unsigned int)strtoul(s, &end, 10);
	a->vm.svm_port = (unsigned int)strtoul(end + 1, NULL, 10);
	return sizeof(a->vm);
}

static socklen_t set_tcp(union address *a, const char *s)
{
	const char *port = strrchr(s, ':');
	char ip[INET_ADDRSTRLEN] = "";

	a->in.sin_family = AF_INET;
	errno = EINVAL;
	if (!port || (size_t)(port - s) >= sizeof(ip))
		die(s);
	memcpy(ip, s, (size_t)(port - s));
	a->in.sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10));
	if (inet_pton(AF_INET, ip, &a->in.sin_addr) != 1)
		die(s);
	return sizeof(a->in);
}

/* *port: what a hybrid socket is to be asked for, or NULL. */
static socklen_t parse(union address *a, const char *s, const char **port)
{
	memset(a, 0, sizeof(*a));
	*port = NULL;
	if (strncmp(s, "vsock:", 6) == 0)
		return set_vsock(a, s + 6);
	if (strncmp(s, "unix:", 5) == 0)
		return set_unix(a, s + 5, strlen(s + 5));
	if (strncmp(s, "hybrid:", 7) == 0) {
		*port = strrchr(s, ':') + 1;
		return set_unix(a, s + 7, (size_t)(*port - s - 8));
	}
	if (strncmp(s, "tcp:", 4) == 0)
		return set_tcp(a, s + 4);
	errno = EINVAL;
	die(s);
}

static int listen_at(const char *address)
{
	const char *port;
	union address a;
	socklen_t len = parse(&a, address, &port);
	int fd = socket(a.any.sa_family, SOCK_STREAM, 0), on = 1;

	/* A TCP port that was in use a moment ago is good enough. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, &a.any, len) || listen(fd, BACKLOG))
		die(address);
	return fd;
}

/* "CONNECT port", "OK other port". */
static int ask(int fd, const char *port)
{
	char line[64], c = 0;
	size_t n = 0;
	int len = snprintf(line, sizeof(line), "CONNECT %s\n", port);

	if (write(fd, line, (size_t)len) != len)
		return -1;
	while (c != '\n' && n < sizeof(line) - 1) {
		if (read(fd, &c, 1) != 1)
			return -1;
		line[n++] = c;
	}
	line[n] = '\0';
	return strncmp(line, "OK ", 3) == 0 ? 0 : -1;
}

/* A connection, or -1 when nobody is there. */
static int connect_to(const char *address)
{
	const char *port;
	union address a;
	socklen_t len = parse(&a, address, &port);
	int fd = socket(a.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	if (!connect(fd, &a.any, len) && (!port || !ask(fd, port)))
		return fd;
	close(fd);
	return -1;
}

/*
 * What is sent: different for each connection, and nowhere the same. Eight
 * bytes at a time, since a guest may be interpreted.
 */

struct pattern {
	uint64_t seed;
	uint64_t at; /* in bytes */
};

/* The steps of splitmix64, whose words are all different. */
static uint64_t word_of(uint64_t n)
{
	n *= 0x9e3779b97f4a7c15;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
	n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
	return n ^ (n >> 31);
}

static void fill(struct pattern *p, unsigned char *buf, size_t len)
{
	while (len) {
		uint64_t word = word_of(p->seed + p->at / sizeof(word));
		size_t skip = p->at % sizeof(word), n = sizeof(word) - skip;

		n = n < len ? n : len;
		memcpy(buf, (unsigned char *)&word + skip, n);
		p->at += n;
		buf += n;
		len -= n;
	}
}

/* One connection of echo: both directions at once. */
struct echo {
	int fd;
	uint64_t left_to_send, left_to_get;
	struct pattern out, in;
	unsigned char buf[CHUNK];
	size_t start, end; /* of what is in buf */
};

static void send_some(struct echo *e)
{
	ssize_t n;

	if (e->start == e->end) {
		e->start = 0;
		e->end = e->left_to_send < CHUNK ? e->left_to_send : CHUNK;
		fill(&e->out, e->buf, e->end);
	}
	n = send(e->fd, e->buf + e->start, e->end - e->start,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		die("send");
	e->start += (size_t)n;
	e->left_to_send -= (uint64_t)n;
	if (!e->left_to_send && shutdown(e->fd, SHUT_WR))
		die("shutdown");
}

static void get_some(struct echo *e)
{
	unsigned char got[CHUNK], want[CHUNK];
	ssize_t n = recv(e->fd, got, sizeof(got), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || (uint64_t)n > e->left_to_get)
		die("receive");
	fill(&e->in, want, (size_t)n);
	errno = EILSEQ;
	if (memcmp(got, want, (size_t)n) != 0)
		die("other bytes came back");
	e->left_to_get -= (uint64_t)n;
}

/* After the last byte there is the end, and nothing else. */
static void expect_end(struct echo *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };
	char c;

	if (poll(&p, 1, PATIENT) != 1 || read(e->fd, &c, 1) != 0)
		die("end");
}

static void run_echo(struct echo *e)
{
	while (e->left_to_get) {
		struct pollfd p = { .fd = e->fd, .events = POLLIN };

		if (e->left_to_send)
			p.events |= POLLOUT;
		errno = ETIMEDOUT; /* if poll() says so */
		if (poll(&p, 1, PATIENT) != 1)
			die("poll");
		if (p.revents & POLLOUT)
			send_some(e);
		if (p.revents & ~POLLOUT)
			get_some(e);
	}
	expect_end(e);
}

static int echo(const char *address, int nr, uint64_t bytes)
{
	static struct echo e;
	int status, bad = 0;

	for (int i = 0; i < nr; i++) {
		if (fork())
			continue;
		e.left_to_send = bytes;
		e.left_to_get = bytes;
		e.out.seed = (uint64_t)i << 40;
		e.in = e.out;
		e.fd = connect_to(address);
		if (e.fd < 0)
			die(address);
		run_echo(&e);
		exit(0);
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad ? 1 : 0;
}

/* Servers */

static void send_back(int fd)
{
	static char buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t done = 0, m; done < n; done += m) {
			m = send(fd, buf + done, (size_t)(n - done),
				 MSG_NOSIGNAL);
			if (m < 0)
				die("send back");
		}
	if (n < 0)
		die("receive to send back");
}

static void serve(const char *address)
{
	int fd, listener = listen_at(address);
	pid_t child;

	signal(SIGCHLD, SIG_IGN);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		child = fork();
		if (!child) {
			close(listener);
			send_back(fd);
			exit(0);
		}
		if (child < 0)
			die("fork");
		close(fd);
	}
	die("accept");
}

static void stall(const char *address)
{
	int listener = listen_at(address);

	while (accept(listener, NULL, NULL) >= 0)
		;
	die("accept");
}

/* Clients */

static int refused(const char *address)
{
	int fd = connect_to(address);

	if (fd < 0)
		return 0;
	fprintf(stderr, "stream: %s: somebody is there\n", address);
	return 1;
}

static int push(const char *address)
{
	static char buf[CHUNK];
	int fd = connect_to(address);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t sum = 0;
	ssize_t n;

	if (fd < 0)
		die(address);
	while (poll(&p, 1, 2000) == 1) {
		n = send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			die("send");
		sum += n > 0 ? (uint64_t)n : 0;
	}
	printf("pushed=%llu\n", (unsigned long long)sum);
	return 0;
}

static int leave(const char *address, uint64_t bytes)
{
	static char buf[CHUNK];
	int fd = connect_to(address);

	if (fd < 0)
		die(address);
	while (bytes) {
		size_t len = bytes < CHUNK ? bytes : CHUNK;
		ssize_t n = write(fd, buf, len);

		if (n < 0)
			die("write");
		bytes -= (uint64_t)n;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "", *address = argv[2];

	if (strcmp(what, "serve") == 0)
		serve(address);
	if (strcmp(what, "stall") == 0)
		stall(address);
	if (strcmp(what, "refused") == 0)
		return refused(address);
	if (strcmp(what, "push") == 0)
		return push(address);
	if (strcmp(what, "leave") == 0 && argc == 4)
		return leave(address, strtoull(argv[3], NULL, 10));
	if (strcmp(what, "echo") == 0 && argc == 5)
		return echo(address, (int)strtoul(argv[3], NULL, 10),
			    strtoull(argv[4], NULL, 10));
	fprintf(stderr, "usage: stream serve|stall|refused|push ADDRESS\n"
			"       stream leave ADDRESS BYTES\n"
			"       stream echo ADDRESS N BYTES\n");
	return 2;
}
