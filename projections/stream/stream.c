/* stream.c - how far an analytic is: its clocks, its feed of changes, and what is closed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/stream/stream_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Closing is looked at once for each minute of event time, not for each batch. */
#define SETTLE_MS INT64_C(60000)

static int
clocks_count(const bus_stream *stream)
{
    return stream->sources_count * stream->partitions;
}

static void
find_sources(bus_stream *stream)
{
    const bus_view_contract *of = stream->view->of;

    for (int i = 0; i < of->follows_count; i++) {
        const bus_contract *contract = of->follows[i]->aggregate->contract;

        if (bus_stream_source(stream, contract->module) >= 0)
            continue;
        BUS_INVARIANT(stream->sources_count < BUS_STREAM_SOURCES_MAX);
        stream->sources[stream->sources_count++] = contract;
    }
}

bus_stream *
bus_stream_create(const bus_view *view, int partitions)
{
    bus_stream        *stream = calloc(1, sizeof(*stream));
    const bus_windows *w = view->of->windows;

    if (stream == NULL)
        abort();
    BUS_INVARIANT(w != NULL && view->analytic != NULL && partitions > 0);
    stream->view = view;
    stream->windows = w;
    stream->how = view->analytic;
    stream->row = view->of->row;
    stream->pace = (bus_stream_pace){.bound_ms = w->bound_ms, .idle_ms = w->idle_ms};
    stream->partitions = partitions;
    stream->tables[BUS_STREAM_WINDOWS] = view->of;
    stream->tables[BUS_STREAM_LATE] = w->late;
    stream->tables[BUS_STREAM_CLOCKS] = w->clocks;
    stream->tables[BUS_STREAM_MEMORY] = w->memory;
    stream->closed_to_ms = BUS_STREAM_NEVER;
    find_sources(stream);
    BUS_INVARIANT(clocks_count(stream) > 0); /* a contract without sources does not build */
    stream->clocks = calloc((size_t)clocks_count(stream), sizeof(*stream->clocks));
    if (stream->clocks == NULL)
        abort();
    return stream;
}

void
bus_stream_destroy(bus_stream *stream)
{
    if (stream == NULL)
        return;
    free(stream->clocks);
    free(stream);
}

int
bus_stream_source(const bus_stream *stream, const char *domain)
{
    for (int s = 0; s < stream->sources_count; s++)
        if (strcmp(stream->sources[s]->module, domain) == 0)
            return s;
    return -1;
}

int
bus_stream_sources(const bus_stream *stream)
{
    return stream->sources_count;
}

const char *
bus_stream_domain(const bus_stream *stream, int source)
{
    return stream->sources[source]->module;
}

int64_t
bus_stream_offset(const bus_stream *stream, int source, int partition)
{
    return stream->clocks[source * stream->partitions + partition].offset;
}

int64_t
bus_stream_change(const bus_stream *stream)
{
    return stream->change;
}

int64_t
bus_stream_late(const bus_stream *stream)
{
    int64_t late = 0;

    for (int i = 0; i < clocks_count(stream); i++)
        late += stream->clocks[i].late;
    return late;
}

const bus_view_contract *
bus_stream_table_of(const bus_stream *stream, bus_stream_table table)
{
    return stream->tables[table];
}

/* --- a batch ------------------------------------------------------------------- */

void
bus_stream_begin(bus_stream_batch *batch, bus_stream *stream, bus_arena *arena)
{
    size_t count = (size_t)clocks_count(stream);

    *batch = (bus_stream_batch){.of = stream,
                                .arena = arena,
                                .change = stream->change,
                                .closed_to_ms = stream->closed_to_ms,
                                .marks_to_ms = stream->closed_to_ms};
    batch->clocks = BUS_ARENA_ARRAY(arena, bus_stream_clock, count);
    memcpy(batch->clocks, stream->clocks, count * sizeof(*batch->clocks));
}

void
bus_stream_fini(bus_stream_batch *batch)
{
    for (int t = 0; t < BUS_STREAM_TABLES; t++)
        HASH_CLEAR(hh, batch->rows[t]);
    HASH_CLEAR(hh, batch->panes);
    bus_buf_fini(&batch->name);
}

void
bus_stream_commit(const bus_stream_batch *batch)
{
    bus_stream *stream = batch->of;

    memcpy(stream->clocks, batch->clocks, (size_t)clocks_count(stream) * sizeof(*stream->clocks));
    stream->change = batch->change;
    stream->closed_to_ms = batch->closed_to_ms;
}

/* --- clocks as rows ------------------------------------------------------------ */

static bus_id
clock_id(const bus_stream *stream, int nth)
{
    char name[96];

    (void)snprintf(name, sizeof(name), "%.64s:%d",
                   stream->sources[nth / stream->partitions]->module, nth % stream->partitions);
    return bus_id_v5_text(BUS_ID_NIL, name);
}

static bus_id
feed_id(void)
{
    return bus_id_v5_text(BUS_ID_NIL, "feed");
}

static void
write_clock(bus_stream_batch *batch, int nth)
{
    const bus_stream       *stream = batch->of;
    const bus_stream_clock *clock = &batch->clocks[nth];
    const bus_shape        *shape = stream->tables[BUS_STREAM_CLOCKS]->row;
    void *row = bus_stream_write(batch, BUS_STREAM_CLOCKS, BUS_ID_NIL, clock_id(stream, nth))->row;

    bus_stream_set_text(shape, row, "domain",
                        bus_str_of(stream->sources[nth / stream->partitions]->module));
    bus_stream_set_int(shape, row, "partition", nth % stream->partitions);
    bus_stream_set_int(shape, row, "offset", clock->offset);
    bus_stream_set_int(shape, row, "seen_at", clock->seen_at_ms);
    bus_stream_set_int(shape, row, "known", clock->known);
    bus_stream_set_int(shape, row, "watermark_at", clock->watermark_ms);
    bus_stream_set_int(shape, row, "ticked_at", clock->at_ms);
    bus_stream_set_int(shape, row, "late", clock->late);
}

