/* event.c - CloudEvents in the binary mode of Kafka.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/event.h"
#include "bus/envelope/cloudevent.h"
#include "bus/transport/kafka/client.h"

#include <string.h>

/* --- sending -----------------------------------------------------------------------------------
 */

static rd_kafka_headers_t *
headers_of(const bus_cloudevent *event)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(BUS_CE_ATTRIBUTES);

    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++) {
        const bus_str value = event->values[i];

        if (value.at == NULL)
            continue;
        BUS_INVARIANT(rd_kafka_header_add(headers,
                                          bus_cloudevent_header((bus_cloudevent_attribute)i), -1,
                                          value.at, value.len) == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    return headers;
}

/* For librdkafka, which copies it and does not write to it. No value at all would be a tombstone.
 */
static void *
borrowed(bus_str s)
{
    return (void *)(uintptr_t)(s.at != NULL ? s.at : "");
}

bus_code
bus_kafka_event_send(rd_kafka_t *producer, rd_kafka_topic_t *topic, const char *domain,
                     const bus_record *record, void *opaque, bus_error *err)
{
    bus_cloudevent      event;
    rd_kafka_headers_t *headers;
    rd_kafka_resp_err_t error;
    bus_code            rc = bus_cloudevent_of(record, domain, &event, err);

    if (rc != BUS_OK)
        return rc;
    headers = headers_of(&event);
    error = rd_kafka_producev(
        producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(borrowed(event.values[BUS_CE_SUBJECT]), event.values[BUS_CE_SUBJECT].len),
        RD_KAFKA_V_VALUE(borrowed(record->data), record->data.len), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_TIMESTAMP(record->at_ms), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return BUS_OK;
    rd_kafka_headers_destroy(headers); /* still ours */
    return bus_kafka_fail(err, error, "kafka: %s:%d:%lld is not taken", domain,
                          (int)record->partition, (long long)record->offset);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bus_code
take_headers(const rd_kafka_message_t *message, bus_cloudevent *event, bus_error *err)
{
    rd_kafka_headers_t *headers;
    const char         *name;
    const void         *value;
    size_t              bytes;
    bus_code            rc = BUS_OK;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return BUS_OK; /* none: the first one is missing */
    for (size_t i = 0; rc == BUS_OK && rd_kafka_header_get_all(headers, i, &name, &value, &bytes) ==
                                           RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        rc = bus_cloudevent_take(event, name, (bus_str){value, (uint32_t)bytes}, err);
    return rc;
}

static bus_code
check_place(const rd_kafka_message_t *message, const bus_cloudevent *event,
            const bus_record *record, bus_error *err)
{
    const bus_str key = {message->key, (uint32_t)message->key_len};

    if (!bus_str_equal(key, event->values[BUS_CE_SUBJECT]))
        return bus_fail(err, BUS_INVALID, "the key is not the header ce_subject");
    if (message->partition != (int32_t)record->partition)
        return bus_fail(err, BUS_INVALID, "the header ce_partition is of partition %d",
                        (int)record->partition);
    return BUS_OK;
}

bus_code
bus_kafka_event_read(const rd_kafka_message_t *message, const char *domain, bus_record *out,
                     bus_error *err)
{
    const bus_str  data = {message->payload, (uint32_t)message->len};
    bus_cloudevent event = {0};
    bus_error      why = {0};

    if (take_headers(message, &event, &why) == BUS_OK &&
        bus_cloudevent_record(&event, domain, data, out, &why) == BUS_OK &&
        check_place(message, &event, out, &why) == BUS_OK)
        return BUS_OK;
    return bus_fail(err, BUS_INVALID, "kafka: topic %s, partition %d, offset %lld: %.120s",
                    rd_kafka_topic_name(message->rkt), (int)message->partition,
                    (long long)message->offset, why.text);
}
