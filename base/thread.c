// SPDX-License-Identifier: MIT
/*
 * thread.c - pthreads with 0 or -errno, and a name for each thread.
 */
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

int thread_start(pthread_t *out, const char *name, void *(*fn)(void *),
		 void *arg)
{
	sigset_t all, old;
	char shown[16];
	int err;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGABRT);

	/* The new thread inherits the mask: no moment without it. */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(out, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;

	snprintf(shown, sizeof(shown), "%s", name);
	pthread_setname_np(*out, shown);
	return 0;
}

void thread_join(pthread_t t)
{
	pthread_join(t, NULL);
}
