/* replay.c - the log once more through an analytic, and what differs.
 *
 * open: the stores, the scratch tables. read_all: the log up to where today's tables are, page by
 * page; what rules say is computed anew. compare: both tables, row by row, from either side.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/replay.h"
#include "bus/contract/row.h"
#include "bus/log/log.h"
#include "bus/module/decision.h"
#include "bus/runtime/fold.h"
#include "bus/runtime/owners.h"
#include "bus/runtime/stream_table.h"
#include "bus/store/view_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 500          /* records of one turn */
#define COMPARE_ROWS 250  /* looked up at once */
#define REPORT_US 1000000 /* the tables are ours for BUS_LEASE_MS after each */
#define ROUNDS_MAX 5      /* today's tables go on meanwhile: so often are they caught up with */

typedef struct {
    const bus_contract *contract;
    bus_store          *store;
    int64_t             up_to[BUS_PARTITIONS_MAX]; /* as far as today's tables are */
} source;

typedef struct {
    bus_id  tenant, id;
    bus_str body;
} compared;

typedef struct {
    const bus_runtime_options *options;
    const bus_store_ops       *ops;
    const bus_replay          *what;
    bus_replay_counts         *counts;
    int                        version;         /* of the view */
    bus_store                 *tables, *others; /* others: for looks while tables are scanned */
    bus_personal              *personal;
    source                     sources[BUS_STREAM_SOURCES_MAX];
    int                        sources_count, partitions;
    bus_stream                *today, *again;
    bool                       begun[BUS_STREAM_TABLES]; /* the scratch table is there */
    int64_t                    reported_us;
    bus_arena                  arena; /* of a page */

    /* Streams that wait, and events that were left out, today. */
    bus_arena    lasting;
    bus_parked  *parked;
    bus_skipped *skipped;
    int          parked_count, skipped_count;

    bus_record records[PAGE];
    bus_event  events[PAGE];
    bool       known[PAGE]; /* events[i] is one that the analytic follows */
    int        count;

    int64_t   change; /* of today's tables, when they were last caught up with */
    bool      from_today;
    compared  page[COMPARE_ROWS];
    int       page_count;
    bus_arena bodies;
} replay;

/* --- opening and leaving -------------------------------------------------------------------- */

static bus_code
report(replay *r, bool always, bus_error *err)
{
    const int64_t now_us = bus_mono_us(r->options->clock);
    bus_code      rc = BUS_OK;

    if (!always && now_us - r->reported_us < REPORT_US)
        return BUS_OK;
    r->reported_us = now_us;
    if (r->what->progress != NULL)
        r->what->progress(r->what->context, r->counts);
    if (r->what->go_on != NULL && !r->what->go_on(r->what->context))
        return bus_fail(err, BUS_CLOSED, "stopped");
    for (int i = 0; rc == BUS_OK && i < BUS_STREAM_TABLES; i++)
        if (r->begun[i])
            rc = r->ops->build_report(r->tables, bus_stream_table_of(r->again, (bus_stream_table)i),
                                      r->version, r->what->builder, r->counts->events,
                                      r->counts->total, err);
    return rc;
}

static const char *
home_of(const replay *r)
{
    return r->what->analytic->of->contract->module;
}

static bus_code
open_sources(replay *r, bus_error *err)
{
    bus_code rc = BUS_OK;

    r->sources_count = bus_stream_sources(r->again);
    for (int i = 0; rc == BUS_OK && i < r->sources_count; i++) {
        const char *domain = bus_stream_domain(r->again, i);

        for (int k = 0; k < r->options->contracts_count; k++)
            if (strcmp(r->options->contracts[k]->module, domain) == 0)
                r->sources[i].contract = r->options->contracts[k];
        if (r->sources[i].contract == NULL)
            return bus_fail(err, BUS_INVALID, "the domain %s is not in this program", domain);
        rc = bus_runtime_store(r->options, home_of(r), domain, "shina replay", &r->sources[i].store,
                               err);
    }
    return rc;
}

static bus_code
make_tables(replay *r, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < BUS_STREAM_TABLES; i++) {
        const bus_view_contract *of = bus_stream_table_of(r->again, (bus_stream_table)i);

        if (of == NULL)
            continue;
        if ((rc = r->ops->build_begin(r->tables, of, r->version, r->what->builder, err)) != BUS_OK)
            return rc;
        r->begun[i] = true;
        rc = r->ops->build_index(r->tables, of, r->version, r->what->builder, err);
    }
    return rc;
}

