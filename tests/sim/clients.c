/* clients.c - drawing commands, asking, and asking again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/clients.h"
#include "bus/contract/contract.h"
#include "bus/envelope/command.h"
#include "bus/runtime/owners.h"
#include "tests/sim/journal.h"
#include "tests/sim/meters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_US 10000000 /* of a client's patience */
#define CALM_US 60000000     /* ... when nothing goes wrong any more */
#define REPLY_MS 400         /* without a reply it is sent again */
#define SETTLE_US 30000000   /* what is late comes within */
#define PAUSE_US 400000      /* between two commands, at most */
#define AGAIN 2000           /* in 10,000: an old command is asked once more */

typedef struct {
    sim_world  *world;
    bus_client *client;
    bus_owners *owners;
    bus_id      tenant;
    int         number;
} asker;

static int asked, finished; /* clients of this run that have come so far */

/* --- asking ------------------------------------------------------------------------- */

static bus_command
command_of(const asker *a, const sim_entry *e)
{
    sim_sched       *s = a->world->sched;
    const bus_clock *clock = &a->world->processes[SIM_CLIENTS].clock;

    return (bus_command){
        .command_id = e->id,
        .type = bus_str_of(e->type),
        .tenant = a->tenant,
        .stream = e->stream,
        .partition = e->partition,
        .origin = BUS_ORIGIN_CLIENT,
        .actor = {.id = a->tenant, .roles = BUS_ROLE_ADMIN},
        .correlation_id = e->id,
        .expires_at_ms = sim_chance(s, 2000) ? bus_now_ms(clock) + sim_between(s, 5, 10000) : 0,
        .expected_version = -1,
        .data = bus_str_of(e->data),
    };
}

static void
send(asker *a, sim_entry *e)
{
    const char   *address = bus_owners_of(a->owners, e->domain, e->partition);
    bus_command   command = command_of(a, e);
    bus_envelope *env;
    bus_error     err = {0};

    if (address == NULL)
        return;
    env = bus_envelope_of_command(&command);
    if (sim_transport_ops.send(a->client, address, env, sim_journal_sent(a->world->journal, e),
                               &err) != BUS_OK) {
        bus_envelope_release(env);
        bus_owners_stale(a->owners, e->domain);
    }
}

/* True: the command is answered for good. */
static bool
take_reply(asker *a, const sim_entry *e, const bus_envelope *env)
{
    const bus_reply *reply = &env->reply;

    sim_journal_answered(a->world->journal, env->ticket, reply);
    if (!bus_id_equal(reply->command_id, e->id))
        return false; /* a late one */
    switch (reply->status) {
    case BUS_ANSWER_DONE:
    case BUS_ANSWER_REFUSED:
    case BUS_ANSWER_INVALID: return true;
    case BUS_ANSWER_NOT_OWNER: bus_owners_stale(a->owners, e->domain); return false;
    case BUS_ANSWER_EXPIRED:
    case BUS_ANSWER_BUSY:
    case BUS_ANSWER_FAILED: return false;
    }
    return false;
}

/* One sending and what comes back within the time. True: it is answered for good. */
static bool
try_once(asker *a, sim_entry *e)
{
    bus_envelope *replies[16];
    bool          answered = false;
    uint32_t      count;

    send(a, e);
    count = sim_transport_ops.replies(a->client, replies, 16, REPLY_MS);
    for (uint32_t i = 0; i < count; i++) {
        answered = take_reply(a, e, replies[i]) || answered;
        bus_envelope_release(replies[i]);
    }
    if (count == 0)
        bus_owners_stale(a->owners, e->domain); /* who owned it may be gone */
    else if (!answered)
        sim_sleep(a->world->sched, 50000);
    return answered;
}

static bool
ask(asker *a, sim_entry *e)
{
    int64_t until_us = sim_now_us(a->world->sched) + (a->world->calm ? CALM_US : DEADLINE_US);

    do {
        if (try_once(a, e))
            return true;
    } while (sim_now_us(a->world->sched) < until_us);
    sim_note(a->world->sched, "gives %s up", e->type);
    return false;
}

/* --- drawing a command ------------------------------------------------------------------ */

