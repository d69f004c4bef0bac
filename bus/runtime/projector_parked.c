/* projector_parked.c - streams that a view leaves out from an event on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/runtime/projector_internal.h"

#include <stdlib.h>
#include <string.h>

projector_skip *
projector_skip_of(const bus_projector *p, int nth_table, bus_id stream)
{
    projector_skip probe, *s;

    memset(&probe.key, 0, sizeof(probe.key));
    probe.key.stream = stream;
    probe.key.table = nth_table;
    HASH_FIND(hh, p->skip, &probe.key, sizeof(probe.key), s);
    return s;
}

void
projector_add_skip(bus_projector *p, int nth_table, bus_id stream, int64_t from_offset,
                   bool written)
{
    projector_skip *s;

    if (projector_skip_of(p, nth_table, stream) != NULL)
        return;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort();
    s->key.stream = stream;
    s->key.table = nth_table;
    s->from_offset = from_offset;
    s->written = written;
    HASH_ADD(hh, p->skip, key, sizeof(s->key), s);
    atomic_fetch_add(&p->parked, 1);
}

void
projector_forget_skips(bus_projector *p, bool all)
{
    projector_skip *s, *next;

    HASH_ITER(hh, p->skip, s, next)
    {
        if (s->written && !all)
            continue;
        HASH_DELETE(hh, p->skip, s);
        free(s);
        atomic_fetch_sub(&p->parked, 1);
    }
}

bus_code
projector_load_skips(bus_projector *p, bus_error *err)
{
    projector_forget_skips(p, true);
    for (int t = 0; t < p->tables_count; t++) {
        bus_parked *parked;
        int         count;
        bus_code rc = p->options->store->parked(p->store, p->home, p->tables[t].reader, &p->arena,
                                                &parked, &count, err);

        if (rc != BUS_OK)
            return rc;
        for (int i = 0; i < count; i++)
            projector_add_skip(p, t, parked[i].stream, parked[i].from_offset, true);
    }
    return BUS_OK;
}

/* --- trying again ------------------------------------------------------------------ */

/* The events of one parked stream that its view has not seen. */
typedef struct {
    bus_projector *p;
    int            table, source;
    int64_t        from, to; /* offsets */
    int64_t        skip;     /* 0: none */
    bus_event     *events;
    int64_t       *offsets;
    int            count, room;
    int64_t        stuck; /* an event that cannot be folded, 0: none; it and the rest stay parked */
    bus_error      why;
} trial;

static void
make_room(trial *t)
{
    bus_event *events;
    int64_t   *offsets;

    if (t->count < t->room)
        return;
    t->room = t->room == 0 ? 64 : t->room * 2;
    events = BUS_ARENA_ARRAY(&t->p->arena, bus_event, (size_t)t->room);
    offsets = BUS_ARENA_ARRAY(&t->p->arena, int64_t, (size_t)t->room);
    for (int i = 0; i < t->count; i++) {
        events[i] = t->events[i];
        offsets[i] = t->offsets[i];
    }
    t->events = events;
    t->offsets = offsets;
}

static bus_code
take_event(void *context, const bus_record *record, bus_error *err)
{
    trial              *t = context;
    const bus_contract *contract = t->p->sources[t->source].contract;
    const bus_message  *type = bus_message_newest(bus_contract_event(contract, record->type));
    bus_code            rc;

    if (t->stuck != 0 || record->offset < t->from || record->offset > t->to ||
        record->offset == t->skip || type == NULL ||
        !bus_fold_follows(t->p->tables[t->table].view, type))
        return BUS_OK;
    make_room(t);
    rc = bus_event_of_record(&contract, 1, record, t->p->personal, &t->p->arena,
                             &t->events[t->count], err);
    if (rc == BUS_FAULT) {
        t->stuck = record->offset;
        t->why = *err;
        return BUS_OK;
    }
    if (rc == BUS_OK)
        t->offsets[t->count++] = record->offset;
    return rc;
}

/* Folds what was taken. BUS_FAULT: less of it will do; fold anew. */
static bus_code
fold_trial(trial *t, bus_fold *fold, bus_error *err)
{
    bus_code rc = BUS_OK;
    int      i = 0;

    *fold = (bus_fold){.view = t->p->tables[t->table].view, .arena = &t->p->arena};
    while (rc == BUS_OK && i < t->count)
        if ((rc = bus_fold_touch(fold, &t->events[i], err)) == BUS_OK)
            i++;
    if (rc == BUS_OK && (rc = projector_load_rows(t->p, fold, err)) != BUS_OK)
        return rc;
    for (i = rc == BUS_OK ? 0 : i; rc == BUS_OK && i < t->count;)
        if ((rc = bus_fold_event(fold, &t->events[i], err)) == BUS_OK)
            i++;
    if (rc == BUS_FAULT) {
        t->stuck = t->offsets[i];
        t->why = *err;
        t->count = i;
    }
    return rc;
}

