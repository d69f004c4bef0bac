/* kafka.c - the transport between hosts: commands, answers and news as messages in topics.
 *
 * A command goes to its domain's topic, into the partition that its stream is in; who holds the
 * lease of that partition reads it there. Its answer goes to the partition of answers that the
 * asker reads. Within the process all is as with inproc, so that a broker that is away only
 * separates processes from each other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/transport/kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINGER_MS 2000 /* for what is on its way when it is closed */
#define HEAR_MS 30000  /* until the place among the answers is found */
#define COMPLAINT_US 1000000

/* --- values ---------------------------------------------------------------------- */

static const char magic[4] = {'s', 'h', 'k', '1'};

void
bus_kafka_value_begin(bus_buf *out, message_kind kind, uint32_t incarnation)
{
    bus_buf_add(out, magic, sizeof(magic));
    bus_wire_put_u8(out, (uint8_t)kind);
    bus_wire_put_u32(out, incarnation);
}

bus_code
bus_kafka_value_read(bus_wire *in, message_kind kind, uint32_t *incarnation, bus_error *err)
{
    if (in->left < sizeof(magic) || memcmp(in->at, magic, sizeof(magic)) != 0)
        return bus_fail(err, BUS_INVALID, "kafka: a message that is not of shina");
    in->at += sizeof(magic);
    in->left -= (uint32_t)sizeof(magic);
    if (bus_wire_u8(in, "kind") != kind)
        return bus_fail(err, BUS_INVALID, "kafka: a message of another kind");
    *incarnation = bus_wire_u32(in, "incarnation");
    if (in->wrong != NULL)
        return bus_fail(err, BUS_INVALID, "kafka: /%s is cut off", in->wrong);
    return BUS_OK;
}

bus_code
bus_kafka_value_send(bus_transport *t, const char *topic, int partition, bus_buf *value,
                     atomic_uint *counter, uint32_t max, void *opaque, bus_error *err)
{
    bus_code rc;

    if (value->len > BUS_KAFKA_MESSAGE_BYTES_MAX)
        rc = bus_fail(err, BUS_INVALID, "kafka: a message of %zu bytes is too large", value->len);
    else if (atomic_fetch_add(counter, 1) >= max)
        rc = bus_fail(err, BUS_FULL, "kafka: %u messages to %s wait already", max, topic);
    else
        rc = bus_kafka_producer_send(t->producer, topic, partition, value, opaque, err);
    if (rc != BUS_OK && rc != BUS_INVALID)
        atomic_fetch_sub(counter, 1);
    bus_buf_fini(value); /* empty once it was sent */
    return rc;
}

void
bus_kafka_complain(bus_transport *t, const char *topic, const bus_error *err)
{
    int64_t now_us = bus_mono_us(bus_clock_system());
    int64_t before_us = atomic_load(&t->complained_us);

    if (now_us - before_us >= COMPLAINT_US &&
        atomic_compare_exchange_strong(&t->complained_us, &before_us, now_us))
        bus_log_warn("kafka.message_broken", BUS_KV("topic", topic), BUS_KV_ERR(err));
}

domain *
bus_kafka_domain(const bus_transport *t, bus_str name)
{
    for (int i = 0; i < t->settings.domains_count; i++)
        if (bus_str_is(name, t->domains[i].name))
            return &t->domains[i];
    return NULL;
}

/* --- opening ------------------------------------------------------------------------ */

static bus_code
check_settings(const bus_kafka_settings *s, bus_error *err)
{
    if (s == NULL)
        return bus_fail(err, BUS_INVALID, "kafka: there are no settings");
    if (s->answers < 1 || s->answers > ANSWERS_MAX || s->edge >= s->answers)
        return bus_fail(err, BUS_INVALID,
                        "kafka: SHINA_EDGE_ID %d is not below SHINA_KAFKA_ANSWERS %d", s->edge,
                        s->answers);
    if (s->partitions < 1 || s->partitions > UINT16_MAX)
        return bus_fail(err, BUS_INVALID, "kafka: %d partitions", s->partitions);
    if (strlen(s->process) + sizeof("kafka://") > BUS_URL_BYTES)
        return bus_fail(err, BUS_INVALID, "kafka: the name %s is too long", s->process);
    return BUS_OK;
}

static void
init_domain(const bus_transport *t, domain *d, const char *name)
{
    (void)snprintf(d->name, sizeof(d->name), "%s", name);
    (void)bus_kafka_topic_name(&t->settings, BUS_KAFKA_COMMANDS, name, d->commands);
    (void)bus_kafka_topic_name(&t->settings, BUS_KAFKA_EVENTS, name, d->events);
    d->places = calloc((size_t)t->settings.partitions, sizeof(*d->places));
    if (d->places == NULL)
        abort();
}

