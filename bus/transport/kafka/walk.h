/* walk.h - reads the topic of a domain's events from end to end, as it is now.
 * Threads: any; it has a client of its own and blocks until it is done.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_WALK_H
#define BUS_TRANSPORT_KAFKA_WALK_H

#include "bus/envelope/record.h"
#include "bus/transport/kafka/client.h"

typedef struct {
    const char *domain;
    /* An event, with the offset of its message in the topic; partition by partition, in order. It
     * lives until the call returns. Not BUS_OK: the walk ends with that. */
    bus_code (*event)(void *context, const bus_record *record, int64_t message_offset,
                      bus_error *err);
    /* A message that is no event of the domain, with what is wrong with it; NULL: it ends the walk
     * with BUS_INVALID. */
    void (*foreign)(void *context, int partition, int64_t message_offset, const char *why);
    void *context;
} bus_kafka_walk;

/* settings->partitions of them. BUS_NOT_FOUND: there is no such topic. BUS_UNAVAILABLE,
 * BUS_TIMEOUT: the brokers. */
BUS_CHECKED bus_code bus_kafka_topic_walk(const bus_kafka_settings *settings,
                                          const bus_kafka_walk *walk, bus_error *err);

#endif