/* Rows, the end of the parking or where it stands now, and what was skipped: one transaction. */
static bus_code
write_trial(trial *t, const bus_fold *fold, const bus_parked *row, bus_error *err)
{
    projector_table *tb = &t->p->tables[t->table];
    bus_park_write   park = {.stream = row->stream,
                             .partition = row->partition,
                             .from_offset = t->stuck,
                             .reason = t->why.text,
                             .remove = t->stuck == 0,
                             .skip_offset = t->skip};
    bus_effect       effect = {.home = t->p->home,
                               .reader = tb->reader,
                               .domain = t->p->sources[t->source].contract->module,
                               .checkpoints = &tb->at[t->source][row->partition],
                               .checkpoints_count = 1,
                               .parks = &park,
                               .parks_count = 1};

    projector_gather_rows(fold, &effect);
    return t->p->options->store->effect(t->p->store, &effect, err);
}

static bus_code
try_stream(bus_projector *p, int table, const bus_parked *row, bus_error *err)
{
    trial    t = {.p = p, .table = table, .source = 0, .from = row->from_offset};
    bus_fold fold = {0};
    bus_code rc;

    while (t.source < p->sources_count &&
           !bus_str_is(row->domain, p->sources[t.source].contract->module))
        t.source++;
    if (t.source == p->sources_count || row->partition >= p->partitions)
        return BUS_OK; /* of a log that the view does not follow any more */
    t.to = p->tables[table].at[t.source][row->partition].offset;
    t.skip = row->asked == BUS_ASK_SKIP ? row->from_offset : 0;
    rc = p->options->store->load(p->sources[t.source].store, p->sources[t.source].contract->module,
                                 &row->stream, 1, take_event, &t, err);
    while (rc == BUS_OK && (rc = fold_trial(&t, &fold, err)) == BUS_FAULT) {
        bus_fold_fini(&fold);
        rc = BUS_OK;
    }
    if (rc == BUS_OK)
        rc = write_trial(&t, &fold, row, err);
    bus_fold_fini(&fold);
    if (rc == BUS_OK)
        bus_log_info(t.stuck == 0 ? "projector.unparked" : "projector.parked_again",
                     BUS_KV("view", p->tables[table].view->of->name),
                     BUS_KV_ID("stream", row->stream), BUS_KV_INT("skipped", t.skip));
    return rc;
}

/* An analytic takes no event out of its order: what is in its windows would depend on when. The
 * stream stays parked, and the request is answered in its reason. */
static bus_code
refuse_trial(bus_projector *p, int table, const bus_parked *row, bus_error *err)
{
    bus_park_write park = {.stream = row->stream,
                           .partition = row->partition,
                           .from_offset = row->from_offset,
                           .reason =
                               "an analytic takes no event out of its order: raise its version"};
    int            s = 0;

    while (s < p->sources_count && !bus_str_is(row->domain, p->sources[s].contract->module))
        s++;
    if (s == p->sources_count || row->partition >= p->partitions)
        return BUS_OK; /* of a log that it does not follow any more */
    return p->options->store->effect(
        p->store,
        &(bus_effect){.home = p->home,
                      .reader = p->tables[table].reader,
                      .domain = p->sources[s].contract->module,
                      .checkpoints = &p->tables[table].at[s][row->partition],
                      .checkpoints_count = 1,
                      .parks = &park,
                      .parks_count = 1},
        err);
}

static bus_code
try_table(bus_projector *p, int table, bool *changed, bus_error *err)
{
    bus_parked *rows;
    int         count = 0;
    bus_code rc = p->options->store->parked(p->store, p->home, p->tables[table].reader, &p->arena,
                                            &rows, &count, err);

    for (int i = 0; rc == BUS_OK && i < count; i++)
        if (rows[i].asked != BUS_ASK_NONE) {
            rc = p->tables[table].stream != NULL ? refuse_trial(p, table, &rows[i], err)
                                                 : try_stream(p, table, &rows[i], err);
            *changed = true;
        }
    return rc;
}

void
projector_try_parked(bus_projector *p)
{
    bus_error err = {0};
    bus_code  rc = BUS_OK;
    bool      changed = false;

    if (p->held_count == 0 || atomic_load(&p->parked) == 0)
        return;
    for (int t = 0; rc == BUS_OK && t < p->tables_count; t++)
        if (p->tables[t].held)
            rc = try_table(p, t, &changed, &err);
    if (rc == BUS_OK && changed)
        rc = projector_load_skips(p, &err);
    if (rc == BUS_OK)
        return;
    projector_store_trouble(p, "trying what is parked", &err);
    projector_forget_tables(p);
}
