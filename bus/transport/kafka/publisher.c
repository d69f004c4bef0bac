/* publisher.c - events into their topics, and what was there last.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/publisher.h"
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/transport/kafka/end.h"
#include "bus/transport/kafka/event.h"
#include "bus/transport/kafka/topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (INT64_C(16) << 20) /* not delivered, unless one event alone has more */
#define MESSAGE_BYTES 1024            /* what one takes beside its data */
#define CAREFUL_EVENTS 100            /* go one by one after a batch was refused */
#define FATAL_US 1000000              /* the reports of a useless producer are waited for */
#define SILENT_US 10000000 /* nothing is acknowledged for so long: the brokers count as away */
/* A partition that has taken nothing for so long, though there are brokers, gets another client:
 * one that missed changes of leaders may wait for ever. Twice what librdkafka waits for one answer,
 * and each time twice as long, as the partition itself may be what takes nothing. */
#define STUCK_US 60000000
#define STUCK_DOUBLED_MAX 4
#define STUCK_LOOK_US 1000000
#define READER_STUCK_US 10000000

typedef struct {
    bool    opened;
    int64_t delivered;
    int     in_flight, careful;  /* careful: so many more go one by one */
    int64_t waits_us;            /* since when something is in flight and nothing was delivered */
    int     stuck_count;         /* since it took something */
    int64_t failed_us, asked_us; /* the reader: since when it fails (0: it does not), last asked */
} place;

typedef struct {
    char              domain[65], name[BUS_KAFKA_TOPIC_BYTES];
    rd_kafka_topic_t *handle; /* of the producer; NULL: not prepared since the last reset */
    rd_kafka_topic_t *reader; /* of the reader; NULL until asked */
    place            *places;
} topic;

struct bus_sink {
    const bus_kafka_settings *settings;
    void (*news)(void *context);
    void             *context;
    bus_kafka_client *producer;
    rd_kafka_queue_t *queue;  /* of the producer's reports */
    bus_kafka_client *reader; /* of what is there; NULL until asked */
    topic             topics[BUS_SINK_TOPICS_MAX];
    int               topics_count;
    int64_t           in_flight, in_flight_bytes;
    int64_t           heard_us;  /* of the last delivery, or of when nothing was in flight */
    int64_t           fatal_us;  /* when the producer was found to be of no more use; 0: it is */
    int64_t           looked_us; /* for what is stuck */
    bool              troubled;
    bus_sink_trouble  trouble;
};

static int64_t
now_us(void)
{
    return bus_mono_us(bus_clock_system());
}

/* --- deliveries ----------------------------------------------------------------------------------
 */

static void
note_trouble(bus_sink *sink, rd_kafka_resp_err_t error, const char *what)
{
    if (sink->troubled)
        return; /* the first one tells what it is, the others follow from it */
    sink->troubled = true;
    sink->trouble = (bus_sink_trouble){.topic = -1};
    (void)bus_kafka_fail(&sink->trouble.err, error, "kafka: %s", what);
}

/* Trouble with one topic's partition, at the event that may not go there. */
static void
note_place(bus_sink *sink, const topic *t, const rd_kafka_message_t *message, int64_t offset)
{
    if (sink->troubled)
        return;
    note_trouble(sink, message->err, t->name);
    sink->trouble.topic = (int)(t - sink->topics);
    sink->trouble.partition = (uint16_t)message->partition;
    sink->trouble.offset = offset;
}

/* A batch was refused: only one that was alone in it is known to be to blame. */
static void
note_refusal(bus_sink *sink, topic *t, const rd_kafka_message_t *message, int64_t offset)
{
    place     *at = &t->places[message->partition];
    const bool alone = at->careful > 0;

    at->careful = CAREFUL_EVENTS;
    if (sink->troubled)
        return;
    note_trouble(sink, message->err, t->name);
    sink->trouble.topic = (int)(t - sink->topics);
    sink->trouble.partition = (uint16_t)message->partition;
    if (alone)
        sink->trouble.offset = offset;
    else /* it may pass when it goes alone */
        (void)bus_kafka_fail(&sink->trouble.err, RD_KAFKA_RESP_ERR__RETRY,
                             "kafka: a batch for %s was refused (%s)", t->name,
                             rd_kafka_err2name(message->err));
}

