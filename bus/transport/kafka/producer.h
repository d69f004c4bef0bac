/* producer.h - the one producer of the bus in this process: idempotent, acknowledged by all
 * replicas in sync, and made anew when librdkafka says that it is of no more use.
 * Threads: send from any. Deliveries are told on a thread of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_PRODUCER_H
#define BUS_TRANSPORT_KAFKA_PRODUCER_H

#include "bus/base/str.h"
#include "bus/transport/kafka/client.h"

#define BUS_KAFKA_DELIVERY_MS 5000 /* not delivered by then: given up; half of a command's life */

typedef struct bus_kafka_producer bus_kafka_producer;

/* delivered is told the fate of each message that send() took, exactly once, with the opaque of
 * send() in message->_private. messages_max: that wait in it, at most. */
BUS_CHECKED bus_code bus_kafka_producer_create(bus_kafka_producer      **out,
                                               const bus_kafka_settings *settings,
                                               uint32_t messages_max, bus_kafka_delivered delivered,
                                               void *context, bus_error *err);
/* Sends what waits, at most linger_ms; what is left is told as purged. Accepts NULL. */
void bus_kafka_producer_destroy(bus_kafka_producer *producer, int linger_ms);

/* Never blocks; takes what value holds only on success. BUS_FULL: no room. BUS_UNAVAILABLE: no
 * broker is in reach, or the producer is just made anew. BUS_NOT_FOUND: no such topic. */
BUS_CHECKED bus_code bus_kafka_producer_send(bus_kafka_producer *producer, const char *topic,
                                             int partition, bus_buf *value, void *opaque,
                                             bus_error *err);

/* The client, for asking the brokers; borrowed until released. It is not made anew meanwhile, even
 * if it is of no more use. */
bus_kafka_client *bus_kafka_producer_hold(bus_kafka_producer *producer);
void              bus_kafka_producer_release(bus_kafka_producer *producer);

#endif
