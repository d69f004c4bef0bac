/* reader.c - one thread: set what is read, take what came, again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/reader.h"
#include "bus/base/clock.h"
#include "bus/base/thread.h"
#include "bus/log/log.h"
#include "bus/transport/kafka/end.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TURN_US 500000
#define POLL_MS 100
#define BURST_MAX 1024 /* messages taken before it looks around */
#define ASK_MS 2000    /* a question to the brokers, during which nothing is taken */
#define COMPLAINT_US 5000000

struct bus_kafka_reader {
    bus_kafka_reader_options options;
    bus_kafka_client        *client;
    rd_kafka_t              *handle;
    rd_kafka_queue_t        *queue;
    pthread_t                thread;
    atomic_bool              poked, ends;
    int64_t                  complained_us; /* the thread's */
};

static int64_t
now_us(void)
{
    return bus_mono_us(bus_clock_system());
}

static void
complain(bus_kafka_reader *r, const char *event, rd_kafka_resp_err_t error, const char *text)
{
    bus_kafka_client_count(r->client, error);
    if (now_us() - r->complained_us < COMPLAINT_US)
        return;
    r->complained_us = now_us();
    bus_log_warn(event, BUS_KV("client", r->options.role),
                 BUS_KV("class", bus_kafka_class_name(bus_kafka_class_of(error))),
                 BUS_KV("code", rd_kafka_err2name(error)),
                 BUS_KV("text", text != NULL ? text : ""));
}

/* --- what is read -------------------------------------------------------------- */