/* Whatever happened: what cannot be dropped now is dropped by the next replay. */
static void
leave(replay *r)
{
    bus_error err;

    for (int i = 0; i < BUS_STREAM_TABLES; i++)
        if (r->begun[i] &&
            r->ops->build_abandon(r->tables, bus_stream_table_of(r->again, (bus_stream_table)i),
                                  r->version, r->what->builder, &err) != BUS_OK)
            bus_log_warn("replay.abandon_failed", BUS_KV("view", r->what->analytic->of->name),
                         BUS_KV_ERR(&err));
    for (int i = 0; i < r->sources_count; i++)
        if (r->sources[i].store != NULL)
            r->ops->close(r->sources[i].store);
    if (r->tables != NULL)
        r->ops->close(r->tables);
    if (r->others != NULL)
        r->ops->close(r->others);
    bus_personal_destroy(r->personal);
    bus_stream_destroy(r->today);
    bus_stream_destroy(r->again);
    bus_arena_fini(&r->arena);
    bus_arena_fini(&r->lasting);
    bus_arena_fini(&r->bodies);
    free(r);
}

static bus_code
open(replay *r, bus_error *err)
{
    bus_code rc;

    r->today = bus_stream_create(r->what->analytic, r->partitions);
    r->again = bus_stream_create(r->what->analytic, r->partitions);
    r->personal = bus_runtime_personal(r->options, home_of(r), "shina replay");
    if ((rc = bus_runtime_views_store(r->options, home_of(r), "shina replay", &r->tables, err)) !=
            BUS_OK ||
        (rc = bus_runtime_views_store(r->options, home_of(r), "shina replay", &r->others, err)) !=
            BUS_OK ||
        (rc = open_sources(r, err)) != BUS_OK)
        return rc;
    return make_tables(r, err);
}

/* --- where today's tables are ----------------------------------------------------------------- */

static bus_code
look_at_parked(replay *r, bus_error *err)
{
    const bus_view_contract *of = r->what->analytic->of;
    char                     table[BUS_VIEW_TABLE_BYTES], reader[16 + BUS_VIEW_TABLE_BYTES];
    bus_code                 rc;

    bus_view_table_name(of, r->version, table);
    (void)snprintf(reader, sizeof(reader), "view.%s", table);
    bus_arena_reset(&r->lasting);
    rc = r->ops->parked(r->tables, of->contract->module, reader, &r->lasting, &r->parked,
                        &r->parked_count, err);
    if (rc == BUS_OK)
        rc = r->ops->skipped(r->tables, of->contract->module, reader, &r->lasting, &r->skipped,
                             &r->skipped_count, err);
    return rc;
}

static bus_code
look_at_today(replay *r, bus_error *err)
{
    bus_stream_batch batch;
    bus_code         rc;

    bus_arena_reset(&r->arena);
    bus_stream_begin(&batch, r->today, &r->arena);
    bus_stream_name_clocks(&batch);
    rc = bus_stream_load_named(&batch, BUS_STREAM_CLOCKS, r->version, r->tables, r->ops->view_rows,
                               err);
    if (rc == BUS_OK)
        rc = bus_stream_restore(&batch, err);
    bus_stream_fini(&batch);
    if (rc != BUS_OK)
        return rc;
    if ((rc = look_at_parked(r, err)) != BUS_OK)
        return rc;
    r->change = bus_stream_change(r->today);
    r->counts->total = 0;
    for (int s = 0; s < r->sources_count; s++)
        for (int p = 0; p < r->partitions; p++) {
            r->sources[s].up_to[p] = bus_stream_offset(r->today, s, p);
            r->counts->total += r->sources[s].up_to[p];
        }
    return BUS_OK;
}

/* --- what rules make of an event ----------------------------------------------------------------
 */

typedef struct {
    const replay        *r;
    const bus_contract  *contract;
    const bus_aggregate *aggregate;
    const bus_what_if   *what_if;
    const void          *rules;
    void                *state;
    const bus_event     *event;
    bus_decision        *decision;
    bus_arena            arena; /* of one event of the past */
} computing;

static void
apply(void *context)
{
    const computing *c = context;

    c->aggregate->apply(c->state, c->event->tagged);
}

static void
compute(void *context)
{
    const computing *c = context;

    c->what_if->compute(c->rules, c->state, c->event, c->decision);
}

