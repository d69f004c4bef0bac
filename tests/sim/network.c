/* network.c - the transport between simulated processes.
 *
 * Within a process it is the kernel's own (bus/transport/local.h): nothing is lost there but what
 * finds no room. Between processes each message takes its own time, so they overtake each other;
 * it may be lost, be late, or come twice, which is more than any transport of shina does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/local.h"
#include "tests/sim/journal.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE_US 20000000 /* at most */
#define NEAR_US 2000     /* what is not late arrives within */
#define QUEUE_MAX 64
#define SMALL_QUEUE_MAX 4
#define BATCHES_MAX 16

struct bus_transport {
    bus_local             local;
    sim_process          *process;
    bool                  dead;
    uint32_t              number; /* names it on the way back */
    char                  prefix[64];
    struct bus_transport *next;
};

static bus_transport *transports; /* of this run; each runs in a process of its own */
static uint32_t       last_number;

bus_transport *
sim_transport_open(sim_process *process)
{
    bus_transport              *t = calloc(1, sizeof(*t));
    sim_sched                  *s = process->world->sched;
    const bus_transport_options options = {
        .queue_max = sim_chance(s, 2000) ? SMALL_QUEUE_MAX : QUEUE_MAX,
        .batches_max = BATCHES_MAX,
    };
    bus_error err = {0};

    if (t == NULL || bus_local_init(&t->local, &options, &err) != BUS_OK)
        abort();
    t->process = process;
    t->number = ++last_number;
    (void)snprintf(t->prefix, sizeof(t->prefix), "sim://%s/", process->name);
    t->next = transports;
    transports = t;
    return t;
}

void
sim_transport_kill(bus_transport *t)
{
    t->dead = true;
}

/* --- the way between processes --------------------------------------------------- */

typedef struct {
    sim_world    *world;
    uint32_t      from, to; /* transports */
    bus_envelope *env;      /* one of both */
    bus_batch    *batch;
    char          target[BUS_ADDRESS_BYTES]; /* of a command */
} parcel;

static bus_transport *
find_transport(uint32_t number)
{
    bus_transport *t = transports;

    while (t != NULL && (t->number != number || t->dead))
        t = t->next;
    return t;
}

static void post(parcel *p);

/* The transport's own answer to a command that it cannot deliver. */
static void
answer(const parcel *p, bus_answer_status status)
{
    parcel *back = calloc(1, sizeof(*back));

    if (back == NULL)
        abort();
    *back = (parcel){.world = p->world, .from = p->to, .to = p->from};
    back->env = bus_local_answer(p->env, status);
    back->env->route = p->env->route;
    post(back);
}

static void
deliver_command(bus_transport *t, parcel *p)
{
    switch (bus_local_deliver(&t->local, bus_str_of(p->target), bus_envelope_hold(p->env))) {
    case BUS_DELIVERED: return;
    case BUS_NO_ROOM:
        p->world->met[SIM_MET_BUSY]++;
        answer(p, BUS_ANSWER_BUSY);
        break;
    case BUS_NOBODY: answer(p, BUS_ANSWER_NOT_OWNER); break;
    }
    bus_envelope_release(p->env); /* the reference that was not taken */
}

static void
arrive(void *context)
{
    parcel        *p = context;
    bus_transport *t = find_transport(p->to);

    if (t == NULL) {
        sim_note(p->world->sched, "a message to transport %u finds nobody", p->to);
    } else if (p->batch != NULL) {
        bus_local_publish(&t->local, p->batch);
    } else if (p->env->kind == BUS_ENVELOPE_COMMAND) {
        deliver_command(t, p);
    } else {
        bus_local_reply(&t->local, (uint32_t)p->env->route, bus_envelope_hold(p->env));
    }
    bus_envelope_release(p->env);
    bus_batch_release(p->batch);
    free(p);
}

static bool
is_cut_off(uint32_t number)
{
    const bus_transport *t = find_transport(number);

    return t != NULL && t->process->cut_off;
}

