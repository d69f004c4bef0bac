/* publisher.h - the relay's sink: the topics of events in Kafka.
 *
 * One idempotent producer for all of them (acks=all, in order per partition). Messages wait for the
 * brokers as long as it takes, within a bound; what librdkafka cannot deliver without a hole makes
 * the handle useless, and the relay has it made anew and goes back to what was acknowledged. When a
 * broker refuses a batch (too large for the topic), the events of that partition go one by one for
 * a while, so that the one that is to blame is known. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_PUBLISHER_H
#define BUS_TRANSPORT_KAFKA_PUBLISHER_H

#include "bus/transport/kafka/client.h"
#include "bus/transport/sink.h"

/* Its settings are a bus_kafka_settings. BUS_INVALID: as bus_kafka_client_create(). */
extern const bus_sink_ops bus_kafka_publisher;

#endif
