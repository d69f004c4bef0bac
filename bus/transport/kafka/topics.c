/* topics.c - asks for what is there, makes what is missing, and asks again until it is seen.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/topics.h"
#include "bus/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ASK_AGAIN_US 100000
#define ASK_MS 5000 /* one question */
#define ASK_LEAST_MS 100

#define LARGE "88080384" /* bytes, as message.max.bytes of our producers */
#define MINUTES_10 "600000"
#define HOUR "3600000"

/* What differs from the brokers' own defaults; the brokers' admins may change it later. */
static const char *const commands_config[] = {
    "cleanup.policy", "delete", "retention.ms", HOUR, "segment.ms", MINUTES_10,
    /* a new owner finds its place by time: by one clock */
    "message.timestamp.type", "LogAppendTime", "max.message.bytes", LARGE, NULL};
static const char *const events_config[] = {"cleanup.policy", "delete", "max.message.bytes", LARGE,
                                            NULL};
static const char *const short_config[] = {
    "cleanup.policy", "delete", "retention.ms", MINUTES_10, "segment.ms", MINUTES_10, NULL};
static const char *const answers_config[] = {"cleanup.policy",    "delete",     "retention.ms",
                                             MINUTES_10,          "segment.ms", MINUTES_10,
                                             "max.message.bytes", LARGE,        NULL};

static const struct {
    const char        *name; /* behind prefix, and domain */
    bool               of_domain;
    const char *const *config;
} topics[] = {
    [BUS_KAFKA_COMMANDS] = {"commands", true, commands_config},
    [BUS_KAFKA_EVENTS] = {"events", true, events_config},
    [BUS_KAFKA_ANSWERS] = {"answers", false, answers_config},
    [BUS_KAFKA_PROGRESS] = {"progress", false, short_config},
};

char *
bus_kafka_topic_name(const bus_kafka_settings *settings, bus_kafka_topic topic, const char *domain,
                     char out[BUS_KAFKA_TOPIC_BYTES])
{
    if (topics[topic].of_domain)
        (void)snprintf(out, BUS_KAFKA_TOPIC_BYTES, "%.100s.%.100s.%s", settings->prefix, domain,
                       topics[topic].name);
    else
        (void)snprintf(out, BUS_KAFKA_TOPIC_BYTES, "%.100s.%s", settings->prefix,
                       topics[topic].name);
    return out;
}

int
bus_kafka_topic_partitions(const bus_kafka_settings *settings, bus_kafka_topic topic)
{
    switch (topic) {
    case BUS_KAFKA_COMMANDS:
    case BUS_KAFKA_EVENTS: return settings->partitions;
    case BUS_KAFKA_ANSWERS: return settings->answers;
    case BUS_KAFKA_PROGRESS: return BUS_KAFKA_PROGRESS_PARTITIONS;
    }
    BUS_UNREACHABLE();
}

/* What is asked for, and until when. */
typedef struct {
    rd_kafka_t        *handle;
    const char        *name;
    int                partitions, replication; /* 0: any */
    const char *const *config;
    int64_t            until_us;
    bool (*gives_up)(void);
} wanted;

/* How long one question may take: of_ms, or what is left. */
static int
left_ms(const wanted *w, int of_ms)
{
    int64_t left = (w->until_us - bus_mono_us(bus_clock_system())) / 1000;

    return left < ASK_LEAST_MS ? ASK_LEAST_MS : left < of_ms ? (int)left : of_ms;
}

/* --- what is there --------------------------------------------------------------- */

typedef enum { MISSING, UNSURE, THERE, WRONG } finding;

static finding
judge(const wanted *w, const rd_kafka_metadata_topic_t *topic, bus_error *err)
{
    if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return MISSING;
    if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR || topic->partition_cnt == 0) {
        (void)bus_kafka_fail(err, topic->err, "kafka: topic %s", w->name);
        return bus_kafka_class_of(topic->err) == BUS_KAFKA_DENIED ? WRONG : UNSURE;
    }
    if (topic->partition_cnt != w->partitions) {
        (void)bus_fail(err, BUS_INVALID, "kafka: topic %s: %d partitions are wanted, found are %d",
                       w->name, w->partitions, topic->partition_cnt);
        return WRONG;
    }
    for (int i = 0; i < topic->partition_cnt; i++)
        if (topic->partitions[i].replica_cnt < w->replication) {
            (void)bus_fail(err, BUS_INVALID,
                           "kafka: topic %s, partition %d: replication %d is wanted, found is %d",
                           w->name, (int)topic->partitions[i].id, w->replication,
                           topic->partitions[i].replica_cnt);
            return WRONG;
        }
    return THERE;
}