static void
on_delivered(void *context, const rd_kafka_message_t *message)
{
    bus_sink     *sink = context;
    topic        *t = rd_kafka_topic_opaque(message->rkt);
    place        *at = &t->places[message->partition];
    const int64_t offset = (int64_t)(uintptr_t)message->_private;

    sink->in_flight--;
    sink->in_flight_bytes -= (int64_t)message->len + MESSAGE_BYTES;
    at->in_flight--;
    at->waits_us = now_us();
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        sink->heard_us = now_us();
        at->stuck_count = 0;
        at->careful -= at->careful > 0;
        if (offset == at->delivered + 1)
            at->delivered++;
        return;
    }
    switch (bus_kafka_class_of(message->err)) {
    case BUS_KAFKA_REFUSED: note_refusal(sink, t, message, offset); return;
    case BUS_KAFKA_UNKNOWN_TOPIC:
        note_trouble(sink, message->err, t->name);
        sink->trouble.topic = (int)(t - sink->topics);
        return;
    case BUS_KAFKA_DENIED: note_place(sink, t, message, offset); return;
    case BUS_KAFKA_FINE:
    case BUS_KAFKA_RETRIABLE:
    case BUS_KAFKA_TIMED_OUT:
    case BUS_KAFKA_FULL:
    case BUS_KAFKA_PURGED:
    case BUS_KAFKA_FATAL:
    case BUS_KAFKA_CLASSES: note_trouble(sink, message->err, t->name); return;
    }
}

/* From a thread of librdkafka. */
static void
on_event(rd_kafka_t *handle, void *opaque)
{
    const bus_sink *sink = opaque;

    (void)handle;
    sink->news(sink->context);
}

static void
look_for_stuck(bus_sink *sink)
{
    const int64_t now = now_us();
    /* Nobody looked for long, as when the process was stopped: reports may wait. */
    const bool slept = now - sink->looked_us > 5 * STUCK_LOOK_US;

    if (now - sink->looked_us < STUCK_LOOK_US)
        return;
    sink->looked_us = now;
    for (int i = 0; i < sink->topics_count; i++)
        for (int p = 0; p < sink->settings->partitions; p++) {
            place *at = &sink->topics[i].places[p];

            if (slept || bus_kafka_client_down(sink->producer)) {
                at->waits_us = now;
            } else if (!sink->troubled && at->in_flight > 0 &&
                       now - at->waits_us > STUCK_US << at->stuck_count) {
                at->stuck_count += at->stuck_count < STUCK_DOUBLED_MAX;
                note_trouble(sink, RD_KAFKA_RESP_ERR__TIMED_OUT, sink->topics[i].name);
                sink->trouble.topic = i;
                sink->trouble.partition = (uint16_t)p;
            }
        }
}

