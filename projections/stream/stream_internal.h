/* stream_internal.h - what the files of the core share: stream.c knows how far it is, rows.c holds
 * rows, panes.c makes contributions of events and windows of contributions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_STREAM_STREAM_INTERNAL_H
#define PROJECTIONS_STREAM_STREAM_INTERNAL_H

#include "projections/stream/stream.h"

struct bus_stream {
    const bus_view          *view;
    const bus_windows       *windows;
    const bus_analytic      *how;
    const bus_shape         *row;
    bus_stream_pace          pace;
    const bus_contract      *sources[BUS_STREAM_SOURCES_MAX];
    int                      sources_count, partitions;
    const bus_view_contract *tables[BUS_STREAM_TABLES];
    /* As committed. */
    bus_stream_clock *clocks;       /* [source * partitions + partition] */
    int64_t           change;       /* of the row that changed last */
    int64_t           closed_to_ms; /* windows that end by then, grace included, are closed */
};

/* What the events of this batch add to one key in one pane. */
struct bus_stream_pane {
    bus_str          name; /* tenant, from_ms and `of`, side by side: no other pane's */
    bus_str          of;   /* the key's members as bytes, for the ids of windows */
    bus_id           tenant;
    int64_t          from_ms;
    bus_stream_row **windows; /* that it is in, the earliest first; NULL: not named yet */
    void            *sum;     /* a row */
    int32_t          count;
    bus_stream_place last; /* of what is in it */
    UT_hash_handle   hh;
};

int64_t *bus_stream_int(void *row, const bus_field *field);
/* A member of a table that the contract compiler made; it is there. */
const bus_field *bus_stream_member(const bus_shape *shape, const char *name);
void bus_stream_set_int(const bus_shape *shape, void *row, const char *name, int64_t value);
void bus_stream_set_text(const bus_shape *shape, void *row, const char *name, bus_str value);

/* The row of that key, named if it was not yet. */
bus_stream_row *bus_stream_touch(bus_stream_batch *batch, bus_stream_table table, bus_id tenant,
                                 bus_id id);
bus_stream_row *bus_stream_find(const bus_stream_batch *batch, bus_stream_table table,
                                bus_id tenant, bus_id id);
/* A row that is written whole, whatever it was. */
bus_stream_row *bus_stream_write(bus_stream_batch *batch, bus_stream_table table, bus_id tenant,
                                 bus_id id);

#endif