static int64_t
way_us(const sim_world *w)
{
    bool late = !w->calm && sim_chance(w->sched, w->faults.late);

    return sim_between(w->sched, 20, late ? LATE_US : NEAR_US);
}

/* Takes the parcel. */
static void
post(parcel *p)
{
    sim_world *w = p->world;
    sim_sched *s = w->sched;

    if (!w->calm && sim_chance(s, w->faults.doubled)) {
        parcel *twin = malloc(sizeof(*twin));

        if (twin == NULL)
            abort();
        *twin = *p;
        if (twin->env != NULL)
            (void)bus_envelope_hold(twin->env);
        if (twin->batch != NULL)
            (void)bus_batch_hold(twin->batch);
        w->met[SIM_MET_DOUBLED]++;
        sim_note(s, "a message to transport %u is doubled", p->to);
        sim_at(s, sim_now_us(s) + way_us(w), arrive, twin);
    }
    if (is_cut_off(p->from) || is_cut_off(p->to) || (!w->calm && sim_chance(s, w->faults.lost))) {
        w->met[SIM_MET_LOST]++;
        sim_note(s, "a message to transport %u is lost", p->to);
        bus_envelope_release(p->env);
        bus_batch_release(p->batch);
        free(p);
        return;
    }
    sim_at(s, sim_now_us(s) + way_us(w), arrive, p);
}

static parcel *
new_parcel(const bus_transport *from, uint32_t to)
{
    parcel *p = calloc(1, sizeof(*p));

    if (p == NULL)
        abort();
    *p = (parcel){.world = from->process->world, .from = from->number, .to = to};
    return p;
}

/* --- the ops ---------------------------------------------------------------------- */

static sim_sched *
sched_of(const bus_transport *t)
{
    return t->process->world->sched;
}

static bus_code
net_open(bus_transport **out, const bus_transport_options *options, bus_error *err)
{
    (void)out, (void)options;
    return bus_fail(err, BUS_DENIED, "the world opens transports");
}

static void
net_close(bus_transport *t)
{
    if (t != NULL)
        t->dead = true; /* parcels on their way still name it */
}

static const char *
net_url(const bus_transport *t)
{
    return t->prefix;
}

static void
net_peers(bus_transport *t, const char *const *urls, int count)
{
    (void)t, (void)urls, (void)count; /* who lives, hears */
}

static bus_code
net_serve(bus_transport *t, const char *domain, bus_server **out, bus_error *err)
{
    return bus_local_serve(&t->local, t, t->prefix, domain, out, err);
}

static void
net_own(bus_server *server, const uint16_t *partitions, int count)
{
    char list[64] = "";
    int  len = 0;

    for (int i = 0; i < count && len < 50; i++)
        len += snprintf(list + len, sizeof(list) - (size_t)len, " %u", partitions[i]);
    sim_note(sched_of(server->transport), "owns of %s:%s", server->domain, list);
}

static bool
has_waiting(const void *context)
{
    const bus_queue *q = context;

    return q->count > 0 || q->woken;
}

static uint32_t
net_take(bus_server *server, bus_envelope **out, uint32_t max, int timeout_ms)
{
    bus_transport *t = server->transport;
    uint32_t       count;

    (void)sim_await(sched_of(t), has_waiting, &server->inbox, (int64_t)timeout_ms * 1000);
    count = bus_local_take(server, out, max, 0);
    for (uint32_t i = 0; i < count; i++)
        sim_journal_taken(t->process->world->journal, &out[i]->command);
    if (count > 0)
        sim_note(sched_of(t), "takes %u commands", count);
    return count;
}

static void
net_reply(bus_server *server, const bus_envelope *request, bus_envelope *reply)
{
    bus_transport *t = server->transport;
    uint32_t       to = (uint32_t)(request->route >> 32);
    parcel        *p;

    reply->ticket = request->ticket;
    reply->route = (uint32_t)request->route;
    sim_note(sched_of(t), "replies %d, offset %lld", (int)reply->reply.status,
             (long long)reply->reply.offset);
    if (to == t->number) {
        bus_local_reply(&t->local, (uint32_t)request->route, reply);
        return;
    }
    p = new_parcel(t, to);
    p->env = reply;
    post(p);
}

