/* batch_load.c - states out of the log, for streams that are not in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/runtime/batch.h"
#include "bus/runtime/fold.h"

#include <stdlib.h>
#include <string.h>

static const bus_aggregate *
aggregate_named(const bus_module *module, bus_str name)
{
    for (int i = 0; i < module->aggregates_count; i++)
        if (bus_str_is(name, module->aggregates[i].of->name))
            return &module->aggregates[i];
    return NULL;
}

static const bus_aggregate *
aggregate_of(const bus_module *module, const bus_aggregate_contract *of)
{
    for (int i = 0; i < module->aggregates_count; i++)
        if (module->aggregates[i].of == of)
            return &module->aggregates[i];
    return NULL;
}

void
batch_apply(void *context)
{
    batch_applying *a = context;

    a->aggregate->apply(a->state, a->tagged);
}

/* The event and what it does to the state. The state has no pointers: nothing of it stays. */
static bus_code
fold_record(bus_writer *w, bus_state *state, const bus_record *record, bus_error *err)
{
    const bus_message *type = bus_contract_event(w->module->contract, record->type);
    batch_applying     a = {.aggregate = state->aggregate, .state = state->data};
    void              *data;
    bus_code           rc;

    if (type == NULL || type->aggregate != state->aggregate->of)
        return bus_fail(err, BUS_FAULT, "unknown event %.*s in the log", BUS_STR_ARG(record->type));
    bus_arena_reset(&w->scratch);
    rc = bus_personal_event(w->personal, record->tenant, record->stream, &type, record->data,
                            &w->scratch, &data, err);
    if (rc != BUS_OK)
        return rc;
    a.tagged = bus_tagged(&w->scratch, type, data);
    return bus_guarded(batch_apply, &a, err);
}

/* Folds one record into its stream's state; what cannot be folded makes the state faulty. */
static bus_code
load_record(void *context, const bus_record *record, bus_error *err)
{
    bus_writer *w = ((batch *)context)->w;
    bus_state  *state = bus_states_find(w->states, record->stream);
    bus_error   fault;
    bus_code    rc;

    if (state == NULL)
        state = bus_states_add(w->states, record->stream,
                               aggregate_named(w->module, record->aggregate));
    state->tenant = record->tenant;
    state->version = record->version;
    if (state->faulty || state->aggregate == NULL)
        return BUS_OK; /* a durable refusal's stream, or one of a newer contract */
    rc = fold_record(w, state, record, &fault);
    if (bus_is_outage(rc)) {
        *err = fault;
        return rc;
    }
    if (rc != BUS_OK) {
        batch_quarantine(w, record->stream, record->offset, &fault);
        state->faulty = true;
    }
    return BUS_OK;
}

void
batch_touch(batch *b, bus_state *state)
{
    if (state->touched)
        return;
    state->touched = true;
    if (b->touched_count == b->touched_room) {
        int         room = b->touched_room == 0 ? 64 : b->touched_room * 2;
        bus_state **all = BUS_ARENA_ARRAY(b->arena, bus_state *, (size_t)room);

        if (b->touched_count > 0)
            memcpy(all, b->touched, (size_t)b->touched_count * sizeof(bus_state *));
        b->touched = all;
        b->touched_room = room;
    }
    b->touched[b->touched_count++] = state;
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(bus_id));
}

/* A snapshot that fits is where its stream begins; any other is passed over. */
static bus_code
load_snapshot(void *context, const bus_snapshot *snapshot, bus_error *err)
{
    batch               *b = context;
    bus_writer          *w = b->w;
    const bus_aggregate *aggregate = aggregate_named(w->module, snapshot->aggregate);
    bus_error            unfit = {0};
    bus_state           *state;
    bus_code             rc;

    if (aggregate == NULL)
        return BUS_OK;
    state = bus_states_add(w->states, snapshot->stream, aggregate);
    rc = bus_snapshot_open(batch_form_of(w, aggregate), snapshot, w->personal, b->arena,
                           state->data, &unfit);
    if (bus_is_outage(rc)) {
        *err = unfit;
        return rc;
    }
    if (rc != BUS_OK) {
        if (unfit.code != BUS_CONFLICT) /* those of another shape are many after an upgrade */
            bus_log_warn("writer.snapshot_unfit", BUS_KV("domain", w->domain),
                         BUS_KV_ID("stream", snapshot->stream), BUS_KV_ERR(&unfit));
        bus_states_evict(w->states, state);
        return BUS_OK;
    }
    state->tenant = snapshot->tenant;
    state->version = state->kept = snapshot->version;
    return BUS_OK;
}

