/* projector_internal.h - what the parts of a projector share: projector.c holds the leases and
 * folds, projector_parked.c knows which streams are left out, projector_build.c sees to it that
 * there are tables, projector_stream.c fills the tables of analytics.
 * Threads: the projector's, but for what is atomic.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_PROJECTOR_INTERNAL_H
#define BUS_RUNTIME_PROJECTOR_INTERNAL_H

#include "bus/metrics/metrics.h"
#include "bus/runtime/bell.h"
#include "bus/runtime/fold.h"
#include "bus/runtime/follow.h"
#include "bus/runtime/owners.h"
#include "bus/store/view_table.h"
#include "projections/stream/stream.h"

#include <pthread.h>
#include <stdatomic.h>

#define VIEWS_MAX 32  /* of one domain */
#define SOURCES_MAX 8 /* logs that they follow */

/* One log that views follow. */
typedef struct {
    const bus_contract *contract;
    bus_store          *store;
    bus_follow         *follow;
    int64_t             at[BUS_PARTITIONS_MAX]; /* last offset taken */
} projector_source;

/* One view, and how far its table has come in each log. */
typedef struct {
    const bus_view *view;
    char            name[BUS_VIEW_TABLE_BYTES], reader[16 + BUS_VIEW_TABLE_BYTES];
    bool            live;     /* it is there; else it is being built */
    bool            held;     /* all its checkpoints are ours: we fill it */
    bool            was_held; /* once: from then on nobody's checkpoints are ours to steal */
    bool            follows[SOURCES_MAX];
    bus_checkpoint  at[SOURCES_MAX][BUS_PARTITIONS_MAX]; /* as committed */
    int64_t         written, analyze_at; /* rows since we started; at so many the store looks */
    /* An analytic: */
    bus_stream      *stream;  /* NULL: a view like others */
    bus_stream_batch batch;   /* of this turn */
    bool             pending; /* batch is one whose outcome is not known yet */
} projector_table;

#define RECORDS_MAX 4096 /* folded in one turn */

/* What was taken from the logs in a turn: room for RECORDS_MAX of each, kept from turn to turn. */
typedef struct {
    bus_record *records;
    bus_event  *events; /* .type == NULL: of no interest here; .data == NULL: it cannot be read */
    int        *source; /* of each */
    int         count;
} projector_harvest;

/* What one table parks in a turn, and in which log. */
typedef struct {
    bus_park_write *writes;
    int            *sources;
    int             count;
} projector_parkings;

/* A stream that one view leaves out from an event on. */
typedef struct projector_skip {
    struct {
        bus_id  stream;
        int64_t table;
    } key;
    int64_t        from_offset;
    bool           written; /* its parking is in the store */
    UT_hash_handle hh;
} projector_skip;

enum { METRIC_EVENTS, METRIC_ROWS, METRIC_TURN_US, METRIC_PARKED, METRICS };

struct bus_projector {
    const bus_contract        *contract;
    const bus_runtime_options *options;
    const char                *home;
    bus_personal              *personal; /* NULL: there are no keys here */
    bus_store                 *store;    /* of views and checkpoints: the default database */
    projector_source           sources[SOURCES_MAX];
    int                        sources_count;
    projector_table           *tables;
    int                        tables_count;
    projector_skip            *skip; /* uthash */
    bus_bell                   bell;
    bus_arena                  arena;   /* of one turn */
    projector_harvest          harvest; /* of the thread's turns; its bytes are in the arena */
    int                        partitions;
    int                        held_count; /* of the tables */
    int64_t                    renewed_us, tidied_us, tried_us;

    char       part[96], labels[96], topic[BUS_VIEWS_TOPIC_BYTES];
    bus_metric metrics[METRICS];

    bus_thread      thread, builder;
    bool            builds; /* the builder's thread was started */
    atomic_bool     stopping, trouble, caught_up, stands_by, building, built;
    atomic_int      parked, build_percent;
    _Atomic int64_t behind;
};

/* Logs trouble with the store, once until it is over. */
void projector_store_trouble(bus_projector *p, const char *doing, const bus_error *err);
/* Gives the fold the rows that it names. */
bus_code projector_load_rows(bus_projector *p, bus_fold *fold, bus_error *err);
/* The fold's changed rows, sorted, into the effect. */
void projector_gather_rows(const bus_fold *fold, bus_effect *effect);

/* Does the table take this event of the harvest now? Not if it has it already, or leaves its stream
 * out. */
bool projector_takes(const bus_projector *p, int t, const projector_harvest *h, int i);
/* A view cannot handle an event: its stream waits from there on. */
void projector_park(bus_projector *p, int t, const bus_record *record, int of_source,
                    const bus_error *why, projector_parkings *parks);

/* --- projector_stream.c: analytics ------------------------------------------- */

/* Makes what the table of an analytic needs in memory; nothing for other views. */
void projector_open_stream(bus_projector *p, projector_table *tb);
void projector_close_stream(projector_table *tb);
/* Its tables, if they are not there. They are filled from the beginning of the logs. */
bus_code projector_create_stream(bus_projector *p, projector_table *tb, bus_error *err);
/* The table is held now: reads how far it is. */
bus_code projector_restore_stream(bus_projector *p, projector_table *tb, bus_error *err);
/* Folds the harvest for one analytic; the rows of all its tables into *rows. */
bus_code projector_fold_stream(bus_projector *p, int t, const projector_harvest *h,
                               bus_effect *rows, projector_parkings *parks, bus_error *err);
/* The turn is over. */
void projector_end_stream(projector_table *tb, bool committed);
/* Everything was read: closes windows, some in each call. *idle: there is nothing more to close. */
bus_code projector_settle_streams(bus_projector *p, bool *idle, bus_error *err);

/* --- projector_leases.c ---------------------------------------------------- */

/* Takes the tables that are there and nobody fills. */
void projector_take_tables(bus_projector *p);
/* Renews what is held, lets go what is another's, and takes what is free. */
void projector_renew(bus_projector *p);
/* Gives all back. */
void projector_release_tables(bus_projector *p);
/* A commit's outcome is not known: all checkpoints are to be taken anew. */
void projector_forget_tables(bus_projector *p);
/* Begins reading where the held table that is furthest behind stands. */
void projector_place_sources(bus_projector *p);

/* --- projector_parked.c ---------------------------------------------------- */

projector_skip *projector_skip_of(const bus_projector *p, int nth_table, bus_id stream);
void projector_add_skip(bus_projector *p, int nth_table, bus_id stream, int64_t from_offset,
                        bool written);
/* Of a turn that failed nothing is left: what it parked is found again. all: those that are in the
 * store too, to be read from there again. */
void projector_forget_skips(bus_projector *p, bool all);
/* What each view has parked, which another process may have changed. */
bus_code projector_load_skips(bus_projector *p, bus_error *err);
/* Carries out what an operator asked for (`shina parked`). */
void projector_try_parked(bus_projector *p);

/* --- projector_build.c ----------------------------------------------------- */

/* Which tables are there? Those that are not are made at once while there is nothing to put into
 * them, else they are left to the builder. */
bus_code projector_find_tables(bus_projector *p, bus_error *err);
/* Starts the thread that builds what is missing, if something is. */
bus_code projector_start_builder(bus_projector *p, bus_error *err);
void     projector_stop_builder(bus_projector *p);
/* The builder is through: its tables are filled like the others from now on. */
void projector_take_built(bus_projector *p);
/* Now and then: says which tables are in use, and drops those that have not been for long. */
void projector_tidy(bus_projector *p);

#endif
