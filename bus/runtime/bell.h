/* bell.h - lets one thread sleep until any of several queues has something.
 * Threads: ring from any; wait from one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_BELL_H
#define BUS_RUNTIME_BELL_H

#include "bus/base/thread.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct {
    const bus_threads *threads; /* of who waits; NULL: the system's */
    pthread_mutex_t    lock;
    pthread_cond_t     rung;
    bool               ringing;
} bus_bell;

/* Borrows threads. */
void bus_bell_init(bus_bell *bell, const bus_threads *threads);
void bus_bell_fini(bus_bell *bell);
/* A bus_ready: context is the bell. */
void bus_bell_ring(void *bell);
/* Sleeps until rung since the last wait, at most timeout_ms. */
void bus_bell_wait(bus_bell *bell, int timeout_ms);

#endif
