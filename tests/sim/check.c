/* check.c - the log against the journal, the reservations and the views.
 *
 * All is read from the memory store itself, where nothing goes wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check.h"
#include "bus/runtime/derive.h"
#include "bus/runtime/sends.h"
#include "bus/runtime/verify.h"
#include "tests/sim/journal.h"
#include "tests/sim/meters.h"
#include "tests/support/kernel/kernel_modules.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define READERS 8 /* sends, reactions, two views, one analytic, three relays */

static const bus_contract *const contracts[SIM_DOMAINS] = {&inventory_contract, &orders_contract,
                                                           &meters_contract};
static const bus_view *const     views[] = {&items_projection, &stock_projection};

/* --- the logs in memory ------------------------------------------------------------ */

typedef struct {
    bus_record     record;
    UT_hash_handle by_command; /* nth 0 only */
} entry;

typedef struct {
    const char *domain;
    entry      *entries; /* by partition and offset */
    int         count, room;
    entry      *commands; /* uthash */
} log_copy;

typedef struct {
    sim_world *world;
    bus_arena  arena;
    log_copy   inventory, orders, meters;
} logs;

typedef struct {
    log_copy  *log;
    bus_arena *arena;
} copying;

static bus_str
kept(bus_arena *arena, bus_str s)
{
    return bus_arena_copy(arena, s.at, s.len);
}

static bus_code
copy_record(void *context, const bus_record *record, bus_error *err)
{
    copying    *c = context;
    log_copy   *log = c->log;
    bus_record *r;

    (void)err;
    if (log->count == log->room) {
        log->room = log->room == 0 ? 1024 : log->room * 2;
        log->entries = realloc(log->entries, sizeof(entry) * (size_t)log->room);
        if (log->entries == NULL)
            abort();
    }
    r = &log->entries[log->count++].record;
    *r = *record;
    r->type = kept(c->arena, r->type);
    r->aggregate = kept(c->arena, r->aggregate);
    r->sends = kept(c->arena, r->sends);
    r->data = kept(c->arena, r->data);
    return BUS_OK;
}

static void
read_log(logs *l, log_copy *log, const char *domain)
{
    copying   c = {log, &l->arena};
    bus_error err = {0};

    log->domain = domain;
    for (int p = 0; p < l->world->partitions; p++)
        if (bus_store_memory.read(l->world->store, domain, (uint16_t)p, 0, INT32_MAX, copy_record,
                                  &c, &err) != BUS_OK)
            sim_fail(l->world->sched, "%s: %s", domain, err.text);
    for (int i = 0; i < log->count; i++)
        if (log->entries[i].record.nth == 0)
            HASH_ADD(by_command, log->commands, record.command_id, sizeof(bus_id),
                     &log->entries[i]);
}

static void
open_logs(logs *l, sim_world *w)
{
    *l = (logs){.world = w};
    read_log(l, &l->inventory, "inventory");
    read_log(l, &l->orders, "orders");
    read_log(l, &l->meters, "meters");
}

static void
close_logs(logs *l)
{
    HASH_CLEAR(by_command, l->inventory.commands);
    HASH_CLEAR(by_command, l->orders.commands);
    HASH_CLEAR(by_command, l->meters.commands);
    free(l->inventory.entries);
    free(l->orders.entries);
    free(l->meters.entries);
    bus_arena_fini(&l->arena);
}

static const bus_record *
of_command(const log_copy *log, const bus_id *id)
{
    entry *e;

    HASH_FIND(by_command, log->commands, id, sizeof(*id), e);
    return e == NULL ? NULL : &e->record;
}

static const log_copy *
log_of(const logs *l, const char *domain)
{
    if (strcmp(domain, "meters") == 0)
        return &l->meters;
    return strcmp(domain, "orders") == 0 ? &l->orders : &l->inventory;
}

static bool
is_type(const bus_record *r, const char *type)
{
    return bus_str_is(r->type, type);
}

static bool
is_order_answer(const bus_record *r)
{
    return is_type(r, "orders.item_got.v1") || is_type(r, "orders.item_missed.v1");
}

/* --- what is not finished ------------------------------------------------------------- */

/* A send is finished when the stream that asked has its answer. */
static int
unanswered_sends(logs *l)
{
    int left = 0;

    for (int i = 0; i < l->orders.count; i++) {
        const bus_record *r = &l->orders.entries[i].record;
        bus_sent         *sends;
        bus_error         err = {0};
        int               count = 0;

        if (r->sends.len > 0 &&
            bus_sends_decode(r->sends, &l->arena, &sends, &count, &err) != BUS_OK)
            sim_fail(l->world->sched, "%s", err.text);
        for (int s = 0; s < count; s++) {
            bus_id answer = bus_derive_answer(bus_derive_send(r->command_id, r->nth, s));

            left += of_command(&l->orders, &answer) == NULL;
        }
    }
    return left;
}

