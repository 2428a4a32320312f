// SPDX-License-Identifier: MIT
/*
 * net_passt_start.c - starts a passt process.
 *
 * How it works. passt gets one end of a pair of sockets as descriptor 3. It
 * opens its ports, forks, and the first process ends: with 0 when all is
 * ready, otherwise with something on stderr, which is a file in memory. What
 * stays has a session and namespaces of its own and is no child of ours, so
 * there is none to wait for later; it ends when the socket does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "virtio/backend/net_passt_int.h"

#define PROGRAM	    "passt"
#define SOCKET_FD   3
#define PATIENCE_MS 10000
#define MTU_DEFAULT 1500u
#define WORD_MAX    48 /* a rule of passt's: ADDRESS/PORT:PORT */

extern char **environ;

/* Its command line. */
struct command {
	char **argv; /* NULL at the end */
	size_t nr;
	char (*words)[WORD_MAX]; /* that were made for it */
	size_t nr_words;
};

static void push(struct command *c, const char *word)
{
	c->argv[c->nr++] = (char *)(uintptr_t)word;
	c->argv[c->nr] = NULL;
}

static char *new_word(struct command *c)
{
	return c->words[c->nr_words++];
}

static void push_number(struct command *c, unsigned int n)
{
	char *word = new_word(c);

	snprintf(word, WORD_MAX, "%u", n);
	push(c, word);
}

static void push_forward(struct command *c, const struct netb_forward *f)
{
	char addr[INET_ADDRSTRLEN + 1] = "";
	char *word = new_word(c);

	if (f->host.s_addr) {
		inet_ntop(AF_INET, &f->host, addr, sizeof(addr));
		strncat(addr, "/", sizeof(addr) - strlen(addr) - 1);
	}
	snprintf(word, WORD_MAX, "%s%u:%u", addr, f->host_port, f->guest_port);
	push(c, f->udp ? "-u" : "-t");
	push(c, word);
}

/* Ports of TCP are forwarded for UDP too, unless something is said of those. */
static bool has_udp(const struct netb_passt_params *p)
{
	for (size_t i = 0; i < p->nr_forwards; i++)
		if (p->forwards[i].udp)
			return true;
	return false;
}

static int command_init(struct command *c, const struct netb_passt_params *p)
{
	c->argv = calloc(16 + 2 * p->nr_forwards, sizeof(*c->argv));
	c->words = calloc(2 + p->nr_forwards, sizeof(*c->words));
	if (!c->argv || !c->words)
		return -ENOMEM;
	push(c, PROGRAM);
	push(c, "-q");
	push(c, "-F");
	push_number(c, SOCKET_FD);
	push(c, "-m");
	push_number(c, p->mtu ? p->mtu : MTU_DEFAULT);
	if (p->no_ipv6)
		push(c, "-4");
	if (!has_udp(p)) {
		push(c, "-u");
		push(c, "none");
	}
	for (size_t i = 0; i < p->nr_forwards; i++)
		push_forward(c, &p->forwards[i]);
	return 0;
}

static void command_fini(struct command *c)
{
	free(c->argv);
	free(c->words);
}

/* The process */

/* No signals of ours: it has other uses for them. */
static int init_attributes(posix_spawnattr_t *attr)
{
	sigset_t all, none;
	int err = posix_spawnattr_init(attr);

	if (err)
		return -err;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETSIGMASK);
	return 0;
}

/* Descriptors 0 to 3, and none of ours. */
static int init_files(posix_spawn_file_actions_t *files, int fd, int log)
{
	int err = posix_spawn_file_actions_init(files);

	if (err)
		return -err;
	err = posix_spawn_file_actions_adddup2(files, fd, SOCKET_FD);
	if (!err)
		err = posix_spawn_file_actions_addopen(files, 0, "/dev/null",
						       O_RDONLY, 0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(files, log, 1);
	if (!err)
		err = posix_spawn_file_actions_adddup2(files, log, 2);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(files,
							       SOCKET_FD + 1);
	if (err)
		posix_spawn_file_actions_destroy(files);
	return -err;
}

static int spawn(pid_t *pid, const struct command *c, int fd, int log)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	err = init_files(&files, fd, log);
	if (err)
		return err;
	err = init_attributes(&attr);
	if (!err) {
		err = -posix_spawnp(pid, PROGRAM, &files, &attr, c->argv,
				    environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&files);
	return err;
}

/* Its exit status, or -errno. */
static int wait_for(pid_t pid)
{
	struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int status = 0, n = 0, err;

	if (p.fd >= 0)
		n = poll(&p, 1, PATIENCE_MS);
	err = n > 0 ? 0 : n < 0 || p.fd < 0 ? -errno : -ETIMEDOUT;
	if (err)
		kill(pid, SIGKILL);
	fd_close(&p.fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err ? err : -errno;
	if (err)
		return err;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

/* The last line of @log that is about us and not about syslog. */
static void last_line(int log, char *line, size_t size)
{
	char text[4096], *at, *save = NULL;
	ssize_t n = fd_pread_all(log, text, sizeof(text) - 1, 0);

	line[0] = '\0';
	text[n > 0 ? n : 0] = '\0';
	for (at = strtok_r(text, "\n", &save); at;
	     at = strtok_r(NULL, "\n", &save))
		if (!strstr(at, "to syslog"))
			snprintf(line, size, "%s", at);
}

static int explain(int result, int log, char *why, size_t why_len)
{
	char line[256];

	last_line(log, line, sizeof(line));
	if (result == -ETIMEDOUT)
		snprintf(why, why_len, "passt is not ready after %u s",
			 PATIENCE_MS / 1000);
	else if (line[0])
		snprintf(why, why_len, "passt: %s", line);
	else if (result < 0)
		snprintf(why, why_len, "passt: %s", strerror(-result));
	else
		snprintf(why, why_len, "passt ended with status %d", result);
	return result < 0 ? result : -EIO;
}

static int run(const struct command *c, int fd, int log, char *why,
	       size_t why_len)
{
	pid_t pid;
	int err;

	err = spawn(&pid, c, fd, log);
	if (err == -ENOENT)
		snprintf(why, why_len,
			 "there is no passt in PATH (Debian: apt install "
			 "passt)");
	else if (err)
		snprintf(why, why_len, "passt: %s", strerror(-err));
	if (err)
		return err;
	err = wait_for(pid);
	return err ? explain(err, log, why, why_len) : 0;
}

int netb_passt_start(int *fd, const struct netb_passt_params *p, char *why,
		     size_t why_len)
{
	int pair[2] = { -1, -1 }, log = -1, err;
	struct command c = { 0 };

	err = command_init(&c, p);
	if (err)
		goto free_command;
	log = memfd_create("passt log", MFD_CLOEXEC);
	if (log < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		err = -errno;
		snprintf(why, why_len, "a socket for passt: %s",
			 strerror(-err));
		goto close_files;
	}
	err = run(&c, pair[1], log, why, why_len);
	if (!err) {
		*fd = pair[0];
		pair[0] = -1;
	}
close_files:
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	fd_close(&log);
free_command:
	command_fini(&c);
	return err;
}