/* All topics are asked for: to ask for one by name may make it, in the brokers' default shape. */
static finding
look(const wanted *w, bus_error *err)
{
    const rd_kafka_metadata_t *metadata;
    finding                    found = MISSING;
    rd_kafka_resp_err_t        error =
        rd_kafka_metadata(w->handle, 1, NULL, &metadata, left_ms(w, ASK_MS));

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)bus_kafka_fail(err, error, "kafka: the brokers do not tell their topics");
        return bus_kafka_class_of(error) == BUS_KAFKA_DENIED ? WRONG : UNSURE;
    }
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, w->name) == 0)
            found = judge(w, &metadata->topics[i], err);
    rd_kafka_metadata_destroy(metadata);
    return found;
}

/* --- what is missing ------------------------------------------------------------- */

static bus_code
describe(const wanted *w, rd_kafka_NewTopic_t **out, bus_error *err)
{
    char why[200];

    *out = rd_kafka_NewTopic_new(w->name, w->partitions, w->replication > 0 ? w->replication : -1,
                                 why, sizeof(why));
    if (*out == NULL)
        return bus_fail(err, BUS_INVALID, "kafka: topic %s: %.100s", w->name, why);
    for (const char *const *pair = w->config; pair[0] != NULL; pair += 2)
        BUS_INVARIANT(rd_kafka_NewTopic_set_config(*out, pair[0], pair[1]) ==
                      RD_KAFKA_RESP_ERR_NO_ERROR);
    return BUS_OK;
}

/* What the brokers said to our one topic. */
static bus_code
read_result(const wanted *w, rd_kafka_event_t *event, bus_error *err)
{
    const rd_kafka_topic_result_t **results;
    rd_kafka_resp_err_t             error;
    const char                     *text;
    size_t                          count = 0;

    if (event == NULL)
        return bus_fail(err, BUS_TIMEOUT, "kafka: topic %s: not made in time", w->name);
    error = rd_kafka_event_error(event);
    text = rd_kafka_event_error_string(event);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        BUS_INVARIANT(count == 1);
        error = rd_kafka_topic_result_error(results[0]);
        text = rd_kafka_topic_result_error_string(results[0]);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return BUS_OK;
    (void)bus_kafka_fail(err, error, "kafka: topic %s is missing and cannot be made (%.60s)",
                         w->name, text != NULL ? text : "");
    if (error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR)
        err->retryable = true; /* other brokers of the cluster may be starting */
    return err->code;
}

static bus_code
make(const wanted *w, bus_error *err)
{
    rd_kafka_NewTopic_t     *topic = NULL;
    rd_kafka_AdminOptions_t *options = NULL;
    rd_kafka_queue_t        *queue = NULL;
    rd_kafka_event_t        *event = NULL;
    char                     why[100];
    const int                ms = left_ms(w, ASK_MS);
    bus_code                 rc;

    if ((rc = describe(w, &topic, err)) != BUS_OK)
        return rc;
    options = rd_kafka_AdminOptions_new(w->handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    queue = rd_kafka_queue_new(w->handle);
    BUS_INVARIANT(rd_kafka_AdminOptions_set_request_timeout(options, ms, why, sizeof(why)) ==
                  RD_KAFKA_RESP_ERR_NO_ERROR);
    BUS_INVARIANT(rd_kafka_AdminOptions_set_operation_timeout(options, ms, why, sizeof(why)) ==
                  RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_CreateTopics(w->handle, &topic, 1, options, queue);
    event = rd_kafka_queue_poll(queue, ms + 100);
    rc = read_result(w, event, err);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    return rc;
}

static bus_code
ensure(const wanted *w, bus_error *err)
{
    bus_code rc;

    for (;;) {
        bool asked = false;

        *err = (bus_error){0};
        switch (look(w, err)) {
        case THERE: return BUS_OK;
        case WRONG: return err->code;
        case UNSURE: break;
        case MISSING:
            if ((rc = make(w, err)) != BUS_OK && !err->retryable)
                return rc;
            asked = rc == BUS_OK;
            break;
        }
        if (w->gives_up != NULL && w->gives_up())
            return bus_fail(err, BUS_CLOSED, "stopped while waiting for the brokers");
        if (bus_mono_us(bus_clock_system()) >= w->until_us)
            break;
        (void)usleep(ASK_AGAIN_US / (asked ? 5 : 1));
    }
    if (err->code != BUS_OK)
        return err->code;
    return bus_fail(err, BUS_TIMEOUT, "kafka: topic %s was made, but is not to be seen", w->name);
}

bus_code
bus_kafka_topic_ensure(bus_kafka_client *client, const bus_kafka_settings *settings,
                       bus_kafka_topic topic, const char *domain, int timeout_ms, bus_error *err)
{
    char   name[BUS_KAFKA_TOPIC_BYTES];
    wanted w = {.handle = bus_kafka_client_handle(client),
                .name = bus_kafka_topic_name(settings, topic, domain, name),
                .partitions = bus_kafka_topic_partitions(settings, topic),
                .replication = settings->replication,
                .gives_up = settings->gives_up,
                .config = topics[topic].config};

    w.until_us = bus_mono_us(bus_clock_system()) + timeout_ms * INT64_C(1000);
    return ensure(&w, err);
}
