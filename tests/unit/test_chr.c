// SPDX-License-Identifier: MIT
/*
 * test_chr.c - streams of bytes on the host: the loop has a thread of its
 * own, and the test is the client.
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "virtio/backend/chr.h"

#define WAIT_MS 5000
#define BIG	(1u << 20)

/* An owner that keeps what it is given, up to a limit. */
struct fixture {
	struct loop *loop;
	struct chr *chr;
	pthread_t thread;
	char dir[32], path[64];

	pthread_mutex_t lock;
	uint8_t got[2 * BIG];
	atomic_size_t nr_got, limit;
	atomic_uint nr_opened, nr_closed;
	atomic_bool open;
	uint16_t columns, rows;

	/* Sent on the loop, as fast as it goes out. */
	struct loop_task task;
	const uint8_t *out;
	atomic_size_t out_len, out_sent;
	bool out_wanted;
};

static size_t on_input(void *ctx, const uint8_t *buf, size_t len)
{
	struct fixture *f = ctx;

	pthread_mutex_lock(&f->lock);
	len = min_u64(len, f->limit - f->nr_got);
	memcpy(f->got + f->nr_got, buf, len);
	f->nr_got += len;
	pthread_mutex_unlock(&f->lock);
	return len;
}

static void on_opened(void *ctx, bool open)
{
	struct fixture *f = ctx;

	pthread_mutex_lock(&f->lock);
	assert_true(f->open != open);
	f->open = open;
	f->nr_opened += open;
	f->nr_closed += !open;
	pthread_mutex_unlock(&f->lock);
}

static void on_resized(void *ctx, uint16_t columns, uint16_t rows)
{
	struct fixture *f = ctx;

	f->columns = columns;
	f->rows = rows;
}

static void send_rest(struct fixture *f)
{
	size_t n;

	pthread_mutex_lock(&f->lock);
	n = chr_send(f->chr, f->out + f->out_sent, f->out_len - f->out_sent);
	f->out_sent += n;
	pthread_mutex_unlock(&f->lock);
}

static void on_task(struct loop_task *t)
{
	send_rest(container_of(t, struct fixture, task));
}

static void on_writable(void *ctx)
{
	struct fixture *f = ctx;

	assert_true(f->out_sent < f->out_len);
	send_rest(f);
}

static const struct chr_events events = {
	.input = on_input,
	.writable = on_writable,
	.opened = on_opened,
	.resized = on_resized,
};

static enum loop_kind kinds[] = { LOOP_AUTO, LOOP_POLL };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	enum loop_kind kind = *(enum loop_kind *)*state;

	if (!f || loop_create(&f->loop, kind, 8))
		return -1;
	pthread_mutex_init(&f->lock, NULL);
	f->limit = sizeof(f->got);
	f->task.fn = on_task;
	strcpy(f->dir, "/tmp/test-chr-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	log_set_level(LOG_LEVEL_ERR);
	*state = f;
	return 0;
}

static void *run_loop(void *arg)
{
	assert_int_equal(loop_run(arg), 0);
	return NULL;
}

static void start(struct fixture *f)
{
	struct chr_events ev = events;

	ev.ctx = f;
	chr_attach(f->chr, &ev);
	chr_start(f->chr);
	assert_int_equal(thread_start(&f->thread, "loop", run_loop, f->loop),
			 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->thread) {
		loop_stop(f->loop);
		thread_join(f->thread);
	}
	loop_drain(f->loop);
	chr_destroy(f->chr);
	loop_destroy(f->loop);
	/* Its socket is removed by itself. */
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void open_stream(struct fixture *f, const struct chr_socket_params *p)
{
	char why[256];

	assert_int_equal(chr_open_socket(&f->chr, f->loop, p, why, sizeof(why)),
			 0);
	start(f);
}

static void open_unix(struct fixture *f, bool keep_all)
{
	const struct chr_socket_params p = { .path = f->path,
					     .keep_all = keep_all };

	open_stream(f, &p);
	assert_string_equal(chr_address(f->chr), f->path);
}

static void open_pty(struct fixture *f)
{
	char why[256];

	assert_int_equal(
		chr_open_pty(&f->chr, f->loop, false, why, sizeof(why)), 0);
	start(f);
}

/* Clients */

static int connect_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(connect(fd, (void *)&a, sizeof(a)), 0);
	return fd;
}