static void
publisher_poll(bus_sink *sink)
{
    rd_kafka_resp_err_t fatal;

    while (rd_kafka_poll(bus_kafka_client_handle(sink->producer), 0) > 0)
        continue;
    if (sink->reader != NULL) /* its statistics would heap up */
        (void)rd_kafka_poll(bus_kafka_client_handle(sink->reader), 0);
    if (sink->in_flight == 0)
        sink->heard_us = now_us();
    look_for_stuck(sink);
    fatal = bus_kafka_client_fatal(sink->producer);
    if (fatal == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (sink->fatal_us == 0)
        sink->fatal_us = now_us();
    /* Which message it was about, its report tells. */
    if (sink->in_flight == 0 || now_us() - sink->fatal_us > FATAL_US)
        note_trouble(sink, fatal, "the producer is of no more use");
}

static int64_t
publisher_delivered(const bus_sink *sink, int index, uint16_t partition)
{
    return sink->topics[index].places[partition].delivered;
}

static bool
publisher_trouble(const bus_sink *sink, bus_sink_trouble *out)
{
    *out = sink->trouble;
    return sink->troubled;
}

static bool
publisher_away(const bus_sink *sink)
{
    return bus_kafka_client_down(sink->producer) ||
           (sink->in_flight > 0 && now_us() - sink->heard_us > SILENT_US);
}

/* --- putting
 * --------------------------------------------------------------------------------------- */

static void
publisher_begin(bus_sink *sink, int index, uint16_t partition, int64_t offset)
{
    place *at = &sink->topics[index].places[partition];

    at->opened = true;
    at->delivered = offset;
    /* A broker takes a producer that it does not know at any number. Were the first batch refused
     * and the second under way already, that would be taken and the topic had a hole. */
    if (at->careful < 1)
        at->careful = 1;
}

static bus_code
publisher_put(bus_sink *sink, int index, const bus_record *record, bus_error *err)
{
    topic        *t = &sink->topics[index];
    place        *at = &t->places[record->partition];
    const int64_t bytes = (int64_t)record->data.len + MESSAGE_BYTES;
    bus_code      rc;

    BUS_INVARIANT(t->handle != NULL && at->opened);
    BUS_INVARIANT(record->offset <= (int64_t)(UINTPTR_MAX >> 1));
    if (sink->troubled)
        return bus_fail(err, BUS_UNAVAILABLE, "%.200s", sink->trouble.err.text);
    if (sink->fatal_us != 0)
        return bus_fail(err, BUS_FULL, "kafka: the producer is of no more use");
    if (at->careful > 0 && at->in_flight > 0)
        return bus_fail(err, BUS_FULL, "kafka: %s: one by one for now", t->name);
    if (sink->in_flight > 0 && sink->in_flight_bytes + bytes > BYTES_MAX)
        return bus_fail(err, BUS_FULL, "kafka: enough waits for the brokers");
    rc = bus_kafka_event_send(bus_kafka_client_handle(sink->producer), t->handle, t->domain, record,
                              (void *)(uintptr_t)record->offset, err);
    if (rc == BUS_OK) {
        sink->in_flight++;
        sink->in_flight_bytes += bytes;
        if (at->in_flight++ == 0)
            at->waits_us = now_us();
    } else if (bus_kafka_client_fatal(sink->producer) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return bus_fail(err, BUS_FULL, "kafka: the producer is of no more use"); /* poll tells */
    } else if (rc != BUS_FULL && rc != BUS_INVALID) {
        sink->troubled = true;
        sink->trouble = (bus_sink_trouble){.err = *err, .topic = index};
    }
    return rc;
}

/* --- the producer
 * ------------------------------------------------------------------------------------
 */

static bus_code
make_producer(bus_sink *sink, bus_kafka_client **out, bus_error *err)
{
    /* Without gapless.guarantee a message that fails for good would be left out, and those behind
     * it delivered. A message never times out: it waits for the brokers, and so do we. */
    static const char *const       needs[] = {"enable.idempotence",
                                              "true",
                                              "enable.gapless.guarantee",
                                              "true",
                                              "message.timeout.ms",
                                              "0",
                                              "linger.ms",
                                              "5",
                                              "queue.buffering.max.messages",
                                              "20000",
                                              "queue.buffering.max.kbytes",
                                              "131072",
                                              NULL};
    const bus_kafka_client_options options = {.type = RD_KAFKA_PRODUCER,
                                              .role = "relay",
                                              .properties = needs,
                                              .delivered = on_delivered,
                                              .context = sink};

    return bus_kafka_client_create(out, sink->settings, &options, err);
}

static void
use_producer(bus_sink *sink, bus_kafka_client *producer)
{
    sink->producer = producer;
    sink->queue = rd_kafka_queue_get_main(bus_kafka_client_handle(producer));
    rd_kafka_queue_cb_event_enable(sink->queue, on_event, sink);
    sink->in_flight = sink->in_flight_bytes = 0;
    sink->heard_us = now_us();
    sink->fatal_us = 0;
    sink->troubled = false;
    sink->trouble = (bus_sink_trouble){0};
}

static void
close_producer(bus_sink *sink)
{
    if (sink->producer == NULL)
        return;
    rd_kafka_queue_cb_event_enable(sink->queue, NULL, NULL);
    rd_kafka_queue_destroy(sink->queue);
    for (int i = 0; i < sink->topics_count; i++) {
        if (sink->topics[i].handle != NULL)
            rd_kafka_topic_destroy(sink->topics[i].handle);
        sink->topics[i].handle = NULL;
        for (int p = 0; p < sink->settings->partitions; p++)
            sink->topics[i].places[p].in_flight = 0;
    }
    bus_kafka_client_destroy(sink->producer);
    sink->producer = NULL;
}

/* A handle of the topic within the producer that knows it in its reports. */
static void
open_topic(bus_sink *sink, topic *t)
{
    rd_kafka_t            *producer = bus_kafka_client_handle(sink->producer);
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(producer);

    rd_kafka_topic_conf_set_opaque(conf, t);
    t->handle = rd_kafka_topic_new(producer, t->name, conf);
    BUS_INVARIANT(t->handle != NULL);
}

/* The old one stays until there is another. */
static bus_code
publisher_reset(bus_sink *sink, bus_error *err)
{
    bus_kafka_client *fresh = NULL;
    bool              was[BUS_SINK_TOPICS_MAX] = {false};
    bus_code          rc = make_producer(sink, &fresh, err);

    if (rc != BUS_OK)
        return rc;
    for (int i = 0; i < sink->topics_count; i++)
        was[i] = sink->topics[i].handle != NULL;
    close_producer(sink);
    use_producer(sink, fresh);
    for (int i = 0; i < sink->topics_count; i++)
        if (was[i])
            open_topic(sink, &sink->topics[i]);
    return BUS_OK;
}

/* --- topics
 * ------------------------------------------------------------------------------------------
 */

static topic *
topic_of(bus_sink *sink, const char *domain)
{
    topic *t;

    for (int i = 0; i < sink->topics_count; i++)
        if (strcmp(sink->topics[i].domain, domain) == 0)
            return &sink->topics[i];
    BUS_INVARIANT(sink->topics_count < BUS_SINK_TOPICS_MAX);
    t = &sink->topics[sink->topics_count++];
    (void)snprintf(t->domain, sizeof(t->domain), "%s", domain);
    (void)bus_kafka_topic_name(sink->settings, BUS_KAFKA_EVENTS, domain, t->name);
    t->places = calloc((size_t)sink->settings->partitions, sizeof(*t->places));
    if (t->places == NULL)
        abort();
    return t;
}

static bus_code
publisher_prepare(bus_sink *sink, const char *domain, int timeout_ms, int *index, bus_error *err)
{
    topic   *t = topic_of(sink, domain);
    bus_code rc;

    publisher_poll(sink);
    if (bus_kafka_client_down(sink->producer))
        return bus_fail(err, BUS_UNAVAILABLE, "kafka: no broker is in reach");
    rc = bus_kafka_topic_ensure(sink->producer, sink->settings, BUS_KAFKA_EVENTS, domain,
                                timeout_ms, err);
    if (rc != BUS_OK)
        return rc;
    if (t->handle == NULL)
        open_topic(sink, t);
    *index = (int)(t - sink->topics);
    return BUS_OK;
}

/* --- what is there
 * -----------------------------------------------------------------------------------
 */

/* One message is wanted at a time: a broker that waits for more would hold up the next. */
static bus_code
open_reader(bus_sink *sink, bus_error *err)
{
    static const char *const       needs[] = {"auto.offset.reset",
                                              "error",
                                              "enable.auto.commit",
                                              "false",
                                              "fetch.wait.max.ms",
                                              "5",
                                              NULL};
    const bus_kafka_client_options options = {
        .type = RD_KAFKA_CONSUMER, .role = "relay-reader", .properties = needs};

    if (sink->reader != NULL)
        return BUS_OK;
    return bus_kafka_client_create(&sink->reader, sink->settings, &options, err);
}

/* What is left of a caller's time. */
static int
left_ms(int64_t until_us)
{
    const int64_t left = (until_us - now_us()) / 1000;

    return left > 0 ? (int)left : 0;
}

/* Waits for the message at an offset. BUS_OK and NULL: it has aged out. */
static bus_code
fetch(rd_kafka_topic_t *handle, int32_t partition, int64_t offset, int timeout_ms,
      rd_kafka_message_t **out, bus_error *err)
{
    rd_kafka_resp_err_t error;

    *out = NULL;
    if (rd_kafka_consume_start(handle, partition, offset) != 0)
        return bus_kafka_fail(err, rd_kafka_last_error(), "kafka: topic %s, partition %d",
                              rd_kafka_topic_name(handle), (int)partition);
    *out = rd_kafka_consume(handle, partition, timeout_ms);
    (void)rd_kafka_consume_stop(handle, partition);
    if (*out == NULL)
        return bus_fail(err, BUS_TIMEOUT, "kafka: topic %s, partition %d: its end was not told",
                        rd_kafka_topic_name(handle), (int)partition);
    error = (*out)->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return BUS_OK;
    rd_kafka_message_destroy(*out);
    *out = NULL;
    if (error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        return BUS_OK;
    return bus_kafka_fail(err, error, "kafka: topic %s, partition %d", rd_kafka_topic_name(handle),
                          (int)partition);
}

static bus_code
read_last(bus_sink *sink, topic *t, int32_t partition, int64_t offset, int timeout_ms,
          bus_sink_last *out, bus_error *err)
{
    rd_kafka_message_t *message;
    bus_record          record;
    bus_error           why;
    bus_code            rc;

    if (t->reader == NULL)
        t->reader = rd_kafka_topic_new(bus_kafka_client_handle(sink->reader), t->name, NULL);
    BUS_INVARIANT(t->reader != NULL);
    if ((rc = fetch(t->reader, partition, offset, timeout_ms, &message, err)) != BUS_OK ||
        message == NULL)
        return rc;
    if (bus_kafka_event_read(message, t->domain, &record, &why) == BUS_OK)
        *out = (bus_sink_last){.readable = true,
                               .offset = record.offset,
                               .command_id = record.command_id,
                               .nth = record.nth};
    else
        bus_log_warn("relay.last_unreadable", BUS_KV_ERR(&why));
    rd_kafka_message_destroy(message);
    return BUS_OK;
}

static void
close_reader(bus_sink *sink)
{
    for (int i = 0; i < sink->topics_count; i++) {
        if (sink->topics[i].reader != NULL)
            rd_kafka_topic_destroy(sink->topics[i].reader);
        sink->topics[i].reader = NULL;
    }
    bus_kafka_client_destroy(sink->reader);
    sink->reader = NULL;
}

/* Not left to librdkafka: a reader that had missed changes of leaders was seen to be told again and
 * again that it asks the wrong node. */
static void
look_for_leaders(bus_sink *sink, topic *t, int timeout_ms)
{
    rd_kafka_t                *reader = bus_kafka_client_handle(sink->reader);
    const rd_kafka_metadata_t *found = NULL;

    if (t->reader == NULL)
        t->reader = rd_kafka_topic_new(reader, t->name, NULL);
    BUS_INVARIANT(t->reader != NULL);
    if (timeout_ms > 0 &&
        rd_kafka_metadata(reader, 0, t->reader, &found, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(found);
}

static bus_code
ask_last(bus_sink *sink, int index, uint16_t partition, int timeout_ms, bus_sink_last *out,
         bus_error *err)
{
    const int64_t       until_us = now_us() + timeout_ms * INT64_C(1000);
    topic              *t = &sink->topics[index];
    int64_t             end;
    rd_kafka_resp_err_t error;
    bus_code            rc = open_reader(sink, err);

    *out = (bus_sink_last){0};
    if (rc != BUS_OK)
        return rc;
    (void)rd_kafka_poll(bus_kafka_client_handle(sink->reader), 0);
    error = bus_kafka_end_ask(bus_kafka_client_handle(sink->reader), t->name, partition,
                              RD_KAFKA_OFFSET_END, timeout_ms, &end);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        look_for_leaders(sink, t, left_ms(until_us));
        return bus_kafka_fail(err, error, "kafka: topic %s, partition %d", t->name, (int)partition);
    }
    out->untouched = end == 0;
    return end == 0 ? BUS_OK : read_last(sink, t, partition, end - 1, left_ms(until_us), out, err);
}

static bus_code
publisher_last(bus_sink *sink, int index, uint16_t partition, int timeout_ms, bus_sink_last *out,
               bus_error *err)
{
    place         *at = &sink->topics[index].places[partition];
    const int64_t  before_us = at->asked_us;
    const bus_code rc = ask_last(sink, index, partition, timeout_ms, out, err);

    at->asked_us = now_us();
    if (rc == BUS_OK) {
        at->failed_us = 0;
    } else if (at->failed_us == 0 || at->asked_us - before_us > READER_STUCK_US) {
        at->failed_us = at->asked_us;
    } else if (at->asked_us - at->failed_us > READER_STUCK_US) {
        at->failed_us = 0;
        close_reader(sink); /* the next question makes another */
    }
    return rc;
}

/* --- opening
 * -----------------------------------------------------------------------------------------
 */

static void
publisher_close(bus_sink *sink)
{
    if (sink == NULL)
        return;
    close_producer(sink);
    close_reader(sink);
    for (int i = 0; i < sink->topics_count; i++)
        free(sink->topics[i].places);
    free(sink);
}

static bus_code
publisher_open(bus_sink **out, const void *settings, void (*news)(void *context), void *context,
               bus_error *err)
{
    bus_sink         *sink = calloc(1, sizeof(*sink));
    bus_kafka_client *producer = NULL;
    bus_code          rc;

    if (sink == NULL)
        abort();
    sink->settings = settings;
    sink->news = news;
    sink->context = context;
    if ((rc = make_producer(sink, &producer, err)) != BUS_OK) {
        publisher_close(sink);
        return rc;
    }
    use_producer(sink, producer);
    *out = sink;
    return BUS_OK;
}

const bus_sink_ops bus_kafka_publisher = {
    .name = "kafka",
    .open = publisher_open,
    .close = publisher_close,
    .prepare = publisher_prepare,
    .last = publisher_last,
    .begin = publisher_begin,
    .put = publisher_put,
    .poll = publisher_poll,
    .delivered = publisher_delivered,
    .trouble = publisher_trouble,
    .away = publisher_away,
    .reset = publisher_reset,
};
