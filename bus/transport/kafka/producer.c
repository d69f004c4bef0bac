/* producer.c - sends, and a thread that tells what became of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/producer.h"
#include "bus/base/clock.h"
#include "bus/base/thread.h"
#include "bus/log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 100
#define PURGED_US 2000000 /* for what was given up to be told */
#define RENEW_AGAIN_US 1000000
#define TRY_AGAIN_US 500000

struct bus_kafka_producer {
    const bus_kafka_settings *settings;
    bus_kafka_delivered       delivered;
    void                     *context;
    char                      messages_max[12];
    pthread_rwlock_t          lock;   /* held for writing while the client is made anew */
    bus_kafka_client         *client; /* NULL: could not be made anew yet */
    bool                      held;   /* it is not made anew */
    pthread_t                 pump;
    atomic_bool               ends;
    _Atomic int64_t           tried_us; /* when something was last sent though all seemed down */
};

static bus_code
make_client(bus_kafka_producer *p, bus_error *err)
{
    const char *const properties[] = {
        "enable.idempotence",
        "true",
        "acks",
        "all",
        "linger.ms",
        "0", /* what waits while a request is on its way makes the next batch */
        "message.timeout.ms",
        "5000",
        "queue.buffering.max.messages",
        p->messages_max,
        "queue.buffering.max.kbytes",
        "262144",
        NULL};
    const bus_kafka_client_options options = {.type = RD_KAFKA_PRODUCER,
                                              .role = "bus-producer",
                                              .properties = properties,
                                              .delivered = p->delivered,
                                              .context = p->context};

    return bus_kafka_client_create(&p->client, p->settings, &options, err);
}

/* Gives up what has not been delivered, each message with a word to whom it was of. */
static void
drain(bus_kafka_client *client)
{
    rd_kafka_t *handle = bus_kafka_client_handle(client);
    int64_t     until_us = bus_mono_us(bus_clock_system()) + PURGED_US;

    (void)rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(handle) > 0 && bus_mono_us(bus_clock_system()) < until_us)
        (void)rd_kafka_poll(handle, 10);
}

/* The pump's: nobody sends meanwhile, they are told to come again. */
static void
renew(bus_kafka_producer *p)
{
    bus_error err = {0};

    (void)pthread_rwlock_wrlock(&p->lock);
    if (p->held) {
        (void)pthread_rwlock_unlock(&p->lock);
        return;
    }
    if (p->client != NULL) {
        drain(p->client);
        bus_kafka_client_destroy(p->client);
        p->client = NULL;
    }
    if (make_client(p, &err) == BUS_OK)
        bus_log_warn("kafka.producer_renewed", BUS_KV("process", p->settings->process));
    else
        bus_log_error("kafka.producer_not_renewed", BUS_KV_ERR(&err));
    (void)pthread_rwlock_unlock(&p->lock);
}

static void *
pump_main(void *context)
{
    bus_kafka_producer *p = context;
    int64_t             again_us = 0;

    bus_thread_name("kafka pump", NULL);
    while (!atomic_load(&p->ends)) { /* nobody but us changes p->client */
        if (p->client != NULL)
            (void)rd_kafka_poll(bus_kafka_client_handle(p->client), POLL_MS);
        else
            (void)usleep(POLL_MS * 1000);
        if (p->client != NULL && bus_kafka_client_fatal(p->client) == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        if (bus_mono_us(bus_clock_system()) < again_us)
            continue; /* the new one was of no use at once: one that is denied, say */
        renew(p);
        again_us = bus_mono_us(bus_clock_system()) + RENEW_AGAIN_US;
    }
    return NULL;
}

bus_code
bus_kafka_producer_create(bus_kafka_producer **out, const bus_kafka_settings *settings,
                          uint32_t messages_max, bus_kafka_delivered delivered, void *context,
                          bus_error *err)
{
    bus_kafka_producer *p = calloc(1, sizeof(*p));
    bus_code            rc;

    if (p == NULL)
        abort();
    p->settings = settings;
    p->delivered = delivered;
    p->context = context;
    (void)snprintf(p->messages_max, sizeof(p->messages_max), "%u",
                   messages_max < 10000000 ? messages_max : 10000000u);
    if ((rc = make_client(p, err)) != BUS_OK) {
        free(p);
        return rc;
    }
    BUS_INVARIANT(pthread_rwlock_init(&p->lock, NULL) == 0);
    BUS_INVARIANT(pthread_create(&p->pump, NULL, pump_main, p) == 0);
    *out = p;
    return BUS_OK;
}

void
bus_kafka_producer_destroy(bus_kafka_producer *p, int linger_ms)
{
    if (p == NULL)
        return;
    atomic_store(&p->ends, true);
    (void)pthread_join(p->pump, NULL);
    if (p->client != NULL) {
        (void)rd_kafka_flush(bus_kafka_client_handle(p->client), linger_ms); /* the rest: drained */
        drain(p->client);
        bus_kafka_client_destroy(p->client);
    }
    (void)pthread_rwlock_destroy(&p->lock);
    free(p);
}

/* No broker is in reach, and lately one was tried: librdkafka connects only where it has something
 * to send, so now and then it must get something. */
static bool
is_hopeless(bus_kafka_producer *p)
{
    int64_t now_us = bus_mono_us(bus_clock_system()), tried_us = atomic_load(&p->tried_us);

    return bus_kafka_client_down(p->client) &&
           (now_us - tried_us < TRY_AGAIN_US ||
            !atomic_compare_exchange_strong(&p->tried_us, &tried_us, now_us));
}

static bus_code
send_locked(bus_kafka_producer *p, const char *topic, int partition, bus_buf *value, void *opaque,
            bus_error *err)
{
    rd_kafka_resp_err_t error;

    if (p->client == NULL || bus_kafka_client_fatal(p->client) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return bus_fail(err, BUS_UNAVAILABLE, "kafka: the producer is being made anew");
    if (is_hopeless(p))
        return bus_fail(err, BUS_UNAVAILABLE, "kafka: no broker is in reach");
    error = rd_kafka_producev(
        bus_kafka_client_handle(p->client), RD_KAFKA_V_TOPIC(topic),
        RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE(value->at, value->len),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_FREE), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return BUS_OK;
    bus_kafka_client_count(p->client, error);
    return bus_kafka_fail(err, error, "kafka: to %s", topic);
}

bus_code
bus_kafka_producer_send(bus_kafka_producer *p, const char *topic, int partition, bus_buf *value,
                        void *opaque, bus_error *err)
{
    bus_code rc;

    if (pthread_rwlock_tryrdlock(&p->lock) != 0)
        return bus_fail(err, BUS_UNAVAILABLE, "kafka: the producer is being made anew");
    rc = send_locked(p, topic, partition, value, opaque, err);
    (void)pthread_rwlock_unlock(&p->lock);
    if (rc == BUS_OK)
        *value = (bus_buf){0}; /* librdkafka frees it */
    return rc;
}

bus_kafka_client *
bus_kafka_producer_hold(bus_kafka_producer *p)
{
    (void)pthread_rwlock_wrlock(&p->lock);
    p->held = true;
    (void)pthread_rwlock_unlock(&p->lock);
    return p->client;
}

void
bus_kafka_producer_release(bus_kafka_producer *p)
{
    (void)pthread_rwlock_wrlock(&p->lock);
    p->held = false;
    (void)pthread_rwlock_unlock(&p->lock);
}