static void
init(bus_transport *t, const bus_transport_options *options)
{
    const bus_kafka_settings *settings = options->kafka;

    t->settings = *settings;
    t->cover = options->cover;
    BUS_INVARIANT(pthread_mutex_init(&t->lock, NULL) == 0);
    BUS_INVARIANT(pthread_mutex_init(&t->news_lock, NULL) == 0);
    (void)snprintf(t->url, sizeof(t->url), "kafka://%s", settings->process);
    (void)snprintf(t->prefix, sizeof(t->prefix), "%s#", t->url);
    (void)snprintf(t->group, sizeof(t->group), "%.100s." COMMANDS_GROUP, settings->prefix);
    (void)bus_kafka_topic_name(settings, BUS_KAFKA_ANSWERS, NULL, t->answers);
    (void)bus_kafka_topic_name(settings, BUS_KAFKA_PROGRESS, NULL, t->progress);
    bus_clock_system()->random(bus_clock_system()->context, &t->incarnation,
                               sizeof(t->incarnation));
    t->answers_partition = settings->edge >= 0
                               ? settings->edge
                               : (int)(bus_fnv1a64(settings->process, strlen(settings->process)) %
                                       (uint64_t)settings->answers);
    t->domains = calloc((size_t)settings->domains_count + 1, sizeof(*t->domains));
    if (t->domains == NULL)
        abort();
    for (int i = 0; i < settings->domains_count; i++)
        init_domain(t, &t->domains[i], settings->domains[i]);
}

/* In the reverse order of start(), as far as that came. */
static void
destroy(bus_transport *t)
{
    atomic_store(&t->closing, true);
    bus_kafka_news_close(t);
    bus_kafka_producer_destroy(t->producer, LINGER_MS); /* the last answers before their places */
    bus_kafka_reader_destroy(t->road);
    bus_local_fini(&t->local);
    for (int i = 0; i < t->settings.domains_count; i++) {
        for (int p = 0; p < t->settings.partitions; p++)
            bus_kafka_window_fini(&t->domains[i].places[p].window);
        free(t->domains[i].places);
    }
    free(t->domains);
    (void)pthread_mutex_destroy(&t->lock);
    (void)pthread_mutex_destroy(&t->news_lock);
    free(t);
}

