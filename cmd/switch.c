// SPDX-License-Identifier: MIT
/*
 * switch.c - `minivmm switch`: one process that connects the network adapters
 * of machines with each other and with one uplink.
 */
#include "cmd/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include "base/checked.h"
#include "base/fd.h"
#include "base/fd_unix.h"
#include "base/log.h"
#include "cmd/nets.h"
#include "cmd/status.h"
#include "virtio/backend/net.h"
#include "virtio/switch/switch.h"

#define LOOP_DEPTH 256

struct switch_run {
	const struct switch_options *o;
	struct loop *loop;
	struct vm_config config; /* of the uplink: a network adapter's */
	struct net_backend *uplink;
	struct fd_unix listener;
	struct switch_server *server;
	int signal_fd;
	struct loop_op signal;
	struct signalfd_siginfo siginfo;
};

/* Signals */

static void on_signal(struct loop_op *op, int res)
{
	struct switch_run *r = container_of(op, struct switch_run, signal);

	(void)res;
	log_info("switch: signal %u: ending", r->siginfo.ssi_signo);
	loop_stop(r->loop);
}

static int catch_signals(struct switch_run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0)
		return status_fail("switch: signalfd: %s", strerror(errno));
	r->signal = (struct loop_op){ .name = "signal", .done = on_signal };
	loop_read(r->loop, &r->signal, r->signal_fd, &r->siginfo,
		  sizeof(r->siginfo), -1);
	return 0;
}

/* Parts; each returns 0 or the exit status, and has said why. */

static int create_loop(struct switch_run *r)
{
	int err = loop_create(&r->loop, r->o->io, LOOP_DEPTH);

	if (err)
		return status_fail("switch: the event loop: %s",
				   strerror(-err));
	return 0;
}

static int open_uplink(struct switch_run *r)
{
	struct config_error e;
	char why[384];

	if (!r->o->uplink)
		return 0;
	if (config_init(&r->config))
		return status_fail("switch: out of memory");
	if (config_set_option(&r->config, "net", r->o->uplink, &e))
		return status_fail("switch: --uplink: %s", e.text);
	if (nets_open(&r->uplink, &r->config.nets[0], "switch", r->loop, why,
		      sizeof(why)))
		return status_fail("switch: --uplink %s: %s", r->o->uplink,
				   why);
	return 0;
}

static int open_socket(struct switch_run *r)
{
	const char *path = r->o->listen;
	int err = switch_listen(&r->listener, path);

	switch (-err) {
	case 0:
		return 0;
	case EADDRINUSE:
		return status_fail("%s: a switch is running there already",
				   path);
	case EEXIST:
		return status_fail("%s: there is a file, and it is no socket",
				   path);
	default:
		return status_fail("%s: %s", path, strerror(-err));
	}
}

static int create_server(struct switch_run *r)
{
	struct switch_server_params p = {
		.loop = r->loop,
		.listen_fd = r->listener.fd,
		.uplink = r->uplink,
		.core = {
			.isolate = r->o->isolate,
			.age_s = r->o->age_s,
			.flood_rate = r->o->flood_rate,
		},
	};
	int err = 0;

	if (getrandom(&p.core.key, sizeof(p.core.key), 0) !=
	    (ssize_t)sizeof(p.core.key))
		err = -EIO;
	if (!err)
		err = switch_server_create(&r->server, &p);
	if (err)
		return status_fail("switch: %s", strerror(-err));
	log_info("switch: listening at %s (%s)", r->o->listen,
		 loop_backend_name(r->loop));
	return 0;
}

static int run_loop(struct switch_run *r)
{
	int err = loop_run(r->loop);

	if (err)
		return status_fail("switch: the event loop: %s",
				   strerror(-err));
	return 0;
}

static int serve(const struct switch_options *o)
{
	static int (*const parts[])(struct switch_run *) = {
		create_loop, catch_signals, open_uplink,
		open_socket, create_server, run_loop,
	};
	struct switch_run r = { .o = o, .listener.fd = -1, .signal_fd = -1 };
	int status = 0;

	for (size_t i = 0; !status && i < ARRAY_SIZE(parts); i++)
		status = parts[i](&r);
	loop_drain(r.loop);
	switch_server_destroy(r.server);
	fd_unix_close(&r.listener);
	net_destroy(r.uplink);
	config_fini(&r.config);
	loop_destroy(r.loop);
	fd_close(&r.signal_fd);
	return status;
}

static int open_log(const struct switch_options *o, int *fd)
{
	if (o->verbose >= 2)
		log_set_level(LOG_LEVEL_DEBUG);
	else if (o->verbose || o->log_file)
		log_set_level(LOG_LEVEL_INFO);
	if (!o->log_file)
		return 0;
	*fd = open(o->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		   0666);
	if (*fd < 0)
		return status_fail("--log-file %s: %s", o->log_file,
				   strerror(errno));
	log_set_fd(*fd);
	return 0;
}

int cmd_switch(int argc, char **argv)
{
	struct switch_options o;
	struct config_error e;
	int status, log_fd = -1;

	(void)argc;
	if (switch_options_parse(&o, argv + 1, &e))
		return status_fail("%s", e.text);
	if (o.help) {
		switch_options_print_help();
		return 0;
	}
	if (o.stats)
		return switch_print_stats(o.stats);
	status = open_log(&o, &log_fd);
	if (!status)
		status = serve(&o);
	fd_close(&log_fd);
	return status;
}
