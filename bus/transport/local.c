/* local.c - who serves, asks and follows within this process.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bus_code
bus_local_init(bus_local *local, const bus_transport_options *options, bus_error *err)
{
    if (options->queue_max == 0 || options->batches_max == 0)
        return bus_fail(err, BUS_INVALID, "transport: a queue needs room");
    *local = (bus_local){.queue_max = options->queue_max, .batches_max = options->batches_max};
    BUS_INVARIANT(pthread_rwlock_init(&local->lock, NULL) == 0);
    return BUS_OK;
}

void
bus_local_check_left(const bus_local *local)
{
    BUS_INVARIANT(local->servers == NULL && local->clients == NULL && local->subscribers == NULL);
}

bool
bus_local_away(const bus_transport *transport)
{
    (void)transport;
    return false;
}

void
bus_local_fini(bus_local *local)
{
    bus_local_check_left(local);
    (void)pthread_rwlock_destroy(&local->lock);
}

static void *
zeroed(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (memory == NULL)
        abort();
    return memory;
}

/* --- the service's side -------------------------------------------------- */

bus_code
bus_local_serve(bus_local *local, bus_transport *transport, const char *prefix, const char *domain,
                bus_server **out, bus_error *err)
{
    bus_server *server;

    if (strlen(domain) >= sizeof(server->domain) || strlen(prefix) > BUS_URL_BYTES)
        return bus_fail(err, BUS_INVALID, "transport: the domain name %s is too long", domain);
    server = zeroed(sizeof(*server));
    server->transport = transport;
    server->local = local;
    bus_queue_init(&server->inbox, local->queue_max, NULL, NULL);
    (void)snprintf(server->domain, sizeof(server->domain), "%s", domain);
    (void)pthread_rwlock_wrlock(&local->lock);
    (void)snprintf(server->address, sizeof(server->address), "%s%s/%u", prefix, domain,
                   ++local->last_number);
    server->target = server->address + strlen(prefix);
    server->next = local->servers;
    local->servers = server;
    (void)pthread_rwlock_unlock(&local->lock);
    *out = server;
    return BUS_OK;
}

const char *
bus_local_address(const bus_server *server)
{
    return server->address;
}

uint32_t
bus_local_take(bus_server *server, bus_envelope **out, uint32_t max, int timeout_ms)
{
    return bus_queue_take(&server->inbox, out, max, timeout_ms);
}

void
bus_local_wake(bus_server *server)
{
    bus_queue_wake(&server->inbox);
}

void
bus_local_stop(bus_server *server,
               void (*reply)(bus_server *, const bus_envelope *, bus_envelope *))
{
    bus_server  **at;
    bus_envelope *left;

    if (server == NULL)
        return;
    (void)pthread_rwlock_wrlock(&server->local->lock);
    for (at = &server->local->servers; *at != server; at = &(*at)->next)
        ;
    *at = server->next;
    (void)pthread_rwlock_unlock(&server->local->lock);
    while (bus_queue_take(&server->inbox, &left, 1, 0) == 1) {
        reply(server, left, bus_local_answer(left, BUS_ANSWER_BUSY));
        bus_envelope_release(left);
    }
    bus_queue_fini(&server->inbox);
    free(server);
}

/* Under the lock. */
static bus_server *
find_server(const bus_local *local, bus_str target)
{
    const char *slash = target.len > 0 ? memchr(target.at, '/', target.len) : NULL;
    bus_str     domain = {target.at, slash != NULL ? (uint32_t)(slash - target.at) : target.len};
    bus_server *of_domain = NULL;

    for (bus_server *server = local->servers; server != NULL; server = server->next) {
        if (bus_str_is(target, server->target))
            return server;
        if (bus_str_is(domain, server->domain))
            of_domain = server;
    }
    return of_domain;
}

bus_delivery
bus_local_deliver(bus_local *local, bus_str target, bus_envelope *env)
{
    bus_server  *server;
    bus_delivery result = BUS_NOBODY;

    (void)pthread_rwlock_rdlock(&local->lock);
    server = find_server(local, target);
    if (server != NULL)
        result = bus_queue_push(&server->inbox, env) ? BUS_DELIVERED : BUS_NO_ROOM;
    (void)pthread_rwlock_unlock(&local->lock);
    return result;
}

bus_envelope *
bus_local_answer(const bus_envelope *request, bus_answer_status status)
{
    const bus_reply reply = {.command_id = request->command.command_id,
                             .status = status,
                             .stream = request->command.stream,
                             .partition = request->command.partition};
    bus_envelope   *env = bus_envelope_of_reply(&reply);

    env->ticket = request->ticket;
    return env;
}

/* --- the asker's side ---------------------------------------------------- */

bus_client *
bus_local_connect(bus_local *local, bus_transport *transport, bus_ready on_ready, void *context)
{
    bus_client *client = zeroed(sizeof(*client));

    client->transport = transport;
    client->local = local;
    bus_queue_init(&client->inbox, local->queue_max, on_ready, context);
    (void)pthread_rwlock_wrlock(&local->lock);
    client->number = ++local->last_number;
    client->next = local->clients;
    local->clients = client;
    (void)pthread_rwlock_unlock(&local->lock);
    return client;
}

