/* batch_decide.c - the kernel's own rules, then the module's; what it wants is collected: records,
 * claims, timers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"
#include "bus/contract/codec.h"
#include "bus/runtime/batch.h"
#include "bus/runtime/derive.h"
#include "bus/runtime/sends.h"

#include <string.h>

typedef struct {
    const bus_aggregate *aggregate;
    const void          *state, *tagged;
    const bus_meta      *meta;
    bus_decision        *decision;
    bus_verdict          verdict;
} deciding;

static void
decide_guarded(void *context)
{
    deciding *d = context;

    d->verdict = d->aggregate->decide(d->state, d->tagged, d->meta, d->decision);
}

bus_str
batch_claim_key(batch *b, bus_id tenant, const char *kind, bus_str value)
{
    size_t kind_len = strlen(kind);
    char  *key = bus_arena_alloc(b->arena, sizeof(tenant) + kind_len + 1 + value.len);

    memcpy(key, tenant.bytes, sizeof(tenant));
    memcpy(key + sizeof(tenant), kind, kind_len + 1);
    if (value.len > 0)
        memcpy(key + sizeof(tenant) + kind_len + 1, value.at, value.len);
    return (bus_str){key, (uint32_t)(sizeof(tenant) + kind_len + 1 + value.len)};
}

batch_claim *
batch_find_claim(batch *b, bus_str key)
{
    batch_claim *entry;

    HASH_FIND(hh, b->claims, key.at, key.len, entry);
    return entry;
}

/* The first claim of the decision that another stream of this batch has taken, or NULL. */
static const bus_decided_claim *
contested(batch *b, const item *it, const bus_decision *decision)
{
    for (int i = 0; i < decision->claims_count; i++) {
        const bus_decided_claim *c = &decision->claims[i];
        const batch_claim       *entry;

        if (c->taken == NULL)
            continue;
        entry = batch_find_claim(b, batch_claim_key(b, it->cmd->tenant, c->kind, c->value));
        if (entry != NULL && entry->taken && !bus_id_equal(entry->holder, it->cmd->stream))
            return c;
    }
    return NULL;
}

/* Does the decision let go what its stream takes in this very batch? The two would cancel out
 * before the store had a look whether another holds it, so it waits for the next append. */
static bool
lets_go_of_taken(batch *b, const item *it, const bus_decision *decision)
{
    for (int i = 0; i < decision->claims_count; i++) {
        const bus_decided_claim *c = &decision->claims[i];
        const batch_claim       *entry;

        if (c->taken != NULL)
            continue;
        entry = batch_find_claim(b, batch_claim_key(b, it->cmd->tenant, c->kind, c->value));
        if (entry != NULL && entry->taken && bus_id_equal(entry->holder, it->cmd->stream))
            return true;
    }
    return false;
}

static void
add_claims(batch *b, const item *it, const bus_decision *decision)
{
    for (int i = 0; i < decision->claims_count; i++) {
        const bus_decided_claim *c = &decision->claims[i];
        bus_str                  key = batch_claim_key(b, it->cmd->tenant, c->kind, c->value);
        batch_claim             *entry = batch_find_claim(b, key);

        if (entry == NULL) {
            entry = BUS_ARENA_NEW(b->arena, batch_claim);
            entry->key = key;
            entry->tenant = it->cmd->tenant;
            entry->kind = c->kind;
            entry->value = c->value;
            HASH_ADD_KEYPTR(hh, b->claims, entry->key.at, entry->key.len, entry);
        }
        if (c->taken != NULL) {
            entry->taken = true;
            entry->holder = it->cmd->stream;
            entry->item = (int)(it - b->items);
            entry->refusal = c->taken;
        } else {
            bus_id *all = BUS_ARENA_ARRAY(b->arena, bus_id, (size_t)entry->released_count + 1);

            if (entry->released_count > 0)
                memcpy(all, entry->released, (size_t)entry->released_count * sizeof(bus_id));
            all[entry->released_count++] = it->cmd->stream;
            entry->released = all;
            if (entry->taken && bus_id_equal(entry->holder, it->cmd->stream))
                entry->taken = false;
        }
    }
}