static bus_code
apply_record(void *context, const bus_record *record, bus_error *err)
{
    computing       *c = context;
    const bus_event *event = c->event;
    bus_event        past;
    bus_code         rc;

    if (record->version >= event->version)
        return BUS_OK;
    bus_arena_reset(&c->arena);
    rc = bus_event_of_record(&c->contract, 1, record, c->r->personal, &c->arena, &past, err);
    if (rc != BUS_OK)
        return rc == BUS_NOT_FOUND ? BUS_OK : rc;
    c->event = &past;
    rc = bus_guarded(apply, c, err);
    c->event = event;
    return rc;
}

static const bus_what_if *
what_if_on(const replay *r, const bus_message *type, const void **rules,
           const bus_aggregate **aggregate)
{
    for (int m = 0; r->what->rules_of != NULL && m < r->options->modules_count; m++) {
        const bus_module *module = r->options->modules[m];

        if (module->contract != type->aggregate->contract ||
            (*rules = r->what->rules_of(r->what->context, module)) == NULL)
            continue;
        for (int a = 0; a < module->aggregates_count; a++)
            if (module->aggregates[a].of == type->aggregate)
                *aggregate = &module->aggregates[a];
        for (int i = 0; i < module->what_ifs_count; i++)
            if (module->what_ifs[i].on == type)
                return &module->what_ifs[i];
    }
    return NULL;
}

/* The event as it would have been, in the place of what it was. */
static bus_code
compute_anew(replay *r, const source *from, bus_event *event, bus_error *err)
{
    computing    c = {.r = r, .contract = from->contract, .event = event};
    bus_decision decision;
    bus_code     rc;

    c.what_if = what_if_on(r, event->type, &c.rules, &c.aggregate);
    if (c.what_if == NULL)
        return BUS_OK;
    BUS_INVARIANT(c.aggregate != NULL);
    bus_decision_begin(&decision, &r->arena);
    c.decision = &decision;
    c.state = calloc(1, c.aggregate->state_size);
    if (c.state == NULL)
        abort();
    rc =
        r->ops->load(from->store, from->contract->module, &event->stream, 1, apply_record, &c, err);
    if (rc == BUS_OK)
        rc = bus_guarded(compute, &c, err);
    if (rc == BUS_OK && (decision.events_count != 1 || decision.events[0].type != event->type))
        rc = bus_fail(err, BUS_FAULT, "the rules of %s made no %s", from->contract->module,
                      event->type->type);
    if (rc == BUS_OK) {
        event->data = decision.events[0].data;
        event->tagged = bus_tagged(&r->arena, event->type, event->data);
        r->counts->computed++;
    }
    bus_arena_fini(&c.arena);
    free(c.state);
    return rc;
}

/* --- a page of the log ---------------------------------------------------------------------------
 */

static bus_code
at_event(const source *from, const bus_record *record, bus_code rc, bus_error *err)
{
    bus_error why = *err;

    return bus_fail(err, rc, "%s:%d:%lld: %.180s", from->contract->module, record->partition,
                    (long long)record->offset, why.text);
}

typedef struct {
    replay       *r;
    const source *from;
} page_of;

/* Today's tables do not have it either. */
static bool
is_left_out(const replay *r, const source *from, const bus_record *record)
{
    for (int i = 0; i < r->parked_count; i++)
        if (bus_id_equal(r->parked[i].stream, record->stream) &&
            bus_str_is(r->parked[i].domain, from->contract->module) &&
            record->offset >= r->parked[i].from_offset)
            return true;
    for (int i = 0; i < r->skipped_count; i++)
        if (r->skipped[i].partition == record->partition &&
            r->skipped[i].offset == record->offset &&
            bus_str_is(r->skipped[i].domain, from->contract->module))
            return true;
    return false;
}

static bus_code
take_record(void *context, const bus_record *record, bus_error *err)
{
    const page_of     *page = context;
    replay            *r = page->r;
    const bus_message *type =
        bus_message_newest(bus_contract_event(page->from->contract, record->type));
    bus_code rc = BUS_OK;

    r->records[r->count] = *record; /* its numbers; its strings do not last */
    r->known[r->count] = type != NULL && bus_fold_follows(r->what->analytic, type) &&
                         !is_left_out(r, page->from, record);
    if (r->known[r->count])
        rc = bus_event_of_record(&page->from->contract, 1, record, r->personal, &r->arena,
                                 &r->events[r->count], err);
    if (rc != BUS_OK)
        return at_event(page->from, record, rc, err);
    r->count++;
    return BUS_OK;
}

