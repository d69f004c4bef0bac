/* verify_internal.h - what the parts of verify share: verify.c reads the logs, verify_views.c
 * folds them and compares.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_VERIFY_INTERNAL_H
#define BUS_RUNTIME_VERIFY_INTERNAL_H

#include "bus/runtime/fold.h"
#include "bus/runtime/verify.h"
#include "bus/store/view_table.h"

#define VERIFY_LOGS_MAX 64

/* Events of a partition that cannot be read. */
typedef struct {
    int     partition;
    int64_t first, last;
} verify_span;

/* One log, as it stood when we began. */
typedef struct {
    const bus_contract *contract;
    bus_store          *store;
    bus_store          *views; /* where its views are; the same if it has no database of its own */
    int                 partitions; /* 0: there is no schema */
    int64_t             heads[BUS_PARTITIONS_MAX], epochs[BUS_PARTITIONS_MAX];
    verify_span        *lost; /* archives that are no good */
    int                 lost_count;
} verify_log;

/* A view under comparison. */
typedef struct {
    const bus_view *view;
    int             home; /* index of its log */
    char            reader[16 + BUS_VIEW_TABLE_BYTES];
    bool            follows_log[VERIFY_LOGS_MAX];            /* by index of the log */
    int64_t      up_to[VERIFY_LOGS_MAX][BUS_PARTITIONS_MAX]; /* checkpoints: what it has folded */
    bus_parked  *parked;
    int          parked_count;
    bus_skipped *skipped; /* left out on request */
    int          skipped_count;
    bus_fold     fold;
    bool         spoilt; /* a fold failed: there is nothing to compare with */
} verify_view;

typedef struct {
    const bus_runtime_options *options;
    const bus_contract *const *contracts;
    int                        contracts_count;
    verify_log                *logs;
    int                        logs_count;
    verify_view               *views;
    int                        views_count;
    int                        pass, passes;
    bus_arena                  arena;            /* lives as long as all */
    bus_arena                  folds;            /* of the rows and events of this pass */
    size_t                     tighten_bytes;    /* folds may hold so much before that */
    size_t                     folds_kept_bytes; /* after it was last made tight */
    void (*report)(void *context, const bus_verify_fault *fault);
    void              *context;
    bus_verify_counts *counts;
    bus_personal      *personal; /* NULL: there are no keys here */
} verify;

/* Bounds of memory, for tests: events of one pass, and bytes of folds before they are made tight.
 * Set while no verify runs. */
void verify_set_limits(int64_t events_per_pass, size_t tighten_bytes);

/* Does this pass look at the stream? */
bool verify_in_pass(const verify *v, bus_id id);
void verify_report(verify *v, bus_verify_fault fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Finds out how far each view's table has come, and what it leaves out. */
bus_code verify_views_begin(verify *v, const bus_view *const *views, int count, bus_error *err);
/* Folds an event of a log for the views that have taken it. */
void verify_views_event(verify *v, int log, const bus_record *record, const bus_event *event);
/* Is it folded by any view in this pass? Then it must be decoded into v->folds. */
bool verify_views_want(const verify *v, int log, const bus_record *record, const bus_message *type);
/* Gives memory back that dead strings hold. Between two pages. */
bus_code verify_views_tighten(verify *v, bus_error *err);
/* Compares every table with its fold and forgets the folds: the end of a pass. */
bus_code verify_views_compare(verify *v, bus_error *err);
/* Forgets folds that a failure left behind. */
void verify_views_end(verify *v);

/* Checks the files of archived events and finds out which are lost: verify_archives.c. */
bus_code verify_archives(verify *v, bus_error *err);
/* The first lost span of a partition that does not end by an offset; NULL: none. */
const verify_span *verify_lost_after(const verify_log *log, int partition, int64_t after);
/* Views that follow a log of which events are lost have nothing to be compared with. */
void verify_views_without_lost(verify *v);

/* Compares every snapshot with the fold of its stream: verify_snapshots.c. */
bus_code verify_snapshots(verify *v, bus_error *err);

#endif
