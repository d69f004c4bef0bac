/* window.h - which messages of a partition are answered, and so from where a successor would have
 * to read: the lowest that is not.
 * Threads: one at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_WINDOW_H
#define BUS_TRANSPORT_KAFKA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised is empty and knows no place. */
typedef struct {
    struct {
        int64_t offset;
        bool    answered;
    } * items; /* a ring, rising */
    uint32_t room, first, count;
    int64_t  behind; /* the last one taken */
} bus_kafka_window;

/* Forgets all; reading goes on at offset. */
void bus_kafka_window_start(bus_kafka_window *w, int64_t offset);
void bus_kafka_window_fini(bus_kafka_window *w);
/* One more is taken, of a higher offset than all before. False: max wait already. */
bool bus_kafka_window_take(bus_kafka_window *w, int64_t offset, uint32_t max);
void bus_kafka_window_answer(bus_kafka_window *w, int64_t offset); /* one not in it: no matter */
/* The lowest offset that is not answered. */
int64_t bus_kafka_window_front(const bus_kafka_window *w);

#endif