/* ... a reaction when it has happened, or was refused for good. */
static int
unnoted_depletions(const logs *l)
{
    int left = 0;

    for (int i = 0; i < l->inventory.count; i++) {
        const bus_record *r = &l->inventory.entries[i].record;
        bus_id            id = bus_derive_reaction("orders", r->command_id, r->nth, 0);

        left += is_type(r, "inventory.depleted.v2") && of_command(&l->orders, &id) == NULL;
    }
    return left;
}

static int
waiting_timers(logs *l)
{
    uint16_t   all[BUS_PARTITIONS_MAX];
    bus_timer *timers;
    int64_t    next_ms;
    bus_error  err = {0};
    int        count = 0;

    for (int p = 0; p < l->world->partitions; p++)
        all[p] = (uint16_t)p;
    if (bus_store_memory.timers_due(l->world->store, "inventory", all, l->world->partitions,
                                    INT64_MAX, 1000, &l->arena, &timers, &count, &next_ms,
                                    &err) != BUS_OK)
        sim_fail(l->world->sched, "%s", err.text);
    return count;
}

static int
parked_streams(logs *l)
{
    bus_parked *parked;
    bus_error   err = {0};
    int         count, all = 0;

    for (int i = 0; i < SIM_DOMAINS; i++) {
        if (bus_store_memory.parked(l->world->store, contracts[i]->module, NULL, &l->arena, &parked,
                                    &count, &err) != BUS_OK)
            sim_fail(l->world->sched, "%s", err.text);
        all += count;
    }
    return all;
}

static int
unowned_partitions(logs *l)
{
    bus_partition_info *infos;
    bus_error           err = {0};
    int                 count = 0, left = 0;

    for (int i = 0; i < SIM_DOMAINS; i++) {
        if (bus_store_memory.partitions(l->world->store, contracts[i]->module, &l->arena, &infos,
                                        &count, &err) != BUS_OK)
            sim_fail(l->world->sched, "%s", err.text);
        for (int p = 0; p < count; p++)
            left += !infos[p].live;
    }
    return left;
}

/* Checkpoints of readers that are not where the log ends: a missing one reads nothing. */
static int
readers_behind(logs *l)
{
    bus_checkpoint_info *infos;
    int64_t              heads[BUS_PARTITIONS_MAX];
    bus_error            err = {0};
    int                  count, left = 0, seen = 0;

    for (int i = 0; i < SIM_DOMAINS; i++) {
        if (bus_store_memory.checkpoints(l->world->store, contracts[i]->module, &l->arena, &infos,
                                         &count, &err) != BUS_OK)
            sim_fail(l->world->sched, "%s", err.text);
        for (int c = 0; c < count; c++) {
            const char *domain =
                bus_arena_printf(&l->arena, "%.*s", BUS_STR_ARG(infos[c].domain)).at;

            if (bus_store_memory.heads(l->world->store, domain, heads, l->world->partitions,
                                       &err) != BUS_OK)
                sim_fail(l->world->sched, "%s", err.text);
            left += infos[c].offset < heads[infos[c].partition];
            seen++;
        }
    }
    return left + (seen < READERS * l->world->partitions);
}

bool
sim_check_pending(sim_world *w, char *text, size_t bytes)
{
    logs l;
    int  sends, depletions, timers, parked, unowned, behind;

    open_logs(&l, w);
    sends = unanswered_sends(&l);
    depletions = unnoted_depletions(&l);
    timers = waiting_timers(&l);
    parked = parked_streams(&l);
    unowned = unowned_partitions(&l);
    behind = readers_behind(&l);
    close_logs(&l);
    (void)snprintf(text, bytes,
                   "%sclients, %d sends without an answer, %d reactions, %d timers, %d parked "
                   "streams, %d partitions without an owner, %d checkpoints behind",
                   w->over ? "no " : "", sends, depletions, timers, parked, unowned, behind);
    return !w->over || sends + depletions + timers + parked + unowned + behind > 0;
}

/* --- the log against the journal ---------------------------------------------------------- */

static void
check_command(const logs *l, const sim_entry *e)
{
    const log_copy   *log = log_of(l, e->domain);
    const bus_record *r = of_command(log, &e->id);

    if (e->done && e->offset > 0 && r == NULL)
        sim_fail(l->world->sched, "an acknowledged %s is not in the log", e->type);
    if (r != NULL && !bus_id_equal(r->stream, e->stream))
        sim_fail(l->world->sched, "the events of %s are in another stream", e->type);
    if (e->refused && !e->done && e->taken == 1 && r != NULL)
        sim_fail(l->world->sched, "%s was refused and is in the log at %u:%lld", e->type,
                 r->partition, (long long)r->offset);
    if (r != NULL && e->taken == 0)
        sim_fail(l->world->sched, "%s is in the log, though nobody took it", e->type);
}

