/* projector_stream.c - fills the tables of analytics: feeds the core (projections/stream/stream.h)
 * with what was taken from the logs, and writes all rows that changed, of all its tables, with the
 * checkpoints of the turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"
#include "bus/log/log.h"
#include "bus/runtime/projector_internal.h"
#include "bus/runtime/stream_table.h"

#include <stdlib.h>
#include <string.h>

#define SETTLE_ROWS_MAX 500 /* closed in one transaction */

void
projector_open_stream(bus_projector *p, projector_table *tb)
{
    if (tb->view->of->windows != NULL)
        tb->stream = bus_stream_create(tb->view, p->partitions);
}

void
projector_close_stream(projector_table *tb)
{
    bus_stream_destroy(tb->stream);
}

bus_code
projector_create_stream(bus_projector *p, projector_table *tb, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < BUS_STREAM_TABLES; i++) {
        const bus_view_contract *of = bus_stream_table_of(tb->stream, (bus_stream_table)i);

        if (of != NULL)
            rc = p->options->store->view_create(p->store, of, tb->view->view_version, err);
    }
    return rc;
}

/* --- rows ---------------------------------------------------------------------- */

/* Gives the batch what it has named of a table. */
static bus_code
load_named(bus_projector *p, projector_table *tb, bus_stream_table table, bus_error *err)
{
    return bus_stream_load_named(&tb->batch, table, tb->view->view_version, p->store,
                                 p->options->store->view_rows, err);
}

/* The changed rows of all tables, those of a table side by side and sorted. */
static void
gather_rows(bus_projector *p, const projector_table *tb, bus_effect *effect)
{
    int count = 0;

    for (int i = 0; i < BUS_STREAM_TABLES; i++)
        count += (int)HASH_COUNT(tb->batch.rows[i]);
    effect->rows = BUS_ARENA_ARRAY(&p->arena, bus_row_write, (size_t)count + 1);
    effect->rows_count = 0;
    for (int i = 0; i < BUS_STREAM_TABLES; i++)
        effect->rows_count +=
            bus_stream_writes(&tb->batch, (bus_stream_table)i, tb->view->view_version,
                              effect->rows + effect->rows_count);
}

static void
begin(bus_projector *p, projector_table *tb)
{
    projector_end_stream(tb, false);
    bus_stream_begin(&tb->batch, tb->stream, &p->arena);
    tb->pending = true;
}

void
projector_end_stream(projector_table *tb, bool committed)
{
    if (!tb->pending)
        return;
    if (committed)
        bus_stream_commit(&tb->batch);
    bus_stream_fini(&tb->batch);
    tb->pending = false;
}

/* --- how far it is ------------------------------------------------------------- */

/* What the clocks say and the checkpoints say were written together. */
static bus_code
compare_with_checkpoints(const bus_projector *p, const projector_table *tb, bus_error *err)
{
    for (int s = 0; s < p->sources_count; s++)
        for (int part = 0; tb->follows[s] && part < p->partitions; part++) {
            const char *domain = p->sources[s].contract->module;
            int64_t at = bus_stream_offset(tb->stream, bus_stream_source(tb->stream, domain), part);

            if (at != tb->at[s][part].offset)
                return bus_fail(err, BUS_INVALID,
                                "%s: its clock of %s:%d is at %lld, its checkpoint at %lld; "
                                "raise its version to fill it anew",
                                tb->view->of->name, domain, part, (long long)at,
                                (long long)tb->at[s][part].offset);
        }
    return BUS_OK;
}

bus_code
projector_restore_stream(bus_projector *p, projector_table *tb, bus_error *err)
{
    bus_code rc;

    if (tb->stream == NULL || BUS_PLANTED("stream.restore_forgotten"))
        return BUS_OK;
    begin(p, tb);
    bus_stream_name_clocks(&tb->batch);
    if ((rc = load_named(p, tb, BUS_STREAM_CLOCKS, err)) == BUS_OK &&
        (rc = bus_stream_restore(&tb->batch, err)) == BUS_OK)
        rc = compare_with_checkpoints(p, tb, err);
    projector_end_stream(tb, false);
    return rc;
}

/* --- one turn ------------------------------------------------------------------ */

static int
nth_at(const bus_projector *p, const projector_table *tb, const projector_harvest *h,
       const bus_stream_place *place)
{
    const char *domain = bus_stream_domain(tb->stream, place->source);
    int         i = 0;

    while (h->records[i].offset != place->offset || h->records[i].partition != place->partition ||
           strcmp(p->sources[h->source[i]].contract->module, domain) != 0)
        i++;
    return i;
}

