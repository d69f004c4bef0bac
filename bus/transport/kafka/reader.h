/* reader.h - a consumer with a thread of its own, which reads the partitions that it is told to,
 * from where it is told to. Nobody else decides that: there is no group of consumers that divides
 * partitions, the leases in the store do.
 * Threads: create, poke and destroy from any; all else on the reader's own, in its callbacks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_READER_H
#define BUS_TRANSPORT_KAFKA_READER_H

#include "bus/transport/kafka/client.h"

typedef struct bus_kafka_reader bus_kafka_reader;

typedef struct {
    const char *role;
    const char *group; /* under which places are kept with the brokers, if they are; copied */
    void       *context;
    /* When poked, every so often besides, and once more at the end: sets what is read. */
    void (*turn)(void *context, bus_kafka_reader *reader);
    /* A message: its receiver's to destroy. */
    void (*message)(void *context, rd_kafka_message_t *message);
    /* All that had come is taken; now it would sleep. */
    void (*rest)(void *context);
    /* The place in this partition is gone (its messages are too old): assign it anew. */
    void (*lost)(void *context, bus_kafka_reader *reader, const char *topic, int partition);
} bus_kafka_reader_options;

/* Starts the thread. Borrows context until destroyed. */
BUS_CHECKED bus_code bus_kafka_reader_create(bus_kafka_reader              **out,
                                             const bus_kafka_settings       *settings,
                                             const bus_kafka_reader_options *options,
                                             bus_error                      *err);
void                 bus_kafka_reader_destroy(bus_kafka_reader *reader); /* accepts NULL */
void                 bus_kafka_reader_poke(bus_kafka_reader *reader);
bool bus_kafka_reader_down(const bus_kafka_reader *reader); /* as bus_kafka_client_down(); any */

/* --- in its callbacks ------------------------------------------------------- */

/* Reads these from their offsets on; RD_KAFKA_OFFSET_END: from where they end now. */
void bus_kafka_reader_add(bus_kafka_reader *reader, rd_kafka_topic_partition_list_t *list);
void bus_kafka_reader_drop(bus_kafka_reader *reader, rd_kafka_topic_partition_list_t *list);

/* Fills in the offsets from which to read: what was committed under the group; if nothing ever
 * was, the beginning (RD_KAFKA_OFFSET_BEGINNING). If the brokers do not tell what was, the first
 * message at or after since_ms, or the end. False: they do not tell that either. */
bool bus_kafka_reader_find(bus_kafka_reader *reader, rd_kafka_topic_partition_list_t *list,
                           int64_t since_ms);
/* The offset behind the last message. */
bool bus_kafka_reader_end(bus_kafka_reader *reader, const char *topic, int partition, int64_t *out);
/* Keeps the offsets with the brokers; wait: until they have said so, or a moment is over. */
void bus_kafka_reader_commit(bus_kafka_reader *reader, rd_kafka_topic_partition_list_t *list,
                             bool wait);

#endif
