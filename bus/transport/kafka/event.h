/* event.h - an event of a log as a message of its domain's topic (bus/envelope/cloudevent.h).
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_EVENT_H
#define BUS_TRANSPORT_KAFKA_EVENT_H

#include "bus/base/error.h"
#include "bus/envelope/record.h"

#include <librdkafka/rdkafka.h>

/* Hands the record to the producer of topic, copied: key the stream, time the event's, partition
 * the log's. opaque comes back with the delivery report. BUS_INVALID: it can never be sent as it
 * is. Others as bus_kafka_fail(). */
BUS_CHECKED bus_code bus_kafka_event_send(rd_kafka_t *producer, rd_kafka_topic_t *topic,
                                          const char *domain, const bus_record *record,
                                          void *opaque, bus_error *err);

/* The record of a message; its strings are the message's. BUS_INVALID: it is no event of the
 * domain's log, or not in its own partition; err names the header, topic, partition and offset. */
BUS_CHECKED bus_code bus_kafka_event_read(const rd_kafka_message_t *message, const char *domain,
                                          bus_record *out, bus_error *err);

#endif
