/* stream.h - event-time windows over logs: the core, without store, bus or clock.
 *
 * One bus_stream per analytic holds how far each partition is. Batches of records go through it:
 *
 *   bus_stream_begin       a batch of the stream as it was committed
 *   bus_stream_remember    per event: names the memory that map() needs    -> load what is named
 *   bus_stream_take        per record, in order per partition: maps, judges lateness, fills panes
 *   bus_stream_name        names the windows that the panes go into        -> load what is named
 *   bus_stream_step        folds the panes into them
 *   bus_stream_finish      derived members, places in the feed of changes, clocks into rows
 *   ... all changed rows and the checkpoint are written in one transaction ...
 *   bus_stream_commit      it is durable;  or drop the batch: it never happened
 *
 * Every row is read and written once per batch. What comes out is a function of what was read
 * (of the offset in each partition), however it interleaved and was cut into batches, except for
 * `change`, a row's place in the feed. Closing windows is a batch of its own kind: see below.
 * Threads: one at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_STREAM_STREAM_H
#define PROJECTIONS_STREAM_STREAM_H

#include "bus/base/arena.h"
#include "projections/stream/analytic.h"
#include "projections/stream/clock.h"

#include <uthash.h>

#define BUS_STREAM_SOURCES_MAX 8    /* logs of one analytic */
#define BUS_STREAM_PUTS_MAX 80      /* contributions of one event */
#define BUS_STREAM_PANE_WINDOWS 256 /* windows that one pane may be in: size / every */

typedef struct bus_stream bus_stream;

/* For an analytic of a log, or of several, with so many partitions each. */
bus_stream *bus_stream_create(const bus_view *view, int partitions);
void        bus_stream_destroy(bus_stream *stream); /* accepts NULL */

/* Number of a log among the sources; -1: it is none. */
int         bus_stream_source(const bus_stream *stream, const char *domain);
int         bus_stream_sources(const bus_stream *stream);
const char *bus_stream_domain(const bus_stream *stream, int source);

/* Up to where everything is committed; 0: nothing. */
int64_t bus_stream_offset(const bus_stream *stream, int source, int partition);
/* Events that came too late, committed so far. */
int64_t bus_stream_late(const bus_stream *stream);
/* The place in the feed of the row that changed last, committed so far. */
int64_t bus_stream_change(const bus_stream *stream);

/* --- rows ---------------------------------------------------------------------- */

typedef enum {
    BUS_STREAM_WINDOWS, /* the view itself */
    BUS_STREAM_LATE,    /* one row for each event that came too late */
    BUS_STREAM_CLOCKS,  /* one row per partition, and one of the feed; of no tenant */
    BUS_STREAM_MEMORY   /* what map() remembers */
} bus_stream_table;
#define BUS_STREAM_TABLES 4

typedef struct bus_stream_row {
    struct {
        bus_id tenant, id;
    } key;
    void          *row;     /* the table's generated struct, in the arena */
    int32_t        version; /* windows: contributions folded; memory: events seen; else 1 */
    bool           there;   /* false: it does not exist (any more) */
    bool           loaded;  /* it is known whether it exists */
    bool           changed; /* to be written, or deleted if it is not there */
    UT_hash_handle hh;
} bus_stream_row;

typedef struct bus_stream_pane bus_stream_pane;

typedef struct {
    bus_stream       *of;
    bus_arena        *arena;                   /* borrowed; all rows are in it */
    bus_stream_row   *rows[BUS_STREAM_TABLES]; /* uthash */
    bus_stream_clock *clocks;                  /* as they will be */
    int64_t           change, closed_to_ms;
    int64_t           marks_to_ms; /* rows that are written are marked closed up to here */
    bus_stream_pane  *panes;       /* uthash */
    bus_buf           name;        /* scratch, for names of panes */
} bus_stream_batch;

/* The contract of a table; NULL: the analytic has no such table. */
const bus_view_contract *bus_stream_table_of(const bus_stream *stream, bus_stream_table table);

void bus_stream_begin(bus_stream_batch *batch, bus_stream *stream, bus_arena *arena);
void
bus_stream_fini(bus_stream_batch *batch); /* gives the indexes back; the rows are the arena's */

/* Gives a row that was named as it was stored; body.at == NULL: it does not exist. BUS_INVALID: the
 * body breaks its contract. */
BUS_CHECKED bus_code bus_stream_load(bus_stream_batch *batch, bus_stream_table table,
                                     bus_stream_row *row, bus_str body, int32_t version,
                                     bus_error *err);
/* The body of a row that is there, in the arena. */
bus_str bus_stream_body(const bus_stream_batch *batch, bus_stream_table table,
                        const bus_stream_row *row);

/* --- a batch ------------------------------------------------------------------- */

/* Once, before the first batch: names the rows of the clocks, and when they are loaded takes them
 * over. BUS_INVALID: the rows are not of this analytic. */
void                 bus_stream_name_clocks(bus_stream_batch *batch);
BUS_CHECKED bus_code bus_stream_restore(bus_stream_batch *batch, bus_error *err);

/* Names what map() remembers for this event. BUS_FAULT: remember() broke an invariant. */
BUS_CHECKED bus_code bus_stream_remember(bus_stream_batch *batch, const bus_event *event,
                                         bus_error *err);
/* The next record of a partition; event NULL: one that the analytic does not follow, or that is
 * left out. What was taken before is passed over. BUS_FAULT: map() or step() broke an invariant;
 * the batch is spoilt, and is to be done again with that event left out. */
BUS_CHECKED bus_code bus_stream_take(bus_stream_batch *batch, const bus_stream_place *place,
                                     const bus_event *event, bus_error *err);
void                 bus_stream_name(bus_stream_batch *batch);
/* BUS_FAULT: step() or finish() broke an invariant on a window, with what the event at *culprit
 * brought, as far as that can be told. */
BUS_CHECKED bus_code bus_stream_step(bus_stream_batch *batch, bus_stream_place *culprit,
                                     bus_error *err);
void                 bus_stream_finish(bus_stream_batch *batch);
void                 bus_stream_commit(const bus_stream_batch *batch);

/* --- closing ------------------------------------------------------------------- */

/* Whether a window is closed is told of a cut, too: those that end, grace included, at or before
 * the horizon of all partitions are. It is settled when everything that is in the logs was read,
 * so that what is told closed is not opened again by what was there already. */
typedef struct {
    bool    due;       /* there may be windows to close, or to open again */
    bool    close;     /* close those that are open; false: open those that are closed */
    int64_t before_ms; /* close: with to_at <= before_ms; else to_at > before_ms */
} bus_stream_due;

/* What is to be done now that everything was read. Opening happens only when a partition is heard
 * of for the first time, or writers' clocks differ by more than idle_s. */
bus_stream_due bus_stream_settle(const bus_stream *stream);
/* A row of windows that is due, as stored. */
BUS_CHECKED bus_code bus_stream_settle_row(bus_stream_batch *batch, bus_id tenant, bus_id id,
                                           bus_str body, int32_t version, bus_error *err);
/* Those were all. Before bus_stream_finish. */
void bus_stream_settled(bus_stream_batch *batch);

#endif