static int connect_tcp(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_memory_equal(address, "127.0.0.1:", 10);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)strtoul(address + 10, NULL, 10));
	assert_int_not_equal(a.sin_port, 0);
	assert_int_equal(connect(fd, (void *)&a, sizeof(a)), 0);
	return fd;
}

static int open_slave(struct fixture *f)
{
	int fd = open(chr_address(f->chr), O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* Exactly @len bytes, or what came before the end or @ms of silence. */
static size_t read_some(int fd, void *buf, size_t len, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t done = 0;
	ssize_t n;

	while (done < len && poll(&p, 1, ms) == 1) {
		n = read(fd, (char *)buf + done, len - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static void hears(int fd, const char *text)
{
	char buf[256] = "";

	assert_true(strlen(text) < sizeof(buf));
	read_some(fd, buf, strlen(text), WAIT_MS);
	assert_string_equal(buf, text);
}

static bool until(struct fixture *f, bool (*done)(struct fixture *f))
{
	for (int i = 0; i < WAIT_MS; i++) {
		bool yes;

		pthread_mutex_lock(&f->lock);
		yes = done(f);
		pthread_mutex_unlock(&f->lock);
		if (yes)
			return true;
		usleep(1000);
	}
	return false;
}

static bool is_open(struct fixture *f)
{
	return f->open;
}

static bool is_closed(struct fixture *f)
{
	return !f->open;
}

static bool all_sent(struct fixture *f)
{
	return f->out_sent == f->out_len;
}

static bool at_limit(struct fixture *f)
{
	return f->nr_got == f->limit;
}

static void owner_hears(struct fixture *f, const char *text)
{
	f->limit = strlen(text);
	chr_resume(f->chr);
	assert_true(until(f, at_limit));
	assert_memory_equal(f->got, text, strlen(text));
	f->nr_got = 0;
}

static void owner_sends(struct fixture *f, const void *buf, size_t len)
{
	f->out = buf;
	f->out_len = len;
	f->out_sent = 0;
	loop_post(f->loop, &f->task);
}

static uint8_t *make_pattern(size_t len)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	return p;
}

/* Both directions */

static void talk(struct fixture *f, int fd)
{
	chr_write(f->chr, "hello", 5);
	hears(fd, "hello");
	say(fd, "and back");
	owner_hears(f, "and back");
	chr_write(f->chr, "again", 5);
	hears(fd, "again");
}

static void a_unix_client_talks_both_ways(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_unix(f, false);
	fd = connect_unix(f->path);
	talk(f, fd);
	close(fd);
	assert_true(until(f, is_closed));
}

static void a_tcp_client_talks_both_ways(void **state)
{
	const struct chr_socket_params p = { .host = "127.0.0.1" };
	struct fixture *f = *state;
	int fd;

	open_stream(f, &p);
	fd = connect_tcp(chr_address(f->chr));
	talk(f, fd);
	close(fd);
}

static void ipv6_has_brackets_in_its_address(void **state)
{
	const struct chr_socket_params p = { .host = "::1" };
	struct fixture *f = *state;
	char why[256];

	if (chr_open_socket(&f->chr, f->loop, &p, why, sizeof(why)))
		skip(); /* no IPv6 on this host */
	assert_memory_equal(chr_address(f->chr), "[::1]:", 6);
	start(f);
}

static void a_terminal_talks_both_ways(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_pty(f);
	fd = open_slave(f);
	talk(f, fd);
	close(fd);
	assert_true(until(f, is_closed));
}

static void a_terminal_is_raw_for_each_client(void **state)
{
	struct fixture *f = *state;
	struct termios t;

	open_pty(f);
	for (int i = 0; i < 2; i++) {
		int fd = open_slave(f);

		assert_int_equal(tcgetattr(fd, &t), 0);
		assert_int_equal(t.c_lflag & (ICANON | ECHO), 0);
		assert_int_equal(t.c_oflag & OPOST, 0);
		assert_true(until(f, is_open));
		close(fd);
		assert_true(until(f, is_closed));
	}
	assert_int_equal(f->nr_opened, 2);
}

/* History */

static void a_late_client_gets_the_recent_output(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_unix(f, false);
	chr_write(f->chr, "booting\n", 8);
	chr_write(f->chr, "login: ", 7);
	for (int i = 0; i < 2; i++) {
		fd = connect_unix(f->path);
		hears(fd, "booting\nlogin: ");
		close(fd);
		assert_true(until(f, is_closed));
	}
}

static void a_late_terminal_gets_the_recent_output(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_pty(f);
	chr_write(f->chr, "login: ", 7);
	for (int i = 0; i < 2; i++) {
		fd = open_slave(f);
		hears(fd, "login: ");
		close(fd);
		assert_true(until(f, is_closed));
	}
}

static void what_a_terminal_left_unread_is_not_told_twice(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_pty(f);
	fd = open_slave(f);
	assert_true(until(f, is_open));
	chr_write(f->chr, "once", 4);
	usleep(20000);
	close(fd);
	assert_true(until(f, is_closed));
	fd = open_slave(f);
	chr_write(f->chr, "!", 1);
	hears(fd, "once!");
	assert_int_equal(read_some(fd, (char[4]){ 0 }, 4, 100), 0);
	close(fd);
}

static void history_keeps_the_last_of_much_output(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG), *got = malloc(BIG);
	int fd;

	open_unix(f, false);
	for (size_t at = 0; at < BIG; at += 1000)
		chr_write(f->chr, all + at, min_u64(1000, BIG - at));
	fd = connect_unix(f->path);
	assert_int_equal(read_some(fd, got, BIG, 200), CHR_HISTORY);
	assert_memory_equal(got, all + BIG - CHR_HISTORY, CHR_HISTORY);
	close(fd);
	free(all);
	free(got);
}

static void a_client_that_reads_nothing_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG);
	int fd, next;
	size_t n;

	open_unix(f, false);
	fd = connect_unix(f->path);
	assert_true(until(f, is_open));
	for (int i = 0; i < 4; i++)
		chr_write(f->chr, all, BIG);
	owner_sends(f, all, BIG);
	assert_true(until(f, all_sent));
	/* It can still type. */
	say(fd, "stuck");
	owner_hears(f, "stuck");
	close(fd);
	next = connect_unix(f->path);
	chr_write(f->chr, "alive", 5);
	n = read_some(next, all, BIG, 200);
	assert_true(n >= CHR_HISTORY);
	assert_memory_equal(all + n - 5, "alive", 5);
	close(next);
	free(all);
}

/* Pipes */

static void keep_all_loses_nothing_to_a_slow_client(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG), *got = malloc(BIG);
	size_t done = 0;
	int fd;

	open_unix(f, true);
	fd = connect_unix(f->path);
	owner_sends(f, all, BIG);
	usleep(50000);
	assert_true(f->out_sent < BIG); /* somebody has to read */
	while (done < BIG) {
		size_t n = read_some(fd, got + done, min_u64(9999, BIG - done),
				     WAIT_MS);

		assert_true(n > 0);
		done += n;
	}
	assert_memory_equal(got, all, BIG);
	close(fd);
	free(all);
	free(got);
}

