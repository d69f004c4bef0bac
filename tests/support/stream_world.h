/* stream_world.h - random histories of several logs, and a reader of them that crashes, for the
 * tests of projections/stream/. What the reader keeps (rows by table and key) stands for the
 * database: a batch is kept whole or not at all. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_STREAM_WORLD_H
#define TESTS_SUPPORT_STREAM_WORLD_H

#include "projections/stream/stream.h"

#define WORLD_SOURCES 2
#define WORLD_PARTITIONS 4
#define WORLD_LOGS (WORLD_SOURCES * WORLD_PARTITIONS)
#define WORLD_RECORDS 128 /* of one log */
#define WORLD_STREAMS 3   /* of one log */
#define WORLD_SEEN 8      /* ids that a stream's memory holds */
#define WORLD_WINDOWS_MAX 8192
#define WORLD_BREAKS INT64_MAX /* a value on which step() breaks its invariant */

/* What an event says. */
typedef struct {
    int64_t id; /* twice in a stream: the second is a duplicate */
    int64_t key, value, time_ms;
    bool    corrects; /* takes the place of what the stream brought last */
} world_data;

typedef struct {
    int        stream;
    int64_t    at_ms;
    bool       other, left_out; /* other: an event that the analytic does not follow */
    world_data data;
} world_record;

typedef struct {
    world_record records[WORLD_RECORDS];
    int          count, visible, read;
} world_log;

/* The analytic's row: how often and how much, by key. */
typedef struct {
    int64_t key;
    int64_t from_at, to_at;
    bool    closed;
    int64_t change;
    int64_t count, sum;
    bool    has_mean;
    int64_t mean;
} world_window;

typedef struct world_row {
    struct {
        bus_id  tenant, id;
        int64_t table;
    } key;
    int32_t        version;
    char          *body;
    world_window   window; /* of body, in the table of windows */
    UT_hash_handle hh;
} world_row;

typedef struct {
    uint64_t          random;
    bus_windows       windows;
    bus_view_contract view;
    bus_view          of;
    world_log         logs[WORLD_LOGS];
    bus_stream       *stream;
    world_row        *kept;     /* uthash: the database */
    world_row        *followed; /* uthash: what a follower of the feed of changes knows */
    int64_t           cursor;   /* of that follower */
    int               crashes, reopened, left_out;
    bus_arena         arena;
} world;

world *world_create(uint64_t seed); /* empty logs; windows as the seed will have them */
world *world_create_again(const world *w);
void   world_destroy(world *w);

/* The log's time must not go back. */
void world_append(world *w, int log, int stream, int64_t at_ms, world_data data);
/* Disorder, duplicates, corrections, late events, idle partitions. */
void world_write_history(world *w);
/* Reads all logs to their ends, as they grow; breaks: crashes and reads twice, at random. */
void world_run(world *w, bool breaks);

int world_count(const world *w, bus_stream_table table);
/* Whoever followed the changes knows every window as it is. */
void world_assert_followed(world *w);
/* All tables have the same bytes, but for the places in the feed. */
void world_assert_same_bytes(const world *a, const world *b);

#endif
