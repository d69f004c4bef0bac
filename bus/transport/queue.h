/* queue.h - a bounded queue of pointers with one taker.
 * Threads: push and wake from any, take from one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_QUEUE_H
#define BUS_TRANSPORT_QUEUE_H

#include "bus/transport/transport.h"

#include <pthread.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t  filled;
    void          **items;
    uint32_t        room, first, count;
    bool            woken; /* the taker shall not sleep */
    bus_ready       on_ready;
    void           *context;
} bus_queue;

/* on_ready(context), or NULL, is called under the lock whenever the queue stops being empty. */
void bus_queue_init(bus_queue *q, uint32_t room, bus_ready on_ready, void *context);
void bus_queue_fini(bus_queue *q);             /* what is left is the caller's to take first */
bool bus_queue_push(bus_queue *q, void *item); /* false: full */
/* out: an array of any pointer type. Sleeps at most timeout_ms for the first item. */
uint32_t bus_queue_take(bus_queue *q, void *out, uint32_t max, int timeout_ms);
void     bus_queue_wake(bus_queue *q); /* ends the sleep, or the next one */

#endif