static void
add_timer(batch *b, const item *it, bus_str name, int64_t at_ms, bool fired)
{
    batch_timer *entry = BUS_ARENA_NEW(b->arena, batch_timer), *there;

    entry->key.stream = it->cmd->stream;
    bus_str_store(entry->key.name, sizeof(entry->key.name), name);
    HASH_FIND(hh, b->timers, &entry->key, sizeof(entry->key), there);
    if (there == NULL) {
        HASH_ADD(hh, b->timers, key, sizeof(entry->key), entry);
        there = entry;
    } else if (fired) {
        return; /* what was decided about the timer outweighs its firing */
    }
    there->write = (bus_timer_write){.partition = it->cmd->partition,
                                     .stream = it->cmd->stream,
                                     .name = there->key.name,
                                     .due_at_ms = at_ms,
                                     .fired = fired};
}

static bus_record *
add_record(batch *b)
{
    if (b->records_count == b->records_room) {
        int         room = b->records_room == 0 ? 64 : b->records_room * 2;
        bus_record *all = BUS_ARENA_ARRAY(b->arena, bus_record, (size_t)room);

        if (b->records_count > 0)
            memcpy(all, b->records, (size_t)b->records_count * sizeof(*all));
        b->records = all;
        b->records_room = room;
    }
    return &b->records[b->records_count++];
}

bus_str
batch_keep(batch *b, bus_buf *buf)
{
    bus_str copy = bus_arena_copy(b->arena, buf->at == NULL ? "" : buf->at, buf->len);

    bus_buf_fini(buf);
    return copy;
}

/* What every record of a command has in common. */
static bus_record
record_of(batch *b, const item *it, int64_t at_ms)
{
    const bus_command *c = it->cmd;
    bus_buf            actor = {0};

    bus_actor_encode(&c->actor, &actor);
    return (bus_record){.partition = c->partition,
                        .stream = c->stream,
                        .tenant = c->tenant,
                        .command_id = c->command_id,
                        .digest = it->digest,
                        .correlation_id = c->correlation_id,
                        .causation_id = c->causation_id,
                        .actor = batch_keep(b, &actor),
                        .at_ms = at_ms,
                        .device_at_ms = c->device_at_ms};
}

static const char *
origin_name(bus_origin origin)
{
    switch (origin) {
    case BUS_ORIGIN_CLIENT: return "client";
    case BUS_ORIGIN_SEND: return "send";
    case BUS_ORIGIN_REACTION: return "reaction";
    case BUS_ORIGIN_ANSWER: return "answer";
    case BUS_ORIGIN_WAKE: return "wake";
    }
    BUS_UNREACHABLE();
}

/* A refusal of what shina itself asked is an event in a stream of its own, so that every
 * repeat gets it. */
static void
append_refusal(batch *b, item *it, int64_t at_ms)
{
    bus_refused refused = {.command = it->cmd->type,
                           .stream = it->cmd->stream,
                           .origin = bus_str_of(origin_name(it->cmd->origin)),
                           .code = it->reply.code,
                           .params = it->reply.params,
                           .detail = it->reply.detail};
    bus_record *record = add_record(b);
    bus_buf     data = {0};

    *record = record_of(b, it, at_ms);
    record->stream =
        bus_derive_refused_stream(it->cmd->command_id, it->cmd->partition, b->w->partitions);
    record->aggregate = BUS_STR("refusal");
    record->version = 1;
    record->type = bus_arena_printf(b->arena, "%s." BUS_REFUSED_EVENT, b->w->domain);
    bus_refused_encode(&refused, &data);
    record->data = batch_keep(b, &data);
    it->first_event = b->records_count - 1;
    it->events_count = 1;
    it->status = ITEM_APPENDS;
}