/* A stream that was made, perhaps, by a command of that type; NULL: none drawn. */
static const sim_entry *
draw_made(const asker *a, const char *type)
{
    const sim_journal *j = a->world->journal;

    for (int tries = 0; j->count > 0 && tries < 20; tries++) {
        const sim_entry *e = j->entries[sim_roll(a->world->sched, (uint64_t)j->count)];

        if (strcmp(e->type, type) == 0 && (e->done || sim_chance(a->world->sched, 1000)))
            return e;
    }
    return NULL;
}

static sim_entry *
new_entry(asker *a, const char *domain, const char *command, const sim_entry *of)
{
    bus_id     id = bus_new_v7(&a->world->processes[SIM_CLIENTS].clock);
    sim_entry *e = sim_journal_add(a->world->journal, id);

    (void)snprintf(e->domain, sizeof(e->domain), "%s", domain);
    (void)snprintf(e->type, sizeof(e->type), "%s.%s", domain, command);
    (void)snprintf(e->data, sizeof(e->data), "{}");
    e->stream = of != NULL ? of->stream : bus_stream_of_new(id);
    e->of_there = of != NULL && of->done;
    e->partition = (uint16_t)bus_id_partition(e->stream, a->world->partitions);
    return e;
}

static sim_entry *
draw_add(asker *a)
{
    sim_entry *e = new_entry(a, "inventory", "add", NULL);
    uint64_t   name = sim_roll(a->world->sched, SIM_NAMES * 8);

    (void)snprintf(e->data, sizeof(e->data), "{\"name\":\"item %d\",\"quantity\":%d}",
                   name < SIM_NAMES ? (int)name : 1000 + a->world->journal->count,
                   (int)sim_roll(a->world->sched, 13));
    return e;
}

static sim_entry *
draw_order(asker *a, const sim_entry *more)
{
    sim_entry *e = NULL;
    char       items[3 * 40] = "", text[BUS_ID_TEXT_BYTES];
    int        len = 0, count = (int)sim_between(a->world->sched, 1, 3);

    for (int i = 0; i < count; i++) {
        const sim_entry *item = draw_made(a, "inventory.add");

        if (item != NULL)
            len += snprintf(items + len, sizeof(items) - (size_t)len, "%s\"%s\"",
                            len > 0 ? "," : "", bus_id_format(item->stream, text));
    }
    if (len == 0)
        return draw_add(a);
    e = new_entry(a, "orders", more != NULL ? "place_more" : "place", more);
    (void)snprintf(e->data, sizeof(e->data), "{\"items\":[%s],\"quantity\":%d}", items,
                   (int)sim_between(a->world->sched, 1, 3));
    return e;
}

static sim_entry *
draw_of_item(asker *a)
{
    static const char *const commands[] = {"rename",  "take", "take",           "take",
                                           "promise", "take", "forget_promise", "look"};
    const char              *command =
        sim_chance(a->world->sched, 400) ? "break" : commands[sim_roll(a->world->sched, 8)];
    const sim_entry *item = draw_made(a, "inventory.add");
    sim_entry       *e;

    if (item == NULL)
        return draw_add(a);
    e = new_entry(a, "inventory", command, item);
    if (strcmp(command, "rename") == 0)
        (void)snprintf(e->data, sizeof(e->data), "{\"name\":\"item %d\"}",
                       (int)sim_roll(a->world->sched, SIM_NAMES));
    if (strcmp(command, "break") == 0) /* its view cannot fold that */
        (void)snprintf(e->data, sizeof(e->data), "{\"where\":\"VIEW\"}");
    if (strcmp(command, "take") == 0)
        (void)snprintf(e->data, sizeof(e->data), "{\"quantity\":%d}",
                       (int)sim_between(a->world->sched, 1, 4));
    return e;
}

/* Told up to some seconds after it was measured, now and then too late; or by a clock that is fast.
 */
