// SPDX-License-Identifier: MIT
/*
 * test_fd_unix.c - UNIX sockets: new, left behind, in use, and gone.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fd_unix.h"

static char dir[32], path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/fd-unix-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void who_listens_can_be_reached_and_removes_its_file(void **state)
{
	struct fd_unix u;
	int fd;

	(void)state;
	assert_int_equal(fd_unix_listen(&u, path, SOCK_STREAM, 1), 0);
	fd = fd_unix_connect(path, SOCK_STREAM);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	fd_unix_close(&u);
	assert_int_equal(u.fd, -1);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fd_unix_connect(path, SOCK_STREAM), -ENOENT);
}

static void a_file_left_behind_is_replaced(void **state)
{
	struct fd_unix u;

	(void)state;
	assert_int_equal(fd_unix_listen(&u, path, SOCK_STREAM, 1), 0);
	fd_close(&u.fd);
	assert_int_equal(fd_unix_connect(path, SOCK_STREAM), -ECONNREFUSED);
	assert_int_equal(fd_unix_listen(&u, path, SOCK_STREAM, 1), 0);
	fd_unix_close(&u);
}

static void a_socket_in_use_is_left_alone(void **state)
{
	struct fd_unix u, other;

	(void)state;
	assert_int_equal(fd_unix_listen(&u, path, SOCK_STREAM, 1), 0);
	assert_int_equal(fd_unix_listen(&other, path, SOCK_STREAM, 1),
			 -EADDRINUSE);
	assert_int_equal(other.fd, -1);
	fd_unix_close(&other);
	assert_int_equal(fd_unix_listen(&other, path, SOCK_SEQPACKET, 1),
			 -EADDRINUSE);
	fd_unix_close(&u);
}

static void another_file_is_left_alone(void **state)
{
	struct fd_unix u;
	int fd = creat(path, 0600);

	(void)state;
	close(fd);
	assert_int_equal(fd_unix_listen(&u, path, SOCK_STREAM, 1), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_successor_keeps_its_file(void **state)
{
	struct fd_unix first, second;

	(void)state;
	assert_int_equal(fd_unix_listen(&first, path, SOCK_STREAM, 1), 0);
	unlink(path);
	assert_int_equal(fd_unix_listen(&second, path, SOCK_STREAM, 1), 0);
	fd_unix_close(&first);
	assert_int_equal(access(path, F_OK), 0);
	fd_unix_close(&second);
}

static void a_full_queue_says_so(void **state)
{
	struct fd_unix u;
	int fd[2], full;

	(void)state;
	assert_int_equal(fd_unix_listen(&u, path, SOCK_STREAM, 0), 0);
	fd[0] = fd_unix_connect(path, SOCK_STREAM);
	fd[1] = -1;
	full = fd_unix_connect(path, SOCK_STREAM);
	assert_int_equal(full, -EAGAIN);
	fd_close(&fd[0]);
	fd_unix_close(&u);
}

static void paths_that_do_not_fit_are_refused(void **state)
{
	char longer[FD_UNIX_PATH_MAX + 2];
	struct fd_unix u;

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(fd_unix_listen(&u, longer, SOCK_STREAM, 1),
			 -ENAMETOOLONG);
	assert_int_equal(fd_unix_connect(longer, SOCK_STREAM), -ENAMETOOLONG);
	assert_int_equal(fd_unix_listen(&u, "", SOCK_STREAM, 1), -ENOENT);
	assert_int_equal(fd_unix_listen(&u, "/nonexistent/s", SOCK_STREAM, 1),
			 -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(who_listens_can_be_reached_and_removes_its_file),
	TEST(a_file_left_behind_is_replaced),
	TEST(a_socket_in_use_is_left_alone),
	TEST(another_file_is_left_alone),
	TEST(a_successor_keeps_its_file),
	TEST(a_full_queue_says_so),
	TEST(paths_that_do_not_fit_are_refused),
};

UNIT_MAIN(tests)