/* The verdict is a refusal: final for a client once confirmed, an event for our own. */
static void
refused(batch *b, item *it, const bus_refusal *refusal, bus_str params, int64_t at_ms)
{
    batch_refuse(b, it, refusal, params);
    switch (it->cmd->origin) {
    case BUS_ORIGIN_CLIENT: it->status = ITEM_QUIET; break;
    case BUS_ORIGIN_WAKE: /* nobody waits for it; the fired timer goes */
        add_timer(b, it, it->timer->name, it->timer->due_at_ms, true);
        it->events_count = 0;
        it->status = ITEM_APPENDS;
        break;
    case BUS_ORIGIN_SEND:
    case BUS_ORIGIN_REACTION:
    case BUS_ORIGIN_ANSWER:
        if (BUS_PLANTED("writer.send_refusal_forgotten"))
            it->status = ITEM_QUIET;
        else
            append_refusal(b, it, at_ms);
        break;
    }
}

/* The kernel's own rules, before the module is asked. NULL: nothing against it. */
static const bus_refusal *
kernel_refusal(batch *b, const item *it, bus_str *params)
{
    const bus_command *c = it->cmd;
    const bus_state   *state = it->state;
    const bus_message *m = it->message;
    uint32_t           roles = c->actor.roles;

    if (state->version == 0 && m->on == BUS_ON_EXISTING)
        return &BUS_NOT_FOUND_REFUSAL;
    if (state->version > 0 && (!bus_id_equal(state->tenant, c->tenant) ||
                               state->aggregate == NULL || state->aggregate->of != m->aggregate))
        return &BUS_NOT_FOUND_REFUSAL;
    if (state->version > 0 && m->on == BUS_ON_NEW)
        return &BUS_EXISTS_REFUSAL;
    if ((roles & (m->roles | BUS_ROLE_SERVICE)) == 0) {
        if ((roles & m->roles_own) == 0)
            return &BUS_FORBIDDEN_REFUSAL;
        if (state->version > 0 &&
            (bus_id_is_nil(c->actor.driver_id) || state->aggregate->owned_by == NULL ||
             !state->aggregate->owned_by(state->data, c->actor.driver_id)))
            return &BUS_NOT_FOUND_REFUSAL; /* another's row is not seen */
    }
    if (c->expected_version >= 0 && c->expected_version != state->version) {
        *params = bus_arena_printf(b->arena, "{\"current\":%d}", (int)state->version);
        return &BUS_VERSION_REFUSAL;
    }
    return NULL;
}

/* Events of an accepted decision become records and are applied. False: a fault. */
static bool
remember(batch *b, item *it, const bus_decision *decision, int64_t at_ms)
{
    bus_record common = record_of(b, it, at_ms);
    int        before = b->records_count, sealings_before = b->sealings_count;
    bus_error  fault;

    batch_touch(b, it->state);
    for (int i = 0; i < decision->events_count; i++) {
        const bus_decided_event *e = &decision->events[i];
        bus_record              *record = add_record(b);
        bus_buf                  buf = {0};
        batch_applying           a = {it->state->aggregate, it->state->data,
                                      bus_tagged(b->arena, e->type, e->data)};

        *record = common;
        record->aggregate = bus_str_of(it->message->aggregate->name);
        record->version = it->state->version + i + 1;
        record->nth = (int16_t)i;
        record->type = bus_str_of(e->type->type);
        if (!batch_seal_later(b, it, decision, i)) {
            bus_encode(e->type->shape, e->data, &buf);
            record->data = batch_keep(b, &buf);
            bus_sends_encode(decision->sends, decision->sends_count, i, &buf);
            record->sends = batch_keep(b, &buf);
        }
        if (bus_guarded(batch_apply, &a, &fault) != BUS_OK) {
            batch_quarantine(b->w, it->cmd->stream, 0, &fault);
            it->state->faulty = true;
            b->records_count = before;
            b->sealings_count = sealings_before;
            return false;
        }
    }
    it->first_event = before;
    it->events_count = decision->events_count;
    it->state->version += decision->events_count;
    it->state->tenant = it->cmd->tenant;
    it->reply = batch_reply_to(it);
    it->reply.status = BUS_ANSWER_DONE;
    it->reply.version = it->state->version;
    return true;
}

static const void *
settings_of(const bus_writer *w, bus_id tenant)
{
    const void *settings = NULL;

    if (w->options->settings_of != NULL)
        settings =
            w->options->settings_of(w->options->settings_context, w->module->contract, tenant);
    return settings != NULL ? settings : w->default_settings;
}