static bus_code
write_batch(replay *r, const bus_stream_batch *batch, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < BUS_STREAM_TABLES; i++) {
        const size_t   room = HASH_COUNT(batch->rows[i]);
        bus_row_write *rows = BUS_ARENA_ARRAY(&r->arena, bus_row_write, room + 1);
        int            count = bus_stream_writes(batch, (bus_stream_table)i, r->version, rows);

        rc = r->ops->build_write(r->tables, r->what->builder, rows, count, err);
    }
    return rc;
}

static bus_code
fold_page(replay *r, int s, bus_stream_batch *batch, bus_error *err)
{
    const source    *from = &r->sources[s];
    bus_stream_place place;
    bus_code         rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < r->count; i++)
        if (r->known[i] && ((rc = compute_anew(r, from, &r->events[i], err)) != BUS_OK ||
                            (rc = bus_stream_remember(batch, &r->events[i], err)) != BUS_OK))
            return at_event(from, &r->records[i], rc, err);
    if ((rc = report(r, false, err)) != BUS_OK)
        return rc;
    rc = bus_stream_load_named(batch, BUS_STREAM_MEMORY, r->version, r->tables, r->ops->build_rows,
                               err);
    for (int i = 0; rc == BUS_OK && i < r->count; i++) {
        place = (bus_stream_place){.source = s,
                                   .partition = r->records[i].partition,
                                   .offset = r->records[i].offset,
                                   .at_ms = r->records[i].at_ms};
        rc = bus_stream_take(batch, &place, r->known[i] ? &r->events[i] : NULL, err);
        if (rc != BUS_OK)
            return at_event(from, &r->records[i], rc, err);
    }
    if (rc != BUS_OK)
        return rc;
    bus_stream_name(batch);
    rc = bus_stream_load_named(batch, BUS_STREAM_WINDOWS, r->version, r->tables, r->ops->build_rows,
                               err);
    if (rc != BUS_OK)
        return rc;
    if ((rc = bus_stream_step(batch, &place, err)) != BUS_OK) {
        const bus_record culprit = {.partition = (uint16_t)place.partition, .offset = place.offset};

        return at_event(from, &culprit, rc, err);
    }
    bus_stream_finish(batch);
    return write_batch(r, batch, err);
}

static bus_code
read_page(replay *r, int s, int partition, bus_error *err)
{
    source          *from = &r->sources[s];
    page_of          page = {r, from};
    const int64_t    at = bus_stream_offset(r->again, s, partition);
    const int64_t    left = from->up_to[partition] - at;
    bus_stream_batch batch;
    bus_code         rc;

    bus_arena_reset(&r->arena);
    r->count = 0;
    rc = bus_read_records(r->ops, from->store, from->contract, (uint16_t)partition, at,
                          left < PAGE ? (int)left : PAGE, r->personal, take_record, &page, err);
    if (rc == BUS_OK && r->count == 0)
        rc = bus_fail(err, BUS_INVALID, "%s:%d has no event behind offset %lld",
                      from->contract->module, partition, (long long)at);
    if (rc != BUS_OK)
        return rc;
    bus_stream_begin(&batch, r->again, &r->arena);
    rc = fold_page(r, s, &batch, err);
    if (rc == BUS_OK)
        bus_stream_commit(&batch);
    bus_stream_fini(&batch);
    r->counts->events += rc == BUS_OK ? r->count : 0;
    return rc == BUS_OK ? report(r, false, err) : rc;
}

/* Today's tables go on meanwhile, so the end is chased, with ever less to read. */
static bus_code
read_all(replay *r, bus_error *err)
{
    bool     more = true;
    bus_code rc = BUS_OK;

    for (int round = 0; rc == BUS_OK && more && round < ROUNDS_MAX; round++) {
        more = false;
        if ((rc = look_at_today(r, err)) != BUS_OK)
            return rc;
        for (int s = 0; s < r->sources_count; s++)
            for (int p = 0; p < r->partitions; p++)
                while (rc == BUS_OK && bus_stream_offset(r->again, s, p) < r->sources[s].up_to[p]) {
                    rc = read_page(r, s, p, err);
                    more = true;
                }
    }
    return rc;
}

/* --- what differs ------------------------------------------------------------------------------
 */

static int64_t
member(const void *row, const bus_field *field)
{
    return *(const int64_t *)(const void *)((const char *)row + field->offset);
}