static void
check_journal(const logs *l)
{
    for (int i = 0; i < l->world->journal->count; i++)
        check_command(l, l->world->journal->entries[i]);
}

/* --- reservations --------------------------------------------------------------------------- */

/* What was asked of an item is what its stream answers: taken, or refused for good. */
static void
check_send(const logs *l, const bus_record *placed, const bus_sent *send, int nth)
{
    bus_id            sent = bus_derive_send(placed->command_id, placed->nth, nth);
    bus_id            back = bus_derive_answer(sent);
    const bus_record *taken = of_command(&l->inventory, &sent);
    const bus_record *answer = of_command(&l->orders, &back);
    bool              got;

    if (taken == NULL || answer == NULL || !is_order_answer(answer)) {
        sim_fail(l->world->sched, "an order's send has %s, %s",
                 taken == NULL ? "no effect" : "an effect",
                 answer == NULL ? "no answer" : "an answer");
        return;
    }
    got = is_type(answer, "orders.item_got.v1");
    if (got != is_type(taken, "inventory.taken.v1"))
        sim_fail(l->world->sched, "an order was told %.*s, but the item has %.*s",
                 BUS_STR_ARG(answer->type), BUS_STR_ARG(taken->type));
    if (got && !bus_id_equal(taken->stream, send->stream))
        sim_fail(l->world->sched, "an order took of another item than it asked for");
    if (!bus_id_equal(answer->stream, placed->stream))
        sim_fail(l->world->sched, "another order was answered");
}

/* The sends of one stream go one at a time, in order: so do their answers. */
static void
check_sends_of(logs *l, const bus_record *placed, int32_t *last_version)
{
    bus_sent *sends;
    bus_error err = {0};
    int       count = 0;

    if (bus_sends_decode(placed->sends, &l->arena, &sends, &count, &err) != BUS_OK)
        sim_fail(l->world->sched, "%s", err.text);
    for (int s = 0; s < count; s++) {
        bus_id back = bus_derive_answer(bus_derive_send(placed->command_id, placed->nth, s));
        const bus_record *answer = of_command(&l->orders, &back);

        check_send(l, placed, &sends[s], s);
        if (answer != NULL && answer->version <= *last_version)
            sim_fail(l->world->sched, "the sends of one order were answered out of order");
        if (answer != NULL)
            *last_version = answer->version;
    }
}

/* The last answer of each order so far. */
typedef struct {
    bus_id         stream;
    int32_t        version;
    UT_hash_handle hh;
} order_seen;

static void
check_sends(logs *l)
{
    order_seen *orders = NULL;

    for (int i = 0; i < l->orders.count; i++) { /* a stream's events come in its order */
        const bus_record *r = &l->orders.entries[i].record;
        order_seen       *o;

        if (r->sends.len == 0)
            continue;
        HASH_FIND(hh, orders, &r->stream, sizeof(r->stream), o);
        if (o == NULL) {
            o = BUS_ARENA_NEW(&l->arena, order_seen);
            o->stream = r->stream;
            HASH_ADD(hh, orders, stream, sizeof(o->stream), o);
        }
        check_sends_of(l, r, &o->version);
    }
    HASH_CLEAR(hh, orders);
}

/* --- items ------------------------------------------------------------------------------------ */

typedef struct {
    bus_id         stream;
    int64_t        left;
    char           name[64];
    bool           depleted, promised;
    UT_hash_handle hh;
} item;

static json_t *
data_of(const logs *l, const bus_record *r)
{
    json_t *data = json_loadb(r->data.at, r->data.len, 0, NULL);

    if (data == NULL)
        sim_fail(l->world->sched, "the data of %.*s is no JSON", BUS_STR_ARG(r->type));
    return data;
}

static int64_t
number(const json_t *data, const char *name)
{
    return json_integer_value(json_object_get(data, name));
}

static int64_t
lots(const json_t *data)
{
    const json_t *all = json_object_get(data, "lots");
    int64_t       total = 0;

    for (size_t i = 0; i < json_array_size(all); i++)
        total += number(json_array_get(all, i), "quantity");
    return total;
}

