/* queue.c - a ring of pointers, a lock and a condition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/queue.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void
bus_queue_init(bus_queue *q, uint32_t room, bus_ready on_ready, void *context)
{
    pthread_condattr_t monotonic;

    *q = (bus_queue){.room = room, .on_ready = on_ready, .context = context};
    q->items = calloc(room, sizeof(*q->items));
    if (q->items == NULL)
        abort();
    BUS_INVARIANT(pthread_mutex_init(&q->lock, NULL) == 0);
    BUS_INVARIANT(pthread_condattr_init(&monotonic) == 0);
    BUS_INVARIANT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    BUS_INVARIANT(pthread_cond_init(&q->filled, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

void
bus_queue_fini(bus_queue *q)
{
    (void)pthread_cond_destroy(&q->filled);
    (void)pthread_mutex_destroy(&q->lock);
    free(q->items);
}

bool
bus_queue_push(bus_queue *q, void *item)
{
    bool fits;

    (void)pthread_mutex_lock(&q->lock);
    fits = q->count < q->room;
    if (fits) {
        q->items[(q->first + q->count) % q->room] = item;
        if (q->count++ == 0) {
            (void)pthread_cond_signal(&q->filled);
            if (q->on_ready != NULL)
                q->on_ready(q->context);
        }
    }
    (void)pthread_mutex_unlock(&q->lock);
    return fits;
}

/* Sleeps until something is there, somebody wakes us, or the time is up. Under the lock. */
static void
sleep_until_filled(bus_queue *q, int timeout_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (q->count == 0 && !q->woken)
        if (pthread_cond_timedwait(&q->filled, &q->lock, &until) != 0)
            break;
}

uint32_t
bus_queue_take(bus_queue *q, void *out, uint32_t max, int timeout_ms)
{
    uint32_t taken = 0;

    (void)pthread_mutex_lock(&q->lock);
    if (q->count == 0 && !q->woken && timeout_ms > 0)
        sleep_until_filled(q, timeout_ms);
    q->woken = false;
    while (taken < max && q->count > 0) {
        memcpy((char *)out + taken++ * sizeof(void *), &q->items[q->first], sizeof(void *));
        q->first = (q->first + 1) % q->room;
        q->count--;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return taken;
}

void
bus_queue_wake(bus_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->woken = true;
    (void)pthread_cond_signal(&q->filled);
    (void)pthread_mutex_unlock(&q->lock);
}