static void
change(bus_kafka_reader *r, rd_kafka_topic_partition_list_t *list,
       rd_kafka_error_t *(*how)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *))
{
    rd_kafka_error_t *error = list->cnt > 0 ? how(r->handle, list) : NULL;

    if (error != NULL) { /* cannot be while nobody else assigns */
        complain(r, "kafka.not_assigned", rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
}

void
bus_kafka_reader_add(bus_kafka_reader *r, rd_kafka_topic_partition_list_t *list)
{
    change(r, list, rd_kafka_incremental_assign);
}

void
bus_kafka_reader_drop(bus_kafka_reader *r, rd_kafka_topic_partition_list_t *list)
{
    change(r, list, rd_kafka_incremental_unassign);
}

bool
bus_kafka_reader_end(bus_kafka_reader *r, const char *topic, int partition, int64_t *out)
{
    rd_kafka_resp_err_t error =
        bus_kafka_end_ask(r->handle, topic, partition, RD_KAFKA_OFFSET_END, ASK_MS, out);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        complain(r, "kafka.end_unknown", error, topic);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* One partition by time; at->offset goes in as the time. */
static bool
read_time(bus_kafka_reader *r, rd_kafka_topic_partition_t *at)
{
    if (at->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        complain(r, "kafka.times_unknown", at->err, at->topic);
        return false;
    }
    if (at->offset >= 0)
        return true;
    /* Nothing is as young. The end must be that of now, not of when it is read at last. */
    return bus_kafka_reader_end(r, at->topic, at->partition, &at->offset);
}

static bool
find_by_time(bus_kafka_reader *r, rd_kafka_topic_partition_list_t *list, int64_t since_ms)
{
    rd_kafka_resp_err_t error;

    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = since_ms;
    error = rd_kafka_offsets_for_times(r->handle, list, ASK_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        complain(r, "kafka.times_unknown", error, NULL);
        return false;
    }
    for (int i = 0; i < list->cnt; i++)
        if (!read_time(r, &list->elems[i]))
            return false;
    return true;
}

bool
bus_kafka_reader_find(bus_kafka_reader *r, rd_kafka_topic_partition_list_t *list, int64_t since_ms)
{
    rd_kafka_resp_err_t error = rd_kafka_committed(r->handle, list, ASK_MS);

    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        error = list->elems[i].err;
        if (list->elems[i].offset < 0)
            list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    complain(r, "kafka.committed_unknown", error, NULL);
    return find_by_time(r, list, since_ms);
}

static void
wait_committed(bus_kafka_reader *r, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ASK_MS);

    if (event != NULL && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        complain(r, "kafka.commit_failed", rd_kafka_event_error(event),
                 rd_kafka_event_error_string(event));
    if (event != NULL)
        rd_kafka_event_destroy(event);
}

void
bus_kafka_reader_commit(bus_kafka_reader *r, rd_kafka_topic_partition_list_t *list, bool wait)
{
    rd_kafka_queue_t   *queue = wait ? rd_kafka_queue_new(r->handle) : NULL;
    rd_kafka_resp_err_t error;

    if (list->cnt > 0) {
        error = wait ? rd_kafka_commit_queue(r->handle, list, queue, NULL, NULL)
                     : rd_kafka_commit(r->handle, list, 1);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            complain(r, "kafka.commit_failed", error, NULL);
        else if (wait)
            wait_committed(r, queue);
    }
    if (queue != NULL)
        rd_kafka_queue_destroy(queue);
}

/* --- the thread ------------------------------------------------------------------ */

static void
take(bus_kafka_reader *r, rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: r->options.message(r->options.context, message); return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        complain(r, "kafka.place_gone", message->err, rd_kafka_message_errstr(message));
        if (message->rkt != NULL)
            r->options.lost(r->options.context, r, rd_kafka_topic_name(message->rkt),
                            message->partition);
        break;
    default: complain(r, "kafka.read_failed", message->err, rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
}

static void
take_burst(bus_kafka_reader *r)
{
    for (int i = 0; i < BURST_MAX; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(r->handle, i == 0 ? POLL_MS : 0);

        if (message == NULL)
            break;
        take(r, message);
    }
    r->options.rest(r->options.context);
}

static void *
reader_main(void *context)
{
    bus_kafka_reader *r = context;
    int64_t           turned_us = now_us() - TURN_US;

    bus_thread_name("kafka road", NULL);
    while (!atomic_load(&r->ends)) {
        if (atomic_exchange(&r->poked, false) || now_us() - turned_us >= TURN_US) {
            turned_us = now_us();
            r->options.turn(r->options.context, r);
        }
        take_burst(r);
    }
    r->options.turn(r->options.context, r);
    return NULL;
}

bus_code
bus_kafka_reader_create(bus_kafka_reader **out, const bus_kafka_settings *settings,
                        const bus_kafka_reader_options *options, bus_error *err)
{
    const char *const              properties[] = {"group.id",
                                                   options->group,
                                                   "enable.auto.commit",
                                                   "false",
                                                   "enable.auto.offset.store",
                                                   "false",
                                                   "auto.offset.reset",
                                                   "error", /* where to go on is ours to say */
                                                   "fetch.wait.max.ms",
                                                   "100", /* a partition that is added waits for no longer */
                                                   "fetch.error.backoff.ms",
                                                   "100",
                                                   NULL};
    const bus_kafka_client_options client = {
        .type = RD_KAFKA_CONSUMER, .role = options->role, .properties = properties};
    bus_kafka_reader *r = calloc(1, sizeof(*r));
    bus_code          rc;

    if (r == NULL)
        abort();
    r->options = *options;
    r->options.group = NULL; /* librdkafka has a copy */
    if ((rc = bus_kafka_client_create(&r->client, settings, &client, err)) != BUS_OK) {
        free(r);
        return rc;
    }
    r->handle = bus_kafka_client_handle(r->client);
    (void)rd_kafka_poll_set_consumer(r->handle);
    r->queue = rd_kafka_queue_get_consumer(r->handle);
    *out = r;
    BUS_INVARIANT(pthread_create(&r->thread, NULL, reader_main, r) == 0);
    return BUS_OK;
}

void
bus_kafka_reader_poke(bus_kafka_reader *r)
{
    atomic_store(&r->poked, true);
    rd_kafka_queue_yield(r->queue);
}

bool
bus_kafka_reader_down(const bus_kafka_reader *r)
{
    return bus_kafka_client_down(r->client);
}

void
bus_kafka_reader_destroy(bus_kafka_reader *r)
{
    if (r == NULL)
        return;
    atomic_store(&r->ends, true);
    bus_kafka_reader_poke(r);
    (void)pthread_join(r->thread, NULL);
    rd_kafka_queue_destroy(r->queue);
    bus_kafka_client_destroy(r->client);
    free(r);
}
