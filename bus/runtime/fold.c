/* fold.c - events into rows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/fold.h"
#include "bus/contract/row.h"
#include "bus/module/decision.h"
#include "bus/runtime/sends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
bus_is_outage(bus_code code)
{
    return code == BUS_UNAVAILABLE || code == BUS_DENIED;
}

bus_code
bus_prepare_records(bus_personal *personal, const bus_message *const *types,
                    const bus_record *records, int count, bus_arena *arena, bus_error *err)
{
    bus_subjects subjects = {0};

    for (int i = 0; i < count; i++)
        if (types[i] != NULL && types[i]->shape->personal)
            bus_subjects_add(&subjects, records[i].tenant, records[i].stream, arena);
    if (subjects.count == 0 || personal == NULL)
        return BUS_OK;
    return bus_personal_prepare(personal, subjects.items, subjects.count, false, err);
}

bool
bus_contract_is_personal(const bus_contract *contract)
{
    for (int a = 0; a < contract->aggregates_count; a++)
        for (int i = 0; i < contract->aggregates[a]->events_count; i++)
            if (contract->aggregates[a]->events[i]->shape->personal)
                return true;
    return false;
}

typedef struct {
    const bus_contract *contract;
    bus_subjects        subjects;
    bus_arena           arena;
} collecting;

static bus_code
collect_subject(void *context, const bus_record *record, bus_error *err)
{
    collecting        *c = context;
    const bus_message *type = bus_contract_event(c->contract, record->type);

    (void)err;
    if (type != NULL && type->shape->personal)
        bus_subjects_add(&c->subjects, record->tenant, record->stream, &c->arena);
    return BUS_OK;
}

/* The page is read twice, which is far less than a question for each key. */
bus_code
bus_read_records(const bus_store_ops *ops, bus_store *st, const bus_contract *contract,
                 uint16_t partition, int64_t after, int limit, bus_personal *personal,
                 bus_record_visit visit, void *context, bus_error *err)
{
    collecting c = {.contract = contract};
    bus_code   rc = BUS_OK;

    if (personal != NULL && bus_contract_is_personal(contract)) {
        rc = ops->read(st, contract->module, partition, after, limit, collect_subject, &c, err);
        if (rc == BUS_OK)
            rc = bus_personal_prepare(personal, c.subjects.items, c.subjects.count, false, err);
        bus_arena_fini(&c.arena);
    }
    if (rc != BUS_OK)
        return rc;
    return ops->read(st, contract->module, partition, after, limit, visit, context, err);
}

bus_code
bus_event_of_record(const bus_contract *const *contracts, int count, const bus_record *record,
                    bus_personal *personal, bus_arena *arena, bus_event *out, bus_error *err)
{
    const bus_message *type = bus_find_event(contracts, count, record->type);
    bus_id             actor;
    void              *data;
    bus_code           rc;

    if (type == NULL)
        return bus_fail(err, BUS_NOT_FOUND, "unknown event %.*s", BUS_STR_ARG(record->type));
    if ((rc = bus_personal_event(personal, record->tenant, record->stream, &type, record->data,
                                 arena, &data, err)) != BUS_OK)
        return rc;
    if (bus_actor_id(record->actor, &actor, err) != BUS_OK)
        return bus_fail(err, BUS_FAULT, "%s: its actor cannot be read", type->type);
    *out = (bus_event){.type = type,
                       .data = data,
                       .tagged = bus_tagged(arena, type, data),
                       .stream = record->stream,
                       .tenant = record->tenant,
                       .command_id = record->command_id,
                       .version = record->version,
                       .nth = record->nth,
                       .at_ms = record->at_ms,
                       .device_at_ms = record->device_at_ms,
                       .actor_id = actor};
    return BUS_OK;
}

void
bus_fold_fini(bus_fold *fold)
{
    HASH_CLEAR(hh, fold->rows);
}