static void
net_stop(bus_server *server)
{
    bus_local_stop(server, net_reply);
}

static bus_code
net_connect(bus_transport *t, bus_ready on_ready, void *context, bus_client **out, bus_error *err)
{
    (void)err;
    *out = bus_local_connect(&t->local, t, on_ready, context);
    return BUS_OK;
}

static bus_code
send_within(bus_client *client, const char *address, bus_envelope *env, bus_error *err)
{
    bus_transport *t = client->transport;

    switch (bus_local_deliver(client->local, bus_str_of(address + strlen(t->prefix)), env)) {
    case BUS_DELIVERED: return BUS_OK;
    case BUS_NO_ROOM: return bus_fail(err, BUS_FULL, "the queue of %s is full", address);
    case BUS_NOBODY: break;
    }
    return bus_fail(err, BUS_UNAVAILABLE, "nobody listens at %s", address);
}

static bus_code
net_send(bus_client *client, const char *address, bus_envelope *env, uint64_t ticket,
         bus_error *err)
{
    bus_transport *t = client->transport, *to = transports;
    parcel        *p;

    env->ticket = ticket;
    env->route = (uint64_t)t->number << 32 | client->number;
    if (strncmp(address, t->prefix, strlen(t->prefix)) == 0)
        return send_within(client, address, env, err);
    while (to != NULL && (to->dead || strncmp(address, to->prefix, strlen(to->prefix)) != 0))
        to = to->next;
    if (to == NULL && sim_chance(sched_of(t), 5000)) /* else nobody has noticed yet */
        return bus_fail(err, BUS_UNAVAILABLE, "nobody is in reach at %s", address);
    p = new_parcel(t, to == NULL ? 0 : to->number);
    p->env = env;
    (void)snprintf(p->target, sizeof(p->target), "%s",
                   to == NULL ? "" : address + strlen(to->prefix));
    post(p);
    return BUS_OK;
}

static uint32_t
net_replies(bus_client *client, bus_envelope **out, uint32_t max, int timeout_ms)
{
    if (timeout_ms > 0)
        (void)sim_await(sched_of(client->transport), has_waiting, &client->inbox,
                        (int64_t)timeout_ms * 1000);
    return bus_local_replies(client, out, max, 0);
}

static void
net_publish(bus_transport *t, bus_batch *batch)
{
    bus_local_publish(&t->local, batch);
    for (const bus_transport *to = transports; to != NULL; to = to->next) {
        parcel *p;

        if (to == t || to->dead || to->local.subscribers == NULL)
            continue;
        p = new_parcel(t, to->number);
        p->batch = bus_batch_hold(batch);
        post(p);
    }
}

static bus_code
net_subscribe(bus_transport *t, const char *const *topics, int topics_count, bus_ready on_ready,
              void *context, bus_subscriber **out, bus_error *err)
{
    return bus_local_subscribe(&t->local, t, topics, topics_count, on_ready, context, out, err);
}

static bus_batch *
net_next(bus_subscriber *subscriber, int timeout_ms)
{
    if (timeout_ms > 0)
        (void)sim_await(sched_of(subscriber->transport), has_waiting, &subscriber->inbox,
                        (int64_t)timeout_ms * 1000);
    return bus_local_next(subscriber, 0);
}

const bus_transport_ops sim_transport_ops = {
    .name = "sim",
    .open = net_open,
    .close = net_close,
    .url = net_url,
    .peers = net_peers,
    .away = bus_local_away,
    .serve = net_serve,
    .address = bus_local_address,
    .own = net_own,
    .take = net_take,
    .wake = bus_local_wake,
    .reply = net_reply,
    .stop = net_stop,
    .connect = net_connect,
    .send = net_send,
    .replies = net_replies,
    .rouse_client = bus_local_rouse_client,
    .disconnect = bus_local_disconnect,
    .publish = net_publish,
    .subscribe = net_subscribe,
    .next = net_next,
    .rouse = bus_local_rouse,
    .unsubscribe = bus_local_unsubscribe,
};
