/* inproc.c - the transport between the threads of one process: pointers in bounded queues.
 *
 * Locks: transport.lock guards who is there (servers, clients, subscribers); each queue has a
 * lock of its own, always taken after it. on_ready is called under both, so that nobody can be
 * told after it has left.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/transport/transport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOPICS_MAX 16
#define NAME_BYTES 96

/* A bounded queue of pointers with one taker. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t  filled;
    void          **items;
    uint32_t        room, first, count;
    bool            woken; /* the taker shall not sleep */
    bus_ready       on_ready;
    void           *context;
} queue;

struct bus_server {
    bus_transport *transport;
    bus_server    *next;
    char           domain[NAME_BYTES], address[NAME_BYTES];
    queue          inbox;
};

struct bus_client {
    bus_transport *transport;
    bus_client    *next;
    uint64_t       number; /* its way back */
    queue          inbox;
};

struct bus_subscriber {
    bus_transport  *transport;
    bus_subscriber *next;
    char            topics[TOPICS_MAX][NAME_BYTES];
    int             topics_count;
    queue           inbox;
};

struct bus_transport {
    bus_transport_options options;
    pthread_rwlock_t      lock;
    bus_server           *servers;
    bus_client           *clients;
    bus_subscriber       *subscribers;
    uint64_t              last_number;
    uint64_t              process; /* drawn at random: addresses stand in a store others share */
};

/* --- the queue ----------------------------------------------------------- */

