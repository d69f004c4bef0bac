/* inproc.c - the transport between the threads of one process: pointers in bounded queues.
 * All of it is bus/transport/local.h; nothing comes from outside.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/transport/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bus_transport {
    bus_local local;
    char      prefix[32]; /* drawn at random: addresses stand in a store that others share */
};

static bus_code
inproc_open(bus_transport **out, const bus_transport_options *options, bus_error *err)
{
    bus_transport *t = calloc(1, sizeof(*t));
    uint64_t       process;
    bus_code       rc;

    if (t == NULL)
        abort();
    if ((rc = bus_local_init(&t->local, options, err)) != BUS_OK) {
        free(t);
        return rc;
    }
    bus_clock_system()->random(bus_clock_system()->context, &process, sizeof(process));
    (void)snprintf(t->prefix, sizeof(t->prefix), "inproc://%016llx/", (unsigned long long)process);
    *out = t;
    return BUS_OK;
}

static void
inproc_close(bus_transport *t)
{
    if (t == NULL)
        return;
    bus_local_fini(&t->local);
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

static bus_code
inproc_serve(bus_transport *t, const char *domain, bus_server **out, bus_error *err)
{
    return bus_local_serve(&t->local, t, t->prefix, domain, out, err);
}

static void
inproc_own(bus_server *server, const uint16_t *partitions, int count)
{
    (void)server, (void)partitions, (void)count; /* commands come by address */
}

static void
inproc_reply(bus_server *server, const bus_envelope *request, bus_envelope *reply)
{
    reply->ticket = request->ticket;
    bus_local_reply(server->local, (uint32_t)request->route, reply);
}

static void
inproc_stop(bus_server *server)
{
    bus_local_stop(server, inproc_reply);
}

static bus_code
inproc_connect(bus_transport *t, bus_ready on_ready, void *context, bus_client **out,
               bus_error *err)
{
    (void)err;
    *out = bus_local_connect(&t->local, t, on_ready, context);
    return BUS_OK;
}

static bus_code
inproc_send(bus_client *client, const char *address, bus_envelope *env, uint64_t ticket,
            bus_error *err)
{
    const char  *prefix = client->transport->prefix;
    bus_delivery result = BUS_NOBODY;

    env->ticket = ticket;
    env->route = client->number;
    if (strncmp(address, prefix, strlen(prefix)) == 0)
        result = bus_local_deliver(client->local, bus_str_of(address + strlen(prefix)), env);
    switch (result) {
    case BUS_DELIVERED: return BUS_OK;
    case BUS_NO_ROOM: return bus_fail(err, BUS_FULL, "the queue of %s is full", address);
    case BUS_NOBODY: break;
    }
    return bus_fail(err, BUS_UNAVAILABLE, "nobody listens at %s", address);
}

static void
inproc_publish(bus_transport *t, bus_batch *batch)
{
    bus_local_publish(&t->local, batch);
}

static bus_code
inproc_subscribe(bus_transport *t, const char *const *topics, int topics_count, bus_ready on_ready,
                 void *context, bus_subscriber **out, bus_error *err)
{
    return bus_local_subscribe(&t->local, t, topics, topics_count, on_ready, context, out, err);
}

const bus_transport_ops bus_transport_inproc = {
    .name = "inproc",
    .open = inproc_open,
    .close = inproc_close,
    .url = inproc_url,
    .peers = inproc_peers,
    .away = bus_local_away,
    .serve = inproc_serve,
    .address = bus_local_address,
    .own = inproc_own,
    .take = bus_local_take,
    .wake = bus_local_wake,
    .reply = inproc_reply,
    .stop = inproc_stop,
    .connect = inproc_connect,
    .send = inproc_send,
    .replies = bus_local_replies,
    .rouse_client = bus_local_rouse_client,
    .disconnect = bus_local_disconnect,
    .publish = inproc_publish,
    .subscribe = inproc_subscribe,
    .next = bus_local_next,
    .rouse = bus_local_rouse,
    .unsubscribe = bus_local_unsubscribe,
};