/* The row without what is not compared, in its one form; its beginning and place in the feed. */
static bus_code
plain(replay *r, bus_id id, bus_str body, bus_str *out, int64_t *from_ms, int64_t *change,
      bus_error *err)
{
    const bus_view_contract *of = r->what->analytic->of;
    const bus_windows       *w = of->windows;
    char                    *row = bus_arena_alloc(&r->arena, of->row->size);
    bus_code                 rc = bus_row_decode(of->row, of->name, body, &r->arena, row, err);

    if (rc != BUS_OK)
        return rc;
    *from_ms = member(row, w->from_at);
    *change = member(row, w->change);
    *(int64_t *)(void *)(row + w->change->offset) = 0;
    *(bool *)(row + w->closed->offset) = false;
    *out = bus_row_encode(of->row, row, id, 0, &r->arena);
    return BUS_OK;
}

static void
note_difference(replay *r, bus_id tenant, bus_str today, bus_str replayed)
{
    r->counts->differ++;
    if (r->what->differs != NULL)
        r->what->differs(r->what->context, tenant, today, replayed);
}

/* A row of one table and that of the other; other.at == NULL: there is none. From the side of
 * today's all are compared, from the other only those that today's does not have. */
static bus_code
compare_row(replay *r, const compared *row, bus_str other, bus_error *err)
{
    bus_str  mine, theirs = {0};
    int64_t  from_ms, change, other_change = 0, ignored;
    bus_code rc = plain(r, row->id, row->body, &mine, &from_ms, &change, err);

    if (rc == BUS_OK && other.at != NULL)
        rc = plain(r, row->id, other, &theirs, &ignored, &other_change, err);
    if (rc != BUS_OK)
        return rc;
    if (from_ms < r->what->from_ms || from_ms >= r->what->to_ms)
        return BUS_OK;
    if ((r->from_today ? change : other_change) > r->change) {
        r->counts->moved += r->from_today;
        return BUS_OK;
    }
    if (!r->from_today && other.at != NULL)
        return BUS_OK;
    r->counts->windows++;
    if (r->from_today && (other.at == NULL || !bus_str_equal(mine, theirs)))
        note_difference(r, row->tenant, mine, theirs);
    else if (!r->from_today)
        note_difference(r, row->tenant, theirs, mine);
    return BUS_OK;
}

static bus_code
compare_page(replay *r, bus_error *err)
{
    bus_id   tenants[COMPARE_ROWS], ids[COMPARE_ROWS];
    bus_str  found[COMPARE_ROWS];
    int32_t  versions[COMPARE_ROWS];
    bus_code rc;

    bus_arena_reset(&r->arena);
    for (int i = 0; i < r->page_count; i++) {
        tenants[i] = r->page[i].tenant;
        ids[i] = r->page[i].id;
    }
    rc = (r->from_today ? r->ops->build_rows
                        : r->ops->view_rows)(r->others, r->what->analytic->of, r->version, tenants,
                                             ids, r->page_count, &r->arena, found, versions, err);
    for (int i = 0; rc == BUS_OK && i < r->page_count; i++)
        rc = compare_row(r, &r->page[i], found[i], err);
    r->page_count = 0;
    bus_arena_reset(&r->bodies);
    return rc == BUS_OK ? report(r, false, err) : rc;
}

static bus_code
take_row(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    replay *r = context;

    (void)version;
    if (!bus_id_is_nil(r->what->tenant) && !bus_id_equal(tenant, r->what->tenant))
        return report(r, false, err);
    r->page[r->page_count++] =
        (compared){tenant, id, bus_arena_copy(&r->bodies, body.at, body.len)};
    return r->page_count == COMPARE_ROWS ? compare_page(r, err) : BUS_OK;
}

static bus_code
compare(replay *r, bool from_today, bus_error *err)
{
    bus_code rc;

    r->from_today = from_today;
    rc = (from_today ? r->ops->view_scan : r->ops->build_scan)(r->tables, r->what->analytic->of,
                                                               r->version, take_row, r, err);
    return rc == BUS_OK && r->page_count > 0 ? compare_page(r, err) : rc;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

bus_code
bus_replay_run(const bus_runtime_options *options, const bus_replay *what,
               bus_replay_counts *counts, bus_error *err)
{
    replay  *r = calloc(1, sizeof(*r));
    bus_code rc;

    if (r == NULL)
        abort();
    BUS_INVARIANT(what->analytic->of->windows != NULL);
    *counts = (bus_replay_counts){0};
    r->options = options;
    r->ops = options->store;
    r->what = what;
    r->counts = counts;
    r->version = what->analytic->view_version;
    r->partitions = options->partitions;
    if ((rc = open(r, err)) == BUS_OK && (rc = read_all(r, err)) == BUS_OK &&
        (rc = report(r, true, err)) == BUS_OK && (rc = compare(r, true, err)) == BUS_OK)
        rc = compare(r, false, err);
    leave(r);
    return rc;
}