static void
fault(item *it)
{
    batch_settle(it, batch_is_client(it) ? BUS_ANSWER_REFUSED : BUS_ANSWER_FAILED, "STREAM_FAULT",
                 bus_str_of(BUS_STREAM_FAULT_REFUSAL.en));
}

void
batch_decide(batch *b, item *it, bus_decision *decision, int64_t now_ms)
{
    bus_writer              *w = b->w;
    bus_lease               *lease = &w->leases[it->cmd->partition];
    const bus_refusal       *against;
    bus_str                  params = {NULL, 0};
    bus_error                err;
    bus_meta                 meta = {.command_id = it->cmd->command_id,
                                     .tenant = it->cmd->tenant,
                                     .stream = it->cmd->stream,
                                     .actor_id = it->cmd->actor.id,
                                     .roles = it->cmd->actor.roles,
                                     .grants = it->cmd->actor.grants,
                                     .driver_id = it->cmd->actor.driver_id,
                                     .device_at_ms = it->cmd->device_at_ms,
                                     .version = it->state->version};
    deciding                 d = {.meta = &meta, .decision = decision};
    const bus_decided_claim *lost;

    if (lease->at_ms < now_ms || BUS_PLANTED("writer.time_goes_back"))
        lease->at_ms = now_ms; /* time never goes back within a partition */
    meta.at_ms = lease->at_ms;
    meta.settings = settings_of(w, meta.tenant);
    if (it->state->faulty || batch_is_quarantined(w, it->cmd->stream)) {
        fault(it);
        return;
    }
    if (it->state->waits) { /* in order: behind one that waits */
        it->status = ITEM_LATER;
        return;
    }
    if (it->lost != NULL) {
        refused(b, it, it->lost, it->lost_params, meta.at_ms);
        return;
    }
    if ((against = kernel_refusal(b, it, &params)) != NULL) {
        refused(b, it, against, params, meta.at_ms);
        return;
    }
    bus_decision_begin(decision, b->arena);
    d.aggregate = it->state->aggregate;
    d.state = it->state->data;
    d.tagged = bus_tagged(b->arena, it->message, it->data);
    if (bus_guarded(decide_guarded, &d, &err) != BUS_OK) {
        batch_quarantine(w, it->cmd->stream, 0, &err);
        fault(it);
        return;
    }
    if (d.verdict == BUS_ACCEPTED && decision->events_count == 0 && decision->claims_count > 0) {
        (void)bus_fail(&err, BUS_FAULT, "%s claims or releases without an event",
                       it->message->type);
        batch_quarantine(w, it->cmd->stream, 0, &err);
        fault(it);
        return;
    }
    it->decided = true;
    if (d.verdict == BUS_REFUSED) {
        refused(b, it, decision->refusal, decision->params, meta.at_ms);
        return;
    }
    if (batch_seal_claims(b, it, decision, &err) != BUS_OK) {
        batch_settle(it, BUS_ANSWER_FAILED, "UNAVAILABLE",
                     bus_arena_printf(b->arena, "%s", err.text));
        return;
    }
    if ((lost = contested(b, it, decision)) != NULL) {
        refused(b, it, lost->taken, params, meta.at_ms);
        return;
    }
    if (lets_go_of_taken(b, it, decision)) {
        it->state->waits = true;
        it->status = ITEM_LATER;
        return;
    }
    if (!remember(b, it, decision, meta.at_ms)) {
        fault(it);
        return;
    }
    add_claims(b, it, decision);
    for (int i = 0; i < decision->wakes_count; i++)
        add_timer(b, it, bus_str_of(decision->wakes[i].command->name), decision->wakes[i].at_ms,
                  false);
    if (it->timer != NULL)
        add_timer(b, it, it->timer->name, it->timer->due_at_ms, true);
    it->status = decision->events_count > 0 || decision->wakes_count > 0 || it->timer != NULL
                     ? ITEM_APPENDS
                     : ITEM_QUIET;
}