bool
bus_fold_follows(const bus_view *view, const bus_message *type)
{
    for (int i = 0; i < view->of->follows_count; i++)
        if (view->of->follows[i] == type)
            return true;
    return false;
}

/* --- which rows ------------------------------------------------------------ */

typedef struct {
    const bus_view  *view;
    const bus_event *event;
    void            *row;
    bus_projection   out;
} projecting;

static void
keys_guarded(void *context)
{
    projecting *p = context;

    p->view->keys(p->event, &p->out);
}

static void
project_guarded(void *context)
{
    projecting *p = context;

    p->view->project(p->row, p->event, &p->out);
}

static bus_code
keys_of(bus_fold *fold, const bus_event *event, projecting *p, bus_error *err)
{
    *p = (projecting){.view = fold->view, .event = event, .out = {.arena = fold->arena}};
    if (fold->view->keys != NULL)
        return bus_guarded(keys_guarded, p, err);
    bus_row_key(&p->out, event->stream);
    return BUS_OK;
}

uint64_t
bus_row_hash(bus_id id)
{
    return bus_fnv1a64(id.bytes, sizeof(id.bytes)) >> 32;
}

bool
bus_fold_takes(const bus_fold *fold, bus_id id)
{
    uint64_t hash = fold->hash_to == 0 ? 0 : bus_row_hash(id);

    return fold->hash_to == 0 || (hash >= fold->hash_from && hash < fold->hash_to);
}

static bus_row *
find_row(bus_fold *fold, bus_id tenant, bus_id id)
{
    bus_row probe, *row;

    memset(&probe.key, 0, sizeof(probe.key));
    probe.key.tenant = tenant;
    probe.key.id = id;
    HASH_FIND(hh, fold->rows, &probe.key, sizeof(probe.key), row);
    return row;
}

bus_code
bus_fold_touch(bus_fold *fold, const bus_event *event, bus_error *err)
{
    projecting p;
    bus_code   rc = keys_of(fold, event, &p, err);

    for (int i = 0; rc == BUS_OK && i < p.out.keys_count; i++) {
        bus_row *row = find_row(fold, event->tenant, p.out.keys[i]);

        if (row != NULL || !bus_fold_takes(fold, p.out.keys[i]))
            continue;
        row = BUS_ARENA_NEW(fold->arena, bus_row);
        row->key.tenant = event->tenant;
        row->key.id = p.out.keys[i];
        row->row = bus_arena_alloc(fold->arena, fold->view->of->row->size);
        row->loaded = fold->fresh || (fold->view->keys == NULL && event->version == 1);
        HASH_ADD(hh, fold->rows, key, sizeof(row->key), row);
    }
    return rc;
}

/* --- bodies ------------------------------------------------------------------- */

bus_str
bus_row_body(const bus_fold *fold, const bus_row *row)
{
    return bus_row_encode(fold->view->of->row, row->row, row->key.id, row->version, fold->arena);
}

bus_code
bus_fold_load(bus_fold *fold, bus_row *row, bus_str body, int32_t version, bus_error *err)
{
    bus_code rc;

    row->loaded = true;
    if (body.at == NULL)
        return BUS_OK;
    if ((rc = bus_row_decode(fold->view->of->row, fold->view->of->name, body, fold->arena, row->row,
                             err)) != BUS_OK)
        return rc;
    row->there = true;
    row->version = version;
    return BUS_OK;
}

typedef struct {
    bus_id row, forgotten;
} clearing;

static bus_code
clear_member(void *context, const bus_field *field, const bus_id *subject, bus_str *text,
             bus_error *err)
{
    const clearing *c = context;

    (void)field;
    (void)err;
    if (bus_id_equal(subject != NULL ? *subject : c->row, c->forgotten))
        *text = BUS_STR("");
    return BUS_OK;
}

/* Whatever project() did, and whether the key is gone already or not: nothing personal of who is
 * forgotten stays in the row. */