static void
write_feed(bus_stream_batch *batch)
{
    const bus_shape *shape = batch->of->tables[BUS_STREAM_CLOCKS]->row;
    void            *row = bus_stream_write(batch, BUS_STREAM_CLOCKS, BUS_ID_NIL, feed_id())->row;

    bus_stream_set_text(shape, row, "domain", BUS_STR(""));
    bus_stream_set_int(shape, row, "change", batch->change);
    bus_stream_set_int(shape, row, "closed_to_at", batch->closed_to_ms);
}

static void
mark_changed_windows(bus_stream_batch *batch)
{
    const bus_windows *w = batch->of->windows;

    for (bus_stream_row *row = batch->rows[BUS_STREAM_WINDOWS]; row != NULL; row = row->hh.next) {
        if (!row->changed)
            continue;
        *(bool *)((char *)row->row + w->closed->offset) =
            *bus_stream_int(row->row, w->to_at) + w->grace_ms <= batch->marks_to_ms;
        *bus_stream_int(row->row, w->change) = ++batch->change;
    }
}

void
bus_stream_finish(bus_stream_batch *batch)
{
    const bus_stream *stream = batch->of;

    mark_changed_windows(batch);
    for (int i = 0; i < clocks_count(stream); i++)
        if (batch->clocks[i].offset != stream->clocks[i].offset)
            write_clock(batch, i);
    if (batch->change != stream->change || batch->closed_to_ms != stream->closed_to_ms)
        write_feed(batch);
}

void
bus_stream_name_clocks(bus_stream_batch *batch)
{
    for (int i = 0; i < clocks_count(batch->of); i++)
        (void)bus_stream_touch(batch, BUS_STREAM_CLOCKS, BUS_ID_NIL, clock_id(batch->of, i));
    (void)bus_stream_touch(batch, BUS_STREAM_CLOCKS, BUS_ID_NIL, feed_id());
}

bus_code
bus_stream_restore(bus_stream_batch *batch, bus_error *err)
{
    bus_stream           *stream = batch->of;
    const bus_shape      *shape = stream->tables[BUS_STREAM_CLOCKS]->row;
    const bus_stream_row *feed = bus_stream_find(batch, BUS_STREAM_CLOCKS, BUS_ID_NIL, feed_id());

    if (feed == NULL || !feed->loaded)
        return bus_fail(err, BUS_INVALID, "%s: its clocks were not loaded", stream->view->of->name);
    batch->change =
        feed->there ? *bus_stream_int(feed->row, bus_stream_member(shape, "change")) : 0;
    batch->closed_to_ms = feed->there
                              ? *bus_stream_int(feed->row, bus_stream_member(shape, "closed_to_at"))
                              : BUS_STREAM_NEVER;
    for (int i = 0; i < clocks_count(stream); i++) {
        const bus_stream_row *row =
            bus_stream_find(batch, BUS_STREAM_CLOCKS, BUS_ID_NIL, clock_id(stream, i));

        batch->clocks[i] = (bus_stream_clock){0};
        if (!row->there)
            continue;
        batch->clocks[i] = (bus_stream_clock){
            .offset = *bus_stream_int(row->row, bus_stream_member(shape, "offset")),
            .seen_at_ms = *bus_stream_int(row->row, bus_stream_member(shape, "seen_at")),
            .known = *((const bool *)row->row + bus_stream_member(shape, "known")->offset),
            .watermark_ms = *bus_stream_int(row->row, bus_stream_member(shape, "watermark_at")),
            .at_ms = *bus_stream_int(row->row, bus_stream_member(shape, "ticked_at")),
            .late = *bus_stream_int(row->row, bus_stream_member(shape, "late")),
        };
    }
    bus_stream_commit(batch);
    return BUS_OK;
}

/* --- closing ------------------------------------------------------------------- */

static int64_t
closes_to(const bus_stream *stream)
{
    int64_t horizon_ms = bus_stream_horizon(stream->clocks, clocks_count(stream), &stream->pace);
    int64_t into_ms = horizon_ms % SETTLE_MS;

    if (horizon_ms == BUS_STREAM_NEVER)
        return BUS_STREAM_NEVER;
    return horizon_ms - (into_ms < 0 ? into_ms + SETTLE_MS : into_ms);
}

bus_stream_due
bus_stream_settle(const bus_stream *stream)
{
    int64_t to_ms = closes_to(stream);

    return (bus_stream_due){.due = to_ms != stream->closed_to_ms,
                            .close = to_ms > stream->closed_to_ms,
                            .before_ms = to_ms - stream->windows->grace_ms};
}

bus_code
bus_stream_settle_row(bus_stream_batch *batch, bus_id tenant, bus_id id, bus_str body,
                      int32_t version, bus_error *err)
{
    bus_stream_row *row = bus_stream_touch(batch, BUS_STREAM_WINDOWS, tenant, id);
    bus_code        rc = bus_stream_load(batch, BUS_STREAM_WINDOWS, row, body, version, err);

    batch->marks_to_ms = closes_to(batch->of);
    if (rc == BUS_OK)
        row->changed = true;
    return rc;
}

void
bus_stream_settled(bus_stream_batch *batch)
{
    batch->closed_to_ms = batch->marks_to_ms = closes_to(batch->of);
}
