/* SPDX-License-Identifier: MIT */
/*
 * thread.h - pthreads with 0 or -errno, and a name for each thread.
 */
#ifndef MINIVMM_BASE_THREAD_H
#define MINIVMM_BASE_THREAD_H

#include <pthread.h>

/*
 * Start a thread that runs fn(arg) with every signal blocked but those that
 * a debugger needs: signals belong to the main thread, an engine opens the
 * one that it kicks with. @name shows in ps and gdb; 15 bytes are kept.
 * 0 or -errno.
 */
int thread_start(pthread_t *out, const char *name, void *(*fn)(void *),
		 void *arg);

/* Wait for the end of a thread started above. */
void thread_join(pthread_t t);

#endif