static void keep_all_tells_each_byte_to_one_client(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_unix(f, true);
	owner_sends(f, "early ", 6);
	assert_true(until(f, all_sent));
	fd = connect_unix(f->path);
	hears(fd, "early ");
	close(fd);
	assert_true(until(f, is_closed));
	fd = connect_unix(f->path);
	owner_sends(f, "new", 3);
	hears(fd, "new");
	close(fd);
}

static void keep_all_goes_on_when_its_client_dies(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG), *got = malloc(BIG);
	char word[5] = "";
	int fd;

	open_unix(f, true);
	fd = connect_unix(f->path);
	owner_sends(f, all, BIG);
	usleep(20000);
	assert_true(f->out_sent < BIG);
	close(fd);
	/* What the dead one had not read goes with it, until all is full. */
	assert_true(until(f, is_closed));
	fd = connect_unix(f->path);
	while (read_some(fd, got, BIG, 100))
		;
	assert_true(until(f, all_sent));
	owner_sends(f, "next", 4);
	read_some(fd, word, 4, WAIT_MS);
	assert_string_equal(word, "next");
	close(fd);
	free(all);
	free(got);
}

/* Input */

static void input_waits_until_it_is_taken(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG);
	size_t sent = 0;
	int fd;

	open_unix(f, false);
	f->limit = 0;
	fd = connect_unix(f->path);
	fd_set_nonblock(fd);
	for (int idle = 0; idle < 20; idle++) {
		ssize_t n = write(fd, all + sent, BIG - sent);

		sent += n > 0 ? (size_t)n : 0;
		usleep(1000);
	}
	assert_true(sent < BIG);
	assert_int_equal(f->nr_got, 0);
	close(fd); /* and what it had sent comes all the same */
	usleep(20000);
	assert_true(f->open);
	f->limit = sent;
	chr_resume(f->chr);
	assert_true(until(f, at_limit));
	assert_memory_equal(f->got, all, sent);
	assert_true(until(f, is_closed));
	free(all);
}

