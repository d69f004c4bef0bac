/* thread.h - what the parts of a process run on, as an ops struct, so that a simulation can own it.
 *
 * Everywhere `threads` NULL means the system's: POSIX threads, with no call in between where it is
 * hot. Who simulates runs each part as it likes, and decides at every wait who goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_THREAD_H
#define BUS_BASE_THREAD_H

#include "bus/base/error.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct {
    void *context;
    /* Runs main(argument) beside the caller. NULL: there is no room for one more. */
    void *(*start)(void *context, void *(*main)(void *argument), void *argument);
    /* Waits until main has returned; the thread is no more. */
    void (*join)(void *context, void *thread);
    void (*sleep)(void *context, int ms);
    /* Sleeps until *flag, at most timeout_ms. */
    void (*await)(void *context, const bool *flag, int timeout_ms);
} bus_threads;

/* One that runs. Started and joined by the same owner. */
typedef struct {
    const bus_threads *threads;   /* NULL: the system's */
    void              *simulated; /* of threads */
    pthread_t          system;
} bus_thread;

/* False: there is no room for one more. Borrows threads until it is joined. */
BUS_CHECKED bool bus_thread_start(bus_thread *out, const bus_threads  *threads,
                                  void *(*main)(void *argument), void *argument);
void             bus_thread_join(bus_thread *thread);
void             bus_thread_sleep(const bus_threads *threads, int ms);

/* Names the calling thread "<kind> <of>" for top -H, gdb and perf; the system keeps 15 bytes. of:
 * mostly a domain; NULL: there is one of the kind. */
void bus_thread_name(const char *kind, const char *of);

#endif