static void
queue_init(queue *q, uint32_t room, bus_ready on_ready, void *context)
{
    pthread_condattr_t monotonic;

    *q = (queue){.room = room, .on_ready = on_ready, .context = context};
    q->items = calloc(room, sizeof(*q->items));
    if (q->items == NULL)
        abort();
    BUS_INVARIANT(pthread_mutex_init(&q->lock, NULL) == 0);
    BUS_INVARIANT(pthread_condattr_init(&monotonic) == 0);
    BUS_INVARIANT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    BUS_INVARIANT(pthread_cond_init(&q->filled, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

static void
queue_fini(queue *q)
{
    (void)pthread_cond_destroy(&q->filled);
    (void)pthread_mutex_destroy(&q->lock);
    free(q->items);
}

/* False: full. */
static bool
queue_push(queue *q, void *item)
{
    bool fits;

    (void)pthread_mutex_lock(&q->lock);
    fits = q->count < q->room;
    if (fits) {
        q->items[(q->first + q->count) % q->room] = item;
        if (q->count++ == 0) {
            (void)pthread_cond_signal(&q->filled);
            if (q->on_ready != NULL)
                q->on_ready(q->context);
        }
    }
    (void)pthread_mutex_unlock(&q->lock);
    return fits;
}

/* Sleeps until something is there, somebody wakes us, or the time is up. Under the lock. */
static void
sleep_until_filled(queue *q, int timeout_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (q->count == 0 && !q->woken)
        if (pthread_cond_timedwait(&q->filled, &q->lock, &until) != 0)
            break;
}

/* out: an array of any pointer type, filled as bytes. */
static uint32_t
queue_take(queue *q, void *out, uint32_t max, int timeout_ms)
{
    uint32_t taken = 0;

    (void)pthread_mutex_lock(&q->lock);
    if (q->count == 0 && !q->woken && timeout_ms > 0)
        sleep_until_filled(q, timeout_ms);
    q->woken = false;
    while (taken < max && q->count > 0) {
        memcpy((char *)out + taken++ * sizeof(void *), &q->items[q->first], sizeof(void *));
        q->first = (q->first + 1) % q->room;
        q->count--;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return taken;
}

static void
queue_wake(queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->woken = true;
    (void)pthread_cond_signal(&q->filled);
    (void)pthread_mutex_unlock(&q->lock);
}

/* --- the process --------------------------------------------------------- */

static bus_code
inproc_open(bus_transport **out, const bus_transport_options *options, bus_error *err)
{
    bus_transport *t;

    if (options->queue_max == 0 || options->batches_max == 0)
        return bus_fail(err, BUS_INVALID, "inproc: a queue needs room");
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        abort();
    t->options = *options;
    bus_clock_system()->random(bus_clock_system()->context, &t->process, sizeof(t->process));
    BUS_INVARIANT(pthread_rwlock_init(&t->lock, NULL) == 0);
    *out = t;
    return BUS_OK;
}

static void
inproc_close(bus_transport *t)
{
    if (t == NULL)
        return;
    BUS_INVARIANT(t->servers == NULL && t->clients == NULL && t->subscribers == NULL);
    (void)pthread_rwlock_destroy(&t->lock);
    free(t);
}

static const char *
inproc_url(const bus_transport *t)
{
    (void)t;
    return ""; /* nobody outside can reach us */
}

static void
inproc_peers(bus_transport *t, const char *const *urls, int count)
{
    (void)t, (void)urls, (void)count; /* all are here already */
}

/* --- the service's side -------------------------------------------------- */

static bus_code
inproc_serve(bus_transport *t, const char *domain, bus_server **out, bus_error *err)
{
    bus_server *server;

    if (strlen(domain) > 48)
        return bus_fail(err, BUS_INVALID, "inproc: the domain name %s is too long", domain);
    server = calloc(1, sizeof(*server));
    if (server == NULL)
        abort();
    server->transport = t;
    queue_init(&server->inbox, t->options.queue_max, NULL, NULL);
    (void)snprintf(server->domain, sizeof(server->domain), "%s", domain);
    (void)pthread_rwlock_wrlock(&t->lock);
    (void)snprintf(server->address, sizeof(server->address), "inproc://%.48s/%016llx/%llu", domain,
                   (unsigned long long)t->process, (unsigned long long)++t->last_number);
    server->next = t->servers;
    t->servers = server;
    (void)pthread_rwlock_unlock(&t->lock);
    *out = server;
    return BUS_OK;
}

static const char *
inproc_address(const bus_server *server)
{
    return server->address;
}

static uint32_t
inproc_take(bus_server *server, bus_envelope **out, uint32_t max, int timeout_ms)
{
    return queue_take(&server->inbox, out, max, timeout_ms);
}

static void
inproc_wake(bus_server *server)
{
    queue_wake(&server->inbox);
}

static void
inproc_reply(bus_server *server, const bus_envelope *request, bus_envelope *reply)
{
    bus_transport *t = server->transport;
    bus_client    *client;
    bool           delivered = false;

    reply->ticket = request->ticket;
    (void)pthread_rwlock_rdlock(&t->lock);
    for (client = t->clients; client != NULL; client = client->next)
        if (client->number == request->route) {
            delivered = queue_push(&client->inbox, reply);
            break;
        }
    (void)pthread_rwlock_unlock(&t->lock);
    if (!delivered)
        bus_envelope_release(reply); /* gone, or too slow: the asker repeats */
}

static void
answer_busy(bus_server *server, bus_envelope *request)
{
    const bus_reply busy = {.command_id = request->command.command_id,
                            .status = BUS_ANSWER_BUSY,
                            .stream = request->command.stream,
                            .partition = request->command.partition};

    inproc_reply(server, request, bus_envelope_of_reply(&busy));
    bus_envelope_release(request);
}

static void
inproc_stop(bus_server *server)
{
    bus_transport *t;
    bus_server   **at;
    bus_envelope  *left;

    if (server == NULL)
        return;
    t = server->transport;
    (void)pthread_rwlock_wrlock(&t->lock);
    for (at = &t->servers; *at != server; at = &(*at)->next)
        ;
    *at = server->next;
    (void)pthread_rwlock_unlock(&t->lock);
    while (queue_take(&server->inbox, &left, 1, 0) == 1)
        answer_busy(server, left);
    queue_fini(&server->inbox);
    free(server);
}

/* --- the asker's side ---------------------------------------------------- */

static bus_code
inproc_connect(bus_transport *t, bus_ready on_ready, void *context, bus_client **out,
               bus_error *err)
{
    bus_client *client = calloc(1, sizeof(*client));

    (void)err;
    if (client == NULL)
        abort();
    client->transport = t;
    queue_init(&client->inbox, t->options.queue_max, on_ready, context);
    (void)pthread_rwlock_wrlock(&t->lock);
    client->number = ++t->last_number;
    client->next = t->clients;
    t->clients = client;
    (void)pthread_rwlock_unlock(&t->lock);
    *out = client;
    return BUS_OK;
}

static bus_code
inproc_send(bus_client *client, const char *address, bus_envelope *env, uint64_t ticket,
            bus_error *err)
{
    bus_transport *t = client->transport;
    bus_server    *server;
    bus_code       rc;

    (void)pthread_rwlock_rdlock(&t->lock);
    for (server = t->servers; server != NULL; server = server->next)
        if (strcmp(server->address, address) == 0)
            break;
    if (server == NULL) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "nobody listens at %s", address);
    } else {
        env->ticket = ticket;
        env->route = client->number;
        rc = queue_push(&server->inbox, env)
                 ? BUS_OK
                 : bus_fail(err, BUS_FULL, "the queue of %s is full", server->domain);
    }
    (void)pthread_rwlock_unlock(&t->lock);
    return rc;
}

static uint32_t
inproc_replies(bus_client *client, bus_envelope **out, uint32_t max, int timeout_ms)
{
    return queue_take(&client->inbox, out, max, timeout_ms);
}

static void
inproc_rouse_client(bus_client *client)
{
    queue_wake(&client->inbox);
}

static void
inproc_disconnect(bus_client *client)
{
    bus_transport *t;
    bus_client   **at;
    bus_envelope  *left;

    if (client == NULL)
        return;
    t = client->transport;
    (void)pthread_rwlock_wrlock(&t->lock);
    for (at = &t->clients; *at != client; at = &(*at)->next)
        ;
    *at = client->next;
    (void)pthread_rwlock_unlock(&t->lock);
    while (queue_take(&client->inbox, &left, 1, 0) == 1)
        bus_envelope_release(left);
    queue_fini(&client->inbox);
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

static void
inproc_publish(bus_transport *t, bus_batch *batch)
{
    (void)pthread_rwlock_rdlock(&t->lock);
    for (bus_subscriber *s = t->subscribers; s != NULL; s = s->next)
        if (wants(s, batch->topic) && !queue_push(&s->inbox, bus_batch_hold(batch)))
            bus_batch_release(batch);
    (void)pthread_rwlock_unlock(&t->lock);
}

static bus_code
inproc_subscribe(bus_transport *t, const char *const *topics, int topics_count, bus_ready on_ready,
                 void *context, bus_subscriber **out, bus_error *err)
{
    bus_subscriber *subscriber;

    if (topics_count < 1 || topics_count > TOPICS_MAX)
        return bus_fail(err, BUS_INVALID, "inproc: 1 to %d topics, not %d", TOPICS_MAX,
                        topics_count);
    subscriber = calloc(1, sizeof(*subscriber));
    if (subscriber == NULL)
        abort();
    subscriber->transport = t;
    subscriber->topics_count = topics_count;
    for (int i = 0; i < topics_count; i++)
        (void)snprintf(subscriber->topics[i], NAME_BYTES, "%s", topics[i]);
    queue_init(&subscriber->inbox, t->options.batches_max, on_ready, context);
    (void)pthread_rwlock_wrlock(&t->lock);
    subscriber->next = t->subscribers;
    t->subscribers = subscriber;
    (void)pthread_rwlock_unlock(&t->lock);
    *out = subscriber;
    return BUS_OK;
}

static bus_batch *
inproc_next(bus_subscriber *subscriber, int timeout_ms)
{
    void *batch = NULL;

    return queue_take(&subscriber->inbox, &batch, 1, timeout_ms) == 1 ? batch : NULL;
}

static void
inproc_rouse(bus_subscriber *subscriber)
{
    queue_wake(&subscriber->inbox);
}

static void
inproc_unsubscribe(bus_subscriber *subscriber)
{
    bus_transport   *t;
    bus_subscriber **at;
    void            *left;

    if (subscriber == NULL)
        return;
    t = subscriber->transport;
    (void)pthread_rwlock_wrlock(&t->lock);
    for (at = &t->subscribers; *at != subscriber; at = &(*at)->next)
        ;
    *at = subscriber->next;
    (void)pthread_rwlock_unlock(&t->lock);
    while (queue_take(&subscriber->inbox, &left, 1, 0) == 1)
        bus_batch_release(left);
    queue_fini(&subscriber->inbox);
    free(subscriber);
}

const bus_transport_ops bus_transport_inproc = {
    .name = "inproc",
    .open = inproc_open,
    .close = inproc_close,
    .url = inproc_url,
    .peers = inproc_peers,
    .serve = inproc_serve,
    .address = inproc_address,
    .take = inproc_take,
    .wake = inproc_wake,
    .reply = inproc_reply,
    .stop = inproc_stop,
    .connect = inproc_connect,
    .send = inproc_send,
    .replies = inproc_replies,
    .rouse_client = inproc_rouse_client,
    .disconnect = inproc_disconnect,
    .publish = inproc_publish,
    .subscribe = inproc_subscribe,
    .next = inproc_next,
    .rouse = inproc_rouse,
    .unsubscribe = inproc_unsubscribe,
};