static void input_in_small_bites_stays_in_order(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(20000);
	int fd;

	open_unix(f, false);
	f->limit = 0;
	fd = connect_unix(f->path);
	assert_int_equal(fd_write_all(fd, all, 20000), 0);
	while (f->limit < 20000) {
		f->limit += 1250;
		chr_resume(f->chr);
		assert_true(until(f, at_limit));
	}
	assert_memory_equal(f->got, all, 20000);
	close(fd);
	free(all);
}

/* Clients that come and go */

static void the_next_client_waits_for_the_first_to_go(void **state)
{
	struct fixture *f = *state;
	int one, two;

	open_unix(f, false);
	one = connect_unix(f->path);
	assert_true(until(f, is_open));
	two = connect_unix(f->path);
	chr_write(f->chr, "x", 1);
	hears(one, "x");
	assert_int_equal(read_some(two, (char[1]){ 0 }, 1, 50), 0);
	close(one);
	hears(two, "x");
	assert_int_equal(f->nr_opened, 2);
	close(two);
}

static void half_a_client_still_gets_output(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_unix(f, false);
	fd = connect_unix(f->path);
	say(fd, "question");
	shutdown(fd, SHUT_WR);
	owner_hears(f, "question");
	chr_write(f->chr, "answer", 6);
	hears(fd, "answer");
	assert_true(f->open);
	close(fd);
	assert_true(until(f, is_closed));
}

static void half_a_client_makes_way_for_the_next(void **state)
{
	const struct chr_socket_params p = { .host = "127.0.0.1" };
	struct fixture *f = *state;
	int one, two;

	open_stream(f, &p);
	one = connect_tcp(chr_address(f->chr));
	assert_true(until(f, is_open));
	shutdown(one, SHUT_WR);
	two = connect_tcp(chr_address(f->chr));
	chr_write(f->chr, "for two", 7);
	hears(two, "for two");
	assert_int_equal(read_some(one, (char[9]){ 0 }, 9, WAIT_MS) % 7, 0);
	close(one);
	close(two);
}

static void the_next_client_waits_for_the_input_of_the_first(void **state)
{
	struct fixture *f = *state;
	int one, two;

	open_unix(f, false);
	f->limit = 0;
	one = connect_unix(f->path);
	say(one, "first,");
	close(one);
	two = connect_unix(f->path);
	say(two, "second");
	usleep(100000);
	owner_hears(f, "first,");
	owner_hears(f, "second");
	close(two);
}

static void input_that_is_never_taken_is_given_up(void **state)
{
	struct fixture *f = *state;
	int one, two;

	open_unix(f, false);
	f->limit = 0;
	one = connect_unix(f->path);
	say(one, "lost");
	close(one);
	two = connect_unix(f->path);
	chr_write(f->chr, "crashed", 7);
	hears(two, "crashed");
	close(two);
}

static void clients_may_come_and_go_quickly(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_unix(f, false);
	for (int i = 0; i < 200; i++) {
		fd = connect_unix(f->path);
		if (i % 3)
			say(fd, "bye");
		if (i % 2)
			chr_write(f->chr, "hm", 2);
		close(fd);
	}
	fd = connect_unix(f->path);
	chr_write(f->chr, "z", 1);
	hears(fd, "hmhmhmhm");
	close(fd);
}

static void clients_that_reset_end_nothing(void **state)
{
	const struct chr_socket_params p = { .host = "127.0.0.1" };
	static const struct linger now = { 1, 0 };
	struct fixture *f = *state;
	int fd;

	open_stream(f, &p);
	for (int i = 0; i < 20; i++) {
		fd = connect_tcp(chr_address(f->chr));
		chr_write(f->chr, "output", 6);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
	assert_true(until(f, is_closed));
	fd = connect_tcp(chr_address(f->chr));
	hears(fd, "output");
	close(fd);
}

static void a_script_on_a_terminal_may_be_quick(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_pty(f);
	fd = open_slave(f);
	say(fd, "one line\n");
	close(fd);
	owner_hears(f, "one line\n");
	assert_true(until(f, is_closed));
}

/* Addresses */

static void refuses(struct fixture *f, const struct chr_socket_params *p,
		    int err, const char *text)
{
	char why[256];

	assert_int_equal(chr_open_socket(&f->chr, f->loop, p, why, sizeof(why)),
			 err);
	assert_null(f->chr);
	if (!strstr(why, text))
		fail_msg("'%s' does not say '%s'", why, text);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, f->path);
	assert_int_equal(bind(fd, (void *)&a, sizeof(a)), 0);
	close(fd);
	open_unix(f, false);
	fd = connect_unix(f->path);
	talk(f, fd);
	close(fd);
}

