/* fold.h - folding events into rows of views: what the projector and `shina verify` share.
 *
 * A batch of events is folded for several views in memory: name the rows that it touches,
 * give those that exist, fold, read the rows off. Pure but for memory.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_FOLD_H
#define BUS_RUNTIME_FOLD_H

#include "bus/base/arena.h"
#include "bus/module/module.h"
#include "bus/personal/personal.h"
#include "bus/store/store.h"

#include <uthash.h>

/* A record as an event in its newest version, its personal members in clear or tombstones; personal
 * may be NULL for contracts without any. BUS_NOT_FOUND: no contract here knows its type (a durable
 * refusal, or newer than we are). BUS_FAULT: its data breaks its contract. BUS_UNAVAILABLE,
 * BUS_DENIED: the keys of personal data; the same record may be read later (bus_is_outage). */
BUS_CHECKED bus_code bus_event_of_record(const bus_contract *const *contracts, int count,
                                         const bus_record *record, bus_personal *personal,
                                         bus_arena *arena, bus_event *out, bus_error *err);
/* Fetches the keys that these records need, all at once; types[i] NULL: that one is not read. */
BUS_CHECKED bus_code bus_prepare_records(bus_personal *personal, const bus_message *const *types,
                                         const bus_record *records, int count, bus_arena *arena,
                                         bus_error *err);
/* store->read of a page, the keys that its events need fetched before visit is called. */
BUS_CHECKED bus_code bus_read_records(const bus_store_ops *ops, bus_store *st,
                                      const bus_contract *contract, uint16_t partition,
                                      int64_t after, int limit, bus_personal *personal,
                                      bus_record_visit visit, void *context, bus_error *err);
/* Has some event of it personal members? */
bool bus_contract_is_personal(const bus_contract *contract);
/* Nothing is wrong with the event: to be tried again instead of parked. */
bool bus_is_outage(bus_code code);

typedef struct bus_row {
    struct {
        bus_id tenant, id;
    } key;
    void          *row;     /* the view's struct */
    int32_t        version; /* of the row: its stream's, or folds counted for a view with keys */
    bool           there;   /* false: it does not exist (any more) */
    bool           loaded;  /* it is known whether it exists */
    bool           changed; /* since the fold began */
    UT_hash_handle hh;
} bus_row;

/* The rows of one view. Zero-initialise, set view and arena; end with bus_fold_fini. The rows
 * are the arena's, only the index over them is not. */
typedef struct {
    const bus_view *view;
    bus_arena      *arena;
    bool            fresh; /* the log is folded from its beginning: no row has to be loaded */
    /* Rows with a bus_row_hash from hash_from to below hash_to are folded, the others passed
     * over; hash_to 0: all. */
    uint64_t hash_from, hash_to;
    bus_row *rows; /* uthash */
} bus_fold;

/* 0 to 2^32 - 1, of a row's id; not of the bits that choose the partition of a stream. */
uint64_t bus_row_hash(bus_id id);
bool     bus_fold_takes(const bus_fold *fold, bus_id id);

void bus_fold_fini(bus_fold *fold);

/* Does the view read this event at all? */
bool bus_fold_follows(const bus_view *view, const bus_message *type);
/* Names the rows that the event touches; they must be loaded before bus_fold_event. Rows made
 * by the first event of their own stream are loaded as not there.
 * BUS_FAULT: the view's keys() broke an invariant. */
BUS_CHECKED bus_code bus_fold_touch(bus_fold *fold, const bus_event *event, bus_error *err);
/* Gives a row as it was stored; body.at == NULL: it does not exist. BUS_INVALID: the body
 * breaks the view's contract. */
BUS_CHECKED bus_code bus_fold_load(bus_fold *fold, bus_row *row, bus_str body, int32_t version,
                                   bus_error *err);
/* Folds the event into each row it touches; one with which somebody is forgotten clears what is
 * personal of him there. BUS_FAULT: project() broke an invariant; the rows
 * are spoilt, and what was folded so far has to be folded anew without this event. */
BUS_CHECKED bus_code bus_fold_event(bus_fold *fold, const bus_event *event, bus_error *err);

/* Moves the rows into another arena, as if they had been stored and loaded, and so leaves behind
 * what dead strings and events hold; rows that the fold does not take (any more) are dropped. */
BUS_CHECKED bus_code bus_fold_tighten(bus_fold *fold, bus_arena *into, bus_error *err);

/* {"id","version",...} of a row that is there, in the arena. */
bus_str bus_row_body(const bus_fold *fold, const bus_row *row);
/* The write of a changed row, in the arena. */
bus_row_write bus_row_write_of(const bus_fold *fold, const bus_row *row);
/* By tenant and id, as stores want the writes of one view. */
void bus_row_writes_sort(bus_row_write *writes, int count);

#endif
