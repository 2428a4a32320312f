// SPDX-License-Identifier: MIT
/*
 * test_fd.c - the helpers for file descriptors.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static bool is_null(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(1, 3);
}

/* In a child: close the files in @closed (a bit each), and fill them. */
static bool fills(unsigned int closed)
{
	bool ok;

	for (int fd = 0; fd < 3; fd++) {
		if (closed & 1u << fd)
			close(fd);
		else
			dup2(STDERR_FILENO, fd);
	}
	ok = !fd_fill_standard();
	for (int fd = 0; fd < 3; fd++)
		if (closed & 1u << fd)
			ok = ok && is_null(fd);
	/* Nothing else was left open: the next file is the next number. */
	return ok && open("/", O_RDONLY) > STDERR_FILENO;
}

static void fill_standard_opens_what_is_closed(void **state)
{
	int status;

	(void)state;
	for (unsigned int closed = 0; closed < 8; closed++) {
		pid_t pid = fork();

		if (!pid)
			_exit(fills(closed) ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void pread_stops_at_the_end_of_the_file(void **state)
{
	char name[] = "/tmp/minivmm-fd-XXXXXX", buf[8];
	int fd = mkstemp(name);

	(void)state;
	unlink(name);
	assert_int_equal(fd_write_all(fd, "hello", 5), 0);
	assert_int_equal(fd_pwrite_all(fd, "J", 1, 0), 0);
	assert_int_equal(fd_pread_all(fd, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "Jello", 5);
	assert_int_equal(fd_pread_all(fd, buf, sizeof(buf), 5), 0);
	fd_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fd_pread_all(fd, buf, sizeof(buf), 0), -EBADF);
	assert_int_equal(fd_write_all(fd, "x", 1), -EBADF);
	assert_int_equal(fd_pwrite_all(fd, "x", 1, 0), -EBADF);
	fd_close(&fd);
}

static void eventfd_counts_and_drains(void **state)
{
	int fd = fd_event_create();

	(void)state;
	assert_int_equal(fd_event_drain(fd), 0);
	fd_event_signal(fd);
	fd_event_signal(fd);
	assert_int_equal(fd_event_drain(fd), 2);
	assert_int_equal(fd_event_drain(fd), 0);
	fd_close(&fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(fill_standard_opens_what_is_closed),
	cmocka_unit_test(pread_stops_at_the_end_of_the_file),
	cmocka_unit_test(eventfd_counts_and_drains),
};

UNIT_MAIN(tests)