static bus_stream_place
place_of(const bus_projector *p, const projector_table *tb, const projector_harvest *h, int i)
{
    const char *domain = p->sources[h->source[i]].contract->module;

    return (bus_stream_place){.source = bus_stream_source(tb->stream, domain),
                              .partition = h->records[i].partition,
                              .offset = h->records[i].offset,
                              .at_ms = h->records[i].at_ms};
}

/* Every record counts, for the logs' time; events only if they are taken. *culprit: where it failed
 * with BUS_FAULT. */
static bus_code
take_records(bus_projector *p, int t, const projector_harvest *h, int *culprit, bus_error *err)
{
    projector_table *tb = &p->tables[t];
    bus_stream_place place;
    bus_code         rc = BUS_OK;

    for (*culprit = 0; *culprit < h->count; (*culprit)++) {
        const bus_event *event = &h->events[*culprit];

        if (!projector_takes(p, t, h, *culprit))
            continue;
        rc = event->data == NULL ? bus_fail(err, BUS_FAULT, "the event breaks its contract")
                                 : bus_stream_remember(&tb->batch, event, err);
        if (rc != BUS_OK)
            return rc;
    }
    if ((rc = load_named(p, tb, BUS_STREAM_MEMORY, err)) != BUS_OK)
        return rc;
    for (*culprit = 0; *culprit < h->count; (*culprit)++) {
        if (!tb->follows[h->source[*culprit]])
            continue;
        place = place_of(p, tb, h, *culprit);
        rc = bus_stream_take(&tb->batch, &place,
                             projector_takes(p, t, h, *culprit) ? &h->events[*culprit] : NULL, err);
        if (rc != BUS_OK)
            return rc;
    }
    bus_stream_name(&tb->batch);
    if ((rc = load_named(p, tb, BUS_STREAM_WINDOWS, err)) != BUS_OK)
        return rc;
    if ((rc = bus_stream_step(&tb->batch, &place, err)) == BUS_FAULT)
        *culprit = nth_at(p, tb, h, &place);
    return rc;
}

bus_code
projector_fold_stream(bus_projector *p, int t, const projector_harvest *h, bus_effect *rows,
                      projector_parkings *parks, bus_error *err)
{
    projector_table *tb = &p->tables[t];
    int              culprit;
    bus_code         rc;

    begin(p, tb);
    rc = take_records(p, t, h, &culprit, err);
    if (rc == BUS_FAULT)
        projector_park(p, t, &h->records[culprit], h->source[culprit], err, parks);
    if (rc != BUS_OK)
        return rc;
    bus_stream_finish(&tb->batch);
    gather_rows(p, tb, rows);
    return BUS_OK;
}

/* --- closing ------------------------------------------------------------------- */

typedef struct {
    projector_table *tb;
    int              count;
} settling;

static bus_code
settle_row(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    settling *s = context;

    s->count++;
    return bus_stream_settle_row(&s->tb->batch, tenant, id, body, version, err);
}

/* Under the fence of one checkpoint, which stays where it is. */
static bus_code
write_settled(bus_projector *p, projector_table *tb, bus_error *err)
{
    bus_effect effect = {.home = p->home, .reader = tb->reader, .checkpoints_count = 1};
    int        s = 0;

    while (!tb->follows[s])
        s++;
    effect.domain = p->sources[s].contract->module;
    effect.checkpoints = &tb->at[s][0];
    bus_stream_finish(&tb->batch);
    gather_rows(p, tb, &effect);
    return p->options->store->effect(p->store, &effect, err);
}

static bus_code
settle_table(bus_projector *p, projector_table *tb, bool *idle, bus_error *err)
{
    bus_stream_due due = bus_stream_settle(tb->stream);
    settling       s = {.tb = tb};
    bus_code       rc;

    if (!due.due)
        return BUS_OK;
    begin(p, tb);
    rc = p->options->store->windows_due(p->store, tb->view->of, tb->view->view_version, !due.close,
                                        due.before_ms, SETTLE_ROWS_MAX, settle_row, &s, err);
    if (rc == BUS_OK && s.count < SETTLE_ROWS_MAX)
        bus_stream_settled(&tb->batch);
    else if (rc == BUS_OK)
        *idle = false;
    if (rc == BUS_OK)
        rc = write_settled(p, tb, err);
    projector_end_stream(tb, rc == BUS_OK);
    return rc;
}

bus_code
projector_settle_streams(bus_projector *p, bool *idle, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int t = 0; rc == BUS_OK && t < p->tables_count; t++) {
        projector_table *tb = &p->tables[t];
        bool             all_read = tb->held && tb->stream != NULL;

        for (int s = 0; all_read && s < p->sources_count; s++)
            all_read = !tb->follows[s] || bus_follow_caught_up(p->sources[s].follow);
        if (all_read)
            rc = settle_table(p, tb, idle, err);
    }
    return rc;
}