static void
fold_item(const logs *l, item *it, const bus_record *r)
{
    json_t *data = data_of(l, r);

    if (is_type(r, "inventory.added.v3")) {
        it->left = lots(data);
        (void)snprintf(it->name, sizeof(it->name), "%s",
                       json_string_value(json_object_get(data, "label")));
    } else if (is_type(r, "inventory.renamed.v1")) {
        (void)snprintf(it->name, sizeof(it->name), "%s",
                       json_string_value(json_object_get(data, "name")));
    } else if (is_type(r, "inventory.taken.v1")) {
        it->left -= number(data, "quantity");
        if (it->left < 0 || it->left != number(data, "left"))
            sim_fail(l->world->sched,
                     "%s has %lld left, its event at %u:%lld says %lld: an update was lost",
                     it->name, (long long)it->left, r->partition, (long long)r->offset,
                     (long long)number(data, "left"));
    } else if (is_type(r, "inventory.depleted.v2")) {
        if (it->depleted || it->left != 0)
            sim_fail(l->world->sched, "%s is depleted with %lld left", it->name,
                     (long long)it->left);
        it->depleted = true;
    } else if (is_type(r, "inventory.promised.v1")) {
        it->promised = true;
    } else if (is_type(r, "inventory.promise_forgotten.v1") ||
               is_type(r, "inventory.promise_ended.v1")) {
        it->promised = false;
    }
    json_decref(data);
}

static item *
fold_items(logs *l)
{
    item *items = NULL, *it;

    for (int i = 0; i < l->inventory.count; i++) {
        const bus_record *r = &l->inventory.entries[i].record;

        if (bus_is_refused_event(r->type))
            continue;
        HASH_FIND(hh, items, &r->stream, sizeof(r->stream), it);
        if (it == NULL) {
            it = BUS_ARENA_NEW(&l->arena, item);
            it->stream = r->stream;
            HASH_ADD(hh, items, stream, sizeof(it->stream), it);
        }
        fold_item(l, it, r);
    }
    return items;
}

static int
notes_of(const logs *l, const item *it)
{
    bus_id stream = kernel_depletion_stream(it->stream);
    int    notes = 0;

    for (int i = 0; i < l->orders.count; i++)
        notes += bus_id_equal(l->orders.entries[i].record.stream, stream) &&
                 is_type(&l->orders.entries[i].record, "orders.depletion_noted.v1");
    return notes;
}

static void
check_items(logs *l)
{
    item *items = fold_items(l);

    for (const item *it = items; it != NULL; it = it->hh.next) {
        if (notes_of(l, it) != it->depleted)
            sim_fail(l->world->sched, "%s was depleted %d times and noted %d times", it->name,
                     it->depleted, notes_of(l, it));
        if (it->promised)
            sim_fail(l->world->sched, "the promise of %s never ends", it->name);
        for (const item *other = it->hh.next; other != NULL; other = other->hh.next)
            if (strcmp(it->name, other->name) == 0)
                sim_fail(l->world->sched, "two items are called %s", it->name);
    }
    /* Each common name was asked for at last (clients.c), so somebody has it now. */
    for (int i = 0; i < SIM_NAMES; i++) {
        const item *it = items;
        char        name[64];

        (void)snprintf(name, sizeof(name), "item %d", i);
        while (it != NULL && strcmp(it->name, name) != 0)
            it = it->hh.next;
        if (it == NULL)
            sim_fail(l->world->sched, "the name %s is taken, by no item: it leaked", name);
    }
    HASH_CLEAR(hh, items);
}

/* --- verify
 * --------------------------------------------------------------------------------------- */

static void
report(void *context, const bus_verify_fault *fault)
{
    const sim_world *w = context;

    sim_fail(w->sched, "verify: %s %s %s: %s", bus_verify_check_name(fault->check), fault->domain,
             fault->view == NULL ? "" : fault->view, fault->text);
}

static void
verify(sim_world *w)
{
    bus_runtime_options options = w->processes[SIM_CLIENTS].options;
    bus_verify_counts   counts = {0};
    bus_error           err = {0};

    options.store = &bus_store_memory;
    options.store_options.clock = &w->clock;
    options.clock = &w->clock;
    if (bus_verify(&options, contracts, SIM_DOMAINS, views, 2, report, w, &counts, &err) != BUS_OK)
        sim_fail(w->sched, "verify: %s", err.text);
    if (counts.faults > 0 || counts.unsure > 0)
        sim_fail(w->sched, "verify finds %lld faults, and is unsure of %lld",
                 (long long)counts.faults, (long long)counts.unsure);
}

void
sim_check_all(sim_world *w)
{
    logs l;

    open_logs(&l, w);
    check_journal(&l);
    check_sends(&l);
    check_items(&l);
    close_logs(&l);
    sim_check_windows(w);
    sim_check_topics(w);
    verify(w);
}