/* Reads streams that are not in memory: their snapshots, then what came after. */
static bus_code
read_streams(batch *b, const bus_id *streams, int count, bus_error *err)
{
    bus_writer          *w = b->w;
    const bus_store_ops *store = w->options->store;
    int32_t             *versions;
    bus_code             rc;

    if (w->options->snapshot_events == 0)
        return store->load(w->store, w->domain, streams, count, load_record, b, err);
    rc = store->snapshots_read(w->store, w->domain, streams, count, load_snapshot, b, err);
    if (rc != BUS_OK)
        return rc;
    versions = BUS_ARENA_ARRAY(b->arena, int32_t, (size_t)count);
    for (int i = 0; i < count; i++) {
        const bus_state *state = bus_states_find(w->states, streams[i]);

        versions[i] = state == NULL ? 0 : state->version;
    }
    return store->load_after(w->store, w->domain, streams, versions, count, load_record, b, err);
}

/* Half-read states are no states. */
static void
forget_streams(batch *b, const bus_id *streams, int count)
{
    for (int i = 0; i < count; i++) {
        bus_state *state = bus_states_find(b->w->states, streams[i]);

        if (state != NULL)
            bus_states_evict(b->w->states, state);
    }
}

static void
fail_items_of(batch *b, bus_id stream, const bus_error *err)
{
    bus_log_error("writer.stream_unreadable", BUS_KV("domain", b->w->domain),
                  BUS_KV_ID("stream", stream), BUS_KV_ERR(err));
    for (int i = 0; i < b->count; i++)
        if (b->items[i].status == ITEM_OPEN && bus_id_equal(b->items[i].cmd->stream, stream))
            batch_settle(&b->items[i], BUS_ANSWER_FAILED, "UNAVAILABLE",
                         BUS_STR("its events cannot be read"));
}

/* The streams together. If one cannot be read, because its archive is lost or damaged, one by one:
 * only what is meant for that one fails. */
static bus_code
load_streams(batch *b, const bus_id *streams, int count, bus_error *err)
{
    bus_code rc = read_streams(b, streams, count, err);

    if (rc == BUS_OK)
        return BUS_OK;
    forget_streams(b, streams, count);
    if (rc != BUS_INVALID)
        return rc;
    for (int i = 0; i < count; i++) {
        rc = read_streams(b, &streams[i], 1, err);
        if (rc == BUS_OK)
            continue;
        forget_streams(b, &streams[i], 1);
        if (rc != BUS_INVALID)
            return rc;
        fail_items_of(b, streams[i], err);
    }
    return BUS_OK;
}

/* Every open item gets its state; streams not in memory are read together. */
bus_code
batch_load(batch *b, bus_error *err)
{
    bus_writer  *w = b->w;
    bus_id      *missing = BUS_ARENA_ARRAY(b->arena, bus_id, (size_t)b->count);
    bus_subjects subjects = {0};
    int          count = 0, unique = 0;
    bus_code     rc = BUS_OK;

    for (int i = 0; i < b->count; i++) {
        const item *it = &b->items[i];

        if (it->status == ITEM_OPEN && (b->load_new || it->message->on != BUS_ON_NEW) &&
            bus_states_find(w->states, it->cmd->stream) == NULL) {
            missing[count++] = it->cmd->stream;
            if (w->any_personal)
                bus_subjects_add(&subjects, it->cmd->tenant, it->cmd->stream, b->arena);
        }
    }
    if (subjects.count > 0 && w->personal != NULL &&
        (rc = bus_personal_prepare(w->personal, subjects.items, subjects.count, false, err)) !=
            BUS_OK)
        return rc;
    if (count > 0) {
        qsort(missing, (size_t)count, sizeof(*missing), compare_ids);
        for (int i = 0; i < count; i++)
            if (unique == 0 || !bus_id_equal(missing[unique - 1], missing[i]))
                missing[unique++] = missing[i];
        if ((rc = load_streams(b, missing, unique, err)) != BUS_OK)
            return rc;
    }
    for (int i = 0; i < b->count; i++) {
        item *it = &b->items[i];

        if (it->status != ITEM_OPEN)
            continue;
        it->state = bus_states_find(w->states, it->cmd->stream);
        if (it->state == NULL)
            it->state = bus_states_add(w->states, it->cmd->stream,
                                       aggregate_of(w->module, it->message->aggregate));
    }
    return BUS_OK;
}
