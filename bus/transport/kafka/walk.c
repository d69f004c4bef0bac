/* walk.c - partition by partition from the first message to what was the last when it began.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/walk.h"
#include "bus/base/clock.h"
#include "bus/transport/kafka/end.h"
#include "bus/transport/kafka/event.h"
#include "bus/transport/kafka/topics.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 10000
#define AGAIN_US 100000
#define MESSAGE_MS 20000 /* the next message must come within */

typedef struct {
    const bus_kafka_walk *walk;
    bus_kafka_client     *client;
    rd_kafka_topic_t     *topic;
    char                  name[BUS_KAFKA_TOPIC_BYTES];
} walker;

static bus_code
take(const walker *w, const rd_kafka_message_t *message, bus_error *err)
{
    bus_record record;
    bus_error  why = {0};
    bus_code   rc = bus_kafka_event_read(message, w->walk->domain, &record, &why);

    if (rc == BUS_OK)
        return w->walk->event(w->walk->context, &record, message->offset, err);
    if (w->walk->foreign == NULL) {
        *err = why;
        return rc;
    }
    w->walk->foreign(w->walk->context, message->partition, message->offset, why.text);
    return BUS_OK;
}

/* A leader that moves passes by itself. */
static bool
may_pass(rd_kafka_resp_err_t error)
{
    return bus_kafka_class_of(error) == BUS_KAFKA_RETRIABLE;
}

static bus_code
read_up_to(const walker *w, int32_t partition, int64_t end, bus_error *err)
{
    int64_t  at = -1; /* last offset taken */
    bus_code rc = BUS_OK;

    while (rc == BUS_OK && at < end - 1) {
        rd_kafka_message_t *message = rd_kafka_consume(w->topic, partition, MESSAGE_MS);

        (void)rd_kafka_poll(bus_kafka_client_handle(w->client), 0);
        if (message == NULL)
            return bus_fail(err, BUS_TIMEOUT,
                            "kafka: topic %s, partition %d: nothing came after offset %lld",
                            w->name, (int)partition, (long long)at);
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rc = take(w, message, err);
            at = message->offset;
        } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            at = end; /* what is behind the last message is none: a marker of a transaction */
        } else if (!may_pass(message->err)) {
            rc = bus_kafka_fail(err, message->err, "kafka: topic %s, partition %d", w->name,
                                (int)partition);
        }
        rd_kafka_message_destroy(message);
    }
    return rc;
}

/* The first message, and the one behind the last. */
static bus_code
ask_bounds(const walker *w, int32_t partition, int64_t *low, int64_t *high, bus_error *err)
{
    const int64_t       until_us = bus_mono_us(bus_clock_system()) + ASK_MS * INT64_C(1000);
    rd_kafka_t         *handle = bus_kafka_client_handle(w->client);
    rd_kafka_resp_err_t error;

    do {
        error =
            bus_kafka_end_ask(handle, w->name, partition, RD_KAFKA_OFFSET_BEGINNING, ASK_MS, low);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            error =
                bus_kafka_end_ask(handle, w->name, partition, RD_KAFKA_OFFSET_END, ASK_MS, high);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return BUS_OK;
        (void)usleep(AGAIN_US);
    } while (may_pass(error) && bus_mono_us(bus_clock_system()) < until_us);
    return bus_kafka_fail(err, error, "kafka: topic %s, partition %d", w->name, (int)partition);
}

/* BUS_NOT_FOUND: there is no such topic. BUS_INVALID: it has more or fewer partitions than the log.
 */
static bus_code
check_partitions(const walker *w, int wanted, bus_error *err)
{
    const rd_kafka_metadata_t *metadata;
    int                        found = -1;
    rd_kafka_resp_err_t        error =
        rd_kafka_metadata(bus_kafka_client_handle(w->client), 1, NULL, &metadata, ASK_MS);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return bus_kafka_fail(err, error, "kafka: the brokers do not tell their topics");
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, w->name) == 0)
            found = metadata->topics[i].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (found < 0)
        return bus_fail(err, BUS_NOT_FOUND, "kafka: there is no topic %s", w->name);
    if (found != wanted)
        return bus_fail(err, BUS_INVALID, "kafka: topic %s: %d partitions are wanted, found are %d",
                        w->name, wanted, found);
    return BUS_OK;
}

static bus_code
walk_partition(const walker *w, int32_t partition, bus_error *err)
{
    int64_t  low, high;
    bus_code rc = ask_bounds(w, partition, &low, &high, err);

    if (rc != BUS_OK || low == high)
        return rc;
    if (rd_kafka_consume_start(w->topic, partition, low) != 0)
        return bus_kafka_fail(err, rd_kafka_last_error(), "kafka: topic %s, partition %d", w->name,
                              (int)partition);
    rc = read_up_to(w, partition, high, err);
    (void)rd_kafka_consume_stop(w->topic, partition);
    return rc;
}

bus_code
bus_kafka_topic_walk(const bus_kafka_settings *settings, const bus_kafka_walk *walk, bus_error *err)
{
    static const char *const       needs[] = {"auto.offset.reset",
                                              "error",
                                              "enable.auto.commit",
                                              "false",
                                              "enable.partition.eof",
                                              "true",
                                              NULL};
    const bus_kafka_client_options options = {
        .type = RD_KAFKA_CONSUMER, .role = "walk", .properties = needs};
    walker   w = {.walk = walk};
    bus_code rc = bus_kafka_client_create(&w.client, settings, &options, err);

    if (rc != BUS_OK)
        return rc;
    (void)bus_kafka_topic_name(settings, BUS_KAFKA_EVENTS, walk->domain, w.name);
    w.topic = rd_kafka_topic_new(bus_kafka_client_handle(w.client), w.name, NULL);
    BUS_INVARIANT(w.topic != NULL);
    rc = check_partitions(&w, settings->partitions, err);
    for (int p = 0; rc == BUS_OK && p < settings->partitions; p++)
        rc = walk_partition(&w, p, err);
    rd_kafka_topic_destroy(w.topic);
    bus_kafka_client_destroy(w.client);
    return rc;
}
