/* topics.h - the topics of shina: their names, their shape, and that they are there.
 *
 *   <prefix>.<domain>.commands   a partition is the log's; kept for an hour
 *   <prefix>.<domain>.events     a partition is the log's; kept as the brokers say (log.retention)
 *   <prefix>.answers             a partition for each process that asks, or for several
 *   <prefix>.progress            what was committed, how far views are; kept for minutes
 *
 * Who is first makes them; everybody checks them when it starts. A topic of another shape would
 * lead messages astray, so it stops the start.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_TOPICS_H
#define BUS_TRANSPORT_KAFKA_TOPICS_H

#include "bus/transport/kafka/client.h"

#define BUS_KAFKA_TOPIC_BYTES 250 /* of a topic's name with its NUL: Kafka takes 249 */
#define BUS_KAFKA_PROGRESS_PARTITIONS                                                       \
    8                             /* of the topic of progress, by the name of what it is of \
                                   */
#define BUS_KAFKA_TOPICS_MS 30000 /* for the brokers to answer at start, and to make one */

typedef enum {
    BUS_KAFKA_COMMANDS, /* of a domain */
    BUS_KAFKA_EVENTS,   /* of a domain */
    BUS_KAFKA_ANSWERS,
    BUS_KAFKA_PROGRESS
} bus_kafka_topic;

/* Writes the topic's name; domain only matters where the topic is of one. Returns out. */
char *bus_kafka_topic_name(const bus_kafka_settings *settings, bus_kafka_topic topic,
                           const char *domain, char out[BUS_KAFKA_TOPIC_BYTES]);
int   bus_kafka_topic_partitions(const bus_kafka_settings *settings, bus_kafka_topic topic);

/* Makes the topic if it is missing and checks it. Waits for the brokers, at most timeout_ms.
 * BUS_INVALID: it is there in another shape; err names topic, what was wanted and what was found.
 * BUS_DENIED: it is missing and we may not make it, or may not see it. BUS_UNAVAILABLE,
 * BUS_TIMEOUT: the brokers. client: any, of either type. */
BUS_CHECKED bus_code bus_kafka_topic_ensure(bus_kafka_client         *client,
                                            const bus_kafka_settings *settings,
                                            bus_kafka_topic topic, const char *domain,
                                            int timeout_ms, bus_error *err);

#endif
