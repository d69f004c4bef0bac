/* bell.c - a flag with a condition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/bell.h"
#include "bus/base/error.h"

#include <time.h>

void
bus_bell_init(bus_bell *bell, const bus_threads *threads)
{
    pthread_condattr_t monotonic;

    bell->threads = threads;
    bell->ringing = false;
    BUS_INVARIANT(pthread_mutex_init(&bell->lock, NULL) == 0);
    BUS_INVARIANT(pthread_condattr_init(&monotonic) == 0);
    BUS_INVARIANT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    BUS_INVARIANT(pthread_cond_init(&bell->rung, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

void
bus_bell_fini(bus_bell *bell)
{
    (void)pthread_cond_destroy(&bell->rung);
    (void)pthread_mutex_destroy(&bell->lock);
}

void
bus_bell_ring(void *context)
{
    bus_bell *bell = context;

    (void)pthread_mutex_lock(&bell->lock);
    bell->ringing = true;
    (void)pthread_cond_signal(&bell->rung);
    (void)pthread_mutex_unlock(&bell->lock);
}

static void
wait_simulated(bus_bell *bell, int timeout_ms)
{
    bell->threads->await(bell->threads->context, &bell->ringing, timeout_ms);
    bell->ringing = false;
}

void
bus_bell_wait(bus_bell *bell, int timeout_ms)
{
    struct timespec until;

    if (bell->threads != NULL) {
        wait_simulated(bell, timeout_ms);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&bell->lock);
    while (!bell->ringing)
        if (pthread_cond_timedwait(&bell->rung, &bell->lock, &until) != 0)
            break;
    bell->ringing = false;
    (void)pthread_mutex_unlock(&bell->lock);
}