static void a_live_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	const struct chr_socket_params p = { .path = f->path };
	struct chr *first;
	char why[256];

	assert_int_equal(chr_open_socket(&first, f->loop, &p, why, sizeof(why)),
			 0);
	refuses(f, &p, -EADDRINUSE, "is in use by another program");
	close(connect_unix(f->path));
	chr_destroy(first);
	assert_int_equal(access(f->path, F_OK), -1);
}

static void a_file_is_no_socket(void **state)
{
	struct fixture *f = *state;
	const struct chr_socket_params p = { .path = f->path };

	close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refuses(f, &p, -EEXIST, "is there, and no socket");
	assert_int_equal(unlink(f->path), 0);
}

static void another_socket_in_our_place_is_left_alone(void **state)
{
	struct fixture *f = *state;

	open_unix(f, false);
	assert_int_equal(unlink(f->path), 0);
	close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	loop_stop(f->loop);
	thread_join(f->thread);
	f->thread = 0;
	loop_drain(f->loop);
	chr_destroy(f->chr);
	f->chr = NULL;
	assert_int_equal(unlink(f->path), 0);
}

static void bad_addresses_are_refused(void **state)
{
	struct fixture *f = *state;
	char path[200];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	refuses(f, &(struct chr_socket_params){ .path = path }, -ENAMETOOLONG,
		"expected a path of at most 107 bytes");
	refuses(f, &(struct chr_socket_params){ .path = "/nowhere/s" }, -ENOENT,
		"/nowhere/s: No such file");
	refuses(f, &(struct chr_socket_params){ .host = "example.org" },
		-EINVAL, "expected an address in numbers");
	refuses(f, &(struct chr_socket_params){ .host = "192.0.2.1" },
		-EADDRNOTAVAIL, "192.0.2.1 port 0: ");
}

static void a_port_in_use_is_refused(void **state)
{
	struct fixture *f = *state;
	struct chr_socket_params p = { .host = "127.0.0.1" };
	struct chr *first;
	char why[256];

	assert_int_equal(chr_open_socket(&first, f->loop, &p, why, sizeof(why)),
			 0);
	p.port = (uint16_t)strtoul(strchr(chr_address(first), ':') + 1, NULL,
				   10);
	refuses(f, &p, -EADDRINUSE, "Address already in use");
	chr_destroy(first);
}

/* Descriptors */

static void open_fds(struct fixture *f, int in, int out)
{
	const struct chr_fd_params p = { .in_fd = in, .out_fd = out };

	assert_int_equal(chr_open_fd(&f->chr, f->loop, &p), 0);
	start(f);
}

static void descriptors_are_read_and_written(void **state)
{
	struct fixture *f = *state;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	open_fds(f, in[0], out[1]);
	assert_true(f->open);
	say(in[1], "typed");
	owner_hears(f, "typed");
	chr_write(f->chr, "shown", 5);
	hears(out[0], "shown");
	owner_sends(f, "sent", 4);
	hears(out[0], "sent");
	teardown(state);
	*state = NULL;
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
}

static int teardown_once(void **state)
{
	return *state ? teardown(state) : 0;
}

static void what_is_sent_waits_for_the_reader(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG), *got = malloc(BIG);
	int out[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	open_fds(f, -1, out[1]);
	owner_sends(f, all, BIG);
	usleep(20000);
	assert_true(f->out_sent < BIG);
	assert_int_equal(read_some(out[0], got, BIG, WAIT_MS), BIG);
	assert_memory_equal(got, all, BIG);
	assert_true(until(f, all_sent));
	/* A reader that stops for good does not hold up the end. */
	owner_sends(f, all, BIG);
	usleep(20000);
	teardown(state);
	*state = NULL;
	close(out[0]);
	close(out[1]);
	free(all);
	free(got);
}

static void a_stuck_terminal_does_not_hold_up_the_end(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG);
	int master, slave;

	/* Blocking, as a terminal that we are started on. */
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	open_fds(f, -1, slave);
	owner_sends(f, all, BIG);
	usleep(50000);
	assert_true(f->out_sent < BIG);
	teardown(state);
	*state = NULL;
	close(master);
	close(slave);
	free(all);
}

