// SPDX-License-Identifier: MIT
/*
 * run.c - `minivmm run`: configuration -> machine -> loop -> teardown -> exit
 * status.
 */
#include "cmd/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cmd/check.h"
#include "cmd/machine.h"
#include "cmd/machine_error.h"
#include "cmd/options.h"
#include "cmd/state_hash.h"
#include "cmd/status.h"

/* Log lines go to @path from now on; -1 when it cannot be opened. */
static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd >= 0)
		log_set_fd(fd);
	return fd;
}

/* A file bears a line more than a terminal: it names the engine unasked. */
static void set_log_level(const struct vm_config *cfg)
{
	if (cfg->verbose >= 2)
		log_set_level(LOG_LEVEL_DEBUG);
	else if (cfg->verbose == 1 || cfg->log_file)
		log_set_level(LOG_LEVEL_INFO);
}

/* Die of the signal that ended the machine, as whoever sent it expects. */
static int die_of(int sig)
{
	sigset_t set;

	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return STATUS_FAILED; /* not reached */
}

static int status_of(struct machine_result r, const struct vm_config *cfg)
{
	switch (r.end) {
	case MACHINE_POWEROFF:
	case MACHINE_QUIT:
		return 0;
	case MACHINE_EXIT:
		return r.value;
	case MACHINE_CRASH:
		return STATUS_CRASHED;
	case MACHINE_TIMEOUT:
		log_warn("the timeout of %u s expired", cfg->timeout);
		return STATUS_TIMEOUT;
	case MACHINE_SIGNAL:
		return die_of(r.value);
	case MACHINE_ERROR:
		break;
	}
	return STATUS_FAILED;
}

static int run_machine(const struct vm_config *cfg)
{
	struct config_error wrong;
	struct machine_result result;
	char hash[STATE_HASH_TEXT];
	struct machine_error e;
	struct machine *m;

	/* Past `ulimit -f` a write is to fail, not to kill: a guest makes it. */
	signal(SIGXFSZ, SIG_IGN);

	/* Before anything is opened for writing. */
	if (check_files(cfg, &wrong))
		return status_fail("%s", wrong.text);
	if (machine_create(&m, cfg, &e))
		return status_fail("%s", e.text);
	result = machine_run(m);
	if (cfg->state_hash && !machine_state_hash(m, hash))
		fprintf(stderr, "minivmm: state hash %s\n", hash);
	machine_destroy(m);
	return status_of(result, cfg);
}

int cmd_run(int argc, char **argv)
{
	struct options o;
	int log_fd = -1;
	int status;

	status = options_start(&o, OPTIONS_RUN, argc, argv);
	if (status >= 0)
		return status;

	set_log_level(&o.config);
	if (o.config.log_file)
		log_fd = open_log(o.config.log_file);
	if (o.config.log_file && log_fd < 0)
		status = status_fail("--log-file %s: %s", o.config.log_file,
				     strerror(errno));
	else
		status = run_machine(&o.config);
	options_fini(&o);
	fd_close(&log_fd);
	return status;
}