static bus_code
ensure_all(bus_transport *t, bus_kafka_client *client, bus_error *err)
{
    bus_code rc;

    if ((rc = bus_kafka_topic_ensure(client, &t->settings, BUS_KAFKA_ANSWERS, NULL,
                                     BUS_KAFKA_TOPICS_MS, err)) != BUS_OK ||
        (rc = bus_kafka_topic_ensure(client, &t->settings, BUS_KAFKA_PROGRESS, NULL,
                                     BUS_KAFKA_TOPICS_MS, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < t->settings.domains_count && rc == BUS_OK; i++) {
        rc = bus_kafka_topic_ensure(client, &t->settings, BUS_KAFKA_COMMANDS, t->domains[i].name,
                                    BUS_KAFKA_TOPICS_MS, err);
        if (rc == BUS_OK)
            rc = bus_kafka_topic_ensure(client, &t->settings, BUS_KAFKA_EVENTS, t->domains[i].name,
                                        BUS_KAFKA_TOPICS_MS, err);
    }
    return rc;
}

/* By the producer's client, which is of use only when it knows the brokers anyway. */
static bus_code
ensure_topics(bus_transport *t, bus_error *err)
{
    bus_code rc = ensure_all(t, bus_kafka_producer_hold(t->producer), err);

    bus_kafka_producer_release(t->producer);
    return rc;
}

static bus_code
start(bus_transport *t, bus_error *err)
{
    const bus_kafka_reader_options road = {.role = "bus-road",
                                           .group = t->group,
                                           .context = t,
                                           .turn = bus_kafka_road_turn,
                                           .message = bus_kafka_road_message,
                                           .rest = bus_kafka_road_rest,
                                           .lost = bus_kafka_road_lost};
    bus_code                       rc;

    if ((rc = bus_kafka_producer_create(&t->producer, &t->settings,
                                        2 * t->local.queue_max + t->local.batches_max,
                                        bus_kafka_delivery, t, err)) != BUS_OK ||
        (rc = ensure_topics(t, err)) != BUS_OK ||
        (rc = bus_kafka_reader_create(&t->road, &t->settings, &road, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < HEAR_MS && !atomic_load(&t->hears); i++) {
        (void)usleep(1000);
        if (t->settings.gives_up != NULL && t->settings.gives_up())
            return bus_fail(err, BUS_CLOSED, "stopped while waiting for the brokers");
    }
    if (!atomic_load(&t->hears))
        return bus_fail(err, BUS_TIMEOUT, "kafka: the brokers do not tell where %s ends",
                        t->answers);
    return BUS_OK;
}

static bus_code
transport_open(bus_transport **out, const bus_transport_options *options, bus_error *err)
{
    bus_transport *t;
    bus_code       rc;

    if ((rc = check_settings(options->kafka, err)) != BUS_OK)
        return rc;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        abort();
    if ((rc = bus_local_init(&t->local, options, err)) != BUS_OK) {
        free(t);
        return rc;
    }
    init(t, options);
    if ((rc = start(t, err)) != BUS_OK) {
        destroy(t);
        return rc;
    }
    *out = t;
    return BUS_OK;
}

static void
transport_close(bus_transport *t)
{
    if (t == NULL)
        return;
    bus_local_check_left(&t->local);
    destroy(t);
}

/* --- the ops -------------------------------------------------------------------------- */

static const char *
transport_url(const bus_transport *t)
{
    return t->url;
}

static void
transport_peers(bus_transport *t, const char *const *urls, int count)
{
    (void)t, (void)urls, (void)count; /* all are reached by way of the brokers */
}

/* The reader asks all the time, so it knows; the producer only when something is sent. */
static bool
transport_away(const bus_transport *t)
{
    return bus_kafka_reader_down(t->road);
}

static bus_code
transport_serve(bus_transport *t, const char *name, bus_server **out, bus_error *err)
{
    if (bus_kafka_domain(t, bus_str_of(name)) == NULL)
        return bus_fail(err, BUS_INVALID, "kafka: the topics of %s were not checked", name);
    return bus_local_serve(&t->local, t, t->prefix, name, out, err);
}

static void
transport_stop(bus_server *server)
{
    if (server == NULL)
        return;
    bus_kafka_own(server, NULL, 0);
    bus_local_stop(server, bus_kafka_answer_send);
}

static bus_code
transport_connect(bus_transport *t, bus_ready on_ready, void *context, bus_client **out,
                  bus_error *err)
{
    bus_client *client = bus_local_connect(&t->local, t, on_ready, context);

    if (client->number >= CLIENTS_MAX) {
        bus_local_disconnect(client);
        return bus_fail(err, BUS_FULL, "kafka: more than %u clients in one life", CLIENTS_MAX);
    }
    *out = client;
    return BUS_OK;
}

static bus_code
send_local(bus_client *client, bus_str target, bus_envelope *env, bus_error *err)
{
    env->route = client->number;
    switch (bus_local_deliver(client->local, target, env)) {
    case BUS_DELIVERED: return BUS_OK;
    case BUS_NO_ROOM:
        return bus_fail(err, BUS_FULL, "the queue of %.*s is full", BUS_STR_ARG(target));
    case BUS_NOBODY: break;
    }
    return bus_fail(err, BUS_UNAVAILABLE, "nobody here serves %.*s", BUS_STR_ARG(target));
}

static bus_code
transport_send(bus_client *client, const char *address, bus_envelope *env, uint64_t ticket,
               bus_error *err)
{
    const bus_transport *t = client->transport;
    const char          *hash = strchr(address, '#');

    env->ticket = ticket;
    if (hash == NULL || strncmp(address, "kafka://", 8) != 0)
        return bus_fail(err, BUS_UNAVAILABLE, "%.200s is no address of kafka", address);
    if (strncmp(address, t->prefix, strlen(t->prefix)) == 0)
        return send_local(client, bus_str_of(hash + 1), env, err);
    return bus_kafka_command_send(client, bus_str_of(hash + 1), env, err);
}

static bus_code
transport_subscribe(bus_transport *t, const char *const *topics, int topics_count,
                    bus_ready on_ready, void *context, bus_subscriber **out, bus_error *err)
{
    bus_code rc =
        bus_local_subscribe(&t->local, t, topics, topics_count, on_ready, context, out, err);

    if (rc == BUS_OK && (rc = bus_kafka_news_changed(t, err)) != BUS_OK)
        bus_local_unsubscribe(*out);
    return rc;
}

static void
transport_unsubscribe(bus_subscriber *subscriber)
{
    bus_transport *t;
    bus_error      err;

    if (subscriber == NULL)
        return;
    t = subscriber->transport;
    bus_local_unsubscribe(subscriber);
    if (bus_kafka_news_changed(t, &err) != BUS_OK)
        bus_log_warn("kafka.still_subscribed", BUS_KV_ERR(&err));
}

const bus_transport_ops bus_transport_kafka = {
    .name = "kafka",
    .open = transport_open,
    .close = transport_close,
    .url = transport_url,
    .peers = transport_peers,
    .away = transport_away,
    .serve = transport_serve,
    .address = bus_local_address,
    .own = bus_kafka_own,
    .take = bus_local_take,
    .wake = bus_local_wake,
    .reply = bus_kafka_answer_send,
    .stop = transport_stop,
    .connect = transport_connect,
    .send = transport_send,
    .replies = bus_local_replies,
    .rouse_client = bus_local_rouse_client,
    .disconnect = bus_local_disconnect,
    .publish = bus_kafka_news_publish,
    .subscribe = transport_subscribe,
    .next = bus_local_next,
    .rouse = bus_local_rouse,
    .unsubscribe = transport_unsubscribe,
};
