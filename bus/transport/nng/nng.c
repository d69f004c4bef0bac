/* nng.c - the transport between processes: frames of many envelopes over ipc or tcp.
 *
 * Each process has one inbox, which all others push into, and one connection to each process it
 * talks to. A command carries the url of its sender, so its answer goes back over the connection
 * in the other direction, whenever it is ready: no command waits for the answer to another.
 * Committed batches go the same way to those who said which topics they take.
 * Within the process all is as with inproc.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/transport/nng/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_S 5 /* for closing; it takes milliseconds */

static void
init_locks(bus_transport *t)
{
    pthread_condattr_t monotonic;

    BUS_INVARIANT(pthread_rwlock_init(&t->peers_lock, NULL) == 0);
    BUS_INVARIANT(pthread_mutex_init(&t->keeper_lock, NULL) == 0);
    BUS_INVARIANT(pthread_condattr_init(&monotonic) == 0);
    BUS_INVARIANT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    BUS_INVARIANT(pthread_cond_init(&t->keeper_called, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

static void
destroy(bus_transport *t)
{
    bus_local_fini(&t->local);
    (void)pthread_rwlock_destroy(&t->peers_lock);
    (void)pthread_mutex_destroy(&t->keeper_lock);
    (void)pthread_cond_destroy(&t->keeper_called);
    free(t);
}

static bus_code
transport_open(bus_transport **out, const bus_transport_options *options, bus_error *err)
{
    bus_transport *t = calloc(1, sizeof(*t));
    bus_code       rc;

    if (t == NULL)
        abort();
    if ((rc = bus_local_init(&t->local, options, err)) != BUS_OK) {
        free(t);
        return rc;
    }
    init_locks(t);
    t->self.queue_max = options->queue_max;
    t->self.batches_max = options->batches_max;
    t->self.poke = bus_nng_changed;
    t->self.context = t;
    do /* 0 means: not yet heard of */
        bus_clock_system()->random(bus_clock_system()->context, &t->self.incarnation,
                                   sizeof(t->self.incarnation));
    while (t->self.incarnation == 0);
    if ((rc = bus_nng_inbox_open(t, options->url, err)) != BUS_OK ||
        (rc = bus_nng_receiving_start(t, err)) != BUS_OK) {
        bus_nng_receiving_stop(t);
        destroy(t);
        return rc;
    }
    (void)snprintf(t->prefix, sizeof(t->prefix), "%s#", t->self.url);
    bus_nng_keeper_start(t);
    *out = t;
    return BUS_OK;
}

/* Closing a socket whose peer goes at the same moment may never end, or end the process by a panic
 * (nanomsg/nng issues 1813 and 2238). Peers that leave one after another are closed when they have
 * been quiet for long; but when a whole shina stops, all go at once, so a process that ends closes
 * none: it only sends what is on its way.
 *
 * Closing is done by a thread of its own, so that it can be waited for in bounded time: whatever
 * becomes of nng, a process ends when it should. */
typedef struct {
    bus_transport  *transport;
    pthread_mutex_t lock;
    pthread_cond_t  done_or_left;
    bool            only_leaves;
    bool            done, left; /* the second of the two frees this */
} closing;

static void
closing_free(closing *c)
{
    (void)pthread_mutex_destroy(&c->lock);
    (void)pthread_cond_destroy(&c->done_or_left);
    free(c);
}

static void *
close_main(void *context)
{
    static const char ipc[] = "ipc://";
    closing          *c = context;
    bus_transport    *t = c->transport;
    bool              left;

    bus_nng_keeper_stop(t);
    bus_nng_linger(t);
    if (c->only_leaves) {
        if (strncmp(t->self.url, ipc, strlen(ipc)) == 0)
            (void)unlink(t->self.url + strlen(ipc)); /* as nng does */
    } else {
        bus_nng_receiving_stop(t);
        bus_nng_peers_close(t);
        destroy(t);
    }
    (void)pthread_mutex_lock(&c->lock);
    c->done = true;
    left = c->left;
    (void)pthread_cond_signal(&c->done_or_left);
    (void)pthread_mutex_unlock(&c->lock);
    if (left)
        closing_free(c);
    return NULL;
}

/* False: it takes too long. */
static bool
wait_closed(closing *c)
{
    struct timespec until;
    bool            done;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_S;
    (void)pthread_mutex_lock(&c->lock);
    while (!c->done)
        if (pthread_cond_timedwait(&c->done_or_left, &c->lock, &until) != 0)
            break;
    done = c->done;
    c->left = !done;
    (void)pthread_mutex_unlock(&c->lock);
    return done;
}

static void
end_transport(bus_transport *t, bool only_leaves)
{
    closing  *c;
    pthread_t thread;

    if (t == NULL)
        return;
    bus_local_check_left(&t->local);
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        abort();
    c->transport = t;
    c->only_leaves = only_leaves;
    BUS_INVARIANT(pthread_mutex_init(&c->lock, NULL) == 0);
    BUS_INVARIANT(pthread_cond_init(&c->done_or_left, NULL) == 0);
    BUS_INVARIANT(pthread_create(&thread, NULL, close_main, c) == 0);
    if (wait_closed(c)) {
        (void)pthread_join(thread, NULL);
        closing_free(c);
        return;
    }
    (void)pthread_detach(thread);
    bus_log_error("nng.close_stuck", BUS_KV("detail", "nng does not let go of a socket"));
}

static void
transport_close(bus_transport *t)
{
    end_transport(t, false);
}

static void
transport_leave(bus_transport *t)
{
    end_transport(t, true);
}

static const char *
transport_url(const bus_transport *t)
{
    return t->self.url;
}

static bus_code
transport_serve(bus_transport *t, const char *domain, bus_server **out, bus_error *err)
{
    return bus_local_serve(&t->local, t, t->prefix, domain, out, err);
}

static void
transport_own(bus_server *server, const uint16_t *partitions, int count)
{
    (void)server, (void)partitions, (void)count; /* commands come by address */
}

static void
transport_reply(bus_server *server, const bus_envelope *request, bus_envelope *reply)
{
    reply->ticket = request->ticket;
    bus_nng_route_reply(server->transport, request->route, reply);
}

static void
transport_stop(bus_server *server)
{
    bus_local_stop(server, transport_reply);
}

static bus_code
transport_connect(bus_transport *t, bus_ready on_ready, void *context, bus_client **out,
                  bus_error *err)
{
    (void)err;
    *out = bus_local_connect(&t->local, t, on_ready, context);
    return BUS_OK;
}

static bus_code
send_local(bus_client *client, bus_str target, bus_envelope *env, bus_error *err)
{
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
    bus_transport *t = client->transport;
    const char    *hash = strchr(address, '#');
    bus_str        url, target;
    peer          *p;
    bus_code       rc;

    if (hash == NULL)
        return bus_fail(err, BUS_UNAVAILABLE, "%.200s is no address of nng", address);
    url = (bus_str){address, (uint32_t)(hash - address)};
    target = bus_str_of(hash + 1);
    env->ticket = ticket;
    env->route = client->number;
    if (bus_str_is(url, t->self.url))
        return send_local(client, target, env, err);
    rc = bus_nng_peers_hold(t, url, &p, err);
    if (rc == BUS_INVALID)
        return bus_fail(err, BUS_UNAVAILABLE, "%.200s is no address of nng", address);
    if (rc != BUS_OK)
        return rc;
    rc = bus_peer_put(p, target, env, err);
    bus_nng_peers_release(t);
    if (rc == BUS_OK)
        bus_envelope_release(env); /* its bytes wait in the peer's buffer */
    return rc;
}

static void
transport_publish(bus_transport *t, bus_batch *batch)
{
    bus_buf encoded = {0};

    bus_local_publish(&t->local, batch);
    (void)pthread_rwlock_rdlock(&t->peers_lock);
    for (int i = 0; i < t->peers_end; i++) {
        if (t->peers[i] == NULL || !bus_peer_takes(t->peers[i], batch->topic))
            continue;
        if (encoded.len == 0)
            bus_batch_encode(batch, &encoded);
        if (encoded.len <= FRAME_ENTRY_BYTES_MAX)
            bus_peer_put_batch(t->peers[i], bus_buf_str(&encoded));
    }
    (void)pthread_rwlock_unlock(&t->peers_lock);
    bus_buf_fini(&encoded);
}

static bus_code
transport_subscribe(bus_transport *t, const char *const *topics, int topics_count,
                    bus_ready on_ready, void *context, bus_subscriber **out, bus_error *err)
{
    bus_code rc =
        bus_local_subscribe(&t->local, t, topics, topics_count, on_ready, context, out, err);

    if (rc == BUS_OK)
        bus_nng_peers_topics_changed(t);
    return rc;
}

static void
transport_unsubscribe(bus_subscriber *subscriber)
{
    bus_transport *t = subscriber != NULL ? subscriber->transport : NULL;

    bus_local_unsubscribe(subscriber);
    if (t != NULL)
        bus_nng_peers_topics_changed(t);
}

const bus_transport_ops bus_transport_nng = {
    .name = "nng",
    .open = transport_open,
    .close = transport_close,
    .leave = transport_leave,
    .url = transport_url,
    .peers = bus_nng_peers_want,
    .away = bus_local_away,
    .serve = transport_serve,
    .address = bus_local_address,
    .own = transport_own,
    .take = bus_local_take,
    .wake = bus_local_wake,
    .reply = transport_reply,
    .stop = transport_stop,
    .connect = transport_connect,
    .send = transport_send,
    .replies = bus_local_replies,
    .rouse_client = bus_local_rouse_client,
    .disconnect = bus_local_disconnect,
    .publish = transport_publish,
    .subscribe = transport_subscribe,
    .next = bus_local_next,
    .rouse = bus_local_rouse,
    .unsubscribe = transport_unsubscribe,
};