static void without_descriptors_output_is_dropped(void **state)
{
	struct fixture *f = *state;
	uint8_t *all = make_pattern(BIG);

	open_fds(f, -1, -1);
	assert_false(f->open);
	chr_write(f->chr, all, BIG);
	owner_sends(f, all, BIG);
	assert_true(until(f, all_sent));
	free(all);
}

static size_t take_x(void *ctx, uint8_t *buf, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++)
		if (buf[i] == 'x')
			(*(atomic_uint *)ctx)++;
		else
			buf[kept++] = buf[i];
	return kept;
}

static void a_filter_sees_keys_behind_those_that_wait(void **state)
{
	struct fixture *f = *state;
	struct chr_fd_params p = { .out_fd = -1, .filter = take_x };
	uint8_t *all = make_pattern(20000);
	atomic_uint seen = 0;
	int in[2];

	memset(all, 'a', 20000);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	p.in_fd = in[0];
	p.ctx = &seen;
	assert_int_equal(chr_open_fd(&f->chr, f->loop, &p), 0);
	f->limit = 0;
	start(f);
	assert_int_equal(fd_write_all(in[1], all, 20000), 0);
	say(in[1], "x");
	for (int i = 0; i < WAIT_MS && !seen; i++)
		usleep(1000);
	assert_int_equal(seen, 1);
	f->limit = CHR_INPUT_MAX; /* what is left of all that */
	chr_resume(f->chr);
	assert_true(until(f, at_limit));
	teardown(state);
	*state = NULL;
	close(in[0]);
	close(in[1]);
	free(all);
}

static void sizes_are_told_when_they_change(void **state)
{
	struct fixture *f = *state;

	open_fds(f, -1, -1);
	chr_resize(f->chr, 80, 25);
	assert_int_equal(f->columns, 80);
	assert_int_equal(f->rows, 25);
	f->rows = 0;
	chr_resize(f->chr, 80, 25);
	assert_int_equal(f->rows, 0);
}

#define ON(f, k, name)                                               \
	{                                                            \
#f " with " name, f, setup, teardown_once, &kinds[k] \
	}
#define BOTH(f) ON(f, 0, "io_uring"), ON(f, 1, "poll")

static const struct CMUnitTest tests[] = {
	BOTH(a_unix_client_talks_both_ways),
	BOTH(a_tcp_client_talks_both_ways),
	ON(ipv6_has_brackets_in_its_address, 1, "poll"),
	BOTH(a_terminal_talks_both_ways),
	BOTH(a_terminal_is_raw_for_each_client),
	BOTH(a_late_client_gets_the_recent_output),
	BOTH(a_late_terminal_gets_the_recent_output),
	BOTH(what_a_terminal_left_unread_is_not_told_twice),
	BOTH(history_keeps_the_last_of_much_output),
	BOTH(a_client_that_reads_nothing_holds_up_nobody),
	BOTH(keep_all_loses_nothing_to_a_slow_client),
	BOTH(keep_all_tells_each_byte_to_one_client),
	BOTH(keep_all_goes_on_when_its_client_dies),
	BOTH(input_waits_until_it_is_taken),
	BOTH(input_in_small_bites_stays_in_order),
	BOTH(the_next_client_waits_for_the_first_to_go),
	BOTH(half_a_client_still_gets_output),
	BOTH(half_a_client_makes_way_for_the_next),
	BOTH(the_next_client_waits_for_the_input_of_the_first),
	BOTH(input_that_is_never_taken_is_given_up),
	BOTH(clients_may_come_and_go_quickly),
	BOTH(clients_that_reset_end_nothing),
	BOTH(a_script_on_a_terminal_may_be_quick),
	BOTH(a_stale_socket_is_replaced),
	BOTH(a_live_socket_is_left_alone),
	BOTH(a_file_is_no_socket),
	BOTH(another_socket_in_our_place_is_left_alone),
	BOTH(bad_addresses_are_refused),
	BOTH(a_port_in_use_is_refused),
	BOTH(descriptors_are_read_and_written),
	BOTH(what_is_sent_waits_for_the_reader),
	BOTH(a_stuck_terminal_does_not_hold_up_the_end),
	BOTH(without_descriptors_output_is_dropped),
	BOTH(a_filter_sees_keys_behind_those_that_wait),
	BOTH(sizes_are_told_when_they_change),
};

UNIT_MAIN(tests)