static sim_entry *
draw_measure(asker *a)
{
    sim_sched *s = a->world->sched;
    sim_entry *e = new_entry(a, "meters", "measure", NULL);
    int64_t    ago_ms = sim_between(s, -500, sim_chance(s, 2000) ? 12000 : 1500);
    char       name[16];

    (void)snprintf(name, sizeof(name), "meter %d", (int)sim_roll(s, SIM_METERS));
    e->stream = bus_id_v5_text(a->tenant, name);
    e->partition = (uint16_t)bus_id_partition(e->stream, a->world->partitions);
    (void)snprintf(e->data, sizeof(e->data), "{\"key\":%d,\"value\":%d,\"at\":%lld}",
                   (int)sim_roll(s, 4), (int)sim_roll(s, 1001),
                   (long long)(bus_now_ms(&a->world->clock) - ago_ms));
    return e;
}

static sim_entry *
draw(asker *a)
{
    sim_journal     *j = a->world->journal;
    const sim_entry *order =
        sim_chance(a->world->sched, 3000) ? draw_made(a, "orders.place") : NULL;

    if (j->count > 0 && sim_chance(a->world->sched, AGAIN))
        return j->entries[sim_roll(a->world->sched, (uint64_t)j->count)];
    switch (sim_roll(a->world->sched, 13)) {
    case 0:
    case 1: return draw_add(a);
    case 2:
    case 3:
    case 4:
    case 5: return draw_order(a, order);
    case 6:
    case 7:
    case 8: return draw_measure(a);
    default: return draw_of_item(a);
    }
}

/* --- a client's life ---------------------------------------------------------------------- */

/* What is not known, and a share of what is, once more. Every client takes its part. */
static void
ask_again(asker *a)
{
    sim_journal *j = a->world->journal;

    for (int i = a->number; i < j->count; i += SIM_CLIENTS_MAX) {
        sim_entry *e = j->entries[i];

        if (e->done && !sim_chance(a->world->sched, AGAIN))
            continue;
        if (!e->done && e->refused && !sim_chance(a->world->sched, AGAIN))
            continue;
        if (!ask(a, e)) {
            sim_fail(a->world->sched, "liveness: %s is not answered, though nothing goes wrong",
                     e->type);
            return;
        }
    }
}

/* Every name that the items have in common is asked for: check.c sees whether it was free. */
static void
ask_for_names(asker *a)
{
    for (int i = a->number; i < SIM_NAMES; i += SIM_CLIENTS_MAX) {
        sim_entry *e = new_entry(a, "inventory", "add", NULL);

        (void)snprintf(e->data, sizeof(e->data), "{\"name\":\"item %d\",\"quantity\":0}", i);
        if (!ask(a, e))
            sim_fail(a->world->sched, "liveness: a name is not answered");
    }
}

static bool
all_have_asked(const void *context)
{
    (void)context;
    return asked == SIM_CLIENTS_MAX;
}

static void *
client_main(void *context)
{
    asker     *a = context;
    sim_world *w = a->world;
    bus_error  err = {0};

    if (sim_transport_ops.connect(w->processes[SIM_CLIENTS].transport, NULL, NULL, &a->client,
                                  &err) != BUS_OK)
        abort();
    a->owners = bus_owners_create(&w->processes[SIM_CLIENTS].options, NULL);
    while (!w->calm) {
        (void)ask(a, draw(a));
        sim_sleep(w->sched, sim_between(w->sched, 0, PAUSE_US));
    }
    ask_again(a);
    asked++;
    (void)sim_await(w->sched, all_have_asked, NULL, INT64_MAX / 2);
    sim_sleep(w->sched, SETTLE_US);
    ask_for_names(a);
    bus_owners_destroy(a->owners);
    sim_transport_ops.disconnect(a->client);
    free(a);
    w->over = ++finished == SIM_CLIENTS_MAX;
    return NULL;
}

void
sim_clients_start(sim_world *w)
{
    bus_id tenant = bus_new_v7(&w->clock);

    for (int i = 0; i < SIM_CLIENTS_MAX; i++) {
        asker *a = calloc(1, sizeof(*a));
        char   name[16];

        if (a == NULL)
            abort();
        *a = (asker){.world = w, .tenant = tenant, .number = i};
        (void)snprintf(name, sizeof(name), "client %d", i);
        (void)sim_spawn(w->sched, SIM_CLIENTS, name, client_main, a);
    }
}