static void
clear_personal(const bus_shape *shape, const bus_row *row, const bus_event *event)
{
    clearing  c = {.row = row->key.id, .forgotten = event->stream};
    bus_error never;

    if (event->type->forgets && row->there)
        BUS_INVARIANT(bus_personal_each(shape, row->row, clear_member, &c, &never) == BUS_OK);
}

bus_code
bus_fold_event(bus_fold *fold, const bus_event *event, bus_error *err)
{
    const bus_shape *shape = fold->view->of->row;
    projecting       keys;
    bus_code         rc = keys_of(fold, event, &keys, err);

    for (int i = 0; rc == BUS_OK && i < keys.out.keys_count; i++) {
        bus_row   *row = find_row(fold, event->tenant, keys.out.keys[i]);
        projecting p = {.view = fold->view, .event = event};

        if (row == NULL && !bus_fold_takes(fold, keys.out.keys[i]))
            continue;
        BUS_INVARIANT(row != NULL && row->loaded);
        p.row = row->row;
        p.out.arena = fold->arena;
        p.out.row = row->key.id;
        rc = bus_guarded(project_guarded, &p, err);
        if (rc != BUS_OK)
            break;
        row->changed = true;
        row->there = !p.out.removed;
        row->version = fold->view->keys == NULL ? event->version : row->version + 1;
        if (p.out.removed)
            memset(row->row, 0, shape->size);
        clear_personal(shape, row, event);
    }
    return rc;
}

static bus_code
move_row(bus_fold *to, const bus_row *row, bus_buf *text, bus_error *err)
{
    const bus_shape *shape = to->view->of->row;
    bus_row         *moved = BUS_ARENA_NEW(to->arena, bus_row);
    bus_problems     problems;

    *moved = (bus_row){.key = row->key,
                       .row = bus_arena_alloc(to->arena, shape->size),
                       .version = row->version,
                       .there = row->there,
                       .loaded = true,
                       .changed = row->changed};
    HASH_ADD(hh, to->rows, key, sizeof(moved->key), moved);
    if (!row->there)
        return BUS_OK;
    bus_buf_reset(text);
    bus_encode(shape, row->row, text);
    problems.count = 0;
    if (bus_decode_as(BUS_PERSONAL_OPENED, shape, (bus_str){text->at, (uint32_t)text->len},
                      to->arena, moved->row, &problems) != BUS_OK)
        return bus_fail(err, BUS_INVALID, "a row of %s: %s: %s", to->view->of->name,
                        problems.items[0].pointer, problems.items[0].message);
    return BUS_OK;
}

bus_code
bus_fold_tighten(bus_fold *fold, bus_arena *into, bus_error *err)
{
    bus_fold now = *fold;
    bus_buf  text = {0};
    bus_code rc = BUS_OK;

    now.arena = into;
    now.rows = NULL;
    for (const bus_row *row = fold->rows; rc == BUS_OK && row != NULL; row = row->hh.next)
        if (bus_fold_takes(fold, row->key.id))
            rc = move_row(&now, row, &text, err);
    bus_buf_fini(&text);
    HASH_CLEAR(hh, fold->rows);
    *fold = now;
    return rc;
}

static int
compare_writes(const void *a, const void *b)
{
    const bus_row_write *x = a, *y = b;
    int                  order = bus_id_compare(x->tenant, y->tenant);

    return order != 0 ? order : bus_id_compare(x->id, y->id);
}

void
bus_row_writes_sort(bus_row_write *writes, int count)
{
    qsort(writes, (size_t)count, sizeof(*writes), compare_writes);
}

bus_row_write
bus_row_write_of(const bus_fold *fold, const bus_row *row)
{
    const bus_view_contract *view = fold->view->of;
    bus_row_write            write = {.view = view,
                                      .view_version = fold->view->view_version,
                                      .tenant = row->key.tenant,
                                      .id = row->key.id,
                                      .remove = !row->there,
                                      .version = row->version};

    if (!row->there)
        return write;
    write.columns = bus_row_columns(view, row->row, fold->arena);
    write.body = bus_row_body(fold, row);
    return write;
}