void
bus_local_reply(bus_local *local, uint32_t client, bus_envelope *reply)
{
    bool delivered = false;

    (void)pthread_rwlock_rdlock(&local->lock);
    for (bus_client *c = local->clients; c != NULL; c = c->next)
        if (c->number == client) {
            delivered = bus_queue_push(&c->inbox, reply);
            break;
        }
    (void)pthread_rwlock_unlock(&local->lock);
    if (!delivered)
        bus_envelope_release(reply); /* gone, or too slow: the asker repeats */
}

uint32_t
bus_local_replies(bus_client *client, bus_envelope **out, uint32_t max, int timeout_ms)
{
    return bus_queue_take(&client->inbox, out, max, timeout_ms);
}

void
bus_local_rouse_client(bus_client *client)
{
    bus_queue_wake(&client->inbox);
}

void
bus_local_disconnect(bus_client *client)
{
    bus_client  **at;
    bus_envelope *left;

    if (client == NULL)
        return;
    (void)pthread_rwlock_wrlock(&client->local->lock);
    for (at = &client->local->clients; *at != client; at = &(*at)->next)
        ;
    *at = client->next;
    (void)pthread_rwlock_unlock(&client->local->lock);
    while (bus_queue_take(&client->inbox, &left, 1, 0) == 1)
        bus_envelope_release(left);
    bus_queue_fini(&client->inbox);
    free(client);
}

/* --- committed batches --------------------------------------------------- */

static bool
wants(const bus_subscriber *subscriber, bus_str topic)
{
    for (int i = 0; i < subscriber->topics_count; i++)
        if (bus_str_is(topic, subscriber->topics[i]))
            return true;
    return false;
}

void
bus_local_publish(bus_local *local, bus_batch *batch)
{
    (void)pthread_rwlock_rdlock(&local->lock);
    for (bus_subscriber *s = local->subscribers; s != NULL; s = s->next)
        if (wants(s, batch->topic) && !bus_queue_push(&s->inbox, bus_batch_hold(batch)))
            bus_batch_release(batch);
    (void)pthread_rwlock_unlock(&local->lock);
}

bus_code
bus_local_subscribe(bus_local *local, bus_transport *transport, const char *const *topics,
                    int topics_count, bus_ready on_ready, void *context, bus_subscriber **out,
                    bus_error *err)
{
    bus_subscriber *subscriber;

    if (topics_count < 1 || topics_count > BUS_TOPICS_MAX)
        return bus_fail(err, BUS_INVALID, "transport: 1 to %d topics, not %d", BUS_TOPICS_MAX,
                        topics_count);
    for (int i = 0; i < topics_count; i++)
        if (strlen(topics[i]) >= BUS_TOPIC_BYTES)
            return bus_fail(err, BUS_INVALID, "transport: the topic %s is too long", topics[i]);
    subscriber = zeroed(sizeof(*subscriber));
    subscriber->transport = transport;
    subscriber->local = local;
    subscriber->topics_count = topics_count;
    for (int i = 0; i < topics_count; i++)
        (void)snprintf(subscriber->topics[i], BUS_TOPIC_BYTES, "%s", topics[i]);
    bus_queue_init(&subscriber->inbox, local->batches_max, on_ready, context);
    (void)pthread_rwlock_wrlock(&local->lock);
    subscriber->next = local->subscribers;
    local->subscribers = subscriber;
    (void)pthread_rwlock_unlock(&local->lock);
    *out = subscriber;
    return BUS_OK;
}

void
bus_local_topics(bus_local *local, void (*found)(void *context, bus_str topic), void *context)
{
    (void)pthread_rwlock_rdlock(&local->lock);
    for (const bus_subscriber *s = local->subscribers; s != NULL; s = s->next)
        for (int i = 0; i < s->topics_count; i++)
            found(context, bus_str_of(s->topics[i]));
    (void)pthread_rwlock_unlock(&local->lock);
}

bus_batch *
bus_local_next(bus_subscriber *subscriber, int timeout_ms)
{
    void *batch = NULL;

    return bus_queue_take(&subscriber->inbox, &batch, 1, timeout_ms) == 1 ? batch : NULL;
}

void
bus_local_rouse(bus_subscriber *subscriber)
{
    bus_queue_wake(&subscriber->inbox);
}

void
bus_local_unsubscribe(bus_subscriber *subscriber)
{
    bus_subscriber **at;
    void            *left;

    if (subscriber == NULL)
        return;
    (void)pthread_rwlock_wrlock(&subscriber->local->lock);
    for (at = &subscriber->local->subscribers; *at != subscriber; at = &(*at)->next)
        ;
    *at = subscriber->next;
    (void)pthread_rwlock_unlock(&subscriber->local->lock);
    while (bus_queue_take(&subscriber->inbox, &left, 1, 0) == 1)
        bus_batch_release(left);
    bus_queue_fini(&subscriber->inbox);
    free(subscriber);
}
