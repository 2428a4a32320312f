// SPDX-License-Identifier: MIT
/*
 * terminal.c - the raw mode of the user's terminal, undone on every exit.
 */
#include "cmd/terminal.h"

#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/log.h"

static struct termios saved;
static volatile sig_atomic_t is_raw;

/* What ends a process and is not taken by the loop. */
static const int deadly[] = {
	SIGABRT, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGSYS,
	SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU,
};

/* tcsetattr() is async-signal-safe; SA_RESETHAND lets the signal kill us. */
static void on_crash(int sig)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	raise(sig);
}

static void catch_crashes(void)
{
	struct sigaction sa = {
		.sa_handler = on_crash,
		.sa_flags = (int)SA_RESETHAND,
	};
	size_t i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < ARRAY_SIZE(deadly); i++)
		sigaction(deadly[i], &sa, NULL);
}

bool terminal_enter_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return false;
	/* A background job that changed the terminal would be stopped. */
	if (tcgetpgrp(STDIN_FILENO) != getpgrp())
		return false;

	raw = saved;
	cfmakeraw(&raw);
	catch_crashes();
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return false;
	is_raw = true;
	log_set_raw_terminal(true);
	return true;
}

void terminal_restore(void)
{
	if (!is_raw)
		return;
	is_raw = false;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	log_set_raw_terminal(false);
}
